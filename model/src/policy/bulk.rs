//! The next page of a bulk operation in one partition: what belongs to the operation, as it was when the operation began.

use crate::{
    ids::{EventId, GroupId, OperationId, RequestId},
    state::{
        codec, keys,
        kv::{Read, Row, Table},
        tables::{self, Found, TableError},
    },
    traffic::{Event, Ignored, Operation, OperationPart, PartReport, StoredRequest},
};

/// Rows read at a time.
const CHUNK: usize = 256;

/// The next step of a partition's leader in a bulk operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    Open,
    Work(OperationPart),
    /// The operation was cancelled.
    Close,
    /// Nothing is left but to say so.
    Report(PartReport),
    /// Everything is done and said.
    Nothing,
}

/// Decides from what the control group has and what the partition has. The control group must have been read after the
/// partition, or lag behind nobody: an operation that has ended and was forgotten may not be opened again.
#[must_use]
pub fn step(operation: &Operation, group: GroupId, part: Option<OperationPart>) -> Step {
    let place = usize::from(group.0).checked_sub(1);
    let told = place.and_then(|place| operation.parts.get(place));
    if told.is_none_or(|told| told.ended) {
        return Step::Nothing;
    }
    match part {
        Some(part) if part.report.ended => Step::Report(part.report),
        Some(_) if operation.cancelled_at.is_some() => Step::Close,
        Some(part) => Step::Work(part),
        None if operation.cancelled_at.is_some() => Step::Report(PartReport {
            ended: true,
            ..PartReport::default()
        }),
        None => Step::Open,
    }
}

/// The bounds of one page of a bulk operation: how much it may hold and cost.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Rows that are looked at.
    pub rows: usize,
    /// What is found.
    pub found: usize,
}

/// A page of a bulk operation's query: the matches from a part's next id on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page<T> {
    pub found: Vec<T>,
    /// The first id that was not looked at.
    pub next: u128,
    /// Nothing is behind it.
    pub last: bool,
    /// Rows that were looked at.
    pub rows: usize,
}

/// Events that `keep` takes as they were when the part was opened.
///
/// # Errors
/// When the store can't be read or a row is damaged, and what `keep` fails with.
pub fn events<E: From<TableError>>(
    kv: &impl Read,
    operation: OperationId,
    part: &OperationPart,
    bounds: Bounds,
    mut keep: impl FnMut(EventId, &Event) -> Result<bool, E>,
) -> Result<Page<EventId>, E> {
    let key = |id: u128| id.to_be_bytes().to_vec();
    let range = (key(part.next), key(part.to));
    look(kv, Table::Events, range, part, bounds, |(row, value)| {
        let Some(id) = EventId::from_key(row) else {
            return Ok(None);
        };
        let event: Event = codec::decode_row(kv, Table::Events, value).map_err(TableError::from)?;
        if event.created_at > part.opened_at {
            return Ok(None);
        }
        // What has not changed since is as it was. What has was kept by the very commit that changed it.
        let event = match event.updated_at > part.opened_at {
            false => event,
            true => match tables::as_it_was(kv, operation, id)? {
                Found::Unchanged => event,
                Found::Changed(was) => *was,
                Found::Nothing => return Ok(None),
            },
        };
        Ok(keep(id, &event)?.then_some(id))
    })
}

/// Requests that `keep` takes, of those that were there when the part was opened.
///
/// # Errors
/// When the store can't be read or a row is damaged, and what `keep` fails with.
pub fn requests<E: From<TableError>>(
    kv: &impl Read,
    part: &OperationPart,
    bounds: Bounds,
    mut keep: impl FnMut(RequestId, &StoredRequest) -> Result<bool, E>,
) -> Result<Page<(RequestId, StoredRequest)>, E> {
    let key = |id: u128| id.to_be_bytes().to_vec();
    let range = (key(part.next), key(part.to));
    look(kv, Table::Requests, range, part, bounds, |(row, value)| {
        let Some(id) = RequestId::from_key(row) else {
            return Ok(None);
        };
        let request: StoredRequest =
            codec::decode_row(kv, Table::Requests, value).map_err(TableError::from)?;
        let belongs = request.ingested_at <= part.opened_at && keep(id, &request)?;
        Ok(belongs.then_some((id, request)))
    })
}

/// Ignored events that `keep` takes, of those that were there when the part was opened.
///
/// # Errors
/// When the store can't be read or a row is damaged, and what `keep` fails with.
pub fn ignored<E: From<TableError>>(
    kv: &impl Read,
    part: &OperationPart,
    bounds: Bounds,
    mut keep: impl FnMut(EventId, &Ignored) -> Result<bool, E>,
) -> Result<Page<(EventId, Ignored)>, E> {
    let key = |id: u128| keys::ignored(EventId(id)).to_vec();
    let range = (key(part.next), key(part.to));
    look(kv, Table::Index, range, part, bounds, |(row, value)| {
        let Some(id) = keys::ignored_event(row) else {
            return Ok(None);
        };
        let ignored: Ignored =
            codec::decode_row(kv, Table::Index, value).map_err(TableError::from)?;
        let belongs = ignored.created_at <= part.opened_at && keep(id, &ignored)?;
        Ok(belongs.then_some((id, ignored)))
    })
}

fn look<T, E: From<TableError>>(
    kv: &impl Read,
    table: Table,
    (mut from, to): (Vec<u8>, Vec<u8>),
    part: &OperationPart,
    bounds: Bounds,
    mut read: impl FnMut(&Row) -> Result<Option<T>, E>,
) -> Result<Page<T>, E> {
    let mut page = Page {
        found: Vec::new(),
        next: part.next,
        last: false,
        rows: 0,
    };
    while page.rows < bounds.rows && page.found.len() < bounds.found {
        let wanted = CHUNK.min(bounds.rows - page.rows).min(bounds.found);
        let rows = kv
            .scan(table, &from, &to, wanted)
            .map_err(TableError::from)?;
        for row in &rows {
            page.found.extend(read(row)?);
            page.rows += 1;
            page.next = id_of(&row.0).saturating_add(1);
            if page.found.len() == bounds.found {
                return Ok(page);
            }
        }
        if let Some((last, _)) = rows.last() {
            from = [last, [0].as_slice()].concat();
        }
        if rows.len() < wanted {
            page.next = part.to;
            page.last = true;
            break;
        }
    }
    Ok(page)
}

/// The id that a key ends with.
fn id_of(key: &[u8]) -> u128 {
    let id = key.last_chunk::<16>();
    id.map_or(0, |id| u128::from_be_bytes(*id))
}
