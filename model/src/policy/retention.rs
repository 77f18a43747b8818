//! Retention of a partition, by age and by size: it forgets one hour at a time, and never an hour in which an event
//! still wants an attempt. Ages are told by the group's time and by the stamps of its entries, so that no single clock
//! makes anything old.

use crate::{
    time::Timestamp,
    traffic::{Filing, Place},
};
use std::collections::BTreeSet;

const HOUR_MS: u64 = 3_600_000;
/// What is this young is never let go, however full the disk: it may still be on its way.
const IN_FLIGHT_MS: u64 = 10 * 60 * 1000;
/// The pause between asking twice for what may go, in milliseconds: a clock that is wrong for a moment is right again
/// by then. It is the pause between two hours too: whoever catches up, or was misled by all clocks at once, forgets an
/// hour a minute.
pub const PAUSE_MS: u64 = 60_000;
/// Asked for longer ago than this, it is asked for anew.
const ASKED_MS: u64 = 10 * PAUSE_MS;

/// The retention bounds: how much may be kept, by age and by size.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    pub max_age_hours: u64,
    /// Of the node's whole data.
    pub max_bytes: u64,
}

impl Bounds {
    /// The retention period, in milliseconds: how long everything is kept that there is room for.
    #[must_use]
    pub fn max_age_ms(&self) -> u64 {
        let wanted = self.max_age_hours.saturating_mul(HOUR_MS);
        wanted.max(IN_FLIGHT_MS)
    }
}

/// The two times that ages are told by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Clocks {
    /// The group's: it never goes back.
    pub now: Timestamp,
    /// What the proposer's own showed.
    pub stamped: Timestamp,
}

impl Clocks {
    /// Whether the group's time is ahead of its proposers, by a mistake of many clocks. It waits until they have caught
    /// up, and says nothing meanwhile of how old anything is.
    fn stands_still(&self) -> bool {
        self.now > self.stamped.plus_ms(HOUR_MS)
    }

    /// The same as long as they are not later than this.
    fn at_most(self, latest: Timestamp) -> Self {
        Self {
            now: self.now.min(latest),
            stamped: self.stamped.min(latest),
        }
    }

    /// Whether everything of a place is at least so old.
    #[must_use]
    pub fn are_past(&self, place: Place, filing: &Filing, min_age_ms: u64) -> bool {
        let is_past = |now: Timestamp, accepted_at: Timestamp| {
            let until = now.minus_ms(min_age_ms);
            hour_end(place.hour) <= until && accepted_at < until
        };
        // What was accepted in the future was accepted when the group's time was wrong, which it is no more.
        let accepted_at = match filing.accepted_at > self.now.plus_ms(HOUR_MS) {
            true => filing.stamped_at,
            false => filing.accepted_at,
        };
        is_past(self.stamped, filing.stamped_at)
            && (self.stands_still() || is_past(self.now, accepted_at))
    }

    /// The retention step that is due, some time after an hour was asked for or let go.
    #[must_use]
    pub fn turn_after(&self, asked: Self) -> Turn {
        let (now, then) = match self.stands_still() {
            true => (self.stamped, asked.stamped),
            false => (self.now, asked.now),
        };
        if asked == Self::default() || now < then || now.since_ms(then) > ASKED_MS {
            return Turn::Ask;
        }
        match now.since_ms(then) < PAUSE_MS {
            true => Turn::Wait,
            false => Turn::LetGo,
        }
    }
}

/// The retention step for an hour that is old enough: ask, wait, or let it go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    /// It is asked for, for the first time.
    Ask,
    /// It was asked for, or another one let go, less than a minute ago.
    Wait,
    LetGo,
}

/// The first moment behind an hour.
#[must_use]
pub fn hour_end(hour: u32) -> Timestamp {
    Timestamp((u64::from(hour) + 1) * HOUR_MS)
}

/// The facts that retention is decided from, as a partition's leader sees them.
#[derive(Clone, Debug)]
pub struct Seen {
    pub clocks: Clocks,
    /// The latest time that is believed here: by what is later nothing is too old.
    pub believed: Timestamp,
    /// Those of the last time that an hour was asked for or let go.
    pub asked: Clocks,
    /// Where requests have their bodies, by hour.
    pub filings: Vec<(Place, Filing)>,
    /// The hours in which an event still wants an attempt.
    pub open_hours: BTreeSet<u32>,
    pub used_bytes: u64,
}

/// An hour that may go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Going {
    pub hour: u32,
    /// The age that was asked of it.
    pub min_age_ms: u64,
}

/// The oldest hour that may go, or be asked for; none when nothing may.
#[must_use]
pub fn next(seen: &Seen, bounds: Bounds) -> Option<Going> {
    if seen.clocks.turn_after(seen.asked) == Turn::Wait {
        return None;
    }
    let by_age = oldest(
        seen,
        seen.clocks.at_most(seen.believed),
        bounds.max_age_ms(),
    );
    // One hour at a time: what is freed shows only after a while. A disk is full whatever the time is.
    by_age.or_else(|| match seen.used_bytes > bounds.max_bytes {
        true => oldest(seen, seen.clocks, IN_FLIGHT_MS),
        false => None,
    })
}

fn oldest(seen: &Seen, clocks: Clocks, min_age_ms: u64) -> Option<Going> {
    let of_one_hour = |a: &(Place, Filing), b: &(Place, Filing)| a.0.hour == b.0.hour;
    let may_go = |places: &&[(Place, Filing)]| {
        let are_past =
            |(place, filing): &(Place, Filing)| clocks.are_past(*place, filing, min_age_ms);
        places.iter().all(are_past) && !seen.open_hours.contains(&places[0].0.hour)
    };
    let mut hours = seen.filings.chunk_by(of_one_hour);
    let hour = hours.find(may_go)?[0].0.hour;
    Some(Going { hour, min_age_ms })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const BOUNDS: Bounds = Bounds {
        max_age_hours: 24,
        max_bytes: 1_000,
    };
    const DAY_MS: u64 = 24 * HOUR_MS;

    fn at(hours: u64, minutes: u64) -> Timestamp {
        Timestamp(hours * HOUR_MS + minutes * 60_000)
    }

    fn right(now: Timestamp) -> Clocks {
        Clocks { now, stamped: now }
    }

    /// Requests of an hour, the last of which was accepted within it.
    fn kept(hour: u32) -> (Place, Filing) {
        let last = at(hour.into(), 59);
        let place = Place { hour, bucket: hour };
        let filing = Filing {
            index: 1,
            accepted_at: last,
            stamped_at: last,
        };
        (place, filing)
    }

    fn seen(hours: impl IntoIterator<Item = u32>) -> Seen {
        Seen {
            clocks: right(at(100, 30)),
            believed: Timestamp(u64::MAX),
            asked: Clocks::default(),
            filings: hours.into_iter().map(kept).collect(),
            open_hours: BTreeSet::new(),
            used_bytes: 0,
        }
    }

    fn by_age(hour: u32) -> Option<Going> {
        let min_age_ms = DAY_MS;
        Some(Going { hour, min_age_ms })
    }

    fn by_size(hour: u32) -> Option<Going> {
        let min_age_ms = IN_FLIGHT_MS;
        Some(Going { hour, min_age_ms })
    }

    #[test]
    fn the_oldest_hour_that_is_whole_and_old_enough_goes() {
        assert_eq!(next(&seen([75, 74, 73]), BOUNDS), by_age(75));
        assert_eq!(next(&seen(73..100), BOUNDS), by_age(73));
        assert_eq!(next(&seen([75]), BOUNDS), by_age(75));
        assert_eq!(
            next(&seen([76]), BOUNDS),
            None,
            "its last minutes are younger"
        );
        assert_eq!(next(&seen([]), BOUNDS), None);
    }

    #[test]
    fn an_event_that_still_wants_an_attempt_keeps_its_hour_alone() {
        let mut open = seen(73..80);
        open.open_hours = BTreeSet::from([73, 75]);
        assert_eq!(next(&open, BOUNDS), by_age(74));
    }

    #[test]
    fn what_was_accepted_late_is_as_young_as_that() {
        let mut late = seen(73..75);
        late.filings[0].1.accepted_at = at(100, 0);
        assert_eq!(next(&late, BOUNDS), by_age(74));
        late.filings[1].1.stamped_at = at(100, 0);
        assert_eq!(next(&late, BOUNDS), None);
    }

    #[test]
    fn a_full_disk_lets_the_oldest_hour_go_however_young() {
        let full = |now, hours| Seen {
            clocks: right(now),
            used_bytes: 1_001,
            ..seen(hours)
        };
        assert_eq!(next(&full(at(100, 30), 98..101), BOUNDS), by_size(98));
        // The present hour never goes, and the last one not at once.
        assert_eq!(next(&full(at(100, 30), 100..101), BOUNDS), None);
        assert_eq!(next(&full(at(100, 5), 99..100), BOUNDS), None);
        assert_eq!(next(&full(at(100, 11), 99..100), BOUNDS), by_size(99));
    }

    #[test]
    fn an_hour_is_asked_for_and_goes_a_minute_later() {
        let now = at(100, 30);
        let turn = |ago_ms| right(now).turn_after(right(now.minus_ms(ago_ms)));
        assert_eq!(right(now).turn_after(Clocks::default()), Turn::Ask);
        assert_eq!(turn(0), Turn::Wait);
        assert_eq!(turn(PAUSE_MS - 1), Turn::Wait);
        assert_eq!(turn(PAUSE_MS), Turn::LetGo);
        assert_eq!(turn(ASKED_MS), Turn::LetGo);
        assert_eq!(turn(ASKED_MS + 1), Turn::Ask);
        // Asked for by a clock that has been set back since.
        assert_eq!(right(now).turn_after(right(at(900, 0))), Turn::Ask);
        let mut soon = seen(70..80);
        soon.asked = right(now.minus_ms(PAUSE_MS - 1));
        assert_eq!(next(&soon, BOUNDS), None);
        soon.asked = right(now.minus_ms(PAUSE_MS));
        assert_eq!(next(&soon, BOUNDS), by_age(70));
    }

    #[test]
    fn neither_clock_alone_makes_anything_old() {
        let mut ahead = seen(90..100);
        ahead.clocks.stamped = at(100 + 40 * 24, 0);
        assert_eq!(next(&ahead, BOUNDS), None, "the proposer is 40 days ahead");
        ahead.clocks = Clocks {
            now: at(100 + 40 * 24, 0),
            stamped: at(100, 30),
        };
        assert_eq!(next(&ahead, BOUNDS), None, "the group is 40 days ahead");
        ahead.clocks = Clocks {
            now: at(200, 0),
            stamped: at(100 - 40, 0),
        };
        assert_eq!(next(&ahead, BOUNDS), None, "the proposer is behind");
    }

    #[test]
    fn by_a_time_that_is_not_believed_nothing_is_too_old() {
        // The node started eight days ahead of the time that it kept, and its groups have that time by now.
        let mut doubted = seen(80..100);
        doubted.clocks = right(at(100 + 8 * 24, 30));
        doubted.believed = at(100, 30);
        assert_eq!(next(&doubted, BOUNDS), None);
        // What is old by the believed time goes as ever.
        doubted.filings.insert(0, kept(75));
        assert_eq!(next(&doubted, BOUNDS), by_age(75));
        doubted.filings.remove(0);
        doubted.used_bytes = 1_001;
        assert_eq!(next(&doubted, BOUNDS), by_size(80));
    }

    #[test]
    fn a_group_whose_time_stands_still_in_the_future_goes_on_forgetting() {
        let future = at(100 + 40 * 24, 0);
        let mut misled = seen(73..80);
        for (_, filing) in &mut misled.filings {
            filing.accepted_at = future;
        }
        misled.clocks.now = future;
        misled.asked = Clocks {
            now: future,
            stamped: at(100, 28),
        };
        assert_eq!(misled.clocks.turn_after(misled.asked), Turn::LetGo);
        assert_eq!(next(&misled, BOUNDS), by_age(73));
        misled.asked.stamped = at(100, 30);
        assert_eq!(next(&misled, BOUNDS), None, "an hour a minute, still");
        misled.asked.stamped = future;
        assert_eq!(misled.clocks.turn_after(misled.asked), Turn::Ask);
    }

    #[test]
    fn what_was_accepted_in_a_future_that_was_taken_back_is_as_old_as_its_stamp() {
        let mut mended = seen(73..80);
        for (_, filing) in &mut mended.filings {
            filing.accepted_at = at(100 + 40 * 24, 0);
        }
        mended.asked = right(at(100 + 40 * 24, 0));
        assert_eq!(mended.clocks.turn_after(mended.asked), Turn::Ask);
        assert_eq!(next(&mended, BOUNDS), by_age(73));
        mended.filings[0].1.stamped_at = at(100, 0);
        assert_eq!(next(&mended, BOUNDS), by_age(74));
    }

    proptest! {
        #[test]
        fn nothing_open_and_nothing_young_ever_goes(
            now: u64, stamped: u64, believed: u64, used: u64, age in 0u64..10_000,
            hours in prop::collection::vec((any::<u32>(), any::<u64>(), any::<u64>(), any::<bool>()), 0..9),
        ) {
            let mut filings: Vec<_> = hours.iter().map(|&(hour, accepted, stamp, _)| {
                let filing = Filing { index: 1, accepted_at: Timestamp(accepted), stamped_at: Timestamp(stamp) };
                (Place { hour, bucket: hour }, filing)
            }).collect();
            filings.sort_unstable_by_key(|(place, _)| *place);
            let open = hours.iter().filter(|hour| hour.3).map(|hour| hour.0);
            let seen = Seen {
                clocks: Clocks { now: Timestamp(now), stamped: Timestamp(stamped) },
                believed: Timestamp(believed),
                asked: Clocks::default(),
                filings,
                open_hours: open.collect(),
                used_bytes: used,
            };
            let bounds = Bounds { max_age_hours: age, max_bytes: 1_000 };
            if let Some(going) = next(&seen, bounds) {
                prop_assert!(!seen.open_hours.contains(&going.hour));
                prop_assert!(going.min_age_ms == age.max(1) * HOUR_MS || used > 1_000 || age == 0);
                prop_assert!(hour_end(going.hour).plus_ms(going.min_age_ms) <= Timestamp(stamped));
                prop_assert!(hour_end(going.hour).plus_ms(going.min_age_ms) <= Timestamp(believed) || used > 1_000);
                prop_assert!(going.min_age_ms >= IN_FLIGHT_MS);
            }
        }
    }
}
