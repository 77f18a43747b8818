//! Writing one group's state to files.

use super::{
    bodies::Bodies,
    chunk::Writer,
    manifest::{LAYOUT, Manifest},
};
use crate::{
    columns::{Column, Tag, group_range, meta_key, payload_index},
    error::Error,
    rows,
    store::GroupStore,
};
use bytes::Bytes;
use rocksdb::Snapshot;
use std::{fs, path::Path};

impl GroupStore {
    /// Writes the state of one moment, and all bodies up to it, into `dir`. Commits may go on
    /// meanwhile. What the snapshot holds is said by its own `applied`; `last_index` reads the index out of it,
    /// because bodies of later entries are not agreed upon yet and must not be carried to another node.
    ///
    /// # Errors
    /// When the store can't be read, or the files can't be written.
    pub fn export(
        &self,
        dir: &Path,
        last_index: impl FnOnce(&[u8]) -> Option<u64>,
    ) -> Result<Manifest, Error> {
        self.readable()?;
        let engine = &self.store.engine;
        fs::create_dir_all(dir).map_err(Error::file("creating", dir))?;
        Manifest::remove(dir)?;
        let (snapshot, bodies) = {
            // Retention drops whole files, past all snapshots, but not while this lock is held.
            let _log = self.group.log.lock();
            let snapshot = engine.snapshot();
            let bodies = Bodies::of(engine, &snapshot, self.group.id);
            (snapshot, bodies)
        };
        // The log before this moment may be purged once the snapshot stands, so the moment must be durable here too.
        engine.sync()?;
        let applied = self
            .fact(&snapshot, Tag::Applied)?
            .map(Bytes::from)
            .unwrap_or_default();
        let floor = self
            .fact(&snapshot, Tag::PayloadFloor)?
            .and_then(|value| <[u8; 4]>::try_from(value).ok())
            .map_or(0, u32::from_be_bytes);
        let mut writer = Writer::new(dir, self.store.options.chunk_bytes);
        let (from, to) = group_range(self.group.id);
        for column in [Column::State, Column::Due] {
            let mut rows = engine.iterate_snapshot(&snapshot, column, &from, &to);
            rows.seek_to_first();
            while let Some((key, value)) = rows.item() {
                writer.put(column, &key[from.len()..], value)?;
                rows.next();
            }
            engine.finished(column, &rows)?;
        }
        failpoint!("snapshot::export_before_payloads", |_| Err(Error::Closed));
        if let Some(last) = last_index(&applied) {
            self.export_payloads(bodies, &mut writer, floor, last)?;
        }
        let manifest = Manifest {
            layout: LAYOUT,
            group: self.group.id.0,
            applied,
            payload_floor: floor,
            chunks: writer.finish()?,
        };
        manifest.write(dir)?;
        Ok(manifest)
    }

    /// Every body up to an entry, whatever its hour: rows may refer to any of them, and what they refer to nobody may
    /// leave out. A body that can't be read here is left to those who can: whoever needs it asks them.
    fn export_payloads(
        &self,
        mut bodies: Bodies<'_>,
        writer: &mut Writer,
        floor: u32,
        last: u64,
    ) -> Result<(), Error> {
        let group = self.group.id;
        let (prefix, _) = group_range(group);
        let from = if cfg!(feature = "bug-export-from-floor") {
            floor
        } else {
            0
        };
        bodies.begin(from)?;
        let mut damaged = 0u64;
        while let Some((key, value)) = bodies.item() {
            if payload_index(key).is_some_and(|index| index <= last) {
                match rows::is_whole(key, value) {
                    true => writer.put(Column::Payload, &key[prefix.len()..], value)?,
                    false => damaged += 1,
                }
            }
            bodies.next()?;
        }
        damaged += bodies.skipped;
        if damaged > 0 {
            tracing::error!(
                %group,
                damaged,
                "bodies that can't be read here are left out of a snapshot, other nodes have them"
            );
        }
        Ok(())
    }

    fn fact(&self, snapshot: &Snapshot<'_>, tag: Tag) -> Result<Option<Vec<u8>>, Error> {
        snapshot
            .get_cf(
                self.store.engine.column(Column::Meta),
                meta_key(self.group.id, tag),
            )
            .map_err(Error::engine("reading a row"))
    }
}
