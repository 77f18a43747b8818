//! An issue as the API shows it, with what it refers to.

use super::{
    attempt::AttemptView,
    destination::DestinationView,
    event::EventView,
    execution::ExecutionView,
    request::RequestView,
    words::{Id, Time, Word},
};
use model::{
    ids::{
        AttemptId, ConnectionId, DestinationId, EventId, ExecutionId, IssueId, IssueTriggerId,
        RequestId, SourceId, TransformationId,
    },
    traffic::{
        ErrorCode, Failure, Issue, IssueKey, IssueStatus, IssueType, LogLevel, RejectionCause,
        Sample, Sampled,
    },
};
use schemars::JsonSchema;
use serde::Serialize;

/// A trouble that persists, and what people make of it.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[schemars(rename = "Issue")]
pub struct IssueView {
    pub id: Id<IssueId>,
    pub team_id: String,
    #[serde(rename = "type")]
    pub issue_type: Word<IssueType>,
    pub status: Word<IssueStatus>,
    pub issue_trigger_id: Option<Id<IssueTriggerId>>,
    pub opened_at: Time,
    pub first_seen_at: Time,
    pub last_seen_at: Time,
    pub last_updated_by: (),
    pub dismissed_at: Option<Time>,
    pub auto_resolved_at: Option<Time>,
    pub merged_with: (),
    pub updated_at: Time,
    pub created_at: Time,
    pub aggregation_keys: KeysView,
    /// The newest sample.
    pub reference: ReferenceView,
    /// How often it was seen.
    pub count: u64,
    /// How often it ended an event.
    pub final_count: u64,
    pub opened_count: u32,
    /// The newest first.
    pub samples: Vec<SampleView>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub waiting_since: Option<Time>,
    /// What it refers to, as far as that is still kept. Left out in answer to a change.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub data: Option<Option<IssueDataView>>,
}

/// The grouping keys of an issue, by its type.
#[derive(Clone, Debug, Default, PartialEq, Serialize, JsonSchema)]
#[schemars(rename = "AggregationKeys")]
pub struct KeysView {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub webhook_id: Option<[Id<ConnectionId>; 1]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub response_status: Option<Vec<u16>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error_code: Option<Vec<Word<ErrorCode>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub transformation_id: Option<[Id<TransformationId>; 1]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub log_level: Option<[Word<LogLevel>; 1]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub destination_id: Option<[Id<DestinationId>; 1]>,
    /// Milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub delay: Option<[u64; 1]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source_id: Option<[Id<SourceId>; 1]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rejection_cause: Option<[Word<RejectionCause>; 1]>,
}

/// The newest sample, under the names that the API has for it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, JsonSchema)]
#[schemars(rename = "IssueReference")]
pub struct ReferenceView {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub destination_id: Option<Id<DestinationId>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub event_id: Option<Id<EventId>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub attempt_id: Option<Id<AttemptId>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request_id: Option<Id<RequestId>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub transformation_execution_id: Option<Id<ExecutionId>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "()")]
    pub trigger_event_request_transformation_id: Option<()>,
}

/// A sample of an issue: something that the trouble was seen at.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[schemars(rename = "IssueSample")]
pub struct SampleView {
    pub at: Time,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub event_id: Option<Id<EventId>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub attempt_id: Option<Id<AttemptId>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request_id: Option<Id<RequestId>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub transformation_execution_id: Option<Id<ExecutionId>>,
}

/// The records that an issue refers to, by its type. What retention has let go is null.
#[derive(Clone, Debug, Default, PartialEq, Serialize, JsonSchema)]
#[schemars(rename = "IssueData")]
pub struct IssueDataView {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub destination: Option<Option<DestinationView>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trigger_event: Option<Option<EventView>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trigger_attempt: Option<Option<AttemptView>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request: Option<Option<RequestView>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub transformation_execution: Option<Option<ExecutionView>>,
}

impl IssueView {
    pub fn of(id: IssueId, issue: &Issue, team: &str) -> Self {
        let count = issue.count();
        let waiting = issue.waiting.iter().map(|waiting| waiting.since);
        Self {
            id: id.into(),
            team_id: team.to_owned(),
            issue_type: issue.key.issue_type().into(),
            status: issue.status.into(),
            issue_trigger_id: issue.trigger.map(Id),
            opened_at: Time(issue.opened_at),
            first_seen_at: Time(issue.first_seen_at),
            last_seen_at: Time(issue.last_seen_at),
            last_updated_by: (),
            dismissed_at: Time::some(issue.dismissed_at),
            auto_resolved_at: Time::some(issue.auto_resolved_at),
            merged_with: (),
            updated_at: Time(issue.updated_at),
            created_at: Time(issue.created_at),
            aggregation_keys: KeysView::of(&issue.key),
            reference: ReferenceView::of(issue),
            count: count.all,
            final_count: count.finals,
            opened_count: issue.openings,
            samples: issue.samples.iter().rev().map(SampleView::of).collect(),
            waiting_since: Time::some(waiting.min()),
            data: None,
        }
    }
}

impl KeysView {
    fn of(key: &IssueKey) -> Self {
        match *key {
            IssueKey::Delivery {
                connection,
                failure,
            } => {
                let (statuses, codes) = match failure {
                    Failure::Status(status) => (vec![status], Vec::new()),
                    Failure::Error(code) => (Vec::new(), vec![Word(code)]),
                };
                Self {
                    webhook_id: Some([Id(connection)]),
                    response_status: Some(statuses),
                    error_code: Some(codes),
                    ..Self::default()
                }
            }
            IssueKey::Transformation {
                transformation,
                log_level,
            } => Self {
                transformation_id: Some([Id(transformation)]),
                log_level: Some([Word(log_level)]),
                ..Self::default()
            },
            IssueKey::Backpressure {
                destination,
                delay_ms,
            } => Self {
                destination_id: Some([Id(destination)]),
                delay: Some([delay_ms]),
                ..Self::default()
            },
            IssueKey::Request { source, cause } => Self {
                source_id: Some([Id(source)]),
                rejection_cause: Some([Word(cause)]),
                ..Self::default()
            },
        }
    }
}

impl ReferenceView {
    fn of(issue: &Issue) -> Self {
        if let IssueKey::Backpressure { destination, .. } = issue.key {
            return Self {
                destination_id: Some(Id(destination)),
                ..Self::default()
            };
        }
        match issue.samples.last().map(|sample| sample.of) {
            Some(Sampled::Attempt(id)) => Self {
                event_id: Some(Id(id.event)),
                attempt_id: Some(Id(id)),
                ..Self::default()
            },
            Some(Sampled::Event(event)) => Self {
                event_id: Some(Id(event)),
                ..Self::default()
            },
            Some(Sampled::Request(request)) => Self {
                request_id: Some(Id(request)),
                ..Self::default()
            },
            Some(Sampled::Execution(id)) => Self {
                transformation_execution_id: Some(Id(id)),
                trigger_event_request_transformation_id: Some(()),
                ..Self::default()
            },
            None => Self::default(),
        }
    }
}

impl SampleView {
    fn of(sample: &Sample) -> Self {
        let plain = Self {
            at: Time(sample.at),
            event_id: None,
            attempt_id: None,
            request_id: None,
            transformation_execution_id: None,
        };
        match sample.of {
            Sampled::Attempt(id) => Self {
                event_id: Some(Id(id.event)),
                attempt_id: Some(Id(id)),
                ..plain
            },
            Sampled::Event(event) => Self {
                event_id: Some(Id(event)),
                ..plain
            },
            Sampled::Request(request) => Self {
                request_id: Some(Id(request)),
                ..plain
            },
            Sampled::Execution(id) => Self {
                event_id: Some(Id(id.event)),
                transformation_execution_id: Some(Id(id)),
                ..plain
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::view::tests::json;
    use model::{policy::issues::show, time::Timestamp};

    #[test]
    fn an_issue_is_shown_as_notifications_tell_it() {
        let event = EventId(7);
        let attempt = AttemptId { event, number: 2 };
        let execution = ExecutionId {
            event,
            index: 3,
            place: 0,
        };
        let delivery = |failure| IssueKey::Delivery {
            connection: ConnectionId(1),
            failure,
        };
        for (key, sampled) in [
            (
                delivery(Failure::Status(500)),
                Some(Sampled::Attempt(attempt)),
            ),
            (
                delivery(Failure::Error(ErrorCode::Timeout)),
                Some(Sampled::Event(event)),
            ),
            (
                IssueKey::Transformation {
                    transformation: TransformationId(2),
                    log_level: LogLevel::Error,
                },
                Some(Sampled::Execution(execution)),
            ),
            (
                IssueKey::Backpressure {
                    destination: DestinationId(3),
                    delay_ms: 60_000,
                },
                Some(Sampled::Event(event)),
            ),
            (
                IssueKey::Request {
                    source: SourceId(4),
                    cause: RejectionCause::VerificationFailed,
                },
                Some(Sampled::Request(RequestId(5))),
            ),
            (delivery(Failure::Status(404)), None),
        ] {
            let seen = (Timestamp(1_000), Timestamp(2_000));
            let mut issue = Issue::opened(key, Some(IssueTriggerId(9)), seen, Timestamp(3_000));
            let samples = sampled.map(|of| Sample {
                at: Timestamp(1_500),
                of,
            });
            issue.samples.extend(samples);
            let view = IssueView::of(IssueId(8), &issue, "test");
            assert_eq!(json(view), show(IssueId(8), &issue, "test"));
        }
    }
}
