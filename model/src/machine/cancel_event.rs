//! Ends an event without delivering it.

use super::{Context, Effect, EventReply, event_rows};
use crate::{
    ids::EventId,
    state::{
        kv::Kv,
        tables::{self, TableError},
    },
    traffic::{Event, EventStatus},
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
    effects: &mut Vec<Effect>,
) -> Result<EventReply, TableError> {
    cancel(kv, context, command.event, effects)
}

pub(super) fn cancel(
    kv: &mut impl Kv,
    context: &Context<'_>,
    id: EventId,
    effects: &mut Vec<Effect>,
) -> Result<EventReply, TableError> {
    let Some(event) = tables::event(kv, id)? else {
        return Ok(EventReply::Gone);
    };
    match event.status {
        EventStatus::Cancelled => return Ok(EventReply::Done),
        EventStatus::Successful | EventStatus::Failed => {
            return Ok(EventReply::Refused(event.status));
        }
        EventStatus::Scheduled | EventStatus::Queued | EventStatus::Hold => {}
    }
    let cancelled = Event {
        status: EventStatus::Cancelled,
        due_at: None,
        updated_at: context.now,
        ..event.clone()
    };
    event_rows::put(kv, context, id, Some(&event), cancelled, effects)?;
    Ok(EventReply::Done)
}
