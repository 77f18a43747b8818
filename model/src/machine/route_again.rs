//! Retries a request: events of it that failed wait anew, and connections that had not routed it get their event.

use super::{
    Context, Effect, Planned, Unrouted, accept_requests, event_rows, retry_event, retry_ignored,
};
use crate::{
    ids::{ConnectionId, EventId, RequestId},
    state::{
        codec, keys,
        kv::{Kv, Table},
        tables::{self, TableError},
    },
    traffic::{
        EventStatus, IgnoreCause, Ignored, IgnoredMeta, RequestRecord, RequestState, StoredRequest,
        Trigger,
    },
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The command that routes a request anew, as `policy::reroute` decided from the request and the catalog.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RouteAgain {
    pub request: RequestId,
    /// `Manual` goes past a pause; anything else is held by one, and retries only what has failed.
    pub trigger: Trigger,
    pub retry: Vec<EventId>,
    /// For connections that have no event yet. One that has is left as it is.
    pub events: Vec<Planned>,
    pub ignored: Vec<Unrouted>,
}

/// Answers the events that wait now and did not before, or wait anew; none where the request is gone.
pub(super) fn apply(
    kv: &mut impl Kv,
    context: &Context<'_>,
    command: &RouteAgain,
    effects: &mut Vec<Effect>,
) -> Result<Option<Vec<EventId>>, TableError> {
    let Some(request) = tables::request(kv, command.request)? else {
        return Ok(None);
    };
    let mut done = Vec::new();
    for &id in &command.retry {
        if retry(kv, context, command, id, effects)? {
            done.push(id);
        }
    }
    if command.events.is_empty() && command.ignored.is_empty() {
        return Ok(Some(done));
    }
    let mut known = Known::read(kv, command.request)?;
    let before = (known.events.len(), known.ignored.len());
    for planned in &command.events {
        if known.events.contains_key(&planned.connection) {
            continue;
        }
        let Some(id) = known.take(command.request, planned.connection) else {
            break;
        };
        kv.delete(Table::Index, &keys::ignored(id));
        known.events.insert(planned.connection, id);
        let event = (id, *planned, &request);
        create(kv, context, command.trigger, event, effects)?;
        done.push(id);
    }
    for unrouted in &command.ignored {
        let connection = unrouted.connection;
        let why = (unrouted.cause, unrouted.meta.clone());
        let same = known.ignored.get(&connection);
        if same.is_some_and(|(_, known)| *known == why) || known.events.contains_key(&connection) {
            continue;
        }
        let Some(id) = known.take(command.request, connection) else {
            break;
        };
        let row = Ignored {
            connection_id: connection,
            cause: unrouted.cause,
            created_at: context.now,
            meta: unrouted.meta.clone(),
        };
        known.ignored.insert(connection, (id, why));
        kv.put(Table::Index, &keys::ignored(id), &codec::encode(&row));
    }
    let after = (known.events.len(), known.ignored.len());
    if before != after {
        rewrite(kv, command.request, request, (before, after))?;
    }
    Ok(Some(done))
}

fn retry(
    kv: &mut impl Kv,
    context: &Context<'_>,
    command: &RouteAgain,
    id: EventId,
    effects: &mut Vec<Effect>,
) -> Result<bool, TableError> {
    let Some(event) = tables::event(kv, id)?.filter(|_| id.request() == command.request) else {
        return Ok(false);
    };
    let by_hand = command.trigger == Trigger::Manual;
    if !by_hand && event.status != EventStatus::Failed {
        return Ok(false);
    }
    retry_event::requeue(kv, context, (id, &event), command.trigger, effects)?;
    Ok(true)
}

fn create(
    kv: &mut impl Kv,
    context: &Context<'_>,
    trigger: Trigger,
    (id, planned, request): (EventId, Planned, &StoredRequest),
    effects: &mut Vec<Effect>,
) -> Result<(), TableError> {
    let record: RequestRecord = codec::decode_row(kv, Table::Requests, &request.record)?;
    let planned = Planned {
        due_at: planned.due_at.max(context.now),
        ..planned
    };
    let event = (id, planned, trigger);
    let event = retry_ignored::event(kv, context, (record.source_id, request), event)?;
    // Retention must not run past an old request that has a live event now.
    keys::write_u64(kv, keys::META_REOPENED_AT, context.index);
    event_rows::put(kv, context, id, None, event, effects)?;
    Ok(())
}

/// The request's row with its new counts; not all ignored events that it counts have rows. One that was rejected because
/// nothing was connected is accepted now.
fn rewrite(
    kv: &mut impl Kv,
    id: RequestId,
    mut request: StoredRequest,
    (before, after): ((usize, usize), (usize, usize)),
) -> Result<(), TableError> {
    let moved = |count: u16, before: usize, after: usize| {
        let count = (usize::from(count) + after).saturating_sub(before);
        u16::try_from(count).unwrap_or(u16::MAX)
    };
    request.events = moved(request.events, before.0, after.0);
    request.ignored = moved(request.ignored, before.1, after.1);
    if let RequestState::Rejected(_) = request.state {
        request.state = RequestState::Accepted;
        let record: RequestRecord = codec::decode_row(kv, Table::Requests, &request.record)?;
        accept_requests::unlist_rejected(kv, record.source_id, id)?;
    }
    tables::put_request(kv, id, &request);
    Ok(())
}

/// What became of a request over each connection, and the next free place.
struct Known {
    events: BTreeMap<ConnectionId, EventId>,
    ignored: BTreeMap<ConnectionId, (EventId, (IgnoreCause, Option<IgnoredMeta>))>,
    last: u16,
}

impl Known {
    fn read(kv: &impl Kv, request: RequestId) -> Result<Self, TableError> {
        let events = tables::events_of(kv, request)?;
        let ignored = tables::ignored_of(kv, request)?;
        let all = events.iter().map(|(id, _)| id);
        let last = all.chain(ignored.iter().map(|(id, _)| id)).max();
        Ok(Self {
            last: last.map_or(0, |id| id.ordinal()),
            events: events
                .into_iter()
                .map(|(id, event)| (event.connection_id, id))
                .collect(),
            ignored: ignored
                .into_iter()
                .map(|(id, row)| (row.connection_id, (id, (row.cause, row.meta))))
                .collect(),
        })
    }

    /// The place of a connection that has no event: that of its ignored one, which makes room, or a new one.
    fn take(&mut self, request: RequestId, connection: ConnectionId) -> Option<EventId> {
        if let Some((id, _)) = self.ignored.remove(&connection) {
            return Some(id);
        }
        self.last = self.last.checked_add(1)?;
        Some(request.event(self.last))
    }
}
