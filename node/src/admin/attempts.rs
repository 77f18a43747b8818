//! `/attempts`: each try to deliver an event.

use super::{
    api_error::ApiError,
    event_filter, events, freshness,
    page::{Page, PageRequest},
    query::Query,
    times,
    traffic_page::Kind,
    traffic_scan::Span,
    views::Viewer,
};
use crate::gateway::Gateway;
use actix_web::web::{self, Data, Json, Path};
use model::{
    ids::{AttemptId, DestinationId, EventId},
    state::{codec, kv::Table, tables},
    traffic::Attempt,
};
use serde_json::{Value, json};

const ORDERS: &[&str] = &["created_at"];
/// Events whose attempts one list may be asked for.
const MAX_EVENTS: usize = 255;

const ATTEMPTS: Kind = Kind {
    table: Table::Attempts,
    show: |key| AttemptId::from_key(key).map(|id| id.to_string()),
    read: |text| text.parse().ok().map(|id: AttemptId| id.key().to_vec()),
};

type Answer = Result<Json<Value>, ApiError>;
type Row = (AttemptId, Attempt);

pub(super) async fn list(gateway: Data<Gateway>, query: Query) -> Answer {
    let asked = PageRequest::read(&query, ORDERS)?;
    let ids: Option<Vec<AttemptId>> = event_filter::ids(&query, "id");
    let events: Option<Vec<EventId>> = event_filter::ids(&query, "event_id");
    if events
        .as_ref()
        .is_some_and(|events| events.len() > MAX_EVENTS)
    {
        let expected = format!("expected at most {MAX_EVENTS} ids");
        return Err(ApiError::invalid("event_id", expected));
    }
    match &events {
        None => freshness::wait_for_partitions(&gateway, &query).await?,
        Some(events) => {
            let mut groups: Vec<_> = events.iter().map(|event| event.group()).collect();
            groups.sort_unstable();
            groups.dedup();
            groups.retain(|&group| freshness::is_partition(&gateway, group));
            freshness::wait(&gateway, &query, groups).await?;
        }
    }
    let answer = web::block(move || {
        let page = match &events {
            Some(events) => of_events(&gateway, &asked, events, ids.as_deref())?,
            None => newest(&gateway, &asked, ids.as_deref())?,
        };
        let viewer = Viewer::of(&gateway, &query);
        let models = page.rows.iter().map(|(_, (id, attempt))| {
            let destination = destination_of(&gateway, id.event)?;
            Ok(show(&viewer, *id, attempt, destination))
        });
        let models = models.collect::<Result<Vec<_>, ApiError>>()?;
        Ok::<_, ApiError>(asked.envelope(&models, page.next, page.prev))
    });
    Ok(Json(answer.await??))
}

fn of_events(
    gateway: &Gateway,
    asked: &PageRequest,
    events: &[EventId],
    ids: Option<&[AttemptId]>,
) -> Result<Page<String, Row>, ApiError> {
    let mut rows = Vec::new();
    let mut events = events.to_vec();
    events.sort_unstable();
    events.dedup();
    for event in events {
        if !freshness::is_partition(gateway, event.group()) {
            continue;
        }
        let found = tables::attempts_of(&gateway.cluster.view(event.group()), event)?;
        let wanted = found
            .into_iter()
            .filter(|(id, _)| ids.is_none_or(|ids| ids.contains(id)));
        // Digits of an id sort as the id does.
        rows.extend(wanted.map(|row| (row.0.to_string(), row)));
    }
    asked.cut(rows, |text| Some(text.to_owned()))
}

fn newest(
    gateway: &Gateway,
    asked: &PageRequest,
    ids: Option<&[AttemptId]>,
) -> Result<Page<String, Row>, ApiError> {
    let groups = freshness::partitions(gateway);
    let views: Vec<_> = groups.map(|group| gateway.cluster.view(group)).collect();
    ATTEMPTS.page(&views, Span::all(), asked, |_, (key, value)| {
        let Some(id) = AttemptId::from_key(key) else {
            return Ok(None);
        };
        if ids.is_some_and(|ids| !ids.contains(&id)) {
            return Ok(None);
        }
        Ok(Some((id, codec::decode(value)?)))
    })
}

pub(super) async fn get(gateway: Data<Gateway>, id: Path<String>, query: Query) -> Answer {
    let not_found = || ApiError::not_found("attempt", &id);
    let attempt: AttemptId = id.parse().map_err(|_| not_found())?;
    let group = attempt.event.group();
    if !freshness::is_partition(&gateway, group) {
        return Err(not_found());
    }
    freshness::wait(&gateway, &query, [group]).await?;
    let stored = tables::attempt(&gateway.cluster.view(group), attempt)?.ok_or_else(not_found)?;
    let destination = destination_of(&gateway, attempt.event)?;
    let viewer = Viewer::of(&gateway, &query);
    Ok(Json(show(&viewer, attempt, &stored, destination)))
}

/// An attempt as the API shows it; null when it is not kept any more.
pub(super) fn shown(gateway: &Gateway, viewer: &Viewer, id: AttemptId) -> Result<Value, ApiError> {
    if !freshness::is_partition(gateway, id.event.group()) {
        return Ok(Value::Null);
    }
    let attempt = tables::attempt(&gateway.cluster.view(id.event.group()), id)?;
    let destination = destination_of(gateway, id.event)?;
    Ok(attempt.map_or(Value::Null, |attempt| {
        show(viewer, id, &attempt, destination)
    }))
}

fn destination_of(gateway: &Gateway, event: EventId) -> Result<Option<DestinationId>, ApiError> {
    Ok(events::stored(gateway, event)?.map(|event| event.destination_id))
}

fn show(
    viewer: &Viewer,
    id: AttemptId,
    attempt: &Attempt,
    destination: Option<DestinationId>,
) -> Value {
    let outcome = &attempt.outcome;
    let finished_at = times::show(attempt.finished_at);
    let responded = outcome.response_status.is_some();
    let body = match outcome.response_body.as_ref() {
        b"" => Value::Null,
        body => String::from_utf8_lossy(body).into(),
    };
    json!({
        "id": id.to_string(),
        "team_id": viewer.team,
        "event_id": id.event,
        "destination_id": destination.map(|id| id.to_string()).unwrap_or_default(),
        "response_status": outcome.response_status,
        "attempt_number": id.number,
        "trigger": attempt.trigger,
        "error_code": outcome.error_code,
        "body": body,
        "requested_url": attempt.requested_url,
        "http_method": attempt.http_method,
        "bulk_retry_id": null,
        "status": attempt.status(),
        "successful_at": outcome.is_success().then_some(&finished_at),
        "delivered_at": times::show(attempt.started_at),
        "responded_at": responded.then_some(&finished_at),
        "delivery_latency": attempt.finished_at.since_ms(attempt.started_at),
        "response_latency": responded.then(|| attempt.finished_at.since_ms(attempt.started_at)),
        "updated_at": finished_at,
        "created_at": times::show(attempt.started_at),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use model::{
        time::Timestamp,
        traffic::{ErrorCode, Outcome, Trigger},
    };

    fn shown(outcome: Outcome) -> Value {
        let attempt = Attempt {
            trigger: Trigger::Initial,
            node: 1,
            requested_url: "https://a.example/hook".into(),
            http_method: "POST".into(),
            started_at: Timestamp(1000),
            finished_at: Timestamp(1250),
            outcome,
        };
        let id = AttemptId {
            event: EventId(7),
            number: 2,
        };
        show(
            &Viewer::for_tests(false),
            id,
            &attempt,
            Some(DestinationId(1)),
        )
    }

    #[test]
    fn a_success_says_when_and_what_was_answered() {
        let view = shown(Outcome::answered(202, Bytes::from("ok"), None));
        assert_eq!(view["status"], "SUCCESSFUL");
        assert_eq!(view["attempt_number"], 2);
        assert_eq!(view["response_status"], 202);
        assert_eq!(view["body"], "ok");
        assert_eq!(view["successful_at"], "1970-01-01T00:00:01.250Z");
        assert_eq!(view["response_latency"], 250);
    }

    #[test]
    fn a_failure_without_an_answer_has_nulls_not_empty_texts() {
        let view = shown(Outcome::failed(ErrorCode::ConnectionRefused));
        assert_eq!(view["status"], "FAILED");
        assert_eq!(view["error_code"], "CONNECTION_REFUSED");
        for field in ["response_status", "successful_at", "responded_at", "body"] {
            assert_eq!(view[field], Value::Null, "{field}");
        }
    }
}
