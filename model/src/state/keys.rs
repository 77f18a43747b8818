//! Every key of the replicated state. On disk: append only, a retired key stays reserved.
//!
//! | table | key | value |
//! |---|---|---|
//! | Meta | name | u64 big-endian |
//! | Meta | "retired:", node u64 | u64 big-endian: 1, the node was removed |
//! | Catalog | kind 1, id 16 | `Item` (JSON) |
//! | Requests | request 16 | `StoredRequest` |
//! | Events | event 16 | `Event` |
//! | Attempts | event 16, number u16 | `Attempt` |
//! | Due | destination 16, class 1, due ms u64, event 16 | empty |
//! | Index | 1, source 16, request 16 | empty: a rejected request |
//! | Index | 2, event 16 | `Ignored` |
//! | Index | 8, 1, connection 16 | `Paused`: the connection is paused here, or its held events are on their way out |
//! | Index | 8, 2, connection 16, due ms u64, event 16 | empty: a held event |
//! | Index | 9, 1, operation 16 | `Operation`: a bulk operation (control group) |
//! | Index | 9, 2, operation 16 | `Part`: how far the partition has come with it |
//! | Index | 9, 3, operation 16, event 16 | `Event` as the operation found it, since it has changed; empty: it was not there |
//! | Index | 9, 4, event 16, number u16 | operation 16: the bulk operation that asked for this attempt |
//! | Index | 9, 5, bookmark 16 | `Bookmark` (control group) |
//! | Index | 9, 6, bookmark 16 | the body of its request (control group) |
//! | Counts | 1, source 16 | u64 big-endian: rejected requests kept |
//! | Counts | 2, hour u32 | u64 big-endian: log index of the last accepted request minted in that hour |

use super::kv::{Kv, KvError, Read, Table};
use crate::{
    ids::{
        AttemptId, BookmarkId, ConnectionId, DestinationId, EventId, OperationId, RequestId,
        SourceId,
    },
    time::Timestamp,
    traffic::Trigger,
};

/// The latest time that any applied command carried.
pub const META_NOW: &[u8] = b"now";
/// How often the catalog changed.
pub const META_CATALOG_VERSION: &[u8] = b"catalog_version";
/// Everything minted before this time is gone.
pub const META_RETAINED_FROM: &[u8] = b"retained_from";
/// The log index at which an ended event was last reopened.
pub const META_REOPENED_AT: &[u8] = b"reopened_at";
/// How many connections are paused here. Zero spares every look for one.
pub const META_PAUSED: &[u8] = b"paused";
/// The catalog's version that the last change of pauses was decided from.
pub const META_PAUSED_VERSION: &[u8] = b"paused_version";
/// How many open bulk operations want events kept as they found them. Zero spares every look for one.
pub const META_OPERATIONS: &[u8] = b"operations";
/// How many bookmarks there are.
pub const META_BOOKMARKS: &[u8] = b"bookmarks";

const INDEX_REJECTED: u8 = 1;
const INDEX_IGNORED: u8 = 2;
const INDEX_PAUSE: u8 = 8;
const PAUSE_MARK: u8 = 1;
const PAUSE_HELD: u8 = 2;
const INDEX_REPLAY: u8 = 9;
const REPLAY_OPERATION: u8 = 1;
const REPLAY_PART: u8 = 2;
const REPLAY_AS_IT_WAS: u8 = 3;
const REPLAY_ATTEMPT: u8 = 4;
const REPLAY_BOOKMARK: u8 = 5;
const REPLAY_BODY: u8 = 6;
const COUNT_REJECTED: u8 = 1;
const COUNT_ACCEPTED_AT: u8 = 2;

/// Where it is kept that a node was removed.
#[must_use]
pub fn retired_node(node: u64) -> [u8; 16] {
    let mut key = *b"retired:\0\0\0\0\0\0\0\0";
    key[8..].copy_from_slice(&node.to_be_bytes());
    key
}

/// Fresh events and retries stand in two queues, so that a backlog of one can't starve the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum DueClass {
    Fresh = 0,
    Retry = 1,
}

impl DueClass {
    #[must_use]
    pub fn of(trigger: Trigger) -> Self {
        match trigger {
            Trigger::Initial | Trigger::Manual => Self::Fresh,
            Trigger::Automatic | Trigger::BulkRetry | Trigger::Unpause => Self::Retry,
        }
    }
}

/// A row of the due table: this event wants its next attempt at `at`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Due {
    pub destination: DestinationId,
    pub class: DueClass,
    pub at: Timestamp,
    pub event: EventId,
}

impl Due {
    pub const LEN: usize = 41;

    #[must_use]
    pub fn key(&self) -> [u8; Self::LEN] {
        let mut key = [0; Self::LEN];
        key[..16].copy_from_slice(&self.destination.key());
        key[16] = self.class as u8;
        key[17..25].copy_from_slice(&self.at.0.to_be_bytes());
        key[25..].copy_from_slice(&self.event.key());
        key
    }

    #[must_use]
    pub fn from_key(key: &[u8]) -> Option<Self> {
        let key: &[u8; Self::LEN] = key.try_into().ok()?;
        Some(Self {
            destination: DestinationId::from_key(&key[..16])?,
            class: match key[16] {
                0 => DueClass::Fresh,
                1 => DueClass::Retry,
                _ => return None,
            },
            at: Timestamp(u64::from_be_bytes(key[17..25].try_into().ok()?)),
            event: EventId::from_key(&key[25..])?,
        })
    }

    /// The keys of one destination's queue from a moment on: `[from, to)`.
    #[must_use]
    pub fn queue(
        destination: DestinationId,
        class: DueClass,
        from: Timestamp,
    ) -> (Vec<u8>, Vec<u8>) {
        let prefix = [destination.key().as_slice(), &[class as u8]].concat();
        let from = [prefix.as_slice(), &from.0.to_be_bytes()].concat();
        let to = [prefix.as_slice(), &[u8::MAX; Self::LEN]].concat();
        (from, to)
    }
}

/// Where it is kept that a connection is paused.
#[must_use]
pub fn paused(connection: ConnectionId) -> [u8; 18] {
    let mut key = [0; 18];
    key[..2].copy_from_slice(&[INDEX_PAUSE, PAUSE_MARK]);
    key[2..].copy_from_slice(&connection.key());
    key
}

/// The connection of a key that [`paused`] made.
#[must_use]
pub fn paused_connection(key: &[u8]) -> Option<ConnectionId> {
    ConnectionId::from_key(key.get(2..)?)
}

/// All connections that are paused or still release: `[from, to)`.
pub const PAUSED_ALL: ([u8; 2], [u8; 2]) = ([INDEX_PAUSE, PAUSE_MARK], [INDEX_PAUSE, PAUSE_HELD]);

/// A row of the held ones: this event waits for its connection, and was due at `due_at`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Held {
    pub connection: ConnectionId,
    pub due_at: Timestamp,
    pub event: EventId,
}

impl Held {
    pub const LEN: usize = 42;
    /// All held events, whatever the connection: `[from, to)`.
    pub const ALL: ([u8; 2], [u8; 2]) = ([INDEX_PAUSE, PAUSE_HELD], [INDEX_PAUSE, PAUSE_HELD + 1]);

    #[must_use]
    pub fn key(&self) -> [u8; Self::LEN] {
        let mut key = [0; Self::LEN];
        key[..2].copy_from_slice(&[INDEX_PAUSE, PAUSE_HELD]);
        key[2..18].copy_from_slice(&self.connection.key());
        key[18..26].copy_from_slice(&self.due_at.0.to_be_bytes());
        key[26..].copy_from_slice(&self.event.key());
        key
    }

    #[must_use]
    pub fn from_key(key: &[u8]) -> Option<Self> {
        let key: &[u8; Self::LEN] = key.try_into().ok()?;
        Some(Self {
            connection: ConnectionId::from_key(&key[2..18])?,
            due_at: Timestamp(u64::from_be_bytes(key[18..26].try_into().ok()?)),
            event: EventId::from_key(&key[26..])?,
        })
    }

    /// The keys of one connection's held events: `[from, to)`.
    #[must_use]
    pub fn of(connection: ConnectionId) -> (Vec<u8>, Vec<u8>) {
        let prefix = [[INDEX_PAUSE, PAUSE_HELD].as_slice(), &connection.key()].concat();
        let to = [prefix.as_slice(), &[u8::MAX; Self::LEN]].concat();
        (prefix, to)
    }
}

fn replay(tag: u8, id: [u8; 16]) -> [u8; 18] {
    let mut key = [0; 18];
    key[..2].copy_from_slice(&[INDEX_REPLAY, tag]);
    key[2..].copy_from_slice(&id);
    key
}

/// Where the control group keeps a bulk operation.
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

/// Where a partition keeps how far it has come with a bulk operation.
#[must_use]
pub fn part(id: OperationId) -> [u8; 18] {
    replay(REPLAY_PART, id.key())
}

/// All parts: `[from, to)`.
pub const PARTS_ALL: ([u8; 2], [u8; 2]) =
    ([INDEX_REPLAY, REPLAY_PART], [INDEX_REPLAY, REPLAY_PART + 1]);

/// Where an event is kept as a bulk operation found it.
#[must_use]
pub fn as_it_was(id: OperationId, event: EventId) -> [u8; 34] {
    let mut key = [0; 34];
    key[..18].copy_from_slice(&replay(REPLAY_AS_IT_WAS, id.key()));
    key[18..].copy_from_slice(&event.key());
    key
}

/// Where it is kept which bulk operation asked for an attempt.
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

/// Where the body of a bookmark's request is kept.
#[must_use]
pub fn bookmark_body(id: BookmarkId) -> [u8; 18] {
    replay(REPLAY_BODY, id.key())
}

#[must_use]
pub fn rejected(source: SourceId, request: RequestId) -> [u8; 33] {
    let mut key = [0; 33];
    key[0] = INDEX_REJECTED;
    key[1..17].copy_from_slice(&source.key());
    key[17..].copy_from_slice(&request.key());
    key
}

/// The request of a key that [`rejected`] made.
#[must_use]
pub fn rejected_request(key: &[u8]) -> Option<RequestId> {
    RequestId::from_key(key.get(17..)?)
}

#[must_use]
pub fn rejected_of(source: SourceId) -> ([u8; 33], [u8; 33]) {
    (
        rejected(source, RequestId(0)),
        rejected(source, RequestId(u128::MAX)),
    )
}

/// All rejected requests, whatever the source: `[from, to)`.
pub const REJECTED_ALL: ([u8; 1], [u8; 1]) = ([INDEX_REJECTED], [INDEX_REJECTED + 1]);

#[must_use]
pub fn ignored(event: EventId) -> [u8; 17] {
    let mut key = [0; 17];
    key[0] = INDEX_IGNORED;
    key[1..].copy_from_slice(&event.key());
    key
}

/// The id of a key that [`ignored`] made.
#[must_use]
pub fn ignored_event(key: &[u8]) -> Option<EventId> {
    EventId::from_key(key.get(1..)?)
}

#[must_use]
pub fn rejected_count(source: SourceId) -> [u8; 17] {
    let mut key = [0; 17];
    key[0] = COUNT_REJECTED;
    key[1..].copy_from_slice(&source.key());
    key
}

/// Where the log index of the last accepted request that was minted in an hour is kept.
#[must_use]
pub fn accepted_at(hour: u32) -> [u8; 5] {
    let mut key = [0; 5];
    key[0] = COUNT_ACCEPTED_AT;
    key[1..].copy_from_slice(&hour.to_be_bytes());
    key
}

/// Reads a counter of the Meta table; zero when it was never written.
///
/// # Errors
/// When the store can't be read.
pub fn read_u64(kv: &impl Read, key: &[u8]) -> Result<u64, KvError> {
    number(kv, Table::Meta, key)
}

pub(crate) fn write_u64(kv: &mut impl Kv, key: &[u8], value: u64) {
    kv.put(Table::Meta, key, &value.to_be_bytes());
}

/// A value that [`number`] reads; zero when it is none.
pub(crate) fn read_number(value: &[u8]) -> u64 {
    value.try_into().map_or(0, u64::from_be_bytes)
}

pub(crate) fn number(kv: &impl Read, table: Table, key: &[u8]) -> Result<u64, KvError> {
    Ok(kv.get(table, key)?.map_or(0, |bytes| read_number(&bytes)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_due_key_reads_back_and_sorts_by_time(d: u128, e: u128, a: u64, b: u64, fresh: bool) {
            let class = if fresh { DueClass::Fresh } else { DueClass::Retry };
            let due = |at| Due { destination: DestinationId(d), class, at: Timestamp(at), event: EventId(e) };
            prop_assert_eq!(Due::from_key(&due(a).key()), Some(due(a)));
            prop_assert_eq!(a.cmp(&b), due(a).key().cmp(&due(b).key()));
        }
    }

    proptest! {
        #[test]
        fn a_held_key_reads_back_and_lies_within_its_connection(c: u128, e: u128, a: u64, b: u64) {
            let held = |at| Held { connection: ConnectionId(c), due_at: Timestamp(at), event: EventId(e) };
            prop_assert_eq!(Held::from_key(&held(a).key()), Some(held(a)));
            prop_assert_eq!(a.cmp(&b), held(a).key().cmp(&held(b).key()));
            let (from, to) = Held::of(ConnectionId(c));
            prop_assert!(from.as_slice() <= held(a).key().as_slice() && held(a).key().as_slice() < to.as_slice());
            let (from, to) = Held::ALL;
            prop_assert!(from.as_slice() <= held(a).key().as_slice() && held(a).key().as_slice() < to.as_slice());
        }
    }

    #[test]
    fn a_queue_begins_with_the_moment_asked_for_and_ends_with_its_class() {
        let due = |class, at, event| Due {
            destination: DestinationId(7),
            class,
            at: Timestamp(at),
            event: EventId(event),
        };
        let (from, to) = Due::queue(DestinationId(7), DueClass::Fresh, Timestamp(10));
        let holds = |due: Due| {
            from.as_slice() <= due.key().as_slice() && due.key().as_slice() < to.as_slice()
        };
        assert!(holds(due(DueClass::Fresh, 10, 0)));
        assert!(holds(due(DueClass::Fresh, u64::MAX, u128::MAX)));
        assert!(!holds(due(DueClass::Fresh, 9, u128::MAX)));
        assert!(!holds(due(DueClass::Retry, 10, 0)));
    }
}
