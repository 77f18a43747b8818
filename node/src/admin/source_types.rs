//! `/source-types`: which senders are known, and what each of them takes.

use super::{api_error::ApiError, extract::Extract, manner::Manner};
use actix_web::web::Json;
use model::policy::signature::{Field, FieldKind, Provider, registry};
use serde_json::{Value, json};

pub(super) async fn list(_: Extract<Manner>) -> Result<Json<Value>, ApiError> {
    let known = registry::all().map(show);
    let others = registry::WITHOUT_SCHEME.iter().map(|(name, fields)| {
        let credentials = fields.iter().map(
            |field| json!({"name": field, "required": false, "rotates": false, "values": null}),
        );
        json!({
            "type": name,
            "scheme": null,
            "verifies": false,
            "credentials": credentials.collect::<Vec<_>>(),
            "handshake": null,
            "tolerance": false,
            "facts": null,
            "read_in": null,
            "note": "name a generic scheme in config.auth_type: HMAC, BASIC_AUTH, API_KEY or JWT",
        })
    });
    let models: Vec<Value> = known.chain(others).collect();
    Ok(Json(json!({ "count": models.len(), "models": models })))
}

fn show(provider: &Provider) -> Value {
    let secret = (!provider.secret.is_empty()).then(
        || json!({"name": provider.secret, "required": !provider.learns_secret, "rotates": true}),
    );
    let fields = provider.fields.iter().map(show_field);
    let credentials: Vec<Value> = secret.into_iter().chain(fields).collect();
    let handshake = provider.handshake();
    json!({
        "type": provider.name,
        "scheme": provider.scheme(),
        "verifies": provider.proves_origin(),
        "credentials": credentials,
        "handshake": (!handshake.is_empty()).then_some(handshake),
        "tolerance": provider.has_tolerance(),
        "facts": (!provider.source.is_empty()).then_some(provider.source),
        "read_in": registry::read_in(provider.name),
        "note": null,
    })
}

fn show_field(field: &Field) -> Value {
    let values = match field.kind {
        FieldKind::OneOf(values) => Some(values),
        _ => None,
    };
    json!({
        "name": field.name,
        "required": field.kind == FieldKind::Required,
        "rotates": false,
        "values": values,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[actix_rt::test]
    async fn every_type_is_listed_once_with_what_it_takes() {
        let Json(listed) = list(Extract(Manner::default())).await.expect("a list");
        let models = listed["models"].as_array().expect("a list");
        let mut names: Vec<_> = models
            .iter()
            .filter_map(|one| one["type"].as_str())
            .collect();
        let count = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), count, "a name stands for one type");
        let strava = models
            .iter()
            .find(|one| one["type"] == "STRAVA")
            .expect("listed");
        assert_eq!(strava["credentials"][0]["name"], "verify_token");
        assert_eq!(strava["credentials"][0]["required"], true);
        assert!(
            strava["handshake"]
                .as_str()
                .expect("words")
                .contains("hub.challenge")
        );
    }
}
