//! Retrying a whole request: which of its events wait anew, and what the catalog makes of it today.

use super::route;
use crate::{
    catalog::Catalog,
    ids::{ConnectionId, EventId, RequestId},
    machine::RouteAgain,
    time::Timestamp,
    traffic::{
        Event, EventStatus, IgnoreCause, Ignored, RejectionCause, Request, RequestRecord,
        RequestState, Trigger, Verified,
    },
};
use bytes::Bytes;
use std::collections::{BTreeMap, BTreeSet};

/// Whether a request can be routed at all: somebody proved where it comes from, and it was not refused for what it is.
#[must_use]
pub fn was_proven(state: RequestState) -> bool {
    match state {
        RequestState::Accepted => true,
        // Its signature was looked at before anybody asked for connections.
        RequestState::Rejected(cause) => cause == RejectionCause::NoConnection,
    }
}

/// A request as its partition keeps it, as proven as it was when it came. None: it never [was](was_proven).
#[must_use]
pub fn proven(
    state: RequestState,
    record: RequestRecord,
    body: Bytes,
) -> Option<Request<Verified>> {
    was_proven(state).then(|| Request::received(record, body).proven())
}

/// The history of a request: the events and ignored events that it has led to so far.
#[derive(Clone, Debug, Default)]
pub struct History {
    pub events: Vec<(EventId, Event)>,
    pub ignored: Vec<(EventId, Ignored)>,
}

/// Over which connections a request is retried.
#[derive(Clone, Copy, Debug)]
pub enum Over<'a> {
    /// Those that it knows: failed events wait anew, and what was ignored is asked again. All of them where it knows none.
    Known,
    /// These, whatever became of it there.
    These(&'a [ConnectionId]),
    /// One that ignored it.
    Ignored(ConnectionId),
}

/// Decides. Filters and the like are asked anew, so that a mended one gives an event. Whether it is a duplicate is not: who
/// names a connection wants the event.
#[must_use]
pub fn again(
    catalog: &Catalog,
    (id, request): (RequestId, &Request<Verified>),
    history: &History,
    over: Over<'_>,
    trigger: Trigger,
    now: Timestamp,
) -> RouteAgain {
    let retried = history.events.iter().filter(|(_, event)| match over {
        Over::Known => event.status == EventStatus::Failed,
        Over::These(wanted) => wanted.contains(&event.connection_id),
        Over::Ignored(_) => false,
    });
    let retry = retried.map(|(id, _)| *id).collect();
    let known = history.events.iter();
    let have_one: BTreeSet<_> = known.map(|(_, event)| event.connection_id).collect();
    let ignored_it: BTreeMap<_, _> = history
        .ignored
        .iter()
        .map(|(_, row)| (row.connection_id, row.cause))
        .collect();
    let is_asked = |connection: ConnectionId| {
        let wanted = match over {
            Over::Known if have_one.is_empty() && ignored_it.is_empty() => true,
            // A duplicate stays one, whatever was mended.
            Over::Known => ignored_it
                .get(&connection)
                .is_some_and(|cause| *cause != IgnoreCause::Duplicate),
            Over::These(wanted) => wanted.contains(&connection),
            Over::Ignored(wanted) => wanted == connection,
        };
        wanted && !have_one.contains(&connection)
    };
    let (events, ignored) = route::over(catalog, request, now, is_asked);
    RouteAgain {
        request: id,
        trigger,
        retry,
        events,
        ignored,
    }
}

impl RouteAgain {
    /// Whether it gives no attempt to anybody.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.retry.is_empty() && self.events.is_empty()
    }
}
