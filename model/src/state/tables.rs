//! Typed rows over the waist.

mod filings;
mod observed;
mod pauses;
mod replays;

pub use filings::{filing, filings};
pub use observed::{
    destination_observed, destinations_observed, source_observed, sources_observed,
};
pub use pauses::{paused, pauses};
pub use replays::{
    Found, as_it_was, bookmark, bookmark_body, bookmarks, has_event_of_operation, is_of_operation,
    operation, operation_of, operations, part, parts,
};
pub(crate) use replays::{keep_as_it_was, remembering};

use super::{
    codec::{self, CodecError, Stored},
    keys::{self, Due, DueClass, Held, Queue},
    kv::{Kv, KvError, Read, Row, Table},
};
use crate::{
    fingerprint::Fingerprint,
    ids::{AttemptId, DestinationId, EventId, ExecutionId, RequestId},
    time::Timestamp,
    traffic::{
        Attempt, Event, EventStatus, Execution, Ignored, Seen, StoredRequest, TransformationUse,
    },
};
use std::collections::BTreeSet;

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
        Some(bytes) => Ok(Some(codec::decode_row(kv, table, &bytes)?)),
    }
}

/// Rows, decoded, with the ids that their keys hold. A key that holds none is passed over.
pub(super) fn decoded<I, T: Stored>(
    kv: &impl Read,
    table: Table,
    rows: &[Row],
    id: impl Fn(&[u8]) -> Option<I>,
) -> Result<Vec<(I, T)>, TableError> {
    rows.iter()
        .filter_map(|(key, value)| Some((id(key)?, value)))
        .map(|(id, value)| Ok((id, codec::decode_row(kv, table, value)?)))
        .collect()
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
    decoded(kv, Table::Events, &rows, EventId::from_key)
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
    decoded(kv, Table::Index, &rows, keys::ignored_event)
}

/// # Errors
/// When the store can't be read or the row is damaged.
pub fn ignored(kv: &impl Read, id: EventId) -> Result<Option<Ignored>, TableError> {
    read(kv, Table::Index, &keys::ignored(id))
}

/// # Errors
/// When the store can't be read or the row is damaged.
pub fn execution(kv: &impl Read, id: ExecutionId) -> Result<Option<Execution>, TableError> {
    read(kv, Table::Index, &keys::execution(id))
}

/// Executions for one event that are looked at.
const EXECUTIONS_MAX: usize = 10_000;

/// The executions for an event, in the order in which they were recorded.
///
/// # Errors
/// When the store can't be read or a row is damaged.
pub fn executions_of(
    kv: &impl Read,
    event: EventId,
) -> Result<Vec<(ExecutionId, Execution)>, TableError> {
    let (from, to) = keys::executions_between(event, EventId(event.0.saturating_add(1)));
    let rows = kv.scan(Table::Index, &from, &to, EXECUTIONS_MAX)?;
    decoded(kv, Table::Index, &rows, |key| {
        ExecutionId::from_key(key.get(1..)?)
    })
}

/// Runs of one attempt that are read at once; a connection has fewer rules.
const RUNS_MAX: usize = 64;
/// Later attempts that came to nothing may lie before the one that is looked for.
const RUN_PAGES_MAX: usize = 16;

/// The versions that made what an attempt of an event sent, in order. A run that failed led to no attempt, whatever its
/// number.
///
/// # Errors
/// When the store can't be read or a row is damaged.
pub fn versions_of(
    kv: &impl Read,
    event: EventId,
    attempt: u16,
) -> Result<Vec<TransformationUse>, TableError> {
    let (from, mut to) = keys::executions_between(event, EventId(event.0.saturating_add(1)));
    let mut runs: Vec<(u64, Execution)> = Vec::new();
    'pages: for _ in 0..RUN_PAGES_MAX {
        let page = kv.scan_back(Table::Index, &from, &to, RUNS_MAX)?;
        let Some((last, _)) = page.last() else { break };
        to = last.to_vec();
        for (key, value) in page {
            let Some(id) = key.get(1..).and_then(ExecutionId::from_key) else {
                continue;
            };
            let execution: Execution = codec::decode_row(kv, Table::Index, &value)?;
            // Runs that came to no attempt may have had the same number; those of the attempt were recorded after them.
            let is_of_it = execution.attempt == attempt
                && runs.first().is_none_or(|(entry, _)| *entry == id.index);
            match is_of_it {
                true => runs.push((id.index, execution)),
                false if runs.is_empty() && execution.attempt > attempt => {}
                false => break 'pages,
            }
        }
    }
    if runs.iter().any(|(_, run)| run.failed) {
        return Ok(Vec::new());
    }
    Ok(runs.into_iter().rev().map(|(_, run)| run.used).collect())
}

/// The last attempt of an event and its number.
///
/// # Errors
/// When the store can't be read or the row is damaged.
pub fn last_attempt(
    kv: &impl Read,
    event: EventId,
) -> Result<Option<(AttemptId, Attempt)>, TableError> {
    let at = |number| AttemptId { event, number }.key();
    let rows = kv.scan_back(Table::Attempts, &at(0), &at(u16::MAX), 1)?;
    let Some((key, value)) = rows.first() else {
        return Ok(None);
    };
    let attempt = codec::decode_row(kv, Table::Attempts, value)?;
    Ok(AttemptId::from_key(key).map(|id| (id, attempt)))
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
    decoded(kv, Table::Attempts, &rows, AttemptId::from_key)
}

/// Reads a row of the due queues. One that says nothing would be an event that is never delivered.
///
/// # Errors
/// When it is damaged.
pub fn due_row(kv: &impl Read, key: &[u8]) -> Result<Due, KvError> {
    codec::read_key(kv, Table::Due, "due row", Due::from_key(key))
}

/// Reads a queue of a destination from a moment on: at most `limit` events that are due by `until`, the longest due
/// first, and when the first one after those is due.
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
    let mut due = rows
        .iter()
        .map(|(key, _)| due_row(kv, key))
        .collect::<Result<Vec<Due>, _>>()?;
    let wanted = due.partition_point(|due| due.at <= until).min(limit);
    let next = due.get(wanted).map(|due| due.at);
    due.truncate(wanted);
    Ok((due, next))
}

/// The next due time of a destination, of either queue.
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

/// The queue depths of one destination: what waits for it, by kind, and since when.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Queued {
    /// Events that have not been tried yet, or are to be by hand.
    pub fresh: u64,
    pub retries: u64,
    /// Events behind others that have their turn.
    pub behind: u64,
    /// When the oldest of those came in that are next in the queues.
    pub oldest_at: Option<Timestamp>,
}

impl Queued {
    #[must_use]
    pub fn depth(&self) -> u64 {
        self.fresh + self.retries + self.behind
    }

    /// The sum of two partitions' queue depths.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self {
            fresh: self.fresh + other.fresh,
            retries: self.retries + other.retries,
            behind: self.behind + other.behind,
            oldest_at: self.oldest_at.into_iter().chain(other.oldest_at).min(),
        }
    }
}

/// Reads the queue depths of one destination here. Costs five look-ups, however long the queues.
///
/// # Errors
/// When the store can't be read.
pub fn queued(kv: &impl Read, destination: DestinationId) -> Result<Queued, KvError> {
    let count = |stand| keys::number(kv, Table::Counts, &keys::queued(destination, stand));
    let first = |class| {
        let (from, to) = Due::queue(destination, class, Timestamp(0));
        let row = kv.scan(Table::Due, &from, &to, 1)?;
        let due = row.first().map(|(key, _)| due_row(kv, key)).transpose()?;
        Ok::<_, KvError>(due.map(|due| due.event.request().minted_at()))
    };
    let oldest = [first(DueClass::Fresh)?, first(DueClass::Retry)?];
    Ok(Queued {
        fresh: count(keys::Stand::Fresh)?,
        retries: count(keys::Stand::Retry)?,
        behind: count(keys::Stand::Turn)?,
        oldest_at: oldest.into_iter().flatten().min(),
    })
}

/// Reads how many events wait for each of the wanted destinations that has any, for at most `limit` of them.
///
/// # Errors
/// When the store can't be read.
pub fn depths(
    kv: &impl Read,
    limit: usize,
    wanted: impl Fn(DestinationId) -> bool,
) -> Result<Vec<(DestinationId, u64)>, KvError> {
    const PAGE: usize = 1_000;
    let (from, to) = keys::QUEUED_ALL;
    let mut from = from.to_vec();
    let mut depths: Vec<(DestinationId, u64)> = Vec::new();
    loop {
        let rows = kv.scan(Table::Counts, &from, &to, PAGE)?;
        for (key, value) in &rows {
            let Some(id) = keys::queued_for(key).filter(|id| wanted(*id)) else {
                continue;
            };
            let count = keys::read_number(value);
            // Up to three queues a destination, side by side.
            let is_full = depths.len() == limit;
            match depths.last_mut() {
                Some((last, depth)) if *last == id => *depth += count,
                _ if is_full => return Ok(depths),
                _ => depths.push((id, count)),
            }
        }
        match rows.last() {
            Some((last, _)) if rows.len() == PAGE => from = [last, [0].as_slice()].concat(),
            _ => return Ok(depths),
        }
    }
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
        let Some((key, _)) = rows.first() else {
            return Ok(found);
        };
        let first = due_row(kv, key)?;
        if let Some(at) = next_due_of(kv, first.destination)? {
            found.push((first.destination, at));
        }
        from = first.destination.key().to_vec();
        from.push(u8::MAX);
    }
}

/// The first of those that count as the same.
///
/// # Errors
/// When the store can't be read or the row is damaged.
pub fn seen(kv: &impl Read, fingerprint: Fingerprint) -> Result<Option<Seen>, TableError> {
    read(kv, Table::Dedup, &keys::seen(fingerprint))
}

/// The event of a queue whose turn it is.
///
/// # Errors
/// When the store can't be read.
pub fn turn(kv: &impl Read, queue: Queue) -> Result<Option<EventId>, KvError> {
    let row = kv.get(Table::Index, &queue.turn())?;
    Ok(row.and_then(|event| EventId::from_key(&event)))
}

/// Rows read at a time where all of a table are looked at.
const PAGE: usize = 1_000;

/// The time at which the oldest event was minted that still wants an attempt. Reads all of them.
///
/// # Errors
/// When the store can't be read.
pub fn oldest_open(kv: &impl Read) -> Result<Option<Timestamp>, KvError> {
    let mut oldest: Option<EventId> = None;
    each_open(kv, |event| {
        oldest = oldest.into_iter().chain([event]).min();
    })?;
    Ok(oldest.map(EventId::minted_at))
}

/// The hours that events were minted in that still want an attempt. Reads all of them.
///
/// # Errors
/// When the store can't be read.
pub fn open_hours(kv: &impl Read) -> Result<BTreeSet<u32>, KvError> {
    let mut hours = BTreeSet::new();
    each_open(kv, |event| {
        hours.insert(event.minted_at().bucket());
    })?;
    Ok(hours)
}

/// Every event that wants an attempt: now, when its turn comes, or when its connection is unpaused.
fn each_open(kv: &impl Read, mut each: impl FnMut(EventId)) -> Result<(), KvError> {
    let due = (&[][..], &[u8::MAX; Due::LEN][..]);
    scan_all(kv, Table::Due, due, |(key, _)| {
        if let Some(due) = Due::from_key(key) {
            each(due.event);
        }
    })?;
    let (from, to) = keys::WAITING_ALL;
    scan_all(kv, Table::Index, (&from, &to), |(_, event)| {
        if let Some(event) = EventId::from_key(event) {
            each(event);
        }
    })?;
    let (from, to) = Held::ALL;
    scan_all(kv, Table::Index, (&from, &to), |(key, _)| {
        if let Some(held) = Held::from_key(key) {
            each(held.event);
        }
    })
}

fn scan_all(
    kv: &impl Read,
    table: Table,
    (from, to): (&[u8], &[u8]),
    mut each: impl FnMut(&Row),
) -> Result<(), KvError> {
    let mut from = from.to_vec();
    loop {
        let rows = kv.scan(table, &from, to, PAGE)?;
        let Some((last, _)) = rows.last() else {
            return Ok(());
        };
        from = [last, [0].as_slice()].concat();
        rows.iter().for_each(&mut each);
    }
}

pub(crate) fn put_request(kv: &mut impl Kv, id: RequestId, request: &StoredRequest) {
    kv.put(Table::Requests, &id.key(), &codec::encode(request));
}

/// The row by which an event waits.
pub(crate) enum Waiting {
    Due(Due),
    Held(Held),
}

impl Waiting {
    /// The row of the queues that an event has. None: it waits for nothing, or for its turn.
    pub(crate) fn of(id: EventId, event: &Event) -> Option<Self> {
        let at = event.due_at?;
        Some(match event.status {
            EventStatus::Hold => Self::Held(Held {
                connection: event.connection_id,
                due_at: at,
                event: id,
            }),
            _ => Self::Due(Due {
                destination: event.destination_id,
                class: DueClass::of(event.next_trigger),
                at,
                event: id,
            }),
        })
    }

    pub(crate) fn delete(&self, kv: &mut impl Kv) {
        match self {
            Self::Due(row) => kv.delete(Table::Due, &row.key()),
            Self::Held(row) => kv.delete(Table::Index, &row.key()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        ids::{ConnectionId, GroupId, RequestId},
        state::{kv::Kv, memory::Memory},
        traffic::Turn,
    };

    fn event(minted: u64) -> EventId {
        RequestId::mint(Timestamp(minted), GroupId(1), u128::from(minted)).event(1)
    }

    fn hours(kv: &Memory) -> Vec<u32> {
        let hours = open_hours(kv).expect("readable");
        hours.into_iter().collect()
    }

    #[test]
    fn the_hours_of_open_events_are_found_behind_any_number_of_rows() {
        const HOUR: u64 = 3_600_000;
        let mut kv = Memory::default();
        assert!(hours(&kv).is_empty());
        let many = PAGE as u64 * 2 + 5;
        for n in 0..many {
            // The oldest one is due last.
            let due = Due {
                destination: DestinationId(u128::from(n % 3)),
                class: DueClass::Fresh,
                at: Timestamp(9_000_000 - n),
                event: event(900 * HOUR - 1 + n),
            };
            kv.put(Table::Due, &due.key(), &[]);
        }
        assert_eq!(hours(&kv), [899, 900]);
        let oldest = |kv: &Memory| oldest_open(kv).expect("readable");
        assert_eq!(oldest(&kv), Some(Timestamp(900 * HOUR - 1)));
        let queue = Queue {
            destination: DestinationId(7),
            key: Fingerprint::default(),
        };
        for n in 0..many {
            let turn = Turn {
                key: queue.key,
                index: n,
                place: 1,
                wanted_at: Timestamp(0),
            };
            let waiting = event(800 * HOUR + n);
            kv.put(Table::Index, &queue.waiting(&turn), &waiting.key());
        }
        assert_eq!(hours(&kv), [800, 899, 900]);
        for n in 0..many {
            let held = Held {
                connection: ConnectionId(1),
                due_at: Timestamp(n),
                event: event(700 * HOUR + n),
            };
            kv.put(Table::Index, &held.key(), &[]);
        }
        assert_eq!(hours(&kv), [700, 800, 899, 900]);
        assert_eq!(oldest(&kv), Some(Timestamp(700 * HOUR)));
    }
}
