//! The first due time of an event: after a delay, or at a time that its request names.

use super::fields::Picker;
use crate::{catalog::Connection, time::Timestamp};

/// The longest delay until a time, in milliseconds; a later one is cut: an event that waits keeps all
/// that came after it.
pub const UNTIL_MAX_MS: u64 = 30 * 24 * 3_600_000;

/// Runs the delay rules of a connection, one after the other. A time that is past, missing or unreadable delays nothing.
#[must_use]
pub fn due_at(connection: &Connection, request: &Picker<'_>, now: Timestamp) -> Timestamp {
    let mut due_at = now;
    for rule in connection.delays() {
        let named = rule.until.as_ref().and_then(|field| request.text(field));
        if let Some(until) = named.and_then(|text| time(&text)) {
            due_at = due_at.max(until.min(now.plus_ms(UNTIL_MAX_MS)));
        }
        due_at = due_at.plus_ms(rule.delay);
    }
    due_at
}

/// Numbers below are Unix seconds (until the year 5138), others Unix milliseconds (from the year 1973).
const SECONDS_BELOW: u64 = 100_000_000_000;
/// Numbers from here on are neither.
const MILLIS_BELOW: u64 = SECONDS_BELOW * 1_000;

/// Reads RFC 3339, Unix seconds (a fraction may follow) or Unix milliseconds.
#[must_use]
pub fn time(text: &str) -> Option<Timestamp> {
    let text = text.trim();
    if let Ok(number) = text.parse::<u64>() {
        return match number {
            ..SECONDS_BELOW => Some(Timestamp(number * 1_000)),
            SECONDS_BELOW..MILLIS_BELOW => Some(Timestamp(number)),
            MILLIS_BELOW.. => None,
        };
    }
    if let Ok(number) = text.parse::<f64>() {
        let is_seconds = (0.0..SECONDS_BELOW as f64).contains(&number);
        return is_seconds.then_some(Timestamp((number * 1_000.0) as u64));
    }
    let time: jiff::Timestamp = text.parse().ok()?;
    u64::try_from(time.as_millisecond()).ok().map(Timestamp)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        catalog::{DelayRule, Rule},
        kit,
        policy::document::Document,
        traffic::RequestRecord,
    };
    use proptest::prelude::*;

    const NOW: Timestamp = Timestamp(1_700_000_000_000);

    fn due(rules: &[DelayRule], body: &str) -> u64 {
        let connection = Connection {
            rules: rules.iter().cloned().map(Rule::Delay).collect(),
            created_at: NOW,
            updated_at: NOW,
            ..kit::connection()
        };
        let record = RequestRecord {
            received_at: NOW,
            query: "at=2023-11-14T22:13:25Z".into(),
            headers: vec![("x-at".into(), "1700000007".into())],
            ..kit::record()
        };
        let document = Document::of(&record, body.as_bytes());
        due_at(&connection, &Picker::new(&document), NOW).since_ms(NOW)
    }

    fn until(field: &str, delay: u64) -> DelayRule {
        DelayRule {
            delay,
            until: Some(field.parse().expect(field)),
        }
    }

    #[test]
    fn a_fixed_delay_counts_from_now() {
        assert_eq!(due(&[], "{}"), 0);
        assert_eq!(due(&[DelayRule::of_ms(500)], "{}"), 500);
    }

    #[test]
    fn a_time_of_the_request_is_waited_for_and_then_the_delay() {
        for (rule, body, after) in [
            (
                until("body.at", 0),
                r#"{"at":"2023-11-14T22:13:21.5Z"}"#,
                1_500,
            ),
            (
                until("body.at", 0),
                r#"{"at":"2023-11-15T00:13:21+02:00"}"#,
                1_000,
            ),
            (until("body.at", 0), r#"{"at":1700000002}"#, 2_000),
            (until("body.at", 0), r#"{"at":1700000002.5}"#, 2_500),
            (until("body.at", 0), r#"{"at":"1700000003000"}"#, 3_000),
            (until("query.at", 0), "", 5_000),
            (until("headers.x-at", 40), "", 7_040),
        ] {
            assert_eq!(due(&[rule], body), after, "{body}");
        }
    }

    #[test]
    fn a_time_that_is_past_missing_or_unreadable_delays_nothing() {
        for body in [
            r#"{"at":1}"#,
            r#"{"at":-5}"#,
            r#"{"at":"2001-01-01T00:00:00Z"}"#,
            r#"{"at":"tomorrow"}"#,
            r#"{"at":"2033-11-14T22:13:21"}"#,
            r#"{"at":1700000002000000}"#,
            r#"{"at":1e300}"#,
            r#"{"at":null}"#,
            r#"{"at":{}}"#,
            "{}",
            "no json",
        ] {
            assert_eq!(due(&[until("body.at", 0)], body), 0, "{body}");
            assert_eq!(due(&[until("body.at", 70)], body), 70, "{body}");
        }
    }

    #[test]
    fn a_time_far_ahead_has_a_bound() {
        let far = r#"{"at":"2099-01-01T00:00:00Z"}"#;
        assert_eq!(due(&[until("body.at", 0)], far), UNTIL_MAX_MS);
    }

    proptest! {
        #[test]
        fn a_time_reads_the_same_in_every_way_of_writing(ms in 100_000_000_000u64..4_000_000_000_000) {
            let text = jiff::Timestamp::from_millisecond(ms as i64).expect("in range").to_string();
            prop_assert_eq!(time(&text), Some(Timestamp(ms)));
            prop_assert_eq!(time(&ms.to_string()), Some(Timestamp(ms)));
            prop_assert_eq!(time(&(ms / 1_000).to_string()), Some(Timestamp(ms - ms % 1_000)));
        }

        #[test]
        fn no_text_makes_the_parser_panic(text in ".{0,40}") {
            let _ = time(&text);
        }
    }
}
