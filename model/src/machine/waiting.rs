//! How many events wait for each destination, counted as commands add them to the due table and take them from it: a
//! million of them can't be counted when somebody asks.

use crate::{
    ids::DestinationId,
    state::{
        keys::{self, Due, DueClass},
        kv::{Kv, KvError, Read, Row, Table},
    },
};
use bytes::Bytes;
use std::collections::BTreeMap;

/// Rows that are read at once where everything is counted anew.
const PAGE: usize = 4096;

/// A transaction that watches the due table go by.
pub(super) struct Counted<'a, K> {
    kv: &'a mut K,
    /// What one command adds; a row that is replaced or missing counts for nothing.
    changes: BTreeMap<(DestinationId, DueClass), i64>,
    /// The first row that could not be read. Everything is counted anew then, or the command fails.
    failed: Option<KvError>,
}

impl<'a, K: Kv> Counted<'a, K> {
    pub(super) fn new(kv: &'a mut K) -> Self {
        Self {
            kv,
            changes: BTreeMap::new(),
            failed: None,
        }
    }

    fn note(&mut self, key: &[u8], was_wanted: bool, change: i64) {
        let Some(due) = Due::from_key(key) else {
            return;
        };
        match self.kv.get(Table::Due, key) {
            Ok(row) if row.is_some() == was_wanted => {
                *self
                    .changes
                    .entry((due.destination, due.class))
                    .or_default() += change;
            }
            Ok(_) => {}
            Err(error) => self.failed = self.failed.take().or(Some(error)),
        }
    }

    /// Writes the counts down.
    pub(super) fn finish(self) -> Result<(), KvError> {
        if let Some(error) = self.failed {
            return Err(error);
        }
        let changes = self.changes.into_iter().filter(|(_, change)| *change != 0);
        let changes: Vec<_> = changes.collect();
        if changes.is_empty() {
            return Ok(());
        }
        if keys::read_u64(self.kv, keys::META_DUE_COUNTED)? == 0 {
            return count_anew(self.kv);
        }
        for ((destination, class), change) in changes {
            let key = keys::waiting(destination, class);
            let before = keys::number(self.kv, Table::Counts, &key)?;
            write(self.kv, &key, before.saturating_add_signed(change));
        }
        Ok(())
    }
}

/// A state that was written before events were counted: all of them, once.
fn count_anew(kv: &mut impl Kv) -> Result<(), KvError> {
    let mut counts: BTreeMap<(DestinationId, DueClass), u64> = BTreeMap::new();
    let mut from = vec![0; Due::LEN];
    loop {
        let rows = kv.scan(Table::Due, &from, &[u8::MAX; Due::LEN], PAGE)?;
        for due in rows.iter().filter_map(|(key, _)| Due::from_key(key)) {
            *counts.entry((due.destination, due.class)).or_default() += 1;
        }
        let Some((last, _)) = rows.last().filter(|_| rows.len() == PAGE) else {
            break;
        };
        from = [last, [0].as_slice()].concat();
    }
    for ((destination, class), count) in counts {
        write(kv, &keys::waiting(destination, class), count);
    }
    keys::write_u64(kv, keys::META_DUE_COUNTED, 1);
    Ok(())
}

fn write(kv: &mut impl Kv, key: &[u8], count: u64) {
    match count {
        0 => kv.delete(Table::Counts, key),
        count => kv.put(Table::Counts, key, &count.to_be_bytes()),
    }
}

impl<K: Kv> Read for Counted<'_, K> {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Bytes>, KvError> {
        self.kv.get(table, key)
    }

    fn scan(
        &self,
        table: Table,
        from: &[u8],
        to: &[u8],
        limit: usize,
    ) -> Result<Vec<Row>, KvError> {
        self.kv.scan(table, from, to, limit)
    }

    fn scan_back(
        &self,
        table: Table,
        from: &[u8],
        to: &[u8],
        limit: usize,
    ) -> Result<Vec<Row>, KvError> {
        self.kv.scan_back(table, from, to, limit)
    }
}

impl<K: Kv> Kv for Counted<'_, K> {
    fn put(&mut self, table: Table, key: &[u8], value: &[u8]) {
        if table == Table::Due {
            self.note(key, false, 1);
        }
        self.kv.put(table, key, value);
    }

    fn delete(&mut self, table: Table, key: &[u8]) {
        if table == Table::Due {
            self.note(key, true, -1);
        }
        self.kv.delete(table, key);
    }

    fn delete_range(&mut self, table: Table, from: &[u8], to: &[u8]) {
        debug_assert!(
            table != Table::Due,
            "due rows go one by one, or they are not counted"
        );
        self.kv.delete_range(table, from, to);
    }
}
