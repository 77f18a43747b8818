//! Tests of the verification settings that clients send.

use super::*;
use crate::{body::Body, input::source_secrets::rotate};
use model::time::Timestamp;
use serde_json::json;

const SECRET: &str = "It's a Secret to Everybody";
const NOW: Timestamp = Timestamp(1_000_000);

fn over(kept: Option<&Verification>, body: Value) -> Result<Verification, Problem> {
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
        let auth = json!({"header_key": "a", "secret_form": form, "webhook_secret_key": secret});
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

#[expect(
    clippy::disallowed_methods,
    reason = "a test reads the document where there is one"
)]
/// The document of the API beside the checkout, or where the environment says.
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
