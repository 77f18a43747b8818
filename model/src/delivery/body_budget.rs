//! Admission control for bodies in memory: a budget of bytes that a node's destinations share fairly.
//!
//! The scarcer the room, the less of it one destination may add to what it holds, so that one whose attempts hang leaves
//! room for the others. A destination that holds nothing comes before those that hold some. What is small never waits:
//! the number of attempts bounds it.

use crate::ids::DestinationId;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// The part of the budget that small bodies may take together.
const SMALL_PART: u64 = 4;
/// The part of what is free that a destination that holds some may have in all, so that even before it is known that it
/// hangs, most is left for others.
const FREE_PART: u64 = 3;
/// The part that is kept from destinations that are known to be slow.
const RESERVED_PART: u64 = 8;
/// Destinations that may go past one that holds nothing and finds no room. Then they wait behind it.
const PASSES_MAX: u32 = 64;

/// Names one grant, from its asking to its return.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ticket(u64);

/// A request for memory: the destination that wants to read a body, and its size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Want {
    pub destination: DestinationId,
    pub bytes: u64,
    /// Its attempts have taken long lately.
    pub is_slow: bool,
}

/// The budget of one node.
#[derive(Clone, Debug)]
pub struct BodyBudget {
    small: u64,
    most: u64,
    taken: u64,
    taken_by_slow: u64,
    held: BTreeMap<DestinationId, u64>,
    granted: BTreeMap<Ticket, Want>,
    waiting: VecDeque<(Ticket, Want)>,
    /// The first that finds no room though it holds nothing, and how many went past it.
    passed: Option<(Ticket, u32)>,
    next: u64,
}

impl BodyBudget {
    /// A budget of so many bytes for at most so many attempts.
    #[must_use]
    pub fn new(bytes: u64, attempts: u64) -> Self {
        Self {
            small: bytes / SMALL_PART / attempts.max(1),
            most: bytes - bytes / SMALL_PART,
            taken: 0,
            taken_by_slow: 0,
            held: BTreeMap::new(),
            granted: BTreeMap::new(),
            waiting: VecDeque::new(),
            passed: None,
            next: 0,
        }
    }

    /// The size, in bytes, up to which a body needs no grant.
    #[must_use]
    pub fn small(&self) -> u64 {
        self.small
    }

    /// The bytes of all grants.
    #[must_use]
    pub fn taken(&self) -> u64 {
        self.taken
    }

    /// Stands in the queue. What is granted now, perhaps this one among it, is in the answer of [`Self::grant`].
    pub fn ask(&mut self, want: Want) -> Ticket {
        let ticket = Ticket(self.next);
        self.next += 1;
        // A want that is larger than the room goes all the same, with nobody or few beside it.
        let bytes = want.bytes.min(self.most / 2);
        self.waiting.push_back((ticket, Want { bytes, ..want }));
        ticket
    }

    /// Grants what there is room for.
    pub fn grant(&mut self) -> Vec<Ticket> {
        let mut granted = Vec::new();
        while let Some(place) = self.next_in_turn() {
            let Some((ticket, want)) = self.waiting.remove(place) else {
                break;
            };
            self.add(want);
            self.granted.insert(ticket, want);
            granted.push(ticket);
        }
        granted
    }

    /// A grant takes another number of bytes from now on: they are there already, so nobody is asked.
    pub fn resize(&mut self, ticket: Ticket, bytes: u64) {
        let Some(want) = self.granted.get(&ticket).copied() else {
            return;
        };
        self.subtract(want);
        let want = Want { bytes, ..want };
        self.add(want);
        self.granted.insert(ticket, want);
    }

    /// Gives a grant back, or leaves the queue.
    pub fn leave(&mut self, ticket: Ticket) {
        match self.granted.remove(&ticket) {
            Some(want) => self.subtract(want),
            None => self.waiting.retain(|(waiting, _)| *waiting != ticket),
        }
    }

    /// The place in the queue of who is granted next.
    fn next_in_turn(&mut self) -> Option<usize> {
        let mut blocked = None;
        let mut seen = BTreeSet::new();
        let mut found = None;
        for (place, (ticket, want)) in self.waiting.iter().enumerate() {
            if self.held.contains_key(&want.destination) || !seen.insert(want.destination) {
                continue;
            }
            if self.has_room(want) {
                found = Some(place);
                break;
            }
            // A slow one waits for its part of the room, which nobody else takes.
            if blocked.is_none() && !want.is_slow {
                blocked = Some(*ticket);
            }
        }
        if let Some(first) = blocked {
            let passes = match self.passed {
                Some((ticket, passes)) if ticket == first => passes,
                _ => 0,
            };
            let may_pass = found.is_some() && passes < PASSES_MAX;
            self.passed = Some((first, passes + u32::from(may_pass)));
            return found.filter(|_| may_pass);
        }
        self.passed = None;
        found.or_else(|| {
            let mut waiting = self.waiting.iter();
            waiting.position(|(_, want)| self.has_room(want))
        })
    }

    fn has_room(&self, want: &Want) -> bool {
        let mut room = self.most.saturating_sub(self.taken);
        if want.is_slow {
            let unreserved = room.saturating_sub(self.most / RESERVED_PART);
            room = unreserved.min((self.most / 2).saturating_sub(self.taken_by_slow));
        }
        match self.held.get(&want.destination) {
            // Alone it always goes.
            None => want.bytes <= room || self.taken == 0,
            Some(held) => held.saturating_add(want.bytes) <= room / FREE_PART,
        }
    }

    fn add(&mut self, want: Want) {
        self.taken += want.bytes;
        if want.is_slow {
            self.taken_by_slow += want.bytes;
        }
        *self.held.entry(want.destination).or_default() += want.bytes;
    }

    fn subtract(&mut self, want: Want) {
        self.taken -= want.bytes;
        if want.is_slow {
            self.taken_by_slow -= want.bytes;
        }
        if let Some(held) = self.held.get_mut(&want.destination) {
            *held -= want.bytes;
            if *held == 0 {
                self.held.remove(&want.destination);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1024 * 1024;

    /// 256 MiB, of which 192 are for what is large.
    fn budget() -> BodyBudget {
        BodyBudget::new(256 * MIB, 1024)
    }

    fn want(destination: u128, mib: u64) -> Want {
        Want {
            destination: DestinationId(destination),
            bytes: mib * MIB,
            is_slow: false,
        }
    }

    fn slow(destination: u128, mib: u64) -> Want {
        Want {
            is_slow: true,
            ..want(destination, mib)
        }
    }

    /// Asks and tells whether it was granted.
    fn ask(budget: &mut BodyBudget, want: Want) -> (Ticket, bool) {
        let ticket = budget.ask(want);
        let granted = budget.grant();
        (ticket, granted.contains(&ticket))
    }

    /// As many as are granted of so many.
    fn granted(budget: &mut BodyBudget, want: Want, times: usize) -> usize {
        (0..times).filter(|_| ask(budget, want).1).count()
    }

    #[test]
    fn what_all_destinations_hold_stays_within_the_budget() {
        let mut budget = budget();
        for round in 0..16 {
            for destination in 0..6 {
                ask(&mut budget, want(destination, 10));
                assert!(budget.taken() <= 192 * MIB, "round {round}");
            }
        }
        assert!(budget.taken() > 100 * MIB, "{}", budget.taken());
    }

    #[test]
    fn alone_a_destination_has_a_quarter_and_beside_others_a_fair_part() {
        let mut alone = budget();
        assert_eq!(granted(&mut alone, want(1, 10), 16), 5);
        let mut shared = budget();
        let mut held = BTreeMap::<u128, u32>::new();
        for _ in 0..16 {
            for destination in 0..5 {
                let (_, granted) = ask(&mut shared, want(destination, 8));
                *held.entry(destination).or_default() += u32::from(granted);
            }
        }
        let (least, most) = (held.values().min(), held.values().max());
        assert!(least.is_some_and(|least| *least >= 2), "{held:?}");
        assert!(most.is_some_and(|most| *most <= 4), "{held:?}");
    }

    #[test]
    fn one_that_hangs_with_all_it_may_have_leaves_room_for_who_holds_nothing() {
        let mut budget = budget();
        granted(&mut budget, want(1, 10), 100);
        for destination in 2..6 {
            assert!(ask(&mut budget, want(destination, 10)).1, "{destination}");
        }
    }

    #[test]
    fn six_that_hang_one_after_the_other_leave_room_for_the_seventh() {
        let mut budget = BodyBudget::new(128 * MIB, 1024);
        for destination in 0..6 {
            let hanging = granted(&mut budget, want(destination, 10), 8);
            assert!((1..4).contains(&hanging), "{hanging}");
        }
        for _ in 0..8 {
            let (quick, granted) = ask(&mut budget, want(7, 10));
            assert!(granted, "{} are taken", budget.taken() / MIB);
            budget.leave(quick);
        }
    }

    #[test]
    fn a_body_larger_than_the_share_goes_when_it_is_alone() {
        for mib in [100, 192, 500] {
            let mut budget = budget();
            assert!(ask(&mut budget, want(1, mib)).1, "{mib}");
        }
        // And beside one that is smaller than half.
        let mut budget = budget();
        assert!(ask(&mut budget, want(1, 32)).1);
        assert!(ask(&mut budget, want(2, 500)).1);
        // A budget that is smaller than any body still lets one after the other go.
        let mut tiny = BodyBudget::new(1000, 1);
        let (first, granted) = ask(&mut tiny, want(1, 10));
        assert!(granted);
        let (second, granted) = ask(&mut tiny, want(1, 10));
        assert!(!granted);
        tiny.leave(first);
        assert_eq!(tiny.grant(), [second]);
    }

    #[test]
    fn who_holds_nothing_comes_before_those_who_waited_longer() {
        let mut budget = budget();
        let (first, _) = ask(&mut budget, want(1, 60));
        let (second, _) = ask(&mut budget, want(2, 60));
        let (third, _) = ask(&mut budget, want(3, 60));
        let (greedy, _) = ask(&mut budget, want(1, 60));
        let (modest, granted) = ask(&mut budget, want(4, 60));
        assert!(!granted);
        budget.leave(second);
        assert_eq!(budget.grant(), [modest]);
        for ticket in [first, third, modest] {
            budget.leave(ticket);
        }
        assert_eq!(budget.grant(), [greedy]);
    }

    #[test]
    fn small_ones_go_past_a_large_one_that_waits_but_not_for_ever() {
        let mut budget = budget();
        let (hangs, _) = ask(&mut budget, want(1, 96));
        let (also, _) = ask(&mut budget, want(2, 20));
        let (large, granted) = ask(&mut budget, want(3, 90));
        assert!(!granted);
        let mut passed = 0;
        for destination in 10..1000 {
            let (ticket, granted) = ask(&mut budget, want(destination, 1));
            passed += u32::from(granted);
            budget.leave(ticket);
        }
        assert_eq!(passed, PASSES_MAX);
        budget.leave(also);
        assert_eq!(budget.grant(), [large]);
        budget.leave(hangs);
    }

    #[test]
    fn slow_destinations_never_have_more_than_half_of_the_room() {
        let mut budget = budget();
        let hanging: usize = (0..100)
            .map(|destination| granted(&mut budget, slow(destination, 10), 16))
            .sum();
        assert_eq!(hanging, 9);
        // They wait, and stop nobody that is quick.
        for destination in 200..209 {
            assert!(ask(&mut budget, want(destination, 10)).1, "{destination}");
        }
    }

    #[test]
    fn who_leaves_the_queue_is_not_granted_and_what_is_given_back_is_there_again() {
        let mut budget = budget();
        let (first, _) = ask(&mut budget, want(1, 96));
        let (second, _) = ask(&mut budget, want(2, 96));
        let (gone, granted) = ask(&mut budget, want(3, 10));
        assert!(!granted);
        budget.leave(gone);
        budget.leave(first);
        assert_eq!(budget.grant(), []);
        budget.leave(second);
        budget.leave(second);
        assert_eq!(budget.taken(), 0);
        assert!(budget.held.is_empty() && budget.granted.is_empty() && budget.waiting.is_empty());
    }

    #[test]
    fn a_grant_counts_as_what_it_has_become() {
        let mut budget = budget();
        let (grown, _) = ask(&mut budget, want(1, 10));
        budget.resize(grown, 180 * MIB);
        assert_eq!(budget.taken(), 180 * MIB);
        assert!(!ask(&mut budget, want(2, 20)).1);
        budget.resize(grown, 5 * MIB);
        assert_eq!(budget.grant().len(), 1);
        budget.leave(grown);
        assert_eq!(budget.taken(), 20 * MIB);
    }

    #[test]
    fn what_is_small_fits_into_its_part_however_many_there_are() {
        let budget = budget();
        assert_eq!(budget.small(), 64 * 1024);
        assert_eq!(budget.small() * 1024 + budget.most, 256 * MIB);
    }
}
