//! Makes an event due now. One that waits for its turn is due once it has it; one that ended goes at once. By hand it goes
//! whether its connection is paused or not.

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
    requeue(
        kv,
        context,
        (command.event, &event),
        command.trigger,
        effects,
    )?;
    Ok(EventReply::Done)
}

/// Makes an event wait anew.
pub(super) fn requeue(
    kv: &mut impl Kv,
    context: &Context<'_>,
    (id, event): (EventId, &Event),
    trigger: Trigger,
    effects: &mut Vec<Effect>,
) -> Result<(), TableError> {
    if event.status.is_ended() {
        // Retention must not run past an event that lives again.
        keys::write_u64(kv, keys::META_REOPENED_AT, context.index);
    }
    let queued = Event {
        status: EventStatus::Queued,
        due_at: Some(context.now),
        next_trigger: trigger,
        updated_at: context.now,
        ..event.clone()
    };
    event_rows::put(kv, context, id, Some(event), queued, effects)?;
    Ok(())
}
