//! Lets the held events of an unpaused connection go, a page at a time, those that were due first before the others.

use super::{Context, Effect, mark_paused};
use crate::{
    ids::ConnectionId,
    state::{
        keys::{self, Held},
        kv::{Kv, Table},
        tables::{self, TableError},
    },
    traffic::{EventStatus, Paused, Stage, Trigger},
};
use serde::{Deserialize, Serialize};

/// Rows that one command moves at most, whatever it asks for.
const ROWS_MAX: usize = 1_000;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReleaseEvents {
    pub connection: ConnectionId,
    pub limit: u16,
}

/// Answers whether more is held.
pub(super) fn apply(
    kv: &mut impl Kv,
    context: &Context<'_>,
    command: ReleaseEvents,
    effects: &mut Vec<Effect>,
) -> Result<bool, TableError> {
    let connection = command.connection;
    let Some(paused) = tables::paused(kv, connection)? else {
        return Ok(false);
    };
    let Stage::Releasing { behind } = paused.stage else {
        return Ok(false);
    };
    let (mut from, to) = Held::of(connection);
    if let Some((due_at, event)) = behind {
        let last = Held {
            connection,
            due_at,
            event,
        };
        from = [last.key().as_slice(), &[0]].concat();
    }
    let limit = usize::from(command.limit).clamp(1, ROWS_MAX);
    let rows = kv.scan(Table::Index, &from, &to, limit)?;
    for held in rows.iter().filter_map(|(key, _)| Held::from_key(key)) {
        release(kv, context, held, effects)?;
    }
    let last = rows.last().and_then(|(key, _)| Held::from_key(key));
    let Some(last) = last.filter(|_| rows.len() == limit) else {
        kv.delete(Table::Index, &keys::paused(connection));
        return Ok(false);
    };
    let behind = Some((last.due_at, last.event));
    let stage = Stage::Releasing { behind };
    mark_paused::put(kv, connection, &Paused { stage, ..paused });
    Ok(true)
}

fn release(
    kv: &mut impl Kv,
    context: &Context<'_>,
    held: Held,
    effects: &mut Vec<Effect>,
) -> Result<(), TableError> {
    kv.delete(Table::Index, &held.key());
    let Some(mut event) = tables::event(kv, held.event)? else {
        return Ok(());
    };
    debug_assert_eq!(event.status, EventStatus::Hold, "{event:?}");
    if held.due_at > context.now {
        // The pause was over before its time had come: it has lost nothing.
        event.status = EventStatus::Scheduled;
    } else {
        event.status = EventStatus::Queued;
        event.next_trigger = Trigger::Unpause;
    }
    let due_at = held.due_at.max(context.now);
    event.due_at = Some(due_at);
    event.updated_at = context.now;
    tables::enqueue(kv, held.event, &event);
    tables::put_event(kv, held.event, &event)?;
    super::wake(effects, event.destination_id, due_at);
    Ok(())
}
