//! Rows that tell where requests have their bodies.

use super::{TableError, decoded, read};
use crate::{
    state::{
        keys,
        kv::{Read, Table},
    },
    traffic::{Filing, Place},
};

/// Reads the filing of a place; none when no request is filed there.
///
/// # Errors
/// When the store can't be read or the row is damaged.
pub fn filing(kv: &impl Read, place: Place) -> Result<Option<Filing>, TableError> {
    read(kv, Table::Counts, &keys::filed(place))
}

/// All places, by hour.
///
/// # Errors
/// When the store can't be read or a row is damaged.
pub fn filings(kv: &impl Read) -> Result<Vec<(Place, Filing)>, TableError> {
    let (from, to) = keys::FILED_ALL;
    let rows = kv.scan(Table::Counts, &from, &to, usize::MAX)?;
    decoded(kv, Table::Counts, &rows, keys::filed_place)
}
