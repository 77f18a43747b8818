//! The connections of one source, their filters compiled, and found by what the filters ask for.

use super::index::Index;
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
use std::{collections::HashMap, sync::Arc};

/// All connections of a source, by id. Made once for each version of them.
#[derive(Debug)]
pub struct Router {
    routes: Vec<Route>,
    index: Index,
    /// The places of those that have a rule on duplicates.
    deduplicates: HashMap<ConnectionId, usize>,
}

#[derive(Clone, Debug)]
struct Route {
    connection: Arc<Connection>,
    asks: Arc<Asks>,
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

impl Router {
    /// Compiles the connections. What an earlier router has compiled of the same rules is taken over.
    #[must_use]
    pub fn new(connections: &[Arc<Connection>], earlier: Option<&Self>) -> Self {
        let earlier: HashMap<ConnectionId, &Route> = earlier
            .into_iter()
            .flat_map(|earlier| &earlier.routes)
            .map(|route| (route.connection.id, route))
            .collect();
        let routes: Vec<Route> = connections
            .iter()
            .map(|connection| {
                let same = earlier
                    .get(&connection.id)
                    .filter(|route| route.connection.rules == connection.rules);
                Route {
                    connection: connection.clone(),
                    asks: same.map_or_else(|| compile(connection), |route| route.asks.clone()),
                }
            })
            .collect();
        let asked = routes.iter().enumerate();
        let asked = asked.filter(|(_, route)| route.is_enabled());
        let index = Index::new(asked.map(|(place, route)| (place, &*route.asks.needs)));
        let deduplicates = routes.iter().enumerate();
        let deduplicates = deduplicates
            .filter(|(_, route)| route.asks.deduplicate.is_some())
            .map(|(place, route)| (route.connection.id, place));
        Self {
            deduplicates: deduplicates.collect(),
            routes,
            index,
        }
    }

    /// Whether it was made of these connections.
    #[must_use]
    pub fn is_of(&self, connections: &[Arc<Connection>]) -> bool {
        let known = self.routes.iter().map(|route| &route.connection);
        known.eq(connections)
    }

    /// Plans a request: an event for each connection that takes it, in the order of their ids, and at most `kept` ignored
    /// ones. Only connections whose filters may hold by the index are asked.
    #[must_use]
    pub fn plan(&self, document: &Document<'_>, now: Timestamp, kept: usize) -> Verdict {
        let candidates = self.index.candidates(document);
        self.plan_among(candidates, document, now, kept)
    }

    /// The same by asking each connection: what the index must equal, and the baseline that it is measured against.
    #[must_use]
    pub fn plan_by_asking_all(
        &self,
        document: &Document<'_>,
        now: Timestamp,
        kept: usize,
    ) -> Verdict {
        self.plan_among(0..self.routes.len(), document, now, kept)
    }

    fn plan_among(
        &self,
        candidates: impl IntoIterator<Item = usize>,
        document: &Document<'_>,
        now: Timestamp,
        kept: usize,
    ) -> Verdict {
        let request = Picker::new(document);
        let mut steps = Steps::of_request();
        let mut taken = Vec::new();
        let mut events = Vec::new();
        for place in candidates {
            let route = &self.routes[place];
            if route.takes(document, &mut steps) {
                taken.push(place);
                events.push(route.planned(&request, now));
            }
        }
        let ignored = self.ignored(&taken, document, &mut steps, kept);
        let all = self.routes.len() - taken.len();
        Verdict::Routed {
            events,
            more_ignored: u32::try_from(all - ignored.len()).unwrap_or(u32::MAX),
            ignored,
        }
    }

    /// The same plan with what is decided on arrival: what its source and its connections take once, and whose turns its
    /// events wait for. A plan without any of that stays as it is.
    pub(super) fn keyed<'a>(
        &'a self,
        verdict: Verdict,
        once: Option<Once>,
        order: Option<Fingerprint>,
        request: &Fingerprints<'a>,
        kept: usize,
    ) -> Verdict {
        if once.is_none() && order.is_none() && self.deduplicates.is_empty() {
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
        let route = &self.routes[*self.deduplicates.get(&id)?];
        let rule = route.asks.deduplicate.as_ref()?;
        rule.once(request, Scope::Connection, id.0)
    }

    /// The first of those that did not take the request, and why. Looks at no more of them than are kept.
    fn ignored(
        &self,
        taken: &[usize],
        document: &Document<'_>,
        steps: &mut Steps,
        kept: usize,
    ) -> Vec<Unrouted> {
        let mut taken = taken.iter().copied().peekable();
        self.routes
            .iter()
            .enumerate()
            .filter(|(place, _)| taken.next_if_eq(place).is_none())
            .take(kept)
            .map(|(_, route)| route.unrouted(document, steps))
            .collect()
    }
}

impl Route {
    fn is_enabled(&self) -> bool {
        self.connection.disabled_at.is_none()
    }

    fn takes(&self, document: &Document<'_>, steps: &mut Steps) -> bool {
        let mut filters = self.asks.filters.iter();
        self.is_enabled() && filters.all(|filter| filter.holds(document, steps))
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
        if !self.is_enabled() {
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
