//! The index of a source's outgoing side: its connections, the router over them, and the keys that its requests are
//! compared by.

use super::{Connection, Source, Things};
use crate::{
    ids::ConnectionId,
    policy::{placement::Needs, route::Router},
};
use std::sync::Arc;

/// The connections of a source and what follows from them. A clone shares what is equal.
#[derive(Clone, Debug, Default)]
pub(super) struct Outgoing {
    source: Option<Arc<Source>>,
    pub(super) connections: Things<ConnectionId, Connection>,
    /// Those of them that have a rule on duplicates.
    deduplicating: Things<ConnectionId, Connection>,
    router: Router,
    needs: Arc<Needs>,
}

impl Outgoing {
    /// Builds the index at once, which finds each connection its best place in the router.
    pub(super) fn of(source: Option<Arc<Source>>, connections: &[Arc<Connection>]) -> Self {
        let mut outgoing = Self {
            source,
            router: Router::new(connections.iter().cloned()),
            ..Self::default()
        };
        for connection in connections {
            outgoing.note(connection);
        }
        outgoing.work_out_needs();
        outgoing
    }

    fn note(&mut self, connection: &Arc<Connection>) {
        self.connections.insert(connection.id, connection.clone());
        match connection.deduplicate() {
            Some(_) => self.deduplicating.insert(connection.id, connection.clone()),
            None => self.deduplicating.remove(&connection.id),
        }
    }

    pub(super) fn set_source(&mut self, source: Option<Arc<Source>>) {
        self.source = source;
        self.work_out_needs();
    }

    pub(super) fn put(&mut self, connection: &Arc<Connection>) {
        let asks = self.deduplicating.contains_key(&connection.id);
        self.note(connection);
        self.router.put(connection.clone());
        if asks || connection.deduplicate().is_some() {
            self.work_out_needs();
        }
    }

    pub(super) fn remove(&mut self, id: ConnectionId) {
        let asks = self.deduplicating.contains_key(&id);
        self.connections.remove(&id);
        self.deduplicating.remove(&id);
        self.router.remove(id);
        if asks {
            self.work_out_needs();
        }
    }

    fn work_out_needs(&mut self) {
        let mut needs = Needs::default();
        if let Some(source) = &self.source {
            needs.add_source(source);
        }
        for connection in self.deduplicating.values() {
            needs.add_connection(connection);
        }
        self.needs = Arc::new(needs);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.source.is_none() && self.connections.is_empty()
    }

    /// The router over the source's connections; none without connections.
    pub(super) fn router(&self) -> Option<&Router> {
        (!self.connections.is_empty()).then_some(&self.router)
    }

    pub(super) fn needs(&self) -> &Needs {
        &self.needs
    }
}
