//! Fair shares of something scarce: the scarcer the room, the less of it one holder may add to what it holds. Alone a
//! holder gets nearly everything; those who hold little are let in as long as there is any.

use std::{collections::HashMap, hash::Hash};

/// An account of the fair share: the holder that takes, and how many times what is left it may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Account<K> {
    pub holder: K,
    pub times: u64,
}

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

    /// Takes more on all these accounts at once, for somebody who has `own` of it already. What a holder's only
    /// one asks for it gets, if there is so much.
    pub fn take(&mut self, accounts: &[Account<K>], own: u64, more: u64) -> bool {
        let left = self.most.saturating_sub(self.taken);
        if more > left {
            return false;
        }
        let may = |account: &Account<K>| {
            let held = self.held.get(&account.holder).copied().unwrap_or(0);
            held <= own || held.saturating_add(more) <= left.saturating_mul(account.times)
        };
        if !accounts.iter().all(may) {
            return false;
        }
        self.taken += more;
        for account in accounts {
            *self.held.entry(account.holder.clone()).or_default() += more;
        }
        true
    }

    /// Gives something back.
    pub fn give(&mut self, accounts: &[Account<K>], less: u64) {
        self.taken = self.taken.saturating_sub(less);
        for Account { holder, .. } in accounts {
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

    fn account(holder: &'static str, times: u64) -> Account<&'static str> {
        Account { holder, times }
    }

    fn taken(shares: &mut Shares<&'static str>, holder: &'static str, times: u64) -> usize {
        let account = [account(holder, 8)];
        (0..times).filter(|_| shares.take(&account, 0, 1)).count()
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
        let (source, address) = (account("source", 8), account("address", 4));
        let mut shares = Shares::new(90);
        for _ in 0..200 {
            shares.take(&[source, address], 0, 1);
        }
        let held = shares.taken();
        assert!(!shares.take(&[account("other source", 8), address], 0, 1));
        assert_eq!(shares.taken(), held, "a refusal takes nothing");
        // Who comes from elsewhere finds room, also where the flood goes to.
        for _ in 0..4 {
            assert!(shares.take(&[source, account("other address", 4)], 0, 1));
        }
        assert!(shares.take(&[account("other source", 8), account("third", 4)], 0, 1));
    }

    #[test]
    fn the_only_one_of_a_holder_may_grow_to_all_there_is() {
        let mut shares = Shares::new(100);
        for own in 0..10 {
            assert!(shares.take(&[account("a", 4)], own * 10, 10), "{own}");
        }
        assert!(!shares.take(&[account("b", 4)], 0, 1));
        shares.give(&[account("a", 4)], 100);
        assert_eq!((shares.taken(), shares.held.len()), (0, 0));
    }
}
