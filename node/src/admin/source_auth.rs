//! How a source verifies, as clients name it. Nothing but a clear word switches verification off.

use super::{
    api_error::ApiError,
    body::{Fields, Given},
    times,
};
use actix_web::http::header::HeaderName;
use model::{
    catalog::{LiveSecret, Secret, Verification},
    policy::signature::{self, Field, FieldKind, JwsAlgorithm, Provider, registry},
    time::Timestamp,
};
use serde_json::{Map, Value};
use url::Url;

/// Long enough for a public key of 8192 bits in PEM.
const MAX_VALUE: usize = 8192;
const MAX_URL: usize = 2048;
/// A shorter window refuses what is honestly on its way (seconds).
const TOLERANCE_MIN_S: u64 = 30;
const TOLERANCE_MAX_S: u64 = 7 * 24 * 3600;

/// The verification after a body was applied to the kept one, or a new one.
pub(super) fn read(
    fields: &Fields<'_>,
    config: &Fields<'_>,
    kept: Option<&Verification>,
    min_secret_bytes: usize,
) -> Result<Verification, ApiError> {
    let auth = config.object("auth")?;
    let source_type = match fields.text("type", 64)? {
        Given::Value(wanted) => wanted.to_owned(),
        Given::Null => return Err(unknown_type(fields, "null")),
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
    read_secrets(&named, provider, &mut verification, kept, min_secret_bytes)?;
    Ok(verification)
}

/// What the API's command line adds to the secret of every type, and what `include=config.auth` shows of headers that
/// are named beside `auth`. Only the schemes that know them listen to them.
const SENT_WITH_EVERY_TYPE: [&str; 4] = [
    "algorithm",
    "encoding",
    "header_key",
    "timestamp_header_key",
];
const SECRETS: &str = "secrets";

/// Refuses what no one would read: a credential under a wrong name proves nothing.
fn check_keys(auth: &Fields<'_>, provider: &Provider) -> Result<(), ApiError> {
    let mut known: Vec<&str> = provider.fields.iter().map(|field| field.name).collect();
    if !provider.secret.is_empty() {
        known.splice(0..0, [provider.secret, SECRETS]);
    }
    let ignored = SENT_WITH_EVERY_TYPE.iter().copied();
    let taken: Vec<&str> = known.iter().copied().chain(ignored).collect();
    let Some(other) = auth.other_than(&taken) else {
        return Ok(());
    };
    let known = match known.as_slice() {
        [] => "nothing".to_owned(),
        known => known.join(", "),
    };
    let name = provider.name;
    Err(auth.invalid(other, format!("{name} has no such field; it knows {known}")))
}

/// The fields that the API documents for a type whose scheme is not known. They are kept, and prove nothing.
fn read_documented(auth: &Fields<'_>, verification: &mut Verification) -> Result<(), ApiError> {
    let known = registry::documented(&verification.scheme).unwrap_or_default();
    let ignored = SENT_WITH_EVERY_TYPE.iter().copied();
    let taken: Vec<&str> = known.iter().copied().chain(ignored).collect();
    if let Some(other) = auth.other_than(&taken) {
        let name = &verification.scheme;
        let known = known.join(", ");
        return Err(auth.invalid(other, format!("{name} has no such field; it knows {known}")));
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

fn unknown_type(fields: &Fields<'_>, given: &str) -> ApiError {
    fields.invalid(
        "type",
        format!("{given:?} is none of the types that GET /source-types lists"),
    )
}

/// The provider whose scheme the source takes: the type's own, or the one that the admin names.
fn scheme(
    fields: &Fields<'_>,
    config: &Fields<'_>,
    auth: &Given<Fields<'_>>,
    source_type: &str,
    kept: Option<&Verification>,
) -> Result<String, ApiError> {
    let own = registry::find(source_type);
    let is_listed = registry::documented(source_type).is_some();
    if own.is_none() && !is_listed {
        return Err(unknown_type(fields, source_type));
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
) -> Result<(), ApiError> {
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
) -> Result<(), ApiError> {
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

fn check_options(auth: &Fields<'_>, verification: &Verification) -> Result<(), ApiError> {
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

/// The credential that rotates: one alone replaces all, a list is taken as it is. Without any the source proves nothing
/// yet, and says so.
fn read_secrets(
    auth: &Fields<'_>,
    provider: &Provider,
    verification: &mut Verification,
    earlier: Option<&Verification>,
    min_secret_bytes: usize,
) -> Result<(), ApiError> {
    let name = provider.secret;
    if name.is_empty() {
        return Ok(());
    }
    let kept = std::mem::take(&mut verification.secrets);
    let known = |secret: &str| {
        kept.iter()
            .find(|live| live.secret.reveal() == secret)
            .cloned()
    };
    let fresh = |secret: &str| LiveSecret::new(Secret::new(secret.to_owned()));
    let secrets = match (auth.list(SECRETS)?, auth.text(name, MAX_VALUE)?) {
        (Given::Value(list), _) => read_list(auth, list, known)?,
        // Clients that say the same again mean no change, also while an older one is still alive.
        (_, Given::Value(same)) if known(same).is_some() => kept.clone(),
        (_, Given::Value(secret)) => vec![fresh(secret)],
        (_, Given::Absent) => kept.clone(),
        (_, Given::Null) => Vec::new(),
    };
    // A secret that was taken once stays; but the same text is another key in another form.
    let form = |auth: &Verification| {
        let of = |name| auth.field(name).map(str::to_owned);
        [of("algorithm"), of("secret_form")]
    };
    let is_read_anew = earlier.is_none_or(|earlier| form(earlier) != form(verification));
    let is_new = |live: &&LiveSecret| is_read_anew || known(live.secret.reveal()).is_none();
    for live in secrets.iter().filter(is_new) {
        provider
            .check_secret(live.secret.reveal(), verification, min_secret_bytes)
            .map_err(|expected| auth.invalid(name, expected))?;
    }
    verification.secrets = secrets;
    Ok(())
}

fn read_list(
    auth: &Fields<'_>,
    list: &[Value],
    known: impl Fn(&str) -> Option<LiveSecret>,
) -> Result<Vec<LiveSecret>, ApiError> {
    const KEY: &str = SECRETS;
    if list.is_empty() || list.len() > Verification::SECRETS_MAX {
        let most = Verification::SECRETS_MAX;
        return Err(auth.invalid(KEY, format!("expected 1 to {most} secrets")));
    }
    let mut secrets = Vec::with_capacity(list.len());
    for (at, value) in list.iter().enumerate() {
        let expected = || {
            auth.invalid(
                KEY,
                "expected objects with a secret and maybe an expires_at",
            )
        };
        let map = value.as_object().ok_or_else(expected)?;
        let one = Fields::over(format!("{}[{at}]", auth.path(KEY)), map);
        let Given::Value(secret) = one.text("secret", MAX_VALUE)? else {
            return Err(one.invalid("secret", "expected a string"));
        };
        let expires_at = match one.text("expires_at", 64)? {
            Given::Value(text) => Some(times::read(&one.path("expires_at"), text)?),
            _ => None,
        };
        secrets.push(LiveSecret {
            expires_at,
            last_verified_at: known(secret).and_then(|known| known.last_verified_at),
            secret: Secret::new(secret.to_owned()),
        });
    }
    Ok(secrets)
}

/// A new secret beside the others, which end after a grace.
pub(super) fn rotate(
    fields: &Fields<'_>,
    kept: &Verification,
    now: Timestamp,
    min_secret_bytes: usize,
) -> Result<Verification, ApiError> {
    const GRACE_S: u64 = 24 * 3600;
    const GRACE_MAX_S: u64 = 30 * 24 * 3600;
    let unknown = || ApiError::unprocessable("the source's type has no secret to rotate");
    let provider = registry::find(&kept.scheme).filter(|provider| !provider.secret.is_empty());
    let provider = provider.ok_or_else(unknown)?;
    let Given::Value(secret) = fields.text("secret", MAX_VALUE)? else {
        return Err(fields.invalid("secret", "expected the new secret"));
    };
    let grace_s = fields
        .whole("grace_s", 0, GRACE_MAX_S)?
        .value()
        .unwrap_or(GRACE_S);
    provider
        .check_secret(secret, kept, min_secret_bytes)
        .map_err(|expected| fields.invalid("secret", expected))?;
    let end = now.plus_ms(grace_s * 1000);
    let mut secrets: Vec<LiveSecret> = kept
        .secrets
        .iter()
        .filter(|live| live.is_live(now) && live.secret.reveal() != secret)
        .cloned()
        .collect();
    for live in &mut secrets {
        live.expires_at = Some(live.expires_at.map_or(end, |own| own.min(end)));
    }
    secrets.push(LiveSecret::new(Secret::new(secret.to_owned())));
    if secrets.len() > Verification::SECRETS_MAX {
        return Err(ApiError::unprocessable(format!(
            "{} secrets are alive already; wait for one to expire, or set config.auth.secrets",
            Verification::SECRETS_MAX
        )));
    }
    Ok(Verification {
        secrets,
        ..kept.clone()
    })
}

fn read_url(config: &Fields<'_>, kept: Option<&Verification>) -> Result<Option<String>, ApiError> {
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
) -> Result<Option<u32>, ApiError> {
    const KEY: &str = "tolerance_s";
    let given = config.whole(KEY, TOLERANCE_MIN_S, TOLERANCE_MAX_S)?;
    if matches!(given, Given::Value(_)) && !provider.is_some_and(Provider::has_tolerance) {
        return Err(config.invalid(KEY, "the source's type signs no timestamp"));
    }
    let given = given.map(|seconds| u32::try_from(seconds).unwrap_or(u32::MAX));
    Ok(given.or_kept(kept.and_then(|kept| kept.tolerance_s)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::admin::body::Body;
    use serde_json::json;

    const SECRET: &str = "It's a Secret to Everybody";
    const NOW: Timestamp = Timestamp(1_000_000);

    fn over(kept: Option<&Verification>, body: Value) -> Result<Verification, ApiError> {
        let body = Body::of(body);
        let fields = body.fields();
        let empty = Map::new();
        let config = match fields.object("config")?.value() {
            Some(config) => config,
            None => Fields::over(fields.path("config"), &empty),
        };
        read(&fields, &config, kept, 16)
    }

    fn with_auth(source_type: &str, auth: &Value) -> Value {
        json!({"type": source_type, "config": {"auth": auth}})
    }

    fn github() -> Verification {
        over(
            None,
            with_auth("GITHUB", &json!({"webhook_secret_key": SECRET})),
        )
        .expect("a source")
    }

    #[test]
    fn the_documented_sample_secret_of_github_works() {
        assert_eq!(github(), Verification::with_secret("GITHUB", SECRET));
    }

    #[test]
    fn the_extra_keys_that_the_command_line_sends_are_ignored() {
        let auth = json!({"algorithm": "sha256", "encoding": "hex",
                          "header_key": "x-webhook-signature", "webhook_secret_key": SECRET});
        assert_eq!(
            over(None, with_auth("GITHUB", &auth)).expect("a source"),
            github()
        );
    }

    #[test]
    fn an_hmac_is_changed_key_by_key() {
        let auth = json!({"algorithm": "sha512", "encoding": "base64",
                          "header_key": "X-Sig", "webhook_secret_key": SECRET});
        let kept = over(None, with_auth("HMAC", &auth)).expect("a source");
        let body = json!({"config": {"auth": {"encoding": "hex"}}});
        let changed = over(Some(&kept), body).expect("a source");
        assert_eq!(changed.field("encoding"), Some("hex"));
        assert_eq!(changed.field("algorithm"), Some("sha512"));
        assert_eq!(changed.secrets, kept.secrets);
    }

    #[test]
    fn a_webhook_with_credentials_is_verified_until_they_are_taken_away() {
        let auth = json!({"header_key": "x-sig", "webhook_secret_key": SECRET});
        let source = over(None, with_auth("WEBHOOK", &auth)).expect("a source");
        assert_eq!(
            (source.source_type.as_str(), source.scheme.as_str()),
            ("WEBHOOK", "HMAC")
        );
        let again = over(Some(&source), json!({"type": "WEBHOOK"})).expect("a source");
        assert_eq!(again, source);
        let off = json!({"type": "WEBHOOK", "config": {"auth": null}});
        assert_eq!(
            over(Some(&source), off).expect("a source"),
            Verification::none()
        );
        assert_eq!(
            over(None, json!({})).expect("a source"),
            Verification::none()
        );
    }

    #[test]
    fn a_type_without_a_known_scheme_is_made_and_proves_nothing_until_it_is_told_one() {
        let documented = json!({"webhook_secret_key": SECRET});
        let source = over(None, with_auth("AIPRISE", &documented)).expect("a source");
        assert_eq!(source.field("webhook_secret_key"), Some(SECRET));
        let lacks = signature::lacks(&source, NOW).expect("it lacks a scheme");
        assert!(lacks.contains("config.auth_type"), "{lacks}");
        let auth = json!({"header_key": "x-sig", "webhook_secret_key": SECRET});
        let body = json!({"type": "AIPRISE", "config": {"auth_type": "HMAC", "auth": auth}});
        let told = over(Some(&source), body).expect("a source");
        assert_eq!(
            (told.source_type.as_str(), told.scheme.as_str()),
            ("AIPRISE", "HMAC")
        );
        assert_eq!(signature::lacks(&told, NOW), None);
        let body = json!({"type": "AIPRISE", "config": {"auth_type": "WEBHOOK"}});
        assert!(over(None, body).is_err(), "it never verifies nothing");
    }

    #[test]
    fn a_webhook_may_take_any_provider_s_scheme() {
        let auth = json!({"webhook_secret_key": SECRET});
        let body = json!({"type": "WEBHOOK", "config": {"auth_type": "STRIPE", "auth": auth}});
        assert_eq!(over(None, body).expect("a source").scheme, "STRIPE");
    }

    #[test]
    fn every_type_is_made_by_its_name_alone_and_says_what_it_lacks() {
        let listed = registry::WITHOUT_SCHEME.iter().map(|(name, _)| *name);
        for name in registry::all().map(|provider| provider.name).chain(listed) {
            let source = over(None, json!({"type": name})).expect(name);
            let asks_nothing = ["WEBHOOK", "HTTP", "PUBLISH_API"].contains(&name)
                || registry::find(name).is_some_and(|provider| {
                    let of_no_source = |field: &Field| field.kind != FieldKind::Required;
                    provider.secret.is_empty()
                        && provider.fields.iter().all(of_no_source)
                        && !provider.fields.iter().any(|f| f.kind == FieldKind::Pending)
                });
            let lacks = signature::lacks(&source, NOW);
            assert_eq!(lacks.is_none(), asks_nothing, "{name}: {lacks:?}");
            // Taking the credentials away leaves it as it was made.
            let off = json!({"type": name, "config": {"auth": null}});
            assert_eq!(over(Some(&source), off).expect(name), source, "{name}");
        }
    }

    #[test]
    fn credentials_are_given_and_taken_step_by_step() {
        let made = over(None, json!({"type": "STRIPE"})).expect("a source");
        let lacks = signature::lacks(&made, NOW).expect("no secret yet");
        assert!(lacks.contains("config.auth.webhook_secret_key"), "{lacks}");
        let auth = json!({"webhook_secret_key": SECRET});
        let given = over(Some(&made), json!({"config": {"auth": auth}})).expect("a source");
        assert_eq!(signature::lacks(&given, NOW), None);
        let off = json!({"config": {"auth": null}});
        assert_eq!(over(Some(&given), off).expect("a source"), made);
    }

    #[test]
    fn a_key_is_decoded_and_then_measured() {
        let hmac = |form: &str, secret: &str| {
            let auth =
                json!({"header_key": "a", "secret_form": form, "webhook_secret_key": secret});
            over(None, with_auth("HMAC", &auth))
        };
        assert!(hmac("hex", "00112233445566778899aabbccddeeff").is_ok());
        let keys = [
            ("hex", "0011223344556677"),
            ("hex", "this is no hexadecimal text"),
            ("base64", "c2hvcnQgc2VjcmV0"),
            ("base64", "this is no base64 text, is it?"),
            ("whsec", "whsec_c2hvcnQgc2VjcmV0"),
        ];
        for (form, secret) in keys {
            let error = hmac(form, secret).expect_err(secret);
            let field = "config.auth.webhook_secret_key: ";
            assert!(error.message().starts_with(field), "{error}");
        }
        for (name, field, secret) in [
            ("REVENUECAT", "signing_secret", "x"),
            ("GITLAB", "signing_token", "x"),
            ("GITLAB", "signing_token", "whsec_c2hvcnQ="),
            ("GITLAB", "api_key", "x"),
            ("REVENUECAT", "webhook_secret_key", "x"),
            ("ADYEN", "webhook_secret_key", "0011223344556677"),
            ("AIRTABLE", "webhook_secret_key", "c2hvcnQgc2VjcmV0"),
            ("BRAINTREE", "private_key", "short"),
            ("OPENAI", "webhook_secret_key", "whsec_c2hvcnQ="),
        ] {
            let error = over(None, with_auth(name, &json!({ field: secret }))).expect_err(name);
            assert!(
                error
                    .message()
                    .starts_with(&format!("config.auth.{field}: ")),
                "{error}"
            );
        }
        let auth = json!({"header_key": "a", "webhook_secret_key": "a key of plain text"});
        let kept = over(None, with_auth("HMAC", &auth)).expect("a source");
        let other = json!({"config": {"auth": {"secret_form": "hex"}}});
        assert!(
            over(Some(&kept), other).is_err(),
            "the same text in another form"
        );
    }

    #[test]
    fn a_secret_that_was_taken_once_stays() {
        let kept = Verification::with_secret("STRIPE", "weak");
        let same = json!({"config": {"auth": {"webhook_secret_key": "weak"}, "tolerance_s": 60}});
        let source = over(Some(&kept), same).expect("a source");
        assert_eq!(source.secrets, kept.secrets);
    }

    #[test]
    fn a_key_that_no_one_reads_is_named_with_those_that_are() {
        let auth = json!({"webhook_secret": SECRET});
        let error = over(None, with_auth("STRIPE", &auth)).expect_err("unknown");
        let message = error.message();
        assert!(
            message.starts_with("config.auth.webhook_secret: "),
            "{message}"
        );
        assert!(message.contains("webhook_secret_key"), "{message}");
        let auth = json!({"webhook_secret_key": SECRET, "store": "x"});
        assert!(over(None, with_auth("FISERV", &auth)).is_err());
    }

    #[test]
    fn consent_to_older_forms_is_a_flag() {
        let with = |consent: Value| {
            let auth = json!({"webhook_secret_key": SECRET, "allow_legacy": consent});
            over(None, with_auth("HUBSPOT", &auth))
        };
        assert!(with(json!(true)).expect("a source").is_set("allow_legacy"));
        assert!(!with(json!(false)).expect("a source").is_set("allow_legacy"));
        assert!(with(json!("perhaps")).is_err());
    }

    #[test]
    fn what_a_scheme_asks_for_beside_its_secret_is_asked_for() {
        let auth = json!({"verify_token": "V", "subscription_id": 120475});
        let strava = over(None, with_auth("STRAVA", &auth)).expect("a source");
        assert_eq!(strava.field("subscription_id"), Some("120475"));
        let key = "MCowBQYDK2VwAyEA11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=";
        let telnyx = over(None, with_auth("TELNYX", &json!({"public_key": key})));
        assert_eq!(telnyx.expect("a source").secrets.len(), 1);
    }

    #[test]
    fn rotation_gives_the_old_secret_its_end() {
        let body = Body::of(json!({"secret": "another secret of theirs", "grace_s": 60}));
        let rotated = rotate(&body.fields(), &github(), NOW, 16).expect("rotated");
        let ends: Vec<_> = rotated.secrets.iter().map(|live| live.expires_at).collect();
        assert_eq!(ends, [Some(NOW.plus_ms(60_000)), None]);
        // Clients that send the configuration again change nothing.
        let again = with_auth(
            "GITHUB",
            &json!({"webhook_secret_key": "another secret of theirs"}),
        );
        assert_eq!(over(Some(&rotated), again).expect("a source"), rotated);
        let third = Body::of(json!({"secret": "a third secret of theirs"}));
        let third = rotate(&third.fields(), &rotated, NOW, 16).expect("rotated");
        assert_eq!(third.secrets.len(), 3);
        let fourth = Body::of(json!({"secret": "a fourth secret of theirs"}));
        assert!(rotate(&fourth.fields(), &third, NOW, 16).is_err());
        let later = NOW.plus_ms(60_001);
        let pruned = rotate(&fourth.fields(), &third, later, 16).expect("one has expired");
        assert_eq!(pruned.secrets.len(), 3);
    }

    #[test]
    fn a_list_of_secrets_is_taken_as_it_is() {
        let secrets = json!([{"secret": SECRET, "expires_at": "2030-01-01T00:00:00Z"},
                             {"secret": "another secret of theirs"}]);
        let source = over(None, with_auth("GITHUB", &json!({"secrets": secrets})));
        let source = source.expect("a source");
        assert_eq!(source.secrets.len(), 2);
        assert!(source.secrets[0].expires_at.is_some());
    }

    /// The document of the API beside the checkout, or where the environment says.
    #[allow(clippy::disallowed_methods, reason = "the document stands on the disk")]
    fn api_document() -> Option<Value> {
        let beside = concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/../../shared/reference/admin-api.json"
        );
        let named = std::env::var("TIDEGATE_ADMIN_API").ok();
        let path = named.unwrap_or_else(|| beside.to_owned());
        let Ok(text) = std::fs::read(&path) else {
            eprintln!("skipped: {path} is not there; name the document in TIDEGATE_ADMIN_API");
            return None;
        };
        Some(serde_json::from_slice(&text).expect("JSON"))
    }

    #[test]
    fn every_documented_body_makes_a_source() {
        const KEY: &str = "MCowBQYDK2VwAyEA11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=";
        let Some(document) = api_document() else {
            return;
        };
        let schemas = &document["components"]["schemas"];
        let referred = |value: &Value| {
            let name = value["$ref"].as_str()?.rsplit('/').next()?;
            schemas.get(name).cloned()
        };
        let types = schemas["Source"]["properties"]["type"]["enum"].as_array();
        let mut made = 0;
        for name in types.expect("types").iter().filter_map(Value::as_str) {
            let config = &schemas[format!("SourceTypeConfig{name}")]["properties"];
            let Some(auth) = referred(&config["auth"]) else {
                continue;
            };
            let properties = auth["properties"].as_object().cloned().unwrap_or_default();
            let is_public = registry::find(name).is_some_and(Provider::secret_is_public);
            let value = |key: &String, schema: &Value| match schema["enum"].get(0) {
                Some(first) => first.clone(),
                None if key == "public_key" || is_public => json!(KEY),
                // Text, hex and base64 at once.
                None => json!("0123456789abcdef0123456789abcdef"),
            };
            let body: Map<String, Value> = properties
                .iter()
                .map(|(key, schema)| (key.clone(), value(key, schema)))
                .collect();
            let source = over(None, with_auth(name, &Value::Object(body)));
            let source = source.unwrap_or_else(|error| panic!("{name}: {error}"));
            assert_eq!(source.source_type, name);
            made += 1;
        }
        assert!(made > 120, "{made}");
    }

    #[test]
    fn bad_fields_are_named() {
        let key = json!({"webhook_secret_key": SECRET});
        let signed = |more: Value| {
            let mut config = json!({"auth": {"webhook_secret_key": SECRET}});
            for (name, value) in more.as_object().expect("an object") {
                config[name] = value.clone();
            }
            json!({"type": "STRIPE", "config": config})
        };
        for (body, field) in [
            (json!({"type": "NOBODY"}), "type"),
            (json!({"type": 7}), "type"),
            (
                with_auth("GITHUB", &json!({"webhook_secret_key": "short"})),
                "config.auth.webhook_secret_key",
            ),
            (
                with_auth(
                    "GITHUB",
                    &json!({"webhook_secret_key": "                  "}),
                ),
                "config.auth.webhook_secret_key",
            ),
            (with_auth("HMAC", &key), "config.auth.header_key"),
            (
                with_auth("REVENUECAT", &json!({"signing_secrets": "x"})),
                "config.auth.signing_secrets",
            ),
            (
                with_auth(
                    "HMAC",
                    &json!({"webhook_secret_key": SECRET, "header_key": "a b"}),
                ),
                "config.auth.header_key",
            ),
            (
                with_auth(
                    "HMAC",
                    &json!({"webhook_secret_key": SECRET, "header_key": "a", "algorithm": "crc"}),
                ),
                "config.auth.algorithm",
            ),
            (
                with_auth(
                    "HMAC",
                    &json!({"webhook_secret_key": SECRET, "header_key": "a", "signed_content": "{x}"}),
                ),
                "config.auth.signed_content",
            ),
            (
                with_auth("TELNYX", &json!({"public_key": "no key"})),
                "config.auth.public_key",
            ),
            (
                with_auth(
                    "JWT",
                    &json!({"webhook_secret_key": SECRET, "algorithm": "none"}),
                ),
                "config.auth.algorithm",
            ),
            (
                with_auth(
                    "JWT",
                    &json!({"algorithm": "RS256", "jwks_url": "http://a.example/"}),
                ),
                "config.auth.jwks_url",
            ),
            (signed(json!({"tolerance_s": 3})), "config.tolerance_s"),
            (signed(json!({"signed_url": "here"})), "config.signed_url"),
            (
                signed(json!({"signature_header": "a b"})),
                "config.signature_header",
            ),
            (signed(json!({"auth_type": "GITHUB"})), "config.auth_type"),
            (
                json!({"type": "GITHUB", "config": {"auth": key, "tolerance_s": 300}}),
                "config.tolerance_s",
            ),
        ] {
            let error = over(None, body).expect_err(field);
            assert!(
                error.message().starts_with(&format!("{field}: ")),
                "{error}"
            );
        }
    }
}
