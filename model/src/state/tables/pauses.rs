//! Rows of pauses.

use super::{TableError, decoded, read};
use crate::{
    ids::ConnectionId,
    state::{
        keys,
        kv::{Read, Table},
    },
    traffic::Paused,
};

/// The pause of a connection here; none when it is not paused and nothing of it is held.
///
/// # Errors
/// When the store can't be read or the row is damaged.
pub fn paused(kv: &impl Read, connection: ConnectionId) -> Result<Option<Paused>, TableError> {
    read(kv, Table::Index, &keys::paused(connection))
}

/// Every connection that is paused here or still releases.
///
/// # Errors
/// When the store can't be read or a row is damaged.
pub fn pauses(kv: &impl Read) -> Result<Vec<(ConnectionId, Paused)>, TableError> {
    let (from, to) = keys::PAUSED_ALL;
    let rows = kv.scan(Table::Index, &from, &to, usize::MAX)?;
    decoded(kv, Table::Index, &rows, keys::paused_connection)
}
