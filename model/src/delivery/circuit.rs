//! The circuit breaker of a destination: one that keeps failing, or asks for rest, is left alone for a while and then
//! tried one by one, so that it is neither hammered nor forgotten. Its events wait meanwhile; none of their tries is
//! spent.

use crate::{
    machine::RunEnd,
    time::Monotone,
    traffic::{Answer, ErrorCode, Outcome},
};

/// Failures in a row, without any answer that speaks of health, after which a destination is left alone.
const FAILURES_MAX: u32 = 5;
/// The first pause; each further one is twice as long.
const PAUSE_MS: u64 = 1000;
const PAUSE_MAX_MS: u64 = 60_000;
/// A receiver may ask for a rest this long at most.
const REST_MAX_MS: u64 = 3_600_000;
/// The rest of a receiver that answers 429 and does not say for how long.
const REST_MS: u64 = 1000;

/// The health signal in an attempt's outcome: what it says of the destination.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sign {
    /// It answered for itself, whatever it thinks of the event.
    Healthy,
    /// It did not answer, or could not do its work.
    Sick,
    /// It asks to be left alone for so long.
    Rest { ms: u64 },
    /// Nothing: the attempt never got as far as the destination.
    None,
}

impl Sign {
    #[must_use]
    pub fn of(outcome: &Outcome) -> Self {
        match &outcome.answer {
            Answer::Http { status, .. } => match (status, outcome.retry_after_ms) {
                (429 | 503, Some(ms)) => Self::Rest {
                    ms: ms.min(REST_MAX_MS),
                },
                (429, None) => Self::Rest { ms: REST_MS },
                // Beyond what HTTP has, as a server's failure: RFC 9110, section 15.
                (500.., _) => Self::Sick,
                _ => Self::Healthy,
            },
            Answer::None { .. } => match outcome.error_code {
                Some(
                    ErrorCode::MissingUrl
                    | ErrorCode::InvalidUrl
                    | ErrorCode::PayloadMissing
                    | ErrorCode::InternalError
                    | ErrorCode::Cancelled
                    // Developers come and go: whether one listens is looked up anew for each event.
                    | ErrorCode::Cli
                    | ErrorCode::CliUnavailable,
                ) => Self::None,
                _ => Self::Sick,
            },
        }
    }
}

impl From<&RunEnd> for Sign {
    fn from(end: &RunEnd) -> Self {
        match end {
            RunEnd::Attempted { attempt, .. } => Self::of(&attempt.outcome),
            RunEnd::Ignored { .. } => Self::None,
        }
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    /// As many attempts as the window holds.
    #[default]
    Closed,
    /// None until then.
    Open { until: Monotone },
    /// So many at once: one after a pause, twice as many with each success, and half with each failure.
    HalfOpen { allowed: u16 },
}

#[derive(Clone, Debug, Default)]
pub(super) struct Circuit {
    state: State,
    /// Failures in a row.
    failures: u32,
    /// Pauses since the last success.
    pauses: u32,
}

impl Circuit {
    /// Ends a pause that is over.
    pub(super) fn look(&mut self, now: Monotone) {
        if self.open_until().is_some_and(|until| until <= now) {
            self.state = State::HalfOpen { allowed: 1 };
        }
    }

    /// Attempts that may be in flight at once, of a window of so many.
    #[must_use]
    pub(super) fn allowed(&self, window: u16) -> u16 {
        match self.state {
            State::Closed => window,
            State::Open { .. } => 0,
            State::HalfOpen { allowed } => allowed.min(window),
        }
    }

    /// Takes in what an attempt that ended at `now` says of the destination, whose window is so large.
    pub(super) fn heard(&mut self, sign: Sign, window: u16, now: Monotone) {
        match (sign, self.state) {
            (Sign::None, _) => {}
            (Sign::Rest { ms }, _) => self.open(now.plus_ms(ms)),
            // One that was sent before the pause began; what it says is old.
            (Sign::Healthy | Sign::Sick, State::Open { .. }) => {}
            (Sign::Healthy, State::Closed) => *self = Self::default(),
            (Sign::Healthy, State::HalfOpen { allowed }) => {
                *self = Self::default();
                let allowed = allowed.saturating_mul(2);
                if allowed < window {
                    self.state = State::HalfOpen { allowed };
                }
            }
            (Sign::Sick, State::Closed | State::HalfOpen { .. }) => self.failed(now),
        }
    }

    fn failed(&mut self, now: Monotone) {
        self.failures = self.failures.saturating_add(1);
        if self.failures >= FAILURES_MAX {
            let pause_ms = PAUSE_MS.saturating_mul(1 << self.pauses.min(16));
            self.pauses += 1;
            return self.open(now.plus_ms(pause_ms.min(PAUSE_MAX_MS)));
        }
        // It did part of its work: less at once may be what it needs.
        if let State::HalfOpen { allowed } = self.state {
            let allowed = (allowed / 2).max(1);
            self.state = State::HalfOpen { allowed };
        }
    }

    /// The time until which the circuit is open and nothing is tried; none while something is.
    #[must_use]
    pub(super) fn open_until(&self) -> Option<Monotone> {
        match self.state {
            State::Open { until } => Some(until),
            State::Closed | State::HalfOpen { .. } => None,
        }
    }

    fn open(&mut self, until: Monotone) {
        let until = self.open_until().unwrap_or(until).max(until);
        self.state = State::Open { until };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use proptest::prelude::*;

    const WINDOW: u16 = 16;
    const NOW: Monotone = Monotone(1_000_000);

    fn answered(status: u16, retry_after_ms: Option<u64>) -> Sign {
        Sign::of(&Outcome::answered(status, Bytes::new(), retry_after_ms))
    }

    fn failed_often() -> Circuit {
        let mut circuit = Circuit::default();
        for _ in 0..FAILURES_MAX {
            circuit.heard(Sign::Sick, WINDOW, NOW);
        }
        circuit
    }

    #[test]
    fn outcomes_are_signs() {
        for (sign, expected) in [
            (answered(204, None), Sign::Healthy),
            (answered(404, None), Sign::Healthy),
            (answered(500, None), Sign::Sick),
            (answered(503, None), Sign::Sick),
            (answered(999, None), Sign::Sick),
            (answered(503, Some(7000)), Sign::Rest { ms: 7000 }),
            (answered(429, None), Sign::Rest { ms: REST_MS }),
            (
                answered(429, Some(u64::MAX)),
                Sign::Rest { ms: REST_MAX_MS },
            ),
            (Sign::of(&Outcome::failed(ErrorCode::Timeout)), Sign::Sick),
            (
                Sign::of(&Outcome::failed(ErrorCode::PayloadMissing)),
                Sign::None,
            ),
            (
                Sign::of(&Outcome::failed(ErrorCode::CliUnavailable)),
                Sign::None,
            ),
        ] {
            assert_eq!(sign, expected);
        }
    }

    #[test]
    fn a_few_failures_between_successes_change_nothing() {
        let mut circuit = Circuit::default();
        for _ in 0..10 {
            for _ in 1..FAILURES_MAX {
                circuit.heard(Sign::Sick, WINDOW, NOW);
            }
            circuit.heard(Sign::Healthy, WINDOW, NOW);
        }
        assert_eq!(circuit.allowed(WINDOW), WINDOW);
    }

    #[test]
    fn what_keeps_failing_is_left_alone_longer_each_time() {
        let mut circuit = failed_often();
        let mut now = NOW;
        for pause_ms in [1000, 2000, 4000, 8000, 16_000, 32_000, 60_000, 60_000] {
            let until = now.plus_ms(pause_ms);
            circuit.look(now);
            assert_eq!(
                (circuit.allowed(WINDOW), circuit.open_until()),
                (0, Some(until))
            );
            now = until;
            circuit.look(now);
            assert_eq!(circuit.allowed(WINDOW), 1, "one trial");
            circuit.heard(Sign::Sick, WINDOW, now);
        }
    }

    #[test]
    fn a_trial_that_succeeds_opens_the_way_step_by_step() {
        let mut circuit = failed_often();
        let now = NOW.plus_ms(PAUSE_MS);
        circuit.look(now);
        for allowed in [1, 2, 4, 8, 16] {
            assert_eq!(circuit.allowed(WINDOW), allowed);
            circuit.heard(Sign::Healthy, WINDOW, now);
        }
        assert_eq!(circuit.state, State::Closed);
        assert_eq!((circuit.failures, circuit.pauses), (0, 0));
    }

    #[test]
    fn what_does_half_of_its_work_is_not_given_up() {
        let mut circuit = failed_often();
        let mut now = NOW.plus_ms(PAUSE_MS);
        for round in 0..50 {
            circuit.look(now);
            let sign = if round % 2 == 0 {
                Sign::Healthy
            } else {
                Sign::Sick
            };
            assert!(circuit.allowed(WINDOW) >= 1, "round {round}");
            circuit.heard(sign, WINDOW, now);
            now = now.plus_ms(1);
        }
    }

    #[test]
    fn a_rest_begins_at_once_and_late_news_do_not_end_it() {
        let mut circuit = Circuit::default();
        circuit.heard(Sign::Rest { ms: 5000 }, WINDOW, NOW);
        circuit.heard(Sign::Healthy, WINDOW, NOW);
        circuit.heard(Sign::Sick, WINDOW, NOW);
        circuit.heard(Sign::Rest { ms: 1000 }, WINDOW, NOW);
        assert_eq!(circuit.open_until(), Some(NOW.plus_ms(5000)));
        circuit.look(NOW.plus_ms(4999));
        assert_eq!(circuit.allowed(WINDOW), 0);
        circuit.look(NOW.plus_ms(5000));
        assert_eq!(circuit.allowed(WINDOW), 1);
    }

    proptest! {
        #[test]
        fn it_never_stays_shut_for_good(
            signs in prop::collection::vec((0u8..4, 0u64..10_000_000, 0u64..5000), 0..200),
        ) {
            let mut circuit = Circuit::default();
            let mut now = NOW;
            for (sign, ms, step) in signs {
                now = now.plus_ms(step);
                let sign = match sign {
                    0 => Sign::Healthy,
                    1 => Sign::Sick,
                    2 => Sign::Rest { ms: ms.min(REST_MAX_MS) },
                    _ => Sign::None,
                };
                circuit.heard(sign, WINDOW, now);
                circuit.look(now);
                if let Some(until) = circuit.open_until() {
                    prop_assert!(until > now && until <= now.plus_ms(REST_MAX_MS));
                    prop_assert_eq!(circuit.allowed(WINDOW), 0);
                }
            }
            let later = now.plus_ms(REST_MAX_MS);
            circuit.look(later);
            prop_assert!(circuit.allowed(WINDOW) >= 1);
        }
    }
}
