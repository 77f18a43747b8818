//! Input of a source's signature verification. Nothing but a clear word switches verification off.

use super::source_secrets::{self, SECRETS};
use crate::{
    body::{Fields, Given},
    problem::Problem,
};
use http::HeaderName;
use model::{
    catalog::{Secret, Verification},
    policy::signature::{self, Field, FieldKind, JwsAlgorithm, Provider, registry},
};
use serde_json::{Map, Value};
use url::Url;

/// Long enough for a public key of 8192 bits in PEM.
pub const MAX_VALUE: usize = 8192;
const MAX_URL: usize = 2048;
/// A shorter window refuses what is honestly on its way (seconds).
const TOLERANCE_MIN_S: u64 = 30;
const TOLERANCE_MAX_S: u64 = 7 * 24 * 3600;

/// The verification after a body was applied to the kept one, or a new one.
pub fn read(
    fields: &Fields<'_>,
    config: &Fields<'_>,
    kept: Option<&Verification>,
    min_secret_bytes: usize,
) -> Result<Verification, Problem> {
    let auth = config.object("auth")?;
    let source_type = match fields.text("type", 64)? {
        Given::Value(wanted) => wanted.to_owned(),
        Given::Null => return Err(unknown_type(&fields.path("type"), "null")),
        Given::Absent => kept.map_or("WEBHOOK", |kept| &kept.source_type).to_owned(),
    };
    let scheme = scheme(fields, config, &auth, &source_type, kept)?;
    let provider = registry::find(&scheme);
    // What another scheme was told says nothing to this one.
    let kept = kept.filter(|kept| kept.scheme == scheme);
    let empty = Map::new();
    let named = match &auth {
        Given::Value(auth) => auth.clone(),
        _ => Fields::over(config.path("auth"), &empty),
    };
    let mut verification = Verification {
        source_type,
        scheme,
        secrets: kept.map(|kept| kept.secrets.clone()).unwrap_or_default(),
        fields: kept.map(|kept| kept.fields.clone()).unwrap_or_default(),
        signed_url: read_url(config, kept)?,
        tolerance_s: read_tolerance(config, provider, kept)?,
        handshake: kept.and_then(|kept| kept.handshake.clone()),
    };
    if auth == Given::Null {
        verification.secrets.clear();
        verification.fields.clear();
    }
    let Some(provider) = provider else {
        read_documented(&named, &mut verification)?;
        return Ok(verification);
    };
    check_keys(&named, provider)?;
    for field in provider.fields {
        read_field(&named, field, &mut verification, min_secret_bytes)?;
    }
    read_headers(config, provider, &mut verification)?;
    check_options(&named, &verification)?;
    source_secrets::read(&named, provider, &mut verification, kept, min_secret_bytes)?;
    Ok(verification)
}

/// What the API's command line adds to the secret of every type, and what `include=config.auth` shows of headers that
/// are named beside `auth`. Only the schemes that know them listen to them.
pub(crate) const SENT_WITH_EVERY_TYPE: [&str; 4] = [
    "algorithm",
    "encoding",
    "header_key",
    "timestamp_header_key",
];

/// Refuses what no one would read: a credential under a wrong name proves nothing.
fn check_keys(auth: &Fields<'_>, provider: &Provider) -> Result<(), Problem> {
    let mut known: Vec<&str> = provider.fields.iter().map(|field| field.name).collect();
    if !provider.secret.is_empty() {
        known.splice(0..0, [provider.secret, SECRETS]);
    }
    let ignored = SENT_WITH_EVERY_TYPE.iter().copied();
    let taken: Vec<&str> = known.iter().copied().chain(ignored).collect();
    auth.pass_over(&[&SENT_WITH_EVERY_TYPE]);
    let Some(other) = auth.other_than(&taken) else {
        return Ok(());
    };
    Err(unknown_field(auth, other, provider.name, &known))
}

fn unknown_field(auth: &Fields<'_>, given: &str, source_type: &str, known: &[&str]) -> Problem {
    let known = match known {
        [] => "nothing".to_owned(),
        known => known.join(", "),
    };
    let expected = format!("{source_type} has no such field; it knows {known}");
    auth.invalid(given, expected)
}

/// The fields that the API documents for a type whose scheme is not known. They are kept, and prove nothing.
fn read_documented(auth: &Fields<'_>, verification: &mut Verification) -> Result<(), Problem> {
    let known = registry::documented(&verification.scheme).unwrap_or_default();
    let ignored = SENT_WITH_EVERY_TYPE.iter().copied();
    let taken: Vec<&str> = known.iter().copied().chain(ignored).collect();
    auth.pass_over(&[&SENT_WITH_EVERY_TYPE]);
    if let Some(other) = auth.other_than(&taken) {
        let name = &verification.scheme;
        return Err(unknown_field(auth, other, name, known));
    }
    for name in known {
        match auth.text(name, MAX_VALUE)? {
            Given::Absent => {}
            Given::Null => {
                verification.fields.remove(*name);
            }
            Given::Value(text) => {
                let text = Secret::new(text.to_owned());
                verification.fields.insert((*name).to_owned(), text);
            }
        }
    }
    Ok(())
}

pub fn unknown_type(field: &str, given: &str) -> Problem {
    let expected = format!("{given:?} is none of the types that GET /source-types lists");
    Problem::invalid(field, expected)
}

/// The provider whose scheme the source takes: the type's own, or the one that the admin names.
fn scheme(
    fields: &Fields<'_>,
    config: &Fields<'_>,
    auth: &Given<Fields<'_>>,
    source_type: &str,
    kept: Option<&Verification>,
) -> Result<String, Problem> {
    let own = registry::find(source_type);
    let is_listed = registry::documented(source_type).is_some();
    if own.is_none() && !is_listed {
        return Err(unknown_type(&fields.path("type"), source_type));
    }
    let auth_type = config.text("auth_type", 64)?;
    if own.is_some_and(Provider::proves_origin) {
        return match auth_type {
            Given::Value(other) if other != source_type => Err(config.invalid(
                "auth_type",
                format!("{source_type} has a scheme of its own; use type WEBHOOK for another"),
            )),
            _ => Ok(source_type.to_owned()),
        };
    }
    let generic = "expected HMAC, BASIC_AUTH, API_KEY, JWT or a type that has a scheme";
    match auth_type {
        Given::Value(named) => {
            let found = registry::find(named).filter(|provider| provider.proves_origin());
            let found = found.ok_or_else(|| config.invalid("auth_type", generic))?;
            return Ok(found.name.to_owned());
        }
        Given::Null => return Ok(source_type.to_owned()),
        Given::Absent => {}
    }
    // A source that was made so stays verified until `auth` is taken away by name.
    if *auth != Given::Null
        && let Some(kept) = kept.filter(|kept| kept.source_type == source_type)
        && kept.scheme != source_type
    {
        return Ok(kept.scheme.clone());
    }
    let names_auth = matches!(auth, Given::Value(auth) if !auth.is_empty());
    match own {
        // WEBHOOK with credentials means HMAC to this API's clients: to drop them would leave the source open.
        Some(_) if names_auth => Ok("HMAC".to_owned()),
        // One of a type without a scheme is made with what the API documents, and says what it lacks.
        _ => Ok(source_type.to_owned()),
    }
}

fn read_field(
    auth: &Fields<'_>,
    field: &Field,
    verification: &mut Verification,
    min_secret_bytes: usize,
) -> Result<(), Problem> {
    let text = match (auth.value(field.name), field.kind) {
        // An id may be written as a number.
        (Given::Value(Value::Number(number)), _) => Given::Value(number.to_string()),
        (Given::Value(Value::Bool(set)), FieldKind::Flag) => Given::Value(set.to_string()),
        (Given::Value(by_id @ Value::Object(_)), FieldKind::SecretsById) => {
            Given::Value(by_id.to_string())
        }
        _ => auth.text(field.name, MAX_VALUE)?.map(str::to_owned),
    };
    let fields = &mut verification.fields;
    match text {
        Given::Value(text) if !text.is_empty() => {
            let same = fields
                .get(field.name)
                .is_some_and(|kept| kept.reveal() == text);
            if !same {
                field
                    .check(&text, min_secret_bytes)
                    .map_err(|expected| auth.invalid(field.name, expected))?;
            }
            fields.insert(field.name.to_owned(), Secret::new(text));
        }
        Given::Absent => {}
        _ => {
            fields.remove(field.name);
        }
    }
    let given = verification.field(field.name);
    let names_header = field.name.ends_with("header_key");
    match given.filter(|_| names_header) {
        Some(name) if HeaderName::from_bytes(name.as_bytes()).is_err() => {
            Err(auth.invalid(field.name, "expected the name of a header"))
        }
        _ => Ok(()),
    }
}

/// Header names that the source's sender chose, where its scheme has headers. They stand beside `auth`, where clients
/// send a `header_key` for every type.
fn read_headers(
    config: &Fields<'_>,
    provider: &Provider,
    verification: &mut Verification,
) -> Result<(), Problem> {
    for (key, field) in [
        ("signature_header", "header_key"),
        ("timestamp_header", "timestamp_header_key"),
    ] {
        match config.text(key, 128)? {
            Given::Absent => {}
            Given::Null => {
                verification.fields.remove(field);
            }
            Given::Value(name) => {
                if !provider.proves_origin() {
                    return Err(config.invalid(key, "the source's type has no headers to name"));
                }
                let name = HeaderName::from_bytes(name.as_bytes())
                    .map_err(|_| config.invalid(key, "expected the name of a header"))?;
                let name = Secret::new(name.as_str().to_owned());
                verification.fields.insert(field.to_owned(), name);
            }
        }
    }
    Ok(())
}

fn check_options(auth: &Fields<'_>, verification: &Verification) -> Result<(), Problem> {
    // Nothing was said of it yet: it is made, and says what it lacks.
    if verification.fields.is_empty() && auth.is_empty() {
        return Ok(());
    }
    if let Err(problem) = signature::check_options(verification) {
        let (field, expected) = problem.split_once(": ").unwrap_or(("", &problem));
        return Err(auth.invalid(field, expected));
    }
    if verification.scheme != "JWT" {
        return Ok(());
    }
    let Some(algorithm) = verification.field("algorithm") else {
        return Ok(());
    };
    let Some(algorithm) = JwsAlgorithm::named(algorithm) else {
        let names: Vec<_> = JwsAlgorithm::ALL.iter().map(|known| known.name()).collect();
        return Err(auth.invalid("algorithm", format!("expected one of {}", names.join(", "))));
    };
    match verification.field("jwks_url").map(Url::parse) {
        None => Ok(()),
        Some(Ok(url)) if url.scheme() == "https" && url.has_host() && !algorithm.is_shared() => {
            Ok(())
        }
        Some(_) => Err(auth.invalid(
            "jwks_url",
            "expected an https URL, together with an algorithm of public keys",
        )),
    }
}

fn read_url(config: &Fields<'_>, kept: Option<&Verification>) -> Result<Option<String>, Problem> {
    const KEY: &str = "signed_url";
    let url = config.text(KEY, MAX_URL)?.map(str::to_owned);
    if let Given::Value(url) = &url {
        let is_web = Url::parse(url).is_ok_and(|url| ["http", "https"].contains(&url.scheme()));
        if !is_web {
            return Err(config.invalid(
                KEY,
                "expected the http or https URL that the sender was told",
            ));
        }
    }
    Ok(url.or_kept(kept.and_then(|kept| kept.signed_url.clone())))
}

fn read_tolerance(
    config: &Fields<'_>,
    provider: Option<&Provider>,
    kept: Option<&Verification>,
) -> Result<Option<u32>, Problem> {
    const KEY: &str = "tolerance_s";
    let given = config.whole(KEY, TOLERANCE_MIN_S, TOLERANCE_MAX_S)?;
    if matches!(given, Given::Value(_)) && !provider.is_some_and(Provider::has_tolerance) {
        return Err(config.invalid(KEY, "the source's type signs no timestamp"));
    }
    let given = given.map(|seconds| u32::try_from(seconds).unwrap_or(u32::MAX));
    Ok(given.or_kept(kept.and_then(|kept| kept.tolerance_s)))
}

#[cfg(test)]
mod tests;
