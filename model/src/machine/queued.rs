//! Queue depths: how many events wait for each destination, counted as commands put them into queues and take them out:
//! a million of them can't be counted when somebody asks.

use crate::{
    ids::DestinationId,
    state::{
        keys::{self, Stand},
        kv::{Kv, KvError, Read, Row, Table},
    },
};
use bytes::Bytes;
use std::collections::BTreeMap;

/// Rows that are read at once where everything is counted anew.
const PAGE: usize = 4096;

/// A transaction that watches the rows of queues go by.
pub(super) struct Counted<'a, K> {
    kv: &'a mut K,
    /// What one command adds; a row that is replaced or missing counts for nothing.
    changes: BTreeMap<(DestinationId, Stand), i64>,
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

    fn note(&mut self, table: Table, key: &[u8], was_there: bool, change: i64) {
        let Some(stand) = Stand::of_row(table, key) else {
            return;
        };
        match self.kv.get(table, key) {
            Ok(row) if row.is_some() == was_there => {
                *self.changes.entry(stand).or_default() += change;
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
        if keys::read_u64(self.kv, keys::META_QUEUES_COUNTED)? == 0 {
            return count_anew(self.kv);
        }
        for ((destination, stand), change) in changes {
            let key = keys::queued(destination, stand);
            let before = keys::number(self.kv, Table::Counts, &key)?;
            write(self.kv, &key, before.saturating_add_signed(change));
        }
        Ok(())
    }
}

/// A state that was written before events were counted: all of them, once.
fn count_anew(kv: &mut impl Kv) -> Result<(), KvError> {
    let mut counts: BTreeMap<(DestinationId, Stand), u64> = BTreeMap::new();
    let (turns, turns_end) = keys::WAITING_ALL;
    let due_end = [u8::MAX; keys::Due::LEN];
    let tables = [
        (Table::Due, [].as_slice(), due_end.as_slice()),
        (Table::Index, turns.as_slice(), turns_end.as_slice()),
    ];
    for (table, from, to) in tables {
        let mut from = from.to_vec();
        loop {
            let rows = kv.scan(table, &from, to, PAGE)?;
            for stand in rows.iter().filter_map(|(key, _)| Stand::of_row(table, key)) {
                *counts.entry(stand).or_default() += 1;
            }
            let Some((last, _)) = rows.last().filter(|_| rows.len() == PAGE) else {
                break;
            };
            from = [last, [0].as_slice()].concat();
        }
    }
    for ((destination, stand), count) in counts {
        write(kv, &keys::queued(destination, stand), count);
    }
    keys::write_u64(kv, keys::META_QUEUES_COUNTED, 1);
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
        self.note(table, key, false, 1);
        self.kv.put(table, key, value);
    }

    fn delete(&mut self, table: Table, key: &[u8]) {
        self.note(table, key, true, -1);
        self.kv.delete(table, key);
    }

    fn delete_range(&mut self, table: Table, from: &[u8], to: &[u8]) {
        debug_assert!(
            Stand::of_row(table, from).is_none(),
            "rows of queues go one by one, or they are not counted"
        );
        self.kv.delete_range(table, from, to);
    }
}
