//! What events can be filtered by.

use super::{
    api_error::ApiError,
    query::{Query, Range},
};
use model::{
    ids::{ConnectionId, DestinationId, EventId, OperationId, RequestId, SourceId},
    state::{
        kv::Read,
        tables::{self, TableError},
    },
    time::Timestamp,
    traffic::{ErrorCode, Event, EventStatus},
};
use std::str::FromStr;

/// Filters of the API that this version does not have. To ignore them would show what was not asked for.
const UNSUPPORTED: [&str; 7] = [
    "search_term",
    "headers",
    "body",
    "parsed_query",
    "path",
    "cli_id",
    "cli_user_id",
];

#[derive(Debug)]
pub(super) struct EventFilter {
    /// None: any id.
    pub(super) ids: Option<Vec<EventId>>,
    statuses: Vec<EventStatus>,
    error_codes: Vec<ErrorCode>,
    sources: Option<Vec<SourceId>>,
    destinations: Option<Vec<DestinationId>>,
    connections: Option<Vec<ConnectionId>>,
    /// The data of an event are those of its request.
    requests: Option<Vec<RequestId>>,
    operations: Option<Vec<OperationId>>,
    attempts: Range,
    response_status: Range,
    pub(super) created_at: Range,
    successful_at: Range,
    last_attempt_at: Range,
    next_attempt_at: Range,
}

/// The ids that a parameter names. One that can't be an id matches nothing, as one that is gone does.
pub(super) fn ids<T: FromStr>(query: &Query, name: &str) -> Option<Vec<T>> {
    let texts = query.all(name).into_iter();
    let ids = texts.filter_map(|text| text.parse().ok()).collect();
    query.has(name).then_some(ids)
}

/// Refuses filters of the API that this version does not have.
pub(super) fn refuse(query: &Query, unsupported: &[&str]) -> Result<(), ApiError> {
    match unsupported.iter().find(|name| query.has(name)) {
        None => Ok(()),
        Some(name) => Err(ApiError::not_available(&format!("{name}: this filter"))),
    }
}

/// Whether a value is wanted; all are where none is named.
pub(super) fn is_among<T: PartialEq>(wanted: Option<&Vec<T>>, value: &T) -> bool {
    wanted.is_none_or(|wanted| wanted.contains(value))
}

/// When an event will be tried next; none while a pause keeps that open.
pub(super) fn next_attempt_at(event: &Event) -> Option<Timestamp> {
    event.due_at.filter(|_| event.status != EventStatus::Hold)
}

impl EventFilter {
    pub(super) fn read(query: &Query) -> Result<Self, ApiError> {
        refuse(query, &UNSUPPORTED)?;
        Ok(Self {
            ids: ids(query, "id"),
            statuses: query.choices("status")?,
            error_codes: query.choices("error_code")?,
            sources: ids(query, "source_id"),
            destinations: ids(query, "destination_id"),
            connections: ids(query, "webhook_id"),
            requests: ids(query, "event_data_id"),
            operations: ids(query, "bulk_retry_id"),
            attempts: query.numbers("attempts")?,
            response_status: query.numbers("response_status")?,
            created_at: query.times("created_at")?,
            successful_at: query.times("successful_at")?,
            last_attempt_at: query.times("last_attempt_at")?,
            next_attempt_at: query.times("next_attempt_at")?,
        })
    }

    /// The same with what only its partition knows.
    pub(super) fn keeps_in(
        &self,
        view: &impl Read,
        id: EventId,
        event: &Event,
    ) -> Result<bool, TableError> {
        if !self.keeps(id, event) {
            return Ok(false);
        }
        match &self.operations {
            None => Ok(true),
            Some(operations) => tables::is_of_operation(view, id, operations),
        }
    }

    fn keeps(&self, id: EventId, event: &Event) -> bool {
        is_among(self.ids.as_ref(), &id)
            && (self.statuses.is_empty() || self.statuses.contains(&event.status))
            && (self.error_codes.is_empty()
                || event
                    .error_code
                    .is_some_and(|code| self.error_codes.contains(&code)))
            && is_among(self.sources.as_ref(), &event.source_id)
            && is_among(self.destinations.as_ref(), &event.destination_id)
            && is_among(self.connections.as_ref(), &event.connection_id)
            && is_among(self.requests.as_ref(), &id.request())
            && self.attempts.holds(Some(u64::from(event.attempts)))
            && self
                .response_status
                .holds(event.response_status.map(u64::from))
            && self.created_at.holds_time(Some(event.created_at))
            && self.successful_at.holds_time(event.successful_at)
            && self.last_attempt_at.holds_time(event.last_attempt_at)
            && self.next_attempt_at.holds_time(next_attempt_at(event))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::traffic::Trigger;

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

    fn keeps(raw: &str) -> bool {
        let filter = EventFilter::read(&Query::parse(raw)).expect("a good query");
        filter.keeps(EventId(9), &event())
    }

    #[test]
    fn each_filter_keeps_and_drops() {
        let connection = format!("webhook_id={}", ConnectionId(1));
        let other = format!("webhook_id={}", ConnectionId(7));
        for (raw, kept) in [
            ("", true),
            ("unheard_of=1", true),
            ("status=FAILED", true),
            ("status=QUEUED&status=FAILED", true),
            ("status=successful", false),
            ("error_code=BAD_RESPONSE", true),
            ("error_code=TIMEOUT", false),
            ("attempts=2", true),
            ("attempts[gt]=2", false),
            ("response_status[gte]=500", true),
            ("response_status=500", false),
            ("created_at[lte]=1970-01-01T00:00:01Z", true),
            ("created_at[gt]=1970-01-01T00:00:01Z", false),
            ("successful_at[any]=true", false),
            ("id=evt_nonsense", false),
            (&connection, true),
            (&other, false),
        ] {
            assert_eq!(keeps(raw), kept, "{raw}");
        }
    }

    #[test]
    fn a_filter_that_does_not_exist_yet_is_refused_by_name() {
        let error = EventFilter::read(&Query::parse("body={}")).expect_err("no such filter");
        assert!(
            error
                .message()
                .starts_with("body: this filter is not available")
        );
    }
}
