//! Replacing one group's state by a snapshot. A marker that is durable before the first change and goes with the last
//! one makes every crash in between end in a complete installation at the next start.

use super::{chunk, manifest::Manifest};
use crate::{
    columns::{Column, Tag, group_range, meta_key},
    engine::Engine,
    error::Error,
    store::GroupStore,
    watermark::sync_dir,
};
use model::ids::GroupId;
use rocksdb::WriteBatch;
use std::{fs, path::Path};

/// Rows are written in batches of about this size.
const BATCH: usize = 1 << 20;

impl GroupStore {
    /// Replaces the state by the snapshot in `dir`, which must stay there until this returns, or until the store was
    /// opened again. Log and vote are not touched. Reads fail meanwhile; no transaction may be open.
    ///
    /// # Errors
    /// When the snapshot is refused: then nothing has changed. When the store can't be written: then the state can't
    /// be read until the store is opened again.
    pub fn install(&self, dir: &Path) -> Result<(), Error> {
        let engine = &*self.store.engine;
        let group = self.group.id;
        let dir = fs::canonicalize(dir).map_err(Error::file("finding", dir))?;
        let manifest = verified(group, &dir)?;
        let Some(name) = dir.to_str() else {
            return Err(Error::SnapshotRefused {
                dir,
                reason: "the name of its directory is not UTF-8".into(),
            });
        };
        self.group.set_installing(true);
        let mut marker = WriteBatch::default();
        marker.put_cf(
            engine.column(Column::Meta),
            meta_key(group, Tag::Installing),
            name,
        );
        engine.write(marker)?;
        engine.sync()?;
        failpoint!("snapshot::after_marker", |_| Err(Error::Closed));
        replace(engine, group, &dir, &manifest)?;
        self.group.set_installing(false);
        Ok(())
    }
}

/// Begins an interrupted installation again, from the start.
pub(crate) fn replay(engine: &Engine, group: GroupId, dir: &Path) -> Result<(), Error> {
    let manifest = verified(group, dir)?;
    replace(engine, group, dir, &manifest)
}

/// The manifest of a snapshot whose files are all there, whole and durable.
fn verified(group: GroupId, dir: &Path) -> Result<Manifest, Error> {
    let manifest = Manifest::verify(dir)?;
    if manifest.group != group.0 {
        return Err(Error::SnapshotRefused {
            dir: dir.to_path_buf(),
            reason: format!("it is of group {}, not of group {group}", manifest.group),
        });
    }
    sync_dir(dir)?;
    Ok(manifest)
}

fn replace(engine: &Engine, group: GroupId, dir: &Path, manifest: &Manifest) -> Result<(), Error> {
    let (from, to) = group_range(group);
    let mut batch = WriteBatch::default();
    for column in [Column::State, Column::Due] {
        batch.delete_range_cf(engine.column(column), from, to);
    }
    let mut full_key = Vec::new();
    for chunk in &manifest.chunks {
        // Bodies are laid over those that are there: the log's own rows may need bodies behind the snapshot's end.
        chunk::rows(dir, chunk, |column, key, value| {
            full_key.clear();
            full_key.extend_from_slice(&from);
            full_key.extend_from_slice(key);
            batch.put_cf(engine.column(column), &full_key, value);
            if batch.size_in_bytes() >= BATCH {
                engine.write(std::mem::take(&mut batch))?;
            }
            Ok(())
        })?;
        failpoint!("snapshot::after_chunk", |_| Err(Error::Closed));
    }
    let meta = engine.column(Column::Meta);
    if manifest.applied.is_empty() {
        batch.delete_cf(meta, meta_key(group, Tag::Applied));
    } else {
        batch.put_cf(meta, meta_key(group, Tag::Applied), &manifest.applied);
    }
    batch.put_cf(
        meta,
        meta_key(group, Tag::PayloadFloor),
        manifest.payload_floor.to_be_bytes(),
    );
    batch.delete_cf(meta, meta_key(group, Tag::Installing));
    engine.write(batch)?;
    failpoint!("snapshot::before_last_sync", |_| Err(Error::Closed));
    engine.sync()
}
