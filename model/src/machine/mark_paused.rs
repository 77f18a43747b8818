//! Tells a partition which connections the catalog says are paused: from here on their events are held, or let go.

use super::Context;
use crate::{
    ids::ConnectionId,
    state::{
        codec, keys,
        kv::{Kv, Table},
        tables::{self, TableError},
    },
    traffic::{Paused, Stage},
};
use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MarkPaused {
    /// The catalog's version that this was decided from. An earlier one than the last changes nothing.
    pub version: u64,
    pub pause: Vec<ConnectionId>,
    pub unpause: Vec<ConnectionId>,
}

/// Answers whether the version was new enough.
pub(super) fn apply(
    kv: &mut impl Kv,
    context: &Context<'_>,
    command: &MarkPaused,
) -> Result<bool, TableError> {
    if command.version < keys::read_u64(kv, keys::META_PAUSED_VERSION)? {
        return Ok(false);
    }
    keys::write_u64(kv, keys::META_PAUSED_VERSION, command.version);
    let mut holding = keys::read_u64(kv, keys::META_PAUSED)?;
    for &connection in &command.pause {
        if tables::paused(kv, connection)?.is_some_and(|paused| paused.holds()) {
            continue;
        }
        holding += 1;
        mark(kv, context, connection, Stage::Holding);
    }
    for &connection in &command.unpause {
        if tables::paused(kv, connection)?.is_none_or(|paused| !paused.holds()) {
            continue;
        }
        holding = holding.saturating_sub(1);
        mark(kv, context, connection, Stage::Releasing { behind: None });
    }
    keys::write_u64(kv, keys::META_PAUSED, holding);
    Ok(true)
}

fn mark(kv: &mut impl Kv, context: &Context<'_>, connection: ConnectionId, stage: Stage) {
    let paused = Paused {
        index: context.index,
        stage,
    };
    put(kv, connection, &paused);
}

pub(super) fn put(kv: &mut impl Kv, connection: ConnectionId, paused: &Paused) {
    kv.put(
        Table::Index,
        &keys::paused(connection),
        &codec::encode(paused),
    );
}
