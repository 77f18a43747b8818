//! Which events.

use super::{Ids, Range};
use crate::{
    ids::{ConnectionId, DestinationId, EventId, OperationId, ProjectNumber, RequestId, SourceId},
    state::{
        kv::Read,
        tables::{self, TableError},
    },
    time::Timestamp,
    traffic::{ErrorCode, Event, EventStatus, IssueKey},
};
use serde::{Deserialize, Serialize};

/// What events are asked for. Everything that is named must hold; a list that is there names what will do, so that an
/// empty one selects nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct EventQuery {
    /// Whose they must be.
    #[serde(skip_serializing_if = "ProjectNumber::is_default")]
    pub project: ProjectNumber,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ids: Option<Vec<EventId>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub statuses: Option<Vec<EventStatus>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error_codes: Option<Vec<ErrorCode>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sources: Option<Vec<SourceId>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub destinations: Option<Vec<DestinationId>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub connections: Option<Vec<ConnectionId>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub requests: Option<Vec<RequestId>>,
    /// Bulk operations that have put them into a queue.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub operations: Option<Vec<OperationId>>,
    /// Troubles: those whose last attempt failed as an issue says, and those that wait for its destination.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub troubles: Option<Vec<IssueKey>>,
    #[serde(skip_serializing_if = "Range::is_open")]
    pub attempts: Range,
    #[serde(skip_serializing_if = "Range::is_open")]
    pub response_status: Range,
    #[serde(skip_serializing_if = "Range::is_open")]
    pub created_at: Range,
    #[serde(skip_serializing_if = "Range::is_open")]
    pub successful_at: Range,
    #[serde(skip_serializing_if = "Range::is_open")]
    pub last_attempt_at: Range,
    #[serde(skip_serializing_if = "Range::is_open")]
    pub next_attempt_at: Range,
}

impl EventQuery {
    /// The ids that it may be about.
    #[must_use]
    pub fn ids(&self) -> Ids {
        let named = self.ids.as_ref();
        Ids::around(&self.created_at).among(named.map(|ids| ids.iter().map(|id| id.0)))
    }

    /// Whether it is about an event of the partition that `view` reads.
    ///
    /// # Errors
    /// When a row can't be read.
    pub fn keeps(&self, view: &impl Read, id: EventId, event: &Event) -> Result<bool, TableError> {
        if !self.keeps_row(id, event) {
            return Ok(false);
        }
        match &self.operations {
            None => Ok(true),
            Some(operations) => tables::is_of_operation(view, id, operations),
        }
    }

    /// The same by the event alone.
    fn keeps_row(&self, id: EventId, event: &Event) -> bool {
        let status = event.response_status.map(u64::from);
        let troubled = |keys: &Vec<IssueKey>| keys.iter().any(|key| is_of_trouble(event, key));
        event.connection_id.project() == self.project
            && is_among(self.ids.as_ref(), Some(&id))
            && is_among(self.statuses.as_ref(), Some(&event.status))
            && is_among(self.error_codes.as_ref(), event.error_code.as_ref())
            && is_among(self.sources.as_ref(), Some(&event.source_id))
            && is_among(self.destinations.as_ref(), Some(&event.destination_id))
            && is_among(self.connections.as_ref(), Some(&event.connection_id))
            && is_among(self.requests.as_ref(), Some(&id.request()))
            && self.troubles.as_ref().is_none_or(troubled)
            && self.attempts.holds(Some(u64::from(event.attempts)))
            && self.response_status.holds(status)
            && self.created_at.holds_time(Some(event.created_at))
            && self.successful_at.holds_time(event.successful_at)
            && self.last_attempt_at.holds_time(event.last_attempt_at)
            && self.next_attempt_at.holds_time(next_attempt_at(event))
    }
}

/// Whether a value is wanted; any is where none is named, even none.
pub(super) fn is_among<T: PartialEq>(wanted: Option<&Vec<T>>, value: Option<&T>) -> bool {
    wanted.is_none_or(|wanted| value.is_some_and(|value| wanted.contains(value)))
}

/// When an event will be tried next; none while a pause keeps that open.
#[must_use]
pub fn next_attempt_at(event: &Event) -> Option<Timestamp> {
    event.due_at.filter(|_| event.status != EventStatus::Hold)
}

fn is_of_trouble(event: &Event, key: &IssueKey) -> bool {
    match key {
        IssueKey::Delivery { .. } => IssueKey::of_event(event).as_ref() == Some(key),
        IssueKey::Backpressure { destination, .. } => {
            event.status.waits() && event.destination_id == *destination
        }
        IssueKey::Transformation { .. } | IssueKey::Request { .. } => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        query::Relation,
        state::memory::Memory,
        traffic::{Failure, Trigger},
    };

    fn event() -> Event {
        Event {
            connection_id: ConnectionId(1),
            source_id: SourceId(2),
            destination_id: DestinationId(3),
            status: EventStatus::Failed,
            attempts: 2,
            created_at: Timestamp(1000),
            updated_at: Timestamp(2000),
            due_at: None,
            next_trigger: Trigger::Automatic,
            last_attempt_at: Some(Timestamp(2000)),
            successful_at: None,
            response_status: Some(503),
            error_code: Some(ErrorCode::BadResponse),
            turn: None,
        }
    }

    fn keeps(query: &EventQuery, event: &Event) -> bool {
        let kept = query.keeps(&Memory::default(), EventId(9), event);
        kept.expect("memory can be read")
    }

    fn limits(limits: &[Relation]) -> Range {
        Range {
            limits: limits.to_vec(),
        }
    }

    #[test]
    fn nothing_asked_keeps_everything() {
        assert!(keeps(&EventQuery::default(), &event()));
    }

    #[test]
    fn each_question_keeps_and_drops() {
        let ask = |set: fn(&mut EventQuery)| {
            let mut query = EventQuery::default();
            set(&mut query);
            keeps(&query, &event())
        };
        assert!(ask(
            |q| q.statuses = Some(vec![EventStatus::Queued, EventStatus::Failed])
        ));
        assert!(!ask(|q| q.statuses = Some(vec![EventStatus::Successful])));
        assert!(!ask(|q| q.statuses = Some(vec![])));
        assert!(ask(|q| q.error_codes = Some(vec![ErrorCode::BadResponse])));
        assert!(!ask(|q| q.error_codes = Some(vec![ErrorCode::Timeout])));
        assert!(ask(|q| q.connections = Some(vec![ConnectionId(1)])));
        assert!(!ask(|q| q.connections = Some(vec![ConnectionId(7)])));
        assert!(!ask(|q| q.ids = Some(vec![])));
        assert!(!ask(|q| q.project = ProjectNumber(1)));
        assert!(!ask(|q| q.operations = Some(vec![OperationId(1)])));
    }

    #[test]
    fn each_range_keeps_and_drops() {
        for (query, kept) in [
            (
                EventQuery {
                    attempts: limits(&[Relation::Equal(2)]),
                    ..EventQuery::default()
                },
                true,
            ),
            (
                EventQuery {
                    attempts: limits(&[Relation::Above(2)]),
                    ..EventQuery::default()
                },
                false,
            ),
            (
                EventQuery {
                    response_status: limits(&[Relation::AtLeast(500)]),
                    ..EventQuery::default()
                },
                true,
            ),
            (
                EventQuery {
                    response_status: limits(&[Relation::Equal(500)]),
                    ..EventQuery::default()
                },
                false,
            ),
            (
                EventQuery {
                    created_at: limits(&[Relation::AtMost(1000)]),
                    ..EventQuery::default()
                },
                true,
            ),
            (
                EventQuery {
                    created_at: limits(&[Relation::Above(1000)]),
                    ..EventQuery::default()
                },
                false,
            ),
            (
                EventQuery {
                    successful_at: limits(&[Relation::Present(true)]),
                    ..EventQuery::default()
                },
                false,
            ),
        ] {
            assert_eq!(keeps(&query, &event()), kept, "{query:?}");
        }
    }

    #[test]
    fn the_events_of_an_issue_are_those_that_failed_like_it_or_wait_for_it() {
        let about = |key| EventQuery {
            troubles: Some(vec![key]),
            ..EventQuery::default()
        };
        let failed = |connection, failure| {
            about(IssueKey::Delivery {
                connection: ConnectionId(connection),
                failure,
            })
        };
        assert!(keeps(&failed(1, Failure::Status(503)), &event()));
        assert!(!keeps(&failed(1, Failure::Status(502)), &event()));
        assert!(!keeps(&failed(2, Failure::Status(503)), &event()));
        let silent = Event {
            response_status: None,
            error_code: Some(ErrorCode::Timeout),
            ..event()
        };
        assert!(keeps(
            &failed(1, Failure::Error(ErrorCode::Timeout)),
            &silent
        ));
        let waiting = about(IssueKey::Backpressure {
            destination: DestinationId(3),
            delay_ms: 60_000,
        });
        assert!(!keeps(&waiting, &event()));
        let queued = Event {
            status: EventStatus::Queued,
            ..event()
        };
        assert!(keeps(&waiting, &queued));
        let none = EventQuery {
            troubles: Some(vec![]),
            ..EventQuery::default()
        };
        assert!(!keeps(&none, &event()));
    }
}
