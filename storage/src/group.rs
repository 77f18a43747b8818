//! The in-memory state of one group's log: its bounds and its newest rows.

use crate::rows::{self, LogRow};
use bytes::Bytes;
use model::ids::GroupId;
use parking_lot::Mutex;
use std::{
    collections::{BTreeMap, VecDeque},
    sync::atomic::{AtomicBool, Ordering},
};

pub(crate) struct Group {
    pub(crate) id: GroupId,
    pub(crate) log: Mutex<Log>,
    /// A snapshot is replacing the state.
    installing: AtomicBool,
}

impl Group {
    pub(crate) fn new(id: GroupId, log: Log) -> Self {
        Self {
            id,
            log: Mutex::new(log),
            installing: AtomicBool::new(false),
        }
    }

    pub(crate) fn installing(&self) -> bool {
        self.installing.load(Ordering::Acquire)
    }

    pub(crate) fn set_installing(&self, installing: bool) {
        self.installing.store(installing, Ordering::Release);
    }
}

/// The bounds of a log and the rows at its end. Memory runs ahead of the disk: a row is readable here as soon as
/// it was handed over, and it may leave memory only after it was written.
#[derive(Default)]
pub(crate) struct Log {
    /// Index and raft's own bytes of the last purged entry.
    pub(crate) purged: Option<(u64, Bytes)>,
    /// The index that the next appended row has.
    pub(crate) next: u64,
    /// Where a log that was never purged begins.
    start: u64,
    tail: VecDeque<LogRow>,
    tail_bytes: usize,
    /// Rows below this index are written, so they may leave the tail.
    written: u64,
    /// The buckets that bodies of its rows lie in, and the last row of each. Proposers' clocks differ, so they come in any
    /// order. A row that was cut off may still count: it will be passed.
    needed: BTreeMap<u32, u64>,
    /// Counts truncations. A write that was queued before one says nothing about the rows that came after it.
    epoch: u64,
}

/// The first row does not follow the last one.
#[derive(Debug, thiserror::Error)]
#[error("appending index {index} to a log that ends before {next}")]
pub(crate) struct Gap {
    index: u64,
    next: u64,
}

impl Log {
    /// A log as it was found on disk.
    pub(crate) fn found(
        purged: Option<(u64, Bytes)>,
        (first, next): (u64, u64),
        needed: BTreeMap<u32, u64>,
    ) -> Self {
        Self {
            purged,
            next,
            needed,
            start: first,
            written: next,
            ..Self::default()
        }
    }

    pub(crate) fn first(&self) -> u64 {
        self.purged
            .as_ref()
            .map_or(self.start, |(index, _)| index + 1)
    }

    pub(crate) fn last(&self) -> Option<u64> {
        (self.next > self.first()).then(|| self.next - 1)
    }

    pub(crate) fn epoch(&self) -> u64 {
        self.epoch
    }

    /// The first index of the tail in memory; rows before it are on disk.
    pub(crate) fn tail_start(&self) -> u64 {
        self.tail.front().map_or(self.next, |row| row.index)
    }

    pub(crate) fn append(&mut self, rows: &[LogRow]) -> Result<(), Gap> {
        if let (None, None, Some(row)) = (&self.purged, self.last(), rows.first()) {
            // An empty log begins wherever its first row stands.
            (self.start, self.next, self.written) = (row.index, row.index, row.index);
        }
        for (expected, row) in (self.next..).zip(rows) {
            if row.index != expected {
                return Err(Gap {
                    index: row.index,
                    next: expected,
                });
            }
        }
        for row in rows {
            if let Some(bucket) = rows::bucket_of(&row.command) {
                self.needed.insert(bucket, row.index);
            }
            self.tail_bytes += row.weight();
            self.tail.push_back(row.clone());
        }
        self.next += rows.len() as u64;
        Ok(())
    }

    /// The rows of `[from, to)` that are in memory, up to `max_bytes`, at least one.
    pub(crate) fn read(&self, from: u64, to: u64, max_bytes: usize) -> Vec<LogRow> {
        let start = self.tail_start();
        if from < start {
            return Vec::new();
        }
        let mut rows = Vec::new();
        let mut bytes = 0;
        for row in self.tail.iter().skip((from - start) as usize) {
            bytes += row.weight();
            if row.index >= to || (bytes > max_bytes && !rows.is_empty()) {
                break;
            }
            rows.push(row.clone());
        }
        rows
    }

    /// Rows of this epoch below `next` are on disk: the oldest of them may leave.
    pub(crate) fn wrote(&mut self, epoch: u64, next: u64, keep_bytes: usize) {
        if epoch == self.epoch {
            self.written = self.written.max(next);
        }
        while self.tail_bytes > keep_bytes
            && self
                .tail
                .front()
                .is_some_and(|row| row.index < self.written)
        {
            self.drop_front();
        }
    }

    /// Forgets the rows from `next` on.
    pub(crate) fn truncate(&mut self, next: u64) {
        self.epoch += 1;
        let next = next.max(self.first());
        while self.tail.back().is_some_and(|row| row.index >= next) {
            if let Some(row) = self.tail.pop_back() {
                self.tail_bytes -= row.weight();
            }
        }
        self.next = self.next.min(next);
        self.written = self.written.min(self.next);
    }

    /// Forgets the rows up to and including `index`; the log may jump forward so.
    pub(crate) fn purge(&mut self, index: u64, last_purged: Bytes) {
        while self.tail.front().is_some_and(|row| row.index <= index) {
            self.drop_front();
        }
        if index + 1 > self.next {
            self.next = index + 1;
        }
        self.written = self.written.max(index + 1).min(self.next);
        self.purged = Some((index, last_purged));
    }

    /// The buckets that its rows need to be read back in full.
    pub(crate) fn needed(&self) -> impl Iterator<Item = u32> + '_ {
        self.needed.keys().copied()
    }

    /// The rows up to and including `index` are gone from the disk too.
    pub(crate) fn purged_on_disk(&mut self, index: u64) {
        self.needed.retain(|_, last| *last > index);
    }

    fn drop_front(&mut self) {
        if let Some(row) = self.tail.pop_front() {
            self.tail_bytes -= row.weight();
        }
    }
}
