//! Whether a destination is tried at all: one that keeps failing, or asks for rest, is left alone for a while and then
//! tried one by one, so that it is neither hammered nor forgotten. Its events wait meanwhile; none of their tries is spent.

use crate::{
    time::Timestamp,
    traffic::{ErrorCode, Outcome},
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

/// What an outcome says of its destination.
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
        match (outcome.response_status, outcome.retry_after_ms) {
            (Some(429 | 503), Some(ms)) => Self::Rest {
                ms: ms.min(REST_MAX_MS),
            },
            (Some(429), None) => Self::Rest { ms: REST_MS },
            (Some(500..=599), _) => Self::Sick,
            (Some(_), _) => Self::Healthy,
            (None, _) => match outcome.error_code {
                Some(
                    ErrorCode::MissingUrl
                    | ErrorCode::InvalidUrl
                    | ErrorCode::PayloadMissing
                    | ErrorCode::InternalError
                    | ErrorCode::Cancelled,
                ) => Self::None,
                _ => Self::Sick,
            },
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// As many attempts as the window holds. With the failures in a row so far.
    Closed { failures: u32 },
    /// None until then.
    Open { until: Timestamp },
    /// So many at once: one after a pause, and with each success twice as many.
    HalfOpen { allowed: u16 },
}

#[derive(Clone, Debug)]
pub struct Circuit {
    state: State,
    /// Pauses since it was last closed.
    pauses: u32,
}

impl Default for Circuit {
    fn default() -> Self {
        Self {
            state: State::Closed { failures: 0 },
            pauses: 0,
        }
    }
}

impl Circuit {
    /// Attempts that may be in flight at once now, of a window of so many.
    ///
    /// # Errors
    /// The time until which there may be none.
    pub fn allowed(&mut self, window: u16, now: Timestamp) -> Result<u16, Timestamp> {
        if let State::Open { until } = self.state {
            if until > now {
                return Err(until);
            }
            self.state = State::HalfOpen { allowed: 1 };
        }
        Ok(match self.state {
            State::HalfOpen { allowed } => allowed.min(window),
            State::Closed { .. } | State::Open { .. } => window,
        })
    }

    /// Takes in what an attempt that ended at `now` says of the destination, whose window is so large.
    pub fn heard(&mut self, sign: Sign, window: u16, now: Timestamp) {
        match (sign, self.state) {
            (Sign::None, _) => {}
            // One that was sent before the pause began; what it says is old.
            (Sign::Healthy, State::Open { .. }) => {}
            (Sign::Healthy, State::Closed { .. }) => self.close(),
            (Sign::Healthy, State::HalfOpen { allowed }) => {
                let allowed = allowed.saturating_mul(2);
                if allowed >= window {
                    self.close();
                } else {
                    self.state = State::HalfOpen { allowed };
                }
            }
            (Sign::Rest { ms }, _) => self.open(now.plus_ms(ms)),
            (Sign::Sick, State::Closed { failures }) if failures + 1 < FAILURES_MAX => {
                self.state = State::Closed {
                    failures: failures + 1,
                };
            }
            // Further ones of the same bad moment make no further pause.
            (Sign::Sick, State::Open { .. }) => {}
            (Sign::Sick, State::Closed { .. } | State::HalfOpen { .. }) => {
                let pause_ms = PAUSE_MS.saturating_mul(1 << self.pauses.min(16));
                self.pauses += 1;
                self.open(now.plus_ms(pause_ms.min(PAUSE_MAX_MS)));
            }
        }
    }

    /// Until when nothing is tried; none while something is.
    #[must_use]
    pub fn open_until(&self) -> Option<Timestamp> {
        match self.state {
            State::Open { until } => Some(until),
            State::Closed { .. } | State::HalfOpen { .. } => None,
        }
    }

    /// Whether it knows nothing that a new one does not.
    #[must_use]
    pub fn is_fresh(&self) -> bool {
        self.state == State::Closed { failures: 0 }
    }

    fn open(&mut self, until: Timestamp) {
        let until = self.open_until().unwrap_or(until).max(until);
        self.state = State::Open { until };
    }

    fn close(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use proptest::prelude::*;

    const WINDOW: u16 = 16;
    const NOW: Timestamp = Timestamp(1_000_000);

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
        assert_eq!(circuit.allowed(WINDOW, NOW), Ok(WINDOW));
    }

    #[test]
    fn what_keeps_failing_is_left_alone_longer_each_time() {
        let mut circuit = failed_often();
        let mut now = NOW;
        for pause_ms in [1000, 2000, 4000, 8000, 16_000, 32_000, 60_000, 60_000] {
            let until = now.plus_ms(pause_ms);
            assert_eq!(circuit.allowed(WINDOW, now), Err(until));
            now = until;
            assert_eq!(circuit.allowed(WINDOW, now), Ok(1), "one trial");
            circuit.heard(Sign::Sick, WINDOW, now);
        }
    }

    #[test]
    fn a_trial_that_succeeds_opens_the_way_step_by_step() {
        let mut circuit = failed_often();
        let now = NOW.plus_ms(PAUSE_MS);
        for allowed in [1, 2, 4, 8, 16] {
            assert_eq!(circuit.allowed(WINDOW, now), Ok(allowed));
            circuit.heard(Sign::Healthy, WINDOW, now);
        }
        assert!(circuit.is_fresh());
    }

    #[test]
    fn a_rest_begins_at_once_and_late_news_do_not_end_it() {
        let mut circuit = Circuit::default();
        circuit.heard(Sign::Rest { ms: 5000 }, WINDOW, NOW);
        circuit.heard(Sign::Healthy, WINDOW, NOW);
        circuit.heard(Sign::Sick, WINDOW, NOW);
        circuit.heard(Sign::Rest { ms: 1000 }, WINDOW, NOW);
        assert_eq!(circuit.allowed(WINDOW, NOW), Err(NOW.plus_ms(5000)));
        assert_eq!(circuit.allowed(WINDOW, NOW.plus_ms(5000)), Ok(1));
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
                if let Err(until) = circuit.allowed(WINDOW, now) {
                    prop_assert!(until > now && until <= now.plus_ms(REST_MAX_MS));
                }
            }
            let later = now.plus_ms(REST_MAX_MS);
            prop_assert!(circuit.allowed(WINDOW, later).is_ok_and(|allowed| allowed >= 1));
        }
    }
}
