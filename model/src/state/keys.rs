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
//! | Dedup | 1, fingerprint 16 | `Seen` |
//! | Dedup | 2, expires ms u64, fingerprint 16 | empty |
//! | Index | 1, source 16, request 16 | empty: a rejected request |
//! | Index | 2, event 16 | `Ignored` |
//! | Index | 3, destination 16, fingerprint 16 | event 16: whose turn it is |
//! | Index | 4, destination 16, fingerprint 16, log index u64, place u32 | event 16: it waits for its turn |
//! | Index | 5, event 16, log index u64, place 1 | `Execution` |
//! | Index | 6, transformation 16, event 16, log index u64, place 1 | empty: an execution of it |
//! | Index | 8, 1, connection 16 | `Paused`: the connection is paused here, or its held events are on their way out |
//! | Index | 8, 2, connection 16, due ms u64, event 16 | empty: a held event |
//! | Index | 9, 1, operation 16 | `Operation`: a bulk operation (control group) |
//! | Index | 9, 2, operation 16 | `OperationPart`: how far the partition has come with it |
//! | Index | 9, 3, operation 16, event 16 | `Event` as the operation found it, since it has changed; empty: it was not there |
//! | Index | 9, 4, event 16, number u16 | operation 16: the bulk operation that asked for this attempt |
//! | Index | 9, 5, bookmark 16 | `Bookmark` (control group) |
//! | Index | 9, 6, bookmark 16 | the body of its request (control group) |
//! | Index | 10, 1, issue key | `Tally`: what the partition has seen of a trouble |
//! | Index | 10, 2, mark 10 | `IssueKey`: where a tally last changed |
//! | Index | 10, 3, connection 16 | u64 big-endian: when it last delivered, in ms |
//! | Index | 10, 4, transformation 16 | u64 big-endian: when it last ran without a grave word, in ms |
//! | Index | 11, 1, issue 16 | `Issue` |
//! | Index | 11, 2, issue key | `IssueEntry` |
//! | Index | 11, 3, ms u64, issue 16 | empty: an issue that may make room, by when it was settled |
//! | Index | 11, 4, group u16 | mark 10: up to where the partition's tallies were reported |
//! | Index | 11, 5, type u8 | u64 big-endian: issues of the type that may not make room; type 0: all issues |
//! | Index | 11, 6 | u64 big-endian: notifications that wait |
//! | Index | 12, notification 16 | `Notification` |
//! | Index | 13, fingerprint 16 | u64 big-endian: the catalog's version at which a tie was last marked (control group) |
//! | Index | 14, 1, source 16 | `SourceObserved`: what was observed of its senders (control group) |
//! | Index | 14, 2, destination 16 | `DestinationObserved`: what its receiver asked for (control group) |
//! | Counts | 1, source 16 | u64 big-endian: rejected requests kept |
//! | Counts | 2, hour u32 | u64 big-endian: log index of the last accepted request minted in that hour |
//! | Counts | 3, destination 16, queue 1 | u64 big-endian: events in that queue of it; none: no events |
//! | Counts | 4, hour u32, bucket u32 | `Filing`: requests minted in that hour have their bodies in that bucket |

mod issues;
mod replay;

pub use issues::*;
pub use replay::*;

use super::{
    codec,
    kv::{Kv, KvError, Read, Table},
};
use crate::{
    fingerprint::Fingerprint,
    ids::{
        ConnectionId, DestinationId, EventId, ExecutionId, RequestId, SourceId, TransformationId,
    },
    time::Timestamp,
    traffic::{Event, Place, Trigger, Turn},
};

/// The latest time that any applied command carried.
pub const META_NOW: &[u8] = b"now";
/// The version of the catalog: how often it changed.
pub const META_CATALOG_VERSION: &[u8] = b"catalog_version";
/// The log index at which something was last observed of what is configured.
pub const META_OBSERVED: &[u8] = b"observed";
/// The earlier retention mark: everything minted before this time is gone, as earlier versions let go. Later ones don't
/// write it.
pub const META_RETAINED_FROM: &[u8] = b"retained_from";
/// The flag that the events in queues are counted. Before the first of them was, there are no counts.
pub const META_QUEUES_COUNTED: &[u8] = b"queues_counted";
/// The log index at which an ended event was last reopened.
pub const META_REOPENED_AT: &[u8] = b"reopened_at";
/// No fingerprint that expired before this time is left.
pub const META_SEEN_FROM: &[u8] = b"seen_from";
/// The number of connections that are paused here. Zero spares every look for one.
pub const META_PAUSED: &[u8] = b"paused";
/// The catalog's version that the last change of pauses was decided from.
pub const META_PAUSED_VERSION: &[u8] = b"paused_version";
/// The number of open bulk operations that want events kept as they found them. Zero spares every look for one.
pub const META_OPERATIONS: &[u8] = b"operations";
/// The number of bookmarks.
pub const META_BOOKMARKS: &[u8] = b"bookmarks";
/// The time that was last taken back to, out of a future that never was.
pub const META_MENDED: &[u8] = b"mended";

/// The number of ties of the catalog that are kept.
pub const META_TIES: &[u8] = b"ties";
/// Changes that were decided from an older version of the catalog are refused: what tied them is forgotten.
pub const META_TIES_FROM: &[u8] = b"ties_from";
/// The flag that the index of bodies is complete: it is filed where all requests have theirs. Before the first request
/// was, nothing was.
pub const META_BODIES_FILED: &[u8] = b"bodies_filed";
/// The group's time when retention last asked for an hour or let one go.
pub const META_LET_GO_AT: &[u8] = b"let_go_at";
/// The proposer's clock when retention last let an hour go.
pub const META_LET_GO_STAMP: &[u8] = b"let_go_stamp";

const DEDUP_SEEN: u8 = 1;
const DEDUP_EXPIRY: u8 = 2;
const INDEX_REJECTED: u8 = 1;
const INDEX_IGNORED: u8 = 2;
const INDEX_TURN: u8 = 3;
const INDEX_WAITING: u8 = 4;
const INDEX_EXECUTION: u8 = 5;
const INDEX_EXECUTED: u8 = 6;
const INDEX_PAUSE: u8 = 8;
const INDEX_TIE: u8 = 13;
const INDEX_OBSERVED: u8 = 14;
const OBSERVED_SOURCE: u8 = 1;
const OBSERVED_DESTINATION: u8 = 2;
const PAUSE_MARK: u8 = 1;
const PAUSE_HELD: u8 = 2;
// 9 is in `replay`, 10 to 12 are in `issues`.
const COUNT_REJECTED: u8 = 1;
const COUNT_ACCEPTED_AT: u8 = 2;
const COUNT_QUEUED: u8 = 3;
const COUNT_FILED: u8 = 4;

/// The key that marks a node as removed.
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

/// The key of a connection's pause mark.
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

/// The key of what was observed of a source.
#[must_use]
pub fn source_observed(source: SourceId) -> [u8; 18] {
    let mut key = [0; 18];
    key[..2].copy_from_slice(&[INDEX_OBSERVED, OBSERVED_SOURCE]);
    key[2..].copy_from_slice(&source.key());
    key
}

/// The source of a key that [`source_observed`] made.
#[must_use]
pub fn observed_source(key: &[u8]) -> Option<SourceId> {
    SourceId::from_key(key.get(2..)?)
}

/// All sources of which something was observed: `[from, to)`.
pub const SOURCES_OBSERVED: ([u8; 2], [u8; 2]) = (
    [INDEX_OBSERVED, OBSERVED_SOURCE],
    [INDEX_OBSERVED, OBSERVED_SOURCE + 1],
);

/// The key of what was observed of a destination.
#[must_use]
pub fn destination_observed(destination: DestinationId) -> [u8; 18] {
    let mut key = [0; 18];
    key[..2].copy_from_slice(&[INDEX_OBSERVED, OBSERVED_DESTINATION]);
    key[2..].copy_from_slice(&destination.key());
    key
}

/// The destination of a key that [`destination_observed`] made.
#[must_use]
pub fn observed_destination(key: &[u8]) -> Option<DestinationId> {
    DestinationId::from_key(key.get(2..)?)
}

/// All destinations of which something was observed: `[from, to)`.
pub const DESTINATIONS_OBSERVED: ([u8; 2], [u8; 2]) = (
    [INDEX_OBSERVED, OBSERVED_DESTINATION],
    [INDEX_OBSERVED, OBSERVED_DESTINATION + 1],
);

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

/// The deduplication key of a fingerprint: there the first of those that count as the same is kept.
#[must_use]
pub fn seen(fingerprint: Fingerprint) -> [u8; 17] {
    let mut key = [0; 17];
    key[0] = DEDUP_SEEN;
    key[1..].copy_from_slice(&fingerprint.key());
    key
}

/// The key of a fingerprint's expiry: ordered by time, so that those that have expired stand in front.
#[must_use]
pub fn expiry(at: Timestamp, fingerprint: Fingerprint) -> [u8; 25] {
    let mut key = [0; 25];
    key[0] = DEDUP_EXPIRY;
    key[1..9].copy_from_slice(&at.0.to_be_bytes());
    key[9..].copy_from_slice(&fingerprint.key());
    key
}

/// Time and fingerprint of a key that [`expiry`] made.
#[must_use]
pub fn expired(key: &[u8]) -> Option<(Timestamp, Fingerprint)> {
    let at = u64::from_be_bytes(key.get(1..9)?.try_into().ok()?);
    Some((Timestamp(at), Fingerprint::from_key(key.get(9..)?)?))
}

/// The events of one ordering key that go to one destination.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Queue {
    pub destination: DestinationId,
    pub key: Fingerprint,
}

impl Queue {
    /// The queue of an event; none for one that keeps no order.
    #[must_use]
    pub fn of(event: &Event) -> Option<Self> {
        Some(Self {
            destination: event.destination_id,
            key: event.turn?.key,
        })
    }

    fn prefixed(self, kind: u8) -> [u8; 33] {
        let mut key = [0; 33];
        key[0] = kind;
        key[1..17].copy_from_slice(&self.destination.key());
        key[17..].copy_from_slice(&self.key.key());
        key
    }

    /// The key of the event whose turn it is.
    #[must_use]
    pub fn turn(self) -> [u8; 33] {
        self.prefixed(INDEX_TURN)
    }

    /// The key of an event that waits for its turn.
    #[must_use]
    pub fn waiting(self, turn: &Turn) -> [u8; 45] {
        let mut key = [0; 45];
        key[..33].copy_from_slice(&self.prefixed(INDEX_WAITING));
        key[33..41].copy_from_slice(&turn.index.to_be_bytes());
        key[41..].copy_from_slice(&turn.place.to_be_bytes());
        key
    }

    /// The key range of the events that wait behind a place: `[from, to)`.
    #[must_use]
    pub fn behind(self, turn: &Turn) -> (Vec<u8>, Vec<u8>) {
        let from = [self.waiting(turn).as_slice(), &[0]].concat();
        (from, self.all().1)
    }

    /// The key range of all events that wait: `[from, to)`.
    #[must_use]
    pub fn all(self) -> (Vec<u8>, Vec<u8>) {
        let prefix = self.prefixed(INDEX_WAITING);
        let to = [prefix.as_slice(), &[u8::MAX; 13]].concat();
        (prefix.to_vec(), to)
    }
}

/// All events that wait for their turn, whatever the queue: `[from, to)`.
pub const WAITING_ALL: ([u8; 1], [u8; 1]) = ([INDEX_WAITING], [INDEX_WAITING + 1]);

#[must_use]
pub fn execution(id: ExecutionId) -> [u8; 1 + ExecutionId::LEN] {
    let mut key = [0; 1 + ExecutionId::LEN];
    key[0] = INDEX_EXECUTION;
    key[1..].copy_from_slice(&id.key());
    key
}

/// The executions for an event, and those for all events from one to before another: `[from, to)`.
#[must_use]
pub fn executions_between(from: EventId, to: EventId) -> (Vec<u8>, Vec<u8>) {
    let prefixed = |event: EventId| [&[INDEX_EXECUTION], event.key().as_slice()].concat();
    (prefixed(from), prefixed(to))
}

/// The key of a transformation's execution, in the index by transformation.
#[must_use]
pub fn executed(transformation: TransformationId, id: ExecutionId) -> Vec<u8> {
    let (from, _) = executed_between(transformation, EventId(0), EventId(0));
    [&from[..17], id.key().as_slice()].concat()
}

/// The executions of a transformation for all events from one to before another: `[from, to)`.
#[must_use]
pub fn executed_between(
    transformation: TransformationId,
    from: EventId,
    to: EventId,
) -> (Vec<u8>, Vec<u8>) {
    let prefixed = |event: EventId| {
        let prefix = [&[INDEX_EXECUTED], transformation.key().as_slice()].concat();
        [prefix, event.key().to_vec()].concat()
    };
    (prefixed(from), prefixed(to))
}

/// The transformation and the execution of a key that [`executed`] made.
#[must_use]
pub fn execution_of(key: &[u8]) -> Option<(TransformationId, ExecutionId)> {
    let (transformation, id) = key.get(1..)?.split_at_checked(16)?;
    Some((
        TransformationId::from_key(transformation)?,
        ExecutionId::from_key(id)?,
    ))
}

/// The executions of all transformations, by transformation: `[from, to)`.
pub const EXECUTED_ALL: ([u8; 1], [u8; 1]) = ([INDEX_EXECUTED], [INDEX_EXECUTED + 1]);

#[must_use]
pub fn rejected_count(source: SourceId) -> [u8; 17] {
    let mut key = [0; 17];
    key[0] = COUNT_REJECTED;
    key[1..].copy_from_slice(&source.key());
    key
}

/// The key of the log index of the last accepted request that was minted in an hour.
#[must_use]
pub fn accepted_at(hour: u32) -> [u8; 5] {
    let mut key = [0; 5];
    key[0] = COUNT_ACCEPTED_AT;
    key[1..].copy_from_slice(&hour.to_be_bytes());
    key
}

/// The key of the entry that requests of an hour have their bodies in a bucket.
#[must_use]
pub fn filed(place: Place) -> [u8; 9] {
    let mut key = [0; 9];
    key[0] = COUNT_FILED;
    key[1..5].copy_from_slice(&place.hour.to_be_bytes());
    key[5..].copy_from_slice(&place.bucket.to_be_bytes());
    key
}

/// The place of a key that [`filed`] made.
#[must_use]
pub fn filed_place(key: &[u8]) -> Option<Place> {
    let key: &[u8; 9] = key.try_into().ok()?;
    Some(Place {
        hour: u32::from_be_bytes(key[1..5].try_into().ok()?),
        bucket: u32::from_be_bytes(key[5..].try_into().ok()?),
    })
}

/// The places of all hours from one to before another: `[from, to)`.
#[must_use]
pub fn filed_between(from: u32, to: u32) -> ([u8; 9], [u8; 9]) {
    let first = |hour| filed(Place { hour, bucket: 0 });
    (first(from), first(to))
}

/// All places: `[from, to)`.
pub const FILED_ALL: ([u8; 1], [u8; 1]) = ([COUNT_FILED], [COUNT_FILED + 1]);

/// The keys of one prefix: `[from, to)`. The prefix must not end in the last byte.
fn under(prefix: &[u8]) -> (Vec<u8>, Vec<u8>) {
    let mut to = prefix.to_vec();
    if let Some(last) = to.last_mut() {
        *last += 1;
    }
    (prefix.to_vec(), to)
}

/// The queue that an event stands in while it has not ended, for counting.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Stand {
    Fresh = 0,
    Retry = 1,
    /// Behind another that has its turn.
    Turn = 2,
}

impl Stand {
    /// The queue that a row stands in, if it stands in one.
    #[must_use]
    pub fn of_row(table: Table, key: &[u8]) -> Option<(DestinationId, Self)> {
        match (table, key) {
            (Table::Due, key) => Due::from_key(key).map(|due| match due.class {
                DueClass::Fresh => (due.destination, Self::Fresh),
                DueClass::Retry => (due.destination, Self::Retry),
            }),
            (Table::Index, [INDEX_WAITING, rest @ ..]) => {
                Some((DestinationId::from_key(rest.get(..16)?)?, Self::Turn))
            }
            _ => None,
        }
    }
}

/// The key of the depth of a queue: how many events of a destination stand in it.
#[must_use]
pub fn queued(destination: DestinationId, stand: Stand) -> [u8; 18] {
    let mut key = [0; 18];
    key[0] = COUNT_QUEUED;
    key[1..17].copy_from_slice(&destination.key());
    key[17] = stand as u8;
    key
}

/// The destination of a key that [`queued`] made.
#[must_use]
pub fn queued_for(key: &[u8]) -> Option<DestinationId> {
    let [COUNT_QUEUED, id @ .., _] = key else {
        return None;
    };
    DestinationId::from_key(id)
}

/// All counts of queues, whatever the destination: `[from, to)`.
pub const QUEUED_ALL: ([u8; 1], [u8; 1]) = ([COUNT_QUEUED], [COUNT_QUEUED + 1]);

/// The key of the catalog version at which a tie was last marked, in the control group.
#[must_use]
pub fn tie(tie: Fingerprint) -> [u8; 17] {
    let mut key = [INDEX_TIE; 17];
    key[1..].copy_from_slice(&tie.key());
    key
}

/// All ties: `[from, to)`.
pub const TIES_ALL: ([u8; 1], [u8; 1]) = ([INDEX_TIE], [INDEX_TIE + 1]);

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
    let Some(bytes) = kv.get(table, key)? else {
        return Ok(0);
    };
    let number = bytes[..].try_into().ok().map(u64::from_be_bytes);
    codec::read_key(kv, table, "number", number)
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
