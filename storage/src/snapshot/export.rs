//! Writing one group's state to files.

use super::{
    chunk::Writer,
    manifest::{LAYOUT, Manifest},
};
use crate::{
    columns::{Column, Tag, group_range, meta_key, payload_bucket, payload_index},
    error::Error,
    rows,
    store::GroupStore,
};
use bytes::Bytes;
use rocksdb::Snapshot;
use std::{fs, path::Path};

impl GroupStore {
    /// Writes the state of one moment, and the bodies that retention has kept, into `dir`. Commits may go on
    /// meanwhile. What the snapshot holds is said by its own `applied`; `last_index` reads the index out of it,
    /// because bodies of later entries are not agreed upon yet and must not be carried to another node.
    ///
    /// # Errors
    /// When the store can't be read, a body is damaged, or the files can't be written.
    pub fn export(
        &self,
        dir: &Path,
        last_index: impl FnOnce(&[u8]) -> Option<u64>,
    ) -> Result<Manifest, Error> {
        self.readable()?;
        let engine = &self.store.engine;
        fs::create_dir_all(dir).map_err(Error::file("creating", dir))?;
        Manifest::remove(dir)?;
        let snapshot = engine.snapshot();
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
            self.export_payloads(&snapshot, &mut writer, floor, last)?;
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

    fn export_payloads(
        &self,
        snapshot: &Snapshot<'_>,
        writer: &mut Writer,
        floor: u32,
        last: u64,
    ) -> Result<(), Error> {
        let group = self.group.id;
        let (prefix, to) = group_range(group);
        let mut options = rocksdb::ReadOptions::default();
        options.set_iterate_lower_bound(payload_bucket(group, floor));
        options.set_iterate_upper_bound(to);
        // A snapshot passes once over everything; it must not push out what others are reading.
        options.fill_cache(false);
        let mut bodies =
            snapshot.raw_iterator_cf_opt(self.store.engine.column(Column::Payload), options);
        bodies.seek_to_first();
        while let Some((key, value)) = bodies.item() {
            if payload_index(key).is_some_and(|index| index <= last) {
                if !rows::is_whole(key, value) {
                    return Err(Error::Damaged {
                        group,
                        what: "a payload",
                        detail: format!("{key:02x?}: the checksum is wrong"),
                    });
                }
                writer.put(Column::Payload, &key[prefix.len()..], value)?;
            }
            bodies.next();
        }
        self.store.engine.finished(Column::Payload, &bodies)
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
