//! Moves waiting events of paused connections from the due table to the held ones, a page at a time.

use super::{
    Context,
    mark_paused::{self, Pauses},
};
use crate::{
    ids::{ConnectionId, EventId},
    state::{
        kv::Kv,
        tables::{self, TableError},
    },
    traffic::{EventStatus, Paused, Stage, Trigger},
};
use serde::{Deserialize, Serialize};

/// The proposer has looked which events these are; what has moved since is left alone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HoldEvents {
    pub events: Vec<EventId>,
    /// Connections of which nothing stands in the due table any more, with the index of the pause that was looked at.
    pub swept: Vec<(ConnectionId, u64)>,
}

/// Answers how many events are held now that were not.
pub(super) fn apply(
    kv: &mut impl Kv,
    context: &Context<'_>,
    command: &HoldEvents,
) -> Result<u32, TableError> {
    let mut pauses = Pauses::read(kv)?;
    let mut held = 0;
    for &id in &command.events {
        let Some(mut event) = tables::event(kv, id)? else {
            continue;
        };
        let waits = matches!(event.status, EventStatus::Queued | EventStatus::Scheduled);
        // Who retries an event by hand wants it delivered, paused or not.
        if !waits
            || event.next_trigger == Trigger::Manual
            || !pauses.hold(kv, event.connection_id)?
        {
            continue;
        }
        tables::dequeue(kv, id, &event);
        event.status = EventStatus::Hold;
        event.updated_at = context.now;
        tables::enqueue(kv, id, &event);
        tables::put_event(kv, id, &event)?;
        held += 1;
    }
    for &(connection, index) in &command.swept {
        let paused = tables::paused(kv, connection)?;
        if paused
            == Some(Paused {
                index,
                stage: Stage::Holding,
            })
        {
            let stage = Stage::Held;
            mark_paused::put(kv, connection, &Paused { index, stage });
        }
    }
    Ok(held)
}
