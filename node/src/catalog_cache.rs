//! The catalog as this node's replica of the control group has it, kept in memory and refreshed when its version moves.

use model::{catalog::Catalog, catalog::CatalogError};
use parking_lot::RwLock;
use std::sync::Arc;

#[derive(Default)]
pub(crate) struct CatalogCache {
    current: RwLock<Arc<Catalog>>,
}

impl CatalogCache {
    /// The catalog as last loaded.
    pub(crate) fn get(&self) -> Arc<Catalog> {
        self.current.read().clone()
    }

    /// Loads the catalog again if the stored version is another one.
    pub(crate) fn refresh(&self, view: &storage::ReadView) -> Result<Arc<Catalog>, CatalogError> {
        let known = self.get();
        if Catalog::stored_version(view)? == known.version {
            return Ok(known);
        }
        let mut fresh = Catalog::load(view)?;
        fresh.learn_from(&known);
        let fresh = Arc::new(fresh);
        let mut current = self.current.write();
        // Two refreshes may race: the newer version stays.
        if fresh.version > current.version {
            *current = fresh;
        }
        Ok(current.clone())
    }
}
