//! An event as the API shows it.

use super::{
    Viewer,
    data::DataView,
    words::{Id, Time, Word},
};
use model::{
    ids::{AttemptId, ConnectionId, DestinationId, EventId, IssueId, RequestId, SourceId},
    query::next_attempt_at,
    traffic::{ErrorCode, Event, EventStatus},
};
use schemars::JsonSchema;
use serde::Serialize;

/// A request routed over one connection, and what became of it.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[schemars(rename = "Event")]
pub struct EventView {
    pub id: Id<EventId>,
    pub team_id: String,
    pub webhook_id: Id<ConnectionId>,
    pub source_id: Id<SourceId>,
    pub destination_id: Id<DestinationId>,
    /// What was taken in, and what bookmarks copy: it goes through the rules again. `data` is what became of it.
    pub event_data_id: Id<RequestId>,
    pub request_id: Id<RequestId>,
    pub attempts: u16,
    pub last_attempt_at: Option<Time>,
    pub next_attempt_at: Option<Time>,
    pub response_status: Option<u16>,
    pub error_code: Option<Word<ErrorCode>>,
    pub status: Word<EventStatus>,
    pub successful_at: Option<Time>,
    pub cli_id: (),
    pub updated_at: Time,
    pub created_at: Time,
    /// The event whose turn it is in the queue that this one waits in. Of an event alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub waits_for: Option<Option<Id<EventId>>>,
    /// The issue of the failure with which its last attempt ended. Left out where an event is part of another answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub issue_id: Option<Option<Id<IssueId>>>,
    /// What its last attempt sent or the next one would send; of an event alone, or with `include=data`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub data: Option<Option<DataView>>,
    /// Why `data` is null.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub data_unknown_because: Option<Option<String>>,
    /// The attempt that `data` is of; null: it is what the next one would send.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub data_attempt_id: Option<Option<Id<AttemptId>>>,
}

impl EventView {
    pub fn of(viewer: &Viewer, id: EventId, event: &Event) -> Self {
        Self {
            id: id.into(),
            team_id: viewer.team.clone(),
            webhook_id: event.connection_id.into(),
            source_id: event.source_id.into(),
            destination_id: event.destination_id.into(),
            event_data_id: id.request().into(),
            request_id: id.request().into(),
            attempts: event.attempts,
            last_attempt_at: Time::some(event.last_attempt_at),
            next_attempt_at: Time::some(next_attempt_at(event)),
            response_status: event.response_status,
            error_code: event.error_code.map(Word),
            status: event.status.into(),
            successful_at: Time::some(event.successful_at),
            cli_id: (),
            updated_at: Time(event.updated_at),
            created_at: Time(event.created_at),
            waits_for: None,
            issue_id: None,
            data: None,
            data_unknown_because: None,
            data_attempt_id: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::view::tests::{json, viewer};
    use model::{ids::GroupId, time::Timestamp, traffic::Trigger};
    use serde_json::Value;

    #[test]
    fn an_event_has_the_fields_and_names_of_the_api() {
        let id = RequestId::mint(Timestamp(5), GroupId(2), 7).event(1);
        let event = Event {
            connection_id: ConnectionId(1),
            source_id: SourceId(2),
            destination_id: DestinationId(3),
            status: EventStatus::Scheduled,
            attempts: 1,
            created_at: Timestamp(5),
            updated_at: Timestamp(6),
            due_at: Some(Timestamp(1000)),
            next_trigger: Trigger::Automatic,
            last_attempt_at: Some(Timestamp(6)),
            successful_at: None,
            response_status: Some(500),
            error_code: Some(ErrorCode::BadResponse),
            turn: None,
        };
        let view = json(EventView::of(&viewer(false), id, &event));
        assert_eq!(view["id"], id.to_string());
        assert_eq!(view["request_id"], id.request().to_string());
        assert_eq!(view["webhook_id"], ConnectionId(1).to_string());
        assert_eq!(view["status"], "SCHEDULED");
        assert_eq!(view["error_code"], "BAD_RESPONSE");
        assert_eq!(view["attempts"], 1);
        assert_eq!(view["next_attempt_at"], "1970-01-01T00:00:01.000Z");
        assert_eq!(view["successful_at"], Value::Null);
    }
}
