//! LinkedIn signs with the client secret of the application that an event belongs to; a parent application has children
//! with secrets of their own.

use super::super::{
    Context, Refusal,
    diagnosis::Diagnosis,
    digest::Digest::Sha256,
    proven::Proven,
    signed::{Checked, Signed},
};
use crate::catalog::Verification;
use std::collections::BTreeMap;

/// The field of `config.auth` with the secrets of the children.
pub(in super::super) const APPLICATIONS: &str = "applications";

pub(in super::super) const WORDS: &str = "HMAC-SHA256 of `hmacsha256={body}`, hex in header x-li-signature, with the \
    secret or one of `applications`";

const SCHEME: Signed<'static> = Signed {
    message: "hmacsha256={body}",
    ..Signed::body("x-li-signature", Sha256)
};

pub(in super::super) fn check(context: &Context<'_>) -> Checked {
    let refused = match SCHEME.check(context) {
        Err(Refusal::Diagnosed(
            refused @ (Diagnosis::Mismatch
            | Diagnosis::NoSecret
            | Diagnosis::SecretForm(_)
            | Diagnosis::BodyChanged(_)),
        )) => refused,
        settled => return settled,
    };
    let mut found = false;
    // All of them: the time it takes says nothing about which one fitted.
    for secret in applications(context.auth).values() {
        let child = Verification::with_secret(&context.auth.scheme, secret);
        let of_child = Context {
            auth: &child,
            ..*context
        };
        found |= SCHEME.check(&of_child).is_ok();
    }
    if found {
        Ok(Proven::default())
    } else {
        Err(refused.into())
    }
}

/// The secrets of applications by their ids.
pub(in super::super) fn applications(auth: &Verification) -> BTreeMap<String, String> {
    let text = auth.field(APPLICATIONS).unwrap_or("{}");
    serde_json::from_str(text).unwrap_or_default()
}
