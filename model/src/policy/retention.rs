//! How far a partition may forget: by age and by size, in whole hours, and never past an event that still wants an attempt.

use crate::time::Timestamp;

const HOUR_MS: u64 = 3_600_000;
/// Requests minted in an hour may still be on their way to their commit for this long after it.
const IN_FLIGHT_MS: u64 = 10 * 60 * 1000;

/// How much may be kept.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    pub max_age_hours: u64,
    /// Of the node's whole data.
    pub max_bytes: u64,
}

/// What a partition's leader sees.
#[derive(Clone, Copy, Debug)]
pub struct Seen {
    pub now: Timestamp,
    /// Everything before this is gone already.
    pub retained_from: Timestamp,
    /// When the oldest request that is kept was minted.
    pub oldest_kept: Option<Timestamp>,
    /// When the oldest event that still wants an attempt was minted.
    pub oldest_open: Option<Timestamp>,
    pub used_bytes: u64,
}

/// The start of the hour before which everything may go; none when nothing may.
#[must_use]
pub fn horizon(seen: &Seen, bounds: Bounds) -> Option<Timestamp> {
    // Nothing is kept: there is nothing to let go.
    let oldest = seen.oldest_kept?;
    let by_age = seen
        .now
        .minus_ms(bounds.max_age_hours.saturating_mul(HOUR_MS));
    let by_size = if seen.used_bytes > bounds.max_bytes {
        // One hour at a time: what is freed shows only after a while.
        hour(oldest).plus_ms(HOUR_MS)
    } else {
        Timestamp(0)
    };
    let wanted = hour(by_age.max(by_size));
    let settled = hour(seen.now.minus_ms(IN_FLIGHT_MS));
    let open = seen.oldest_open.map_or(Timestamp(u64::MAX), hour);
    let before = wanted.min(settled).min(open);
    (before > seen.retained_from && before > oldest).then_some(before)
}

fn hour(at: Timestamp) -> Timestamp {
    Timestamp(at.0 - at.0 % HOUR_MS)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const BOUNDS: Bounds = Bounds {
        max_age_hours: 24,
        max_bytes: 1_000,
    };

    fn at(hours: u64, minutes: u64) -> Timestamp {
        Timestamp(hours * HOUR_MS + minutes * 60_000)
    }

    fn seen() -> Seen {
        Seen {
            now: at(100, 30),
            retained_from: Timestamp(0),
            oldest_kept: Some(at(70, 5)),
            oldest_open: None,
            used_bytes: 0,
        }
    }

    #[test]
    fn whole_hours_older_than_the_age_go() {
        assert_eq!(horizon(&seen(), BOUNDS), Some(at(76, 0)));
    }

    #[test]
    fn an_event_that_still_wants_an_attempt_keeps_its_hour_and_all_after_it() {
        let open = Seen {
            oldest_open: Some(at(73, 59)),
            ..seen()
        };
        assert_eq!(horizon(&open, BOUNDS), Some(at(73, 0)));
        let oldest_of_all = Seen {
            oldest_open: Some(at(70, 5)),
            ..seen()
        };
        assert_eq!(horizon(&oldest_of_all, BOUNDS), None);
    }

    #[test]
    fn a_full_disk_lets_the_oldest_hour_go_however_young() {
        let full = Seen {
            oldest_kept: Some(at(98, 40)),
            used_bytes: 1_001,
            ..seen()
        };
        assert_eq!(horizon(&full, BOUNDS), Some(at(99, 0)));
    }

    #[test]
    fn the_present_hour_never_goes_and_the_last_one_not_at_once() {
        let full = |now, oldest| Seen {
            now,
            oldest_kept: Some(oldest),
            used_bytes: 1_001,
            ..seen()
        };
        assert_eq!(horizon(&full(at(100, 30), at(100, 1)), BOUNDS), None);
        assert_eq!(horizon(&full(at(100, 5), at(99, 1)), BOUNDS), None);
        assert_eq!(
            horizon(&full(at(100, 11), at(99, 1)), BOUNDS),
            Some(at(100, 0))
        );
    }

    #[test]
    fn nothing_is_proposed_twice() {
        let done = Seen {
            retained_from: at(76, 0),
            oldest_kept: Some(at(76, 1)),
            ..seen()
        };
        assert_eq!(horizon(&done, BOUNDS), None);
    }

    proptest! {
        #[test]
        fn no_open_event_is_ever_let_go(now: u64, oldest: u64, open: u64, used: u64, age in 0u64..10_000) {
            let seen = Seen {
                now: Timestamp(now),
                retained_from: Timestamp(0),
                oldest_kept: Some(Timestamp(oldest)),
                oldest_open: Some(Timestamp(open)),
                used_bytes: used,
            };
            let bounds = Bounds { max_age_hours: age, max_bytes: 1_000 };
            if let Some(before) = horizon(&seen, bounds) {
                prop_assert!(before.0 <= open && before.0 % HOUR_MS == 0 && before.0 <= now);
            }
        }
    }
}
