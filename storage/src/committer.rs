//! The group commit: one thread writes for all groups; what waits in the queue becomes one batch, one sync, then the
//! answers in order.
//!
//! One queue keeps each group's order; one write-ahead log makes a synced record vouch for all records before it.

use crate::{
    columns::{Column, Tag, group_range, log_key, meta_key, payload_key},
    engine::Engine,
    error::Error,
    group::Group,
    options::Options,
    queue::{Change, Op, Queue, Taken},
    rows,
    watermark::Watermark,
};
use bytes::BufMut;
use model::ids::GroupId;
use rocksdb::WriteBatch;
use std::{
    io, mem,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    thread::{self, JoinHandle},
    time::Instant,
};

/// Above this many rows one range tombstone is cheaper than a tombstone a row. Below it, it makes reads slow for nothing.
const POINT_DELETES: u64 = 128;

/// Counters of the committer's work since the store was opened.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) batches: AtomicU64,
    pub(crate) operations: AtomicU64,
    pub(crate) syncs: AtomicU64,
    pub(crate) sync_micros: AtomicU64,
    /// What a sync takes while nothing else is in its way: the least of late.
    pub(crate) quick_sync_micros: AtomicU64,
}

/// A sync that took longer moves the least of late by one part in so many of the difference.
const FORGETTING: u64 = 64;

impl Counters {
    fn synced(&self, micros: u64) {
        self.syncs.fetch_add(1, Ordering::Relaxed);
        self.sync_micros.fetch_add(micros, Ordering::Relaxed);
        // Only the committer writes it.
        let least = match self.quick_sync_micros.load(Ordering::Relaxed) {
            0 => micros,
            least => micros.min(least + micros.saturating_sub(least).div_ceil(FORGETTING)),
        };
        self.quick_sync_micros.store(least, Ordering::Relaxed);
    }
}

pub(crate) struct Committer {
    engine: Arc<Engine>,
    queue: Arc<Queue>,
    watermark: Watermark,
    counters: Arc<Counters>,
    options: Options,
    scratch: Vec<u8>,
}

impl Committer {
    pub(crate) fn start(
        engine: Arc<Engine>,
        queue: Arc<Queue>,
        watermark: Watermark,
        counters: Arc<Counters>,
        options: Options,
    ) -> io::Result<JoinHandle<()>> {
        let committer = Self {
            engine,
            queue,
            watermark,
            counters,
            options,
            scratch: Vec::new(),
        };
        thread::Builder::new()
            .name("committer".into())
            .spawn(move || {
                let ending = Ending {
                    engine: committer.engine.clone(),
                    queue: committer.queue.clone(),
                };
                committer.run();
                drop(ending);
            })
    }

    fn run(mut self) {
        let interval = self.options.watermark_interval;
        let mut rewritten = Instant::now();
        loop {
            match self.queue.take(self.options.batch_bytes, interval) {
                Taken::Closed => break,
                Taken::Idle => {}
                Taken::Ops(ops) => self.commit(ops),
            }
            if rewritten.elapsed() >= interval {
                self.rewrite_watermark();
                rewritten = Instant::now();
            }
        }
        // The rows of the state that were written since the last append reach the disk too, so that a clean stop
        // replays nothing.
        match self.engine.sync() {
            Ok(()) => self.rewrite_watermark(),
            Err(error) => tracing::warn!(%error, "the last sync before the stop failed"),
        }
    }

    fn rewrite_watermark(&mut self) {
        // An older watermark is still true: it only notices less.
        if let Err(error) = self.watermark.write() {
            tracing::warn!(%error, "the watermark could not be written");
        }
    }

    fn commit(&mut self, ops: Vec<Op>) {
        let outcome = self.write(&ops);
        if cfg!(feature = "bug-ack-before-sync") {
            answer(ops, &outcome);
            let _ = self.engine.sync();
            return;
        }
        let outcome = outcome
            .and_then(|()| self.sync(&ops))
            .inspect_err(|error| self.engine.give_up(error));
        failpoint!("committer::after_sync_before_callbacks");
        answer(ops, &outcome);
    }

    fn write(&mut self, ops: &[Op]) -> Result<(), Error> {
        failpoint!("committer::before_write", |_| Err(Error::Closed));
        let mut batch = WriteBatch::default();
        for op in ops {
            let group = &op.group;
            match &op.change {
                Change::Append { rows, .. } => {
                    for row in rows {
                        rows::put(&self.engine, &mut batch, &mut self.scratch, group.id, row);
                    }
                }
                Change::Vote { vote, rank } => {
                    self.scratch.clear();
                    self.scratch.put_u64(rank.0);
                    self.scratch.put_u64(rank.1);
                    self.scratch.put_slice(vote);
                    batch.put_cf(
                        self.engine.column(Column::Meta),
                        meta_key(group.id, Tag::Vote),
                        &self.scratch,
                    );
                }
                Change::Truncate { next } => {
                    // What is cut is found by reading, so all that came before must be readable.
                    self.engine.write(mem::take(&mut batch))?;
                    self.watermark.lower(group.id, *next)?;
                    self.truncate(&mut batch, group, *next)?;
                }
                Change::Purge {
                    first,
                    upto,
                    last_purged,
                } => self.purge(&mut batch, group, (*first, *upto), last_purged),
            }
        }
        self.engine.write(batch)?;
        for op in ops {
            match &op.change {
                Change::Append { rows, epoch } => {
                    if let Some(last) = rows.last() {
                        let keep_bytes = self.options.tail_cache_bytes;
                        let mut log = op.group.log.lock();
                        log.wrote(*epoch, last.index + 1, keep_bytes);
                    }
                }
                Change::Purge { upto, .. } => op.group.log.lock().purged_on_disk(*upto),
                Change::Truncate { .. } | Change::Vote { .. } => {}
            }
        }
        self.counters.batches.fetch_add(1, Ordering::Relaxed);
        self.counters
            .operations
            .fetch_add(ops.len() as u64, Ordering::Relaxed);
        Ok(())
    }

    /// Deletes headers and bodies from `next` on.
    fn truncate(&self, batch: &mut WriteBatch, group: &Group, next: u64) -> Result<(), Error> {
        let (_, end) = group_range(group.id);
        let mut rows = self
            .engine
            .iterate(Column::Log, &log_key(group.id, next), &end);
        rows.seek_to_first();
        while let Some((key, value)) = rows.item() {
            let index = crate::columns::log_index(key).unwrap_or(next);
            for at in rows::stored(group.id, index, value)?.bodies(group.id)? {
                batch.delete_cf(
                    self.engine.column(Column::Payload),
                    payload_key(group.id, &at),
                );
            }
            batch.delete_cf(self.engine.column(Column::Log), key);
            rows.next();
        }
        self.engine.finished(Column::Log, &rows)
    }

    /// Deletes headers only: the state refers to the bodies, and retention drops them.
    fn purge(
        &mut self,
        batch: &mut WriteBatch,
        group: &Group,
        (first, upto): (u64, u64),
        last_purged: &[u8],
    ) {
        let log = self.engine.column(Column::Log);
        if upto.saturating_sub(first) < POINT_DELETES {
            for index in first..=upto {
                batch.delete_cf(log, log_key(group.id, index));
            }
        } else {
            batch.delete_range_cf(
                log,
                log_key(group.id, first),
                log_key(group.id, upto.saturating_add(1)),
            );
        }
        self.scratch.clear();
        self.scratch.put_u64(upto);
        self.scratch.put_slice(last_purged);
        batch.put_cf(
            self.engine.column(Column::Meta),
            meta_key(group.id, Tag::Purged),
            &self.scratch,
        );
    }

    fn sync(&mut self, ops: &[Op]) -> Result<(), Error> {
        failpoint!("committer::after_write_before_sync", |_| Err(Error::Closed));
        if !ops.iter().any(|op| op.change.needs_sync()) {
            return Ok(());
        }
        let began = Instant::now();
        self.engine.sync()?;
        let took = u64::try_from(began.elapsed().as_micros()).unwrap_or(u64::MAX);
        self.counters.synced(took);
        // In order: a batch may append, cut what it appended, and append again.
        for op in ops {
            match &op.change {
                Change::Append { rows, .. } => {
                    if let Some(last) = rows.last() {
                        self.watermark.raise(op.group.id, last.index + 1);
                    }
                }
                Change::Vote { rank, .. } => self.watermark.vote(op.group.id, *rank),
                Change::Truncate { next } => self.watermark.cut(op.group.id, *next),
                Change::Purge { .. } => {}
            }
        }
        // The other side of this boundary is the start, which refuses a log that ends before its mark.
        debug_assert!(
            ops.iter().all(|op| self.keeps_its_word(op.group.id)),
            "a watermark promises more than the log holds"
        );
        Ok(())
    }

    /// Whether the last row that a group's mark promises is there, or was purged.
    fn keeps_its_word(&self, group: GroupId) -> bool {
        let Some(last) = self.watermark.next(group).checked_sub(1) else {
            return true;
        };
        let row = self.engine.get(Column::Log, &log_key(group, last));
        let purged = self.engine.get(Column::Meta, &meta_key(group, Tag::Purged));
        let purged_upto = purged.ok().flatten().and_then(|value| {
            let upto = value.get(..8)?.try_into().ok()?;
            Some(u64::from_be_bytes(upto))
        });
        matches!(row, Ok(Some(_))) || purged_upto.is_some_and(|upto| upto >= last)
    }
}

/// Sees to it that a committer that panicked is missed: nothing would be answered any more, and nobody would know why.
struct Ending {
    engine: Arc<Engine>,
    queue: Arc<Queue>,
}

impl Drop for Ending {
    fn drop(&mut self) {
        if thread::panicking() {
            self.engine.give_up(&Error::Panicked);
            self.queue.abandon();
        }
    }
}

fn answer(ops: Vec<Op>, outcome: &Result<(), Error>) {
    for op in ops {
        (op.done)(match outcome {
            Ok(()) => Ok(()),
            Err(error) => Err(io::Error::other(error.to_string())),
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quick_sync_is_known_at_once_and_forgotten_slowly() {
        let counters = Counters::default();
        let quick = || counters.quick_sync_micros.load(Ordering::Relaxed);
        for (took, at_least, at_most) in [(900, 900, 900), (300, 300, 300), (2_000, 301, 330)] {
            counters.synced(took);
            assert!((at_least..=at_most).contains(&quick()), "{}", quick());
        }
        for _ in 0..1_000 {
            counters.synced(2_000);
        }
        assert!(quick() > 1_900);
    }
}
