//! Keys of issues, of the tallies that they are made of, and of what is told of them.

use super::under;
use crate::{
    ids::{ConnectionId, GroupId, IssueId, NotificationId, TransformationId},
    time::Timestamp,
    traffic::{IssueKey, IssueType, Mark},
};

const INDEX_TALLY: u8 = 10;
const INDEX_ISSUE: u8 = 11;
const INDEX_NOTIFICATION: u8 = 12;

/// A partition's tally of a trouble.
#[must_use]
pub fn tally(of: &IssueKey) -> Vec<u8> {
    [&[INDEX_TALLY, 1], of.bytes().as_slice()].concat()
}

/// A connection's tallies: `[from, to)`.
#[must_use]
pub fn tallies_of(connection: ConnectionId) -> (Vec<u8>, Vec<u8>) {
    let from = [
        &[INDEX_TALLY, 1, IssueType::Delivery as u8],
        connection.key().as_slice(),
    ]
    .concat();
    // What follows the connection begins with 0 or 1.
    let to = [from.as_slice(), &[u8::MAX]].concat();
    (from, to)
}

/// The key of a tally's last change, in the order of changes.
#[must_use]
pub fn tally_mark(mark: Mark) -> [u8; 2 + Mark::LEN] {
    let mut key = [0; 2 + Mark::LEN];
    key[..2].copy_from_slice(&[INDEX_TALLY, 2]);
    key[2..].copy_from_slice(&mark.key());
    key
}

/// The mark of a key that [`tally_mark`] made.
#[must_use]
pub fn mark_of(key: &[u8]) -> Option<Mark> {
    Mark::from_key(key.get(2..)?)
}

/// Changes of tallies behind a mark: `[from, to)`.
#[must_use]
pub fn marks_behind(mark: Mark) -> (Vec<u8>, Vec<u8>) {
    let from = [tally_mark(mark).as_slice(), &[0]].concat();
    (from, vec![INDEX_TALLY, 3])
}

/// The key of the time at which a connection last delivered.
#[must_use]
pub fn delivered(connection: ConnectionId) -> [u8; 18] {
    let mut key = [0; 18];
    key[..2].copy_from_slice(&[INDEX_TALLY, 3]);
    key[2..].copy_from_slice(&connection.key());
    key
}

/// The key range of the times at which connections last delivered: `[from, to)`.
#[must_use]
pub fn delivered_all() -> (Vec<u8>, Vec<u8>) {
    under(&[INDEX_TALLY, 3])
}

/// The key of the time at which a transformation last ran cleanly, without failure or warning.
#[must_use]
pub fn ran_well(transformation: TransformationId) -> [u8; 18] {
    let mut key = [0; 18];
    key[..2].copy_from_slice(&[INDEX_TALLY, 4]);
    key[2..].copy_from_slice(&transformation.key());
    key
}

/// The key range of the times at which transformations last ran cleanly: `[from, to)`.
#[must_use]
pub fn ran_well_all() -> (Vec<u8>, Vec<u8>) {
    under(&[INDEX_TALLY, 4])
}

#[must_use]
pub fn issue(id: IssueId) -> [u8; 18] {
    let mut key = [0; 18];
    key[..2].copy_from_slice(&[INDEX_ISSUE, 1]);
    key[2..].copy_from_slice(&id.key());
    key
}

/// The id of a key that [`issue`] made.
#[must_use]
pub fn issue_id(key: &[u8]) -> Option<IssueId> {
    IssueId::from_key(key.get(2..)?)
}

/// All issues, by id: `[from, to)`.
#[must_use]
pub fn issues() -> (Vec<u8>, Vec<u8>) {
    under(&[INDEX_ISSUE, 1])
}

/// The key of an issue's entry, by which the issue is found.
#[must_use]
pub fn issue_entry(of: &IssueKey) -> Vec<u8> {
    [&[INDEX_ISSUE, 2], of.bytes().as_slice()].concat()
}

/// The entries of a type: `[from, to)`.
#[must_use]
pub fn issue_entries(of: IssueType) -> (Vec<u8>, Vec<u8>) {
    under(&[INDEX_ISSUE, 2, of as u8])
}

/// An issue that may make room.
#[must_use]
pub fn settled_issue(at: Timestamp, id: IssueId) -> [u8; 26] {
    let mut key = [0; 26];
    key[..2].copy_from_slice(&[INDEX_ISSUE, 3]);
    key[2..10].copy_from_slice(&at.0.to_be_bytes());
    key[10..].copy_from_slice(&id.key());
    key
}

/// The id of a key that [`settled_issue`] made.
#[must_use]
pub fn settled_id(key: &[u8]) -> Option<IssueId> {
    IssueId::from_key(key.get(10..)?)
}

/// Issues that may make room, the longest settled first: `[from, to)`.
#[must_use]
pub fn settled_issues() -> (Vec<u8>, Vec<u8>) {
    under(&[INDEX_ISSUE, 3])
}

/// Up to where a partition's tallies were reported.
#[must_use]
pub fn reported(group: GroupId) -> [u8; 4] {
    let [high, low] = group.0.to_be_bytes();
    [INDEX_ISSUE, 4, high, low]
}

/// The key of the number of issues of a type that may not make room; without a type: of all issues.
#[must_use]
pub fn issue_count(of: Option<IssueType>) -> [u8; 3] {
    [INDEX_ISSUE, 5, of.map_or(0, |of| of as u8)]
}

/// The key of the number of notifications that wait.
pub const NOTIFICATION_COUNT: [u8; 2] = [INDEX_ISSUE, 6];

#[must_use]
pub fn notification(id: NotificationId) -> [u8; 17] {
    let mut key = [0; 17];
    key[0] = INDEX_NOTIFICATION;
    key[1..].copy_from_slice(&id.key());
    key
}

/// The id of a key that [`notification`] made.
#[must_use]
pub fn notification_id(key: &[u8]) -> Option<NotificationId> {
    NotificationId::from_key(key.get(1..)?)
}

/// All notifications, the oldest first: `[from, to)`.
pub const NOTIFICATIONS: ([u8; 1], [u8; 1]) = ([INDEX_NOTIFICATION], [INDEX_NOTIFICATION + 1]);
