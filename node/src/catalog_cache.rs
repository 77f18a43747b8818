//! The catalog as this node's replica of the control group has it, kept in memory and refreshed when it moves on.

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

    /// Loads the catalog again if the stored one is another.
    pub(crate) fn refresh(&self, view: &storage::ReadView) -> Result<Arc<Catalog>, CatalogError> {
        let known = self.get();
        if Catalog::stored_position(view)? == known.position() {
            return Ok(known);
        }
        let mut fresh = Catalog::load(view)?;
        fresh.learn_from(&known);
        let fresh = Arc::new(fresh);
        let mut current = self.current.write();
        // Two refreshes may race: the newer one stays.
        if fresh.position().reaches(current.position()) {
            *current = fresh;
        }
        Ok(current.clone())
    }
}
