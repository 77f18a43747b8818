//! Accepts a batch of requests: each with its events, its ignored events and its due rows, in one commit.

use super::{Context, Effect, tallies::Tallies};
use crate::{
    envelope::PayloadRef,
    ids::{ConnectionId, DestinationId, RequestId, SourceId, TransformationId},
    state::{
        codec,
        keys::{self, Due, DueClass},
        kv::{Kv, KvError, Table},
        tables::{self, TableError},
    },
    time::Timestamp,
    traffic::{
        Event, EventStatus, IgnoreCause, Ignored, LogLevel, RejectionCause, RequestState,
        StoredRequest, Trigger,
    },
};
use bytes::Bytes;
use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AcceptRequests<'a> {
    #[serde(borrow)]
    pub requests: Vec<Incoming<'a>>,
}

/// One request with the plan that was made for it at the door.
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
    Accepted {
        events: Vec<Planned>,
        ignored: Vec<PlannedIgnored>,
    },
    Rejected {
        cause: RejectionCause,
        /// Rejected requests that the source keeps; older ones make room.
        keep: u32,
    },
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

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Accepted {
    Fresh,
    /// The same request was applied before: an earlier try of the same proposal.
    Again,
}

pub(super) fn apply(
    kv: &mut impl Kv,
    context: &Context<'_>,
    command: &AcceptRequests<'_>,
    effects: &mut Vec<Effect>,
) -> Result<Vec<Accepted>, TableError> {
    let mut replies = Vec::with_capacity(command.requests.len());
    let mut tallies = Tallies::default();
    for request in &command.requests {
        replies.push(accept(kv, context, request, &mut tallies, effects)?);
    }
    tallies.write(kv, context.index)?;
    Ok(replies)
}

fn accept(
    kv: &mut impl Kv,
    context: &Context<'_>,
    request: &Incoming<'_>,
    tallies: &mut Tallies,
    effects: &mut Vec<Effect>,
) -> Result<Accepted, TableError> {
    if kv.get(Table::Requests, &request.id.key())?.is_some() {
        return Ok(Accepted::Again);
    }
    let (state, events, ignored) = match &request.verdict {
        Verdict::Accepted { events, ignored } => {
            plan(kv, context, request, events, ignored, effects);
            note_ignored(tallies, context, request.id, events.len(), ignored);
            (RequestState::Accepted, events.len(), ignored.len())
        }
        Verdict::Rejected { cause, .. } => (RequestState::Rejected(*cause), 0, 0),
    };
    let stored = StoredRequest {
        state,
        ingested_at: context.now,
        body: request.body.and_then(|sub| payload_ref(context, sub)),
        events: u16::try_from(events).unwrap_or(u16::MAX),
        ignored: u16::try_from(ignored).unwrap_or(u16::MAX),
        record: Bytes::copy_from_slice(request.record),
    };
    kv.put(Table::Requests, &request.id.key(), &codec::encode(&stored));
    if let Verdict::Rejected { keep, cause } = request.verdict {
        tallies.rejected(request.source, cause, request.id, context.now);
        // After its row is written: of a full source the oldest goes, and that may be this one.
        keep_rejected(kv, request.source, request.id, keep)?;
    }
    Ok(Accepted::Fresh)
}

/// Takes note of failed transformations. Which one it was is not told here: they are all one.
fn note_ignored(
    tallies: &mut Tallies,
    context: &Context<'_>,
    request: RequestId,
    events: usize,
    ignored: &[PlannedIgnored],
) {
    for (planned, ordinal) in ignored.iter().zip((1..=u16::MAX).skip(events)) {
        if planned.cause == IgnoreCause::TransformationFailed {
            let (nameless, event) = (TransformationId::default(), request.event(ordinal));
            tallies.transformation(nameless, LogLevel::Error, event, context.now);
        }
    }
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

fn plan(
    kv: &mut impl Kv,
    context: &Context<'_>,
    request: &Incoming<'_>,
    events: &[Planned],
    ignored: &[PlannedIgnored],
    effects: &mut Vec<Effect>,
) {
    if !events.is_empty() {
        // Retention asks for this: a node with a slow clock may mint into an hour that is about to go.
        let hour = request.id.minted_at().bucket();
        let index = context.index.to_be_bytes();
        kv.put(Table::Counts, &keys::accepted_at(hour), &index);
    }
    // 65,535 connections a source: what is beyond has no ordinal, and the door refuses it before.
    let mut ordinals = 1..=u16::MAX;
    for (planned, ordinal) in events.iter().zip(&mut ordinals) {
        let id = request.id.event(ordinal);
        let event = Event {
            connection_id: planned.connection,
            source_id: request.source,
            destination_id: planned.destination,
            status: if planned.due_at > context.now {
                EventStatus::Scheduled
            } else {
                EventStatus::Queued
            },
            attempts: 0,
            created_at: context.now,
            updated_at: context.now,
            due_at: Some(planned.due_at),
            next_trigger: Trigger::Initial,
            last_attempt_at: None,
            successful_at: None,
            response_status: None,
            error_code: None,
        };
        tables::put_event(kv, id, &event);
        let due = Due {
            destination: planned.destination,
            class: DueClass::Fresh,
            at: planned.due_at,
            event: id,
        };
        kv.put(Table::Due, &due.key(), &[]);
        super::wake(effects, planned.destination, planned.due_at);
    }
    for (planned, ordinal) in ignored.iter().zip(ordinals) {
        let row = Ignored {
            connection_id: planned.connection,
            cause: planned.cause,
            created_at: context.now,
        };
        let id = request.id.event(ordinal);
        kv.put(Table::Index, &keys::ignored(id), &codec::encode(&row));
    }
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
