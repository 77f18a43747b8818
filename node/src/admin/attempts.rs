//! `/attempts`: each try to deliver an event.

use super::{
    api_error::ApiError, event_filter::ids, freshness, page::PageRequest, query::Query,
    requests::blocking, times, traffic_page::Kind, traffic_scan::Span, views::Viewer,
};
use crate::gateway::Gateway;
use actix_web::web::{Data, Json, Path};
use model::{
    ids::{AttemptId, EventId},
    state::{codec, kv::Table, tables},
    traffic::Attempt,
};
use serde_json::{Value, json};

type Answer = Result<Json<Value>, ApiError>;

const KIND: Kind = Kind {
    table: Table::Attempts,
    show: |key| Some(AttemptId::from_key(key)?.to_string()),
    read: |text| Some(text.parse::<AttemptId>().ok()?.key().to_vec()),
};

pub(super) fn show(viewer: &Viewer, id: AttemptId, attempt: &Attempt) -> Value {
    let outcome = &attempt.outcome;
    json!({
        "id": id.to_string(),
        "team_id": viewer.team,
        "event_id": id.event,
        "attempt_number": id.number,
        "trigger": attempt.trigger,
        "status": attempt.status(),
        "response_status": outcome.response_status,
        "error_code": outcome.error_code,
        "body": String::from_utf8_lossy(&outcome.response_body),
        "requested_url": attempt.requested_url,
        "http_method": attempt.http_method,
        "node": attempt.node,
        "delivered_at": times::show(attempt.started_at),
        "responded_at": times::show(attempt.finished_at),
        "response_latency": attempt.finished_at.since_ms(attempt.started_at),
        "successful_at": outcome.is_success().then(|| times::show(attempt.finished_at)),
        "created_at": times::show(attempt.started_at),
        "updated_at": times::show(attempt.finished_at),
    })
}

pub(super) async fn list(gateway: Data<Gateway>, query: Query) -> Answer {
    let asked = PageRequest::read(&query, &["created_at"])?;
    let events: Option<Vec<EventId>> = ids(&query, "event_id");
    let wanted: Option<Vec<AttemptId>> = ids(&query, "id");
    freshness::wait_for_partitions(&gateway, &query).await?;
    let viewer = Viewer::of(&gateway, &query);
    blocking(move || {
        let views: Vec<_> = freshness::partitions(&gateway)
            .map(|group| gateway.cluster.view(group))
            .collect();
        // One event's attempts are one range of keys.
        let span = match events.as_deref() {
            Some([event]) => Span {
                from: event.key().to_vec(),
                to: [event.key().as_slice(), &[u8::MAX; 3]].concat(),
            },
            _ => Span::all(),
        };
        let page = KIND.page(&views, span, &asked, |_, (key, value)| {
            let Some(id) = AttemptId::from_key(key) else {
                return Ok(None);
            };
            let is_wanted = events
                .as_ref()
                .is_none_or(|events| events.contains(&id.event))
                && wanted.as_ref().is_none_or(|wanted| wanted.contains(&id));
            if !is_wanted {
                return Ok(None);
            }
            Ok(Some(show(&viewer, id, &codec::decode(value)?)))
        })?;
        let models = page.rows.into_iter().map(|(_, model)| model).collect();
        Ok(Json(asked.envelope(models, page.next, page.prev)))
    })
    .await
}

pub(super) async fn get(gateway: Data<Gateway>, id: Path<String>, query: Query) -> Answer {
    let missing = || ApiError::not_found("attempt", &id);
    let attempt_id: AttemptId = id.parse().map_err(|_| missing())?;
    let group = attempt_id.event.group();
    if !freshness::is_partition(&gateway, group) {
        return Err(missing());
    }
    freshness::wait(&gateway, &query, [group]).await?;
    let found = tables::attempt(&gateway.cluster.view(group), attempt_id)?.ok_or_else(missing)?;
    Ok(Json(show(
        &Viewer::of(&gateway, &query),
        attempt_id,
        &found,
    )))
}
