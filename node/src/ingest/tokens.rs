//! A token bucket a source: how many of its rejected requests are stored.

use lru::LruCache;
use model::{ids::SourceId, time::Timestamp};
use std::num::NonZeroUsize;

/// Sources whose buckets are remembered. Forgetting a full bucket changes nothing.
const SOURCES_MAX: NonZeroUsize = NonZeroUsize::new(10_000).unwrap();
/// A token in the bucket's own unit, so that a millisecond's worth is a whole number.
const TOKEN: u64 = 1_000;

/// The buckets of all sources. A bucket holds one second's worth.
#[derive(Debug)]
pub(super) struct RejectionBudget {
    per_second: u64,
    buckets: LruCache<SourceId, Bucket>,
}

#[derive(Clone, Copy, Debug)]
struct Bucket {
    /// In thousandths of a token.
    level: u64,
    at: Timestamp,
}

impl RejectionBudget {
    pub(super) fn new(per_second: u32) -> Self {
        Self {
            per_second: u64::from(per_second),
            buckets: LruCache::new(SOURCES_MAX),
        }
    }

    /// Takes a token of the source, if there is one.
    pub(super) fn take(&mut self, source: SourceId, now: Timestamp) -> bool {
        let (rate, full) = (self.per_second, self.per_second * TOKEN);
        let is_full = self.buckets.len() >= SOURCES_MAX.get();
        if is_full && !self.buckets.contains(&source) {
            // The one that was taken from longest ago makes room, once forgetting it gives nothing away.
            let oldest = self.buckets.peek_lru();
            if oldest.is_some_and(|(_, bucket)| bucket.filled(now, rate) < full) {
                return false;
            }
        }
        let bucket = self.buckets.get_or_insert_mut(source, || Bucket {
            level: full,
            at: now,
        });
        bucket.level = bucket.filled(now, rate);
        // A clock that jumped back must not fill it twice.
        bucket.at = bucket.at.max(now);
        let enough = bucket.level >= TOKEN;
        if enough {
            bucket.level -= TOKEN;
        }
        enough
    }
}

impl Bucket {
    fn filled(&self, now: Timestamp, per_second: u64) -> u64 {
        let gained = now.since_ms(self.at).saturating_mul(per_second);
        self.level.saturating_add(gained).min(per_second * TOKEN)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(budget: &mut RejectionBudget, source: u128, at: u64, tries: usize) -> usize {
        (0..tries)
            .filter(|_| budget.take(SourceId(source), Timestamp(at)))
            .count()
    }

    #[test]
    fn a_flood_is_stored_at_the_configured_rate() {
        let mut budget = RejectionBudget::new(10);
        assert_eq!(taken(&mut budget, 1, 1_000, 500), 10, "the burst");
        let in_a_second: usize = (0..1_000)
            .map(|ms| taken(&mut budget, 1, 1_000 + ms, 3))
            .sum();
        assert!((9..=10).contains(&in_a_second), "{in_a_second}");
    }

    #[test]
    fn one_source_never_takes_from_another() {
        let mut budget = RejectionBudget::new(1);
        assert_eq!(taken(&mut budget, 1, 0, 50), 1);
        assert_eq!(taken(&mut budget, 2, 0, 50), 1);
    }

    #[test]
    fn a_clock_that_jumps_back_and_forth_gives_nothing_away() {
        let mut budget = RejectionBudget::new(1);
        assert_eq!(taken(&mut budget, 1, 10_000, 5), 1);
        assert_eq!(taken(&mut budget, 1, 0, 5), 0);
        assert_eq!(taken(&mut budget, 1, 10_000, 5), 0);
    }

    #[test]
    fn the_number_of_buckets_is_bounded() {
        let mut budget = RejectionBudget::new(1);
        for source in 0..2 * SOURCES_MAX.get() as u128 {
            budget.take(SourceId(source), Timestamp(0));
        }
        assert!(budget.buckets.len() <= SOURCES_MAX.get());
        assert!(
            budget.take(SourceId(u128::MAX), Timestamp(5_000)),
            "old buckets made room"
        );
    }
}
