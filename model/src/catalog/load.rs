//! Reads the whole catalog: once when a node starts, and after a snapshot has replaced it.

use super::{Catalogs, Item, Kind, Position};
use crate::state::{
    codec, kv,
    tables::{self, TableError},
};

#[derive(Debug, thiserror::Error)]
pub enum CatalogError {
    #[error("loading the catalog")]
    Store(#[from] kv::KvError),
    #[error("loading the catalog")]
    Codec(#[from] codec::CodecError),
    #[error("loading the catalog")]
    Row(#[from] TableError),
}

/// Rows read from the store at a time.
const PAGE: usize = 1000;

impl Catalogs {
    /// Reads the whole catalog but the versions of transformations, which may be large and are many. It is that of one
    /// moment if `kv` is.
    ///
    /// # Errors
    /// When the store can't be read or a row is damaged.
    pub fn load(kv: &impl kv::Read) -> Result<Self, CatalogError> {
        let Position { version, observed } = Position::stored(kv)?;
        let mut catalogs = Self::default();
        (catalogs.version, catalogs.observed) = (version, observed);
        let versions = Kind::TransformationVersion as u8;
        catalogs.load_kinds(kv, [Kind::Source as u8], [versions])?;
        catalogs.load_kinds(kv, [versions + 1], [u8::MAX])?;
        for (id, observed) in tables::sources_observed(kv)? {
            catalogs.observe_source(id, Some(observed));
        }
        for (id, observed) in tables::destinations_observed(kv)? {
            catalogs.observe_destination(id, Some(observed));
        }
        Ok(catalogs)
    }

    fn load_kinds(
        &mut self,
        kv: &impl kv::Read,
        from: [u8; 1],
        to: [u8; 1],
    ) -> Result<(), CatalogError> {
        let mut from = from.to_vec();
        let mut connections = Vec::new();
        loop {
            let page = kv.scan(kv::Table::Catalog, &from, &to, PAGE)?;
            let Some((last, _)) = page.last() else {
                self.insert_connections(connections);
                return Ok(());
            };
            from = [last, [0].as_slice()].concat();
            for (_, value) in &page {
                match codec::decode_json_row::<Item>(kv, kv::Table::Catalog, value)? {
                    Item::Connection(connection) => connections.push(connection),
                    item => self.insert(item),
                }
            }
        }
    }

    /// Reads only its version.
    ///
    /// # Errors
    /// When the store can't be read.
    pub fn stored_version(kv: &impl kv::Read) -> Result<u64, kv::KvError> {
        Ok(Position::stored(kv)?.version)
    }
}
