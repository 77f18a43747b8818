//! The one place where an event's rows are written: the event, the row by which it waits and its place in the queue of its
//! key. Whatever ends an event, or makes it go, does so here, and so lets the next one of its key have its turn. Whatever
//! makes it wait does so here too, and so holds it while its connection is paused.

use super::{Context, Effect};
use crate::{
    ids::EventId,
    state::{
        codec,
        keys::Queue,
        kv::{Kv, Read, Table},
        tables::{self, TableError, Waiting},
    },
    time::Timestamp,
    traffic::{Event, EventStatus, Trigger, Turn},
};

/// Writes an event that changed, or is new, with all that follows from it. One whose connection is paused is on hold; one
/// that may not be due before its turn gives up its due time until then.
pub(super) fn put(
    kv: &mut impl Kv,
    context: &Context<'_>,
    id: EventId,
    was: Option<&Event>,
    mut event: Event,
    effects: &mut Vec<Effect>,
) -> Result<EventStatus, TableError> {
    debug_assert!(
        was.is_none_or(|was| was.status == event.status || was.status.may_become(event.status)),
        "{was:?} {event:?}"
    );
    if let Some(row) = was.and_then(|was| Waiting::of(id, was)) {
        row.delete(kv);
    }
    if was.is_none() {
        line_up(kv, context, id, &event, effects)?;
    }
    if is_held(kv, context, &event)? {
        event.status = EventStatus::Hold;
    } else if let (Some(wanted_at), Some(turn)) = (event.due_at, event.turn)
        && waits(kv, id, &event)?
    {
        event.due_at = None;
        event.status = EventStatus::Queued;
        event.turn = Some(Turn { wanted_at, ..turn });
    }
    write(kv, context, id, &event, effects)?;
    if event.status.is_ended() {
        leave(kv, context, id, &event, effects)?;
    }
    Ok(event.status)
}

/// Takes an event away that did not end: it becomes something else. Who stands behind it has its turn.
pub(super) fn remove(
    kv: &mut impl Kv,
    context: &Context<'_>,
    id: EventId,
    event: &Event,
    effects: &mut Vec<Effect>,
) -> Result<(), TableError> {
    if let Some(row) = Waiting::of(id, event) {
        row.delete(kv);
    }
    keep_as_it_was(kv, context, id, event)?;
    kv.delete(Table::Events, &id.key());
    leave(kv, context, id, event, effects)
}

/// Writes an event and the row by which it waits.
fn write(
    kv: &mut impl Kv,
    context: &Context<'_>,
    id: EventId,
    event: &Event,
    effects: &mut Vec<Effect>,
) -> Result<(), TableError> {
    match Waiting::of(id, event) {
        None => {}
        Some(Waiting::Held(row)) => kv.put(Table::Index, &row.key(), &[]),
        Some(Waiting::Due(row)) => {
            kv.put(Table::Due, &row.key(), &[]);
            super::wake(effects, event.destination_id, row.at);
        }
    }
    keep_as_it_was(kv, context, id, event)?;
    kv.put(Table::Events, &id.key(), &codec::encode(event));
    Ok(())
}

/// Lets open bulk operations keep what they found. What is as young as this entry nobody has found.
fn keep_as_it_was(
    kv: &mut impl Kv,
    context: &Context<'_>,
    id: EventId,
    event: &Event,
) -> Result<(), TableError> {
    if event.created_at < context.now {
        tables::keep_as_it_was(kv, &context.remembering, id)?;
    }
    Ok(())
}

/// Whether an event that wants an attempt is held back. Who retries one by hand wants it delivered, paused or not.
pub(super) fn is_held(
    kv: &impl Read,
    context: &Context<'_>,
    event: &Event,
) -> Result<bool, TableError> {
    if !context.any_paused || event.due_at.is_none() || event.next_trigger == Trigger::Manual {
        return Ok(false);
    }
    let paused = tables::paused(kv, event.connection_id)?;
    Ok(paused.is_some_and(|paused| paused.holds()))
}

fn queue_of(event: &Event) -> Option<(Queue, Turn)> {
    Some((Queue::of(event)?, event.turn?))
}

/// Puts a new event at the end of its queue, which may be the front.
fn line_up(
    kv: &mut impl Kv,
    context: &Context<'_>,
    id: EventId,
    event: &Event,
    effects: &mut Vec<Effect>,
) -> Result<(), TableError> {
    let Some((queue, turn)) = queue_of(event) else {
        return Ok(());
    };
    if let Some(front) = tables::turn(kv, queue)?
        && kv.get(Table::Events, &front.key())?.is_none()
    {
        // It went without ending, which nothing should do: it must not hold up those behind it.
        kv.delete(Table::Index, &queue.turn());
        next_turn(kv, context, queue, queue.all(), effects)?;
    }
    let row = match tables::turn(kv, queue)? {
        Some(_) => queue.waiting(&turn).to_vec(),
        None => queue.turn().to_vec(),
    };
    kv.put(Table::Index, &row, &id.key());
    Ok(())
}

/// Whether an event stands in its queue behind another. One that ended and was reopened by hand stands in none.
fn waits(kv: &impl Read, id: EventId, event: &Event) -> Result<bool, TableError> {
    let Some((queue, turn)) = queue_of(event) else {
        return Ok(false);
    };
    let row = kv.get(Table::Index, &queue.waiting(&turn))?;
    Ok(row.is_some_and(|row| EventId::from_key(&row) == Some(id)))
}

/// Ends an event's place in its queue. If it was its turn, the next one has it.
fn leave(
    kv: &mut impl Kv,
    context: &Context<'_>,
    id: EventId,
    event: &Event,
    effects: &mut Vec<Effect>,
) -> Result<(), TableError> {
    let Some((queue, turn)) = queue_of(event) else {
        return Ok(());
    };
    if tables::turn(kv, queue)? != Some(id) {
        if waits(kv, id, event)? {
            kv.delete(Table::Index, &queue.waiting(&turn));
        }
        return Ok(());
    }
    kv.delete(Table::Index, &queue.turn());
    // Behind its own place: what stood before it has left tombstones, and a look at them would cost more each time.
    next_turn(kv, context, queue, queue.behind(&turn), effects)
}

/// Gives the turn to the first that waits within these keys.
fn next_turn(
    kv: &mut impl Kv,
    context: &Context<'_>,
    queue: Queue,
    (mut from, to): (Vec<u8>, Vec<u8>),
    effects: &mut Vec<Effect>,
) -> Result<(), TableError> {
    while let Some((key, id)) = kv.scan(Table::Index, &from, &to, 1)?.pop() {
        kv.delete(Table::Index, &key);
        if let Some(id) = EventId::from_key(&id)
            && let Some(event) = tables::event(kv, id)?
        {
            kv.put(Table::Index, &queue.turn(), &id.key());
            return have_turn(kv, context, id, event, effects);
        }
        from = key.to_vec();
    }
    Ok(())
}

fn have_turn(
    kv: &mut impl Kv,
    context: &Context<'_>,
    id: EventId,
    mut event: Event,
    effects: &mut Vec<Effect>,
) -> Result<(), TableError> {
    // On hold it wants nothing yet; it keeps its turn.
    if let (EventStatus::Queued | EventStatus::Scheduled, None, Some(turn)) =
        (event.status, event.due_at, event.turn)
    {
        let due_at = turn.wanted_at.max(context.now);
        event.due_at = Some(due_at);
        event.status = match is_held(kv, context, &event)? {
            true => EventStatus::Hold,
            false => waiting_status(due_at, context.now),
        };
        event.updated_at = context.now;
        write(kv, context, id, &event, effects)?;
    }
    Ok(())
}

/// The status of an event that waits for its due time: scheduled while that is ahead, queued from then on.
pub(super) fn waiting_status(due_at: Timestamp, now: Timestamp) -> EventStatus {
    if due_at > now {
        EventStatus::Scheduled
    } else {
        EventStatus::Queued
    }
}
