//! Retries a request: events of it that failed wait anew, and connections that had not routed it get their event.

use super::{Context, Effect, Planned, PlannedIgnored, mark_paused::Pauses, retry_event};
use crate::{
    ids::{ConnectionId, EventId, RequestId},
    state::{
        codec, keys,
        kv::{Kv, Table},
        tables::{self, TableError},
    },
    traffic::{
        Event, EventStatus, IgnoreCause, Ignored, RequestRecord, RequestState, StoredRequest,
        Trigger,
    },
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What `policy::reroute` made of the request and the catalog.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RouteAgain {
    pub request: RequestId,
    /// `Manual` goes past a pause; anything else is held by one, and retries only what has failed.
    pub trigger: Trigger,
    pub retry: Vec<EventId>,
    /// For connections that have no event yet. One that has is left as it is.
    pub events: Vec<Planned>,
    pub ignored: Vec<PlannedIgnored>,
}

/// Answers the events that wait now and did not before, or wait anew; none where the request is gone.
pub(super) fn apply(
    kv: &mut impl Kv,
    context: &Context<'_>,
    command: &RouteAgain,
    pauses: &mut Pauses,
    effects: &mut Vec<Effect>,
) -> Result<Option<Vec<EventId>>, TableError> {
    let Some(request) = tables::request(kv, command.request)? else {
        return Ok(None);
    };
    let mut done = Vec::new();
    for &id in &command.retry {
        if retry(kv, context, command, id, pauses, effects)? {
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
        create(kv, context, command.trigger, event, pauses, effects)?;
        done.push(id);
    }
    for planned in &command.ignored {
        let same = known.ignored.get(&planned.connection);
        let is_known = same.is_some_and(|(_, cause)| *cause == planned.cause);
        if is_known || known.events.contains_key(&planned.connection) {
            continue;
        }
        let Some(id) = known.take(command.request, planned.connection) else {
            break;
        };
        known
            .ignored
            .insert(planned.connection, (id, planned.cause));
        let row = Ignored {
            connection_id: planned.connection,
            cause: planned.cause,
            created_at: context.now,
        };
        kv.put(Table::Index, &keys::ignored(id), &codec::encode(&row));
    }
    if before != (known.events.len(), known.ignored.len()) {
        rewrite(kv, command.request, request, &known)?;
    }
    Ok(Some(done))
}

fn retry(
    kv: &mut impl Kv,
    context: &Context<'_>,
    command: &RouteAgain,
    id: EventId,
    pauses: &mut Pauses,
    effects: &mut Vec<Effect>,
) -> Result<bool, TableError> {
    let Some(event) = tables::event(kv, id)?.filter(|_| id.request() == command.request) else {
        return Ok(false);
    };
    let by_hand = command.trigger == Trigger::Manual;
    if !by_hand && event.status != EventStatus::Failed {
        return Ok(false);
    }
    let status = match !by_hand && pauses.hold(kv, event.connection_id)? {
        true => EventStatus::Hold,
        false => EventStatus::Queued,
    };
    let anew = (status, command.trigger);
    retry_event::requeue(kv, context, (id, event), anew, effects)?;
    Ok(true)
}

fn create(
    kv: &mut impl Kv,
    context: &Context<'_>,
    trigger: Trigger,
    (id, planned, request): (EventId, Planned, &StoredRequest),
    pauses: &mut Pauses,
    effects: &mut Vec<Effect>,
) -> Result<(), TableError> {
    let record: RequestRecord = codec::decode(&request.record)?;
    let holds = trigger != Trigger::Manual && pauses.hold(kv, planned.connection)?;
    let due_at = planned.due_at.max(context.now);
    let event = Event {
        connection_id: planned.connection,
        source_id: record.source_id,
        destination_id: planned.destination,
        status: if holds {
            EventStatus::Hold
        } else if due_at > context.now {
            EventStatus::Scheduled
        } else {
            EventStatus::Queued
        },
        attempts: 0,
        // Lists are in the order of ids, and an id is as old as its request.
        created_at: request.ingested_at,
        updated_at: context.now,
        due_at: Some(due_at),
        next_trigger: trigger,
        last_attempt_at: None,
        successful_at: None,
        response_status: None,
        error_code: None,
    };
    // Retention must not run past an old request that has a live event now.
    keys::write_u64(kv, keys::META_REOPENED_AT, context.index);
    tables::enqueue(kv, id, &event);
    tables::put_event(kv, id, &event)?;
    if !holds {
        super::wake(effects, planned.destination, due_at);
    }
    Ok(())
}

/// The request's row with its new counts. One that was rejected because nothing was connected is accepted now.
fn rewrite(
    kv: &mut impl Kv,
    id: RequestId,
    mut request: StoredRequest,
    known: &Known,
) -> Result<(), TableError> {
    let count = |length: usize| u16::try_from(length).unwrap_or(u16::MAX);
    request.events = count(known.events.len());
    request.ignored = count(known.ignored.len());
    if let RequestState::Rejected(_) = request.state {
        request.state = RequestState::Accepted;
        let record: RequestRecord = codec::decode(&request.record)?;
        kv.delete(Table::Index, &keys::rejected(record.source_id, id));
        let count_key = keys::rejected_count(record.source_id);
        let left = keys::number(kv, Table::Counts, &count_key)?.saturating_sub(1);
        kv.put(Table::Counts, &count_key, &left.to_be_bytes());
    }
    kv.put(Table::Requests, &id.key(), &codec::encode(&request));
    Ok(())
}

/// What became of a request over each connection, and the next free place.
struct Known {
    events: BTreeMap<ConnectionId, EventId>,
    ignored: BTreeMap<ConnectionId, (EventId, IgnoreCause)>,
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
                .map(|(id, row)| (row.connection_id, (id, row.cause)))
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
