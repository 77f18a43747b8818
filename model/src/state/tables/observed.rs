//! The table of observations of sources and destinations.

use super::{TableError, decoded, read};
use crate::{
    catalog::{DestinationObserved, SourceObserved},
    ids::{DestinationId, SourceId},
    state::{
        codec::Stored,
        keys,
        kv::{Read, Table},
    },
};

/// Rows read from the store at a time.
const PAGE: usize = 1000;

/// Reads what was observed of a source, where anything was.
///
/// # Errors
/// When the store can't be read or the row is damaged.
pub fn source_observed(kv: &impl Read, id: SourceId) -> Result<Option<SourceObserved>, TableError> {
    read(kv, Table::Index, &keys::source_observed(id))
}

/// Reads what was observed of a destination, where anything was.
///
/// # Errors
/// When the store can't be read or the row is damaged.
pub fn destination_observed(
    kv: &impl Read,
    id: DestinationId,
) -> Result<Option<DestinationObserved>, TableError> {
    read(kv, Table::Index, &keys::destination_observed(id))
}

/// Reads what was observed of all sources, by id.
///
/// # Errors
/// When the store can't be read or a row is damaged.
pub fn sources_observed(kv: &impl Read) -> Result<Vec<(SourceId, SourceObserved)>, TableError> {
    all(kv, keys::SOURCES_OBSERVED, keys::observed_source)
}

/// Reads what was observed of all destinations, by id.
///
/// # Errors
/// When the store can't be read or a row is damaged.
pub fn destinations_observed(
    kv: &impl Read,
) -> Result<Vec<(DestinationId, DestinationObserved)>, TableError> {
    all(kv, keys::DESTINATIONS_OBSERVED, keys::observed_destination)
}

fn all<I, T: Stored>(
    kv: &impl Read,
    (from, to): ([u8; 2], [u8; 2]),
    id: impl Fn(&[u8]) -> Option<I>,
) -> Result<Vec<(I, T)>, TableError> {
    let mut from = from.to_vec();
    let mut found = Vec::new();
    loop {
        let page = kv.scan(Table::Index, &from, &to, PAGE)?;
        let Some((last, _)) = page.last() else {
            return Ok(found);
        };
        from = [last, [0].as_slice()].concat();
        found.extend(decoded(kv, Table::Index, &page, &id)?);
    }
}
