//! The in-memory key-value store: a twin of the disk for tests and simulation.

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

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn filled() -> Memory {
        let mut memory = Memory::default();
        for key in [b"a", b"b", b"c"] {
            memory.put(Table::Due, key, b"1");
        }
        memory.put(Table::Events, b"b", b"2");
        memory
    }

    #[test]
    fn an_empty_or_inverted_range_holds_nothing_and_deletes_nothing() {
        let mut memory = filled();
        for (from, to) in [(b"b", b"b"), (b"c", b"a")] {
            let rows = memory.scan(Table::Due, from, to, 9);
            assert_eq!(rows.expect("readable"), []);
            let rows = memory.scan_back(Table::Due, from, to, 9);
            assert_eq!(rows.expect("readable"), []);
            memory.delete_range(Table::Due, from, to);
        }
        assert_eq!(memory, filled());
    }

    #[test]
    fn a_range_excludes_its_end_and_stays_in_its_table() {
        let mut memory = filled();
        let rows = memory.scan(Table::Due, b"a", b"c", 9).expect("readable");
        assert_eq!(rows.len(), 2);
        let rows = memory
            .scan_back(Table::Due, b"", b"z", 1)
            .expect("readable");
        assert_eq!(rows[0].0, "c");
        memory.delete_range(Table::Due, b"", b"z");
        assert_eq!(memory.rows().count(), 1);
    }

    proptest! {
        #[test]
        fn scanning_back_is_scanning_forth_reversed(
            keys: Vec<Vec<u8>>, from: Vec<u8>, to: Vec<u8>,
        ) {
            let mut memory = Memory::default();
            for key in &keys {
                memory.put(Table::Index, key, b"");
            }
            let forth = memory.scan(Table::Index, &from, &to, usize::MAX).expect("readable");
            let mut back = memory.scan_back(Table::Index, &from, &to, usize::MAX).expect("readable");
            back.reverse();
            prop_assert_eq!(&forth, &back);
            prop_assert!(forth.iter().all(|(key, _)| from.as_slice() <= key && key < to.as_slice()));
        }
    }
}
