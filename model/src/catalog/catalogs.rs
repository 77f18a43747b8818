//! The catalogs of all projects, at one version of the control group's state.

use super::{
    Catalog, Connection, Destination, DestinationObserved, IssueTrigger, Item, Kind, Overruling,
    Position, Project, Source, SourceObserved, Things, Transformation, names::Names,
};
use crate::ids::{
    ConnectionId, DestinationId, IssueTriggerId, ProjectId, ProjectNumber, SourceId,
    TransformationId,
};
use rpds::RedBlackTreeMapSync;
use std::sync::Arc;

/// Everything that is configured, a catalog for each project. A clone costs next to nothing and shares what is equal, and
/// so does one that took a change in.
///
/// Whoever works for a project is given its catalog and can't reach another's; whoever has the id of a thing finds it
/// through the number in that.
#[derive(Clone, Debug)]
pub struct Catalogs {
    /// Counts changes; 0 before the first one.
    pub version: u64,
    /// The log index at which something was last observed of what is configured; 0 before that.
    pub observed: u64,
    /// Those that are there. The default one always is.
    pub projects: Things<ProjectId, Project>,
    project_names: Names<ProjectId>,
    by_number: Things<ProjectNumber, Project>,
    /// The greatest number that a project ever had.
    last_number: ProjectNumber,
    by_project: RedBlackTreeMapSync<ProjectNumber, Arc<Catalog>>,
    /// Of a project in which nothing is configured.
    empty: Arc<Catalog>,
}

impl Default for Catalogs {
    fn default() -> Self {
        let mut made = Self {
            version: 0,
            observed: 0,
            projects: Things::default(),
            project_names: Names::default(),
            by_number: Things::default(),
            last_number: ProjectNumber::DEFAULT,
            by_project: RedBlackTreeMapSync::new_sync(),
            empty: Arc::default(),
        };
        made.put_project(Project::default_one().clone());
        made
    }
}

impl Catalogs {
    /// How far it has come.
    #[must_use]
    pub fn position(&self) -> Position {
        Position {
            version: self.version,
            observed: self.observed,
        }
    }

    /// The catalog of a project; an empty one where nothing is configured.
    #[must_use]
    pub fn of(&self, project: ProjectNumber) -> &Arc<Catalog> {
        self.by_project.get(&project).unwrap_or(&self.empty)
    }

    /// The catalog of the project that every cluster has.
    #[must_use]
    pub fn default_project(&self) -> &Arc<Catalog> {
        self.of(ProjectNumber::DEFAULT)
    }

    /// The catalogs of all projects in which anything is configured.
    pub fn all(&self) -> impl Iterator<Item = &Arc<Catalog>> {
        self.by_project.values()
    }

    #[must_use]
    pub fn source(&self, id: SourceId) -> Option<&Arc<Source>> {
        self.of(id.project()).sources.get(&id)
    }

    #[must_use]
    pub fn destination(&self, id: DestinationId) -> Option<&Arc<Destination>> {
        self.of(id.project()).destinations.get(&id)
    }

    #[must_use]
    pub fn connection(&self, id: ConnectionId) -> Option<&Arc<Connection>> {
        self.of(id.project()).connections.get(&id)
    }

    #[must_use]
    pub fn transformation(&self, id: TransformationId) -> Option<&Arc<Transformation>> {
        self.of(id.project()).transformations.get(&id)
    }

    #[must_use]
    pub fn issue_trigger(&self, id: IssueTriggerId) -> Option<&Arc<IssueTrigger>> {
        self.of(id.project()).issue_triggers.get(&id)
    }

    /// The project that has this number; none when it is deleted or was never there.
    #[must_use]
    pub fn project(&self, number: ProjectNumber) -> Option<&Arc<Project>> {
        self.by_number.get(&number)
    }

    #[must_use]
    pub fn project_named(&self, name: &str) -> Option<&Arc<Project>> {
        self.projects.get(self.project_names.get(name)?)
    }

    /// Whether there is, or ever was, a project beside the default one.
    #[must_use]
    pub fn had_others(&self) -> bool {
        !self.last_number.is_default()
    }

    /// The number for the next project; none when all have been given away.
    #[must_use]
    pub fn next_number(&self) -> Option<ProjectNumber> {
        self.last_number.0.checked_add(1).map(ProjectNumber)
    }

    /// Adds one thing, or puts it in the place of what it was.
    pub fn insert(&mut self, item: Item) {
        match item {
            Item::Project(project) => self.put_project(Arc::new(project)),
            item => self.change(item.project(), |catalog| catalog.insert(item)),
        }
    }

    /// Takes one thing out.
    pub fn remove(&mut self, kind: Kind, id: u128) {
        // The row of a project stays for ever.
        if kind != Kind::Project {
            self.change(ProjectNumber::of(id), |catalog| catalog.remove(kind, id));
        }
    }

    fn put_project(&mut self, project: Arc<Project>) {
        let id = project.id;
        self.last_number = self.last_number.max(project.number());
        let earlier = self.projects.get(&id).map(|known| known.name.as_str());
        if project.deleted_at.is_some() {
            if let Some(earlier) = earlier {
                self.project_names.free(earlier, id);
            }
            self.projects.remove(&id);
            self.by_number.remove(&project.number());
            return;
        }
        self.project_names.give(&project.name, id, earlier);
        self.by_number.insert(project.number(), project.clone());
        self.projects.insert(id, project);
    }

    fn change(&mut self, project: ProjectNumber, change: impl FnOnce(&mut Catalog)) {
        if let Some(known) = self.by_project.get_mut(&project) {
            // Copied where another version of the catalogs has it too, changed in its place where none has.
            return change(Arc::make_mut(known));
        }
        let mut catalog = Catalog::default();
        change(&mut catalog);
        self.by_project.insert_mut(project, Arc::new(catalog));
    }

    /// Adds many connections, each source's at once.
    pub(super) fn insert_connections(&mut self, connections: Vec<Connection>) {
        let mut by_project = std::collections::BTreeMap::<_, Vec<_>>::new();
        for connection in connections {
            let of_project = by_project.entry(connection.id.project()).or_default();
            of_project.push(connection);
        }
        for (project, connections) in by_project {
            self.change(project, |catalog| catalog.insert_connections(connections));
        }
    }

    /// Takes in what is observed of a source now, where anything is.
    pub fn observe_source(&mut self, id: SourceId, observed: Option<SourceObserved>) {
        self.change(id.project(), |catalog| catalog.observe_source(id, observed));
    }

    /// Takes in what is observed of a destination now, where anything is.
    pub fn observe_destination(
        &mut self,
        id: DestinationId,
        observed: Option<DestinationObserved>,
    ) {
        self.change(id.project(), |catalog| {
            catalog.observe_destination(id, observed);
        });
    }

    /// What is to be written of a thing that was made from the one in force: what was observed of that and left as it was
    /// does not become configuration.
    #[must_use]
    pub fn written(&self, made: Item) -> (Item, Vec<Overruling>) {
        self.of(made.project()).written(made)
    }

    /// Whether events on their way to a destination find the same in both: it, the connections that lead there, and all
    /// transformations of its project.
    #[must_use]
    pub fn leads_alike(&self, other: &Self, destination: DestinationId) -> bool {
        let [one, other] = [self, other].map(|all| all.of(destination.project()));
        Arc::ptr_eq(one, other) || one.leads_alike(other, destination)
    }

    /// Whether both have the same destinations. False says nothing.
    #[must_use]
    pub fn has_destinations_of(&self, other: &Self) -> bool {
        let is_same = |(one, other): (&Arc<Catalog>, &Arc<Catalog>)| {
            Arc::ptr_eq(one, other) || one.destinations.is_same(&other.destinations)
        };
        self.by_project.size() == other.by_project.size()
            && self.all().zip(other.all()).all(is_same)
    }

    /// The connections that are paused, of all projects.
    pub fn paused(&self) -> impl Iterator<Item = &Arc<Connection>> {
        self.all().flat_map(|catalog| catalog.paused())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{kit, time::Timestamp};

    fn project(number: u16, name: &str) -> Project {
        let now = Timestamp(1000 + u64::from(number));
        Project {
            id: ProjectId::mint(ProjectNumber(number), now, 7),
            name: name.into(),
            deleted_at: None,
            created_at: now,
            updated_at: now,
        }
    }

    fn source(number: u16, name: &str) -> Source {
        Source {
            id: SourceId::mint(ProjectNumber(number), Timestamp(1000), 9),
            name: name.into(),
            ..kit::source()
        }
    }

    #[test]
    fn a_name_is_ones_own_within_its_project_and_an_id_finds_its_own() {
        let mut catalogs = Catalogs::default();
        for number in [0, 1, 2] {
            catalogs.insert(Item::Source(source(number, "orders")));
        }
        for number in [0, 1, 2] {
            let id = source(number, "").id;
            let named = catalogs.of(ProjectNumber(number)).source_named("orders");
            assert_eq!(named.map(|it| it.id), Some(id));
            assert_eq!(catalogs.source(id).map(|it| it.id), Some(id));
        }
        let [mine, theirs] = [1, 2].map(|number| source(number, "").id);
        let my_own = catalogs.of(ProjectNumber(1));
        assert!(my_own.sources.contains_key(&mine) && !my_own.sources.contains_key(&theirs));
        catalogs.remove(Kind::Source, mine.0);
        assert!(catalogs.source(mine).is_none() && catalogs.source(theirs).is_some());
        assert!(catalogs.of(ProjectNumber(3)).sources.is_empty());
    }

    #[test]
    fn what_was_configured_before_there_were_projects_is_of_the_default_one() {
        let mut catalogs = Catalogs::default();
        catalogs.insert(Item::Source(kit::source()));
        assert_eq!(catalogs.of(ProjectNumber::DEFAULT).sources.len(), 1);
        let default = catalogs.project_named("default").expect("always there");
        assert!(default.number().is_default());
        assert_eq!(catalogs.project(ProjectNumber::DEFAULT), Some(default));
    }

    #[test]
    fn a_number_is_not_given_again_after_its_project_is_gone() {
        let mut catalogs = Catalogs::default();
        assert_eq!(catalogs.next_number(), Some(ProjectNumber(1)));
        catalogs.insert(Item::Project(project(1, "shop")));
        catalogs.insert(Item::Project(Project {
            deleted_at: Some(Timestamp(5)),
            ..project(1, "shop")
        }));
        assert_eq!(catalogs.project(ProjectNumber(1)), None);
        assert_eq!(catalogs.project_named("shop"), None);
        assert_eq!(catalogs.next_number(), Some(ProjectNumber(2)));
        catalogs.insert(Item::Project(project(u16::MAX, "last")));
        assert_eq!(catalogs.next_number(), None);
    }

    #[test]
    fn a_change_in_one_project_is_none_of_anothers_business() {
        let mut before = Catalogs::default();
        before.insert(Item::Source(source(1, "a")));
        let destination = DestinationId::mint(ProjectNumber(2), Timestamp(1), 1);
        before.insert(Item::Destination(Destination {
            id: destination,
            ..kit::destination()
        }));
        let mut after = before.clone();
        after.insert(Item::Source(source(1, "b")));
        assert!(after.leads_alike(&before, destination));
        assert!(Arc::ptr_eq(
            after.of(ProjectNumber(2)),
            before.of(ProjectNumber(2))
        ));
    }
}
