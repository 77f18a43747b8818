//! Things by their ids, shared between one version of the catalog and the next: a version costs what changed.

use rpds::RedBlackTreeMapSync;
use std::{ops::Index, sync::Arc};

/// An ordered map that is cloned at once and shares with its clones what is equal.
#[derive(Clone, Debug)]
pub struct Things<K: Ord, T>(RedBlackTreeMapSync<K, Arc<T>>);

impl<K: Ord, T> Default for Things<K, T> {
    fn default() -> Self {
        Self(RedBlackTreeMapSync::new_sync())
    }
}

impl<K: Ord + Copy, T> Things<K, T> {
    #[must_use]
    pub fn get(&self, id: &K) -> Option<&Arc<T>> {
        self.0.get(id)
    }

    #[must_use]
    pub fn contains_key(&self, id: &K) -> bool {
        self.0.contains_key(id)
    }

    /// By id.
    pub fn iter(&self) -> impl Iterator<Item = (&K, &Arc<T>)> {
        self.0.iter()
    }

    /// By id.
    pub fn values(&self) -> impl Iterator<Item = &Arc<T>> {
        self.0.values()
    }

    #[must_use]
    pub fn len(&self) -> usize {
        self.0.size()
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether it is the other or a clone of it in which nothing has changed since. False says nothing.
    #[must_use]
    pub fn is_same(&self, other: &Self) -> bool {
        self.0.ptr_eq(&other.0)
    }

    pub(crate) fn insert(&mut self, id: K, thing: Arc<T>) {
        self.0.insert_mut(id, thing);
    }

    /// Removes the thing with this id, if there is one.
    pub(crate) fn remove(&mut self, id: &K) {
        self.0.remove_mut(id);
    }
}

impl<K: Ord + Copy, T> Index<&K> for Things<K, T> {
    type Output = Arc<T>;

    fn index(&self, id: &K) -> &Arc<T> {
        &self.0[id]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_changed_copy_leaves_the_other_as_it_was_and_shares_the_rest() {
        let mut one = Things::default();
        for id in [3, 1, 2] {
            one.insert(id, Arc::new(id * 10));
        }
        let mut other = one.clone();
        other.insert(2, Arc::new(21));
        other.remove(&3);
        assert_eq!(
            one.values().map(|it| **it).collect::<Vec<_>>(),
            [10, 20, 30]
        );
        assert_eq!(
            other.iter().map(|(id, it)| (*id, **it)).collect::<Vec<_>>(),
            [(1, 10), (2, 21)]
        );
        assert!(Arc::ptr_eq(&one[&1], &other[&1]));
        assert_eq!((one.len(), other.len(), other.is_empty()), (3, 2, false));
    }
}
