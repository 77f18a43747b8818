//! Lets the held events of an unpaused connection go, a page at a time, those that were due first before the others.

use super::{Context, Effect, event_rows, mark_paused};
use crate::{
    ids::ConnectionId,
    state::{
        keys::{self, Held},
        kv::{Kv, Table},
        tables::{self, TableError},
    },
    traffic::{Event, EventStatus, Paused, Stage, Trigger},
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
    let was = tables::event(kv, held.event)?;
    let is_held = |event: &Event| {
        event.status == EventStatus::Hold
            && event.connection_id == held.connection
            && event.due_at == Some(held.due_at)
    };
    let Some(was) = was.filter(is_held) else {
        kv.delete(Table::Index, &held.key());
        return Ok(());
    };
    let due_at = held.due_at.max(context.now);
    let event = Event {
        status: event_rows::waiting_status(due_at, context.now),
        due_at: Some(due_at),
        // The pause was over before its time had come: it has lost nothing.
        next_trigger: match held.due_at > context.now {
            true => was.next_trigger,
            false => Trigger::Unpause,
        },
        updated_at: context.now,
        ..was.clone()
    };
    event_rows::put(kv, context, held.event, Some(&was), event, effects)?;
    Ok(())
}
