//! The voters' verdict on one node's time: whether a majority vouches for it, and whether a set wall is to be followed.

use serde::{Deserialize, Serialize};

/// So long a wall must have stood where it was set before it is followed by a node that has nobody to ask, or back.
pub const STANDS_MS: u64 = 60_000;

/// The standing of a node's time with the majority of voters.
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

    /// The standing's name, as operators read it.
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

/// A clock offset that another voter reported: its clocks, measured against this node's time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Told {
    pub time_ahead_ms: i64,
    pub wall_ahead_ms: i64,
    /// Half of what the question and its answer took.
    pub uncertain_ms: u64,
    /// A majority vouches for its time, as it says.
    pub vouched: bool,
}

/// The quorum that is asked about time: how many voters there are, whether this node is one, and the bound on skew.
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

    /// What is not worth setting a time for: slewing makes up for it within a minute.
    fn is_little(&self, ahead_ms: i64) -> bool {
        ahead_ms.unsigned_abs() <= self.bound_ms / 8
    }

    /// Those of some readings that a majority is near, each being one of its own.
    fn agreed(&self, readings: &[i64]) -> Vec<i64> {
        let near = |one: &i64| {
            let others = readings
                .iter()
                .filter(|other| self.is_near(other.saturating_sub(*one)));
            others.count() >= self.majority()
        };
        readings.iter().copied().filter(near).collect()
    }
}

/// The result of one round of comparing clocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Verdict {
    pub standing: Standing,
    /// How far this node is ahead of the median of all that told, itself included; none when nobody else did.
    pub ahead_of_median_ms: Option<i64>,
    /// The time is to be set forward (or, below zero, back) by this, at once.
    pub sets_by_ms: Option<i64>,
    /// How far the middle of the voters' walls is ahead of this node's: there its time is to be slewed. None: nobody told.
    pub middle_ahead_of_wall_ms: Option<i64>,
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
    let middle_ms = middle_of_walls_ms(wall_ahead_ms, circle, told);
    let sets_by_ms = if !standing.is_vouched() {
        // Nothing was done by the time that it had, so it may go back as well.
        let at_wall = || apart_for_ms.is_some() && is_at_wall(wall_ahead_ms, circle, told);
        at_wall().then_some(wall_ahead_ms)
    } else if !before.is_vouched() {
        // Nor here: it begins with the time that the others have.
        cluster_ahead_ms(circle, told).filter(|ahead_ms| !circle.is_little(*ahead_ms))
    } else {
        let stood_ms = apart_for_ms.unwrap_or(0);
        middle_ms.filter(|middle_ms| {
            let at_once = *middle_ms > 0 && circle.voters > 1;
            apart_for_ms.is_some()
                && !circle.is_little(*middle_ms)
                && walls_agree(wall_ahead_ms, circle, told)
                && (at_once || stood_ms >= STANDS_MS)
        })
    };
    let ahead_of_wall = middle_ms.filter(|_| standing.is_vouched() && !told.is_empty());
    Verdict {
        standing,
        ahead_of_median_ms: ahead_of_median_ms(told),
        sets_by_ms,
        middle_ahead_of_wall_ms: ahead_of_wall
            .map(|middle_ms| middle_ms.saturating_sub(wall_ahead_ms))
            .filter(|ahead_ms| circle.is_near(*ahead_ms)),
    }
}

fn standing(before: Standing, wall_ahead_ms: i64, circle: &Circle, told: &[Told]) -> Standing {
    // A wall vouches as well: its node is about to follow it, and this one may have been the first to.
    let vouches =
        |told: &&Told| circle.is_near(told.time_ahead_ms) || circle.is_near(told.wall_ahead_ms);
    let known = if circle.own() + told.iter().filter(vouches).count() >= circle.majority() {
        Standing::Right
    } else if is_contradicted(circle, told) {
        Standing::Off
    } else {
        before
    };
    if !known.is_vouched() {
        return known;
    }
    if circle.is_near(wall_ahead_ms) || walls_agree(wall_ahead_ms, circle, told) {
        return Standing::Right;
    }
    // The time that it has is a voice as well: a majority has vouched for it.
    let walls_here = told
        .iter()
        .filter(|told| circle.is_near(told.wall_ahead_ms))
        .count();
    if circle.own() + walls_here >= circle.majority() || before == Standing::Stepped {
        Standing::Stepped
    } else {
        Standing::Right
    }
}

/// Whether a majority has another time than this node, and the same one: those that differ among themselves accuse nobody.
fn is_contradicted(circle: &Circle, told: &[Told]) -> bool {
    let contradicts = |told: &&Told| {
        circle.is_far(told.time_ahead_ms, told.uncertain_ms)
            && circle.is_far(told.wall_ahead_ms, told.uncertain_ms)
    };
    let accusers: Vec<&Told> = told.iter().filter(contradicts).collect();
    let agree = |at_ms: i64| {
        let near = |ahead_ms: i64| circle.is_near(ahead_ms.saturating_sub(at_ms));
        let with = accusers
            .iter()
            .filter(|told| near(told.time_ahead_ms) || near(told.wall_ahead_ms));
        with.count() >= circle.majority()
    };
    accusers
        .iter()
        .any(|told| agree(told.time_ahead_ms) || agree(told.wall_ahead_ms))
}

/// Whether a majority's walls are where this node's is, its own among them if it votes.
fn walls_agree(wall_ahead_ms: i64, circle: &Circle, told: &[Told]) -> bool {
    let at_wall = |told: &&Told| circle.is_near(told.wall_ahead_ms.saturating_sub(wall_ahead_ms));
    circle.own() + told.iter().filter(at_wall).count() >= circle.majority()
}

/// Whether a majority is where this node's wall is, by its time or its wall.
fn is_at_wall(wall_ahead_ms: i64, circle: &Circle, told: &[Told]) -> bool {
    let near = |ahead_ms: i64| circle.is_near(ahead_ms.saturating_sub(wall_ahead_ms));
    let there = told
        .iter()
        .filter(|told| near(told.wall_ahead_ms) || near(told.time_ahead_ms));
    circle.own() + there.count() >= circle.majority()
}

/// The middle of the walls that a majority is near, this node's among them, against its time.
fn middle_of_walls_ms(wall_ahead_ms: i64, circle: &Circle, told: &[Told]) -> Option<i64> {
    let own = circle.votes.then_some(wall_ahead_ms);
    let walls = told.iter().map(|told| told.wall_ahead_ms).chain(own);
    median(circle.agreed(&walls.collect::<Vec<_>>()))
}

/// How far the time of the others is ahead: of those that a majority vouches for, as long as one is near them; before there
/// are any, the middle of all.
fn cluster_ahead_ms(circle: &Circle, told: &[Told]) -> Option<i64> {
    let own = circle.votes.then_some(0);
    let times = told.iter().map(|told| told.time_ahead_ms).chain(own);
    let agreed = circle.agreed(&times.collect::<Vec<_>>());
    let vouched = told
        .iter()
        .filter(|told| told.vouched && agreed.contains(&told.time_ahead_ms));
    let vouched: Vec<i64> = vouched.map(|told| told.time_ahead_ms).collect();
    median(vouched).or_else(|| median(agreed))
}

fn ahead_of_median_ms(told: &[Told]) -> Option<i64> {
    if told.is_empty() {
        return None;
    }
    let times = told.iter().map(|told| told.time_ahead_ms).chain([0]);
    median(times.collect()).map(|median_ms| -median_ms)
}

/// The middle one, or what lies between the middle two.
fn median(mut readings: Vec<i64>) -> Option<i64> {
    readings.sort_unstable();
    let upper = *readings.get(readings.len() / 2)?;
    let lower = *readings.get((readings.len() - 1) / 2)?;
    Some(lower / 2 + upper / 2 + (lower % 2 + upper % 2) / 2)
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
            vouched: true,
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
            assert_eq!(verdict.sets_by_ms, Some(off), "its wall is right now");
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
        assert_eq!(verdict.sets_by_ms, None);
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
        assert_eq!(verdict.sets_by_ms, Some(hour));
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
        let follows =
            |stood_ms| judge(Standing::Right, -hour, Some(stood_ms), &circle(3), &back).sets_by_ms;
        assert_eq!(follows(STANDS_MS - 1), None);
        assert_eq!(follows(STANDS_MS), Some(-hour));
    }

    #[test]
    fn a_node_alone_follows_a_step_that_stands() {
        let alone = |stood_ms| judge(Standing::Right, DAY, Some(stood_ms), &circle(1), &[]);
        assert_eq!(alone(5_000).standing, Standing::Right);
        assert_eq!(alone(STANDS_MS - 1).sets_by_ms, None);
        assert_eq!(alone(STANDS_MS).sets_by_ms, Some(DAY));
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

    /// What nodes with such walls make of their time, each round on what the others had before it, and all of them.
    fn settle(walls: &[i64], rounds: usize) -> Vec<(Standing, i64)> {
        let mut nodes: Vec<(Standing, i64)> = walls
            .iter()
            .map(|wall| (Standing::Unvouched, *wall))
            .collect();
        for _ in 0..rounds {
            let before = nodes.clone();
            for (me, node) in nodes.iter_mut().enumerate() {
                let (standing, time) = before[me];
                let others = before.iter().zip(walls).enumerate();
                let told: Vec<Told> = others
                    .filter(|(other, _)| *other != me)
                    .map(|(_, ((standing, theirs), wall))| Told {
                        vouched: standing.is_vouched(),
                        ..told(theirs - time, wall - time)
                    })
                    .collect();
                let ahead = walls[me] - time;
                let verdict = judge(standing, ahead, None, &circle(walls.len()), &told);
                *node = (verdict.standing, time + verdict.sets_by_ms.unwrap_or(0));
            }
        }
        nodes
    }

    #[test]
    fn nodes_whose_clocks_differ_a_little_begin_with_one_time() {
        for walls in [
            [1_800, 0, -1_800],
            [1_900, 0, -1_900],
            [1_950, 0, -150],
            [-1_990, 0, 0],
        ] {
            let nodes = settle(&walls, 3);
            for (standing, time) in &nodes {
                assert_eq!(*standing, Standing::Right, "{nodes:?}");
                assert!(time.abs() <= 250, "{nodes:?}");
            }
        }
        assert!(
            settle(&[0, 1_900], 3)
                .iter()
                .all(|(_, time)| (700..=1_200).contains(time))
        );
    }

    #[test]
    fn who_starts_takes_the_time_that_is_vouched_for_and_not_the_middle_of_it_and_its_own() {
        let others = [told(-1_500, -1_500)];
        let verdict = judge(Standing::Unvouched, 0, None, &circle(3), &others);
        assert_eq!(verdict.standing, Standing::Right);
        assert_eq!(verdict.sets_by_ms, Some(-1_500));
        let both_start = [Told {
            vouched: false,
            ..others[0]
        }];
        let verdict = judge(Standing::Unvouched, 0, None, &circle(3), &both_start);
        assert_eq!(verdict.sets_by_ms, Some(-750));
        // One that was vouched for before is slewed instead: it has dated things.
        let verdict = judge(Standing::Right, 0, None, &circle(3), &others);
        assert_eq!(verdict.sets_by_ms, None);
        assert_eq!(verdict.middle_ahead_of_wall_ms, Some(-750));
    }

    #[test]
    fn time_aims_at_the_middle_of_the_walls_that_a_majority_is_near() {
        let aims = |wall: i64, told: &[Told]| {
            let verdict = judge(Standing::Right, wall, None, &circle(3), told);
            verdict.middle_ahead_of_wall_ms
        };
        assert_eq!(aims(1_900, &[told(0, 0), told(0, -1_900)]), Some(-1_900));
        assert_eq!(aims(100, &[told(0, 0), told(0, 40 * DAY)]), Some(-50));
        assert_eq!(
            aims(0, &[told(0, 40 * DAY)]),
            None,
            "no majority is near any"
        );
        assert_eq!(
            aims(3 * SECOND, &[told(0, 0), told(0, 0)]),
            None,
            "its wall was set"
        );
        assert_eq!(aims(0, &[]), None);
    }

    #[test]
    fn voters_that_differ_among_themselves_accuse_nobody() {
        let pairs = [plain(-3 * 3600 * SECOND), plain(3 * 3600 * SECOND)];
        assert_eq!(judged(Standing::Right, &pairs), Standing::Right);
        assert_eq!(judged(Standing::Unvouched, &pairs), Standing::Unvouched);
        // By its wall one of them is about to agree with the other.
        let hour = 3600 * SECOND;
        let agreeing = [plain(hour), told(-hour, hour)];
        assert_eq!(judged(Standing::Right, &agreeing), Standing::Off);
    }

    #[test]
    fn a_wall_that_was_set_is_told_where_a_voter_is_away_and_where_there_are_two() {
        for wall in [3 * 3600 * SECOND, -40 * DAY] {
            for voters in [2, 3] {
                let verdict = judge(
                    Standing::Right,
                    wall,
                    Some(STANDS_MS),
                    &circle(voters),
                    &[told(0, 0)],
                );
                assert_eq!(verdict.standing, Standing::Stepped, "{voters} voters");
                assert_eq!(verdict.sets_by_ms, None);
                // The other one is right.
                let verdict = judge(Standing::Right, 0, None, &circle(voters), &[told(0, wall)]);
                assert_eq!(verdict.standing, Standing::Right);
                assert_eq!(verdict.sets_by_ms, None);
            }
        }
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
            prop_assert!(verdict.sets_by_ms.is_none_or(|by_ms| by_ms.unsigned_abs() <= 4_000));
            // Nor does it pull this node's time away from the others'.
            let aimed = verdict.middle_ahead_of_wall_ms.map(|ahead_ms| ahead_ms + wall);
            prop_assert!(aimed.is_none_or(|at_ms| at_ms.unsigned_abs() <= 4_000));
        }
    }
}
