//! The whole catalog in memory: look-ups by id and name, and the connections of a source.

use super::{
    Connection, Destination, DestinationObserved, IssueTrigger, Item, Kind, Notifications,
    Overruling, Source, SourceObserved, Transformation,
};
use crate::{
    ids::{ConnectionId, DestinationId, IssueTriggerId, SourceId, TransformationId},
    policy::{placement::Needs, route::Router},
    state::{
        codec, keys, kv,
        tables::{self, TableError},
    },
};
use serde::{Deserialize, Serialize};
use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, OnceLock},
};

/// Every configured thing at one version of the control group's state.
#[derive(Clone, Debug, Default)]
pub struct Catalog {
    /// Counts changes; 0 before the first one.
    pub version: u64,
    /// The log index at which something was last observed of what is configured; 0 before that.
    pub observed: u64,
    /// As they are in force: configured, with what was observed of them.
    pub sources: BTreeMap<SourceId, Arc<Source>>,
    pub destinations: BTreeMap<DestinationId, Arc<Destination>>,
    pub connections: BTreeMap<ConnectionId, Arc<Connection>>,
    pub transformations: BTreeMap<TransformationId, Arc<Transformation>>,
    pub issue_triggers: BTreeMap<IssueTriggerId, Arc<IssueTrigger>>,
    /// None: it was never said.
    pub notifications: Option<Notifications>,
    by_source: HashMap<SourceId, Outgoing>,
    source_names: HashMap<String, SourceId>,
    needs: HashMap<SourceId, Needs>,
    transformation_names: HashMap<String, TransformationId>,
    sources_observed: BTreeMap<SourceId, Beneath<Source, SourceObserved>>,
    destinations_observed: BTreeMap<DestinationId, Beneath<Destination, DestinationObserved>>,
}

/// How far a catalog has come: what was configured, and what was observed of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Position {
    /// [`Catalog::version`].
    pub version: u64,
    /// [`Catalog::observed`].
    pub observed: u64,
}

impl Position {
    /// Whether what stands there knows all that stands at the other place.
    #[must_use]
    pub fn reaches(self, other: Self) -> bool {
        self.version >= other.version && self.observed >= other.observed
    }
}

/// What a thing in force is made of, where that is not the configured one alone.
#[derive(Clone, Debug)]
struct Beneath<T, O> {
    configured: Arc<T>,
    observed: O,
}

/// The connections of a source, and their router once the first request came.
#[derive(Clone, Debug, Default)]
struct Outgoing {
    connections: Vec<Arc<Connection>>,
    router: OnceLock<Arc<Router>>,
    /// That of another version of the catalog; what did not change is taken over from it.
    earlier: Option<Arc<Router>>,
}

#[derive(Debug, thiserror::Error)]
pub enum CatalogError {
    #[error("loading the catalog")]
    Store(#[from] kv::KvError),
    #[error("loading the catalog")]
    Codec(#[from] codec::CodecError),
    #[error("loading the catalog")]
    Row(#[from] TableError),
}

impl Catalog {
    /// Rows read from the store at a time.
    const PAGE: usize = 1000;

    /// Reads the whole catalog but the versions of transformations, which may be large and are many.
    ///
    /// # Errors
    /// When the store can't be read or a row is damaged.
    pub fn load(kv: &impl kv::Read) -> Result<Self, CatalogError> {
        let mut catalog = Self {
            version: keys::read_u64(kv, keys::META_CATALOG_VERSION)?,
            observed: keys::read_u64(kv, keys::META_OBSERVED)?,
            ..Self::default()
        };
        let versions = Kind::TransformationVersion as u8;
        catalog.load_kinds(kv, [Kind::Source as u8], [versions])?;
        catalog.load_kinds(kv, [versions + 1], [u8::MAX])?;
        for (id, observed) in tables::sources_observed(kv)? {
            catalog.observe_source(id, Some(observed));
        }
        for (id, observed) in tables::destinations_observed(kv)? {
            catalog.observe_destination(id, Some(observed));
        }
        Ok(catalog)
    }

    fn load_kinds(
        &mut self,
        kv: &impl kv::Read,
        from: [u8; 1],
        to: [u8; 1],
    ) -> Result<(), CatalogError> {
        let mut from = from.to_vec();
        loop {
            let page = kv.scan(kv::Table::Catalog, &from, &to, Self::PAGE)?;
            let Some((last, _)) = page.last() else {
                return Ok(());
            };
            from = [last, [0].as_slice()].concat();
            for (_, value) in &page {
                self.insert(codec::decode_json_row::<Item>(
                    kv,
                    kv::Table::Catalog,
                    value,
                )?);
            }
        }
    }

    /// Takes over what an earlier version of the catalog had worked out and still holds.
    pub fn learn_from(&mut self, earlier: &Self) {
        for (source, outgoing) in &mut self.by_source {
            let Some(earlier) = earlier.by_source.get(source) else {
                continue;
            };
            let Some(router) = earlier.router.get().or(earlier.earlier.as_ref()) else {
                continue;
            };
            if router.is_of(&outgoing.connections) {
                outgoing.router = OnceLock::from(router.clone());
            } else {
                outgoing.earlier = Some(router.clone());
            }
        }
    }

    /// How far it has come.
    #[must_use]
    pub fn position(&self) -> Position {
        Position {
            version: self.version,
            observed: self.observed,
        }
    }

    /// Reads only how far it has come: a cheap way to see whether it changed.
    ///
    /// # Errors
    /// When the store can't be read.
    pub fn stored_position(kv: &impl kv::Read) -> Result<Position, kv::KvError> {
        Ok(Position {
            version: keys::read_u64(kv, keys::META_CATALOG_VERSION)?,
            observed: keys::read_u64(kv, keys::META_OBSERVED)?,
        })
    }

    /// Reads only its version.
    ///
    /// # Errors
    /// When the store can't be read.
    pub fn stored_version(kv: &impl kv::Read) -> Result<u64, kv::KvError> {
        keys::read_u64(kv, keys::META_CATALOG_VERSION)
    }

    /// Takes in what is observed of a source now, where anything is.
    pub fn observe_source(&mut self, id: SourceId, observed: Option<SourceObserved>) {
        let Some(configured) = self.configured_source(id).cloned() else {
            return;
        };
        let in_force = match observed {
            None => {
                self.sources_observed.remove(&id);
                configured
            }
            Some(observed) => {
                let in_force = Arc::new(observed.over(&configured));
                let beneath = Beneath {
                    configured,
                    observed,
                };
                self.sources_observed.insert(id, beneath);
                in_force
            }
        };
        self.sources.insert(id, in_force);
    }

    /// Takes in what is observed of a destination now, where anything is.
    pub fn observe_destination(
        &mut self,
        id: DestinationId,
        observed: Option<DestinationObserved>,
    ) {
        let Some(configured) = self.configured_destination(id).cloned() else {
            return;
        };
        let in_force = match observed {
            None => {
                self.destinations_observed.remove(&id);
                configured
            }
            Some(observed) => {
                let in_force = Arc::new(observed.over(&configured));
                let beneath = Beneath {
                    configured,
                    observed,
                };
                self.destinations_observed.insert(id, beneath);
                in_force
            }
        };
        self.destinations.insert(id, in_force);
    }

    fn configured_source(&self, id: SourceId) -> Option<&Arc<Source>> {
        let beneath = self.sources_observed.get(&id);
        beneath
            .map(|beneath| &beneath.configured)
            .or_else(|| self.sources.get(&id))
    }

    fn configured_destination(&self, id: DestinationId) -> Option<&Arc<Destination>> {
        let beneath = self.destinations_observed.get(&id);
        beneath
            .map(|beneath| &beneath.configured)
            .or_else(|| self.destinations.get(&id))
    }

    /// What is to be written of a thing that was made from the one in force: what was observed of that and left as it was
    /// does not become configuration.
    #[must_use]
    pub fn written(&self, made: Item) -> (Item, Vec<Overruling>) {
        match made {
            Item::Source(made) => match self.sources_observed.get(&made.id) {
                None => (Item::Source(made), Vec::new()),
                Some(Beneath {
                    configured,
                    observed,
                }) => {
                    let (written, overruling) = observed.split(configured, made);
                    (Item::Source(written), overruling.into_iter().collect())
                }
            },
            Item::Destination(made) => match self.destinations_observed.get(&made.id) {
                None => (Item::Destination(made), Vec::new()),
                Some(Beneath {
                    configured,
                    observed,
                }) => {
                    let (written, overruled) = observed.split(configured, made);
                    (Item::Destination(written), overruled)
                }
            },
            other => (other, Vec::new()),
        }
    }

    /// Adds one thing. Sources and destinations come before the connections that name them.
    pub fn insert(&mut self, item: Item) {
        match item {
            Item::Source(source) => {
                self.source_names.insert(source.name.clone(), source.id);
                self.needs.entry(source.id).or_default().add_source(&source);
                self.sources.insert(source.id, Arc::new(source));
            }
            Item::Destination(destination) => {
                self.destinations
                    .insert(destination.id, Arc::new(destination));
            }
            Item::Connection(connection) => {
                let connection = Arc::new(connection);
                let needs = self.needs.entry(connection.source_id).or_default();
                needs.add_connection(&connection);
                let outgoing = self.by_source.entry(connection.source_id).or_default();
                outgoing.connections.push(connection.clone());
                outgoing.earlier = outgoing.router.take().or(outgoing.earlier.take());
                self.connections.insert(connection.id, connection);
            }
            Item::Transformation(transformation) => {
                self.transformation_names
                    .insert(transformation.name.clone(), transformation.id);
                self.transformations
                    .insert(transformation.id, Arc::new(transformation));
            }
            // Read one by one where they are needed.
            Item::TransformationVersion(_) => {}
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

    /// What a source and its connections compare its requests by; none for one that is not known.
    #[must_use]
    pub fn needs_of(&self, source: SourceId) -> Option<&Needs> {
        self.needs.get(&source)
    }

    #[must_use]
    pub fn transformation_named(&self, name: &str) -> Option<&Arc<Transformation>> {
        self.transformations
            .get(self.transformation_names.get(name)?)
    }

    /// A connection whose rules name a transformation.
    #[must_use]
    pub fn user_of(&self, transformation: TransformationId) -> Option<&Arc<Connection>> {
        self.connections
            .values()
            .find(|connection| connection.transformations().any(|id| id == transformation))
    }

    /// The connections of a source, by id.
    #[must_use]
    pub fn connections_of(&self, source: SourceId) -> &[Arc<Connection>] {
        self.by_source
            .get(&source)
            .map_or(&[], |outgoing| &outgoing.connections)
    }

    /// What plans the requests of a source; none for one without connections. Made at its first use.
    #[must_use]
    pub fn router(&self, source: SourceId) -> Option<&Router> {
        let outgoing = self.by_source.get(&source)?;
        let router = outgoing.router.get_or_init(|| {
            let earlier = outgoing.earlier.as_deref();
            Arc::new(Router::new(&outgoing.connections, earlier))
        });
        Some(router)
    }
}
