//! Rows of bulk operations and bookmarks.

use super::{TableError, decoded, read};
use crate::{
    ids::{AttemptId, BookmarkId, EventId, OperationId, RequestId},
    state::{
        codec::{self, Stored},
        keys,
        kv::{Kv, Read, Table},
    },
    traffic::{Bookmark, Event, Operation, OperationPart},
};
use bytes::Bytes;

/// Lets parts of open bulk operations keep an event as they found it. Called before it is changed for the first time.
pub(crate) fn keep_as_it_was(
    kv: &mut impl Kv,
    remembering: &[(OperationId, OperationPart)],
    id: EventId,
) -> Result<(), TableError> {
    for (operation, part) in remembering {
        if !part.wants(id.0) {
            continue;
        }
        let key = keys::as_it_was(*operation, id);
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
        Some(kept) => Found::Changed(Box::new(codec::decode_row(kv, Table::Index, &kept)?)),
    })
}

/// The partition's part of a bulk operation.
///
/// # Errors
/// When the store can't be read or the row is damaged.
pub fn part(kv: &impl Read, operation: OperationId) -> Result<Option<OperationPart>, TableError> {
    read(kv, Table::Index, &keys::part(operation))
}

/// The partition's parts of all bulk operations that it knows.
///
/// # Errors
/// When the store can't be read or a row is damaged.
pub fn parts(kv: &impl Read) -> Result<Vec<(OperationId, OperationPart)>, TableError> {
    of_operations(kv, keys::PARTS_ALL)
}

/// The parts that want events kept as they found them.
pub(crate) fn remembering(kv: &impl Read) -> Result<Vec<(OperationId, OperationPart)>, TableError> {
    let mut parts = parts(kv)?;
    parts.retain(|(_, part)| part.remembers && !part.report.ended);
    Ok(parts)
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
    decoded(kv, Table::Index, &rows, keys::operation_id)
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
    decoded(kv, Table::Index, &rows, keys::bookmark_id)
}
