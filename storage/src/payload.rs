//! The bodies that entries carried: read by reference, dropped by the hour.

use crate::{
    columns::{Column, Tag, group_range, log_key, meta_key, payload_bucket},
    engine::Engine,
    error::Error,
    rows,
    store::GroupStore,
};
use bytes::Bytes;
use model::{envelope::PayloadRef, ids::GroupId};
use rocksdb::WriteBatch;

impl GroupStore {
    /// One body, or nothing when retention has dropped it.
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

    /// Drops the bodies of all hours before `bucket`. Only by a replicated decision, and then on every node.
    /// Bodies that the log still needs for its own rows stay until the next call behind their purge.
    ///
    /// # Errors
    /// When the store can't be written.
    pub fn drop_payload_before(&self, bucket: u32) -> Result<(), Error> {
        let group = self.group.id;
        let engine = &self.store.engine;
        let before = floor(engine, group)?;
        let bucket = bucket.max(before);
        let needed = needed_by_log(engine, group, self.group.log.lock().first())?;
        let to = payload_bucket(group, needed.map_or(bucket, |needed| needed.min(bucket)));
        let from = payload_bucket(group, 0);
        let mut batch = WriteBatch::default();
        batch.put_cf(
            engine.column(Column::Meta),
            meta_key(group, Tag::PayloadFloor),
            bucket.to_be_bytes(),
        );
        if is_empty(engine, &from, &to)? {
            return engine.write(batch);
        }
        batch.delete_range_cf(engine.column(Column::Payload), from, to);
        engine.write(batch)?;
        // Files are dropped outside the write-ahead log, so what decides it must be durable first.
        engine.sync()?;
        engine.delete_files(Column::Payload, &from, &to)
    }
}

/// Bodies of hours before this one are gone by decision.
pub(crate) fn floor(engine: &Engine, group: GroupId) -> Result<u32, Error> {
    let value = engine.get(Column::Meta, &meta_key(group, Tag::PayloadFloor))?;
    Ok(value
        .and_then(|value| <[u8; 4]>::try_from(&value[..]).ok())
        .map_or(0, u32::from_be_bytes))
}

/// The hour of the oldest row in the log that has bodies elsewhere. Time never runs backwards along a log, so no
/// later row needs an earlier hour.
fn needed_by_log(engine: &Engine, group: GroupId, first: u64) -> Result<Option<u32>, Error> {
    let (_, end) = group_range(group);
    let mut rows = engine.iterate(Column::Log, &log_key(group, first), &end);
    rows.seek_to_first();
    while let Some((key, value)) = rows.item() {
        let index = crate::columns::log_index(key).unwrap_or(first);
        let stored = rows::stored(group, index, value)?;
        if stored.is_split() {
            return Ok(stored.bodies(group)?.first().map(|at| at.bucket));
        }
        rows.next();
    }
    engine.finished(Column::Log, &rows)?;
    Ok(None)
}

fn is_empty(engine: &Engine, from: &[u8], to: &[u8]) -> Result<bool, Error> {
    let mut rows = engine.iterate(Column::Payload, from, to);
    rows.seek_to_first();
    engine.finished(Column::Payload, &rows)?;
    Ok(!rows.valid())
}
