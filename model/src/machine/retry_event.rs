//! Makes an event due now, by hand. Who asks for one event wants it delivered, whether its connection is paused or not.

use super::{Context, Effect};
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
    let status = EventStatus::Queued;
    requeue(
        kv,
        context,
        (command.event, event),
        (status, command.trigger),
        effects,
    )?;
    Ok(EventReply::Done)
}

/// Makes an event wait anew: queued and due now, or on hold.
pub(super) fn requeue(
    kv: &mut impl Kv,
    context: &Context<'_>,
    (id, mut event): (EventId, Event),
    (status, trigger): (EventStatus, Trigger),
    effects: &mut Vec<Effect>,
) -> Result<(), TableError> {
    if event.status.is_ended() {
        // Retention must not run past an event that lives again.
        keys::write_u64(kv, keys::META_REOPENED_AT, context.index);
    }
    tables::dequeue(kv, id, &event);
    event.status = status;
    event.due_at = Some(context.now);
    event.next_trigger = trigger;
    event.updated_at = context.now;
    tables::enqueue(kv, id, &event);
    tables::put_event(kv, id, &event)?;
    if status != EventStatus::Hold {
        super::wake(effects, event.destination_id, context.now);
    }
    Ok(())
}
