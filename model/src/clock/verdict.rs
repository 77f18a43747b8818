//! What the voters make of one node's time: whether a majority vouches for it, and whether a set wall is to be followed.

use serde::{Deserialize, Serialize};

/// So long a wall must have stood where it was set before it is followed by a node that has nobody to ask, or back.
pub const STANDS_MS: u64 = 60_000;

/// What is known of a node's time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// No majority has vouched for it yet: the node has just started, or did not run for a while.
    #[default]
    Unvouched,
    /// A majority's time is the same.
    Right,
    /// Its time is right since it goes on with the steady clock, but its wall clock was set to what a majority calls wrong.
    Stepped,
    /// A majority's time is another.
    Off,
}

impl Standing {
    pub const ALL: [Self; 4] = [Self::Unvouched, Self::Right, Self::Stepped, Self::Off];

    /// Whether the node may propose, lead and send.
    #[must_use]
    pub fn is_vouched(self) -> bool {
        matches!(self, Self::Right | Self::Stepped)
    }

    /// As operators read it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unvouched => "unvouched",
            Self::Right => "right",
            Self::Stepped => "stepped",
            Self::Off => "off",
        }
    }
}

/// What another voter told of its clocks, against this node's time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Told {
    pub time_ahead_ms: i64,
    pub wall_ahead_ms: i64,
    /// Half of what the question and its answer took.
    pub uncertain_ms: u64,
}

/// Who is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Circle {
    /// Voters that can tell their time, this node among them if it votes.
    pub voters: usize,
    pub votes: bool,
    pub bound_ms: u64,
}

impl Circle {
    fn majority(&self) -> usize {
        self.voters / 2 + 1
    }

    fn own(&self) -> usize {
        usize::from(self.votes)
    }

    fn is_near(&self, ahead_ms: i64) -> bool {
        ahead_ms.unsigned_abs() <= self.bound_ms
    }

    /// Whether even the most favourable reading is too far away.
    fn is_far(&self, ahead_ms: i64, uncertain_ms: u64) -> bool {
        ahead_ms.unsigned_abs() > self.bound_ms.saturating_add(uncertain_ms)
    }
}

/// What comes of a round of asking.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Verdict {
    pub standing: Standing,
    /// How far this node is ahead of the median of all that told, itself included; none when nobody else did.
    pub ahead_of_median_ms: Option<i64>,
    /// The time is to be set to the wall's.
    pub follows_wall: bool,
}

/// Judges a node's time by what the other voters told in one round. `wall_ahead_ms` and `apart_for_ms` are its own, as the
/// keeper shows them. Who told nothing says neither yes nor no, so that a node keeps its standing while it reaches nobody.
#[must_use]
pub fn judge(
    before: Standing,
    wall_ahead_ms: i64,
    apart_for_ms: Option<u64>,
    circle: &Circle,
    told: &[Told],
) -> Verdict {
    let standing = standing(before, wall_ahead_ms, circle, told);
    Verdict {
        standing,
        ahead_of_median_ms: ahead_of_median_ms(told),
        follows_wall: apart_for_ms
            .is_some_and(|stood_ms| follows(standing, wall_ahead_ms, stood_ms, circle, told)),
    }
}

fn standing(before: Standing, wall_ahead_ms: i64, circle: &Circle, told: &[Told]) -> Standing {
    // A wall vouches as well: its node is about to follow it, and this one may have been the first to.
    let vouches =
        |told: &&Told| circle.is_near(told.time_ahead_ms) || circle.is_near(told.wall_ahead_ms);
    let contradicts = |told: &&Told| {
        circle.is_far(told.time_ahead_ms, told.uncertain_ms)
            && circle.is_far(told.wall_ahead_ms, told.uncertain_ms)
    };
    let known = if circle.own() + told.iter().filter(vouches).count() >= circle.majority() {
        Standing::Right
    } else if told.iter().filter(contradicts).count() >= circle.majority() {
        Standing::Off
    } else {
        before
    };
    if !known.is_vouched() {
        return known;
    }
    if circle.is_near(wall_ahead_ms) {
        return Standing::Right;
    }
    let walls_here = told
        .iter()
        .filter(|told| circle.is_near(told.wall_ahead_ms))
        .count();
    if walls_here >= circle.majority() || before == Standing::Stepped {
        Standing::Stepped
    } else {
        Standing::Right
    }
}

/// Whether a wall that stands apart is to be followed.
fn follows(
    standing: Standing,
    wall_ahead_ms: i64,
    stood_ms: u64,
    circle: &Circle,
    told: &[Told],
) -> bool {
    let at_wall = |ahead_ms: i64| circle.is_near(ahead_ms.saturating_sub(wall_ahead_ms));
    let walls = told.iter().filter(|told| at_wall(told.wall_ahead_ms));
    let walls_agree = circle.own() + walls.count() >= circle.majority();
    if !standing.is_vouched() {
        // Nothing was done by the time that it had, so it may go back as well.
        let there = told
            .iter()
            .filter(|told| at_wall(told.wall_ahead_ms) || at_wall(told.time_ahead_ms));
        return circle.own() + there.count() >= circle.majority();
    }
    let at_once = wall_ahead_ms > 0 && circle.voters > 1;
    walls_agree && (at_once || stood_ms >= STANDS_MS)
}

fn ahead_of_median_ms(told: &[Told]) -> Option<i64> {
    if told.is_empty() {
        return None;
    }
    let mut times: Vec<i64> = told.iter().map(|told| told.time_ahead_ms).collect();
    times.push(0);
    times.sort_unstable();
    let upper = *times.get(times.len() / 2)?;
    let lower = *times.get((times.len() - 1) / 2)?;
    Some(-(lower / 2 + upper / 2 + (lower % 2 + upper % 2) / 2))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SECOND: i64 = 1_000;
    const DAY: i64 = 86_400 * SECOND;

    fn circle(voters: usize) -> Circle {
        Circle {
            voters,
            votes: true,
            bound_ms: 2_000,
        }
    }

    fn told(time_ahead_ms: i64, wall_ahead_ms: i64) -> Told {
        Told {
            time_ahead_ms,
            wall_ahead_ms,
            uncertain_ms: 5,
        }
    }

    /// Somebody whose wall and time are the same.
    fn plain(ahead_ms: i64) -> Told {
        told(ahead_ms, ahead_ms)
    }

    fn judged(before: Standing, told: &[Told]) -> Standing {
        judge(before, 0, None, &circle(3), told).standing
    }

    #[test]
    fn one_other_of_three_vouches() {
        assert_eq!(judged(Standing::Unvouched, &[]), Standing::Unvouched);
        assert_eq!(judged(Standing::Unvouched, &[plain(100)]), Standing::Right);
        let one_is_off = [plain(-1_900), plain(40 * DAY)];
        assert_eq!(judged(Standing::Unvouched, &one_is_off), Standing::Right);
    }

    #[test]
    fn a_node_that_started_with_a_wrong_clock_is_off_until_it_is_right() {
        for off in [90 * SECOND, -90 * SECOND, 40 * DAY, -40 * DAY, 3 * SECOND] {
            let others = [plain(off), plain(off + 20)];
            assert_eq!(judged(Standing::Unvouched, &others), Standing::Off);
            let verdict = judge(Standing::Off, off, Some(0), &circle(3), &others);
            assert!(verdict.follows_wall, "its wall is right now");
            assert_eq!(
                judged(Standing::Off, &[plain(0), plain(20)]),
                Standing::Right
            );
        }
    }

    #[test]
    fn who_tells_nothing_changes_nothing() {
        for standing in [Standing::Unvouched, Standing::Right, Standing::Off] {
            assert_eq!(judged(standing, &[]), standing);
            // One voice of three against it is no majority.
            assert_eq!(judged(standing, &[plain(40 * DAY)]), standing);
        }
    }

    #[test]
    fn a_slow_answer_neither_accuses_nor_hides() {
        let mut slow = plain(2_300);
        slow.uncertain_ms = 400;
        assert_eq!(judged(Standing::Right, &[slow, slow]), Standing::Right);
        assert_eq!(judged(Standing::Off, &[slow, slow]), Standing::Off);
    }

    #[test]
    fn a_wall_that_was_set_alone_is_not_followed_and_is_told() {
        let others = [plain(0), plain(0)];
        let verdict = judge(
            Standing::Right,
            3600 * SECOND,
            Some(600_000),
            &circle(3),
            &others,
        );
        assert_eq!(verdict.standing, Standing::Stepped);
        assert!(!verdict.follows_wall);
        assert!(verdict.standing.is_vouched(), "its time is right");
        // It stays so while one of the others is away, and is over with the cause.
        let others = &others[..1];
        let still = judge(
            Standing::Stepped,
            3600 * SECOND,
            Some(1),
            &circle(3),
            others,
        );
        assert_eq!(still.standing, Standing::Stepped);
        let over = judge(Standing::Stepped, 0, None, &circle(3), others);
        assert_eq!(over.standing, Standing::Right);
    }

    #[test]
    fn a_step_that_a_majority_made_is_followed_forward_at_once_and_back_when_it_stands() {
        let hour = 3600 * SECOND;
        let forward = [told(0, hour), told(0, 0)];
        let verdict = judge(Standing::Right, hour, Some(0), &circle(3), &forward);
        assert!(verdict.follows_wall);
        // Who went first is vouched for by the walls of those that are about to.
        let verdict = judge(
            Standing::Right,
            0,
            None,
            &circle(3),
            &[told(-hour, 0), told(-hour, 0)],
        );
        assert_eq!(verdict.standing, Standing::Right);

        let back = [told(0, -hour), told(0, -hour)];
        let follows = |stood_ms| {
            judge(Standing::Right, -hour, Some(stood_ms), &circle(3), &back).follows_wall
        };
        assert!(!follows(STANDS_MS - 1));
        assert!(follows(STANDS_MS));
    }

    #[test]
    fn a_node_alone_follows_a_step_that_stands() {
        let alone = |stood_ms| judge(Standing::Right, DAY, Some(stood_ms), &circle(1), &[]);
        assert_eq!(alone(5_000).standing, Standing::Right);
        assert!(!alone(STANDS_MS - 1).follows_wall);
        assert!(alone(STANDS_MS).follows_wall);
        let first = judge(Standing::Unvouched, 0, None, &circle(1), &[]);
        assert_eq!(first.standing, Standing::Right);
    }

    #[test]
    fn a_node_that_does_not_vote_needs_a_majority_of_those_who_do() {
        let joining = Circle {
            voters: 3,
            votes: false,
            bound_ms: 2_000,
        };
        let standing = |told: &[Told]| judge(Standing::Unvouched, 0, None, &joining, told).standing;
        assert_eq!(standing(&[plain(0)]), Standing::Unvouched);
        assert_eq!(standing(&[plain(0), plain(0)]), Standing::Right);
    }

    #[test]
    fn the_median_is_named() {
        let ahead =
            |told: &[Told]| judge(Standing::Right, 0, None, &circle(3), told).ahead_of_median_ms;
        assert_eq!(ahead(&[]), None);
        assert_eq!(ahead(&[plain(-5_000), plain(-5_000)]), Some(5_000));
        assert_eq!(ahead(&[plain(-5_000), plain(7_000)]), Some(0));
        assert_eq!(ahead(&[plain(100)]), Some(-50));
    }

    proptest! {
        /// Whatever a minority says: a node is neither put off nor pulled anywhere while a majority is right.
        #[test]
        fn a_minority_decides_nothing(
            voters in 3usize..8,
            lies in proptest::collection::vec((any::<i32>(), any::<i32>()), 3),
            wall in -100_000_000i64..100_000_000,
        ) {
            let minority = (voters - 1) / 2;
            let liars = lies.iter().take(minority.min(3)).map(|(time, wall)| told(i64::from(*time), i64::from(*wall)));
            let honest = voters - 1 - minority.min(3);
            let told: Vec<Told> = liars.chain((0..honest).map(|_| plain(0))).collect();
            let verdict = judge(Standing::Right, 0, None, &circle(voters), &told);
            prop_assert_eq!(verdict.standing, Standing::Right);
            // This node's own wall is one of the liars.
            let told: Vec<Told> = told.into_iter().skip(1).chain([plain(0)]).collect();
            let verdict = judge(Standing::Right, wall, Some(STANDS_MS), &circle(voters), &told);
            prop_assert!(!verdict.follows_wall || wall.unsigned_abs() <= 4_000);
        }
    }
}
