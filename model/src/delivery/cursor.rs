//! A read cursor over a destination's queues. Delivered rows leave tombstones in front of those that wait, and a reader
//! that begins at the front each time steps over all of them.

use crate::{
    state::keys::{Due, DueClass},
    time::{Monotone, Timestamp},
};

/// Rows are committed up to so long after the moment that they are due, without waiting for a full look.
const LATE_MS: u64 = 1000;
/// Whatever is later than that is found by a look from the front, made this often.
const FULL_EVERY_MS: u64 = 1000;

/// From when on the two queues are read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Floors {
    pub fresh: Timestamp,
    pub retry: Timestamp,
}

impl Floors {
    #[must_use]
    pub fn of(&self, class: DueClass) -> Timestamp {
        match class {
            DueClass::Fresh => self.fresh,
            DueClass::Retry => self.retry,
        }
    }
}

#[derive(Clone, Debug, Default)]
pub(super) struct Cursor {
    floors: Floors,
    full_at: Option<Monotone>,
    /// The last look began at the front.
    was_full: bool,
}

impl Cursor {
    /// The start of the next read: the cursor's place, or from time to time the front.
    pub(super) fn look(&mut self, now: Monotone) -> Floors {
        let front = self.floors == Floors::default();
        self.was_full = front || self.full_due().is_none_or(|at| at <= now);
        if self.was_full {
            self.full_at = Some(now);
            return Floors::default();
        }
        self.floors
    }

    /// Moves the cursor to the first rows that a read found. Everything that it did not find is due no earlier than the
    /// first that it did.
    pub(super) fn found(&mut self, due: &[Due]) {
        let first = |class| {
            let of_class = due.iter().filter(|due| due.class == class);
            of_class.map(|due| due.at).min()
        };
        if let Some(at) = first(DueClass::Fresh) {
            self.floors.fresh = Timestamp(at.0.saturating_sub(LATE_MS));
        }
        if let Some(at) = first(DueClass::Retry) {
            self.floors.retry = Timestamp(at.0.saturating_sub(LATE_MS));
        }
    }

    /// The time of the next read from the front, when nothing was found behind it: until then nothing may be said of
    /// rows in front of the cursor.
    pub(super) fn unsure_until(&self) -> Option<Monotone> {
        (!self.was_full).then(|| self.full_due()).flatten()
    }

    fn full_due(&self) -> Option<Monotone> {
        self.full_at.map(|at| at.plus_ms(FULL_EVERY_MS))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::{DestinationId, EventId};

    fn row(class: DueClass, at: u64) -> Due {
        Due {
            destination: DestinationId(1),
            class,
            at: Timestamp(at),
            event: EventId(u128::from(at)),
        }
    }

    #[test]
    fn it_goes_on_shortly_before_the_first_row_that_it_found() {
        let mut cursor = Cursor::default();
        assert_eq!(cursor.look(Monotone(9_000_000)), Floors::default());
        cursor.found(&[row(DueClass::Fresh, 8_000), row(DueClass::Fresh, 8_500)]);
        let floors = cursor.look(Monotone(9_500_000));
        assert_eq!(floors.of(DueClass::Fresh), Timestamp(8_000 - LATE_MS));
        assert_eq!(floors.of(DueClass::Retry), Timestamp(0));
    }

    #[test]
    fn it_looks_from_the_front_every_second_and_is_unsure_in_between() {
        let mut cursor = Cursor::default();
        cursor.look(Monotone(9_000_000));
        assert_eq!(cursor.unsure_until(), None);
        cursor.found(&[row(DueClass::Retry, 8_000)]);
        assert_ne!(cursor.look(Monotone(9_999_000)), Floors::default());
        assert_eq!(cursor.unsure_until(), Some(Monotone(10_000_000)));
        assert_eq!(cursor.look(Monotone(10_000_000)), Floors::default());
        assert_eq!(cursor.unsure_until(), None);
    }
}
