//! A twin of the disk for tests and simulation.

use super::kv::{Kv, KvError, Read, Row, Table};
use bytes::Bytes;
use std::collections::BTreeMap;

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Memory {
    rows: BTreeMap<(Table, Bytes), Bytes>,
}

impl Memory {
    /// Every row, in order: what two replicas are compared by.
    pub fn rows(&self) -> impl Iterator<Item = (Table, &Bytes, &Bytes)> {
        self.rows
            .iter()
            .map(|((table, key), value)| (*table, key, value))
    }

    fn range(
        &self,
        table: Table,
        from: &[u8],
        to: &[u8],
    ) -> impl DoubleEndedIterator<Item = (&(Table, Bytes), &Bytes)> {
        let from = (table, Bytes::copy_from_slice(from));
        // An empty range must not make the map panic.
        let to = (table, Bytes::copy_from_slice(to)).max(from.clone());
        self.rows.range(from..to)
    }
}

fn row(((_, key), value): (&(Table, Bytes), &Bytes)) -> Row {
    (key.clone(), value.clone())
}

impl Read for Memory {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Bytes>, KvError> {
        Ok(self
            .rows
            .get(&(table, Bytes::copy_from_slice(key)))
            .cloned())
    }

    fn scan(
        &self,
        table: Table,
        from: &[u8],
        to: &[u8],
        limit: usize,
    ) -> Result<Vec<Row>, KvError> {
        Ok(self.range(table, from, to).take(limit).map(row).collect())
    }

    fn scan_back(
        &self,
        table: Table,
        from: &[u8],
        to: &[u8],
        limit: usize,
    ) -> Result<Vec<Row>, KvError> {
        Ok(self
            .range(table, from, to)
            .rev()
            .take(limit)
            .map(row)
            .collect())
    }
}

impl Kv for Memory {
    fn put(&mut self, table: Table, key: &[u8], value: &[u8]) {
        self.rows.insert(
            (table, Bytes::copy_from_slice(key)),
            Bytes::copy_from_slice(value),
        );
    }

    fn delete(&mut self, table: Table, key: &[u8]) {
        self.rows.remove(&(table, Bytes::copy_from_slice(key)));
    }

    fn delete_range(&mut self, table: Table, from: &[u8], to: &[u8]) {
        let doomed: Vec<_> = self
            .range(table, from, to)
            .map(|(k, _)| k.clone())
            .collect();
        for key in doomed {
            self.rows.remove(&key);
        }
    }
}
