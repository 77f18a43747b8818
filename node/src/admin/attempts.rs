//! `/attempts`: each try to deliver an event.

use super::{
    api_error::ApiError,
    events,
    extract::Extract,
    filter,
    freshness::{self, Reached},
    manner::Manner,
    page::{Page, PageRequest},
    query::Query,
    times, traffic_data,
    traffic_page::Kind,
    traffic_scan::Span,
    views::Viewer,
};
use crate::gateway::Gateway;
use actix_web::web::{self, Data, Json, Path};
use bytes::Bytes;
use model::{
    ids::{AttemptId, DestinationId, EventId, OperationId},
    policy::signature,
    query::{AttemptQuery, Ids},
    state::{codec, kv::Table, tables},
    traffic::{Attempt, RequestRecord, trace::Told},
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

pub(super) async fn list(gateway: Data<Gateway>, Extract(query): Extract<Query>) -> Answer {
    let asked = PageRequest::read(&query, ORDERS)?;
    let wanted = AttemptQuery {
        ids: filter::ids(&query, "id"),
        events: filter::ids(&query, "event_id"),
    };
    let manner = query.finish()?;
    if wanted
        .events
        .as_ref()
        .is_some_and(|events| events.len() > MAX_EVENTS)
    {
        let expected = format!("expected at most {MAX_EVENTS} ids");
        return Err(ApiError::invalid("event_id", expected));
    }
    let reached = match &wanted.events {
        None => freshness::reach_partitions(&gateway, &manner).await?,
        Some(events) => {
            let mut groups: Vec<_> = events.iter().map(|event| event.group()).collect();
            groups.sort_unstable();
            groups.dedup();
            groups.retain(|&group| freshness::is_partition(&gateway, group));
            freshness::reach(&gateway, &manner, groups).await?
        }
    };
    let answer = web::block(move || {
        let page = match &wanted.events {
            Some(events) => of_events(&gateway, &asked, (events, &reached), &wanted)?,
            None => newest(&gateway, &asked, &reached, &wanted)?,
        };
        let viewer = Viewer::of(&gateway, &manner);
        let models = page.rows.iter().map(|(_, (id, attempt))| {
            let around = Around::of(&gateway, *id)?;
            let mut model = show(&viewer, *id, attempt, &around);
            model["transformations"] = versions_of(&gateway, *id)?;
            Ok(model)
        });
        let models = models.collect::<Result<Vec<_>, ApiError>>()?;
        let envelope = asked.envelope(&models, page.next, page.prev);
        Ok::<_, ApiError>(reached.name_gaps(envelope))
    });
    Ok(Json(answer.await??))
}

fn of_events(
    gateway: &Gateway,
    asked: &PageRequest,
    (events, reached): (&[EventId], &Reached),
    wanted: &AttemptQuery,
) -> Result<Page<String, Row>, ApiError> {
    let mut rows = Vec::new();
    let mut events = events.to_vec();
    events.sort_unstable();
    events.dedup();
    for event in events {
        if !reached.has(event.group()) {
            continue;
        }
        let found = tables::attempts_of(&gateway.cluster.view(event.group()), event)?;
        let kept = found.into_iter().filter(|(id, _)| wanted.keeps(*id));
        // Digits of an id sort as the id does.
        rows.extend(kept.map(|row| (row.0.to_string(), row)));
    }
    Ok(asked.cut(rows, |text| Some(text.to_owned()))?)
}

fn newest(
    gateway: &Gateway,
    asked: &PageRequest,
    reached: &Reached,
    wanted: &AttemptQuery,
) -> Result<Page<String, Row>, ApiError> {
    let views = reached.views(gateway);
    ATTEMPTS.page(&views, Span::of(Ids::ALL), asked, |view, (key, value)| {
        let Some(id) = AttemptId::from_key(key) else {
            return Ok(None);
        };
        if !wanted.keeps(id) {
            return Ok(None);
        }
        Ok(Some((id, codec::decode_row(view, Table::Attempts, value)?)))
    })
}

pub(super) async fn get(
    gateway: Data<Gateway>,
    id: Path<String>,
    Extract(manner): Extract<Manner>,
) -> Answer {
    let not_found = || ApiError::not_found("attempt", &id);
    let attempt: AttemptId = id.parse().map_err(|_| not_found())?;
    let group = attempt.event.group();
    if !freshness::is_partition(&gateway, group) {
        return Err(not_found());
    }
    freshness::wait(&gateway, &manner, [group]).await?;
    let stored = tables::attempt(&gateway.cluster.view(group), attempt)?.ok_or_else(not_found)?;
    let around = Around::of(&gateway, attempt)?;
    let viewer = Viewer::of(&gateway, &manner);
    let mut model = show(&viewer, attempt, &stored, &around);
    model["transformations"] = versions_of(&gateway, attempt)?;
    Ok(Json(model))
}

/// The versions that made what an attempt sent.
fn versions_of(gateway: &Gateway, id: AttemptId) -> Result<Value, ApiError> {
    let view = gateway.cluster.view(id.event.group());
    let executions = tables::executions_of(&view, id.event)?;
    // Runs that came to no attempt may have had the same number; those of the attempt were recorded last.
    let of_attempt = executions
        .iter()
        .filter(|(_, run)| run.attempt == id.number);
    let last = of_attempt.clone().map(|(id, _)| id.index).max();
    let made_it = of_attempt.filter(|(id, run)| Some(id.index) == last && !run.failed);
    Ok(made_it
        .map(|(id, run)| {
            json!({
                "transformation_id": run.used.id,
                "version": run.used.version,
                "execution_id": id.to_string(),
            })
        })
        .collect())
}

/// An attempt as the API shows it; null when it is not kept any more.
pub(super) fn shown(gateway: &Gateway, viewer: &Viewer, id: AttemptId) -> Result<Value, ApiError> {
    if !freshness::is_partition(gateway, id.event.group()) {
        return Ok(Value::Null);
    }
    let attempt = tables::attempt(&gateway.cluster.view(id.event.group()), id)?;
    let around = Around::of(gateway, id)?;
    Ok(attempt.map_or(Value::Null, |attempt| show(viewer, id, &attempt, &around)))
}

/// What an attempt's row does not say itself.
#[derive(Default)]
struct Around {
    destination: Option<DestinationId>,
    request: Option<RequestRecord>,
    /// The bulk operation that asked for it.
    operation: Option<OperationId>,
}

impl Around {
    fn of(gateway: &Gateway, id: AttemptId) -> Result<Self, ApiError> {
        let view = gateway.cluster.view(id.event.group());
        let operation = tables::operation_of(&view, id)?;
        let Some(event) = events::stored(gateway, id.event)? else {
            return Ok(Self {
                operation,
                ..Self::default()
            });
        };
        let request = tables::request(&view, id.event.request())?;
        let record = request.map(|request| {
            codec::decode_row::<RequestRecord>(&view, Table::Requests, &request.record)
        });
        let mut record = record.transpose()?;
        if let Some(record) = &mut record
            && let Some(source) = gateway.catalog.get().sources.get(&record.source_id)
        {
            signature::redact(record, &source.verification);
        }
        Ok(Self {
            destination: Some(event.destination_id),
            request: record,
            operation,
        })
    }
}

/// The headers that went out. None: nothing did, or an earlier version sent it and did not say.
pub(super) fn headers_sent(
    id: AttemptId,
    attempt: &Attempt,
    request: &RequestRecord,
) -> Option<Vec<(String, Bytes)>> {
    let sent = attempt.trace.sent.as_ref()?;
    let told = Told {
        id,
        trigger: attempt.trigger,
        at: attempt.started_at,
        url: &attempt.requested_url,
    };
    Some(sent.headers(&told, request))
}

/// The same as they are shown, with how long their body was. Null: it is not known, or not any more.
fn sent_headers(id: AttemptId, attempt: &Attempt, request: Option<&RequestRecord>) -> Value {
    let headers = request.and_then(|request| headers_sent(id, attempt, request));
    let (Some(headers), Some(sent)) = (headers, &attempt.trace.sent) else {
        return Value::Null;
    };
    let mut shown = traffic_data::headers(&headers);
    let length = sent.body_len.to_string();
    shown.insert("content-length".to_owned(), length.into());
    shown.into()
}

fn show(viewer: &Viewer, id: AttemptId, attempt: &Attempt, around: &Around) -> Value {
    let (outcome, trace) = (&attempt.outcome, &attempt.trace);
    let finished_at = times::show(attempt.finished_at);
    let responded = outcome.response_status.is_some();
    // Nothing was asked where there was nothing to ask or nobody to be.
    let some = |text: &String| (!text.is_empty()).then(|| text.clone());
    let body = match outcome.response_body.as_ref() {
        b"" => Value::Null,
        body => String::from_utf8_lossy(body).into(),
    };
    json!({
        "id": id.to_string(),
        "team_id": viewer.team,
        "event_id": id.event,
        "destination_id": around.destination.map(|id| id.to_string()).unwrap_or_default(),
        "response_status": outcome.response_status,
        "attempt_number": id.number,
        "trigger": attempt.trigger,
        "error_code": outcome.error_code,
        "body": body,
        "requested_url": some(&attempt.requested_url),
        "http_method": some(&attempt.http_method),
        "request_headers": sent_headers(id, attempt, around.request.as_ref()),
        "response_headers": responded.then(|| traffic_data::headers(&trace.answered)),
        "headers_cut": trace.is_cut,
        "timing": {
            "dns_ms": trace.timing.dns_ms,
            "connect_ms": trace.timing.connect_ms,
            "first_byte_ms": trace.timing.first_byte_ms,
            "total_ms": trace.timing.total_ms,
        },
        "node_id": attempt.node,
        "bulk_retry_id": around.operation,
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
    use model::{
        kit,
        time::Timestamp,
        traffic::{
            ErrorCode, Outcome, Trace, Trigger,
            trace::{Sent, Timing},
        },
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
            trace: Box::new(Trace {
                sent: Some(Sent {
                    forwarded: vec![1],
                    source_name: "shop".into(),
                    signature: "v1,x".into(),
                    body_len: 5,
                    own: vec![("authorization".into(), Bytes::from("[redacted]"))],
                    ..Sent::default()
                }),
                answered: vec![("server".into(), Bytes::from("s"))],
                is_cut: false,
                timing: Timing {
                    connect_ms: Some(3),
                    total_ms: 250,
                    ..Timing::default()
                },
            }),
        };
        let id = AttemptId {
            event: EventId(7),
            number: 2,
        };
        let header = |name: &str, value: &'static str| (name.to_owned(), Bytes::from(value));
        let around = Around {
            destination: Some(DestinationId(1)),
            request: Some(RequestRecord {
                headers: vec![header("cookie", "c"), header("x-mine", "kept")],
                ..kit::record()
            }),
            operation: None,
        };
        show(&Viewer::for_tests(false), id, &attempt, &around)
    }

    #[test]
    fn a_dispute_is_settled_by_what_went_out_and_came_back() {
        let view = shown(Outcome::answered(500, Bytes::from("no"), None));
        let sent = &view["request_headers"];
        assert_eq!(sent["host"], "a.example");
        assert_eq!(sent["x-mine"], "kept");
        assert_eq!(sent["cookie"], Value::Null);
        assert_eq!(sent["x-tidegate-attempt-number"], "2");
        assert_eq!(sent["webhook-timestamp"], "1");
        assert_eq!(sent["webhook-signature"], "v1,x");
        assert_eq!(sent["content-length"], "5");
        assert_eq!(view["response_headers"]["server"], "s");
        let timing =
            json!({"dns_ms": null, "connect_ms": 3, "first_byte_ms": null, "total_ms": 250});
        assert_eq!(view["timing"], timing);
        assert_eq!(view["node_id"], 1);
        let unanswered = shown(Outcome::failed(ErrorCode::Timeout));
        assert_eq!(unanswered["response_headers"], Value::Null);
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
