//! Protection of retention against a clock that jumps: about forgetting, a node's time is believed no further than time
//! has passed since the one that it last kept.

use crate::time::{Monotone, Now, Timestamp};
use serde::{Deserialize, Serialize};

const HOUR_MS: u64 = 3_600_000;
/// A node may have been away for so long without a word.
const TOLERATED_MS: u64 = HOUR_MS;
/// A doubted time that is moved by more than this is another one, and must stand anew.
const MOVED_MS: u64 = 24 * HOUR_MS;

/// The persisted record of a node's believed time: kept on disk again and again, for its next start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kept {
    /// The time that was believed. Zero: none ever was.
    pub believed: Timestamp,
    /// How far its time was ahead of that, while it was doubted.
    pub ahead_ms: i64,
    /// For how long it had stood there, as far as the node ran.
    pub stood_ms: u64,
    /// For how long the node has run with a believed time, over all its starts.
    pub sure_ms: u64,
}

/// Believes a time that goes on from the one that was kept. One that is more than an hour away from it, in either direction,
/// is doubted until it has stood for long: the node was away, or its clock is wrong, and it can't tell which.
#[derive(Clone, Copy, Debug)]
pub struct Belief {
    span_ms: u64,
    believed: Timestamp,
    at: Monotone,
    doubt: Option<Doubt>,
    sure_ms: u64,
}

#[derive(Clone, Copy, Debug)]
struct Doubt {
    ahead_ms: i64,
    stood_ms: u64,
    since: Monotone,
}

/// The result of a look at the time: it became doubted, or believed again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    None,
    /// The time is so far ahead of the believed one, and doubted from now on.
    Doubted(i64),
    /// It has stood for long enough, is where it belongs, or another node vouches for it.
    Believed,
}

impl Belief {
    /// `span_ms`: for how long a doubted time must stand.
    #[must_use]
    pub fn new(kept: Kept, span_ms: u64, steady: Monotone) -> Self {
        let doubted = Doubt {
            ahead_ms: kept.ahead_ms,
            stood_ms: kept.stood_ms,
            since: steady,
        };
        Self {
            span_ms,
            believed: kept.believed,
            at: steady,
            doubt: (kept.ahead_ms != 0).then_some(doubted),
            sure_ms: kept.sure_ms,
        }
    }

    /// Holds the node's time, which a majority vouches for, against what is believed. `assured`: a voter whose time is the
    /// same is sure of it.
    pub fn look(&mut self, now: Now, assured: bool) -> Change {
        let expected = self.expected(now.steady);
        let ahead_ms = apart_ms(now.wall, expected);
        let first = self.believed == Timestamp::ZERO;
        if first || assured || ahead_ms.unsigned_abs() <= TOLERATED_MS {
            return self.believe(now);
        }
        let moved = |doubt: &Doubt| doubt.ahead_ms.abs_diff(ahead_ms) > MOVED_MS;
        let known = self.doubt.filter(|doubt| !moved(doubt));
        let doubt = known.unwrap_or(Doubt {
            ahead_ms,
            stood_ms: 0,
            since: now.steady,
        });
        if doubt.stood_for_ms(now.steady) >= self.span_ms {
            return self.believe(now);
        }
        self.doubt = Some(doubt);
        match known {
            Some(_) => Change::None,
            None => Change::Doubted(ahead_ms),
        }
    }

    fn believe(&mut self, now: Now) -> Change {
        let doubted = self.doubt.take().is_some();
        if !doubted {
            self.sure_ms = self
                .sure_ms
                .saturating_add(now.steady.since_us(self.at) / 1000);
        }
        (self.believed, self.at) = (now.wall, now.steady);
        match doubted {
            true => Change::Believed,
            false => Change::None,
        }
    }

    fn expected(&self, steady: Monotone) -> Timestamp {
        self.believed.plus_ms(steady.since_us(self.at) / 1000)
    }

    /// The believed time, by which ages are told, at this time of the node: nothing counts as older than it is by what
    /// is believed.
    #[must_use]
    pub fn of(&self, now: Now) -> Timestamp {
        match self.doubt {
            Some(_) => now.wall.min(self.expected(now.steady)),
            None => now.wall,
        }
    }

    /// The lead, in milliseconds, of the node's time over the believed one, while it is doubted.
    #[must_use]
    pub fn doubted_by_ms(&self, now: Now) -> Option<i64> {
        self.doubt?;
        Some(apart_ms(now.wall, self.expected(now.steady)))
    }

    /// Whether another may go by this node's word: it does not doubt its time, and has had one for as long as doubts last.
    #[must_use]
    pub fn is_sure(&self) -> bool {
        self.doubt.is_none() && self.sure_ms >= self.span_ms
    }

    /// The record to persist for the next start.
    #[must_use]
    pub fn kept(&self, steady: Monotone) -> Kept {
        Kept {
            believed: match self.doubt {
                Some(_) => self.expected(steady),
                None => self.believed,
            },
            ahead_ms: self.doubt.map_or(0, |doubt| doubt.ahead_ms),
            stood_ms: self.doubt.map_or(0, |doubt| doubt.stood_for_ms(steady)),
            sure_ms: self.sure_ms,
        }
    }
}

impl Doubt {
    fn stood_for_ms(&self, steady: Monotone) -> u64 {
        self.stood_ms
            .saturating_add(steady.since_us(self.since) / 1000)
    }
}

fn apart_ms(one: Timestamp, other: Timestamp) -> i64 {
    let apart = i64::try_from(one.0.abs_diff(other.0)).unwrap_or(i64::MAX);
    if one >= other { apart } else { -apart }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const START: Timestamp = Timestamp(1_700_000_000_000);
    const DAY_MS: u64 = 24 * HOUR_MS;
    const DAY: i64 = DAY_MS as i64;

    /// So long after the process started, with the time so far ahead.
    fn at(ms: u64, ahead_ms: i64) -> Now {
        Now {
            wall: Timestamp(START.plus_ms(ms).0.saturating_add_signed(ahead_ms)),
            steady: Monotone(5_000).plus_ms(ms),
        }
    }

    /// A node that had this time when it was stopped and starts again at once.
    fn started(kept: Kept) -> Belief {
        Belief::new(kept, DAY_MS, Monotone(5_000))
    }

    fn of_before() -> Kept {
        Kept {
            believed: START,
            sure_ms: DAY_MS,
            ..Kept::default()
        }
    }

    #[test]
    fn a_start_days_ahead_makes_nothing_old_and_is_said_once() {
        let mut belief = started(of_before());
        assert_eq!(
            belief.look(at(100, 8 * DAY), false),
            Change::Doubted(8 * DAY)
        );
        assert_eq!(belief.look(at(63_000, 8 * DAY), false), Change::None);
        assert_eq!(belief.of(at(63_000, 8 * DAY)), START.plus_ms(63_000));
        assert_eq!(belief.doubted_by_ms(at(63_000, 8 * DAY)), Some(8 * DAY));
        assert!(!belief.is_sure());
        // The clock is put right.
        assert_eq!(belief.look(at(64_000, 0), false), Change::Believed);
        assert_eq!(belief.of(at(65_000, 0)), START.plus_ms(65_000));
        assert_eq!(belief.doubted_by_ms(at(65_000, 0)), None);
    }

    #[test]
    fn a_machine_that_was_off_for_long_is_believed_after_a_day_over_all_its_starts() {
        let mut belief = started(of_before());
        belief.look(at(0, 8 * DAY), false);
        let half = DAY_MS / 2;
        assert_eq!(belief.look(at(half, 8 * DAY), false), Change::None);
        let kept = belief.kept(at(half, 0).steady);
        assert_eq!((kept.believed, kept.stood_ms), (START.plus_ms(half), half));
        // It starts anew, an hour later by its clock.
        let mut belief = started(kept);
        let ahead = 8 * DAY + half as i64 + HOUR_MS as i64;
        assert_eq!(belief.look(at(100, ahead), false), Change::None);
        assert_eq!(belief.look(at(half - 1, ahead), false), Change::None);
        assert_eq!(belief.look(at(half, ahead), false), Change::Believed);
        assert_eq!(belief.of(at(half, ahead)), at(half, ahead).wall);
    }

    #[test]
    fn a_doubted_time_that_is_moved_far_stands_anew() {
        let mut belief = started(of_before());
        belief.look(at(0, 8 * DAY), false);
        let late = DAY_MS - 1;
        assert_eq!(
            belief.look(at(late, 40 * DAY), false),
            Change::Doubted(40 * DAY)
        );
        assert_eq!(
            belief.look(at(late + DAY_MS - 1, 40 * DAY), false),
            Change::None
        );
    }

    #[test]
    fn a_restart_within_the_hour_and_a_first_start_are_believed_at_once() {
        let mut belief = started(of_before());
        assert_eq!(
            belief.look(at(500, HOUR_MS as i64 - 1_000), false),
            Change::None
        );
        assert!(belief.is_sure());
        let mut first = started(Kept::default());
        assert_eq!(first.look(at(500, 40 * DAY), false), Change::None);
        assert_eq!(first.of(at(500, 40 * DAY)), at(500, 40 * DAY).wall);
        assert!(!first.is_sure(), "nobody may go by a node that is new");
        first.look(at(DAY_MS + 500, 40 * DAY), false);
        assert!(first.is_sure());
    }

    #[test]
    fn a_voter_that_ran_meanwhile_ends_the_doubt() {
        let mut belief = started(of_before());
        assert_eq!(belief.look(at(100, 8 * DAY), true), Change::None);
        assert_eq!(belief.of(at(100, 8 * DAY)), at(100, 8 * DAY).wall);
        let mut belief = started(of_before());
        belief.look(at(100, 8 * DAY), false);
        assert_eq!(belief.look(at(600, 8 * DAY), true), Change::Believed);
    }

    #[test]
    fn a_start_days_behind_is_said_and_makes_nothing_older() {
        let mut belief = started(of_before());
        assert_eq!(
            belief.look(at(100, -8 * DAY), false),
            Change::Doubted(-8 * DAY)
        );
        assert_eq!(belief.of(at(100, -8 * DAY)), at(100, -8 * DAY).wall);
        // When it is put right nothing has grown old by it.
        assert_eq!(belief.look(at(9_000, 0), false), Change::Believed);
    }

    proptest! {
        /// Whatever the clock shows over however many starts: what is believed goes faster than the steady clock by the
        /// tolerated hour a step at most, unless a time has stood for a day.
        #[test]
        fn within_a_day_of_running_no_clock_makes_anything_old(
            looks in prop::collection::vec((1u64..60_000, -40i64..40, any::<bool>()), 1..100),
        ) {
            let (mut belief, mut ran) = (started(of_before()), 0);
            for (step, days, restarts) in looks {
                ran += step;
                // Days apart, or not at all: steps within the hour are believed.
                let now = at(ran, days * DAY);
                belief.look(now, false);
                prop_assert!(belief.of(now) <= START.plus_ms(ran));
                if restarts {
                    belief = Belief::new(belief.kept(now.steady), DAY_MS, now.steady);
                }
            }
        }
    }
}
