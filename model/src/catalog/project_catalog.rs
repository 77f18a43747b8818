//! A project's catalog in memory: look-ups by id and name, the connections of a source and those to a destination.

use super::{
    Connection, Destination, DestinationObserved, IssueTrigger, Item, Kind, Notifications,
    Overruling, Source, SourceObserved, Things, Transformation,
    names::{ConnectionNames, Names},
    outgoing::Outgoing,
    overlay::{Beneath, Overlay},
};
use crate::{
    ids::{ConnectionId, DestinationId, IssueTriggerId, SourceId, TransformationId},
    policy::{placement::Needs, route::Router},
};
use rpds::RedBlackTreeMapSync;
use std::sync::Arc;

/// Every configured thing of one project at one version of the control group's state, as it is in force: with what was
/// observed of it. A clone costs next to nothing and shares what is equal, and so does one that took a change in.
#[derive(Clone, Debug)]
pub struct Catalog {
    pub sources: Things<SourceId, Source>,
    pub destinations: Things<DestinationId, Destination>,
    pub connections: Things<ConnectionId, Connection>,
    pub transformations: Things<TransformationId, Transformation>,
    pub issue_triggers: Things<IssueTriggerId, IssueTrigger>,
    /// None: it was never said.
    pub notifications: Option<Notifications>,
    by_source: RedBlackTreeMapSync<SourceId, Outgoing>,
    by_destination: RedBlackTreeMapSync<DestinationId, Things<ConnectionId, Connection>>,
    paused: Things<ConnectionId, Connection>,
    connection_names: ConnectionNames,
    source_names: Names<SourceId>,
    destination_names: Names<DestinationId>,
    transformation_names: Names<TransformationId>,
    sources_observed: Overlay<SourceId, Source, SourceObserved>,
    destinations_observed: Overlay<DestinationId, Destination, DestinationObserved>,
}

impl Default for Catalog {
    fn default() -> Self {
        Self {
            sources: Things::default(),
            destinations: Things::default(),
            connections: Things::default(),
            transformations: Things::default(),
            issue_triggers: Things::default(),
            notifications: None,
            by_source: RedBlackTreeMapSync::new_sync(),
            by_destination: RedBlackTreeMapSync::new_sync(),
            paused: Things::default(),
            connection_names: ConnectionNames::default(),
            source_names: Names::default(),
            destination_names: Names::default(),
            transformation_names: Names::default(),
            sources_observed: Overlay::default(),
            destinations_observed: Overlay::default(),
        }
    }
}

impl Catalog {
    /// Adds one thing, or puts it in the place of what it was.
    pub fn insert(&mut self, item: Item) {
        match item {
            Item::Source(source) => self.put_source(source),
            Item::Destination(destination) => {
                let id = destination.id;
                let earlier = self.destinations.get(&id).map(|known| known.name.as_str());
                self.destination_names.give(&destination.name, id, earlier);
                self.destinations_observed
                    .configure(&mut self.destinations, id, destination);
            }
            Item::Connection(connection) => self.put_connection(Arc::new(connection)),
            Item::Transformation(transformation) => {
                let id = transformation.id;
                let earlier = self.transformations.get(&id);
                let earlier = earlier.map(|known| known.name.as_str());
                self.transformation_names
                    .give(&transformation.name, id, earlier);
                self.transformations.insert(id, Arc::new(transformation));
            }
            // Versions are read one by one where they are needed, and a project is in none.
            Item::TransformationVersion(_) | Item::Project(_) => {}
            Item::IssueTrigger(trigger) => {
                self.issue_triggers.insert(trigger.id, Arc::new(trigger));
            }
            Item::Notifications(notifications) => self.notifications = Some(notifications),
        }
    }

    /// Takes one thing out.
    pub fn remove(&mut self, kind: Kind, id: u128) {
        match kind {
            Kind::Source => self.remove_source(SourceId(id)),
            Kind::Destination => {
                let id = DestinationId(id);
                if let Some(known) = self.destinations.get(&id) {
                    self.destination_names.free(&known.name, id);
                }
                self.destinations_observed
                    .remove(&mut self.destinations, &id);
            }
            Kind::Connection => self.remove_connection(ConnectionId(id)),
            Kind::Transformation => {
                let id = TransformationId(id);
                if let Some(known) = self.transformations.get(&id) {
                    self.transformation_names.free(&known.name, id);
                }
                self.transformations.remove(&id);
            }
            Kind::TransformationVersion | Kind::Project => {}
            Kind::IssueTrigger => self.issue_triggers.remove(&IssueTriggerId(id)),
            Kind::Notifications => self.notifications = None,
        }
    }

    fn put_source(&mut self, source: Source) {
        let id = source.id;
        let earlier = self.sources.get(&id).map(|known| known.name.as_str());
        self.source_names.give(&source.name, id, earlier);
        self.sources_observed
            .configure(&mut self.sources, id, source);
        self.tell_outgoing(id);
    }

    fn remove_source(&mut self, id: SourceId) {
        if let Some(known) = self.sources.get(&id) {
            self.source_names.free(&known.name, id);
        }
        self.sources_observed.remove(&mut self.sources, &id);
        self.tell_outgoing(id);
    }

    /// What a source's requests are compared by follows from the source, too.
    fn tell_outgoing(&mut self, id: SourceId) {
        let source = self.sources.get(&id).cloned();
        self.change_outgoing(id, |outgoing| outgoing.set_source(source));
    }

    fn put_connection(&mut self, connection: Arc<Connection>) {
        let id = connection.id;
        let earlier = self.connections.get(&id).cloned();
        if let Some(earlier) = earlier {
            if earlier.source_id != connection.source_id {
                self.change_outgoing(earlier.source_id, |outgoing| outgoing.remove(id));
            }
            if earlier.destination_id != connection.destination_id {
                self.change_incoming(earlier.destination_id, |incoming| incoming.remove(&id));
            }
        }
        self.change_outgoing(connection.source_id, |outgoing| outgoing.put(&connection));
        self.note_connection(connection);
    }

    /// Notes it everywhere but at its source.
    fn note_connection(&mut self, connection: Arc<Connection>) {
        let id = connection.id;
        self.change_incoming(connection.destination_id, |incoming| {
            incoming.insert(id, connection.clone());
        });
        match connection.paused_at {
            Some(_) => self.paused.insert(id, connection.clone()),
            None => self.paused.remove(&id),
        }
        let earlier = self.connections.get(&id).map(AsRef::as_ref);
        self.connection_names.put(&connection, earlier);
        self.connections.insert(id, connection);
    }

    fn remove_connection(&mut self, id: ConnectionId) {
        let Some(known) = self.connections.get(&id).cloned() else {
            return;
        };
        self.change_outgoing(known.source_id, |outgoing| outgoing.remove(id));
        self.change_incoming(known.destination_id, |incoming| incoming.remove(&id));
        self.paused.remove(&id);
        self.connection_names.remove(&known);
        self.connections.remove(&id);
    }

    /// Adds many connections, each source's at once.
    pub(super) fn insert_connections(&mut self, connections: Vec<Connection>) {
        let mut by_source: std::collections::BTreeMap<SourceId, Vec<Arc<Connection>>> =
            std::collections::BTreeMap::new();
        for connection in connections {
            let connection = Arc::new(connection);
            let of_source = by_source.entry(connection.source_id).or_default();
            of_source.push(connection.clone());
            self.note_connection(connection);
        }
        for (id, connections) in by_source {
            let source = self.sources.get(&id).cloned();
            self.by_source
                .insert_mut(id, Outgoing::of(source, &connections));
        }
    }

    fn change_outgoing(&mut self, id: SourceId, change: impl FnOnce(&mut Outgoing)) {
        let mut outgoing = self.by_source.get(&id).cloned().unwrap_or_default();
        change(&mut outgoing);
        match outgoing.is_empty() {
            true => {
                self.by_source.remove_mut(&id);
            }
            false => self.by_source.insert_mut(id, outgoing),
        }
    }

    fn change_incoming(
        &mut self,
        id: DestinationId,
        change: impl FnOnce(&mut Things<ConnectionId, Connection>),
    ) {
        let mut incoming = self.by_destination.get(&id).cloned().unwrap_or_default();
        change(&mut incoming);
        match incoming.is_empty() {
            true => {
                self.by_destination.remove_mut(&id);
            }
            false => self.by_destination.insert_mut(id, incoming),
        }
    }

    /// Takes in what is observed of a source now, where anything is.
    pub fn observe_source(&mut self, id: SourceId, observed: Option<SourceObserved>) {
        self.sources_observed
            .observe(&mut self.sources, id, observed);
        self.tell_outgoing(id);
    }

    /// Takes in what is observed of a destination now, where anything is.
    pub fn observe_destination(
        &mut self,
        id: DestinationId,
        observed: Option<DestinationObserved>,
    ) {
        self.destinations_observed
            .observe(&mut self.destinations, id, observed);
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

    #[must_use]
    pub fn source_named(&self, name: &str) -> Option<&Arc<Source>> {
        self.sources.get(self.source_names.get(name)?)
    }

    #[must_use]
    pub fn destination_named(&self, name: &str) -> Option<&Arc<Destination>> {
        self.destinations.get(self.destination_names.get(name)?)
    }

    #[must_use]
    pub fn transformation_named(&self, name: &str) -> Option<&Arc<Transformation>> {
        self.transformations
            .get(self.transformation_names.get(name)?)
    }

    /// The connections that have this name themselves, by id. Among those of one source a name is one's own.
    pub fn connections_named(&self, name: &str) -> impl Iterator<Item = &Arc<Connection>> {
        self.connection_names.named(name)
    }

    /// The connections without a name that lead from one to the other, by id.
    pub fn unnamed_connections(
        &self,
        source: SourceId,
        destination: DestinationId,
    ) -> impl Iterator<Item = &Arc<Connection>> {
        self.connection_names.unnamed(source, destination)
    }

    /// The connections of a source that are shown under this name: their own, or that of where they lead.
    pub fn connections_shown_as<'a>(
        &'a self,
        source: SourceId,
        name: &str,
    ) -> impl Iterator<Item = &'a Arc<Connection>> {
        let named = self.connection_names.named(name);
        let named = named.filter(move |connection| connection.source_id == source);
        let destination = self.destination_names.get(name).copied();
        let unnamed = destination.into_iter();
        named.chain(unnamed.flat_map(move |id| self.unnamed_connections(source, id)))
    }

    /// What a source and its connections compare its requests by; none for one that is not known.
    #[must_use]
    pub fn needs_of(&self, source: SourceId) -> Option<&Needs> {
        self.by_source.get(&source).map(Outgoing::needs)
    }

    /// A connection whose rules name a transformation.
    #[must_use]
    pub fn user_of(&self, transformation: TransformationId) -> Option<&Arc<Connection>> {
        self.connections
            .values()
            .find(|connection| connection.transformations().any(|id| id == transformation))
    }

    /// The connections of a source, by id.
    pub fn connections_of(&self, source: SourceId) -> impl Iterator<Item = &Arc<Connection>> {
        let outgoing = self.by_source.get(&source).into_iter();
        outgoing.flat_map(|outgoing| outgoing.connections.values())
    }

    /// The connections to a destination, by id.
    pub fn connections_to(
        &self,
        destination: DestinationId,
    ) -> impl Iterator<Item = &Arc<Connection>> {
        let incoming = self.by_destination.get(&destination).into_iter();
        incoming.flat_map(Things::values)
    }

    /// Whether events on their way to a destination find the same in both: it, the connections that lead there, and all
    /// transformations.
    #[must_use]
    pub fn leads_alike(&self, other: &Self, destination: DestinationId) -> bool {
        let destinations = [self, other].map(|catalog| catalog.destinations.get(&destination));
        let is_same = match destinations {
            [Some(one), Some(other)] => Arc::ptr_eq(one, other),
            [one, other] => one.is_none() && other.is_none(),
        };
        let incoming = [self, other].map(|catalog| catalog.by_destination.get(&destination));
        let are_same = match incoming {
            [Some(one), Some(other)] => one.is_same(other),
            [one, other] => one.is_none() && other.is_none(),
        };
        is_same && are_same && self.transformations.is_same(&other.transformations)
    }

    /// The connections that are paused, by id.
    pub fn paused(&self) -> impl Iterator<Item = &Arc<Connection>> {
        self.paused.values()
    }

    /// What plans the requests of a source; none for one without connections.
    #[must_use]
    pub fn router(&self, source: SourceId) -> Option<&Router> {
        self.by_source.get(&source)?.router()
    }
}
