//! The narrow waist: all that decisions ask of a store.

use super::codec::CodecError;
use bytes::Bytes;
use std::error::Error;

/// A table of the replicated state. The numbers are on disk: append only, never reuse.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Table {
    Meta = 1,
    Catalog = 2,
    Requests = 3,
    Events = 4,
    Attempts = 5,
    Due = 6,
    Dedup = 7,
    Index = 8,
    Counts = 9,
}

impl Table {
    pub const ALL: [Self; 9] = [
        Self::Meta,
        Self::Catalog,
        Self::Requests,
        Self::Events,
        Self::Attempts,
        Self::Due,
        Self::Dedup,
        Self::Index,
        Self::Counts,
    ];
}

/// A row of a table: a key and its value.
pub type Row = (Bytes, Bytes);

/// The store could not answer: nothing is known about the row.
#[derive(Debug, thiserror::Error)]
#[error("{doing} {table:?}")]
pub struct KvError {
    pub table: Table,
    pub doing: &'static str,
    #[source]
    pub source: Box<dyn Error + Send + Sync>,
}

pub trait Read {
    /// The value of one key.
    ///
    /// # Errors
    /// When the store can't be read.
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Bytes>, KvError>;

    /// At most `limit` rows of `[from, to)`, ascending.
    ///
    /// # Errors
    /// When the store can't be read.
    fn scan(&self, table: Table, from: &[u8], to: &[u8], limit: usize)
    -> Result<Vec<Row>, KvError>;

    /// At most `limit` rows of `[from, to)`, descending.
    ///
    /// # Errors
    /// When the store can't be read.
    fn scan_back(
        &self,
        table: Table,
        from: &[u8],
        to: &[u8],
        limit: usize,
    ) -> Result<Vec<Row>, KvError>;

    /// Hears of a value that was read here and is none. Nothing can be decided beside it: what is stored can't be
    /// trusted, and whoever owns the store sees to it that nobody does.
    fn distrust(&self, _table: Table, _error: &CodecError) {}
}

/// A transaction: it reads its own writes, and all of them become visible at once.
pub trait Kv: Read {
    fn put(&mut self, table: Table, key: &[u8], value: &[u8]);
    fn delete(&mut self, table: Table, key: &[u8]);
    /// Deletes `[from, to)`.
    fn delete_range(&mut self, table: Table, from: &[u8], to: &[u8]);
}
