//! Ranges of ids: traffic is kept in the order of its ids, which begin with the time at which they were minted.

use super::Range;

/// How far a row's own times may lie from the time in its id: clocks differ, and requests wait for their turn.
pub const SLACK_MS: u64 = 3_600_000;

/// Ids `[from, to)`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ids {
    pub from: u128,
    pub to: u128,
}

impl Ids {
    pub const ALL: Self = Self {
        from: 0,
        to: u128::MAX,
    };
    const NONE: Self = Self { from: 0, to: 0 };

    /// Ids that may belong to a time in `range`.
    #[must_use]
    pub fn around(range: &Range) -> Self {
        let last = range.highest().saturating_add(SLACK_MS);
        Self {
            from: first_of(range.lowest().saturating_sub(SLACK_MS)),
            to: first_of(last.saturating_add(1)),
        }
    }

    /// Those of them that lie between the least and the greatest of some ids; all of them where none were named.
    #[must_use]
    pub fn among(self, named: Option<impl Iterator<Item = u128> + Clone>) -> Self {
        let Some(named) = named else { return self };
        let (Some(least), Some(most)) = (named.clone().min(), named.max()) else {
            return Self::NONE;
        };
        let from = self.from.max(least);
        Self {
            from,
            to: self.to.min(most.saturating_add(1)).max(from),
        }
    }
}

/// The first id of a millisecond: an id begins with 48 bits of them.
fn first_of(ms: u64) -> u128 {
    match ms < 1 << 48 {
        true => u128::from(ms) << 80,
        false => u128::MAX,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        ids::{GroupId, RequestId},
        query::Relation,
        time::Timestamp,
    };

    const NOON: u64 = 1_751_371_200_000;

    fn at(ms: u64) -> u128 {
        RequestId::mint(Timestamp(ms), GroupId(1), 7).event(1).0
    }

    fn around(limits: &[Relation]) -> Ids {
        Ids::around(&Range {
            limits: limits.to_vec(),
        })
    }

    fn holds(ids: Ids, id: u128) -> bool {
        (ids.from..ids.to).contains(&id)
    }

    #[test]
    fn a_window_of_time_is_a_range_of_ids_with_slack() {
        let ids = around(&[Relation::AtLeast(NOON), Relation::Below(NOON + 1_200_000)]);
        for near in [NOON - SLACK_MS, NOON, NOON + 1_200_000 + SLACK_MS] {
            assert!(holds(ids, at(near)), "{near}");
        }
        for far in [NOON - SLACK_MS - 1, NOON + 1_200_001 + SLACK_MS] {
            assert!(!holds(ids, at(far)), "{far}");
        }
    }

    #[test]
    fn no_limit_is_every_id() {
        assert_eq!(around(&[]), Ids::ALL);
        assert!(holds(Ids::ALL, at(0)) && holds(Ids::ALL, at((1 << 48) - 1)));
    }

    #[test]
    fn named_ids_narrow_the_range_and_none_of_them_leave_nothing() {
        let named = [at(NOON), at(NOON + 5)];
        let ids = Ids::ALL.among(Some(named.into_iter()));
        assert_eq!((ids.from, ids.to), (named[0], named[1] + 1));
        assert_eq!(Ids::ALL.among(Some(std::iter::empty())), Ids::NONE);
        assert_eq!(Ids::ALL.among(None::<std::iter::Empty<u128>>), Ids::ALL);
        let outside = around(&[Relation::AtLeast(NOON + 10 * SLACK_MS)]);
        let outside = outside.among(Some(named.into_iter()));
        assert_eq!(outside.from, outside.to);
    }
}
