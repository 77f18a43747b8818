//! Writing the replicated state of one group: changes gather over the committed rows and become visible all at once.

use crate::{
    columns::{Column, STATE_PREFIX, Tag, meta_key, state_key},
    engine::Engine,
    error::Error,
    state::{Way, undecodable, unreadable},
    store::GroupStore,
};
use bytes::Bytes;
use model::state::{
    codec::CodecError,
    kv::{Kv, KvError, Read, Row, Table},
};
use rocksdb::WriteBatch;
use std::{
    collections::BTreeMap,
    ops::Bound::{Excluded, Included},
};

/// A range with more rows than this is deleted by one tombstone, a smaller one row by row: a range tombstone makes
/// every later read of its neighbourhood slower.
const POINT_DELETES: usize = 128;

/// A transaction. It reads its own writes. One at a time writes to a group; dropping it without a commit changes nothing.
pub struct WriteTxn {
    group: GroupStore,
    /// Own puts and, as `None`, own deletes, by full key. They win over everything below.
    own: BTreeMap<Bytes, Option<Bytes>>,
    /// Ranges of committed rows that are deleted, by full keys. They say nothing about `own`.
    erased: Vec<Erased>,
}

struct Erased {
    column: Column,
    from: Bytes,
    to: Bytes,
}

impl Erased {
    fn covers(&self, key: &[u8]) -> bool {
        *self.from <= *key && *key < *self.to
    }
}

impl GroupStore {
    /// Begins a transaction.
    #[must_use]
    pub fn begin(&self) -> WriteTxn {
        WriteTxn {
            group: self.clone(),
            own: BTreeMap::new(),
            erased: Vec::new(),
        }
    }
}

impl WriteTxn {
    /// Writes everything together with `applied`, readable on return. Not synced: after a crash the log replays what
    /// the disk has not got.
    ///
    /// # Errors
    /// When the store can't be written.
    pub fn commit(self, applied: Bytes) -> Result<(), Error> {
        let engine = &*self.group.store.engine;
        let key = meta_key(self.group.group.id, Tag::Applied);
        let mut batch = WriteBatch::default();
        if cfg!(feature = "bug-applied-ahead") {
            let mut ahead = WriteBatch::default();
            ahead.put_cf(engine.column(Column::Meta), key, &applied);
            engine.write(ahead)?;
            failpoint!("transaction::between", |_| Err(Error::Closed));
        }
        for erased in &self.erased {
            erase(engine, &mut batch, erased)?;
        }
        for (key, value) in &self.own {
            let column = engine.column(column(key));
            match value {
                Some(value) => batch.put_cf(column, key, value),
                None => batch.delete_cf(column, key),
            }
        }
        batch.put_cf(engine.column(Column::Meta), key, &applied);
        drop(applied);
        failpoint!("transaction::before_write", |_| Err(Error::Closed));
        engine.write(batch)
    }

    fn full_key(&self, table: Table, key: &[u8]) -> Bytes {
        state_key(self.group.group.id, table, key).into()
    }

    fn is_erased(&self, key: &[u8]) -> bool {
        self.erased.iter().any(|erased| erased.covers(key))
    }

    fn read(&self, table: Table, key: &[u8]) -> Result<Option<Bytes>, Error> {
        self.group.readable()?;
        let key = self.full_key(table, key);
        if let Some(own) = self.own.get(&key) {
            return Ok(own.clone());
        }
        if self.is_erased(&key) {
            return Ok(None);
        }
        self.group.store.engine.get(Column::of(table), &key)
    }

    /// Merges own and committed rows in the order of the scan.
    fn merge(
        &self,
        table: Table,
        (from, to): (&[u8], &[u8]),
        way: Way,
        limit: usize,
    ) -> Result<Vec<Row>, Error> {
        self.group.readable()?;
        let mut found = Vec::new();
        if from >= to || limit == 0 {
            return Ok(found);
        }
        let (from, to) = (self.full_key(table, from), self.full_key(table, to));
        let range = (Included(&from[..]), Excluded(&to[..]));
        let mut up = self.own.range::<[u8], _>(range);
        let mut own_row = || match way {
            Way::Up => up.next(),
            Way::Down => up.next_back(),
        };
        let mut own = own_row();
        let mut rows = self
            .group
            .store
            .engine
            .iterate(Column::of(table), &from, &to);
        way.start(&mut rows);
        while found.len() < limit {
            let committed = rows.item();
            let own_first = match (own, committed) {
                (None, None) => break,
                (Some(_), None) => true,
                (None, Some(_)) => false,
                // At equal keys the own row goes first, and takes the committed one with it.
                (Some((key, _)), Some((committed, _))) => match way {
                    Way::Up => **key <= *committed,
                    Way::Down => **key >= *committed,
                },
            };
            if own_first && let Some((key, value)) = own {
                let shadows = committed.is_some_and(|(committed, _)| *committed == **key);
                if let Some(value) = value {
                    found.push((key.slice(STATE_PREFIX..), value.clone()));
                }
                own = own_row();
                if shadows {
                    way.step(&mut rows);
                }
            } else if let Some((key, value)) = committed {
                if !self.is_erased(key) {
                    found.push((
                        Bytes::copy_from_slice(&key[STATE_PREFIX..]),
                        Bytes::copy_from_slice(value),
                    ));
                }
                way.step(&mut rows);
            }
        }
        self.group.store.engine.finished(Column::of(table), &rows)?;
        Ok(found)
    }
}

fn column(full_key: &[u8]) -> Column {
    if full_key[STATE_PREFIX - 1] == Table::Due as u8 {
        Column::Due
    } else {
        Column::State
    }
}

fn erase(engine: &Engine, batch: &mut WriteBatch, erased: &Erased) -> Result<(), Error> {
    let column = engine.column(erased.column);
    let mut rows = engine.iterate(erased.column, &erased.from, &erased.to);
    let mut keys = Vec::new();
    rows.seek_to_first();
    while let Some(key) = rows.key() {
        if keys.len() == POINT_DELETES {
            batch.delete_range_cf(column, &erased.from, &erased.to);
            return Ok(());
        }
        keys.push(Bytes::copy_from_slice(key));
        rows.next();
    }
    engine.finished(erased.column, &rows)?;
    for key in keys {
        batch.delete_cf(column, key);
    }
    Ok(())
}

impl Read for WriteTxn {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Bytes>, KvError> {
        self.read(table, key).map_err(unreadable(table, "reading"))
    }

    fn scan(
        &self,
        table: Table,
        from: &[u8],
        to: &[u8],
        limit: usize,
    ) -> Result<Vec<Row>, KvError> {
        self.merge(table, (from, to), Way::Up, limit)
            .map_err(unreadable(table, "scanning"))
    }

    fn scan_back(
        &self,
        table: Table,
        from: &[u8],
        to: &[u8],
        limit: usize,
    ) -> Result<Vec<Row>, KvError> {
        self.merge(table, (from, to), Way::Down, limit)
            .map_err(unreadable(table, "scanning"))
    }

    fn distrust(&self, table: Table, error: &CodecError) {
        let group = self.group.group.id;
        self.group
            .store
            .engine
            .distrust(&undecodable(group, table, error));
    }
}

impl Kv for WriteTxn {
    fn put(&mut self, table: Table, key: &[u8], value: &[u8]) {
        self.own.insert(
            self.full_key(table, key),
            Some(Bytes::copy_from_slice(value)),
        );
    }

    fn delete(&mut self, table: Table, key: &[u8]) {
        self.own.insert(self.full_key(table, key), None);
    }

    fn delete_range(&mut self, table: Table, from: &[u8], to: &[u8]) {
        if from >= to {
            return;
        }
        let erased = Erased {
            column: Column::of(table),
            from: self.full_key(table, from),
            to: self.full_key(table, to),
        };
        let doomed: Vec<Bytes> = self
            .own
            .range::<[u8], _>((Included(&erased.from[..]), Excluded(&erased.to[..])))
            .map(|(key, _)| key.clone())
            .collect();
        for key in doomed {
            self.own.remove(&key);
        }
        self.erased.push(erased);
    }
}
