//! Typed rows over the waist.

use super::{
    codec::{self, CodecError, Stored},
    keys::{self, Due, DueClass},
    kv::{Kv, KvError, Read, Table},
};
use crate::{
    ids::{AttemptId, DestinationId, EventId, RequestId},
    time::Timestamp,
    traffic::{Attempt, Event, Ignored, StoredRequest},
};

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

/// What waits for one destination.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Waiting {
    /// Events that have not been tried yet, or are to be by hand.
    pub fresh: u64,
    pub retries: u64,
    /// When the oldest of those came in that are next in the two queues.
    pub oldest_at: Option<Timestamp>,
}

impl Waiting {
    #[must_use]
    pub fn depth(&self) -> u64 {
        self.fresh + self.retries
    }

    /// Of several partitions.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self {
            fresh: self.fresh + other.fresh,
            retries: self.retries + other.retries,
            oldest_at: self.oldest_at.into_iter().chain(other.oldest_at).min(),
        }
    }
}

/// What waits for one destination here. Costs four look-ups, however long the queues.
///
/// # Errors
/// When the store can't be read.
pub fn waiting(kv: &impl Read, destination: DestinationId) -> Result<Waiting, KvError> {
    let count = |class| keys::number(kv, Table::Counts, &keys::waiting(destination, class));
    let first = |class| {
        let (from, to) = Due::queue(destination, class, Timestamp(0));
        let row = kv.scan(Table::Due, &from, &to, 1)?;
        let due = row.first().and_then(|(key, _)| Due::from_key(key));
        Ok::<_, KvError>(due.map(|due| due.event.request().minted_at()))
    };
    let oldest = [first(DueClass::Fresh)?, first(DueClass::Retry)?];
    Ok(Waiting {
        fresh: count(DueClass::Fresh)?,
        retries: count(DueClass::Retry)?,
        oldest_at: oldest.into_iter().flatten().min(),
    })
}

/// How many events wait for each destination that has any, for at most so many of them.
///
/// # Errors
/// When the store can't be read.
pub fn depths(kv: &impl Read, limit: usize) -> Result<Vec<(DestinationId, u64)>, KvError> {
    let (from, to) = keys::WAITING_ALL;
    // Up to two classes a destination, side by side.
    let rows = kv.scan(Table::Counts, &from, &to, limit.saturating_mul(2))?;
    let mut depths: Vec<(DestinationId, u64)> = Vec::new();
    for (key, value) in &rows {
        let Some((id, _)) = keys::waiting_for(key) else {
            continue;
        };
        let count = keys::read_number(value);
        match depths.last_mut() {
            Some((last, depth)) if *last == id => *depth += count,
            _ => depths.push((id, count)),
        }
    }
    depths.truncate(limit);
    Ok(depths)
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

pub(crate) fn put_event(kv: &mut impl Kv, id: EventId, event: &Event) {
    kv.put(Table::Events, &id.key(), &codec::encode(event));
}

pub(crate) fn due_row(id: EventId, event: &Event) -> Option<Due> {
    Some(Due {
        destination: event.destination_id,
        class: DueClass::of(event.next_trigger),
        at: event.due_at?,
        event: id,
    })
}
