//! Makes an event due now, by hand.

use super::{Context, Effect};
use crate::{
    ids::EventId,
    state::{
        keys,
        kv::{Kv, Table},
        tables::{self, TableError},
    },
    traffic::{EventStatus, Trigger},
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
    let Some(mut event) = tables::event(kv, command.event)? else {
        return Ok(EventReply::Gone);
    };
    if event.status.is_ended() {
        // Retention must not run past an event that lives again.
        keys::write_u64(kv, keys::META_REOPENED_AT, context.index);
    }
    if let Some(due) = tables::due_row(command.event, &event) {
        kv.delete(Table::Due, &due.key());
    }
    event.status = EventStatus::Queued;
    event.due_at = Some(context.now);
    event.next_trigger = command.trigger;
    event.updated_at = context.now;
    if let Some(due) = tables::due_row(command.event, &event) {
        kv.put(Table::Due, &due.key(), &[]);
    }
    tables::put_event(kv, command.event, &event);
    super::wake(effects, event.destination_id, context.now);
    Ok(EventReply::Done)
}
