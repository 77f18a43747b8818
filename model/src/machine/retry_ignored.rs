//! Makes an event of an ignored one again, by hand: under its id, due now.

use super::{Context, Effect, EventReply, Planned, event_rows};
use crate::{
    ids::{DestinationId, EventId, SourceId},
    state::{
        keys,
        kv::{Kv, Read, Table},
        tables::{self, TableError},
    },
    traffic::{Event, StoredRequest, Trigger},
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
    let planned = Planned {
        connection: ignored.connection_id,
        destination: command.destination,
        due_at: context.now,
    };
    let of = (command.source, &request);
    let event = event(kv, context, of, (id, planned, command.trigger))?;
    event_rows::put(kv, context, id, None, event, effects)?;
    // Retention must not run past an event that lives again.
    keys::write_u64(kv, keys::META_REOPENED_AT, context.index);
    Ok(EventReply::Done)
}

/// The event that is made of an ignored one, or of a connection that knew nothing of its request. It may have been
/// attempted before it was ignored: it goes on counting.
pub(super) fn event(
    kv: &impl Read,
    context: &Context<'_>,
    (source_id, request): (SourceId, &StoredRequest),
    (id, planned, next_trigger): (EventId, Planned, Trigger),
) -> Result<Event, TableError> {
    let last = tables::last_attempt(kv, id)?;
    let attempt = last.as_ref().map(|(_, attempt)| attempt);
    Ok(Event {
        connection_id: planned.connection,
        source_id,
        destination_id: planned.destination,
        status: event_rows::waiting_status(planned.due_at, context.now),
        attempts: last.as_ref().map_or(0, |(id, _)| id.number),
        // Lists are in the order of ids, and an id is as old as its request.
        created_at: request.ingested_at,
        updated_at: context.now,
        due_at: Some(planned.due_at),
        next_trigger,
        last_attempt_at: attempt.map(|attempt| attempt.finished_at),
        successful_at: attempt
            .filter(|attempt| attempt.outcome.is_success())
            .map(|attempt| attempt.finished_at),
        response_status: attempt.and_then(|attempt| attempt.outcome.response_status()),
        error_code: attempt.and_then(|attempt| attempt.outcome.error_code),
        // It left its queue when it was ignored; those behind it have gone on.
        turn: None,
    })
}
