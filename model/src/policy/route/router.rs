//! The connections of one source, their filters compiled, and found by what the filters ask for.

use super::index::{Index, Standing};
use crate::{
    catalog::{Connection, Rule},
    fingerprint::{Fingerprint, Scope},
    ids::ConnectionId,
    machine::{Keyed, KeyedEvent, Once, Planned, Unrouted, Verdict},
    policy::{
        dedup::{Deduplicate, Fingerprints},
        delay,
        document::{Document, Part},
        fields::Picker,
        filter::{Filter, Need, Steps},
    },
    time::Timestamp,
    traffic::{IgnoreCause, IgnoredMeta},
};
use rpds::RedBlackTreeMapSync;
use std::sync::Arc;

/// All connections of a source, by id. A clone shares what is equal: a connection more or less costs what it asks for.
#[derive(Clone, Debug)]
pub struct Router {
    routes: RedBlackTreeMapSync<ConnectionId, Route>,
    index: Index,
    /// How many have a rule on duplicates.
    deduplicating: usize,
    /// Changes since all found their place with all others counted.
    changes: usize,
}

#[derive(Clone, Debug)]
struct Route {
    connection: Arc<Connection>,
    asks: Arc<Asks>,
    /// None while it is disabled: it is not looked for.
    standing: Option<Arc<Standing>>,
}

/// What a connection asks of a request at the door.
#[derive(Debug)]
struct Asks {
    /// The filter rules before the first transformation, in their order; all must hold.
    filters: Vec<Filter>,
    /// What they can't do without.
    needs: Vec<Need>,
    /// The rule on duplicates, which looks at the request as it came in, wherever it stands.
    deduplicate: Option<Deduplicate>,
}

impl Default for Router {
    fn default() -> Self {
        Self {
            routes: RedBlackTreeMapSync::new_sync(),
            index: Index::default(),
            deduplicating: 0,
            changes: 0,
        }
    }
}

impl Router {
    /// Changes that a router of so many connections takes before all are put in their places anew: by then what was rare
    /// may have become frequent.
    fn changes_max(connections: usize) -> usize {
        64 + connections
    }

    /// Compiles the connections.
    #[must_use]
    pub fn new(connections: impl IntoIterator<Item = Arc<Connection>>) -> Self {
        let routes = connections.into_iter().map(|connection| {
            let asks = compile(&connection);
            (connection, asks)
        });
        Self::of(routes.collect())
    }

    fn of(connections: Vec<(Arc<Connection>, Arc<Asks>)>) -> Self {
        let mut router = Self::default();
        let enabled = connections.iter();
        for (_, asks) in enabled.filter(|(connection, _)| is_enabled(connection)) {
            router.index.count(&asks.needs);
        }
        for (connection, asks) in connections {
            router.place(connection, asks);
        }
        router
    }

    /// Puts a connection in its place. What its filters need is counted already.
    fn place(&mut self, connection: Arc<Connection>, asks: Arc<Asks>) {
        let id = connection.id;
        let standing = is_enabled(&connection).then(|| self.index.put(id, &asks.needs));
        self.deduplicating += usize::from(asks.deduplicate.is_some());
        let route = Route {
            connection,
            asks,
            standing: standing.map(Arc::new),
        };
        self.routes.insert_mut(id, route);
    }

    /// Adds a connection, or puts it in the place of what it was. Its rules are compiled if they are others.
    pub fn put(&mut self, connection: Arc<Connection>) {
        let earlier = self.take(connection.id);
        let same = earlier.filter(|route| route.connection.rules == connection.rules);
        let asks = same.map_or_else(|| compile(&connection), |route| route.asks);
        if is_enabled(&connection) {
            self.index.count(&asks.needs);
        }
        self.place(connection, asks);
        self.tidy();
    }

    /// Takes a connection out.
    pub fn remove(&mut self, id: ConnectionId) {
        self.take(id);
        self.tidy();
    }

    fn take(&mut self, id: ConnectionId) -> Option<Route> {
        let route = self.routes.get(&id)?.clone();
        self.routes.remove_mut(&id);
        self.deduplicating -= usize::from(route.asks.deduplicate.is_some());
        if let Some(standing) = &route.standing {
            self.index.take(id, &route.asks.needs, standing);
        }
        Some(route)
    }

    fn tidy(&mut self) {
        self.changes += 1;
        if self.changes > Self::changes_max(self.routes.size()) {
            let routes = self.routes.values();
            let routes = routes.map(|route| (route.connection.clone(), route.asks.clone()));
            *self = Self::of(routes.collect());
        }
    }

    /// Whether it has no connections.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.routes.is_empty()
    }

    /// Plans a request: an event for each connection that takes it, in the order of their ids, and at most `kept` ignored
    /// ones. Only connections whose filters may hold by the index are asked.
    #[must_use]
    pub fn plan(&self, document: &Document<'_>, now: Timestamp, kept: usize) -> Verdict {
        let candidates = self.index.candidates(document).into_iter();
        let candidates = candidates.filter_map(|id| self.routes.get(&id));
        self.plan_among(candidates, document, now, kept)
    }

    /// Plans by asking each connection in turn: what the index must equal, and the baseline that it is measured
    /// against.
    #[must_use]
    pub fn plan_by_asking_all(
        &self,
        document: &Document<'_>,
        now: Timestamp,
        kept: usize,
    ) -> Verdict {
        self.plan_among(self.routes.values(), document, now, kept)
    }

    fn plan_among<'r>(
        &'r self,
        candidates: impl Iterator<Item = &'r Route>,
        document: &Document<'_>,
        now: Timestamp,
        kept: usize,
    ) -> Verdict {
        let request = Picker::new(document);
        let mut steps = Steps::of_request();
        let mut events = Vec::new();
        for route in candidates {
            if route.takes(document, &mut steps) {
                events.push(route.planned(&request, now));
            }
        }
        let ignored = self.ignored(&events, document, &mut steps, kept);
        let all = self.routes.size() - events.len();
        Verdict::Routed {
            events,
            more_ignored: u32::try_from(all - ignored.len()).unwrap_or(u32::MAX),
            ignored,
        }
    }

    /// Adds to a plan the keys by which it is decided on arrival: what its source and its connections take once, and
    /// whose turns its events wait for. A plan without any of that stays as it is.
    pub(super) fn keyed<'a>(
        &'a self,
        verdict: Verdict,
        once: Option<Once>,
        order: Option<Fingerprint>,
        request: &Fingerprints<'a>,
        kept: usize,
    ) -> Verdict {
        if once.is_none() && order.is_none() && self.deduplicating == 0 {
            return verdict;
        }
        let Verdict::Routed {
            events,
            ignored,
            more_ignored,
        } = verdict
        else {
            return verdict;
        };
        let events: Vec<KeyedEvent> = events
            .into_iter()
            .map(|planned| KeyedEvent {
                planned,
                once: self.once(planned.connection, request),
            })
            .collect();
        Verdict::Keyed(Keyed {
            once,
            order,
            events,
            ignored,
            more_ignored,
            keep_ignored: u16::try_from(kept).unwrap_or(u16::MAX),
        })
    }

    fn once<'a>(&'a self, id: ConnectionId, request: &Fingerprints<'a>) -> Option<Once> {
        let route = self.routes.get(&id)?;
        let rule = route.asks.deduplicate.as_ref()?;
        rule.once(request, Scope::Connection, id.0)
    }

    /// The first of those that did not take the request, and why. Looks at no more of them than are kept.
    fn ignored(
        &self,
        taken: &[Planned],
        document: &Document<'_>,
        steps: &mut Steps,
        kept: usize,
    ) -> Vec<Unrouted> {
        let mut taken = taken.iter().map(|planned| planned.connection).peekable();
        self.routes
            .iter()
            .filter(|(id, _)| taken.next_if_eq(id).is_none())
            .take(kept)
            .map(|(_, route)| route.unrouted(document, steps))
            .collect()
    }
}

impl Route {
    fn takes(&self, document: &Document<'_>, steps: &mut Steps) -> bool {
        let mut filters = self.asks.filters.iter();
        is_enabled(&self.connection) && filters.all(|filter| filter.holds(document, steps))
    }

    fn planned(&self, request: &Picker<'_>, now: Timestamp) -> Planned {
        Planned {
            connection: self.connection.id,
            destination: self.connection.destination_id,
            due_at: delay::due_at(&self.connection, request, now),
        }
    }

    fn unrouted(&self, document: &Document<'_>, steps: &mut Steps) -> Unrouted {
        let connection = self.connection.id;
        if !is_enabled(&self.connection) {
            return Unrouted {
                connection,
                cause: IgnoreCause::Disabled,
                meta: None,
            };
        }
        Unrouted {
            connection,
            cause: IgnoreCause::Filtered,
            meta: Some(IgnoredMeta::Filtered(self.failing(document, steps))),
        }
    }

    /// What the first filter that does not hold does not match; a pipeline ends there.
    fn failing(&self, document: &Document<'_>, steps: &mut Steps) -> Vec<Part> {
        let mut failing = self
            .asks
            .filters
            .iter()
            .map(|filter| filter.failing(document, steps));
        failing.find(|parts| !parts.is_empty()).unwrap_or_default()
    }
}

fn is_enabled(connection: &Connection) -> bool {
    connection.disabled_at.is_none()
}

fn compile(connection: &Connection) -> Arc<Asks> {
    let rules = connection.rules_at_the_door().iter();
    let filters = rules.filter_map(|rule| match rule {
        Rule::Filter(filter) => Some(Filter::stored(filter)),
        Rule::Delay(_) | Rule::Retry(_) | Rule::Deduplicate(_) | Rule::Transform { .. } => None,
    });
    let filters: Vec<Filter> = filters.collect();
    Arc::new(Asks {
        needs: filters.iter().filter_map(Filter::need).collect(),
        deduplicate: connection.deduplicate().map(Deduplicate::of),
        filters,
    })
}
