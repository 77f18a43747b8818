//! Deltas of the catalogs: the rows that one command changed, and how those in memory take them in.

use super::{Catalogs, DestinationObserved, Item, Kind, Position, SourceObserved};
use crate::ids::{DestinationId, SourceId};

/// The rows of the catalog that a command changed, as they are now. Every node hears of it.
#[derive(Clone, Debug, PartialEq)]
pub struct CatalogChange {
    /// How far the catalog has come with it.
    pub position: Position,
    pub rows: Vec<CatalogRow>,
}

/// A changed row of the catalog, as it is now; none where it is gone.
#[derive(Clone, Debug, PartialEq)]
pub enum CatalogRow {
    Configured(Box<Item>),
    Deleted(Kind, u128),
    OfSource(SourceId, Option<SourceObserved>),
    OfDestination(DestinationId, Option<DestinationObserved>),
}

/// A gap between a catalog and a delta of it: a change in between is missing, so the catalog is to be loaded anew.
#[derive(Debug, thiserror::Error)]
#[error("a change of the catalog was missed between version {known} and {next}")]
pub struct Missed {
    pub known: u64,
    pub next: u64,
}

impl Catalogs {
    /// Takes in a change, unless it is in already. What it does not concern is shared with those that these were cloned
    /// from.
    ///
    /// # Errors
    /// When another change should have come before.
    pub fn fold(&mut self, change: &CatalogChange) -> Result<(), Missed> {
        let (known, next) = (self.position(), change.position);
        if known.reaches(next) {
            return Ok(());
        }
        if next.version > known.version + 1 {
            return Err(Missed {
                known: known.version,
                next: next.version,
            });
        }
        for row in &change.rows {
            match row {
                CatalogRow::Configured(item) => self.insert(Item::clone(item)),
                CatalogRow::Deleted(kind, id) => self.remove(*kind, *id),
                CatalogRow::OfSource(id, observed) => self.observe_source(*id, observed.clone()),
                CatalogRow::OfDestination(id, observed) => {
                    self.observe_destination(*id, observed.clone());
                }
            }
        }
        self.version = next.version;
        self.observed = next.observed;
        Ok(())
    }
}
