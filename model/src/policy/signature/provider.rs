//! A provider: one row of the registry.

use super::{
    Context, Refusal,
    diagnosis::Diagnosis,
    encoding::KeyForm,
    handshake::Handshake,
    jwt::{Binding, JwsAlgorithm, Jwt, JwtKeys, TokenPlace},
    keys::KeyFrom,
    public_key::PublicKey,
    shared::{self, Token},
    signed::{Checked, Proof, Signed},
};

/// A sender of webhooks, as data.
#[derive(Debug)]
pub struct Provider {
    /// The `type` of its sources.
    pub name: &'static str,
    pub checks: Checks,
    /// The credential of `config.auth` that can be rotated; empty where there is none.
    pub secret: &'static str,
    /// What else `config.auth` holds for it.
    pub fields: &'static [Field],
    pub handshakes: &'static [Handshake],
    /// What an unproven sender is answered with. 403, unless the provider insists on another.
    pub refused_status: u16,
    /// What an accepted request is answered with, where the provider insists: content type and body.
    pub accepted: Option<(&'static str, &'static str)>,
    /// Whether the source can be made before its secret is known, because the sender brings it.
    pub learns_secret: bool,
    /// Where the facts come from.
    pub source: &'static str,
}

/// The checks of a provider.
#[derive(Clone, Copy, Debug)]
pub enum Checks {
    /// Nothing is proven.
    Nothing,
    One(Check),
    /// The first whose condition holds decides. There is no way back to a weaker one after it failed.
    FirstOf(&'static [(When, Check)]),
}

#[derive(Clone, Copy, Debug)]
pub enum When {
    Always,
    Header(&'static str),
    HeaderIs(&'static str, &'static str),
    QueryField(&'static str),
    /// The source has this field in `config.auth`.
    Configured(&'static str),
    ConfiguredAs(&'static str, &'static str),
    /// The body is a form.
    Form,
    /// The JSON body has this field.
    Json(&'static str),
}

/// One check.
#[derive(Clone, Copy, Debug)]
pub enum Check {
    Signed(Signed<'static>),
    /// The same, with the signing token of a field of its own instead of the rotating secret.
    SignedWith(&'static str, Signed<'static>),
    Token(Token),
    Basic,
    Jwt(Jwt),
    /// A scheme that truly differs, and what it does in words.
    Own(fn(&Context<'_>) -> Checked, &'static str),
}

/// A credential or an option of `config.auth`.
#[derive(Clone, Copy, Debug)]
pub struct Field {
    pub name: &'static str,
    pub kind: FieldKind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FieldKind {
    Required,
    Optional,
    /// One of these; the first when none is given.
    OneOf(&'static [&'static str]),
}

impl Field {
    #[must_use]
    pub const fn required(name: &'static str) -> Self {
        Self {
            name,
            kind: FieldKind::Required,
        }
    }

    #[must_use]
    pub const fn optional(name: &'static str) -> Self {
        Self {
            name,
            kind: FieldKind::Optional,
        }
    }

    #[must_use]
    pub const fn one_of(name: &'static str, values: &'static [&'static str]) -> Self {
        Self {
            name,
            kind: FieldKind::OneOf(values),
        }
    }
}

impl Provider {
    pub(super) const fn new(name: &'static str, checks: Checks, source: &'static str) -> Self {
        Self {
            name,
            checks,
            secret: "webhook_secret_key",
            fields: &[],
            handshakes: &[],
            refused_status: 403,
            accepted: None,
            learns_secret: false,
            source,
        }
    }

    pub(super) const fn signed(
        name: &'static str,
        scheme: Signed<'static>,
        source: &'static str,
    ) -> Self {
        Self::new(name, Checks::One(Check::Signed(scheme)), source)
    }

    pub(super) const fn secret(mut self, secret: &'static str) -> Self {
        self.secret = secret;
        self
    }

    pub(super) const fn fields(mut self, fields: &'static [Field]) -> Self {
        self.fields = fields;
        self
    }

    pub(super) const fn handshakes(mut self, handshakes: &'static [Handshake]) -> Self {
        self.handshakes = handshakes;
        self
    }

    pub(super) const fn refused_with(mut self, status: u16) -> Self {
        self.refused_status = status;
        self
    }

    pub(super) const fn accepted_with(
        mut self,
        content_type: &'static str,
        body: &'static str,
    ) -> Self {
        self.accepted = Some((content_type, body));
        self
    }

    pub(super) const fn learns_secret(mut self) -> Self {
        self.learns_secret = true;
        self
    }

    /// Whether its scheme proves anything.
    #[must_use]
    pub fn proves_origin(&self) -> bool {
        !matches!(self.checks, Checks::Nothing)
    }

    /// Whether its credential is a public key, which has no strength to lack.
    #[must_use]
    pub fn secret_is_public(&self) -> bool {
        self.each().any(|check| match check {
            Check::Signed(scheme) => matches!(
                scheme.proof,
                Proof::PublicKey(_, KeyFrom::Configured)
                    | Proof::PublicKeyOverDigest(_, _, KeyFrom::Configured)
            ),
            Check::Jwt(Jwt {
                signed,
                keys: JwtKeys::Configured,
                ..
            }) => !signed.iter().any(|algorithm| algorithm.is_shared()),
            _ => false,
        })
    }

    /// Says what is wrong with a secret that an admin gives.
    ///
    /// # Errors
    /// What was expected instead.
    pub fn check_secret(
        &self,
        secret: &str,
        algorithm: Option<&str>,
        least: usize,
    ) -> Result<(), String> {
        let jwt_with_key = self.name == "JWT"
            && algorithm
                .and_then(JwsAlgorithm::named)
                .is_some_and(|algorithm| !algorithm.is_shared());
        if self.secret_is_public() || jwt_with_key {
            return PublicKey::pasted(secret)
                .map(|_| ())
                .ok_or_else(|| "expected a public key as PEM, base64 or hex".to_owned());
        }
        let form = self.each().find_map(|check| match check {
            Check::Signed(Signed {
                proof: Proof::Hmac(_, form),
                ..
            }) => Some(form),
            _ => None,
        });
        let key = form.unwrap_or(KeyForm::Utf8).key(secret);
        let key = key
            .ok_or_else(|| "expected the secret in the form that the sender shows it".to_owned())?;
        if secret.trim().is_empty() || key.trim_ascii().len() < least {
            return Err(format!("expected at least {least} bytes"));
        }
        Ok(())
    }

    /// Whether a source may choose how old a timestamp may be.
    #[must_use]
    pub fn has_tolerance(&self) -> bool {
        self.each().any(|check| match check {
            Check::Signed(scheme) | Check::SignedWith(_, scheme) => scheme.stamp.is_some(),
            Check::Jwt(_) => true,
            _ => false,
        }) || self.name == "HMAC"
    }

    /// Every check that may decide.
    pub(super) fn each(&self) -> impl Iterator<Item = Check> {
        let (one, several): (Option<Check>, &[(When, Check)]) = match self.checks {
            Checks::Nothing => (None, &[]),
            Checks::One(check) => (Some(check), &[]),
            Checks::FirstOf(several) => (None, several),
        };
        one.into_iter()
            .chain(several.iter().map(|(_, check)| *check))
    }

    /// Checks a request; none where nothing is asked of it.
    pub(super) fn check(&self, context: &Context<'_>) -> Result<Option<Option<usize>>, Refusal> {
        if self.could_have_signed(context.facts.body) {
            return Err(Diagnosis::Unexpected("body: it could be a challenge".into()).into());
        }
        let check = match self.checks {
            Checks::Nothing => return Ok(None),
            Checks::One(check) => check,
            Checks::FirstOf(several) => {
                let chosen = several.iter().find(|(when, _)| when.holds(context));
                chosen
                    .map(|(_, check)| *check)
                    .ok_or_else(|| Diagnosis::missing("everything that this type verifies by"))?
            }
        };
        check.check(context).map(Some)
    }

    /// How it proves, for people.
    #[must_use]
    pub fn scheme(&self) -> String {
        match self.checks {
            Checks::Nothing => "none: anyone who knows the URL may post".into(),
            Checks::One(check) => check.words(),
            Checks::FirstOf(several) => {
                let each = several.iter().map(|(when, check)| match when {
                    When::Always => format!("otherwise {}", check.words()),
                    _ => format!("{}: {}", when.words(), check.words()),
                });
                each.collect::<Vec<_>>().join("; ")
            }
        }
    }

    /// Its handshakes, for people; empty for none.
    #[must_use]
    pub fn handshake(&self) -> String {
        let words: Vec<_> = self
            .handshakes
            .iter()
            .map(|handshake| handshake.words)
            .collect();
        words.join("; ")
    }
}

impl When {
    fn holds(self, context: &Context<'_>) -> bool {
        let facts = context.facts;
        match self {
            Self::Always => true,
            Self::Header(name) => facts.has_header(name),
            Self::HeaderIs(name, value) => facts.header(name).is_ok_and(|given| given == value),
            Self::QueryField(name) => facts.query().any(|(known, _)| known == name),
            Self::Configured(name) => context.auth.field(name).is_some(),
            Self::ConfiguredAs(name, value) => context.auth.field(name) == Some(value),
            Self::Form => facts.is_form(),
            Self::Json(path) => facts.json(path).is_some(),
        }
    }

    fn words(self) -> String {
        match self {
            Self::Always => String::new(),
            Self::Header(name) => format!("with header {name}"),
            Self::HeaderIs(name, value) => format!("with header {name}: {value}"),
            Self::QueryField(name) => format!("with query field {name}"),
            Self::Configured(name) => format!("with `{name}` configured"),
            Self::ConfiguredAs(name, value) => format!("with `{name}` {value}"),
            Self::Form => "for a form".into(),
            Self::Json(path) => format!("with JSON field {path}"),
        }
    }
}

impl Check {
    pub(super) fn check(&self, context: &Context<'_>) -> Checked {
        match self {
            Self::Signed(scheme) => scheme.check(context),
            Self::SignedWith(field, scheme) => {
                let unfinished =
                    || Diagnosis::Unfinished(format!("config.auth.{field} is missing"));
                let secret = context.auth.field(field).ok_or_else(unfinished)?;
                let own = crate::catalog::Verification {
                    tolerance_s: context.auth.tolerance_s,
                    ..crate::catalog::Verification::with_secret(&context.auth.scheme, secret)
                };
                let with = Context {
                    auth: &own,
                    ..*context
                };
                scheme.check(&with).map(|_| None)
            }
            Self::Token(token) => token.check(context),
            Self::Basic => shared::basic(context),
            Self::Jwt(jwt) => jwt.check(context),
            Self::Own(check, _) => check(context),
        }
    }

    fn words(&self) -> String {
        match self {
            Self::Signed(scheme) | Self::SignedWith(_, scheme) => scheme.words(),
            Self::Token(token) if token.prefix.is_empty() => {
                format!(
                    "the secret itself in {}; the body is not covered",
                    token.at.words()
                )
            }
            Self::Token(token) => format!(
                "the secret itself behind `{}` in {}; the body is not covered",
                token.prefix,
                token.at.words()
            ),
            Self::Basic => "HTTP Basic; the body is not covered".into(),
            Self::Jwt(jwt) => jwt.words(),
            Self::Own(_, words) => (*words).to_owned(),
        }
    }
}

impl Signed<'_> {
    fn words(&self) -> String {
        let (what, form) = match self.proof {
            Proof::Hmac(digest, form) => (format!("HMAC-{}", digest.title()), form.title()),
            Proof::Hash(digest) => (digest.title().to_owned(), ""),
            Proof::PublicKey(algorithm, _) => (algorithm.title().to_owned(), ""),
            Proof::PublicKeyOverDigest(digest, algorithm, _) => (
                format!("{} over the {} digest", algorithm.title(), digest.title()),
                "",
            ),
        };
        let mut words = format!(
            "{what} of `{}`, {} in {}",
            self.message,
            self.encoding.title(),
            self.at.words()
        );
        for more in [self.layout.words(), form.to_owned()] {
            if !more.is_empty() {
                words.push_str(", ");
                words.push_str(&more);
            }
        }
        if let Some(stamp) = &self.stamp {
            words.push_str("; ");
            words.push_str(&stamp.words());
        }
        words
    }
}

impl Jwt {
    fn words(&self) -> String {
        let names: Vec<_> = self
            .signed
            .iter()
            .map(|algorithm| JwsAlgorithm::name(*algorithm))
            .collect();
        let at = match self.at {
            TokenPlace::Header(name) => format!("in header {name}"),
            TokenPlace::Body => "as the body".into(),
            TokenPlace::Detached(name) => format!("in header {name}, the body as its payload"),
        };
        let binds = match self.binds {
            Binding::Nothing => "the body is not covered".to_owned(),
            Binding::Body => "the body is the token".to_owned(),
            Binding::Digest { claim, base64, .. } => {
                let encoding = if base64 { "base64" } else { "hex" };
                format!("claim {claim} is the {encoding} SHA256 of the body")
            }
            Binding::FreshDigest { claim, within_s } => {
                format!("claim {claim} is the hex SHA256 of the body, iat within {within_s} s")
            }
            Binding::UrlAndPayload => "claims url_hash and payload_hash are hex SHA256".to_owned(),
        };
        format!("JWT ({}) {at}; {binds}", names.join(", "))
    }
}
