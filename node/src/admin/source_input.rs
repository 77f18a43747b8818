//! A source as clients name it: a body over what is kept becomes the source afterwards.

use super::{
    api_error::ApiError,
    body::{Fields, Given},
    names,
};
use actix_web::http::header::HeaderName;
use model::{
    catalog::{
        Catalog, CustomResponse, Digest, Encoding, HmacConfig, ResponseKind, Secret, Source,
        SourceType,
    },
    ids::SourceId,
    time::Timestamp,
};

const AVAILABLE_TYPES: &str = "expected one of WEBHOOK, GITHUB, HMAC";
const METHODS: [&str; 5] = ["GET", "POST", "PUT", "PATCH", "DELETE"];
const MAX_RESPONSE: usize = 1000;
const MAX_SECRET: usize = 1024;

/// The source after a body was applied to the kept one, or a new one. What the body does not name stays as it is.
pub(super) fn read(
    fields: &Fields<'_>,
    kept: Option<&Source>,
    fresh: SourceId,
    now: Timestamp,
) -> Result<Source, ApiError> {
    let empty = serde_json::Map::new();
    let config = match fields.object("config")?.value() {
        Some(config) => config,
        None => Fields::over(fields.path("config"), &empty),
    };
    let custom_response = match config.object("custom_response")? {
        Given::Absent => kept.and_then(|kept| kept.custom_response.clone()),
        Given::Null => None,
        Given::Value(response) => Some(read_response(&response)?),
    };
    Ok(Source {
        id: kept.map_or(fresh, |kept| kept.id),
        name: names::required(fields, kept.map(|kept| kept.name.as_str()))?,
        description: names::description(fields, kept.and_then(|k| k.description.clone()))?,
        source_type: read_type(fields, &config, kept.map(|kept| &kept.source_type))?,
        allowed_http_methods: read_methods(&config, kept)?,
        custom_response,
        disabled_at: kept.and_then(|kept| kept.disabled_at),
        created_at: kept.map_or(now, |kept| kept.created_at),
        updated_at: now,
    })
}

/// Refuses a name that another source has.
pub(super) fn check_name(catalog: &Catalog, source: &Source) -> Result<(), ApiError> {
    match catalog.source_named(&source.name) {
        Some(other) if other.id != source.id => Err(ApiError::invalid(
            "name",
            format!("the source {} is named {:?} already", other.id, source.name),
        )),
        _ => Ok(()),
    }
}

/// How the source verifies afterwards. Nothing but a clear word switches verification off.
fn read_type(
    fields: &Fields<'_>,
    config: &Fields<'_>,
    kept: Option<&SourceType>,
) -> Result<SourceType, ApiError> {
    let auth = config.object("auth")?;
    let auth_type = config.text("auth_type", 64)?.value();
    let names_auth = matches!(&auth, Given::Value(auth) if !auth.is_empty());
    let wanted = match fields.text("type", 64)? {
        Given::Value(wanted) => wanted,
        Given::Null => return Err(fields.invalid("type", AVAILABLE_TYPES)),
        Given::Absent => kept.map_or("WEBHOOK", SourceType::name),
    };
    // WEBHOOK with credentials means HMAC to this API's clients: to drop them silently would leave the source open.
    let scheme = match (wanted, auth_type) {
        ("WEBHOOK", Some("HMAC")) => "HMAC",
        ("WEBHOOK", Some("GITHUB")) => "GITHUB",
        ("WEBHOOK", None) if names_auth => "HMAC",
        // A source that was made so stays verified until `auth` is taken away by name.
        ("WEBHOOK", None) if auth != Given::Null && matches!(kept, Some(SourceType::Hmac(_))) => {
            "HMAC"
        }
        ("WEBHOOK", Some(_)) => {
            return Err(config.invalid("auth_type", "expected HMAC or GITHUB"));
        }
        (other, _) => other,
    };
    match scheme {
        "WEBHOOK" => Ok(SourceType::Webhook),
        "GITHUB" => {
            let kept = match kept {
                Some(SourceType::Github { secret }) => Some(secret),
                _ => None,
            };
            let secret = read_secret(config, &auth, kept)?;
            Ok(SourceType::Github { secret })
        }
        "HMAC" => {
            let kept = match kept {
                Some(SourceType::Hmac(kept)) => Some(kept),
                _ => None,
            };
            Ok(SourceType::Hmac(read_hmac(config, &auth, kept)?))
        }
        other => Err(fields.invalid("type", format!("{AVAILABLE_TYPES}, got {other:?}"))),
    }
}

/// The secret of `config.auth`; other keys there are ignored, since clients send them for every type.
fn read_secret(
    config: &Fields<'_>,
    auth: &Given<Fields<'_>>,
    kept: Option<&Secret>,
) -> Result<Secret, ApiError> {
    let field = format!("{}.webhook_secret_key", config.path("auth"));
    let given = match auth {
        Given::Value(auth) => auth.text("webhook_secret_key", MAX_SECRET)?,
        Given::Null => Given::Null,
        Given::Absent => Given::Absent,
    };
    let secret = match (given, kept) {
        (Given::Value(secret), _) => Secret::new(secret.to_owned()),
        (Given::Absent, Some(kept)) => kept.clone(),
        _ => return Err(ApiError::invalid(&field, "expected the sender's secret")),
    };
    if !secret.is_strong() {
        let expected = format!("expected at least {} bytes", Secret::MIN_LEN);
        return Err(ApiError::invalid(&field, expected));
    }
    Ok(secret)
}

fn read_hmac(
    config: &Fields<'_>,
    auth: &Given<Fields<'_>>,
    kept: Option<&HmacConfig>,
) -> Result<HmacConfig, ApiError> {
    let secret = read_secret(config, auth, kept.map(|kept| &kept.secret))?;
    let empty = serde_json::Map::new();
    let auth = match auth {
        Given::Value(auth) => auth.clone(),
        _ => Fields::over(config.path("auth"), &empty),
    };
    let digest = match (auth.text("algorithm", 16)?, kept) {
        (Given::Value("sha256"), _) | (Given::Absent, None) => Digest::Sha256,
        (Given::Value("sha512"), _) => Digest::Sha512,
        (Given::Absent, Some(kept)) => kept.digest,
        _ => return Err(auth.invalid("algorithm", "expected sha256 or sha512")),
    };
    let encoding = match (auth.text("encoding", 16)?, kept) {
        (Given::Value("hex"), _) | (Given::Absent, None) => Encoding::Hex,
        (Given::Value("base64"), _) => Encoding::Base64,
        (Given::Value("base64url"), _) => Encoding::Base64url,
        (Given::Absent, Some(kept)) => kept.encoding,
        _ => return Err(auth.invalid("encoding", "expected hex, base64 or base64url")),
    };
    let header = match (auth.text("header_key", 128)?, kept) {
        (Given::Value(header), _) => HeaderName::from_bytes(header.as_bytes())
            .map_err(|_| auth.invalid("header_key", "expected the name of a header"))?
            .as_str()
            .to_owned(),
        (Given::Absent, Some(kept)) => kept.header.clone(),
        _ => return Err(auth.invalid("header_key", "expected the name of a header")),
    };
    Ok(HmacConfig {
        digest,
        encoding,
        header,
        secret,
    })
}

fn read_methods(config: &Fields<'_>, kept: Option<&Source>) -> Result<Vec<String>, ApiError> {
    const KEY: &str = "allowed_http_methods";
    let list = match config.list(KEY)? {
        Given::Absent => {
            return Ok(kept
                .map(|k| k.allowed_http_methods.clone())
                .unwrap_or_default());
        }
        Given::Null => return Ok(Vec::new()),
        Given::Value(list) => list,
    };
    let mut methods: Vec<String> = Vec::new();
    for value in list {
        let method = value.as_str().unwrap_or_default().to_ascii_uppercase();
        if !METHODS.contains(&method.as_str()) {
            let expected = format!("expected some of {}, got {value}", METHODS.join(", "));
            return Err(config.invalid(KEY, expected));
        }
        if !methods.contains(&method) {
            methods.push(method);
        }
    }
    Ok(methods)
}

fn read_response(fields: &Fields<'_>) -> Result<CustomResponse, ApiError> {
    let content_type = match fields.text("content_type", 16)? {
        Given::Value("json") => ResponseKind::Json,
        Given::Value("text") => ResponseKind::Text,
        Given::Value("xml") => ResponseKind::Xml,
        _ => return Err(fields.invalid("content_type", "expected json, text or xml")),
    };
    let Given::Value(body) = fields.text("body", MAX_RESPONSE)? else {
        return Err(fields.invalid("body", "expected a string"));
    };
    Ok(CustomResponse {
        content_type,
        body: body.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::admin::body::Body;
    use serde_json::{Value, json};

    const SECRET: &str = "It's a Secret to Everybody";

    fn over(kept: Option<&Source>, body: Value) -> Result<Source, ApiError> {
        read(&Body::of(body).fields(), kept, SourceId(1), Timestamp(7))
    }

    fn github() -> Source {
        let config = json!({"auth": {"webhook_secret_key": SECRET}});
        over(
            None,
            json!({"name": "gh", "type": "GITHUB", "config": config}),
        )
        .expect("a source")
    }

    fn hmac() -> Source {
        let auth = json!({"algorithm": "sha512", "encoding": "base64",
                          "header_key": "X-Sig", "webhook_secret_key": SECRET});
        let body = json!({"name": "h", "type": "HMAC", "config": {"auth": auth}});
        over(None, body).expect("a source")
    }

    #[test]
    fn the_documented_sample_secret_of_github_works() {
        let secret = Secret::new(SECRET.into());
        assert_eq!(github().source_type, SourceType::Github { secret });
    }

    #[test]
    fn the_extra_keys_that_the_command_line_sends_are_ignored() {
        let auth = json!({"algorithm": "sha256", "encoding": "hex",
                          "header_key": "x-webhook-signature", "webhook_secret_key": SECRET});
        let body = json!({"name": "gh", "type": "GITHUB", "config": {"auth": auth}});
        let source = over(None, body).expect("a source");
        assert_eq!(source.source_type, github().source_type);
    }

    #[test]
    fn a_partial_upsert_keeps_what_it_does_not_name() {
        let mut kept = github();
        kept.allowed_http_methods = vec!["PUT".into()];
        kept.disabled_at = Some(Timestamp(3));
        let body = json!({"name": "gh", "description": "d"});
        let source = over(Some(&kept), body).expect("a source");
        let expected = Source {
            description: Some("d".into()),
            ..kept
        };
        assert_eq!(source, expected);
    }

    #[test]
    fn an_hmac_is_changed_key_by_key() {
        let kept = hmac();
        let body = json!({"config": {"auth": {"encoding": "hex"}}});
        let source = over(Some(&kept), body).expect("a source");
        let SourceType::Hmac(config) = source.source_type else {
            panic!("no HMAC")
        };
        assert_eq!(config.encoding, Encoding::Hex);
        assert_eq!(
            (config.digest, config.header.as_str()),
            (Digest::Sha512, "x-sig")
        );
        assert_eq!(config.secret.reveal(), SECRET);
    }

    #[test]
    fn a_webhook_with_credentials_is_verified_until_they_are_taken_away() {
        let auth = json!({"header_key": "x-sig", "webhook_secret_key": SECRET});
        let body = json!({"name": "w", "type": "WEBHOOK", "config": {"auth": auth}});
        let source = over(None, body).expect("a source");
        assert_eq!(source.source_type.name(), "HMAC");
        let again = over(
            Some(&source),
            json!({"type": "WEBHOOK", "description": "d"}),
        );
        assert_eq!(again.expect("a source").source_type, source.source_type);
        let off = over(
            Some(&source),
            json!({"type": "WEBHOOK", "config": {"auth": null}}),
        );
        assert_eq!(off.expect("a source").source_type, SourceType::Webhook);
    }

    #[test]
    fn a_new_source_without_a_type_is_a_webhook() {
        let source = over(None, json!({"name": "w"})).expect("a source");
        assert_eq!(source.source_type, SourceType::Webhook);
    }

    #[test]
    fn bad_fields_are_named() {
        let auth = |auth: Value| json!({"name": "n", "type": "HMAC", "config": {"auth": auth}});
        let key = SECRET;
        for (body, field) in [
            (json!({}), "name"),
            (json!({"name": "n", "type": "STRIPE"}), "type"),
            (json!({"name": "n", "type": 7}), "type"),
            (
                json!({"name": "n", "type": "GITHUB"}),
                "config.auth.webhook_secret_key",
            ),
            (
                auth(json!({"webhook_secret_key": "short"})),
                "config.auth.webhook_secret_key",
            ),
            (
                auth(json!({"webhook_secret_key": key})),
                "config.auth.header_key",
            ),
            (
                auth(json!({"webhook_secret_key": key, "header_key": "a b"})),
                "config.auth.header_key",
            ),
            (
                auth(json!({"webhook_secret_key": key, "header_key": "a", "algorithm": "md5"})),
                "config.auth.algorithm",
            ),
            (json!({"name": "n", "config": 7}), "config"),
            (
                json!({"name": "n", "config": {"auth_type": "API_KEY"}}),
                "config.auth_type",
            ),
            (
                json!({"name": "n", "config": {"allowed_http_methods": ["BREW"]}}),
                "config.allowed_http_methods",
            ),
            (
                json!({"name": "n", "config": {"custom_response": {"content_type": "pdf"}}}),
                "config.custom_response.content_type",
            ),
        ] {
            let error = over(None, body).expect_err(field);
            assert!(
                error.message().starts_with(&format!("{field}: ")),
                "{error}"
            );
        }
        let error = over(None, json!({"name": "n", "type": "STRIPE"})).expect_err("unknown");
        assert!(error.message().contains("WEBHOOK, GITHUB, HMAC"));
    }
}
