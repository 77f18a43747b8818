//! Input of the subscription to all issues.

use crate::{
    body::{Fields, Given},
    problem::Problem,
};
use model::{
    catalog::{Catalog, Notifications, Topic},
    ids::SourceId,
    time::Timestamp,
};
use serde_json::Value;

/// Reads the subscription that is in force from now on.
///
/// # Errors
/// A field that is not as it should be.
pub fn read(
    fields: &Fields<'_>,
    catalog: &Catalog,
    now: Timestamp,
) -> Result<Notifications, Problem> {
    let Given::Value(enabled) = fields.flag("enabled")? else {
        return Err(fields.invalid("enabled", "expected true or false"));
    };
    let expected = || fields.invalid("source_id", "expected the id of a source");
    let given = fields.text("source_id", 64)?.value();
    let given = given.map(|text| text.parse::<SourceId>().map_err(|_| expected()));
    let given = given.transpose()?;
    // Switched off without a word of the source, or of one that is gone, they stay with the one that they had.
    let kept = catalog.notifications.as_ref().filter(|_| !enabled);
    let kept = kept.map(|kept| kept.source_id);
    let kept = kept.filter(|kept| given.is_none_or(|given| given == *kept));
    let known = given.filter(|id| catalog.sources.contains_key(id));
    let source_id = known.or(kept).ok_or_else(expected)?;
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        body::Body,
        view::{notifications::NotificationsView, tests::json},
    };
    use model::catalog::{Item, Source};
    use model::kit;
    use serde_json::json;

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
        let shown = json(NotificationsView::of(&told(some.clone()).expect("good")));
        assert_eq!(shown, some);
    }

    #[test]
    fn they_are_switched_off_also_when_their_source_is_gone() {
        let mut catalog = Catalog::default();
        let gone = SourceId(9);
        catalog.insert(Item::Notifications(Notifications {
            enabled: true,
            topics: None,
            source_id: gone,
            updated_at: Timestamp(1),
        }));
        let read = |body| Body::of(body).read(|fields| read(fields, &catalog, Timestamp(7)));
        for off in [
            json!({"enabled": false}),
            json!({"enabled": false, "source_id": null}),
            json!({"enabled": false, "source_id": gone}),
        ] {
            let told = read(off.clone()).unwrap_or_else(|problem| panic!("{off}: {problem}"));
            assert_eq!((told.enabled, told.source_id), (false, gone));
        }
        assert!(read(json!({"enabled": true, "source_id": gone})).is_err());
        assert!(read(json!({"enabled": false, "source_id": SourceId(8)})).is_err());
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
