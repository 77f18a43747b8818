//! Receiver controls: what a receiver's answer asks of the gateway, beside what it says of the event: to stop for good,
//! to give up this one event, or to send no more than so many a minute.
//!
//! `410` is from the Standard Webhooks specification 1.0.0, `webhook-delivery` are Svix' receiver controls,
//! `WebHook-Allowed-Rate` is from the CloudEvents HTTP webhooks specification 1.0.

use crate::{
    catalog::{Destination, DisabledBy},
    time::Timestamp,
};
use serde::{Deserialize, Serialize};

/// Gone: whatever stood there does not want to be asked again.
pub const GONE: u16 = 410;
pub const CONTROL_HEADER: &str = "webhook-delivery";
pub const RATE_HEADER: &str = "webhook-allowed-rate";

/// The receiver controls in one answer: what it asks for, which is usually nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Asked {
    /// Disable the destination.
    pub disable: Option<DisabledBy>,
    /// Make no further try of this event.
    pub abort: bool,
    pub rate: Option<AllowedRate>,
}

/// The rate that it allows. On disk: append only.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum AllowedRate {
    PerMinute(u32),
    /// As much as there is: an earlier bound is taken back.
    Any,
}

impl Asked {
    /// Reads an answer. `header` gives the value of a header by its lower-case name.
    #[must_use]
    pub fn read<'a>(status: u16, header: impl Fn(&str) -> Option<&'a str>) -> Self {
        let control = header(CONTROL_HEADER).map(str::trim).unwrap_or_default();
        let by_header = control
            .eq_ignore_ascii_case("disable")
            .then_some(DisabledBy::Control);
        Self {
            disable: (status == GONE).then_some(DisabledBy::Gone).or(by_header),
            abort: control.eq_ignore_ascii_case("abort-message"),
            rate: header(RATE_HEADER).and_then(|value| AllowedRate::read(value.trim())),
        }
    }

    /// Whether an event that failed has no further try.
    #[must_use]
    pub fn ends_event(self) -> bool {
        self.abort || self.disable.is_some()
    }

    /// The destination as this leaves it. None: nothing is to be changed.
    #[must_use]
    pub fn change(self, destination: &Destination, now: Timestamp) -> Option<Destination> {
        let mut changed = destination.clone();
        if self.disable.is_some() && destination.disabled_at.is_none() {
            changed.disabled_at = Some(now);
            changed.wishes.disabled_by = self.disable;
        }
        match self.rate {
            Some(AllowedRate::PerMinute(rate)) => changed.wishes.rate_per_minute = Some(rate),
            Some(AllowedRate::Any) => changed.wishes.rate_per_minute = None,
            None => {}
        }
        (changed != *destination).then_some(Destination {
            updated_at: now,
            ..changed
        })
    }
}

impl AllowedRate {
    /// A whole number of requests a minute from 1, or `*`. Anything else asks for nothing.
    fn read(text: &str) -> Option<Self> {
        if text == "*" {
            return Some(Self::Any);
        }
        if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        // More digits than fit are more than we could send.
        match text.parse().unwrap_or(u32::MAX) {
            0 => None,
            rate => Some(Self::PerMinute(rate)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::Wishes;

    use crate::kit;

    const NOW: Timestamp = Timestamp(9000);

    fn asked(status: u16, headers: &[(&str, &'static str)]) -> Asked {
        Asked::read(status, |wanted| {
            let mut headers = headers.iter();
            let found = headers.find(|(name, _)| *name == wanted);
            found.map(|(_, value)| *value)
        })
    }

    fn destination() -> Destination {
        Destination {
            name: "billing".into(),
            created_at: Timestamp(1),
            updated_at: Timestamp(1),
            ..kit::destination()
        }
    }

    #[test]
    fn a_usual_answer_asks_for_nothing() {
        for status in [200, 301, 404, 429, 500] {
            let asked = asked(status, &[("server", "nginx")]);
            assert_eq!(asked, Asked::default());
            assert!(!asked.ends_event());
            assert_eq!(asked.change(&destination(), NOW), None);
        }
    }

    #[test]
    fn gone_and_the_control_header_disable_a_destination_once() {
        for (asked, by) in [
            (asked(410, &[]), DisabledBy::Gone),
            (
                asked(200, &[(CONTROL_HEADER, " Disable")]),
                DisabledBy::Control,
            ),
            (asked(410, &[(CONTROL_HEADER, "disable")]), DisabledBy::Gone),
        ] {
            assert!(asked.ends_event());
            let changed = asked.change(&destination(), NOW).expect("a change");
            assert_eq!(changed.disabled_at, Some(NOW));
            assert_eq!(changed.wishes.disabled_by, Some(by));
            assert_eq!(asked.change(&changed, NOW.plus_ms(1)), None);
        }
    }

    #[test]
    fn a_destination_that_an_admin_disabled_keeps_its_reason() {
        let disabled = Destination {
            disabled_at: Some(Timestamp(5)),
            ..destination()
        };
        assert_eq!(asked(410, &[]).change(&disabled, NOW), None);
    }

    #[test]
    fn aborting_ends_the_event_and_leaves_the_destination() {
        let asked = asked(500, &[(CONTROL_HEADER, "abort-message")]);
        assert!(asked.ends_event());
        assert_eq!(asked.change(&destination(), NOW), None);
        assert!(!self::asked(500, &[(CONTROL_HEADER, "abort")]).ends_event());
    }

    #[test]
    fn a_rate_is_a_whole_number_a_minute_or_a_star() {
        for (text, expected) in [
            ("120", Some(AllowedRate::PerMinute(120))),
            (" 1 ", Some(AllowedRate::PerMinute(1))),
            ("99999999999", Some(AllowedRate::PerMinute(u32::MAX))),
            ("*", Some(AllowedRate::Any)),
            ("0", None),
            ("-1", None),
            ("+1", None),
            ("1.5", None),
            ("", None),
        ] {
            assert_eq!(asked(204, &[(RATE_HEADER, text)]).rate, expected, "{text}");
        }
    }

    #[test]
    fn a_rate_stands_until_another_is_asked_for() {
        let bounded = asked(200, &[(RATE_HEADER, "60")]);
        let changed = bounded.change(&destination(), NOW).expect("a change");
        assert_eq!(changed.wishes.rate_per_minute, Some(60));
        assert_eq!(bounded.change(&changed, NOW.plus_ms(1)), None);
        let freed = asked(200, &[(RATE_HEADER, "*")]).change(&changed, NOW);
        assert_eq!(freed.expect("a change").wishes, Wishes::default());
    }
}
