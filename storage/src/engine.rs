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
    /// Set once the store is open: until then, damage is a reason not to open it.
    serving: AtomicBool,
    /// Whether it was said that the store can't be trusted.
    told: AtomicBool,
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
            serving: AtomicBool::new(false),
            told: AtomicBool::new(false),
        })
    }

    /// Begins to serve: from now on damage ends the node's work, whoever meets it.
    pub(crate) fn serve(&self) {
        self.serving.store(true, Ordering::Release);
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
            .inspect_err(|error| self.judge(column, error))
    }

    /// Reads a row as a snapshot has it.
    pub(crate) fn get_snapshot(
        &self,
        snapshot: &Snapshot<'_>,
        column: Column,
        key: &[u8],
    ) -> Result<Option<Bytes>, Error> {
        snapshot
            .get_pinned_cf(self.column(column), key)
            .map(|value| value.map(|value| Bytes::copy_from_slice(&value)))
            .map_err(Error::engine("reading a row"))
            .inspect_err(|error| self.judge(column, error))
    }

    /// An iterator over `[from, to)`, not yet placed. It sees one moment of the database.
    pub(crate) fn iterate(&self, column: Column, from: &[u8], to: &[u8]) -> DBRawIterator<'_> {
        self.db
            .raw_iterator_cf_opt(self.column(column), bounds(from, to))
    }

    /// An iterator over a whole column that leaves the caches to others.
    pub(crate) fn iterate_aside(&self, column: Column) -> DBRawIterator<'_> {
        let mut options = ReadOptions::default();
        options.set_verify_checksums(true);
        options.fill_cache(false);
        self.db.raw_iterator_cf_opt(self.column(column), options)
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

    /// The iterator's error, if that is why it stopped.
    pub(crate) fn finished(&self, column: Column, rows: &DBRawIterator<'_>) -> Result<(), Error> {
        rows.status()
            .map_err(Error::engine("reading a range of rows"))
            .inspect_err(|error| self.judge(column, error))
    }

    /// A row that can't be read ends the node's work, but for a body: that one event waits, and others have it.
    fn judge(&self, column: Column, error: &Error) {
        if column == Column::Payload {
            return;
        }
        if error.is_want() {
            tracing::warn!(%error, "a row could not be read for want of files or memory");
        } else {
            self.distrust(error);
        }
    }

    /// Says that what is stored can't be trusted. Writing goes on meanwhile, so that leaderships can be handed over.
    pub(crate) fn distrust(&self, error: &(dyn std::error::Error + 'static)) {
        if self.serving.load(Ordering::Acquire) {
            self.tell(error);
        }
    }

    /// Ends all writing: after this the disk can't be trusted to keep what it is given.
    pub(crate) fn give_up(&self, error: &Error) {
        if !self.poisoned.swap(true, Ordering::AcqRel) {
            self.tell(error);
        }
    }

    fn tell(&self, error: &(dyn std::error::Error + 'static)) {
        if self.told.swap(true, Ordering::AcqRel) {
            return;
        }
        let mut reason = error.to_string();
        let mut cause = error.source();
        while let Some(source) = cause {
            reason.push_str(": ");
            reason.push_str(&source.to_string());
            cause = source.source();
        }
        (self.on_fatal)(&reason);
    }
}

fn bounds(from: &[u8], to: &[u8]) -> ReadOptions {
    let mut options = ReadOptions::default();
    options.set_verify_checksums(true);
    options.set_iterate_lower_bound(from);
    options.set_iterate_upper_bound(to);
    options
}
