//! Typed rows of issues: what partitions tally, and what the control group keeps.

use super::{
    codec, keys,
    kv::{KvError, Read, Table},
    tables::{TableError, decoded},
};
use crate::{
    ids::{ConnectionId, GroupId, IssueId, NotificationId, TransformationId},
    time::Timestamp,
    traffic::{Issue, IssueEntry, IssueKey, IssueType, Mark, Notification, Tally},
};

/// Rows read at a time.
const PAGE: usize = 1_000;

fn read<T: codec::Stored>(kv: &impl Read, key: &[u8]) -> Result<Option<T>, TableError> {
    match kv.get(Table::Index, key)? {
        None => Ok(None),
        Some(bytes) => Ok(Some(codec::decode_row(kv, Table::Index, &bytes)?)),
    }
}

/// Reads a partition's tally of a trouble.
///
/// # Errors
/// When the store can't be read or the row is damaged.
pub fn tally(kv: &impl Read, of: &IssueKey) -> Result<Option<Tally>, TableError> {
    read(kv, &keys::tally(of))
}

/// At most `limit` tallies that changed behind a mark, in the order of their changes.
///
/// # Errors
/// When the store can't be read or a row is damaged.
pub fn tallies_behind(
    kv: &impl Read,
    mark: Mark,
    limit: usize,
) -> Result<Vec<(Mark, IssueKey)>, TableError> {
    let (from, to) = keys::marks_behind(mark);
    let rows = kv.scan(Table::Index, &from, &to, limit)?;
    decoded(kv, Table::Index, &rows, keys::mark_of)
}

/// Reads when a connection last delivered something of this partition.
///
/// # Errors
/// When the store can't be read.
pub fn delivered_at(
    kv: &impl Read,
    connection: ConnectionId,
) -> Result<Option<Timestamp>, KvError> {
    let row = kv.get(Table::Index, &keys::delivered(connection))?;
    Ok(row.map(|value| Timestamp(keys::read_number(&value))))
}

/// Reads when a transformation last ran cleanly in this partition: it did not fail and logged nothing from `warn` on.
///
/// # Errors
/// When the store can't be read.
pub fn ran_well_at(
    kv: &impl Read,
    transformation: TransformationId,
) -> Result<Option<Timestamp>, KvError> {
    let row = kv.get(Table::Index, &keys::ran_well(transformation))?;
    Ok(row.map(|value| Timestamp(keys::read_number(&value))))
}

/// Up to where a partition's tallies were reported to the control group.
///
/// # Errors
/// When the store can't be read.
pub fn reported(kv: &impl Read, group: GroupId) -> Result<Mark, KvError> {
    let row = kv.get(Table::Index, &keys::reported(group))?;
    Ok(row
        .and_then(|value| Mark::from_key(&value))
        .unwrap_or_default())
}

/// # Errors
/// When the store can't be read or the row is damaged.
pub fn issue(kv: &impl Read, id: IssueId) -> Result<Option<Issue>, TableError> {
    read(kv, &keys::issue(id))
}

/// Finds an issue by what it is about.
///
/// # Errors
/// When the store can't be read or the row is damaged.
pub fn entry(kv: &impl Read, of: &IssueKey) -> Result<Option<IssueEntry>, TableError> {
    read(kv, &keys::issue_entry(of))
}

/// The issue about something.
///
/// # Errors
/// When the store can't be read or a row is damaged.
pub fn issue_about(kv: &impl Read, key: &IssueKey) -> Result<Option<(IssueId, Issue)>, TableError> {
    let Some(entry) = entry(kv, key)? else {
        return Ok(None);
    };
    Ok(issue(kv, entry.id)?.map(|issue| (entry.id, issue)))
}

/// Every issue of a type, without what is told of it.
///
/// # Errors
/// When the store can't be read or a row is damaged.
pub fn entries(kv: &impl Read, of: IssueType) -> Result<Vec<IssueEntry>, TableError> {
    let rows = all(kv, keys::issue_entries(of))?;
    let entries = rows
        .iter()
        .map(|(_, value)| Ok(codec::decode_row(kv, Table::Index, value)?));
    entries.collect()
}

/// Every issue, by id. There are no more than the configured bound.
///
/// # Errors
/// When the store can't be read or a row is damaged.
pub fn issues(kv: &impl Read) -> Result<Vec<(IssueId, Issue)>, TableError> {
    let rows = all(kv, keys::issues())?;
    decoded(kv, Table::Index, &rows, keys::issue_id)
}

/// At most `limit` notifications that wait, the oldest first.
///
/// # Errors
/// When the store can't be read or a row is damaged.
pub fn notifications(
    kv: &impl Read,
    limit: usize,
) -> Result<Vec<(NotificationId, Notification)>, TableError> {
    let (from, to) = keys::NOTIFICATIONS;
    let rows = kv.scan(Table::Index, &from, &to, limit)?;
    decoded(kv, Table::Index, &rows, keys::notification_id)
}

/// # Errors
/// When the store can't be read or the row is damaged.
pub fn notification(
    kv: &impl Read,
    id: NotificationId,
) -> Result<Option<Notification>, TableError> {
    read(kv, &keys::notification(id))
}

fn all(kv: &impl Read, (mut from, to): (Vec<u8>, Vec<u8>)) -> Result<Vec<super::kv::Row>, KvError> {
    let mut found = Vec::new();
    loop {
        let page = kv.scan(Table::Index, &from, &to, PAGE)?;
        let Some((last, _)) = page.last() else {
            return Ok(found);
        };
        from = [last, [0].as_slice()].concat();
        found.extend(page);
    }
}
