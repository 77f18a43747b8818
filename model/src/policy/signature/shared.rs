//! Schemes that show the secret itself: a token in a header, HTTP Basic (RFC 7617). The body is not covered.

use super::{
    Context,
    diagnosis::Diagnosis,
    encoding::Encoding,
    layout::{Place, behind},
    proven::Proven,
    signed::Checked,
};
use crate::catalog::Verification;
use subtle::ConstantTimeEq;

/// A shared secret that the request carries as it is.
#[derive(Clone, Copy, Debug)]
pub struct Token {
    pub at: Place<'static>,
    /// What stands before the secret, such as `Bearer `.
    pub prefix: &'static str,
}

impl Token {
    #[must_use]
    pub const fn header(name: &'static str) -> Self {
        Self {
            at: Place::Header(name),
            prefix: "",
        }
    }

    /// The place of the shared secret: where the admin said, else where its sender puts it.
    pub(super) fn place<'a>(&self, auth: &'a Verification) -> Place<'a> {
        match (self.at, auth.field("header_key"), auth.field("query_key")) {
            (Place::Header(_), _, Some(field)) => Place::Query(field),
            (Place::Header(_), Some(header), _) => Place::Header(header),
            (at, _, _) => at,
        }
    }

    pub(super) fn check(&self, context: &Context<'_>) -> Checked {
        let at = self.place(context.auth);
        let values = at.values(context.facts)?;
        let unexpected = || Diagnosis::Unexpected(at.words());
        let claimed = values.first().ok_or_else(unexpected)?;
        let claimed = behind(claimed, self.prefix).ok_or_else(unexpected)?;
        same(context, claimed.as_bytes(), |secret| {
            Some(secret.as_bytes().to_vec())
        })?
        .map(|place| Proven::by(Some(place)))
        .ok_or_else(|| unexpected().into())
    }
}

/// HTTP Basic with a fixed user. The password is the credential that rotates.
pub(super) fn basic(context: &Context<'_>) -> Checked {
    let value = context.facts.header("authorization")?;
    let malformed = || Diagnosis::malformed("header authorization");
    let (scheme, encoded) = value.split_once(' ').ok_or_else(malformed)?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return Err(Diagnosis::Unexpected("scheme of the header authorization".into()).into());
    }
    let claimed = Encoding::Base64
        .decode(encoded.trim())
        .ok_or_else(malformed)?;
    let unfinished = || Diagnosis::Unfinished("config.auth.username is missing".into());
    let user = context.auth.field("username").ok_or_else(unfinished)?;
    // A user name can't hold a colon, so the pair as a whole is unambiguous.
    if user.contains(':') {
        return Err(Diagnosis::Unfinished("config.auth.username holds a colon".into()).into());
    }
    same(context, &claimed, |password| {
        Some(format!("{user}:{password}").into_bytes())
    })?
    .map(|place| Proven::by(Some(place)))
    .ok_or_else(|| Diagnosis::Unexpected("user name or password".into()).into())
}

/// Compares with every live secret, in constant time for equal lengths.
pub(super) fn same(
    context: &Context<'_>,
    claimed: &[u8],
    expected: impl Fn(&str) -> Option<Vec<u8>>,
) -> Result<Option<usize>, Diagnosis> {
    let mut any = false;
    let mut found = None;
    for (place, secret) in context.auth.live(context.facts.now) {
        let Some(expected) = expected(secret) else {
            continue;
        };
        any = true;
        if bool::from(expected.ct_eq(claimed)) && found.is_none() {
            found = Some(place);
        }
    }
    if any {
        Ok(found)
    } else {
        Err(Diagnosis::NoSecret)
    }
}
