//! Moves waiting events of paused connections to the held ones, a page at a time: from the due table, and from the queues
//! in which they wait for their turn.

use super::{Context, Effect, event_rows, mark_paused};
use crate::{
    ids::{ConnectionId, EventId},
    state::{
        kv::Kv,
        tables::{self, TableError},
    },
    traffic::{Event, Paused, Stage},
};
use serde::{Deserialize, Serialize};

/// The proposer has looked which events these are; what has moved since is left alone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HoldEvents {
    pub events: Vec<EventId>,
    /// Connections of which nothing waits any more, with the index of the pause that was looked at.
    pub swept: Vec<(ConnectionId, u64)>,
}

/// Answers how many events are held now that were not.
pub(super) fn apply(
    kv: &mut impl Kv,
    context: &Context<'_>,
    command: &HoldEvents,
    effects: &mut Vec<Effect>,
) -> Result<u32, TableError> {
    let mut held = 0;
    for &id in &command.events {
        let Some(event) = tables::event(kv, id)? else {
            continue;
        };
        if !event.status.waits() {
            continue;
        }
        let waits = Event {
            due_at: event.due_at.or(event.turn.map(|turn| turn.wanted_at)),
            ..event.clone()
        };
        if event_rows::is_held(kv, context, &waits)? {
            let anew = Event {
                updated_at: context.now,
                ..waits
            };
            event_rows::put(kv, context, id, Some(&event), anew, effects)?;
            held += 1;
        }
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
