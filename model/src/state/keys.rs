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
//! | Counts | 1, source 16 | u64 big-endian: rejected requests kept |
//! | Counts | 2, hour u32 | u64 big-endian: log index of the last accepted request minted in that hour |
//! | Counts | 3, destination 16, class 1 | u64 big-endian: due rows of it; none: no rows |

use super::kv::{Kv, KvError, Read, Table};
use crate::{
    ids::{DestinationId, EventId, RequestId, SourceId},
    time::Timestamp,
    traffic::Trigger,
};

/// The latest time that any applied command carried.
pub const META_NOW: &[u8] = b"now";
/// How often the catalog changed.
pub const META_CATALOG_VERSION: &[u8] = b"catalog_version";
/// Everything minted before this time is gone.
pub const META_RETAINED_FROM: &[u8] = b"retained_from";
/// Whether the rows of the due table are counted. Before the first of them was, there are no counts.
pub const META_DUE_COUNTED: &[u8] = b"due_counted";
/// The log index at which an ended event was last reopened.
pub const META_REOPENED_AT: &[u8] = b"reopened_at";

const INDEX_REJECTED: u8 = 1;
const INDEX_IGNORED: u8 = 2;
const COUNT_REJECTED: u8 = 1;
const COUNT_ACCEPTED_AT: u8 = 2;
const COUNT_WAITING: u8 = 3;

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
    fn of_byte(byte: u8) -> Option<Self> {
        match byte {
            0 => Some(Self::Fresh),
            1 => Some(Self::Retry),
            _ => None,
        }
    }

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
            class: DueClass::of_byte(key[16])?,
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

/// Where it is kept how many events of one class wait for a destination.
#[must_use]
pub fn waiting(destination: DestinationId, class: DueClass) -> [u8; 18] {
    let mut key = [0; 18];
    key[0] = COUNT_WAITING;
    key[1..17].copy_from_slice(&destination.key());
    key[17] = class as u8;
    key
}

/// The destination and class of a key that [`waiting`] made.
#[must_use]
pub fn waiting_for(key: &[u8]) -> Option<(DestinationId, DueClass)> {
    let [COUNT_WAITING, id @ .., class] = key else {
        return None;
    };
    Some((DestinationId::from_key(id)?, DueClass::of_byte(*class)?))
}

/// All counts of waiting events, whatever the destination: `[from, to)`.
pub const WAITING_ALL: ([u8; 1], [u8; 1]) = ([COUNT_WAITING], [COUNT_WAITING + 1]);

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
