//! Makes an event of an ignored one again, by hand: under its id, due now.

use super::{Context, Effect, EventReply, event_rows};
use crate::{
    ids::{DestinationId, EventId, SourceId},
    state::{
        keys,
        kv::{Kv, Table},
        tables::{self, TableError},
    },
    traffic::{Event, EventStatus, Trigger},
};
use serde::{Deserialize, Serialize};

/// The proposer has looked: the connection takes the request now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RetryIgnored {
    pub event: EventId,
    pub source: SourceId,
    /// Where its connection leads today.
    pub destination: DestinationId,
    pub trigger: Trigger,
}

pub(super) fn apply(
    kv: &mut impl Kv,
    context: &Context<'_>,
    command: RetryIgnored,
    effects: &mut Vec<Effect>,
) -> Result<EventReply, TableError> {
    let id = command.event;
    let Some(ignored) = tables::ignored(kv, id)? else {
        // An earlier try of the same proposal may have done it.
        return Ok(match tables::event(kv, id)? {
            Some(_) => EventReply::Done,
            None => EventReply::Gone,
        });
    };
    let Some(mut request) = tables::request(kv, id.request())? else {
        return Ok(EventReply::Gone);
    };
    request.events = request.events.saturating_add(1);
    request.ignored = request.ignored.saturating_sub(1);
    tables::put_request(kv, id.request(), &request);
    kv.delete(Table::Index, &keys::ignored(id));
    // It may have been attempted before it was ignored: it goes on counting.
    let last = tables::last_attempt(kv, id)?;
    let attempt = last.as_ref().map(|(_, attempt)| attempt);
    let event = Event {
        connection_id: ignored.connection_id,
        source_id: command.source,
        destination_id: command.destination,
        status: EventStatus::Queued,
        attempts: last.as_ref().map_or(0, |(id, _)| id.number),
        created_at: context.now,
        updated_at: context.now,
        due_at: Some(context.now),
        next_trigger: command.trigger,
        last_attempt_at: attempt.map(|attempt| attempt.finished_at),
        successful_at: attempt
            .filter(|attempt| attempt.outcome.is_success())
            .map(|attempt| attempt.finished_at),
        response_status: attempt.and_then(|attempt| attempt.outcome.response_status),
        error_code: attempt.and_then(|attempt| attempt.outcome.error_code),
        // It left its queue when it was ignored; those behind it have gone on.
        turn: None,
    };
    event_rows::put(kv, context, id, None, event, effects)?;
    // Retention must not run past an event that lives again.
    keys::write_u64(kv, keys::META_REOPENED_AT, context.index);
    Ok(EventReply::Done)
}
