//! The connections of one listener, by address: where there are as many as there may be, the address with the most makes
//! room for one with fewer.

use super::Address;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// Connections of the greediest address that are looked at for one that may go.
const LOOKED_AT: usize = 32;

/// The admission decision about a new connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Opened {
    /// It stays.
    Beside,
    /// It stays, and this one goes.
    InsteadOf(u64),
    /// There is no room for it.
    Refused,
}

/// The open connections by address, in the order of their coming.
#[derive(Clone, Debug)]
pub struct Connections {
    most: usize,
    open: usize,
    by_address: BTreeMap<Address, VecDeque<u64>>,
    /// Addresses by how many they have.
    by_number: BTreeSet<(usize, Address)>,
}

impl Connections {
    #[must_use]
    pub fn new(most: usize) -> Self {
        Self {
            most,
            open: 0,
            by_address: BTreeMap::new(),
            by_number: BTreeSet::new(),
        }
    }

    #[must_use]
    pub fn open(&self) -> usize {
        self.open
    }

    /// A connection has come. Whether one may be closed for it, the caller knows: nobody waits for an answer on it.
    pub fn open_one(&mut self, address: Address, id: u64, may_go: impl Fn(u64) -> bool) -> Opened {
        let mut opened = Opened::Beside;
        if self.open >= self.most {
            let Some(gone) = self.make_room(address, may_go) else {
                return Opened::Refused;
            };
            opened = Opened::InsteadOf(gone);
        }
        self.change(address, |of_it| of_it.push_back(id));
        self.open += 1;
        opened
    }

    /// Forgets a connection that has ended.
    pub fn close(&mut self, address: Address, id: u64) {
        let mut was_there = false;
        self.change(address, |of_it| {
            if let Some(place) = of_it.iter().position(|open| *open == id) {
                of_it.remove(place);
                was_there = true;
            }
        });
        self.open -= usize::from(was_there);
    }

    /// Closes one of the address that has the most, if that has more than who asks would have.
    fn make_room(&mut self, asking: Address, may_go: impl Fn(u64) -> bool) -> Option<u64> {
        let (most, greediest) = self.by_number.last().copied()?;
        let asking = self.by_address.get(&asking).map_or(0, VecDeque::len);
        if most <= asking + 1 {
            return None;
        }
        let mut gone = None;
        self.change(greediest, |of_it| {
            for _ in 0..LOOKED_AT.min(of_it.len()) {
                let Some(first) = of_it.pop_front() else {
                    break;
                };
                if may_go(first) {
                    gone = Some(first);
                    break;
                }
                of_it.push_back(first);
            }
        });
        self.open -= usize::from(gone.is_some());
        gone
    }

    fn change(&mut self, address: Address, change: impl FnOnce(&mut VecDeque<u64>)) {
        let of_it = self.by_address.entry(address).or_default();
        let before = of_it.len();
        change(of_it);
        let after = of_it.len();
        if after == 0 {
            self.by_address.remove(&address);
        }
        if before != after {
            self.by_number.remove(&(before, address));
        }
        if after > 0 {
            self.by_number.insert((after, address));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv4Addr;

    fn address(last: u8) -> Address {
        Address::of(Ipv4Addr::new(192, 0, 2, last).into())
    }

    #[test]
    fn alone_an_address_has_all_and_not_one_more() {
        let mut connections = Connections::new(40);
        for id in 0..40 {
            let opened = connections.open_one(address(1), id, |_| true);
            assert_eq!(opened, Opened::Beside);
        }
        let opened = connections.open_one(address(1), 40, |_| true);
        assert_eq!(opened, Opened::Refused);
        assert_eq!(connections.open(), 40);
        connections.close(address(1), 7);
        connections.close(address(1), 7);
        assert_eq!(connections.open(), 39);
        let opened = connections.open_one(address(1), 41, |_| true);
        assert_eq!(opened, Opened::Beside);
    }

    #[test]
    fn one_that_has_all_makes_room_for_others_until_they_have_as_many() {
        let mut connections = Connections::new(40);
        for id in 0..40 {
            connections.open_one(address(1), id, |_| true);
        }
        for id in 100..120 {
            let opened = connections.open_one(address(2), id, |_| true);
            assert_eq!(opened, Opened::InsteadOf(id - 100));
            assert_eq!(connections.open(), 40);
        }
        let opened = connections.open_one(address(2), 120, |_| true);
        assert_eq!(opened, Opened::Refused);
        // A third one takes from whoever has the most.
        let opened = connections.open_one(address(3), 200, |_| true);
        assert!(matches!(opened, Opened::InsteadOf(_)));
    }

    #[test]
    fn whoever_waits_for_an_answer_is_not_closed_for_another() {
        let mut connections = Connections::new(40);
        for id in 0..40 {
            connections.open_one(address(1), id, |_| true);
        }
        let opened = connections.open_one(address(2), 100, |id| id == 25);
        assert_eq!(opened, Opened::InsteadOf(25));
        let opened = connections.open_one(address(2), 101, |_| false);
        assert_eq!(opened, Opened::Refused);
        assert_eq!(connections.open(), 40);
    }

    #[test]
    fn nothing_is_left_of_those_who_have_gone() {
        let mut connections = Connections::new(4);
        for id in 0..4 {
            connections.open_one(address(1), id, |_| true);
        }
        for id in 0..4 {
            connections.close(address(1), id);
        }
        assert_eq!(connections.open(), 0);
        assert!(connections.by_address.is_empty() && connections.by_number.is_empty());
    }
}
