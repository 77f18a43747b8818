//! `/issue-triggers`: which troubles become issues, and who is told.

use super::{
    api_error::ApiError,
    body::Body,
    capability_url,
    catalog_page::{self, CatalogFilter, time_key},
    changes::{self, Decision},
    destinations,
    extract::{Extract, NoBody},
    filter, freshness, issue_trigger_input,
    manner::Manner,
    page::PageRequest,
    query::Query,
    times,
    views::Viewer,
};
use crate::{gateway::Gateway, world};
use actix_web::web::{Data, Json, Path};
use model::{
    catalog::{Catalog, Channels, IssueTrigger, Item, Kind},
    ids::IssueTriggerId,
    time::Timestamp,
};
use serde_json::{Value, json};

const ORDERS: &[&str] = &["created_at", "type"];

type Answer = Result<Json<Value>, ApiError>;

pub(super) async fn list(gateway: Data<Gateway>, Extract(query): Extract<Query>) -> Answer {
    let asked = PageRequest::read(&query, ORDERS)?;
    let filter = CatalogFilter::read_free(&query)?;
    let types = filter::issues::types(&query)?;
    let manner = query.finish()?;
    let catalog = freshness::catalog(&gateway, &manner).await?;
    let rows = catalog.issue_triggers.values().filter(|trigger| {
        filter.keeps(
            &trigger.id.to_string(),
            trigger.name.as_deref(),
            trigger.disabled_at,
        ) && (types.is_empty() || types.contains(&trigger.watched.issue_type()))
    });
    let rows = rows.map(|trigger| {
        let order = match asked.order_by {
            "type" => json!(trigger.watched.issue_type()).to_string(),
            _ => time_key(trigger.created_at),
        };
        ((order, trigger.id.to_string()), trigger)
    });
    let viewer = Viewer::of(&gateway, &manner);
    Ok(Json(catalog_page::answer(
        &asked,
        rows.collect(),
        |trigger| show(&viewer, trigger),
    )?))
}

pub(super) async fn get(
    gateway: Data<Gateway>,
    id: Path<String>,
    Extract(manner): Extract<Manner>,
) -> Answer {
    let catalog = freshness::catalog(&gateway, &manner).await?;
    let trigger = known(&catalog, &id)?;
    Ok(Json(show(&Viewer::of(&gateway, &manner), trigger)))
}

pub(super) async fn create(
    gateway: Data<Gateway>,
    Extract(manner): Extract<Manner>,
    Extract(body): Extract<Body>,
) -> Answer {
    let fresh = fresh(&gateway);
    let made = changes::make(&gateway, |catalog, now| {
        let trigger = body.read(|fields| issue_trigger_input::read(fields, None, &fresh, now))?;
        issue_trigger_input::check(catalog, &trigger)?;
        Ok(decided(None, trigger))
    });
    Ok(Json(show(&Viewer::of(&gateway, &manner), &made.await?)))
}

/// By name: a trigger of that name is changed, or made.
pub(super) async fn upsert(
    gateway: Data<Gateway>,
    Extract(manner): Extract<Manner>,
    Extract(body): Extract<Body>,
) -> Answer {
    let fresh = fresh(&gateway);
    let made = changes::make(&gateway, |catalog, now| {
        body.read(|fields| {
            let name = issue_trigger_input::read_name(fields)?.value();
            let name = name.ok_or_else(|| fields.invalid("name", "expected a name"))?;
            let kept = issue_trigger_input::named(catalog, &name);
            let trigger = issue_trigger_input::read(fields, kept, &fresh, now)?;
            issue_trigger_input::check(catalog, &trigger)?;
            Ok(decided(kept, trigger))
        })
    });
    Ok(Json(show(&Viewer::of(&gateway, &manner), &made.await?)))
}

pub(super) async fn update(
    gateway: Data<Gateway>,
    id: Path<String>,
    Extract(manner): Extract<Manner>,
    Extract(body): Extract<Body>,
) -> Answer {
    let fresh = fresh(&gateway);
    let made = changes::make(&gateway, |catalog, now| {
        let kept = known(catalog, &id)?;
        let trigger =
            body.read(|fields| issue_trigger_input::read(fields, Some(kept), &fresh, now))?;
        if trigger.watched.issue_type() != kept.watched.issue_type() {
            let expected = "expected the trigger's own type, or none";
            return Err(ApiError::invalid("type", expected));
        }
        issue_trigger_input::check(catalog, &trigger)?;
        Ok(decided(Some(kept), trigger))
    });
    Ok(Json(show(&Viewer::of(&gateway, &manner), &made.await?)))
}

pub(super) async fn enable(
    gateway: Data<Gateway>,
    id: Path<String>,
    Extract(manner): Extract<Manner>,
    _: NoBody,
) -> Answer {
    switch(&gateway, &id, &manner, false).await
}

pub(super) async fn disable(
    gateway: Data<Gateway>,
    id: Path<String>,
    Extract(manner): Extract<Manner>,
    _: NoBody,
) -> Answer {
    switch(&gateway, &id, &manner, true).await
}

async fn switch(gateway: &Gateway, id: &str, manner: &Manner, off: bool) -> Answer {
    let made = changes::make(gateway, |catalog, now| {
        let kept = known(catalog, id)?;
        let trigger = IssueTrigger {
            disabled_at: off.then(|| kept.disabled_at.unwrap_or(now)),
            live_since: match kept.disabled_at {
                Some(_) if !off => now,
                _ => kept.live_since,
            },
            updated_at: now,
            ..kept.clone()
        };
        Ok(decided(Some(kept), trigger))
    });
    Ok(Json(show(&Viewer::of(gateway, manner), &made.await?)))
}

/// Its issues stay: they tell of what happened.
pub(super) async fn delete(
    gateway: Data<Gateway>,
    id: Path<String>,
    _: Extract<Manner>,
    _: NoBody,
) -> Answer {
    let gone = changes::make(&gateway, |catalog, _| {
        let id = known(catalog, &id)?.id;
        Ok(Decision::delete(Kind::IssueTrigger, id.0, id))
    });
    Ok(Json(json!({ "id": gone.await? })))
}

/// What a new trigger gets. Drawn once, however often the change is decided.
fn fresh(gateway: &Gateway) -> issue_trigger_input::Fresh {
    issue_trigger_input::Fresh {
        id: IssueTriggerId::mint(world::now(), world::entropy()),
        key: destinations::drawn(),
        reach: gateway.config.delivery.reach(),
    }
}

fn known<'a>(catalog: &'a Catalog, id: &str) -> Result<&'a IssueTrigger, ApiError> {
    changes::known(&catalog.issue_triggers, "issue trigger", id)
}

fn decided(kept: Option<&IssueTrigger>, trigger: IssueTrigger) -> Decision<IssueTrigger> {
    let same_time =
        |made: &mut IssueTrigger, kept: &IssueTrigger| made.updated_at = kept.updated_at;
    changes::decided(kept, trigger, same_time, Item::IssueTrigger)
}

fn show(viewer: &Viewer, trigger: &IssueTrigger) -> Value {
    // `type` and `configs`, as they are kept.
    let watched = json!(trigger.watched);
    let never: Option<Timestamp> = None;
    json!({
        "id": trigger.id,
        "team_id": viewer.team,
        "name": trigger.name,
        "type": watched["type"],
        "configs": watched["configs"],
        "channels": show_channels(&trigger.channels, viewer.shows_auth),
        "disabled_at": times::show_some(trigger.disabled_at),
        "updated_at": times::show(trigger.updated_at),
        "created_at": times::show(trigger.created_at),
        "deleted_at": times::show_some(never),
    })
}

/// Whoever has Slack's URL can write there, so it is shown as rarely as a secret. A webhook's may be one of that kind.
fn show_channels(channels: &Channels, shows_auth: bool) -> Value {
    let mut shown = serde_json::Map::new();
    if let Some(webhook) = &channels.webhook {
        let url = match shows_auth {
            true => webhook.url.clone(),
            false => capability_url::shown(&webhook.url),
        };
        let mut channel = json!({ "url": url });
        if shows_auth {
            channel["signing_secret"] = json!(webhook.signing_secret.reveal());
        }
        shown.insert("webhook".into(), channel);
    }
    if let Some(slack) = &channels.slack {
        let mut channel = json!({ "channel_name": slack.channel_name });
        if shows_auth {
            channel["webhook_url"] = json!(slack.webhook_url.reveal());
        }
        shown.insert("slack".into(), channel);
    }
    match shown.is_empty() {
        true => Value::Null,
        false => Value::Object(shown),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::{
        catalog::{Secret, SlackChannel, Watched, WebhookChannel},
        traffic::IssueType,
    };

    #[test]
    fn a_trigger_has_the_fields_of_the_api_and_hides_what_is_secret() {
        let trigger = IssueTrigger {
            id: IssueTriggerId(1),
            name: Some("all".into()),
            watched: Watched::default_of(IssueType::Request),
            channels: Channels {
                webhook: Some(WebhookChannel {
                    url: "https://a.example/".into(),
                    signing_secret: Secret::new("whsec_hidden".into()),
                }),
                slack: Some(SlackChannel {
                    channel_name: "ops".into(),
                    webhook_url: Secret::new("https://hidden.example/".into()),
                }),
            },
            live_since: Timestamp(0),
            disabled_at: None,
            created_at: Timestamp(0),
            updated_at: Timestamp(0),
        };
        let shown = show(&Viewer::for_tests(false), &trigger);
        assert_eq!(shown["type"], "request");
        assert_eq!(
            shown["configs"],
            json!({"rejection_causes": "*", "sources": "*"})
        );
        assert_eq!(shown["channels"]["slack"], json!({"channel_name": "ops"}));
        assert_eq!(shown["deleted_at"], Value::Null);
        assert!(!shown.to_string().contains("hidden"), "{shown}");
        let shown = show(&Viewer::for_tests(true), &trigger);
        assert_eq!(
            shown["channels"]["webhook"]["signing_secret"],
            "whsec_hidden"
        );
        let quiet = IssueTrigger {
            channels: Channels::default(),
            ..trigger
        };
        assert_eq!(
            show(&Viewer::for_tests(true), &quiet)["channels"],
            Value::Null
        );
    }
}
