//! Makes an event due now, by hand. One that waits for its turn is due once it has it; one that ended goes at once.

use super::{Context, Effect, event_rows};
use crate::{
    ids::EventId,
    state::{
        keys,
        kv::Kv,
        tables::{self, TableError},
    },
    traffic::{Event, EventStatus, Trigger},
};
use serde::{Deserialize, Serialize};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RetryEvent {
    pub event: EventId,
    pub trigger: Trigger,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum EventReply {
    Done,
    Gone,
    /// The event is in a state in which this makes no sense.
    Refused(EventStatus),
}

pub(super) fn apply(
    kv: &mut impl Kv,
    context: &Context<'_>,
    command: RetryEvent,
    effects: &mut Vec<Effect>,
) -> Result<EventReply, TableError> {
    let Some(event) = tables::event(kv, command.event)? else {
        return Ok(EventReply::Gone);
    };
    if event.status.is_ended() {
        // Retention must not run past an event that lives again.
        keys::write_u64(kv, keys::META_REOPENED_AT, context.index);
    }
    let queued = Event {
        status: EventStatus::Queued,
        due_at: Some(context.now),
        next_trigger: command.trigger,
        updated_at: context.now,
        ..event.clone()
    };
    event_rows::put(kv, context, command.event, Some(&event), queued, effects)?;
    Ok(EventReply::Done)
}
