//! The retry policy: after an attempt, an end or a next try at a time.

use crate::{
    catalog::{Backoff, RetryRule},
    machine::Next,
    time::Timestamp,
    traffic::Outcome,
};
use std::sync::LazyLock;

/// Tries that a rule may ask for.
pub const COUNT_MAX: u16 = 50;
/// Entries of `response_status_codes`.
const CODES_MAX: usize = 10;
/// The retry horizon, in milliseconds: everything ends within a week of the first attempt.
pub const HORIZON_MS: u64 = 7 * 24 * 3600 * 1000;
/// The longest `retry-after` that is followed, in milliseconds: a receiver may ask for a pause this long at most.
pub const RETRY_AFTER_MAX_MS: u64 = 3600 * 1000;
/// Jitter takes up to this share of the delay off or adds it.
const JITTER: f64 = 0.1;

/// The retry policy of a connection without a rule: the schedule of the Standard Webhooks specification 1.0.0.
pub static STANDARD: LazyLock<RetryRule> = LazyLock::new(|| {
    const MINUTE_S: u64 = 60;
    const HOUR_S: u64 = 60 * MINUTE_S;
    let seconds = [
        5,
        5 * MINUTE_S,
        30 * MINUTE_S,
        2 * HOUR_S,
        5 * HOUR_S,
        10 * HOUR_S,
        14 * HOUR_S,
        20 * HOUR_S,
        24 * HOUR_S,
    ];
    RetryRule {
        strategy: Backoff::Custom,
        count: seconds.len() as u16,
        interval: 1000,
        schedule: seconds.map(|seconds| seconds * 1000).to_vec(),
        response_status_codes: None,
    }
});

/// Decides what follows attempt `number` (counted from 1). Without a rule there is no further try. `jitter` is a draw from
/// `[0, 1)`.
#[must_use]
pub fn decide(
    rule: Option<&RetryRule>,
    number: u16,
    first_attempt_at: Timestamp,
    outcome: &Outcome,
    now: Timestamp,
    jitter: f64,
) -> Next {
    if outcome.is_success() {
        return Next::Delivered;
    }
    let Some(rule) = rule else {
        return Next::GiveUp;
    };
    // `number` counts the first attempt too, the rule only what follows it.
    if number > tries(rule) || !is_retried(rule, outcome.response_status()) {
        return Next::GiveUp;
    }
    let scheduled = delay_ms(rule, number);
    let spread = scheduled as f64 * JITTER * (2.0 * jitter.clamp(0.0, 1.0) - 1.0);
    let jittered = scheduled.saturating_add_signed(spread as i64);
    let asked = outcome.retry_after_ms.unwrap_or(0).min(RETRY_AFTER_MAX_MS);
    let at = now.plus_ms(jittered.max(asked));
    if at.since_ms(first_attempt_at) > HORIZON_MS {
        return Next::GiveUp;
    }
    Next::RetryAt(at)
}

/// Tries after the first.
fn tries(rule: &RetryRule) -> u16 {
    let count = match rule.strategy {
        Backoff::Linear | Backoff::Exponential => rule.count,
        Backoff::Custom => u16::try_from(rule.schedule.len()).unwrap_or(u16::MAX),
    };
    count.min(COUNT_MAX)
}

/// The scheduled delay after attempt `number`, in milliseconds.
#[must_use]
pub fn delay_ms(rule: &RetryRule, number: u16) -> u64 {
    let delay = match rule.strategy {
        Backoff::Linear => rule.interval,
        Backoff::Exponential => {
            let doublings = u32::from(number.saturating_sub(1)).min(63);
            rule.interval.saturating_mul(1 << doublings)
        }
        Backoff::Custom => {
            let step = usize::from(number.saturating_sub(1));
            let last = rule.schedule.last().copied().unwrap_or(rule.interval);
            rule.schedule.get(step).copied().unwrap_or(last)
        }
    };
    delay.min(HORIZON_MS)
}

fn is_retried(rule: &RetryRule, status: Option<u16>) -> bool {
    // Without an answer there is no code to go by.
    let (Some(status), Some(codes)) = (status, &rule.response_status_codes) else {
        return true;
    };
    let codes: Vec<Codes> = codes.iter().filter_map(|code| Codes::parse(code)).collect();
    let (except, only): (Vec<&Codes>, Vec<&Codes>) = codes
        .iter()
        .partition(|code| matches!(code, Codes::Except(_)));
    !except.iter().any(|code| code.covers(status))
        && (only.is_empty() || only.iter().any(|code| code.covers(status)))
}

/// One entry of `response_status_codes`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Codes {
    Between(u16, u16),
    Except(u16),
}

impl Codes {
    fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let code = |text: &str| {
            let code: u16 = text.trim().parse().ok()?;
            (200..=599).contains(&code).then_some(code)
        };
        if let Some(rest) = text.strip_prefix('!') {
            return code(rest).map(Self::Except);
        }
        for (operator, from, to) in [(">=", 0, 599), ("<=", 200, 0), (">", 1, 599), ("<", 200, 1)] {
            if let Some(rest) = text.strip_prefix(operator) {
                let code = code(rest)?;
                return Some(if operator.starts_with('>') {
                    Self::Between(code + from, to)
                } else {
                    Self::Between(from, code - to)
                });
            }
        }
        if let Some((from, to)) = text.split_once('-') {
            return Some(Self::Between(code(from)?, code(to)?));
        }
        code(text.trim_start_matches('=')).map(|code| Self::Between(code, code))
    }

    /// Whether any status fits: `599-500` is a mistake of who wrote it.
    fn names_any(self) -> bool {
        match self {
            Self::Between(from, to) => from <= to,
            Self::Except(_) => true,
        }
    }

    fn covers(self, status: u16) -> bool {
        match self {
            Self::Between(from, to) => (from..=to).contains(&status),
            Self::Except(code) => code == status,
        }
    }
}

/// A field of a rule that an admin got wrong, and what was expected there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Invalid {
    pub field: &'static str,
    pub expected: String,
}

/// Checks a rule as an admin wrote it.
///
/// # Errors
/// The first field that is wrong.
pub fn validate(rule: &RetryRule) -> Result<(), Invalid> {
    let invalid = |field, expected: String| Err(Invalid { field, expected });
    if rule.count > COUNT_MAX {
        return invalid("count", format!("expected 0 to {COUNT_MAX}"));
    }
    let is_delay = |ms: u64| ms >= 1000 && ms.is_multiple_of(1000) && ms <= HORIZON_MS;
    if !is_delay(rule.interval) {
        let expected = "expected whole seconds in milliseconds, from 1000 to a week";
        return invalid("interval", expected.into());
    }
    let steps = match rule.strategy {
        Backoff::Linear | Backoff::Exponential => 0..=0,
        Backoff::Custom => 1..=usize::from(COUNT_MAX),
    };
    if !steps.contains(&rule.schedule.len()) || !rule.schedule.iter().copied().all(is_delay) {
        let expected = format!(
            "expected 1 to {COUNT_MAX} delays with the strategy custom, each whole seconds in milliseconds, and none \
             with another strategy"
        );
        return invalid("schedule", expected);
    }
    if rule.schedule.iter().sum::<u64>() > HORIZON_MS {
        return invalid("schedule", "expected no more than a week in all".into());
    }
    let codes = rule.response_status_codes.as_deref();
    if codes.is_some_and(|codes| codes.is_empty() || codes.len() > CODES_MAX) {
        return invalid(
            "response_status_codes",
            format!("expected 1 to {CODES_MAX} entries"),
        );
    }
    for code in codes.unwrap_or_default() {
        if !Codes::parse(code).is_some_and(Codes::names_any) {
            let expected = format!("expected the forms 500, !404, 500-599, >=500, got {code:?}");
            return invalid("response_status_codes", expected);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::traffic::ErrorCode;
    use bytes::Bytes;
    use proptest::prelude::*;

    fn rule(strategy: Backoff, count: u16) -> RetryRule {
        RetryRule {
            strategy,
            count,
            interval: 1000,
            schedule: Vec::new(),
            response_status_codes: None,
        }
    }

    fn answered(status: u16) -> Outcome {
        Outcome::answered(status, Bytes::new(), None)
    }

    const MIDDLE: f64 = 0.5;
    const START: Timestamp = Timestamp(1_000_000);

    fn after(rule: &RetryRule, number: u16, outcome: &Outcome) -> Next {
        decide(Some(rule), number, START, outcome, START, MIDDLE)
    }

    #[test]
    fn a_success_ends_it_and_without_a_rule_so_does_a_failure() {
        let rule = rule(Backoff::Linear, 3);
        assert_eq!(after(&rule, 1, &answered(204)), Next::Delivered);
        assert_eq!(
            decide(None, 1, START, &answered(500), START, MIDDLE),
            Next::GiveUp
        );
    }

    #[test]
    fn linear_waits_the_same_and_exponential_doubles() {
        let (linear, exponential) = (rule(Backoff::Linear, 9), rule(Backoff::Exponential, 9));
        for (number, steps) in [(1, 1), (2, 2), (3, 4), (4, 8)] {
            assert_eq!(
                after(&linear, number, &answered(500)),
                Next::RetryAt(START.plus_ms(1000))
            );
            let expected = Next::RetryAt(START.plus_ms(1000 * steps));
            assert_eq!(after(&exponential, number, &answered(500)), expected);
        }
    }

    #[test]
    fn a_rule_of_three_makes_four_attempts() {
        let rule = rule(Backoff::Linear, 3);
        assert!(matches!(after(&rule, 3, &answered(500)), Next::RetryAt(_)));
        assert_eq!(after(&rule, 4, &answered(500)), Next::GiveUp);
    }

    #[test]
    fn a_custom_schedule_is_followed_to_its_end() {
        let custom = RetryRule {
            schedule: vec![1000, 60_000, 3_600_000],
            ..rule(Backoff::Custom, 50)
        };
        validate(&custom).expect("valid");
        for (number, delay_ms) in [(1, 1000), (2, 60_000), (3, 3_600_000)] {
            let next = Next::RetryAt(START.plus_ms(delay_ms));
            assert_eq!(after(&custom, number, &answered(500)), next);
        }
        assert_eq!(after(&custom, 4, &answered(500)), Next::GiveUp);
    }

    #[test]
    fn the_standard_schedule_is_valid_and_lasts_three_days() {
        validate(&STANDARD).expect("valid");
        let lasts_ms: u64 = (1..=9).map(|number| delay_ms(&STANDARD, number)).sum();
        assert_eq!(lasts_ms, (75 * 3600 + 35 * 60 + 5) * 1000);
        assert_eq!(after(&STANDARD, 10, &answered(500)), Next::GiveUp);
    }

    #[test]
    fn a_count_of_nothing_means_one_attempt() {
        let once = rule(Backoff::Linear, 0);
        validate(&once).expect("valid");
        assert_eq!(after(&once, 1, &answered(500)), Next::GiveUp);
    }

    #[test]
    fn status_codes_choose_what_is_tried_again() {
        let cases: [(&[&str], u16, bool); 8] = [
            (&["500"], 500, true),
            (&["500"], 502, false),
            (&["500-599"], 599, true),
            (&[">=500"], 404, false),
            (&["<500"], 404, true),
            (&["!404"], 404, false),
            (&["!404"], 500, true),
            (&["400-499", "!404"], 404, false),
        ];
        for (codes, status, retried) in cases {
            let mut rule = rule(Backoff::Linear, 3);
            rule.response_status_codes = Some(codes.iter().map(ToString::to_string).collect());
            validate(&rule).expect("valid");
            let next = after(&rule, 1, &answered(status));
            assert_eq!(
                matches!(next, Next::RetryAt(_)),
                retried,
                "{codes:?} {status}"
            );
            // Where nobody answered, no code can speak against another try.
            let silent = Outcome::failed(ErrorCode::Timeout);
            assert!(matches!(after(&rule, 1, &silent), Next::RetryAt(_)));
        }
    }

    #[test]
    fn a_receiver_may_ask_for_an_hour_and_no_more() {
        let rule = rule(Backoff::Linear, 3);
        let asks = |ms| Outcome::answered(503, Bytes::new(), Some(ms));
        assert_eq!(
            after(&rule, 1, &asks(5000)),
            Next::RetryAt(START.plus_ms(5000))
        );
        let clamped = Next::RetryAt(START.plus_ms(RETRY_AFTER_MAX_MS));
        assert_eq!(after(&rule, 1, &asks(u64::MAX)), clamped);
    }

    #[test]
    fn what_an_admin_wrote_is_checked_by_field() {
        let mut wrong = rule(Backoff::Linear, 51);
        let field = |rule: &RetryRule| validate(rule).expect_err("wrong").field;
        assert_eq!(field(&wrong), "count");
        wrong = RetryRule {
            interval: 1500,
            ..rule(Backoff::Linear, 1)
        };
        assert_eq!(field(&wrong), "interval");
        for (strategy, schedule) in [
            (Backoff::Custom, vec![]),
            (Backoff::Custom, vec![1500]),
            (Backoff::Custom, vec![HORIZON_MS, 1000]),
            (Backoff::Linear, vec![1000]),
        ] {
            wrong = RetryRule {
                schedule,
                ..rule(strategy, 1)
            };
            assert_eq!(field(&wrong), "schedule");
        }
        wrong = rule(Backoff::Linear, 1);
        for nothing in ["5xx", "599-500", ">599", "99"] {
            wrong.response_status_codes = Some(vec![nothing.into()]);
            let said = validate(&wrong).expect_err("no code");
            assert_eq!(said.field, "response_status_codes");
            assert!(said.expected.contains(nothing), "{said:?}");
        }
    }

    proptest! {
        #[test]
        fn a_next_try_is_later_and_within_the_week(
            number in 1u16..60, interval in 1u64..700_000, jitter in 0.0f64..1.0, exponential: bool,
        ) {
            let strategy = if exponential { Backoff::Exponential } else { Backoff::Linear };
            let rule = RetryRule { interval: interval * 1000, ..rule(strategy, 50) };
            if let Next::RetryAt(at) = decide(Some(&rule), number, START, &answered(500), START, jitter) {
                prop_assert!(at > START && at.since_ms(START) <= HORIZON_MS);
            }
        }
    }
}
