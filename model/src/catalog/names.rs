//! Who has a name.

use super::{Connection, Things};
use crate::ids::{ConnectionId, DestinationId, SourceId};
use rpds::{HashTrieMapSync, RedBlackTreeMapSync};
use std::sync::Arc;

/// Ids by the names that they have.
#[derive(Clone, Debug)]
pub(super) struct Names<K>(HashTrieMapSync<String, K>);

impl<K> Default for Names<K> {
    fn default() -> Self {
        Self(HashTrieMapSync::new_sync())
    }
}

impl<K: Copy + PartialEq> Names<K> {
    pub(super) fn get(&self, name: &str) -> Option<&K> {
        self.0.get(name)
    }

    /// Gives a name to who had another, or none.
    pub(super) fn give(&mut self, name: &str, id: K, earlier: Option<&str>) {
        if self.0.get(name) == Some(&id) {
            return;
        }
        if let Some(earlier) = earlier {
            self.free(earlier, id);
        }
        self.0.insert_mut(name.to_owned(), id);
    }

    /// Takes a name from who has it. It may be another's already.
    pub(super) fn free(&mut self, name: &str, id: K) {
        if self.0.get(name) == Some(&id) {
            self.0.remove_mut(name);
        }
    }
}

/// Connections by their names, which are their own among those of a source only. One without a name is known by what it
/// leads from and to.
#[derive(Clone, Debug)]
pub(super) struct ConnectionNames {
    named: HashTrieMapSync<String, Things<ConnectionId, Connection>>,
    unnamed: RedBlackTreeMapSync<(SourceId, DestinationId), Things<ConnectionId, Connection>>,
}

impl Default for ConnectionNames {
    fn default() -> Self {
        Self {
            named: HashTrieMapSync::new_sync(),
            unnamed: RedBlackTreeMapSync::new_sync(),
        }
    }
}

fn ends(connection: &Connection) -> (SourceId, DestinationId) {
    (connection.source_id, connection.destination_id)
}

impl ConnectionNames {
    pub(super) fn named(&self, name: &str) -> impl Iterator<Item = &Arc<Connection>> {
        self.named.get(name).into_iter().flat_map(Things::values)
    }

    pub(super) fn unnamed(
        &self,
        source: SourceId,
        destination: DestinationId,
    ) -> impl Iterator<Item = &Arc<Connection>> {
        let between = self.unnamed.get(&(source, destination));
        between.into_iter().flat_map(Things::values)
    }

    pub(super) fn put(&mut self, connection: &Arc<Connection>, earlier: Option<&Connection>) {
        if let Some(earlier) = earlier {
            self.remove(earlier);
        }
        let mut same = self.same(connection);
        same.insert(connection.id, connection.clone());
        self.set(connection, same);
    }

    pub(super) fn remove(&mut self, connection: &Connection) {
        let mut same = self.same(connection);
        same.remove(&connection.id);
        self.set(connection, same);
    }

    fn same(&self, connection: &Connection) -> Things<ConnectionId, Connection> {
        let same = match &connection.name {
            Some(name) => self.named.get(name),
            None => self.unnamed.get(&ends(connection)),
        };
        same.cloned().unwrap_or_default()
    }

    fn set(&mut self, connection: &Connection, same: Things<ConnectionId, Connection>) {
        match (&connection.name, same.is_empty()) {
            (Some(name), false) => self.named.insert_mut(name.clone(), same),
            (Some(name), true) => {
                self.named.remove_mut(name);
            }
            (None, false) => self.unnamed.insert_mut(ends(connection), same),
            (None, true) => {
                self.unnamed.remove_mut(&ends(connection));
            }
        }
    }
}
