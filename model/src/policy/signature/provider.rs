//! A provider: one row of the registry.

use super::{
    Context, Refusal,
    diagnosis::Diagnosis,
    encoding::KeyForm,
    generic,
    handshake::{Answer, Handshake},
    jwt::{Binding, JwsAlgorithm, Jwt, JwtKeys, TokenPlace},
    keys::KeyFrom,
    proven::Proven,
    public_key::PublicKey,
    shared::{self, Token},
    signed::{Checked, Proof, Signed},
    stamp::Unit,
};

use crate::{catalog::Verification, time::Timestamp};
use std::collections::BTreeMap;

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
    /// The same where the answer must be signed, with the secret that proved the request.
    pub(super) acknowledged: Option<fn(secret: &str, now: Timestamp) -> Answer>,
    /// Bodies beyond this don't come from its sender; none where it documents no bound.
    pub(super) body_max: Option<usize>,
    /// Whether the source can be made before its secret is known, because the sender brings it.
    pub learns_secret: bool,
    /// Whether a check of its own finds what may be used once only.
    own_once: bool,
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
    /// The admin has consented to older forms, and this holds.
    Consented(&'static When),
}

/// The field of `config.auth` by which an admin consents to forms that the sender has replaced by stronger ones.
pub(super) const ALLOW_LEGACY: Field = Field::flag("allow_legacy");

/// The field of `config.auth` by which an admin takes what any topic of a shared sender publishes.
pub(super) const ALLOW_ANY_TOPIC: Field = Field::flag("allow_any_topic");

/// Whether the source takes older forms too.
pub(super) fn allows_legacy(context: &Context<'_>) -> bool {
    context.auth.is_set(ALLOW_LEGACY.name)
}

/// A verification check of a provider: a signature, a token, Basic, a JWT, or one of its own.
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

/// The kind of one-time tokens that a sender signs, for one request only. The order is that of what a copy could
/// change.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Tokens {
    /// Nothing.
    #[default]
    None,
    /// A token together with the body: whatever has the token has the body too.
    WithBody,
    /// A token that the body may change beside.
    Alone,
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
    /// Known only once the sender has been told the URL; until it is given, nothing is proven.
    Pending,
    /// True or false; false when it is not given.
    Flag,
    /// A secret beside the one that rotates, in the form in which it is a key; it may be left out.
    Secret(KeyForm),
    /// An object of further secrets by the ids of what they belong to, kept as its JSON text.
    SecretsById,
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
    pub const fn pending(name: &'static str) -> Self {
        Self {
            name,
            kind: FieldKind::Pending,
        }
    }

    #[must_use]
    pub const fn secret(name: &'static str, form: KeyForm) -> Self {
        Self {
            name,
            kind: FieldKind::Secret(form),
        }
    }

    /// Says what is wrong with a value that an admin gives.
    ///
    /// # Errors
    /// What was expected instead.
    pub fn check(&self, value: &str, least: usize) -> Result<(), String> {
        match self.kind {
            FieldKind::Secret(form) => check_key(value, form, least),
            FieldKind::SecretsById => {
                let by_id: BTreeMap<String, String> = serde_json::from_str(value)
                    .map_err(|_| "expected an object of secrets by their ids".to_owned())?;
                by_id.iter().try_for_each(|(id, secret)| {
                    check_key(secret, KeyForm::Utf8, least).map_err(|why| format!("{id}: {why}"))
                })
            }
            FieldKind::OneOf(values) if !values.contains(&value) => {
                Err(format!("expected one of {}", values.join(", ")))
            }
            FieldKind::Flag if !["true", "false"].contains(&value) => {
                Err("expected true or false".to_owned())
            }
            _ => Ok(()),
        }
    }

    #[must_use]
    pub const fn flag(name: &'static str) -> Self {
        Self {
            name,
            kind: FieldKind::Flag,
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

impl Field {
    #[must_use]
    pub const fn secrets_by_id(name: &'static str) -> Self {
        Self {
            name,
            kind: FieldKind::SecretsById,
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
            acknowledged: None,
            body_max: None,
            learns_secret: false,
            own_once: false,
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

    pub(super) const fn acknowledged_by(
        mut self,
        answer: fn(secret: &str, now: Timestamp) -> Answer,
    ) -> Self {
        self.acknowledged = Some(answer);
        self
    }

    pub(super) const fn body_max(mut self, bytes: usize) -> Self {
        self.body_max = Some(bytes);
        self
    }

    pub(super) const fn own_once(mut self) -> Self {
        self.own_once = true;
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

    /// Says what is wrong with a secret that an admin gives, beside the other fields of the source.
    ///
    /// # Errors
    /// What was expected instead.
    pub fn check_secret(
        &self,
        secret: &str,
        auth: &Verification,
        least: usize,
    ) -> Result<(), String> {
        let jwt_with_key = self.name == "JWT"
            && auth
                .field("algorithm")
                .and_then(JwsAlgorithm::named)
                .is_some_and(|algorithm| !algorithm.is_shared());
        let of_public_kind = auth.field("key_type").is_some_and(|kind| kind != "HMAC");
        if self.secret_is_public() || jwt_with_key || of_public_kind {
            return PublicKey::pasted(secret)
                .map(|_| ())
                .ok_or_else(|| "expected a public key as PEM, base64 or hex".to_owned());
        }
        check_key(secret, self.form_of_secret(auth), least)
    }

    /// In which form its rotating secret is a key.
    fn form_of_secret(&self, auth: &Verification) -> KeyForm {
        let named = auth.field("secret_form").and_then(KeyForm::named);
        let of_scheme = || {
            self.each().find_map(|check| match check {
                Check::Signed(Signed {
                    proof: Proof::Hmac(_, form),
                    ..
                }) => Some(form),
                _ => None,
            })
        };
        named.or_else(of_scheme).unwrap_or(KeyForm::Utf8)
    }

    /// The settings that a source of this provider lacks to prove anything, in words for the admin; none where it is
    /// complete.
    #[must_use]
    pub fn lacks(&self, auth: &Verification, now: Timestamp) -> Option<String> {
        if !self.proves_origin() {
            return None;
        }
        let missing = |name: &str| format!("config.auth.{name} is missing");
        let needed = |field: &&Field| match field.kind {
            FieldKind::Required => true,
            FieldKind::Pending => !auth.is_set(ALLOW_ANY_TOPIC.name),
            _ => false,
        };
        let mut needed = self.fields.iter().filter(needed);
        if let Some(field) = needed.find(|field| auth.field(field.name).is_none()) {
            return Some(missing(field.name));
        }
        if let Err(problem) = generic::check_options(auth) {
            return Some(format!("config.auth.{problem}"));
        }
        if self.secret.is_empty() || self.proves_without_secret(auth) {
            return None;
        }
        if auth.live(now).next().is_some() {
            return None;
        }
        Some(match (self.learns_secret, auth.secrets.is_empty()) {
            (true, true) => "the sender has not brought its secret yet".to_owned(),
            (_, true) => missing(self.secret),
            (_, false) => format!("every secret in config.auth.{} has expired", self.secret),
        })
    }

    /// Whether other credentials of the source prove its requests.
    fn proves_without_secret(&self, auth: &Verification) -> bool {
        let set = |name: &str| auth.field(name).is_some();
        let own_key = self.each().any(|check| match check {
            Check::SignedWith(field, _) => set(field),
            _ => false,
        });
        own_key || self.name == "JWT" && set("jwks_url")
    }

    /// Whether a source may choose how old a timestamp may be.
    #[must_use]
    pub fn has_tolerance(&self) -> bool {
        self.each().any(|check| match check {
            Check::Signed(scheme) | Check::SignedWith(_, scheme) => {
                scheme.stamp.is_some_and(|stamp| stamp.unit != Unit::Nonce)
            }
            Check::Jwt(_) => true,
            _ => false,
        }) || ["COINBASE_CDP", "CONTENTFUL", "HMAC", "HUBSPOT"].contains(&self.name)
    }

    /// The kind of one-time tokens that the checks find, by what a copy could still change.
    pub(super) fn tokens(&self) -> Tokens {
        let each = self.each().map(|check| match check {
            Check::Signed(scheme) | Check::SignedWith(_, scheme) if scheme.once.is_some() => {
                if scheme.message.contains("{body}") {
                    Tokens::WithBody
                } else {
                    Tokens::Alone
                }
            }
            Check::Jwt(jwt) if jwt.once => Tokens::WithBody,
            Check::Own(..) if self.own_once => Tokens::Alone,
            _ => Tokens::None,
        });
        each.max().unwrap_or_default()
    }

    #[cfg(test)]
    pub(super) fn every_check(&self) -> impl Iterator<Item = Check> {
        self.each()
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
    pub(super) fn check(&self, context: &Context<'_>) -> Result<Option<Proven>, Refusal> {
        let check = match self.checks {
            Checks::Nothing => return Ok(None),
            Checks::One(check) => check,
            Checks::FirstOf(several) => {
                let chosen = several.iter().find(|(when, _)| when.holds(context));
                let Some((_, check)) = chosen else {
                    return Err(unchosen(several, context).into());
                };
                *check
            }
        };
        check.check(context).map(Some)
    }

    /// The verification scheme in words, for people.
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

    /// The handshakes in words, for people; empty for none.
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

/// Why none of several checks looks at a request.
fn unchosen(several: &[(When, Check)], context: &Context<'_>) -> Diagnosis {
    let is_older =
        |(when, _): &(When, Check)| matches!(when, When::Consented(older) if older.holds(context));
    let newest = several.first().map_or("", |(when, _)| when.asks());
    if several.iter().any(is_older) {
        // The sender's own newer form is what is missing, not a signature.
        return Diagnosis::missing(format!(
            "newest form of the signature ({newest}); older ones are taken once config.auth.{} is true",
            ALLOW_LEGACY.name
        ));
    }
    Diagnosis::missing("everything that this type verifies by")
}

/// Whether a text is a key, and one that can't be guessed. What counts are the bytes that it decodes to.
fn check_key(secret: &str, form: KeyForm, least: usize) -> Result<(), String> {
    let Some(key) = form.key(secret).filter(|_| !secret.trim().is_empty()) else {
        return Err(match form.title() {
            "" => "expected the secret in the form that the sender shows it".to_owned(),
            title => format!("expected the secret in the form that the sender shows it: {title}"),
        });
    };
    let is_text = matches!(form, KeyForm::Utf8 | KeyForm::Nfkd | KeyForm::WhsecOrText);
    let len = if is_text {
        key.trim_ascii().len()
    } else if form == KeyForm::Sha1 {
        // The digest is as long whatever the text is.
        secret.trim().len()
    } else {
        key.len()
    };
    if len < least {
        return Err(format!(
            "expected at least {least} bytes of key, this has {len}"
        ));
    }
    Ok(())
}

impl When {
    /// What it asks for, in a word.
    fn asks(self) -> &'static str {
        match self {
            Self::Header(name)
            | Self::HeaderIs(name, _)
            | Self::QueryField(name)
            | Self::Configured(name)
            | Self::ConfiguredAs(name, _)
            | Self::Json(name) => name,
            Self::Consented(when) => when.asks(),
            Self::Always | Self::Form => "",
        }
    }

    fn holds(self, context: &Context<'_>) -> bool {
        let facts = context.facts;
        match self {
            Self::Always => true,
            Self::Header(name) => facts.has_header(name),
            Self::HeaderIs(name, value) => facts.header(name).is_ok_and(|given| given == value),
            Self::QueryField(name) => facts.query().any(|(known, _)| known == name),
            Self::Configured(name) => context.auth.field(name).is_some(),
            Self::ConfiguredAs(name, value) => context.auth.field(name) == Some(value),
            Self::Form => facts.has_fields(),
            Self::Json(path) => facts.json(path).is_some(),
            Self::Consented(older) => allows_legacy(context) && older.holds(context),
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
            Self::Consented(older) => {
                let other = [older.words(), format!("if `{}`", ALLOW_LEGACY.name)];
                other.join(" ").trim_start().to_owned()
            }
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
                let own = Verification {
                    tolerance_s: context.auth.tolerance_s,
                    ..Verification::with_secret(&context.auth.scheme, secret)
                };
                let with = Context {
                    auth: &own,
                    ..*context
                };
                scheme.check(&with).map(|proven| Proven {
                    secret: None,
                    ..proven
                })
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
