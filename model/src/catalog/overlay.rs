//! Things in force, where those are not what is configured alone.

use super::{Destination, DestinationObserved, Source, SourceObserved, Things};
use rpds::RedBlackTreeMapSync;
use std::sync::Arc;

/// Observations of a `T`, which are laid over its configuration to give the `T` that is in force.
pub(super) trait Over<T> {
    fn over(&self, configured: &T) -> T;
}

impl Over<Source> for SourceObserved {
    fn over(&self, configured: &Source) -> Source {
        self.over(configured)
    }
}

impl Over<Destination> for DestinationObserved {
    fn over(&self, configured: &Destination) -> Destination {
        self.over(configured)
    }
}

/// The configured and the observed half of each thing of which something was observed.
#[derive(Clone, Debug)]
pub(super) struct Overlay<K: Ord, T, O>(RedBlackTreeMapSync<K, Arc<Beneath<T, O>>>);

#[derive(Debug)]
pub(super) struct Beneath<T, O> {
    pub(super) configured: Arc<T>,
    pub(super) observed: O,
}

impl<K: Ord, T, O> Default for Overlay<K, T, O> {
    fn default() -> Self {
        Self(RedBlackTreeMapSync::new_sync())
    }
}

impl<K: Ord + Copy, T, O: Clone + Over<T>> Overlay<K, T, O> {
    pub(super) fn get(&self, id: &K) -> Option<&Beneath<T, O>> {
        self.0.get(id).map(AsRef::as_ref)
    }

    /// Takes in what is configured now. What was observed stays over it.
    pub(super) fn configure(&mut self, in_force: &mut Things<K, T>, id: K, configured: T) {
        let configured = Arc::new(configured);
        match self.0.get(&id).map(|beneath| beneath.observed.clone()) {
            None => in_force.insert(id, configured),
            Some(observed) => self.lay(in_force, id, configured, observed),
        }
    }

    /// Takes in what is observed now, of a thing that is configured.
    pub(super) fn observe(&mut self, in_force: &mut Things<K, T>, id: K, observed: Option<O>) {
        let beneath = self.0.get(&id).map(|beneath| &beneath.configured);
        let Some(configured) = beneath.or_else(|| in_force.get(&id)).cloned() else {
            return;
        };
        match observed {
            None => {
                self.0.remove_mut(&id);
                in_force.insert(id, configured);
            }
            Some(observed) => self.lay(in_force, id, configured, observed),
        }
    }

    fn lay(&mut self, in_force: &mut Things<K, T>, id: K, configured: Arc<T>, observed: O) {
        in_force.insert(id, Arc::new(observed.over(&configured)));
        let beneath = Beneath {
            configured,
            observed,
        };
        self.0.insert_mut(id, Arc::new(beneath));
    }

    pub(super) fn remove(&mut self, in_force: &mut Things<K, T>, id: &K) {
        self.0.remove_mut(id);
        in_force.remove(id);
    }
}
