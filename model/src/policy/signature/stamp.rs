//! The signed timestamp: where it stands, how it is written, how old it may be.

use super::{diagnosis::Diagnosis, facts::Facts, layout::Group};
use jiff::fmt::{rfc2822, temporal};
use std::borrow::Cow;

/// A signed timestamp.
#[derive(Clone, Copy, Debug)]
pub struct Stamp<'a> {
    pub at: StampPlace<'a>,
    pub unit: Unit,
    /// Seconds that it may be old; none where the sender documents no bound.
    pub past_s: Option<u32>,
    /// Seconds that it may be ahead.
    pub ahead_s: Option<u32>,
}

#[derive(Clone, Copy, Debug)]
pub enum StampPlace<'a> {
    Header(&'a str),
    /// An element of the signature's value.
    Pair(&'a str),
    /// The first element of a positional value.
    First,
    Json(&'a str),
    Form(&'a str),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    Seconds,
    Millis,
    /// RFC 3339 text.
    Rfc3339,
    /// The fixed date of HTTP (RFC 9110 section 5.6.7).
    HttpDate,
    /// Seconds, milliseconds or RFC 3339, told apart by their form, of a sender that doesn't say which. Other text
    /// means no time.
    Told,
    /// Text that means no time.
    Nonce,
}

/// The tolerance, in seconds, for timestamps whose sender documents no bound: it may sign once and try again for a
/// while.
pub(super) const UNDOCUMENTED_S: u32 = 3600;

impl<'a> Stamp<'a> {
    /// A timestamp with the same tolerance both ways.
    #[must_use]
    pub const fn new(at: StampPlace<'a>, unit: Unit, tolerance_s: Option<u32>) -> Self {
        Self {
            at,
            unit,
            past_s: tolerance_s,
            ahead_s: tolerance_s,
        }
    }

    /// The description in words, for people.
    #[must_use]
    pub fn words(&self) -> String {
        let at = match self.at {
            StampPlace::Header(name) => format!("header {name}"),
            StampPlace::Pair(name) => format!("element {name}"),
            StampPlace::First => "the first element".to_owned(),
            StampPlace::Json(path) => format!("JSON field {path}"),
            StampPlace::Form(name) => format!("form field {name}"),
        };
        let unit = match self.unit {
            Unit::Seconds => "seconds",
            Unit::Millis => "milliseconds",
            Unit::Rfc3339 => "RFC 3339",
            Unit::HttpDate => "HTTP date",
            Unit::Told => "seconds, milliseconds or RFC 3339",
            Unit::Nonce => return format!("nonce in {at}"),
        };
        match (self.past_s, self.ahead_s) {
            (Some(past), Some(_)) => format!("timestamp in {at} ({unit}), within {past} s"),
            (Some(past), None) => format!("timestamp in {at} ({unit}), at most {past} s old"),
            _ => format!("timestamp in {at} ({unit}), any age"),
        }
    }

    /// The validity window of one and the same timestamp, in seconds; none where it is for ever.
    pub(super) fn window_s(&self) -> Option<u64> {
        let dated = self.unit != Unit::Nonce && self.unit != Unit::Told;
        dated.then_some(u64::from(self.past_s?) + u64::from(self.ahead_s?))
    }

    pub(super) fn text<'v>(
        &self,
        facts: &Facts<'v>,
        group: &Group<'v>,
    ) -> Result<Cow<'v, str>, Diagnosis> {
        let missing = || Diagnosis::missing("timestamp");
        let text: Cow<'v, str> = match self.at {
            StampPlace::Header(name) => facts.header(name)?.into(),
            StampPlace::Pair(name) => group.pair(name)?.ok_or_else(missing)?.into(),
            StampPlace::First => group.first.ok_or_else(missing)?.into(),
            StampPlace::Json(path) => facts.json_required(path)?.into(),
            StampPlace::Form(name) => facts.form_field(name)?.into(),
        };
        if self.unit != Unit::Told && self.unit.millis(&text).is_none() {
            return Err(Diagnosis::malformed("timestamp"));
        }
        Ok(text)
    }

    /// Checks that a timestamp that was signed rightly lies in the window.
    pub(super) fn check(&self, text: &str, facts: &Facts<'_>) -> Result<(), Diagnosis> {
        if self.unit == Unit::Nonce {
            return Ok(());
        }
        let Some(signed_ms) = self.unit.millis(text) else {
            let means_no_time = self.unit == Unit::Told;
            return if means_no_time {
                Ok(())
            } else {
                Err(Diagnosis::malformed("timestamp"))
            };
        };
        let now_ms = i128::from(facts.now.0);
        let beyond = |distance_ms: i128, bound: Option<u32>| {
            let over_ms = distance_ms - i128::from(bound?) * 1000;
            let by_s = u64::try_from((over_ms + 999) / 1000).unwrap_or(u64::MAX);
            (over_ms > 0).then_some(by_s)
        };
        if let Some(by_s) = beyond(now_ms - signed_ms, self.past_s) {
            return Err(Diagnosis::Stale { by_s });
        }
        if let Some(by_s) = beyond(signed_ms - now_ms, self.ahead_s) {
            return Err(Diagnosis::Ahead { by_s });
        }
        Ok(())
    }
}

impl Unit {
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        match name {
            "s" => Some(Self::Seconds),
            "ms" => Some(Self::Millis),
            "rfc3339" => Some(Self::Rfc3339),
            "http_date" => Some(Self::HttpDate),
            _ => None,
        }
    }

    /// Milliseconds since the epoch. Digits mean digits: no sign, no exponent, no space, no other script.
    fn millis(self, text: &str) -> Option<i128> {
        let digits = |text: &str| {
            let plain = text.len() <= 19 && text.bytes().all(|b| b.is_ascii_digit());
            plain.then(|| text.parse::<i128>().ok()).flatten()
        };
        match self {
            Self::Seconds => digits(text)?.checked_mul(1000),
            Self::Millis => digits(text),
            Self::Rfc3339 => {
                let parser = temporal::DateTimeParser::new();
                let at = parser.parse_timestamp(text).ok()?;
                Some(i128::from(at.as_millisecond()))
            }
            Self::HttpDate => {
                let at = rfc2822::DateTimeParser::new().parse_timestamp(text).ok()?;
                Some(i128::from(at.as_millisecond()))
            }
            Self::Told => match text.len() {
                10 => digits(text)?.checked_mul(1000),
                13 => digits(text),
                _ => Self::Rfc3339.millis(text).or_else(|| {
                    // Without a zone it is in UTC.
                    let at = temporal::DateTimeParser::new().parse_datetime(text).ok()?;
                    let at = at.to_zoned(jiff::tz::TimeZone::UTC).ok()?;
                    Some(i128::from(at.timestamp().as_millisecond()))
                }),
            },
            Self::Nonce => (!text.is_empty()).then_some(0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{
        super::facts::tests::{facts, record},
        *,
    };

    fn check(text: &str, unit: Unit) -> Result<(), Diagnosis> {
        let record = record("POST", &[("x-at", text)]);
        let facts = facts(&record, b"");
        let stamp = Stamp::new(StampPlace::Header("x-at"), unit, Some(300));
        let group = Group::default();
        stamp.check(&stamp.text(&facts, &group)?, &facts)
    }

    #[test]
    fn the_window_is_closed_on_both_sides() {
        for (text, expected) in [
            ("1700000000", Ok(())),
            ("1699999700", Ok(())),
            ("1699999699", Err(Diagnosis::Stale { by_s: 1 })),
            ("1700000300", Ok(())),
            ("1700000301", Err(Diagnosis::Ahead { by_s: 1 })),
            (
                "0",
                Err(Diagnosis::Stale {
                    by_s: 1_699_999_700,
                }),
            ),
        ] {
            assert_eq!(check(text, Unit::Seconds), expected, "{text}");
        }
    }

    #[test]
    fn only_plain_digits_are_a_number() {
        for odd in [
            "1e9",
            "+1700000000",
            "-1",
            "0x1",
            "１７",
            "17 ",
            "1.5",
            "9223372036854775807999",
        ] {
            let checked = check(odd, Unit::Seconds);
            // A space around a header's value is not part of it.
            assert!(
                checked == Err(Diagnosis::malformed("timestamp")) || odd == "17 ",
                "{odd}"
            );
        }
        assert!(matches!(
            check("9223372036854775807", Unit::Seconds),
            Err(Diagnosis::Ahead { .. })
        ));
    }

    #[test]
    fn a_time_whose_unit_nobody_tells_is_known_by_its_form() {
        for text in [
            "1700000000",
            "1700000000000",
            "2023-11-14T22:13:20Z",
            "2023-11-14T22:13:20.5",
        ] {
            assert_eq!(check(text, Unit::Told), Ok(()), "{text}");
        }
        for text in [
            "1600000000",
            "1600000000000",
            "2020-09-13T12:26:40Z",
            "2020-09-13T12:26:40",
        ] {
            let checked = check(text, Unit::Told);
            assert!(matches!(checked, Err(Diagnosis::Stale { .. })), "{text}");
        }
        assert_eq!(check("a-nonce", Unit::Told), Ok(()));
    }

    #[test]
    fn every_unit_is_read() {
        for (text, unit) in [
            ("1700000000000", Unit::Millis),
            ("2023-11-14T22:13:20Z", Unit::Rfc3339),
            ("2023-11-14T22:13:20.618908427Z", Unit::Rfc3339),
            ("2023-11-14T14:13:20-08:00", Unit::Rfc3339),
            ("Tue, 14 Nov 2023 22:13:20 GMT", Unit::HttpDate),
        ] {
            assert_eq!(check(text, unit), Ok(()), "{text}");
        }
        for text in ["2023-11-14", "yesterday", "2023-13-14T22:13:20Z"] {
            assert_eq!(
                check(text, Unit::Rfc3339),
                Err(Diagnosis::malformed("timestamp")),
                "{text}"
            );
        }
    }
}
