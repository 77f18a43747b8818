//! The time of one process: it goes on with the steady clock, follows the wall clock slowly, and notices when that was set.

use crate::time::{Monotone, Now, Timestamp};

/// Time is brought closer to the wall this often.
const SLEW_EVERY_US: u64 = 100_000;
/// It gains or loses one part in so many: 500 ppm, as much as operating systems let NTP do.
const SLEW_ONE_IN: u64 = 2_000;
/// And where a majority's walls say where it belongs.
const GUIDED_ONE_IN: u64 = 200;

/// Keeps the time of a process.
#[derive(Clone, Copy, Debug)]
pub struct Keeper {
    /// The time at `anchored_at`, in microseconds since the epoch.
    anchor_us: u64,
    anchored_at: Monotone,
    last_read: Monotone,
    bound_us: u64,
    /// Where the time belongs, as far as the others told: so far ahead of the wall.
    aim_us: i64,
    /// They told it a moment ago.
    guided: bool,
    apart: Option<Apart>,
    gaps: u64,
}

/// The wall stands apart from the time of the process.
#[derive(Clone, Copy, Debug)]
struct Apart {
    since: Monotone,
    by_us: i64,
}

/// A reading of this process's clocks: its time, and how the wall clock stands against it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Look {
    /// The time of this process.
    pub time: Timestamp,
    /// What its steady clock shows.
    pub steady: Monotone,
    /// How far the wall clock is ahead of it.
    pub wall_ahead_ms: i64,
    /// For how long the wall has stood there, when it is too far away to be followed. None: it is followed.
    pub apart_for_ms: Option<u64>,
    /// How often this process did not look at its clocks for longer than the bound: it was frozen, or its steady clock was
    /// set. Nobody vouches for its time across that.
    pub gaps: u64,
}

impl Keeper {
    /// Begins with the wall: a process has nothing else to begin with.
    #[must_use]
    pub fn new(now: Now, bound_ms: u64) -> Self {
        Self {
            anchor_us: now.wall.0.saturating_mul(1000),
            anchored_at: now.steady,
            last_read: now.steady,
            bound_us: bound_ms.saturating_mul(1000),
            aim_us: 0,
            guided: false,
            apart: None,
            gaps: 0,
        }
    }

    /// Sets how far the time of a node may be from the others'. A wall that is half as far away is not followed by itself.
    pub fn set_bound_ms(&mut self, bound_ms: u64) {
        self.bound_us = bound_ms.saturating_mul(1000);
    }

    /// Looks at both clocks.
    pub fn look(&mut self, now: Now) -> Look {
        if now.steady.0.abs_diff(self.last_read.0) > self.bound_us {
            self.gaps += 1;
        }
        self.last_read = now.steady;
        // A steady clock that goes back is none; what is known of the time is kept.
        self.anchored_at = self.anchored_at.min(now.steady);
        let passed = now.steady.since_us(self.anchored_at);
        let mut time_us = self.anchor_us.saturating_add(passed);
        let mut ahead_us = signed(now.wall.0.saturating_mul(1000)) - signed(time_us);
        let aim_us = ahead_us.saturating_add(self.aim_us);
        self.note(aim_us, now.steady);
        if passed >= SLEW_EVERY_US {
            if self.apart.is_none() {
                let one_in = match self.guided {
                    true => GUIDED_ONE_IN,
                    false => SLEW_ONE_IN,
                };
                let most = signed(passed / one_in);
                let slew = aim_us.clamp(-most, most);
                time_us = time_us.saturating_add_signed(slew);
                ahead_us -= slew;
            }
            self.anchor_us = time_us;
            self.anchored_at = now.steady;
        }
        Look {
            time: Timestamp(time_us / 1000),
            steady: now.steady,
            wall_ahead_ms: ahead_us / 1000,
            apart_for_ms: self
                .apart
                .map(|apart| now.steady.since_us(apart.since) / 1000),
            gaps: self.gaps,
        }
    }

    /// Sets the time forward or back: others say where it belongs. The wall is held against it from there.
    pub fn set_by_ms(&mut self, now: Now, by_ms: i64) {
        let passed = now.steady.since_us(self.anchored_at);
        let time_us = self.anchor_us.saturating_add(passed);
        self.anchor_us = time_us.saturating_add_signed(by_ms.saturating_mul(1000));
        self.anchored_at = now.steady;
        self.aim_us = 0;
        self.apart = None;
    }

    /// Aims at where the others' clocks are in the middle: so far ahead of this wall. None: nobody tells, and the time goes on
    /// beside the wall as it was.
    pub fn aim(&mut self, ahead_of_wall_ms: Option<i64>) {
        self.guided = ahead_of_wall_ms.is_some();
        if let Some(ahead_ms) = ahead_of_wall_ms {
            self.aim_us = ahead_ms.saturating_mul(1000);
        }
    }

    /// Notes whether the wall stands apart, and since when it has stood where it stands.
    fn note(&mut self, ahead_us: i64, at: Monotone) {
        let near_us = self.bound_us / 2;
        if ahead_us.unsigned_abs() <= near_us {
            self.apart = None;
            return;
        }
        let moved = |apart: Apart| apart.by_us.abs_diff(ahead_us) > near_us;
        if self.apart.is_none_or(moved) {
            self.apart = Some(Apart {
                since: at,
                by_us: ahead_us,
            });
        }
    }
}

fn signed(us: u64) -> i64 {
    i64::try_from(us).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const BOUND: u64 = 2_000;
    const START: u64 = 1_700_000_000_000;
    const DAY: i64 = 86_400_000;

    /// Both clocks, so many milliseconds after the start, with the wall so far ahead.
    fn at(ms: u64, ahead: i64) -> Now {
        Now {
            wall: Timestamp((START + ms).saturating_add_signed(ahead)),
            steady: Monotone(7_000_000 + ms * 1000),
        }
    }

    /// Looks every half second up to a moment.
    fn walk(keeper: &mut Keeper, (from, to): (u64, u64), ahead: i64) -> Look {
        let mut last = keeper.look(at(from, ahead));
        for ms in (from..=to).step_by(500) {
            last = keeper.look(at(ms, ahead));
        }
        last
    }

    #[test]
    fn a_wall_that_is_set_moves_nothing_and_is_shown() {
        for ahead in [90_000, -90_000, 40 * DAY, -40 * DAY] {
            let mut keeper = Keeper::new(at(0, 0), BOUND);
            let look = walk(&mut keeper, (500, 30_000), ahead);
            assert_eq!(look.time, Timestamp(START + 30_000));
            assert_eq!(look.wall_ahead_ms, ahead);
            assert_eq!(look.apart_for_ms, Some(29_500));
            assert_eq!(look.gaps, 0);
            let back = keeper.look(at(30_100, 0));
            assert_eq!(
                (back.time, back.apart_for_ms),
                (Timestamp(START + 30_100), None)
            );
        }
    }

    #[test]
    fn a_small_difference_is_made_up_for_slowly() {
        let mut keeper = Keeper::new(at(0, 0), BOUND);
        let look = walk(&mut keeper, (500, 60_000), 400);
        assert!(
            (28..=31).contains(&(look.time.0 - START - 60_000)),
            "{look:?}"
        );
        let look = walk(&mut keeper, (60_500, 1_000_000), 400);
        assert_eq!(look.time, Timestamp(START + 1_000_400));
    }

    #[test]
    fn a_wall_that_runs_away_is_left_before_it_pulls_far() {
        let mut keeper = Keeper::new(at(0, 0), BOUND);
        let mut look = Look::default();
        // One in a hundred too fast, for an hour.
        for ms in (500..3_600_000).step_by(500) {
            look = keeper.look(at(ms, i64::try_from(ms / 100).expect("small")));
        }
        assert!(look.time.since_ms(Timestamp(START + 3_599_500)) < 100);
        assert!(look.wall_ahead_ms > 35_000);
    }

    #[test]
    fn a_process_that_did_not_run_says_so() {
        let mut keeper = Keeper::new(at(0, 0), BOUND);
        assert_eq!(keeper.look(at(1_900, 0)).gaps, 0);
        let woken = keeper.look(at(60_000, 0));
        assert_eq!((woken.gaps, woken.time), (1, Timestamp(START + 60_000)));
        assert_eq!(keeper.look(at(60_100, 0)).gaps, 1);
    }

    #[test]
    fn a_wall_that_is_set_again_begins_to_stand_anew() {
        let mut keeper = Keeper::new(at(0, 0), BOUND);
        walk(&mut keeper, (500, 20_000), 3_600_000);
        let look = walk(&mut keeper, (20_500, 25_000), 7_200_000);
        assert_eq!(look.apart_for_ms, Some(4_500));
        keeper.set_by_ms(at(25_000, 7_200_000), 7_200_000);
        let look = keeper.look(at(25_500, 7_200_000));
        assert_eq!(look.time, Timestamp(START + 25_500 + 7_200_000));
        assert_eq!(look.apart_for_ms, None);
    }

    #[test]
    fn time_goes_to_the_middle_of_the_others_clocks_and_stays_beside_its_wall_when_they_are_gone() {
        let mut keeper = Keeper::new(at(0, 0), BOUND);
        keeper.aim(Some(-900));
        let look = walk(&mut keeper, (500, 60_000), 0);
        let behind = START + 60_000 - look.time.0;
        assert!((290..=301).contains(&behind), "{behind}");
        let look = walk(&mut keeper, (60_500, 300_000), 0);
        assert_eq!(look.time, Timestamp(START + 300_000 - 900));
        assert_eq!((look.wall_ahead_ms, look.apart_for_ms), (900, None));
        keeper.aim(None);
        let look = walk(&mut keeper, (300_500, 600_000), 0);
        assert_eq!(look.time, Timestamp(START + 600_000 - 900));
        let look = walk(&mut keeper, (600_500, 610_000), 1_200);
        assert!(look.apart_for_ms.is_some(), "it was set from where it was");
    }

    proptest! {
        #[test]
        fn time_never_goes_back_by_itself_and_never_faster_than_steady_by_much(
            walls in proptest::collection::vec((1u64..1_500, -200_000i64..200_000), 1..200),
        ) {
            let mut keeper = Keeper::new(at(0, 0), BOUND);
            let (mut ms, mut last) = (0, START);
            for (step, ahead) in walls {
                ms += step;
                let time = keeper.look(at(ms, ahead)).time.0;
                prop_assert!(time >= last);
                prop_assert!(time.abs_diff(START + ms) <= ms / SLEW_ONE_IN + 2);
                last = time;
            }
        }
    }
}
