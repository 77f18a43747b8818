//! The bodies that entries carried: read by reference, mended from a peer's copy, dropped by the hour.

use crate::{
    columns::{Column, Tag, meta_key, payload_bucket, payload_key},
    engine::Engine,
    error::Error,
    rows,
    store::GroupStore,
};
use bytes::Bytes;
use model::{envelope::PayloadRef, ids::GroupId};
use rocksdb::WriteBatch;
use std::collections::BTreeSet;

/// The buckets of bodies that retention lets go of, and those that must stay.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LetGo {
    /// All buckets before this one, but for those that are referred to.
    pub before: u32,
    /// Later ones, but for those that are referred to.
    pub gone: BTreeSet<u32>,
    /// Buckets that rows of the state refer to.
    pub referred: BTreeSet<u32>,
}

impl LetGo {
    /// The buckets that go, as ranges `[from, to)`. What is in `needed` stays too.
    fn ranges(&self, before: u32, needed: impl Iterator<Item = u32>) -> Vec<(u32, u32)> {
        let kept: BTreeSet<u32> = needed.chain(self.referred.iter().copied()).collect();
        let mut ranges = Vec::new();
        let mut from = 0;
        for &bucket in kept.range(..before) {
            ranges.push((from, bucket));
            from = bucket + 1;
        }
        ranges.push((from, before));
        let later = self
            .gone
            .range(before..)
            .filter(|gone| !kept.contains(gone));
        ranges.extend(later.map(|&gone| (gone, gone.saturating_add(1))));
        ranges.retain(|(from, to)| from < to);
        ranges
    }
}

impl GroupStore {
    /// Reads a body; none when it is not here.
    ///
    /// # Errors
    /// When the disk can't be read or the body is damaged.
    pub fn payload(&self, at: &PayloadRef) -> Result<Option<Bytes>, Error> {
        let group = self.group.id;
        match rows::body(&self.store.engine, group, at)? {
            Some(body) => Ok(Some(body)),
            None => Ok(self.waiting(at)),
        }
    }

    /// A body whose entry was appended but not yet written: it is still in memory.
    fn waiting(&self, at: &PayloadRef) -> Option<Bytes> {
        let row = self
            .group
            .log
            .lock()
            .read(at.index, at.index.checked_add(1)?, 0)
            .pop()?;
        let envelope = model::envelope::Envelope::parse(&row.command).ok()?;
        (envelope.at.bucket() == at.bucket)
            .then(|| envelope.bodies.get(usize::from(at.sub)).cloned())
            .flatten()
    }

    /// A body with its checksum, for a node that lacks it.
    ///
    /// # Errors
    /// When the disk can't be read, the body is damaged here too, or a snapshot is about to bring it.
    pub fn sealed_payload(&self, at: &PayloadRef) -> Result<Option<Bytes>, Error> {
        self.readable()?;
        let body = self.payload(at)?;
        Ok(body.map(|body| rows::sealed(self.group.id, at, &body)))
    }

    /// Keeps a body that another node had, and gives it back. None: it is not the one that belongs there. Not synced:
    /// what a crash takes is asked for again.
    ///
    /// # Errors
    /// When the store can't be written.
    pub fn mend_payload(&self, at: &PayloadRef, sealed: &Bytes) -> Result<Option<Bytes>, Error> {
        let group = self.group.id;
        let Some(body) = rows::unsealed(group, at, sealed) else {
            return Ok(None);
        };
        let engine = &self.store.engine;
        let mut batch = WriteBatch::default();
        let key = payload_key(group, at);
        batch.put_cf(engine.column(Column::Payload), key, sealed);
        engine.write(batch)?;
        Ok(Some(body))
    }

    /// Drops bodies that no row refers to. Only by a replicated decision, and then on every node. Bodies that the log
    /// still needs for its own rows stay until a later call behind their purge.
    ///
    /// # Errors
    /// When the store can't be written.
    pub fn let_payload_go(&self, going: &LetGo) -> Result<(), Error> {
        let group = self.group.id;
        let engine = &self.store.engine;
        let before = going.before.max(floor(engine, group)?);
        let bounds = |(from, to)| (payload_bucket(group, from), payload_bucket(group, to));
        let mut batch = WriteBatch::default();
        batch.put_cf(
            engine.column(Column::Meta),
            meta_key(group, Tag::PayloadFloor),
            before.to_be_bytes(),
        );
        let mut dropped = false;
        {
            // What is appended from now on is written behind this batch: it can't fall to it, whatever its bucket.
            let log = self.group.log.lock();
            for (from, to) in going.ranges(before, log.needed()).into_iter().map(bounds) {
                if !is_empty(engine, &from, &to)? {
                    batch.delete_range_cf(engine.column(Column::Payload), from, to);
                    dropped = true;
                }
            }
            engine.write(batch)?;
        }
        if !dropped {
            return Ok(());
        }
        // Files are dropped outside the write-ahead log, so what decides it must be durable first.
        engine.sync()?;
        // They go with all that is in them: what was appended meanwhile counts too.
        let log = self.group.log.lock();
        for (from, to) in going.ranges(before, log.needed()).into_iter().map(bounds) {
            engine.delete_files(Column::Payload, &from, &to)?;
        }
        Ok(())
    }
}

/// The latest hour that retention has reached. Bodies of earlier ones are here only where something refers to them.
pub(crate) fn floor(engine: &Engine, group: GroupId) -> Result<u32, Error> {
    let value = engine.get(Column::Meta, &meta_key(group, Tag::PayloadFloor))?;
    Ok(value
        .and_then(|value| <[u8; 4]>::try_from(&value[..]).ok())
        .map_or(0, u32::from_be_bytes))
}

fn is_empty(engine: &Engine, from: &[u8], to: &[u8]) -> Result<bool, Error> {
    let mut rows = engine.iterate(Column::Payload, from, to);
    rows.seek_to_first();
    // A body that can't be read is none the less there.
    Ok(!rows.valid() && engine.finished(Column::Payload, &rows).is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn going(before: u32, gone: &[u32], referred: &[u32]) -> LetGo {
        LetGo {
            before,
            gone: gone.iter().copied().collect(),
            referred: referred.iter().copied().collect(),
        }
    }

    #[test]
    fn what_is_referred_to_or_needed_lies_between_the_ranges_that_go() {
        let ranges = |going: LetGo, needed: &[u32]| {
            let needed = needed.iter().copied();
            going.ranges(going.before, needed)
        };
        assert_eq!(ranges(going(9, &[], &[]), &[]), [(0, 9)]);
        assert_eq!(
            ranges(going(9, &[], &[0, 4, 5, 20]), &[8]),
            [(1, 4), (6, 8)]
        );
        assert_eq!(
            ranges(going(9, &[3, 9, 12, 30], &[12]), &[]),
            [(0, 9), (9, 10), (30, 31)]
        );
        assert_eq!(ranges(going(0, &[], &[]), &[]), []);
    }
}
