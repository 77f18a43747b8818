//! Ends an event without delivering it.

use super::{Context, EventReply};
use crate::{
    ids::EventId,
    state::{
        kv::Kv,
        tables::{self, TableError},
    },
    traffic::EventStatus,
};
use serde::{Deserialize, Serialize};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CancelEvent {
    pub event: EventId,
}

pub(super) fn apply(
    kv: &mut impl Kv,
    context: &Context<'_>,
    command: CancelEvent,
) -> Result<EventReply, TableError> {
    cancel(kv, context, command.event)
}

pub(super) fn cancel(
    kv: &mut impl Kv,
    context: &Context<'_>,
    id: EventId,
) -> Result<EventReply, TableError> {
    let Some(mut event) = tables::event(kv, id)? else {
        return Ok(EventReply::Gone);
    };
    match event.status {
        EventStatus::Cancelled => return Ok(EventReply::Done),
        EventStatus::Successful | EventStatus::Failed => {
            return Ok(EventReply::Refused(event.status));
        }
        EventStatus::Scheduled | EventStatus::Queued | EventStatus::Hold => {}
    }
    tables::dequeue(kv, id, &event);
    event.status = EventStatus::Cancelled;
    event.due_at = None;
    event.updated_at = context.now;
    tables::put_event(kv, id, &event)?;
    Ok(EventReply::Done)
}
