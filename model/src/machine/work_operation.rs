//! A partition's part of a bulk operation: opened once, worked off page by page, closed. What was done stands in the
//! same commit as how far it went, so nothing is done twice, whoever leads.

use super::{
    Context, Effect, RouteAgain, cancel_event, retry_event, retry_event::EventReply, route_again,
};
use crate::{
    ids::{AttemptId, EventId, OperationId},
    state::{
        codec, keys,
        kv::{Kv, Table},
        tables::{self, Found, TableError},
    },
    traffic::{Event, EventStatus, OperationPart, PartReport, Trigger},
};
use serde::{Deserialize, Serialize};

/// Begins a part: what is there now belongs to the operation, what comes later does not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpenPart {
    pub operation: OperationId,
    /// Whether it works on events, which change under its hands and are kept as it found them.
    pub remembers: bool,
    /// The ids that may belong to it: `[from, to)`.
    pub from: u128,
    pub to: u128,
}

/// A page of a bulk operation's work in one partition: what its leader found between the part's next id and this one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WorkPart {
    pub operation: OperationId,
    /// Counted from 1. Any but the next is an old one and changes nothing.
    pub page: u32,
    pub next: u128,
    pub acts: Vec<Act>,
    /// What belongs to the page and nothing could be done for.
    pub unable: u32,
    /// Nothing is behind it.
    pub last: bool,
}

/// The action of a bulk operation on one thing that its query found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Act {
    Retry(EventId),
    Cancel(EventId),
    Route(RouteAgain),
}

/// Ends a part early, or forgets one that has ended everywhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClosePart {
    pub operation: OperationId,
    pub forget: bool,
}

/// Answers the part, opened now or before.
pub(super) fn open(
    kv: &mut impl Kv,
    context: &Context<'_>,
    command: OpenPart,
) -> Result<OperationPart, TableError> {
    if let Some(part) = tables::part(kv, command.operation)? {
        return Ok(part);
    }
    let part = OperationPart {
        opened_at: context.now,
        remembers: command.remembers,
        next: command.from,
        to: command.to,
        report: PartReport::default(),
    };
    // Everything that follows is later than what was found, even within the same millisecond.
    keys::write_u64(kv, keys::META_NOW, context.now.0.saturating_add(1));
    if part.remembers {
        let open = keys::read_u64(kv, keys::META_OPERATIONS)?;
        keys::write_u64(kv, keys::META_OPERATIONS, open + 1);
    }
    put(kv, command.operation, &part);
    Ok(part)
}

/// Answers the part as it is now; none where it was never opened.
pub(super) fn work(
    kv: &mut impl Kv,
    context: &Context<'_>,
    command: &WorkPart,
    effects: &mut Vec<Effect>,
) -> Result<Option<OperationPart>, TableError> {
    let Some(before) = tables::part(kv, command.operation)? else {
        return Ok(None);
    };
    if before.report.ended || command.page != before.report.page.saturating_add(1) {
        return Ok(Some(before));
    }
    let mut part = OperationPart {
        next: command.next.max(before.next),
        ..before
    };
    part.report.page = command.page;
    // What the acts change is behind the part, which need not keep it.
    let mut remembering = context.remembering.clone();
    if let Some((_, known)) = remembering
        .iter_mut()
        .find(|(operation, _)| *operation == command.operation)
    {
        *known = part;
    }
    let context = &Context {
        remembering,
        ..*context
    };
    part.report.failed += u64::from(command.unable);
    for act in &command.acts {
        match perform(kv, context, command.operation, act, effects)? {
            true => part.report.completed += 1,
            false => part.report.failed += 1,
        }
    }
    if part.remembers {
        forget_as_it_was(kv, command.operation, (before.next, part.next));
    }
    if command.last {
        end(kv, command.operation, &mut part)?;
    }
    put(kv, command.operation, &part);
    Ok(Some(part))
}

/// Answers the part as it was last; none where there was none.
pub(super) fn close(
    kv: &mut impl Kv,
    command: ClosePart,
) -> Result<Option<OperationPart>, TableError> {
    let Some(mut part) = tables::part(kv, command.operation)? else {
        return Ok(None);
    };
    if !part.report.ended {
        end(kv, command.operation, &mut part)?;
    }
    if command.forget {
        kv.delete(Table::Index, &keys::part(command.operation));
    } else {
        put(kv, command.operation, &part);
    }
    Ok(Some(part))
}

fn put(kv: &mut impl Kv, operation: OperationId, part: &OperationPart) {
    kv.put(Table::Index, &keys::part(operation), &codec::encode(part));
}

fn end(
    kv: &mut impl Kv,
    operation: OperationId,
    part: &mut OperationPart,
) -> Result<(), TableError> {
    part.report.ended = true;
    if part.remembers {
        let open = keys::read_u64(kv, keys::META_OPERATIONS)?;
        keys::write_u64(kv, keys::META_OPERATIONS, open.saturating_sub(1));
        forget_as_it_was(kv, operation, (part.next, part.to));
    }
    Ok(())
}

fn forget_as_it_was(kv: &mut impl Kv, operation: OperationId, (from, to): (u128, u128)) {
    let key = |id| keys::as_it_was(operation, EventId(id));
    kv.delete_range(Table::Index, &key(from), &key(to));
}

/// Does one thing. Answers whether it is as the operation wants it.
fn perform(
    kv: &mut impl Kv,
    context: &Context<'_>,
    operation: OperationId,
    act: &Act,
    effects: &mut Vec<Effect>,
) -> Result<bool, TableError> {
    match act {
        Act::Retry(id) => retry(kv, context, operation, *id, effects),
        Act::Cancel(id) => Ok(cancel_event::cancel(kv, context, *id, effects)? == EventReply::Done),
        Act::Route(again) => {
            let Some(events) = route_again::apply(kv, context, again, effects)? else {
                return Ok(false);
            };
            for &id in &events {
                if let Some(event) = tables::event(kv, id)? {
                    ascribe(kv, operation, id, event.attempts);
                }
            }
            Ok(true)
        }
    }
}

fn retry(
    kv: &mut impl Kv,
    context: &Context<'_>,
    operation: OperationId,
    id: EventId,
    effects: &mut Vec<Effect>,
) -> Result<bool, TableError> {
    let Some(event) = tables::event(kv, id)? else {
        return Ok(false);
    };
    if is_dealt_with(&event, &tables::as_it_was(kv, operation, id)?) {
        return Ok(true);
    }
    retry_event::requeue(kv, context, (id, &event), Trigger::BulkRetry, effects)?;
    ascribe(kv, operation, id, event.attempts);
    Ok(true)
}

/// Whether an event needs nothing more: it waits for its turn anyway, or somebody was faster.
fn is_dealt_with(event: &Event, found: &Found) -> bool {
    if matches!(event.status, EventStatus::Queued | EventStatus::Hold) {
        return true;
    }
    match found {
        Found::Unchanged | Found::Nothing => false,
        // What had ended has been opened again since, or was delivered in the meantime.
        Found::Changed(was) => was.status.is_ended() || event.status == EventStatus::Successful,
    }
}

/// Writes down who asked for the attempt that comes next, after so many.
fn ascribe(kv: &mut impl Kv, operation: OperationId, event: EventId, attempts: u16) {
    let number = attempts.saturating_add(1);
    let key = keys::bulk_attempt(AttemptId { event, number });
    kv.put(Table::Index, &key, &operation.key());
}
