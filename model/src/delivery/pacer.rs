//! A destination's pace on one node: a token bucket with a burst of a tenth of a second's worth, at least one.
//!
//! Each owner of partitions paces on its own: a destination whose events lie in partitions of several nodes gets the
//! pace once from each of them.

use crate::{
    catalog::{Destination, RatePeriod},
    time::Timestamp,
};

/// How fast, or how many at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    /// Attempts that may be in flight.
    pub window: u16,
    /// Attempts a period, and the period in milliseconds.
    pub rate: Option<(u32, u64)>,
}

impl Pace {
    /// A destination's pace; `window` bounds what is in flight where the destination says nothing.
    #[must_use]
    pub fn of(destination: &Destination, window: u16) -> Self {
        let Some(limit) = destination.rate_limit else {
            return Self { window, rate: None };
        };
        let per = |period_ms| Self {
            window,
            rate: Some((limit.max(1), period_ms)),
        };
        match destination.rate_limit_period {
            RatePeriod::Second => per(1000),
            RatePeriod::Minute => per(60_000),
            RatePeriod::Hour => per(3_600_000),
            RatePeriod::Concurrent => Self {
                window: u16::try_from(limit.max(1)).unwrap_or(u16::MAX).min(window),
                rate: None,
            },
        }
    }
}

/// Counts in token-milliseconds, so that nothing is lost to rounding: one attempt costs one period.
#[derive(Clone, Debug)]
pub struct Pacer {
    pace: Pace,
    level: u64,
    filled_at: Timestamp,
}

impl Pacer {
    /// A bucket that was empty at `since`: who takes over must not send what the one before has just sent.
    #[must_use]
    pub fn new(pace: Pace, since: Timestamp) -> Self {
        Self {
            pace,
            level: 0,
            filled_at: since,
        }
    }

    /// Whether waiting longer would gain nothing: such a bucket need not be remembered.
    #[must_use]
    pub fn is_full(&mut self, now: Timestamp) -> bool {
        self.fill(now);
        self.level == self.capacity()
    }

    pub fn set(&mut self, pace: Pace, now: Timestamp) {
        self.fill(now);
        self.pace = pace;
        self.level = self.level.min(self.capacity());
    }

    #[must_use]
    pub fn window(&self) -> u16 {
        self.pace.window
    }

    fn capacity(&self) -> u64 {
        match self.pace.rate {
            None => 0,
            Some((limit, period_ms)) => {
                let burst = (u64::from(limit) * 100 / period_ms).max(1);
                burst * period_ms
            }
        }
    }

    fn fill(&mut self, now: Timestamp) {
        if let Some((limit, _)) = self.pace.rate {
            let gained = now
                .since_ms(self.filled_at)
                .saturating_mul(u64::from(limit));
            self.level = self.level.saturating_add(gained).min(self.capacity());
        }
        // A clock that went back gives nothing, and nothing twice.
        self.filled_at = now.max(self.filled_at);
    }

    /// Takes a permit now, or says when there will be one.
    ///
    /// # Errors
    /// The earliest time at which a permit can be had.
    pub fn take(&mut self, now: Timestamp) -> Result<(), Timestamp> {
        self.fill(now);
        let Some((limit, period_ms)) = self.pace.rate else {
            return Ok(());
        };
        if self.level >= period_ms {
            self.level -= period_ms;
            return Ok(());
        }
        let missing = period_ms - self.level;
        Err(self
            .filled_at
            .plus_ms(missing.div_ceil(u64::from(limit)).max(1)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn no_window_holds_more_than_its_share_and_the_burst(
            limit in 1u32..200, period in prop::sample::select(vec![1000u64, 60_000]),
            steps in prop::collection::vec(0u64..50, 1..400),
        ) {
            let pace = Pace { window: 16, rate: Some((limit, period)) };
            let mut pacer = Pacer::new(pace, Timestamp(0));
            let mut now = Timestamp(0);
            let mut taken = Vec::new();
            for step in steps {
                now = now.plus_ms(step);
                while pacer.take(now).is_ok() { taken.push(now.0); }
            }
            let burst = (u64::from(limit) * 100 / period).max(1);
            for (i, from) in taken.iter().enumerate() {
                for (j, to) in taken.iter().enumerate().skip(i) {
                    let share = (to - from) * u64::from(limit) / period;
                    prop_assert!((j - i + 1) as u64 <= share + burst + 1);
                }
            }
        }
    }

    #[test]
    fn a_refusal_says_when_to_ask_again() {
        let pace = Pace {
            window: 16,
            rate: Some((1, 60_000)),
        };
        let mut pacer = Pacer::new(pace, Timestamp(0));
        let at = pacer.take(Timestamp(0)).expect_err("starts empty");
        assert_eq!(at, Timestamp(60_000));
        assert_eq!(pacer.take(at), Ok(()));
        assert_eq!(pacer.take(at), Err(Timestamp(120_000)));
    }
}
