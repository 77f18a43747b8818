//! What a change of the catalog was decided from, as short keys. Two changes that share none of them can't have
//! disturbed each other, whichever came first.

use super::{Catalog, Catalogs, Connection, Item, Kind, Project};
use crate::{
    fingerprint::{Fingerprint, Hasher},
    ids::ProjectNumber,
};
use std::collections::BTreeSet;

/// The keys of one change. The group remembers at which version each key was last marked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ties {
    /// The change is refused if one of these was marked after the version that it was decided from.
    pub checked: BTreeSet<Fingerprint>,
    /// Marked by the change.
    pub marked: BTreeSet<Fingerprint>,
}

/// Something that a decision can depend on.
#[derive(Clone, Copy, Debug)]
enum Tie<'a> {
    /// All of one thing.
    Thing(Kind, u128),
    /// That a thing is there: marked when it is made or deleted.
    Presence(Kind, u128),
    /// Who has a name in a project.
    Name(Kind, ProjectNumber, &'a str),
    /// Which connections use a thing.
    Users(Kind, u128),
    /// All things of a kind in a project, of which there are few.
    All(Kind, ProjectNumber),
}

impl Tie<'_> {
    fn key(self) -> Fingerprint {
        let mut hasher = Hasher::default();
        // Nodes of different versions meet in these numbers: append only.
        let (number, kind): (u8, Kind) = match self {
            Self::Thing(kind, _) => (1, kind),
            Self::Presence(kind, _) => (2, kind),
            Self::Name(kind, ..) => (3, kind),
            Self::Users(kind, _) => (4, kind),
            Self::All(kind, _) => (5, kind),
        };
        hasher.part(&[number, kind as u8]);
        match self {
            Self::Thing(_, id) | Self::Presence(_, id) | Self::Users(_, id) => {
                hasher.part(&id.to_be_bytes());
            }
            Self::Name(_, _, name) => hasher.part(name.as_bytes()),
            Self::All(..) => {}
        }
        // A key of the default project is what it was before there were others.
        if let Self::Name(_, project, _) | Self::All(_, project) = self
            && !project.is_default()
        {
            hasher.part(&project.0.to_be_bytes());
        }
        hasher.finish()
    }
}

impl Ties {
    /// The ties of writing `put` and deleting `delete`, decided from `catalog`.
    #[must_use]
    pub fn of(catalogs: &Catalogs, put: &[Item], delete: &[(Kind, u128)]) -> Self {
        let mut ties = Self::default();
        for item in put {
            match item {
                Item::Project(project) => ties.project(catalogs, project),
                item => ties.put(catalogs.of(item.project()), item),
            }
        }
        for &(kind, id) in delete {
            let project = ProjectNumber::of(id);
            let catalog = catalogs.of(project);
            ties.both(Tie::Thing(kind, id));
            ties.both(Tie::Presence(kind, id));
            ties.check(Tie::Users(kind, id));
            if let Some(name) = name_of(catalog, kind, id) {
                ties.both(Tie::Name(kind, project, name));
            }
            if let Some(connection) = connection(catalog, kind, id) {
                ties.uses(connection);
            }
            ties.few(kind, project);
        }
        ties
    }

    /// A new project takes a number and a name; one goes only while nothing is in it.
    fn project(&mut self, catalogs: &Catalogs, project: &Project) {
        let (kind, number) = (Kind::Project, u128::from(project.number().0));
        self.both(Tie::Thing(kind, number));
        let old = catalogs.projects.get(&project.id);
        if old.is_none() || project.deleted_at.is_some() {
            self.both(Tie::Presence(kind, number));
            self.check(Tie::Users(kind, number));
            self.both(Tie::All(kind, ProjectNumber::DEFAULT));
        }
        let old_name = old.map(|old| old.name.as_str());
        let new_name = project
            .deleted_at
            .is_none()
            .then_some(project.name.as_str());
        if old_name != new_name {
            for name in [old_name, new_name].into_iter().flatten() {
                self.both(Tie::Name(kind, ProjectNumber::DEFAULT, name));
            }
        }
    }

    /// Whatever is made needs its project to be there. The default one always is.
    fn lives_in(&mut self, project: ProjectNumber) {
        if !project.is_default() {
            let (kind, number) = (Kind::Project, u128::from(project.0));
            self.check(Tie::Presence(kind, number));
            self.mark(Tie::Users(kind, number));
        }
    }

    fn put(&mut self, catalog: &Catalog, item: &Item) {
        let (kind, id, project) = (item.kind(), item.id(), item.project());
        self.both(Tie::Thing(kind, id));
        if !is_known(catalog, kind, id) {
            self.both(Tie::Presence(kind, id));
            self.lives_in(project);
        }
        // Both names of a thing that is renamed: one is taken, the other is free for others.
        let new_name = match item {
            Item::Source(source) => Some(source.name.as_str()),
            Item::Destination(destination) => Some(destination.name.as_str()),
            Item::Transformation(transformation) => Some(transformation.name.as_str()),
            Item::Connection(connection) => connection.name.as_deref(),
            Item::IssueTrigger(trigger) => trigger.name.as_deref(),
            Item::TransformationVersion(_) | Item::Notifications(_) | Item::Project(_) => None,
        };
        let old_name = name_of(catalog, kind, id);
        if old_name != new_name {
            for name in [old_name, new_name].into_iter().flatten() {
                self.both(Tie::Name(kind, project, name));
            }
        }
        if let Item::Connection(new) = item {
            if let Some(old) = connection(catalog, kind, id) {
                self.uses(old);
            }
            self.uses(new);
        }
        self.few(kind, project);
    }

    /// A connection needs what it leads from and to, and its name is its own among those of its source.
    fn uses(&mut self, connection: &Connection) {
        let source = (Kind::Source, connection.source_id.0);
        let destination = (Kind::Destination, connection.destination_id.0);
        let transformations = connection.transformations();
        let transformations = transformations.map(|id| (Kind::Transformation, id.0));
        for (kind, id) in [source, destination].into_iter().chain(transformations) {
            self.check(Tie::Presence(kind, id));
            self.mark(Tie::Users(kind, id));
        }
        self.check(Tie::Users(source.0, source.1));
    }

    /// Issue triggers are counted and walked through, and there are few of them.
    fn few(&mut self, kind: Kind, project: ProjectNumber) {
        if kind == Kind::IssueTrigger {
            self.both(Tie::All(kind, project));
        }
    }

    fn check(&mut self, tie: Tie<'_>) {
        self.checked.insert(tie.key());
    }

    fn mark(&mut self, tie: Tie<'_>) {
        self.marked.insert(tie.key());
    }

    fn both(&mut self, tie: Tie<'_>) {
        self.check(tie);
        self.mark(tie);
    }
}

fn connection(catalog: &Catalog, kind: Kind, id: u128) -> Option<&Connection> {
    if kind != Kind::Connection {
        return None;
    }
    let found = catalog.connections.get(&crate::ids::ConnectionId(id));
    found.map(AsRef::as_ref)
}

fn name_of(catalog: &Catalog, kind: Kind, id: u128) -> Option<&str> {
    use crate::ids::{DestinationId, IssueTriggerId, SourceId, TransformationId};
    match kind {
        Kind::Source => Some(&catalog.sources.get(&SourceId(id))?.name),
        Kind::Destination => Some(&catalog.destinations.get(&DestinationId(id))?.name),
        Kind::Connection => connection(catalog, kind, id)?.name.as_deref(),
        Kind::Transformation => {
            let known = catalog.transformations.get(&TransformationId(id))?;
            Some(&known.name)
        }
        Kind::IssueTrigger => {
            let known = catalog.issue_triggers.get(&IssueTriggerId(id))?;
            known.name.as_deref()
        }
        Kind::TransformationVersion | Kind::Notifications | Kind::Project => None,
    }
}

fn is_known(catalog: &Catalog, kind: Kind, id: u128) -> bool {
    use crate::ids::{DestinationId, IssueTriggerId, SourceId, TransformationId};
    match kind {
        Kind::Source => catalog.sources.contains_key(&SourceId(id)),
        Kind::Destination => catalog.destinations.contains_key(&DestinationId(id)),
        Kind::Connection => connection(catalog, kind, id).is_some(),
        Kind::Transformation => catalog.transformations.contains_key(&TransformationId(id)),
        Kind::IssueTrigger => catalog.issue_triggers.contains_key(&IssueTriggerId(id)),
        // A version is written once, with its transformation; what was said of notifications is always there.
        Kind::TransformationVersion | Kind::Notifications | Kind::Project => true,
    }
}
