//! Accepts a batch of requests: each with its events, its ignored events and its due rows, in one commit. What is a
//! duplicate of what is decided here, where all requests of a kind come one after the other.

use super::{Context, Effect, Once, event_rows, filed, seen, tallies::Tallies};
use crate::{
    envelope::PayloadRef,
    fingerprint::Fingerprint,
    ids::{ConnectionId, DestinationId, EventId, RequestId, SourceId},
    state::{
        codec, keys,
        kv::{Kv, KvError, Table},
        tables::TableError,
    },
    time::Timestamp,
    traffic::{
        Event, IgnoreCause, Ignored, IgnoredMeta, RejectionCause, RequestState, StoredRequest,
        Trigger, Turn,
    },
};
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use std::{borrow::Cow, collections::BTreeSet};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AcceptRequests<'a> {
    #[serde(borrow)]
    pub requests: Vec<Incoming<'a>>,
}

/// An incoming request with the routing verdict that was made for it at the door.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Incoming<'a> {
    /// The same on every try: applying it twice changes nothing.
    pub id: RequestId,
    pub source: SourceId,
    /// A `RequestRecord` behind its version byte.
    #[serde(borrow)]
    pub record: &'a [u8],
    /// The position of its body among the command's bodies.
    pub body: Option<u16>,
    pub verdict: Verdict,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Verdict {
    /// As earlier versions planned: every ignored event is kept, and only its cause is known.
    Accepted {
        events: Vec<Planned>,
        ignored: Vec<PlannedIgnored>,
    },
    Rejected {
        cause: RejectionCause,
        /// Rejected requests that the source keeps; older ones make room.
        keep: u32,
    },
    Routed {
        events: Vec<Planned>,
        /// Those that are kept.
        ignored: Vec<Unrouted>,
        /// Connections that did not take the request and are only counted.
        more_ignored: u32,
    },
    /// Routed, where it is decided on arrival whether it is a duplicate, and whose turn its events wait for.
    Keyed(Keyed),
    /// The same of a request whose sender signs something for one request only: a second one with it is a duplicate,
    /// whatever else it holds.
    Once { token: Once, keyed: Keyed },
}

impl Verdict {
    #[must_use]
    pub fn is_accepted(&self) -> bool {
        !matches!(self, Self::Rejected { .. })
    }

    /// Adds a one-time token to the plan: it is for the first request with this token only.
    #[must_use]
    pub fn with_token(self, token: Once, keep_ignored: u16) -> Self {
        if !self.is_accepted() {
            return self;
        }
        let keyed = Keyed {
            keep_ignored,
            ..Keyed::of(&self).into_owned()
        };
        Self::Once { token, keyed }
    }

    fn token(&self) -> Option<Once> {
        match self {
            Self::Once { token, .. } => Some(*token),
            _ => None,
        }
    }
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Keyed {
    /// None: the source takes every request for a new one.
    pub once: Option<Once>,
    /// Whose turns its events wait for; none where they wait for nobody.
    pub order: Option<Fingerprint>,
    pub events: Vec<KeyedEvent>,
    /// Those that are kept.
    pub ignored: Vec<Unrouted>,
    /// Connections that did not take the request and are only counted.
    pub more_ignored: u32,
    /// Ignored events that are kept in all; duplicates beyond that are counted.
    pub keep_ignored: u16,
}

/// An event to be, unless it is a duplicate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyedEvent {
    pub planned: Planned,
    /// None: the connection takes every request for a new one.
    pub once: Option<Once>,
}

/// An event to be. Ordinals of a request's events and ignored events together count from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Planned {
    pub connection: ConnectionId,
    pub destination: DestinationId,
    /// When its first attempt is due.
    pub due_at: Timestamp,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlannedIgnored {
    pub connection: ConnectionId,
    pub cause: IgnoreCause,
}

/// A connection that did not take the request, and what is known of why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unrouted {
    pub connection: ConnectionId,
    pub cause: IgnoreCause,
    pub meta: Option<IgnoredMeta>,
}

impl From<PlannedIgnored> for Unrouted {
    fn from(planned: PlannedIgnored) -> Self {
        Self {
            connection: planned.connection,
            cause: planned.cause,
            meta: None,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Accepted {
    Fresh,
    /// The same request was applied before: an earlier try of the same proposal.
    Again,
    /// Its source saw one like it before. It is stored, and has no events.
    Duplicate {
        of: RequestId,
    },
}

pub(super) fn apply(
    kv: &mut impl Kv,
    context: &Context<'_>,
    command: &AcceptRequests<'_>,
    effects: &mut Vec<Effect>,
) -> Result<Vec<Accepted>, TableError> {
    let mut tally = Tally::default();
    let mut replies = Vec::with_capacity(command.requests.len());
    filed::begin(kv)?;
    for request in &command.requests {
        replies.push(accept(kv, context, request, &mut tally, effects)?);
    }
    filed::add(kv, context, &tally.hours)?;
    seen::expire(kv, context, tally.fingerprints)?;
    tally.troubles.write(kv, context.index)?;
    Ok(replies)
}

/// What the requests of one command have brought so far.
#[derive(Default)]
struct Tally {
    /// Events that keep their order.
    ordered: u32,
    fingerprints: usize,
    /// Requests that were rejected.
    troubles: Tallies,
    /// The hours that requests were minted in which are kept now and were not.
    hours: BTreeSet<u32>,
}

fn accept(
    kv: &mut impl Kv,
    context: &Context<'_>,
    request: &Incoming<'_>,
    tally: &mut Tally,
    effects: &mut Vec<Effect>,
) -> Result<Accepted, TableError> {
    if kv.get(Table::Requests, &request.id.key())?.is_some() {
        return Ok(Accepted::Again);
    }
    tally.hours.insert(request.id.minted_at().bucket());
    let (state, plan) = match &request.verdict {
        Verdict::Rejected { cause, .. } => {
            let (source, now) = (request.source, context.now);
            tally.troubles.rejected(source, *cause, request.id, now);
            (RequestState::Rejected(*cause), Plan::default())
        }
        verdict => {
            let plan = plan(kv, context, request, &Keyed::of(verdict), tally, effects)?;
            (RequestState::Accepted, plan)
        }
    };
    let stored = StoredRequest {
        state,
        ingested_at: context.now,
        body: request.body.and_then(|sub| payload_ref(context, sub)),
        events: plan.events,
        ignored: plan.ignored,
        record: Bytes::copy_from_slice(request.record),
    };
    kv.put(Table::Requests, &request.id.key(), &codec::encode(&stored));
    if let Verdict::Rejected { keep, .. } = request.verdict {
        // After its row is written: of a full source the oldest goes, and that may be this one.
        keep_rejected(kv, request.source, request.id, keep)?;
    }
    Ok(match plan.duplicate_of {
        Some(of) => Accepted::Duplicate { of },
        None => Accepted::Fresh,
    })
}

fn payload_ref(context: &Context<'_>, sub: u16) -> Option<PayloadRef> {
    let body = context.bodies.get(usize::from(sub))?;
    Some(PayloadRef {
        bucket: context.stamped.bucket(),
        index: context.index,
        sub,
        len: u32::try_from(body.len()).ok()?,
    })
}

impl Keyed {
    /// A verdict of any kind as one of this kind.
    fn of(verdict: &Verdict) -> Cow<'_, Self> {
        let (planned, ignored, more_ignored) = match verdict {
            Verdict::Keyed(keyed) | Verdict::Once { keyed, .. } => return Cow::Borrowed(keyed),
            Verdict::Rejected { .. } => return Cow::default(),
            Verdict::Accepted { events, ignored } => {
                let ignored = ignored.iter().map(|planned| (*planned).into());
                (events, ignored.collect(), 0)
            }
            Verdict::Routed {
                events,
                ignored,
                more_ignored,
            } => (events, ignored.clone(), *more_ignored),
        };
        let events = planned.iter().map(|planned| KeyedEvent {
            planned: *planned,
            once: None,
        });
        Cow::Owned(Self {
            events: events.collect(),
            ignored,
            more_ignored,
            keep_ignored: u16::MAX,
            ..Self::default()
        })
    }
}

/// What came of a plan.
#[derive(Default)]
struct Plan {
    events: u16,
    ignored: u16,
    /// Rows of ignored events.
    kept: u16,
    duplicate_of: Option<RequestId>,
}

fn plan(
    kv: &mut impl Kv,
    context: &Context<'_>,
    request: &Incoming<'_>,
    keyed: &Keyed,
    tally: &mut Tally,
    effects: &mut Vec<Effect>,
) -> Result<Plan, TableError> {
    let mut plan = Plan::default();
    let mut of_source = None;
    // The token first: a copy must not take the place of what it copies in the source's own rule.
    for once in request.verdict.token().into_iter().chain(keyed.once) {
        if of_source.is_none() {
            tally.fingerprints += 1;
            of_source = seen::first(kv, context, once, request.id.event(0))?;
        }
    }
    plan.duplicate_of = of_source.map(EventId::request);
    // 65,535 connections a source: what is beyond has no ordinal, and the door refuses it before.
    let mut ordinals = 1..=u16::MAX;
    for (event, ordinal) in keyed.events.iter().zip(&mut ordinals) {
        let id = request.id.event(ordinal);
        let mut first = of_source;
        if let (None, Some(once)) = (of_source, event.once) {
            tally.fingerprints += 1;
            first = seen::first(kv, context, once, id)?;
        }
        if let Some(first) = first {
            let unrouted = duplicate(event.planned.connection, first);
            ignore(kv, context, keyed.keep_ignored, id, unrouted, &mut plan);
            continue;
        }
        plan.events += 1;
        let turn = keyed
            .order
            .map(|key| tally.turn(key, context, &event.planned));
        let event = new_event(context, request.source, &event.planned, turn);
        event_rows::put(kv, context, id, None, event, effects)?;
    }
    for (unrouted, ordinal) in keyed.ignored.iter().zip(ordinals) {
        let unrouted = match of_source {
            // The source comes before its connections: none of them was asked.
            Some(first) => duplicate(unrouted.connection, first),
            None => unrouted.clone(),
        };
        let id = request.id.event(ordinal);
        ignore(kv, context, keyed.keep_ignored, id, unrouted, &mut plan);
    }
    let more = u16::try_from(keyed.more_ignored).unwrap_or(u16::MAX);
    plan.ignored = plan.ignored.saturating_add(more);
    Ok(plan)
}

impl Tally {
    fn turn(&mut self, key: Fingerprint, context: &Context<'_>, planned: &Planned) -> Turn {
        self.ordered = self.ordered.saturating_add(1);
        Turn {
            key,
            index: context.index,
            place: self.ordered,
            wanted_at: planned.due_at,
        }
    }
}

fn new_event(
    context: &Context<'_>,
    source_id: SourceId,
    planned: &Planned,
    turn: Option<Turn>,
) -> Event {
    Event {
        connection_id: planned.connection,
        source_id,
        destination_id: planned.destination,
        status: event_rows::waiting_status(planned.due_at, context.now),
        attempts: 0,
        created_at: context.now,
        updated_at: context.now,
        due_at: Some(planned.due_at),
        next_trigger: Trigger::Initial,
        last_attempt_at: None,
        successful_at: None,
        response_status: None,
        error_code: None,
        turn,
    }
}

fn duplicate(connection: ConnectionId, first: EventId) -> Unrouted {
    Unrouted {
        connection,
        cause: IgnoreCause::Duplicate,
        meta: Some(IgnoredMeta::Duplicate { first }),
    }
}

/// Counts an ignored event, and keeps it if there is room.
fn ignore(
    kv: &mut impl Kv,
    context: &Context<'_>,
    keep: u16,
    id: EventId,
    unrouted: Unrouted,
    plan: &mut Plan,
) {
    plan.ignored = plan.ignored.saturating_add(1);
    if plan.kept >= keep {
        return;
    }
    plan.kept += 1;
    let row = Ignored {
        connection_id: unrouted.connection,
        cause: unrouted.cause,
        created_at: context.now,
        meta: unrouted.meta,
    };
    kv.put(Table::Index, &keys::ignored(id), &codec::encode(&row));
}

/// Takes a rejected request off its source's list.
pub(super) fn unlist_rejected(
    kv: &mut impl Kv,
    source: SourceId,
    request: RequestId,
) -> Result<(), KvError> {
    kv.delete(Table::Index, &keys::rejected(source, request));
    let count_key = keys::rejected_count(source);
    let left = keys::number(kv, Table::Counts, &count_key)?.saturating_sub(1);
    kv.put(Table::Counts, &count_key, &left.to_be_bytes());
    Ok(())
}

/// Lists a rejected request and lets the oldest of its source go, so that a flood of forgeries fills nothing.
fn keep_rejected(
    kv: &mut impl Kv,
    source: SourceId,
    request: RequestId,
    keep: u32,
) -> Result<(), KvError> {
    let count_key = keys::rejected_count(source);
    let kept = keys::number(kv, Table::Counts, &count_key)? + 1;
    kv.put(Table::Index, &keys::rejected(source, request), &[]);
    let surplus = kept.saturating_sub(u64::from(keep.max(1)));
    let (from, to) = keys::rejected_of(source);
    let doomed = kv.scan(
        Table::Index,
        &from,
        &to,
        usize::try_from(surplus).unwrap_or(usize::MAX),
    )?;
    for (key, _) in &doomed {
        kv.delete(Table::Index, key);
        if let Some(old) = keys::rejected_request(key) {
            kv.delete(Table::Requests, &old.key());
        }
    }
    let left = kept.saturating_sub(doomed.len() as u64);
    kv.put(Table::Counts, &count_key, &left.to_be_bytes());
    Ok(())
}
