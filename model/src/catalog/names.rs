//! Who has a name.

use rpds::HashTrieMapSync;

/// Ids by the names that they have.
#[derive(Clone, Debug)]
pub(super) struct Names<K>(HashTrieMapSync<String, K>);

impl<K> Default for Names<K> {
    fn default() -> Self {
        Self(HashTrieMapSync::new_sync())
    }
}

impl<K: Copy + PartialEq> Names<K> {
    pub(super) fn get(&self, name: &str) -> Option<&K> {
        self.0.get(name)
    }

    /// Gives a name to who had another, or none.
    pub(super) fn give(&mut self, name: &str, id: K, earlier: Option<&str>) {
        if self.0.get(name) == Some(&id) {
            return;
        }
        if let Some(earlier) = earlier {
            self.free(earlier, id);
        }
        self.0.insert_mut(name.to_owned(), id);
    }

    /// Takes a name from who has it. It may be another's already.
    pub(super) fn free(&mut self, name: &str, id: K) {
        if self.0.get(name) == Some(&id) {
            self.0.remove_mut(name);
        }
    }
}
