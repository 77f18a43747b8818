//! Reading the replicated state of one group.

use crate::{
    columns::{Column, STATE_PREFIX, Tag, meta_key, state_key},
    engine::Engine,
    error::Error,
    group::Group,
    store::GroupStore,
};
use bytes::Bytes;
use model::{
    ids::GroupId,
    state::{
        codec::CodecError,
        kv::{KvError, Read, Row, Table},
    },
};
use rocksdb::{DBRawIterator, Snapshot};

/// A read view of the latest committed state, as of each call: one `get` or one `scan` sees one moment, two calls may
/// see two. A whole batch becomes visible at once. Owned and cheap; for several reads of one moment use
/// [`GroupStore::pinned`].
#[derive(Clone)]
pub struct ReadView {
    group: GroupStore,
}

/// A read view that is pinned to one moment, however many reads.
pub struct PinnedView<'a> {
    engine: &'a Engine,
    group: &'a Group,
    snapshot: Snapshot<'a>,
}

impl GroupStore {
    /// The newest committed state.
    #[must_use]
    pub fn view(&self) -> ReadView {
        ReadView {
            group: self.clone(),
        }
    }

    /// Lets `read` see one moment of the state. While it runs, the database keeps what it replaces.
    pub fn pinned<T>(&self, read: impl FnOnce(&PinnedView<'_>) -> T) -> T {
        let engine = &*self.store.engine;
        read(&PinnedView {
            engine,
            group: &self.group,
            snapshot: engine.snapshot(),
        })
    }

    /// The applied position that the last commit carried, in Raft's own bytes.
    ///
    /// # Errors
    /// When the store can't be read.
    pub fn applied(&self) -> Result<Option<Bytes>, Error> {
        let key = meta_key(self.group.id, Tag::Applied);
        self.store.engine.get(Column::Meta, &key)
    }

    /// Makes everything that was written so far durable, in all groups.
    ///
    /// # Errors
    /// When the disk fails; the process normally ends before that is seen.
    pub fn sync(&self) -> Result<(), Error> {
        self.store.engine.sync()
    }

    pub(crate) fn readable(&self) -> Result<(), Error> {
        readable(&self.group)
    }
}

fn readable(group: &Group) -> Result<(), Error> {
    match group.installing() {
        true => Err(Error::Installing(group.id)),
        false => Ok(()),
    }
}

/// The direction of a scan.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    Up,
    Down,
}

impl Way {
    pub(crate) fn start(self, rows: &mut DBRawIterator<'_>) {
        match self {
            Self::Up => rows.seek_to_first(),
            Self::Down => rows.seek_to_last(),
        }
    }

    pub(crate) fn step(self, rows: &mut DBRawIterator<'_>) {
        match self {
            Self::Up => rows.next(),
            Self::Down => rows.prev(),
        }
    }
}

/// At most `limit` rows of an iterator, their keys without the group and the table.
fn collect(
    engine: &Engine,
    column: Column,
    mut rows: DBRawIterator<'_>,
    way: Way,
    limit: usize,
) -> Result<Vec<Row>, Error> {
    let mut found = Vec::new();
    if limit == 0 {
        return Ok(found);
    }
    way.start(&mut rows);
    while let Some((key, value)) = rows.item() {
        found.push((
            Bytes::copy_from_slice(&key[STATE_PREFIX..]),
            Bytes::copy_from_slice(value),
        ));
        if found.len() == limit {
            break;
        }
        way.step(&mut rows);
    }
    engine.finished(column, &rows)?;
    Ok(found)
}

pub(crate) fn unreadable(table: Table, doing: &'static str) -> impl FnOnce(Error) -> KvError {
    move |source| KvError {
        table,
        doing,
        source: Box::new(source),
    }
}

/// A row whose bytes are as they were written, as far as the engine can tell, and yet no row.
pub(crate) fn undecodable(group: GroupId, table: Table, error: &CodecError) -> Error {
    Error::Damaged {
        group,
        what: "a row of the state",
        detail: format!("table {table:?}: {error}"),
    }
}

impl ReadView {
    fn collect(
        &self,
        table: Table,
        (from, to): (&[u8], &[u8]),
        way: Way,
        limit: usize,
    ) -> Result<Vec<Row>, KvError> {
        let id = self.group.group.id;
        if from >= to {
            return Ok(Vec::new());
        }
        let scan = || {
            self.group.readable()?;
            let (engine, column) = (&self.group.store.engine, Column::of(table));
            let rows = engine.iterate(
                column,
                &state_key(id, table, from),
                &state_key(id, table, to),
            );
            collect(engine, column, rows, way, limit)
        };
        scan().map_err(unreadable(table, "scanning"))
    }
}

impl Read for ReadView {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Bytes>, KvError> {
        let key = state_key(self.group.group.id, table, key);
        self.group
            .readable()
            .and_then(|()| self.group.store.engine.get(Column::of(table), &key))
            .map_err(unreadable(table, "reading"))
    }

    fn scan(
        &self,
        table: Table,
        from: &[u8],
        to: &[u8],
        limit: usize,
    ) -> Result<Vec<Row>, KvError> {
        self.collect(table, (from, to), Way::Up, limit)
    }

    fn scan_back(
        &self,
        table: Table,
        from: &[u8],
        to: &[u8],
        limit: usize,
    ) -> Result<Vec<Row>, KvError> {
        self.collect(table, (from, to), Way::Down, limit)
    }

    fn distrust(&self, table: Table, error: &CodecError) {
        self.group
            .store
            .engine
            .distrust(&undecodable(self.group.group.id, table, error));
    }
}

impl PinnedView<'_> {
    fn collect(
        &self,
        table: Table,
        (from, to): (&[u8], &[u8]),
        way: Way,
        limit: usize,
    ) -> Result<Vec<Row>, KvError> {
        if from >= to {
            return Ok(Vec::new());
        }
        let scan = || {
            readable(self.group)?;
            let column = Column::of(table);
            let rows = self.engine.iterate_snapshot(
                &self.snapshot,
                column,
                &state_key(self.group.id, table, from),
                &state_key(self.group.id, table, to),
            );
            collect(self.engine, column, rows, way, limit)
        };
        scan().map_err(unreadable(table, "scanning"))
    }
}

impl Read for PinnedView<'_> {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Bytes>, KvError> {
        let read = || {
            readable(self.group)?;
            let key = state_key(self.group.id, table, key);
            self.engine
                .get_snapshot(&self.snapshot, Column::of(table), &key)
        };
        read().map_err(unreadable(table, "reading"))
    }

    fn scan(
        &self,
        table: Table,
        from: &[u8],
        to: &[u8],
        limit: usize,
    ) -> Result<Vec<Row>, KvError> {
        self.collect(table, (from, to), Way::Up, limit)
    }

    fn scan_back(
        &self,
        table: Table,
        from: &[u8],
        to: &[u8],
        limit: usize,
    ) -> Result<Vec<Row>, KvError> {
        self.collect(table, (from, to), Way::Down, limit)
    }

    fn distrust(&self, table: Table, error: &CodecError) {
        self.engine
            .distrust(&undecodable(self.group.id, table, error));
    }
}
