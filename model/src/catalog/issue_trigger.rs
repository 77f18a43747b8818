//! An issue trigger: which troubles become issues, and who is told. In the API's own shape.

use super::Secret;
use crate::{
    ids::IssueTriggerId,
    time::Timestamp,
    traffic::{IssueType, LogLevel, RejectionCause, Strategy},
};
use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct IssueTrigger {
    pub id: IssueTriggerId,
    pub name: Option<String>,
    #[serde(flatten)]
    pub watched: Watched,
    #[serde(default)]
    pub channels: Channels,
    /// It opens issues for what was seen after this: its making, or the last time that it was enabled.
    pub live_since: Timestamp,
    pub disabled_at: Option<Timestamp>,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
}

/// The alert condition of a trigger: the type of trouble that it watches, where, and from which threshold on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", content = "configs", rename_all = "lowercase")]
pub enum Watched {
    Delivery {
        strategy: Strategy,
        connections: Chosen,
    },
    Transformation {
        /// This one and louder ones.
        log_level: LogLevel,
        transformations: Chosen,
    },
    Backpressure {
        /// Milliseconds.
        delay: u64,
        destinations: Chosen,
    },
    Request {
        rejection_causes: Causes,
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        excluded_rejection_causes: Vec<RejectionCause>,
        sources: Chosen,
    },
}

impl Watched {
    /// Milliseconds that a backpressure trigger may wait for.
    pub const DELAY_MS: (u64, u64) = (60_000, 86_400_000);
    /// The threshold, in milliseconds, of a backpressure trigger that names none.
    pub const DELAY_DEFAULT_MS: u64 = 3_600_000;

    #[must_use]
    pub fn issue_type(&self) -> IssueType {
        match self {
            Self::Delivery { .. } => IssueType::Delivery,
            Self::Transformation { .. } => IssueType::Transformation,
            Self::Backpressure { .. } => IssueType::Backpressure,
            Self::Request { .. } => IssueType::Request,
        }
    }

    /// The default condition of a type: for a trigger that does not say, and where there is no trigger of the type.
    #[must_use]
    pub fn default_of(issue_type: IssueType) -> Self {
        match issue_type {
            IssueType::Delivery => Self::Delivery {
                strategy: Strategy::FinalAttempt,
                connections: Chosen::all(),
            },
            IssueType::Transformation => Self::Transformation {
                log_level: LogLevel::Error,
                transformations: Chosen::all(),
            },
            IssueType::Backpressure => Self::Backpressure {
                delay: Self::DELAY_DEFAULT_MS,
                destinations: Chosen::all(),
            },
            IssueType::Request => Self::Request {
                rejection_causes: Causes::All(Star::Star),
                excluded_rejection_causes: Vec::new(),
                sources: Chosen::all(),
            },
        }
    }
}

/// Some of the configured things: a pattern of names with `*`, or a list of ids and names.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Chosen {
    Pattern(String),
    These(Vec<String>),
}

impl Chosen {
    /// Ids and names that one list may hold.
    pub const LIST_MAX: usize = 255;

    #[must_use]
    pub fn all() -> Self {
        Self::Pattern("*".into())
    }

    /// The specificity with which this choice names a thing; none: it does not. A list goes before a pattern, a short
    /// list before a long one, and `*` comes last.
    #[must_use]
    pub fn fits(&self, id: &str, name: Option<&str>) -> Option<u32> {
        match self {
            Self::Pattern(pattern) if pattern == "*" => Some(0),
            Self::Pattern(pattern) => {
                let fits = pattern == id || name.is_some_and(|name| matches(pattern, name));
                fits.then_some(1)
            }
            Self::These(these) => {
                let fits = these
                    .iter()
                    .any(|one| one == id || Some(one.as_str()) == name);
                let length = u32::try_from(these.len()).unwrap_or(u32::MAX);
                fits.then(|| u32::MAX - length)
            }
        }
    }
}

/// Whether a name fits a pattern in which `*` stands for any text.
fn matches(pattern: &str, name: &str) -> bool {
    let Some((first, rest)) = pattern.split_once('*') else {
        return pattern == name;
    };
    let Some(mut left) = name.strip_prefix(first) else {
        return false;
    };
    let mut parts: Vec<&str> = rest.split('*').collect();
    let last = parts.pop().unwrap_or_default();
    for part in parts {
        match left.find(part) {
            Some(at) => left = &left[at + part.len()..],
            None => return false,
        }
    }
    left.ends_with(last)
}

/// The one word for everything.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Star {
    #[serde(rename = "*")]
    Star,
}

/// Causes for which requests are rejected.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Causes {
    All(Star),
    These(Vec<RejectionCause>),
}

/// The notification channels of a trigger: where its issues are told of.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Channels {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub webhook: Option<WebhookChannel>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slack: Option<SlackChannel>,
}

/// A URL that gets signed notifications.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct WebhookChannel {
    pub url: String,
    /// The key of the Standard Webhooks signature.
    pub signing_secret: Secret,
}

/// An incoming webhook of Slack, as a notification channel.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SlackChannel {
    /// For people: the URL decides where a message goes.
    pub channel_name: String,
    /// Who knows it may write into the channel.
    pub webhook_url: Secret,
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_star_stands_for_any_text() {
        for (pattern, name, fits) in [
            ("prod-*", "prod-shop", true),
            ("prod-*", "dev-shop", false),
            ("*-shop", "prod-shop", true),
            ("*-shop", "prod-shop-2", false),
            ("p*d*p", "prod-shop", true),
            ("p*d*d", "prod-shop", false),
            ("shop", "shop", true),
            ("shop", "shops", false),
            ("a*a", "a", false),
            ("**", "", true),
        ] {
            assert_eq!(matches(pattern, name), fits, "{pattern} {name}");
        }
    }

    #[test]
    fn a_list_goes_before_a_pattern_and_a_short_one_before_a_long_one() {
        let these = |names: &[&str]| Chosen::These(names.iter().map(ToString::to_string).collect());
        let fits = |chosen: &Chosen| chosen.fits("web_1", Some("shop"));
        let ranks = [
            fits(&Chosen::all()),
            fits(&Chosen::Pattern("sh*".into())),
            fits(&these(&["shop", "other"])),
            fits(&these(&["web_1"])),
        ];
        assert!(
            ranks.is_sorted() && ranks.iter().all(Option::is_some),
            "{ranks:?}"
        );
        assert_eq!(fits(&these(&["other"])), None);
        assert_eq!(Chosen::Pattern("sh*".into()).fits("web_1", None), None);
    }

    proptest! {
        #[test]
        fn any_name_cut_into_pieces_fits_its_own_pattern(pieces in prop::collection::vec("[a-c]{0,3}", 1..5)) {
            prop_assert!(matches(&pieces.join("*"), &pieces.concat()));
        }
    }

    #[test]
    fn a_trigger_is_kept_in_the_shape_of_the_api() {
        let json = r#"{"id":"ist_00000000000000000000000001","name":"n","type":"request",
            "configs":{"rejection_causes":"*","sources":["shop"]},"live_since":1,"disabled_at":null,
            "created_at":1,"updated_at":1}"#;
        let trigger: IssueTrigger = serde_json::from_str(json).expect("readable");
        let Watched::Request {
            rejection_causes: Causes::All(Star::Star),
            sources: Chosen::These(sources),
            ..
        } = &trigger.watched
        else {
            panic!("{trigger:?}");
        };
        assert_eq!(sources, &["shop"]);
        assert_eq!(trigger.channels, Channels::default());
    }
}
