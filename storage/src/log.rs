//! The Raft log of one group: append, read, cut, purge, and the vote.

use crate::{
    columns::{Column, Tag, log_index, log_key, meta_key},
    queue::{Change, Done, Op},
    recovery,
    rows::{self, LogRow},
    store::GroupStore,
};
use bytes::Bytes;
use rocksdb::WriteBatch;
use std::{future::poll_fn, io};

/// The bounds of a log: its first and last index, and what was purged.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LogBounds {
    /// Raft's own bytes of the last purged entry.
    pub last_purged: Option<Bytes>,
    pub last: Option<LogRow>,
    /// The index of the first row that is there, or would be.
    pub first_index: u64,
    pub last_index: Option<u64>,
}

impl GroupStore {
    /// Waits until the committer's queue has room, without holding a thread.
    pub async fn room(&self) {
        poll_fn(|context| self.store.queue.poll_room(context)).await;
    }

    /// Appends rows behind the last one. They are readable on return; `done` is called after they are durable, in the
    /// order of the calls. Wait for [`Self::room`] before: the committer's queue is bounded by those who do.
    pub fn append(&self, rows: Vec<LogRow>, done: Done) {
        let epoch = {
            let mut log = self.group.log.lock();
            if let Err(gap) = log.append(&rows) {
                drop(log);
                return done(Err(io::Error::new(io::ErrorKind::InvalidInput, gap)));
            }
            log.epoch()
        };
        self.send(Change::Append { rows, epoch }, done);
    }

    /// The rows of `[from, to)` that are there, up to `max_bytes` but at least one.
    ///
    /// # Errors
    /// When the disk can't be read or a row is damaged.
    pub fn read_log(&self, from: u64, to: u64, max_bytes: usize) -> io::Result<Vec<LogRow>> {
        self.read_rows(from, to, max_bytes)
            .inspect_err(|error| self.store.engine.distrust(error))
    }

    fn read_rows(&self, from: u64, to: u64, max_bytes: usize) -> io::Result<Vec<LogRow>> {
        let (from, to, start) = {
            let log = self.group.log.lock();
            let from = from.max(log.first());
            let to = to.min(log.next);
            if from >= to {
                return Ok(Vec::new());
            }
            let start = log.tail_start();
            if from >= start {
                return Ok(log.read(from, to, max_bytes));
            }
            (from, to, start)
        };
        let mut rows = self.read_disk(from, to.min(start), max_bytes)?;
        let bytes: usize = rows.iter().map(LogRow::weight).sum();
        // What was in memory a moment ago may have moved to the disk since: a short answer is asked for again.
        if rows.len() as u64 == start - from && start < to && bytes < max_bytes {
            let log = self.group.log.lock();
            rows.extend(
                log.read(start, to.min(log.next), max_bytes - bytes)
                    .into_iter()
                    .take_while(|row| bytes + row.weight() <= max_bytes),
            );
        }
        Ok(rows)
    }

    fn read_disk(&self, from: u64, to: u64, max_bytes: usize) -> io::Result<Vec<LogRow>> {
        let group = self.group.id;
        let engine = &self.store.engine;
        let mut iterator = engine.iterate(Column::Log, &log_key(group, from), &log_key(group, to));
        iterator.seek_to_first();
        let mut rows = Vec::new();
        let mut bytes = 0;
        let mut expected = from;
        while let Some((key, value)) = iterator.item() {
            // A hole is the trace of a purge or a cut that came in between: what follows it is not ours to give.
            if log_index(key) != Some(expected) {
                break;
            }
            let row = match rows::stored(group, expected, value)?.join(engine, group) {
                Ok(row) => row,
                // Purged since this look began, and its bodies were let go.
                Err(_) if self.group.log.lock().first() > expected => break,
                Err(error) => return Err(error.into()),
            };
            bytes += row.weight();
            if bytes > max_bytes && !rows.is_empty() {
                break;
            }
            rows.push(row);
            expected += 1;
            iterator.next();
        }
        engine.finished(Column::Log, &iterator)?;
        Ok(rows)
    }

    /// Reads the bounds of the log, and its last row.
    ///
    /// # Errors
    /// When the last row can't be read.
    pub fn log_bounds(&self) -> io::Result<LogBounds> {
        let (first_index, last_index, last_purged) = {
            let log = self.group.log.lock();
            let purged = log.purged.as_ref().map(|(_, bytes)| bytes.clone());
            (log.first(), log.last(), purged)
        };
        let last = match last_index {
            Some(index) => self.read_log(index, index + 1, 0)?.pop(),
            None => None,
        };
        Ok(LogBounds {
            last_purged,
            last,
            first_index,
            last_index,
        })
    }

    /// Cuts the rows behind `index`, or all of them. They are gone from reads on return, durably when `done` is called.
    pub fn truncate_after(&self, index: Option<u64>, done: Done) {
        let next = index.map_or(0, |index| index.saturating_add(1));
        let next = {
            let mut log = self.group.log.lock();
            log.truncate(next);
            next.max(log.first())
        };
        self.send(Change::Truncate { next }, done);
    }

    /// Forgets the rows up to and including `upto`; their bodies stay until retention drops them. The log may end
    /// before `upto`: then it goes on behind it. `done` does not wait for a sync.
    pub fn purge(&self, upto: u64, last_purged: Bytes, done: Done) {
        let first = {
            let mut log = self.group.log.lock();
            let first = log.first();
            if upto < first && log.purged.is_some() {
                drop(log);
                return done(Ok(()));
            }
            log.purge(upto, last_purged.clone());
            first
        };
        self.send(
            Change::Purge {
                first,
                upto,
                last_purged,
            },
            done,
        );
    }

    /// Remembers a vote. `rank` is its term and node: the part that must never fall.
    pub fn save_vote(&self, vote: Bytes, rank: (u64, u64), done: Done) {
        self.send(Change::Vote { vote, rank }, done);
    }

    /// # Errors
    /// When the disk can't be read.
    pub fn read_vote(&self) -> io::Result<Option<Bytes>> {
        let vote = recovery::read_vote(&self.store.engine, self.group.id)?;
        Ok(vote.map(|(_, vote)| vote))
    }

    /// Remembers how far the log is committed. Not synced: an older value only costs a longer replay.
    ///
    /// # Errors
    /// When the store can't be written.
    pub fn save_committed(&self, committed: Bytes) -> io::Result<()> {
        let engine = &self.store.engine;
        let mut batch = WriteBatch::default();
        batch.put_cf(
            engine.column(Column::Meta),
            meta_key(self.group.id, Tag::Committed),
            &committed,
        );
        drop(committed);
        Ok(engine.write(batch)?)
    }

    /// # Errors
    /// When the disk can't be read.
    pub fn read_committed(&self) -> io::Result<Option<Bytes>> {
        let key = meta_key(self.group.id, Tag::Committed);
        Ok(self.store.engine.get(Column::Meta, &key)?)
    }

    fn send(&self, change: Change, done: Done) {
        self.store.queue.send(Op {
            group: self.group.clone(),
            change,
            done,
        });
    }
}
