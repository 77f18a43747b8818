//! What may be taken of something scarce, and by whom: the scarcer the room, the less of it one holder may add to what it
//! holds. Alone a holder gets nearly everything; those who hold little are let in as long as there is any.

use std::{collections::HashMap, hash::Hash};

/// A holder may have so many times what is left.
const TIMES: u64 = 8;

/// A bound, and who holds how much of it.
#[derive(Clone, Debug)]
pub struct Shares<K> {
    most: u64,
    taken: u64,
    held: HashMap<K, u64>,
}

impl<K: Hash + Eq + Clone> Shares<K> {
    #[must_use]
    pub fn new(most: u64) -> Self {
        Self {
            most,
            taken: 0,
            held: HashMap::new(),
        }
    }

    #[must_use]
    pub fn taken(&self) -> u64 {
        self.taken
    }

    /// Takes more on account of all these holders at once, for somebody who has `own` of it already. What a holder's only
    /// one asks for it gets, if there is so much.
    pub fn take(&mut self, holders: &[K], own: u64, more: u64) -> bool {
        let left = self.most.saturating_sub(self.taken);
        if more > left {
            return false;
        }
        let may = |holder: &K| {
            let held = self.held.get(holder).copied().unwrap_or(0);
            held <= own || held.saturating_add(more) <= left.saturating_mul(TIMES)
        };
        if !holders.iter().all(may) {
            return false;
        }
        self.taken += more;
        for holder in holders {
            *self.held.entry(holder.clone()).or_default() += more;
        }
        true
    }

    /// Gives something back.
    pub fn give(&mut self, holders: &[K], less: u64) {
        self.taken = self.taken.saturating_sub(less);
        for holder in holders {
            let Some(held) = self.held.get_mut(holder) else {
                continue;
            };
            *held = held.saturating_sub(less);
            if *held == 0 {
                self.held.remove(holder);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(shares: &mut Shares<&str>, holder: &'static str, times: u64) -> usize {
        (0..times).filter(|_| shares.take(&[holder], 0, 1)).count()
    }

    #[test]
    fn alone_a_holder_gets_nearly_everything() {
        let mut shares = Shares::new(4096);
        let alone = taken(&mut shares, "flood", 10_000);
        assert!((3600..3700).contains(&alone), "{alone}");
    }

    #[test]
    fn behind_a_flood_others_find_room_however_many_come() {
        let mut shares = Shares::new(4096);
        taken(&mut shares, "flood", 10_000);
        assert!(taken(&mut shares, "honest", 10_000) > 300);
        assert!(taken(&mut shares, "late", 10) > 0);
    }

    #[test]
    fn what_is_asked_for_on_two_accounts_needs_room_on_both() {
        let mut shares = Shares::new(90);
        for _ in 0..200 {
            shares.take(&["source", "address"], 0, 1);
        }
        let held = shares.taken();
        assert!(!shares.take(&["source", "other address"], 0, 1));
        assert_eq!(shares.taken(), held, "a refusal takes nothing");
        assert!(shares.take(&["other source", "other address"], 0, 1));
    }

    #[test]
    fn the_only_one_of_a_holder_may_grow_to_all_there_is() {
        let mut shares = Shares::new(100);
        for own in 0..10 {
            assert!(shares.take(&["a"], own * 10, 10), "{own}");
        }
        assert!(!shares.take(&["b"], 0, 1));
        shares.give(&["a"], 100);
        assert_eq!((shares.taken(), shares.held.len()), (0, 0));
    }
}
