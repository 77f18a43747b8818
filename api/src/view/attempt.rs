//! An attempt as the API shows it.

use super::{
    Viewer, data,
    words::{Id, Time, Word},
};
use bytes::Bytes;
use model::{
    ids::{AttemptId, DestinationId, EventId, ExecutionId, NodeId, OperationId, TransformationId},
    traffic::{
        Attempt, AttemptStatus, ErrorCode, RequestRecord, Trigger,
        http_record::{Timing, Told},
    },
};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// A try to deliver an event.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[schemars(rename = "Attempt")]
pub struct AttemptView {
    pub id: Id<AttemptId>,
    pub team_id: String,
    pub event_id: Id<EventId>,
    /// Empty where the event is not kept any more.
    pub destination_id: String,
    pub response_status: Option<u16>,
    pub attempt_number: u16,
    pub trigger: Word<Trigger>,
    pub error_code: Option<Word<ErrorCode>>,
    /// The beginning of the answer.
    pub body: Option<String>,
    /// Null where there was nothing to ask or nobody to be asked.
    pub requested_url: Option<String>,
    pub http_method: Option<String>,
    /// Null: it is not known, or not any more.
    #[schemars(with = "Option<BTreeMap<String, String>>")]
    pub request_headers: Option<Map<String, Value>>,
    #[schemars(with = "Option<BTreeMap<String, String>>")]
    pub response_headers: Option<Map<String, Value>>,
    /// Some headers were left out: there was no room.
    pub headers_cut: bool,
    pub timing: TimingView,
    pub node_id: NodeId,
    /// The bulk operation that asked for it.
    pub bulk_retry_id: Option<Id<OperationId>>,
    pub status: Word<AttemptStatus>,
    pub successful_at: Option<Time>,
    pub delivered_at: Time,
    pub responded_at: Option<Time>,
    /// Milliseconds.
    pub delivery_latency: u64,
    /// Milliseconds.
    pub response_latency: Option<u64>,
    pub updated_at: Time,
    pub created_at: Time,
    /// The versions that made what it sent. Left out where an attempt is part of another answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub transformations: Option<Vec<UsedView>>,
}

/// The timing of an exchange, by its parts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[schemars(rename = "Timing")]
pub struct TimingView {
    pub dns_ms: Option<u32>,
    pub connect_ms: Option<u32>,
    pub first_byte_ms: Option<u32>,
    pub total_ms: u32,
}

/// A version of a transformation and its run.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[schemars(rename = "TransformationUse")]
pub struct UsedView {
    pub transformation_id: Id<TransformationId>,
    pub version: u16,
    pub execution_id: Id<ExecutionId>,
}

/// The records around an attempt, which its own row does not hold.
#[derive(Debug, Default)]
pub struct Around {
    pub destination: Option<DestinationId>,
    pub request: Option<RequestRecord>,
    /// The bulk operation that asked for it.
    pub operation: Option<OperationId>,
}

impl AttemptView {
    pub fn of(viewer: &Viewer, id: AttemptId, attempt: &Attempt, around: &Around) -> Self {
        let (outcome, http) = (&attempt.outcome, attempt.transport.http());
        let finished_at = Time(attempt.finished_at);
        let responded = outcome.is_answered();
        let latency = attempt.finished_at.since_ms(attempt.started_at);
        let some = |text: &String| (!text.is_empty()).then(|| text.clone());
        let request = around.request.as_ref();
        Self {
            id: id.into(),
            team_id: viewer.team.clone(),
            event_id: id.event.into(),
            destination_id: around
                .destination
                .map(|id| id.to_string())
                .unwrap_or_default(),
            response_status: outcome.response_status(),
            attempt_number: id.number,
            trigger: attempt.trigger.into(),
            error_code: outcome.error_code.map(Word),
            body: match outcome.text().as_ref() {
                b"" => None,
                body => Some(String::from_utf8_lossy(body).into_owned()),
            },
            requested_url: http.and_then(|http| some(&http.requested_url)),
            http_method: http.and_then(|http| some(&http.http_method)),
            request_headers: request.and_then(|request| sent_headers(id, attempt, request)),
            response_headers: http
                .filter(|_| responded)
                .map(|http| data::headers(&http.answered)),
            headers_cut: http.is_some_and(|http| http.is_cut),
            timing: TimingView::of(http.map(|http| http.timing).unwrap_or_default()),
            node_id: attempt.node,
            bulk_retry_id: around.operation.map(Id),
            status: attempt.status().into(),
            successful_at: outcome.is_success().then_some(finished_at),
            delivered_at: Time(attempt.started_at),
            responded_at: responded.then_some(finished_at),
            delivery_latency: latency,
            response_latency: responded.then_some(latency),
            updated_at: finished_at,
            created_at: Time(attempt.started_at),
            transformations: None,
        }
    }
}

impl TimingView {
    fn of(timing: Timing) -> Self {
        Self {
            dns_ms: timing.dns_ms,
            connect_ms: timing.connect_ms,
            first_byte_ms: timing.first_byte_ms,
            total_ms: timing.total_ms,
        }
    }
}

/// The headers that went out. None: nothing did, or an earlier version sent it and did not say.
pub fn headers_sent(
    id: AttemptId,
    attempt: &Attempt,
    request: &RequestRecord,
) -> Option<Vec<(String, Bytes)>> {
    let http = attempt.transport.http()?;
    let told = Told {
        id,
        trigger: attempt.trigger,
        at: attempt.started_at,
        url: &http.requested_url,
    };
    Some(http.sent.as_ref()?.headers(&told, request))
}

/// The same as they are shown, with how long their body was.
fn sent_headers(
    id: AttemptId,
    attempt: &Attempt,
    request: &RequestRecord,
) -> Option<Map<String, Value>> {
    let headers = headers_sent(id, attempt, request)?;
    let length = attempt.transport.http()?.sent.as_ref()?.body_len;
    let mut shown = data::headers(&headers);
    shown.insert("content-length".to_owned(), length.to_string().into());
    Some(shown)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::view::tests::{json, viewer};
    use model::{
        kit,
        time::Timestamp,
        traffic::{
            ErrorCode, HttpRecord, Outcome, TransportRecord,
            http_record::{Sent, Timing},
        },
    };
    use serde_json::json;

    fn shown(outcome: Outcome) -> Value {
        let attempt = Attempt {
            started_at: Timestamp(1000),
            finished_at: Timestamp(1250),
            outcome,
            transport: TransportRecord::Http(Box::new(HttpRecord {
                requested_url: "https://a.example/hook".into(),
                http_method: "POST".into(),
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
            })),
            ..kit::attempt()
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
        json(AttemptView::of(&viewer(false), id, &attempt, &around))
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
