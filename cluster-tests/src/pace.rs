//! What a receiver was promised of its pace, judged by when requests arrived.

/// A pace as the receiver counts: at most `limit` in a period, and a tenth of a second's worth at once.
#[derive(Clone, Copy, Debug)]
pub struct Promise {
    pub limit: u64,
    pub period_us: u64,
}

impl Promise {
    #[must_use]
    pub fn burst(self) -> u64 {
        (self.limit * 100_000 / self.period_us).max(1)
    }

    /// The worst window of any length: how many more requests it holds than N·W and the burst, in thousandths of a
    /// request; negative when there was room left. None without requests.
    #[must_use]
    pub fn worst(self, arrivals: &[u64]) -> Option<Worst> {
        let mut sorted = arrivals.to_vec();
        sorted.sort_unstable();
        let thousandths = |from: usize, to: usize| {
            let window_us = sorted[to] - sorted[from];
            let held = (to - from + 1) as i64 * 1000;
            held - (window_us * self.limit * 1000 / self.period_us) as i64
        };
        // The best start for each end is that for the one before, or the end itself: one pass finds the worst of all.
        let mut from = 0;
        let mut worst: Option<Worst> = None;
        for to in 0..sorted.len() {
            if thousandths(to, to) > thousandths(from, to) {
                from = to;
            }
            let over = thousandths(from, to) - self.burst() as i64 * 1000;
            if worst.is_none_or(|worst| over > worst.over_thousandths) {
                worst = Some(Worst {
                    over_thousandths: over,
                    requests: to - from + 1,
                    window_us: sorted[to] - sorted[from],
                });
            }
        }
        worst
    }

    /// Requests that a span of time may hold.
    #[must_use]
    pub fn most(self, span_us: u64) -> f64 {
        span_us as f64 * self.limit as f64 / self.period_us as f64
    }

    /// What was achieved within `[from, to)`, as a part of the pace.
    #[must_use]
    pub fn achieved(self, arrivals: &[u64], from: u64, to: u64) -> f64 {
        let within = arrivals
            .iter()
            .filter(|at| (from..to).contains(*at))
            .count();
        within as f64 / self.most(to - from)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Worst {
    pub over_thousandths: i64,
    pub requests: usize,
    pub window_us: u64,
}

/// The most that were under way at once, of spans `[from, to)`.
#[must_use]
pub fn most_at_once(spans: &[(u64, u64)]) -> usize {
    let starts = spans.iter().map(|(from, _)| (*from, 1i64));
    let ends = spans.iter().map(|(_, to)| (*to, -1i64));
    let mut steps: Vec<(u64, i64)> = starts.chain(ends).collect();
    // What ends as another begins is not at the same time.
    steps.sort_unstable();
    let (mut now, mut most) = (0, 0);
    for (_, step) in steps {
        now += step;
        most = most.max(now);
    }
    usize::try_from(most).unwrap_or(0)
}

/// How much of `[from, to)` was in use, added up over all spans.
#[must_use]
pub fn in_use(spans: &[(u64, u64)], from: u64, to: u64) -> u64 {
    spans
        .iter()
        .map(|(start, end)| end.min(&to).saturating_sub(*start.max(&from)))
        .sum()
}

/// The value below which 99 of 100 lie.
#[must_use]
pub fn p99(values: &[u64]) -> u64 {
    let mut sorted = values.to_vec();
    sorted.sort_unstable();
    let at = (sorted.len() * 99).div_ceil(100).saturating_sub(1);
    sorted.get(at).copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIFTY: Promise = Promise {
        limit: 50,
        period_us: 1_000_000,
    };

    /// Every window, one by one.
    fn slow_worst(promise: Promise, arrivals: &[u64]) -> Option<i64> {
        let mut worst = None;
        for (i, from) in arrivals.iter().enumerate() {
            for (j, to) in arrivals.iter().enumerate().skip(i) {
                let held = (j - i + 1) as i64 * 1000;
                let share = ((to - from) * promise.limit * 1000 / promise.period_us) as i64;
                let over = held - share - promise.burst() as i64 * 1000;
                worst = worst.max(Some(over));
            }
        }
        worst
    }

    #[test]
    fn an_even_stream_keeps_the_promise_and_one_more_breaks_it() {
        let even: Vec<u64> = (0..100).map(|n| n * 20_000).collect();
        let worst = FIFTY.worst(&even).expect("a window");
        assert!(worst.over_thousandths <= 0, "{worst:?}");
        let mut crowded = even.clone();
        crowded.extend([500_001, 500_002, 500_003, 500_004, 500_005]);
        assert!(FIFTY.worst(&crowded).expect("a window").over_thousandths > 0);
        assert!((FIFTY.achieved(&even, 0, 2_000_000) - 1.0).abs() < 1e-9);
        assert_eq!(FIFTY.worst(&[]), None);
    }

    #[test]
    fn the_worst_window_is_found_wherever_it_lies() {
        for seed in 0..200 {
            let mut rng = fastrand::Rng::with_seed(seed);
            let mut at = 0;
            let arrivals: Vec<u64> = (0..60)
                .map(|_| {
                    at += rng.u64(0..45_000);
                    at
                })
                .collect();
            let found = FIFTY.worst(&arrivals).map(|worst| worst.over_thousandths);
            let expected = slow_worst(FIFTY, &arrivals);
            // Thousandths are rounded down once for each window.
            let off = found
                .zip(expected)
                .map(|(found, expected)| found - expected);
            assert!(
                off.is_some_and(|off| off.abs() <= 2),
                "{found:?} {expected:?}"
            );
        }
    }

    #[test]
    fn spans_are_counted_where_they_overlap() {
        assert_eq!(most_at_once(&[(0, 10), (5, 15), (10, 20)]), 2);
        assert_eq!(in_use(&[(0, 10), (5, 15)], 8, 12), 6);
        assert_eq!(p99(&(1..=200).collect::<Vec<_>>()), 198);
    }
}
