//! The whole catalog in memory: look-ups by id and name, and the connections of a source.

use super::{Connection, Destination, IssueTrigger, Item, Kind, Notifications, Source};
use crate::{
    ids::{ConnectionId, DestinationId, IssueTriggerId, SourceId},
    state::{codec, keys, kv},
};
use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

/// Every configured thing at one version of the control group's state.
#[derive(Clone, Debug, Default)]
pub struct Catalog {
    /// Counts changes; 0 before the first one.
    pub version: u64,
    pub sources: BTreeMap<SourceId, Arc<Source>>,
    pub destinations: BTreeMap<DestinationId, Arc<Destination>>,
    pub connections: BTreeMap<ConnectionId, Arc<Connection>>,
    pub issue_triggers: BTreeMap<IssueTriggerId, Arc<IssueTrigger>>,
    /// None: it was never said.
    pub notifications: Option<Notifications>,
    by_source: HashMap<SourceId, Vec<Arc<Connection>>>,
    source_names: HashMap<String, SourceId>,
}

#[derive(Debug, thiserror::Error)]
pub enum CatalogError {
    #[error("loading the catalog")]
    Store(#[from] kv::KvError),
    #[error("loading the catalog")]
    Codec(#[from] codec::CodecError),
}

impl Catalog {
    /// Rows read from the store at a time.
    const PAGE: usize = 1000;

    /// Reads the whole catalog.
    ///
    /// # Errors
    /// When the store can't be read or a row is damaged.
    pub fn load(kv: &impl kv::Read) -> Result<Self, CatalogError> {
        let mut catalog = Self {
            version: keys::read_u64(kv, keys::META_CATALOG_VERSION)?,
            ..Self::default()
        };
        let mut from = vec![Kind::Source as u8];
        let to = [u8::MAX];
        loop {
            let page = kv.scan(kv::Table::Catalog, &from, &to, Self::PAGE)?;
            let Some((last, _)) = page.last() else { break };
            from = [last, [0].as_slice()].concat();
            for (_, value) in &page {
                catalog.insert(codec::decode_json::<Item>(value)?);
            }
        }
        Ok(catalog)
    }

    /// Reads only its version: a cheap way to see whether it changed.
    ///
    /// # Errors
    /// When the store can't be read.
    pub fn stored_version(kv: &impl kv::Read) -> Result<u64, kv::KvError> {
        keys::read_u64(kv, keys::META_CATALOG_VERSION)
    }

    /// Adds one thing. Sources and destinations come before the connections that name them.
    pub fn insert(&mut self, item: Item) {
        match item {
            Item::Source(source) => {
                self.source_names.insert(source.name.clone(), source.id);
                self.sources.insert(source.id, Arc::new(source));
            }
            Item::Destination(destination) => {
                self.destinations
                    .insert(destination.id, Arc::new(destination));
            }
            Item::Connection(connection) => {
                let connection = Arc::new(connection);
                self.by_source
                    .entry(connection.source_id)
                    .or_default()
                    .push(connection.clone());
                self.connections.insert(connection.id, connection);
            }
            Item::IssueTrigger(trigger) => {
                self.issue_triggers.insert(trigger.id, Arc::new(trigger));
            }
            Item::Notifications(notifications) => self.notifications = Some(notifications),
        }
    }

    #[must_use]
    pub fn source_named(&self, name: &str) -> Option<&Arc<Source>> {
        self.sources.get(self.source_names.get(name)?)
    }

    /// The connections of a source, by id.
    #[must_use]
    pub fn connections_of(&self, source: SourceId) -> &[Arc<Connection>] {
        self.by_source.get(&source).map_or(&[], Vec::as_slice)
    }
}
