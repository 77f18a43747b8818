//! `/notifications/webhooks`: a source that takes what happens to issues as requests.

use super::{
    api_error::ApiError,
    body::{Body, Fields, Given},
    changes::{self, Decision},
    extract::Extract,
    freshness,
    manner::Manner,
};
use crate::gateway::Gateway;
use actix_web::web::{Data, Json};
use api::problem::Problem;
use model::{
    catalog::{Catalog, Item, Notifications, Topic},
    ids::SourceId,
    time::Timestamp,
};
use serde_json::{Value, json};

type Answer = Result<Json<Value>, ApiError>;

pub(super) async fn get(gateway: Data<Gateway>, Extract(manner): Extract<Manner>) -> Answer {
    let catalog = freshness::catalog(&gateway, &manner).await?;
    let said = catalog.notifications.as_ref();
    Ok(Json(said.map_or_else(
        || json!({"enabled": false, "topics": null, "source_id": null}),
        show,
    )))
}

pub(super) async fn put(
    gateway: Data<Gateway>,
    _: Extract<Manner>,
    Extract(body): Extract<Body>,
) -> Answer {
    let made = changes::make(&gateway, |catalog, now| {
        let told = body.read(|fields| read(fields, catalog, now))?;
        let item = Item::Notifications(told.clone());
        Ok(Decision::put(vec![item], told))
    });
    Ok(Json(show(&made.await?)))
}

fn read(fields: &Fields<'_>, catalog: &Catalog, now: Timestamp) -> Result<Notifications, Problem> {
    let Given::Value(enabled) = fields.flag("enabled")? else {
        return Err(fields.invalid("enabled", "expected true or false"));
    };
    let source_id = fields.text("source_id", 64)?.value();
    let source_id: Option<SourceId> = source_id.and_then(|text| text.parse().ok());
    let source_id = source_id
        .filter(|id| catalog.sources.contains_key(id))
        .ok_or_else(|| fields.invalid("source_id", "expected the id of a source"))?;
    let topics = fields.list("topics")?.value();
    let topics = topics.map(|list| list.iter().map(|topic| read_topic(fields, topic)).collect());
    Ok(Notifications {
        enabled,
        topics: topics.transpose()?,
        source_id,
        updated_at: now,
    })
}

fn read_topic(fields: &Fields<'_>, value: &Value) -> Result<Topic, Problem> {
    if let Some(other @ ("event.successful" | "deprecated.attempt-failed")) = value.as_str() {
        let named = format!("{}: {other}", fields.path("topics"));
        return Err(Problem::not_available(&named));
    }
    serde_json::from_value(value.clone())
        .map_err(|_| fields.invalid("topics", "expected issue.opened and issue.updated, or null"))
}

fn show(told: &Notifications) -> Value {
    json!({
        "enabled": told.enabled,
        "topics": told.topics,
        "source_id": told.source_id,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::catalog::Source;
    use model::kit;

    fn told(body: Value) -> Result<Notifications, Problem> {
        let mut catalog = Catalog::default();
        catalog.insert(Item::Source(Source {
            name: "alerts".into(),
            ..kit::source()
        }));
        Body::of(body).read(|fields| read(fields, &catalog, Timestamp(7)))
    }

    #[test]
    fn a_source_and_its_topics_are_named() {
        let id = SourceId(1);
        let all = told(json!({"enabled": true, "source_id": id})).expect("good");
        assert_eq!((all.enabled, all.topics), (true, None));
        let some = json!({"enabled": true, "source_id": id, "topics": ["issue.opened"]});
        let shown = show(&told(some.clone()).expect("good"));
        assert_eq!(shown, some);
    }

    #[test]
    fn bad_fields_are_named() {
        let id = SourceId(1);
        for (body, field) in [
            (json!({"source_id": id}), "enabled"),
            (json!({"enabled": "yes", "source_id": id}), "enabled"),
            (json!({"enabled": true}), "source_id"),
            (
                json!({"enabled": true, "source_id": SourceId(2)}),
                "source_id",
            ),
            (
                json!({"enabled": true, "source_id": id, "topics": ["x"]}),
                "topics",
            ),
            (
                json!({"enabled": true, "source_id": id, "topics": ["event.successful"]}),
                "topics",
            ),
        ] {
            let error = told(body).expect_err(field);
            assert!(
                error.message().starts_with(&format!("{field}: ")),
                "{error}"
            );
        }
    }
}
