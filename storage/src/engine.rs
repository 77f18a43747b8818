//! RocksDB behind names of our own: reads, batches, one sync.

use crate::{
    columns::{self, Column},
    error::Error,
    options::{OnFatal, Options},
};
use bytes::Bytes;
use rocksdb::{
    ColumnFamily, DB, DBPinnableSlice, DBRawIterator, ReadOptions, Snapshot, WriteBatch,
};
use std::{
    path::Path,
    sync::atomic::{AtomicBool, Ordering},
};

pub(crate) struct Engine {
    db: DB,
    on_fatal: OnFatal,
    /// Set by the first failed write or sync and never cleared.
    poisoned: AtomicBool,
}

impl Engine {
    pub(crate) fn open(dir: &Path, options: &Options) -> Result<Self, Error> {
        let db = DB::open_cf_descriptors(
            &columns::engine(options),
            dir,
            columns::descriptors(options),
        )
        .map_err(Error::engine("opening the database"))?;
        Ok(Self {
            db,
            on_fatal: options.on_fatal.clone(),
            poisoned: AtomicBool::new(false),
        })
    }

    /// Ends the engine's own threads' work and waits for it. They would otherwise outlive the program's last statement
    /// and touch what its exit has taken down. Nothing may be written afterwards.
    pub(crate) fn quiet(&self) {
        self.db.cancel_all_background_work(true);
    }

    pub(crate) fn column(&self, column: Column) -> &ColumnFamily {
        self.db
            .cf_handle(column.name())
            .expect("every column is opened with the database")
    }

    pub(crate) fn get(&self, column: Column, key: &[u8]) -> Result<Option<Bytes>, Error> {
        Ok(self
            .get_pinned(column, key)?
            .map(|value| Bytes::copy_from_slice(&value)))
    }

    pub(crate) fn get_pinned(
        &self,
        column: Column,
        key: &[u8],
    ) -> Result<Option<DBPinnableSlice<'_>>, Error> {
        self.db
            .get_pinned_cf(self.column(column), key)
            .map_err(Error::engine("reading a row"))
    }

    /// An iterator over `[from, to)`, not yet placed. It sees one moment of the database.
    pub(crate) fn iterate(&self, column: Column, from: &[u8], to: &[u8]) -> DBRawIterator<'_> {
        self.db
            .raw_iterator_cf_opt(self.column(column), bounds(from, to))
    }

    pub(crate) fn snapshot(&self) -> Snapshot<'_> {
        self.db.snapshot()
    }

    pub(crate) fn iterate_snapshot<'a>(
        &'a self,
        snapshot: &Snapshot<'a>,
        column: Column,
        from: &[u8],
        to: &[u8],
    ) -> DBRawIterator<'a> {
        let mut options = bounds(from, to);
        options.set_snapshot(snapshot);
        self.db.raw_iterator_cf_opt(self.column(column), options)
    }

    /// An iterator that is told everything by its options.
    pub(crate) fn iterate_with(&self, column: Column, options: ReadOptions) -> DBRawIterator<'_> {
        self.db.raw_iterator_cf_opt(self.column(column), options)
    }

    /// Writes a batch. Readable on return, durable with the next sync.
    pub(crate) fn write(&self, batch: WriteBatch) -> Result<(), Error> {
        self.alive()?;
        if batch.is_empty() {
            return Ok(());
        }
        self.db
            .write(batch)
            .map_err(Error::engine("writing to the database"))
            .inspect_err(|error| self.give_up(error))
    }

    /// Makes everything that was written so far durable.
    pub(crate) fn sync(&self) -> Result<(), Error> {
        self.alive()?;
        self.sync_wal().inspect_err(|error| self.give_up(error))
    }

    fn sync_wal(&self) -> Result<(), Error> {
        failpoint!("engine::sync", |_| Err(Error::File {
            doing: "syncing the write-ahead log",
            path: self.db.path().to_path_buf(),
            source: std::io::Error::other("a failpoint"),
        }));
        self.db
            .flush_wal(true)
            .map_err(Error::engine("syncing the write-ahead log"))
    }

    /// Drops whole files of a range. Not a record of the WAL: only for what has been decided durably.
    pub(crate) fn delete_files(&self, column: Column, from: &[u8], to: &[u8]) -> Result<(), Error> {
        self.db
            .delete_file_in_range_cf(self.column(column), from, to)
            .map_err(Error::engine("dropping files of a range"))
    }

    pub(crate) fn path(&self) -> &Path {
        self.db.path()
    }

    fn alive(&self) -> Result<(), Error> {
        match self.poisoned.load(Ordering::Acquire) {
            true => Err(Error::Closed),
            false => Ok(()),
        }
    }

    /// Ends all writing: after this the disk can't be trusted to keep what it is given.
    pub(crate) fn give_up(&self, error: &Error) {
        if self.poisoned.swap(true, Ordering::AcqRel) {
            return;
        }
        let cause = std::error::Error::source(error)
            .map(|source| format!(": {source}"))
            .unwrap_or_default();
        (self.on_fatal)(&format!("{error}{cause}"));
    }
}

fn bounds(from: &[u8], to: &[u8]) -> ReadOptions {
    let mut options = ReadOptions::default();
    options.set_iterate_lower_bound(from);
    options.set_iterate_upper_bound(to);
    options
}

/// The iterator's error, if that is why it stopped.
pub(crate) fn finished(iterator: &DBRawIterator<'_>) -> Result<(), Error> {
    iterator
        .status()
        .map_err(Error::engine("reading a range of rows"))
}
