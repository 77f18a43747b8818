//! Keys of bulk operations and bookmarks.

use crate::ids::{AttemptId, BookmarkId, EventId, OperationId};

const INDEX_REPLAY: u8 = 9;
const REPLAY_OPERATION: u8 = 1;
const REPLAY_PART: u8 = 2;
const REPLAY_AS_IT_WAS: u8 = 3;
const REPLAY_ATTEMPT: u8 = 4;
const REPLAY_BOOKMARK: u8 = 5;
const REPLAY_BODY: u8 = 6;

fn replay(tag: u8, id: [u8; 16]) -> [u8; 18] {
    let mut key = [0; 18];
    key[..2].copy_from_slice(&[INDEX_REPLAY, tag]);
    key[2..].copy_from_slice(&id);
    key
}

/// The key of a bulk operation, in the control group.
#[must_use]
pub fn operation(id: OperationId) -> [u8; 18] {
    replay(REPLAY_OPERATION, id.key())
}

/// All bulk operations: `[from, to)`.
pub const OPERATIONS_ALL: ([u8; 2], [u8; 2]) = (
    [INDEX_REPLAY, REPLAY_OPERATION],
    [INDEX_REPLAY, REPLAY_OPERATION + 1],
);

/// The id of a key that [`operation`] or [`part`] made.
#[must_use]
pub fn operation_id(key: &[u8]) -> Option<OperationId> {
    OperationId::from_key(key.get(2..)?)
}

/// The key of a partition's part of a bulk operation: how far it has come.
#[must_use]
pub fn part(id: OperationId) -> [u8; 18] {
    replay(REPLAY_PART, id.key())
}

/// All parts: `[from, to)`.
pub const PARTS_ALL: ([u8; 2], [u8; 2]) =
    ([INDEX_REPLAY, REPLAY_PART], [INDEX_REPLAY, REPLAY_PART + 1]);

/// The key of an event's snapshot, as a bulk operation found it.
#[must_use]
pub fn as_it_was(id: OperationId, event: EventId) -> [u8; 34] {
    let mut key = [0; 34];
    key[..18].copy_from_slice(&replay(REPLAY_AS_IT_WAS, id.key()));
    key[18..].copy_from_slice(&event.key());
    key
}

/// The key of the bulk operation that asked for an attempt.
#[must_use]
pub fn bulk_attempt(attempt: AttemptId) -> [u8; 20] {
    let mut key = [0; 20];
    key[..2].copy_from_slice(&[INDEX_REPLAY, REPLAY_ATTEMPT]);
    key[2..].copy_from_slice(&attempt.key());
    key
}

#[must_use]
pub fn bookmark(id: BookmarkId) -> [u8; 18] {
    replay(REPLAY_BOOKMARK, id.key())
}

/// The id of a key that [`bookmark`] made.
#[must_use]
pub fn bookmark_id(key: &[u8]) -> Option<BookmarkId> {
    BookmarkId::from_key(key.get(2..)?)
}

/// All bookmarks: `[from, to)`.
pub const BOOKMARKS_ALL: ([u8; 2], [u8; 2]) = (
    [INDEX_REPLAY, REPLAY_BOOKMARK],
    [INDEX_REPLAY, REPLAY_BOOKMARK + 1],
);

/// The key of the body of a bookmark's request.
#[must_use]
pub fn bookmark_body(id: BookmarkId) -> [u8; 18] {
    replay(REPLAY_BODY, id.key())
}
