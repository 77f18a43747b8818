//! The waiting time of requests for a partition that takes nothing: through an election, and not behind a leader that
//! refuses.

use std::time::Duration;

/// The longest wait for a leader that is there and takes nothing: it won't before its senders have lost patience.
pub const REFUSED_MAX: Duration = Duration::from_millis(1_500);
/// Refusals that lie further apart have nothing to do with one another.
const APART: Duration = Duration::from_secs(2);

/// A partition that has taken nothing of late, or all of them. Times are counted from any fixed moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refusing {
    since: Duration,
    /// Since when there was a leader that might have taken something.
    led_since: Option<Duration>,
    last: Duration,
}

impl Refusing {
    /// A proposal that began then has not been taken, now. `was_led`: there was a leader to ask when it began, and there
    /// still is one.
    #[must_use]
    pub fn again(before: Option<Self>, began: Duration, now: Duration, was_led: bool) -> Self {
        let before = before.filter(|before| began.saturating_sub(before.last) <= APART);
        let led_since = before.and_then(|before| before.led_since).unwrap_or(began);
        Self {
            since: before.map_or(began, |before| before.since),
            led_since: was_led.then_some(led_since),
            last: now,
        }
    }

    /// Whether whoever still waits is told to come again. `election` is what finding a leader takes at most.
    #[must_use]
    pub fn is_in_vain(&self, now: Duration, election: Duration) -> bool {
        let is_refused = |since| now.saturating_sub(since) >= REFUSED_MAX;
        self.led_since.is_some_and(is_refused) || now.saturating_sub(self.since) >= election
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ELECTION: Duration = Duration::from_secs(5);

    fn at(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    /// Refusals that follow one another as proposals do; when they are in vain, in milliseconds.
    fn in_vain(refusals: impl IntoIterator<Item = (u64, u64, bool)>) -> Option<u64> {
        let mut refusing = None;
        refusals.into_iter().find_map(|(began, now, was_led)| {
            let again = Refusing::again(refusing, at(began), at(now), was_led);
            refusing = Some(again);
            again.is_in_vain(at(now), ELECTION).then_some(now)
        })
    }

    fn every_800_ms(was_led: impl Fn(u64) -> bool) -> impl Iterator<Item = (u64, u64, bool)> {
        (0..20).map(move |n| (n * 820, n * 820 + 800, was_led(n)))
    }

    #[test]
    fn behind_a_leader_that_takes_nothing_nobody_waits_for_two_seconds() {
        assert_eq!(in_vain(every_800_ms(|_| true)), Some(1_620));
    }

    #[test]
    fn an_election_is_waited_for_and_no_longer_than_one_takes() {
        assert_eq!(in_vain(every_800_ms(|_| false).take(5)), None);
        assert_eq!(in_vain(every_800_ms(|_| false)), Some(5_720));
    }

    #[test]
    fn a_leader_that_was_just_elected_has_its_own_time() {
        assert_eq!(in_vain(every_800_ms(|n| n != 1)), Some(2 * 820 + 1_620));
    }

    #[test]
    fn what_was_refused_long_ago_counts_for_nothing() {
        let long_after = [(0, 800, true), (60_000, 60_800, true)];
        assert_eq!(in_vain(long_after), None);
    }
}
