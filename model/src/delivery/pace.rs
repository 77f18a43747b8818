//! The pace of a destination: the rate or concurrency limit that it bears, for the whole cluster.

use crate::catalog::{Destination, RatePeriod};

/// The limits on deliveries to a destination: attempts at once on this node, and what is shared with all others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    /// Attempts that may be in flight on this node.
    pub window: u16,
    pub limit: Limit,
}

/// The cluster-wide limit of a destination: a rate, or a number of attempts at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limit {
    None,
    Rate(Rate),
    /// Attempts in flight in the whole cluster, each of which ends within `attempt_ms`.
    Slots {
        slots: u32,
        attempt_ms: u32,
    },
}

/// Attempts a period.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    pub limit: u32,
    pub period_ms: u64,
}

/// Attempts that a destination paced by concurrency may have in flight on one node, whatever it bears.
const SLOTS_A_NODE_MAX: u16 = 256;

impl Pace {
    /// A destination's pace: what is configured, or the rate that its receiver asked for where that is lower. `window`
    /// bounds what is in flight where the destination does not, `attempt_ms` how long an attempt may take.
    #[must_use]
    pub fn of(destination: &Destination, window: u16, attempt_ms: u32) -> Self {
        let configured = Self::configured(destination, window, attempt_ms);
        let Some(asked) = destination.wishes.rate_per_minute else {
            return configured;
        };
        let asked = Rate {
            limit: asked.max(1),
            period_ms: 60_000,
        };
        match configured.limit {
            // Requests at once were promised; how many that are a minute is up to how fast it answers.
            Limit::Slots { .. } => configured,
            Limit::Rate(rate) if rate.is_no_faster_than(asked) => configured,
            Limit::Rate(_) | Limit::None => Self {
                window,
                limit: Limit::Rate(asked),
            },
        }
    }

    fn configured(destination: &Destination, window: u16, attempt_ms: u32) -> Self {
        let Some(limit) = destination.rate_limit else {
            return Self::unpaced(window);
        };
        let limit = limit.max(1);
        let per = |period_ms| Self {
            window,
            limit: Limit::Rate(Rate { limit, period_ms }),
        };
        match destination.rate_limit_period {
            RatePeriod::Second => per(1000),
            RatePeriod::Minute => per(60_000),
            RatePeriod::Hour => per(3_600_000),
            RatePeriod::Concurrent => Self {
                window: u16::try_from(limit).map_or(SLOTS_A_NODE_MAX, |n| n.min(SLOTS_A_NODE_MAX)),
                limit: Limit::Slots {
                    slots: limit,
                    attempt_ms,
                },
            },
        }
    }

    #[must_use]
    pub fn unpaced(window: u16) -> Self {
        Self {
            window,
            limit: Limit::None,
        }
    }
}

/// A rate is counted in units: a bucket with `n` tokens a period gains `n` units a microsecond, and one token costs
/// [`Rate::cost`] of them. Nothing is lost to rounding.
///
/// What the receiver is promised, N·W and a burst in every window W, is more than is given out: what two requests lose
/// of their distance on the way must not break the promise.
impl Rate {
    /// Where the burst is a single request and so leaves nothing for the way, more than a token's time is kept between
    /// two: one part in 25, since who is slow may be far away, ...
    const STRETCH: u64 = 25;
    const STRETCH_MAX_US: u64 = 250_000;
    /// ... and what a busy processor makes a request wait, however fast the pace is, up to one part in 13.
    const STRETCH_MIN_US: u64 = 8000;
    const STRETCH_MOST: u64 = 13;
    /// Elsewhere the burst leaves room, and the stretch is for clocks that are not equally fast.
    const DRIFT: u64 = 100;
    const SLOW_US: u64 = 500_000;

    /// Requests that the receiver may see at once: a tenth of a second's worth, at least one.
    #[must_use]
    pub fn burst(self) -> u64 {
        (u64::from(self.limit) * 100 / self.period_ms.max(1)).max(1)
    }

    /// Units of one token: the period in microseconds, a little stretched.
    #[must_use]
    pub fn cost(self) -> u64 {
        let period_us = self.period_ms.saturating_mul(1000).max(1);
        let stretch = if self.burst() == 1 {
            let for_each = |us: u64| u64::from(self.limit).saturating_mul(us);
            (period_us / Self::STRETCH)
                .max(for_each(Self::STRETCH_MIN_US).min(period_us / Self::STRETCH_MOST))
                .min(for_each(Self::STRETCH_MAX_US))
        } else {
            period_us / Self::DRIFT
        };
        period_us + stretch
    }

    /// The capacity of all buckets of the cluster together, in units: seven tenths of the burst, at least a token. The
    /// rest is for requests that are held up on their way and then arrive close to others.
    #[must_use]
    pub fn budget(self) -> u64 {
        let cost = self.cost();
        (self.burst() * cost / 10 * 7).max(cost)
    }

    fn is_no_faster_than(self, other: Self) -> bool {
        let own = u64::from(self.limit).saturating_mul(other.period_ms);
        own <= u64::from(other.limit).saturating_mul(self.period_ms)
    }

    /// Whether two tokens are so far apart that a share between them is of more use to the home.
    #[must_use]
    pub(super) fn is_slow(self) -> bool {
        self.cost() / u64::from(self.limit.max(1)) > Self::SLOW_US
    }

    /// The smallest bucket that is worth giving out: a token, and what it gains while its owner is a little late.
    #[must_use]
    pub(super) fn room_min(self) -> u64 {
        let cost = self.cost();
        let wanted = cost + cost / 100 * 15;
        if self.budget() < wanted { cost } else { wanted }
    }

    /// The greatest number of buckets that there may be at once.
    #[must_use]
    pub(super) fn places(self) -> usize {
        usize::try_from(self.budget() / self.room_min())
            .unwrap_or(usize::MAX)
            .max(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{catalog::Wishes, kit};

    fn limit(rate_limit: Option<u32>, period: RatePeriod, asked: Option<u32>) -> Limit {
        let destination = Destination {
            name: "billing".into(),
            rate_limit,
            rate_limit_period: period,
            wishes: Wishes {
                rate_per_minute: asked,
                ..Wishes::default()
            },
            ..kit::destination()
        };
        Pace::of(&destination, 16, 60_000).limit
    }

    #[test]
    fn the_lower_of_what_is_configured_and_what_the_receiver_asked_for_is_the_pace() {
        let sixty_a_minute = Limit::Rate(Rate {
            limit: 60,
            period_ms: 60_000,
        });
        let two = Some(2);
        assert_eq!(limit(None, RatePeriod::Second, None), Limit::None);
        assert_eq!(limit(None, RatePeriod::Second, Some(60)), sixty_a_minute);
        assert_eq!(limit(two, RatePeriod::Second, Some(60)), sixty_a_minute);
        assert_eq!(
            limit(two, RatePeriod::Second, Some(120)),
            Limit::Rate(a_second(2))
        );
        let hourly = limit(two, RatePeriod::Hour, Some(60));
        assert_eq!(hourly, limit(two, RatePeriod::Hour, None));
        let slots = limit(two, RatePeriod::Concurrent, Some(60));
        assert!(matches!(slots, Limit::Slots { slots: 2, .. }), "{slots:?}");
    }

    const fn a_second(limit: u32) -> Rate {
        Rate {
            limit,
            period_ms: 1000,
        }
    }

    #[test]
    fn the_burst_is_a_tenth_of_a_second_and_at_least_one() {
        assert_eq!(a_second(50).burst(), 5);
        assert_eq!(a_second(1).burst(), 1);
        let hourly = Rate {
            limit: 72_000,
            period_ms: 3_600_000,
        };
        assert_eq!(hourly.burst(), 2);
    }

    #[test]
    fn what_is_given_out_stays_below_the_burst_and_above_nine_tenths_of_the_rate() {
        for limit in [1, 2, 9, 10, 19, 20, 50, 333, 5000, u32::MAX] {
            for period_ms in [1000, 60_000, 3_600_000] {
                let rate = Rate { limit, period_ms };
                let tokens = rate.budget() / rate.cost();
                assert!(tokens >= 1 && tokens <= rate.burst(), "{rate:?}");
                assert!(
                    rate.burst() == 1 || rate.budget() < rate.burst() * rate.cost() * 8 / 10,
                    "{rate:?}"
                );
                assert!(rate.cost() * 92 <= period_ms * 1000 * 100, "{rate:?}");
                assert!(rate.cost() > period_ms * 1000, "{rate:?}");
                assert!(rate.room_min() >= rate.cost(), "{rate:?}");
                assert!(rate.places() as u64 * rate.room_min() <= rate.budget().max(rate.cost()));
            }
        }
    }

    /// Between two requests, in microseconds.
    fn apart(rate: Rate) -> u64 {
        rate.cost() / u64::from(rate.limit)
    }

    #[test]
    fn where_the_burst_is_one_a_hiccup_on_the_way_breaks_nothing() {
        assert_eq!(apart(a_second(10)), 107_692);
        assert_eq!(apart(a_second(4)), 260_000);
        assert_eq!(apart(a_second(19)), 52_631 + 4049);
        let one_a_minute = Rate {
            limit: 1,
            period_ms: 60_000,
        };
        assert_eq!(apart(one_a_minute), 60_250_000);
    }

    #[test]
    fn three_nodes_share_fifty_a_second_side_by_side_and_ten_in_turns() {
        assert_eq!(a_second(50).places(), 3);
        assert_eq!(a_second(10).places(), 1);
    }
}
