//! A source as clients name it: a body over what is kept becomes the source afterwards.

use super::{deduplicate, source_auth};
use crate::{
    body::{Fields, Given, SHOWN},
    names,
    problem::Problem,
};
use model::{
    catalog::{Catalog, CustomResponse, DeduplicateRule, Field, ResponseKind, Source},
    ids::SourceId,
    time::Timestamp,
};

/// What a configuration is shown with beside what it is made of.
const SHOWN_CONFIG: [&str; 2] = ["handshake", "secrets"];
const SHOWN_SOURCE: [&str; 4] = ["authenticated", "unverified_because", "url", "verification"];

const METHODS: [&str; 5] = ["GET", "POST", "PUT", "PATCH", "DELETE"];
const MAX_RESPONSE: usize = 1000;

/// The source after a body was applied to the kept one, or a new one. What the body does not name stays as it is.
pub fn read(
    fields: &Fields<'_>,
    kept: Option<&Source>,
    fresh: SourceId,
    now: Timestamp,
    min_secret_bytes: usize,
) -> Result<Source, Problem> {
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
    let source = Source {
        id: kept.map_or(fresh, |kept| kept.id),
        name: names::required(fields, kept.map(|kept| kept.name.as_str()))?,
        description: names::description(fields, kept.and_then(|k| k.description.clone()))?,
        verification: source_auth::read(
            fields,
            &config,
            kept.map(|kept| &kept.verification),
            min_secret_bytes,
        )?,
        allowed_http_methods: read_methods(&config, kept)?,
        custom_response,
        deduplicate: read_deduplicate(&config, kept)?,
        ordering_key: read_ordering_key(&config, kept)?,
        disabled_at: kept.and_then(|kept| kept.disabled_at),
        created_at: kept.map_or(now, |kept| kept.created_at),
        updated_at: now,
    };
    config.pass_over(&[&SHOWN_CONFIG]);
    fields.pass_over(&[&SHOWN, &SHOWN_SOURCE]);
    Ok(source)
}

/// Refuses a name that another source has.
pub fn check_name(catalog: &Catalog, source: &Source) -> Result<(), Problem> {
    match catalog.source_named(&source.name) {
        Some(other) if other.id != source.id => Err(Problem::invalid(
            "name",
            format!("the source {} is named {:?} already", other.id, source.name),
        )),
        _ => Ok(()),
    }
}

fn read_methods(config: &Fields<'_>, kept: Option<&Source>) -> Result<Vec<String>, Problem> {
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

fn read_deduplicate(
    config: &Fields<'_>,
    kept: Option<&Source>,
) -> Result<Option<Box<DeduplicateRule>>, Problem> {
    let rule = match config.object("deduplicate")? {
        Given::Absent => Given::Absent,
        Given::Null => Given::Null,
        Given::Value(rule) => Given::Value(Box::new(deduplicate::read(&rule)?)),
    };
    Ok(rule.or_kept(kept.and_then(|kept| kept.deduplicate.clone())))
}

fn read_ordering_key(config: &Fields<'_>, kept: Option<&Source>) -> Result<Vec<Field>, Problem> {
    let key = deduplicate::some(config, "ordering_key")?;
    let kept = kept.map(|kept| kept.ordering_key.clone());
    Ok(key.or_kept(kept).unwrap_or_default())
}

fn read_response(fields: &Fields<'_>) -> Result<CustomResponse, Problem> {
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
    use crate::body::Body;
    use serde_json::{Value, json};

    fn over(kept: Option<&Source>, body: Value) -> Result<Source, Problem> {
        let body = Body::of(body);
        body.read(|fields| read(fields, kept, SourceId(1), Timestamp(7), 16))
    }

    #[test]
    fn a_partial_upsert_keeps_what_it_does_not_name() {
        let auth = json!({"webhook_secret_key": "It's a Secret to Everybody"});
        let body = json!({"name": "gh", "type": "GITHUB", "config": {"auth": auth}});
        let mut kept = over(None, body).expect("a source");
        kept.allowed_http_methods = vec!["PUT".into()];
        let config = json!({"deduplicate": {"window": 5_000}, "ordering_key": "body.id"});
        let keyed = over(Some(&kept), json!({"name": "gh", "config": config})).expect("a source");
        assert!(keyed.deduplicate.is_some() && keyed.ordering_key.len() == 1);
        kept = keyed;
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
    fn null_takes_a_rule_and_a_key_away() {
        let config = json!({"deduplicate": {"window": 5_000}, "ordering_key": ["path"]});
        let kept = over(None, json!({"name": "s", "config": config})).expect("a source");
        let config = json!({"deduplicate": null, "ordering_key": null});
        let source = over(Some(&kept), json!({"name": "s", "config": config})).expect("a source");
        assert_eq!(
            (source.deduplicate, source.ordering_key),
            (None, Vec::new())
        );
    }

    #[test]
    fn bad_fields_are_named() {
        for (body, field) in [
            (json!({}), "name"),
            (json!({"name": "n", "config": 7}), "config"),
            (
                json!({"name": "n", "config": {"allowed_http_methods": ["BREW"]}}),
                "config.allowed_http_methods",
            ),
            (
                json!({"name": "n", "config": {"custom_response": {"content_type": "pdf"}}}),
                "config.custom_response.content_type",
            ),
            (
                json!({"name": "n", "config": {"deduplicate": {"window": 1}}}),
                "config.deduplicate.window",
            ),
            (
                json!({"name": "n", "config": {"ordering_key": "id"}}),
                "config.ordering_key",
            ),
            (
                json!({"name": "n", "config": {"ordering_key": ["path", "id"]}}),
                "config.ordering_key[1]",
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
