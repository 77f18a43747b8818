//! Typed rows over the waist.

use super::{
    codec::{self, CodecError, Stored},
    keys::{self, Due, DueClass, Held},
    kv::{Kv, KvError, Read, Table},
};
use crate::{
    ids::{AttemptId, BookmarkId, ConnectionId, DestinationId, EventId, OperationId, RequestId},
    time::Timestamp,
    traffic::{
        Attempt, Bookmark, Event, EventStatus, Ignored, Operation, Part, Paused, StoredRequest,
    },
};
use bytes::Bytes;

/// A row could not be read, or is damaged. Nothing may be decided from it.
#[derive(Debug, thiserror::Error)]
pub enum TableError {
    #[error("reading the state")]
    Store(#[from] KvError),
    #[error("reading the state")]
    Codec(#[from] CodecError),
}

fn read<T: Stored>(kv: &impl Read, table: Table, key: &[u8]) -> Result<Option<T>, TableError> {
    match kv.get(table, key)? {
        None => Ok(None),
        Some(bytes) => Ok(Some(codec::decode(&bytes)?)),
    }
}

/// # Errors
/// When the store can't be read or the row is damaged.
pub fn request(kv: &impl Read, id: RequestId) -> Result<Option<StoredRequest>, TableError> {
    read(kv, Table::Requests, &id.key())
}

/// # Errors
/// When the store can't be read or the row is damaged.
pub fn event(kv: &impl Read, id: EventId) -> Result<Option<Event>, TableError> {
    read(kv, Table::Events, &id.key())
}

/// # Errors
/// When the store can't be read or the row is damaged.
pub fn attempt(kv: &impl Read, id: AttemptId) -> Result<Option<Attempt>, TableError> {
    read(kv, Table::Attempts, &id.key())
}

/// The events of a request, by ordinal.
///
/// # Errors
/// When the store can't be read or a row is damaged.
pub fn events_of(kv: &impl Read, id: RequestId) -> Result<Vec<(EventId, Event)>, TableError> {
    let rows = kv.scan(
        Table::Events,
        &id.event(0).key(),
        &id.event(u16::MAX).key(),
        usize::from(u16::MAX),
    )?;
    rows.iter()
        .filter_map(|(key, value)| Some((EventId::from_key(key)?, value)))
        .map(|(id, value)| Ok((id, codec::decode(value)?)))
        .collect()
}

/// The connections that did not route a request, by ordinal.
///
/// # Errors
/// When the store can't be read or a row is damaged.
pub fn ignored_of(kv: &impl Read, id: RequestId) -> Result<Vec<(EventId, Ignored)>, TableError> {
    let rows = kv.scan(
        Table::Index,
        &keys::ignored(id.event(0)),
        &keys::ignored(id.event(u16::MAX)),
        usize::from(u16::MAX),
    )?;
    rows.iter()
        .filter_map(|(key, value)| Some((keys::ignored_event(key)?, value)))
        .map(|(id, value)| Ok((id, codec::decode(value)?)))
        .collect()
}

/// An event's attempts, by number.
///
/// # Errors
/// When the store can't be read or a row is damaged.
pub fn attempts_of(
    kv: &impl Read,
    event: EventId,
) -> Result<Vec<(AttemptId, Attempt)>, TableError> {
    let at = |number| AttemptId { event, number }.key();
    let rows = kv.scan(
        Table::Attempts,
        &at(0),
        &at(u16::MAX),
        usize::from(u16::MAX),
    )?;
    rows.iter()
        .filter_map(|(key, value)| Some((AttemptId::from_key(key)?, value)))
        .map(|(id, value)| Ok((id, codec::decode(value)?)))
        .collect()
}

/// One queue of a destination from a moment on: at most `limit` events that are due by `until`, the longest due first,
/// and when the first one after those is due.
///
/// # Errors
/// When the store can't be read.
pub fn queue(
    kv: &impl Read,
    destination: DestinationId,
    class: DueClass,
    (from, until): (Timestamp, Timestamp),
    limit: usize,
) -> Result<(Vec<Due>, Option<Timestamp>), KvError> {
    let (from, to) = Due::queue(destination, class, from);
    // One row more than wanted, due or not: a look of its own for the next one would cost as much again.
    let rows = kv.scan(Table::Due, &from, &to, limit.saturating_add(1))?;
    let mut due: Vec<Due> = rows
        .iter()
        .filter_map(|(key, _)| Due::from_key(key))
        .collect();
    let wanted = due.partition_point(|due| due.at <= until).min(limit);
    let next = due.get(wanted).map(|due| due.at);
    due.truncate(wanted);
    Ok((due, next))
}

/// When one destination's next event is due, of either queue.
///
/// # Errors
/// When the store can't be read.
pub fn next_due_of(
    kv: &impl Read,
    destination: DestinationId,
) -> Result<Option<Timestamp>, KvError> {
    let first = |class| queue(kv, destination, class, (Timestamp(0), Timestamp(0)), 0);
    let (fresh, retry) = (first(DueClass::Fresh)?.1, first(DueClass::Retry)?.1);
    Ok(fresh.into_iter().chain(retry).min())
}

/// Each destination that has due rows, with its nearest due time. Costs three look-ups a destination, however long the queues.
///
/// # Errors
/// When the store can't be read.
pub fn destinations_due(kv: &impl Read) -> Result<Vec<(DestinationId, Timestamp)>, KvError> {
    let mut found = Vec::new();
    let mut from = DestinationId(0).key().to_vec();
    loop {
        let rows = kv.scan(Table::Due, &from, &[u8::MAX; Due::LEN], 1)?;
        let Some(first) = rows.first().and_then(|(key, _)| Due::from_key(key)) else {
            return Ok(found);
        };
        if let Some(at) = next_due_of(kv, first.destination)? {
            found.push((first.destination, at));
        }
        from = first.destination.key().to_vec();
        from.push(u8::MAX);
    }
}

/// Writes an event of a request that is new itself: no operation can have found it.
pub(crate) fn insert_event(kv: &mut impl Kv, id: EventId, event: &Event) {
    kv.put(Table::Events, &id.key(), &codec::encode(event));
}

/// Writes an event that was there before, or whose request was. Open bulk operations keep what they found.
pub(crate) fn put_event(kv: &mut impl Kv, id: EventId, event: &Event) -> Result<(), TableError> {
    if keys::read_u64(kv, keys::META_OPERATIONS)? > 0 {
        keep_as_it_was(kv, id)?;
    }
    kv.put(Table::Events, &id.key(), &codec::encode(event));
    Ok(())
}

fn keep_as_it_was(kv: &mut impl Kv, id: EventId) -> Result<(), TableError> {
    for (operation, part) in parts(kv)? {
        if !part.wants(id.0) {
            continue;
        }
        let key = keys::as_it_was(operation, id);
        // The first change counts: what came after it nobody has found.
        if kv.get(Table::Index, &key)?.is_none() {
            let was = kv.get(Table::Events, &id.key())?.unwrap_or_default();
            kv.put(Table::Index, &key, &was);
        }
    }
    Ok(())
}

/// An event as a bulk operation found it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// Its row says so: it has not changed since.
    Unchanged,
    Changed(Box<Event>),
    /// It came later.
    Nothing,
}

/// # Errors
/// When the store can't be read or the row is damaged.
pub fn as_it_was(
    kv: &impl Read,
    operation: OperationId,
    event: EventId,
) -> Result<Found, TableError> {
    let kept = kv.get(Table::Index, &keys::as_it_was(operation, event))?;
    Ok(match kept {
        None => Found::Unchanged,
        Some(kept) if kept.is_empty() => Found::Nothing,
        Some(kept) => Found::Changed(Box::new(codec::decode(&kept)?)),
    })
}

/// The partition's part of a bulk operation.
///
/// # Errors
/// When the store can't be read or the row is damaged.
pub fn part(kv: &impl Read, operation: OperationId) -> Result<Option<Part>, TableError> {
    read(kv, Table::Index, &keys::part(operation))
}

/// The partition's parts of all bulk operations that it knows.
///
/// # Errors
/// When the store can't be read or a row is damaged.
pub fn parts(kv: &impl Read) -> Result<Vec<(OperationId, Part)>, TableError> {
    of_operations(kv, keys::PARTS_ALL)
}

/// A bulk operation, as the control group keeps it.
///
/// # Errors
/// When the store can't be read or the row is damaged.
pub fn operation(kv: &impl Read, id: OperationId) -> Result<Option<Operation>, TableError> {
    read(kv, Table::Index, &keys::operation(id))
}

/// All bulk operations, the oldest first.
///
/// # Errors
/// When the store can't be read or a row is damaged.
pub fn operations(kv: &impl Read) -> Result<Vec<(OperationId, Operation)>, TableError> {
    of_operations(kv, keys::OPERATIONS_ALL)
}

fn of_operations<T: Stored>(
    kv: &impl Read,
    (from, to): ([u8; 2], [u8; 2]),
) -> Result<Vec<(OperationId, T)>, TableError> {
    // Their number is bounded where they begin.
    let rows = kv.scan(Table::Index, &from, &to, usize::MAX)?;
    rows.iter()
        .filter_map(|(key, value)| Some((keys::operation_id(key)?, value)))
        .map(|(id, value)| Ok((id, codec::decode(value)?)))
        .collect()
}

/// The bulk operation that asked for an attempt.
///
/// # Errors
/// When the store can't be read.
pub fn operation_of(kv: &impl Read, attempt: AttemptId) -> Result<Option<OperationId>, TableError> {
    let row = kv.get(Table::Index, &keys::bulk_attempt(attempt))?;
    Ok(row.and_then(|id| OperationId::from_key(&id)))
}

/// Whether a bulk operation asked for an attempt of this event.
///
/// # Errors
/// When the store can't be read.
pub fn is_of_operation(
    kv: &impl Read,
    event: EventId,
    operations: &[OperationId],
) -> Result<bool, TableError> {
    has_asked(kv, event, event, operations)
}

/// Whether a bulk operation asked for an attempt of any event of this request.
///
/// # Errors
/// When the store can't be read.
pub fn has_event_of_operation(
    kv: &impl Read,
    request: RequestId,
    operations: &[OperationId],
) -> Result<bool, TableError> {
    has_asked(kv, request.event(0), request.event(u16::MAX), operations)
}

fn has_asked(
    kv: &impl Read,
    first: EventId,
    last: EventId,
    operations: &[OperationId],
) -> Result<bool, TableError> {
    let at = |event, number| keys::bulk_attempt(AttemptId { event, number });
    let (from, to) = (at(first, 0), at(last, u16::MAX));
    let rows = kv.scan(Table::Index, &from, &to, usize::MAX)?;
    let mut asked = rows.iter().filter_map(|(_, id)| OperationId::from_key(id));
    Ok(asked.any(|id| operations.contains(&id)))
}

/// # Errors
/// When the store can't be read or the row is damaged.
pub fn bookmark(kv: &impl Read, id: BookmarkId) -> Result<Option<Bookmark>, TableError> {
    read(kv, Table::Index, &keys::bookmark(id))
}

/// The body of a bookmark's request.
///
/// # Errors
/// When the store can't be read.
pub fn bookmark_body(kv: &impl Read, id: BookmarkId) -> Result<Option<Bytes>, TableError> {
    Ok(kv.get(Table::Index, &keys::bookmark_body(id))?)
}

/// All bookmarks, the oldest first, without their bodies.
///
/// # Errors
/// When the store can't be read or a row is damaged.
pub fn bookmarks(kv: &impl Read) -> Result<Vec<(BookmarkId, Bookmark)>, TableError> {
    let (from, to) = keys::BOOKMARKS_ALL;
    let rows = kv.scan(Table::Index, &from, &to, usize::MAX)?;
    rows.iter()
        .filter_map(|(key, value)| Some((keys::bookmark_id(key)?, value)))
        .map(|(id, value)| Ok((id, codec::decode(value)?)))
        .collect()
}

/// Where an event waits.
enum Waiting {
    Due(Due),
    Held(Held),
}

fn waiting(id: EventId, event: &Event) -> Option<Waiting> {
    let at = event.due_at?;
    Some(if event.status == EventStatus::Hold {
        Waiting::Held(Held {
            connection: event.connection_id,
            due_at: at,
            event: id,
        })
    } else {
        Waiting::Due(Due {
            destination: event.destination_id,
            class: DueClass::of(event.next_trigger),
            at,
            event: id,
        })
    })
}

/// Writes the row that an event waits by, due or held; none when it does not wait.
pub(crate) fn enqueue(kv: &mut impl Kv, id: EventId, event: &Event) {
    match waiting(id, event) {
        None => {}
        Some(Waiting::Due(row)) => kv.put(Table::Due, &row.key(), &[]),
        Some(Waiting::Held(row)) => kv.put(Table::Index, &row.key(), &[]),
    }
}

/// Deletes the row that an event waits by. Called with the event as it was, before it is changed.
pub(crate) fn dequeue(kv: &mut impl Kv, id: EventId, event: &Event) {
    match waiting(id, event) {
        None => {}
        Some(Waiting::Due(row)) => kv.delete(Table::Due, &row.key()),
        Some(Waiting::Held(row)) => kv.delete(Table::Index, &row.key()),
    }
}

/// The pause of a connection here; none when it is not paused and nothing of it is held.
///
/// # Errors
/// When the store can't be read or the row is damaged.
pub fn paused(kv: &impl Read, connection: ConnectionId) -> Result<Option<Paused>, TableError> {
    read(kv, Table::Index, &keys::paused(connection))
}

/// Every connection that is paused here or still releases.
///
/// # Errors
/// When the store can't be read or a row is damaged.
pub fn pauses(kv: &impl Read) -> Result<Vec<(ConnectionId, Paused)>, TableError> {
    let (from, to) = keys::PAUSED_ALL;
    let rows = kv.scan(Table::Index, &from, &to, usize::MAX)?;
    rows.iter()
        .filter_map(|(key, value)| Some((keys::paused_connection(key)?, value)))
        .map(|(id, value)| Ok((id, codec::decode(value)?)))
        .collect()
}
