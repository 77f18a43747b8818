//! The timer index of one partition: when each destination is next due, by which a retry scheduler arms its one timer.

use crate::{ids::DestinationId, time::Timestamp};
use std::collections::{BTreeMap, BTreeSet};

/// At most one time a destination, the nearest that was heard of. Derived from the due table, so it may be lost.
#[derive(Clone, Debug, Default)]
pub struct Schedule {
    nearest: BTreeMap<DestinationId, Timestamp>,
    order: BTreeSet<(Timestamp, DestinationId)>,
}

impl Schedule {
    /// Notes that an event of this destination is due at a time.
    pub fn note(&mut self, destination: DestinationId, due_at: Timestamp) {
        if let Some(known) = self.nearest.get(&destination).copied() {
            if known <= due_at {
                return;
            }
            self.order.remove(&(known, destination));
        }
        self.nearest.insert(destination, due_at);
        self.order.insert((due_at, destination));
    }

    /// Takes out the destinations that have something due, the longest due first.
    pub fn take_due(&mut self, now: Timestamp) -> Vec<DestinationId> {
        let mut due = Vec::new();
        while let Some((_, destination)) = self.order.first().copied().filter(|(at, _)| *at <= now)
        {
            self.order.pop_first();
            self.nearest.remove(&destination);
            due.push(destination);
        }
        due
    }

    /// The time of the next look: the earliest due time of all.
    #[must_use]
    pub fn next(&self) -> Option<Timestamp> {
        self.order.first().map(|(at, _)| *at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const A: DestinationId = DestinationId(1);
    const B: DestinationId = DestinationId(2);

    #[test]
    fn the_nearest_time_of_each_destination_counts() {
        let mut schedule = Schedule::default();
        schedule.note(A, Timestamp(500));
        schedule.note(B, Timestamp(300));
        schedule.note(A, Timestamp(900));
        assert_eq!(schedule.next(), Some(Timestamp(300)));
        schedule.note(A, Timestamp(100));
        assert_eq!(schedule.take_due(Timestamp(99)), []);
        assert_eq!(schedule.take_due(Timestamp(300)), [A, B]);
        assert_eq!(schedule.next(), None);
    }

    proptest! {
        #[test]
        fn nobody_is_forgotten_or_called_early(
            notes in prop::collection::vec((0u128..8, 0u64..100), 0..60), now in 0u64..100,
        ) {
            let mut schedule = Schedule::default();
            for (destination, at) in &notes {
                schedule.note(DestinationId(*destination), Timestamp(*at));
            }
            let due: BTreeSet<u128> = schedule.take_due(Timestamp(now)).iter().map(|d| d.0).collect();
            let expected: BTreeSet<u128> =
                notes.iter().filter(|(_, at)| *at <= now).map(|(d, _)| *d).collect();
            prop_assert_eq!(due, expected);
            prop_assert!(schedule.next().is_none_or(|at| at.0 > now));
        }
    }
}
