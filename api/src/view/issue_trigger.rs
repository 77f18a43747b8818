//! An issue trigger as the API shows it. Whoever has Slack's URL can write there, so it is shown as rarely as a secret; a
//! webhook's may be one of that kind.

use super::{
    Viewer,
    words::{Id, Time, Word},
};
use crate::capability_url;
use model::{
    catalog::{Causes, Channels, Chosen, IssueTrigger, SlackChannel, Watched, WebhookChannel},
    ids::IssueTriggerId,
    traffic::{IssueType, LogLevel, RejectionCause, Strategy},
};
use schemars::JsonSchema;
use serde::Serialize;

/// An issue trigger: which troubles become issues, and who is told.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[schemars(rename = "IssueTrigger")]
pub struct IssueTriggerView {
    pub id: Id<IssueTriggerId>,
    pub team_id: String,
    pub name: Option<String>,
    #[serde(rename = "type")]
    pub issue_type: Word<IssueType>,
    pub configs: WatchedView,
    pub channels: Option<ChannelsView>,
    pub disabled_at: Option<Time>,
    pub updated_at: Time,
    pub created_at: Time,
    pub deleted_at: (),
}

/// The alert condition of a trigger, by its type.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[serde(untagged)]
#[schemars(rename = "IssueTriggerConfigs")]
pub enum WatchedView {
    Delivery {
        strategy: Word<Strategy>,
        connections: ChosenView,
    },
    Transformation {
        log_level: Word<LogLevel>,
        transformations: ChosenView,
    },
    Backpressure {
        /// Milliseconds.
        delay: u64,
        destinations: ChosenView,
    },
    Request {
        rejection_causes: CausesView,
        #[serde(skip_serializing_if = "Vec::is_empty")]
        excluded_rejection_causes: Vec<Word<RejectionCause>>,
        sources: ChosenView,
    },
}

/// A pattern of names with `*`, or a list of ids and names.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[serde(untagged)]
#[schemars(rename = "Chosen")]
pub enum ChosenView {
    Pattern(String),
    These(Vec<String>),
}

/// `*`, or a list of causes.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[serde(untagged)]
#[schemars(rename = "RejectionCauses")]
pub enum CausesView {
    All(#[schemars(extend("const" = "*"))] &'static str),
    These(Vec<Word<RejectionCause>>),
}

#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[schemars(rename = "Channels")]
pub struct ChannelsView {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub webhook: Option<WebhookChannelView>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub slack: Option<SlackChannelView>,
}

#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[schemars(rename = "WebhookChannel")]
pub struct WebhookChannelView {
    pub url: String,
    /// With `include=config.auth` alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub signing_secret: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[schemars(rename = "SlackChannel")]
pub struct SlackChannelView {
    pub channel_name: String,
    /// With `include=config.auth` alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub webhook_url: Option<String>,
}

impl IssueTriggerView {
    pub fn of(viewer: &Viewer, trigger: &IssueTrigger) -> Self {
        Self {
            id: trigger.id.into(),
            team_id: viewer.team.clone(),
            name: trigger.name.clone(),
            issue_type: trigger.watched.issue_type().into(),
            configs: WatchedView::of(&trigger.watched),
            channels: ChannelsView::of(&trigger.channels, viewer.shows_auth),
            disabled_at: Time::some(trigger.disabled_at),
            updated_at: Time(trigger.updated_at),
            created_at: Time(trigger.created_at),
            deleted_at: (),
        }
    }
}

impl WatchedView {
    fn of(watched: &Watched) -> Self {
        match watched {
            Watched::Delivery {
                strategy,
                connections,
            } => Self::Delivery {
                strategy: (*strategy).into(),
                connections: ChosenView::of(connections),
            },
            Watched::Transformation {
                log_level,
                transformations,
            } => Self::Transformation {
                log_level: (*log_level).into(),
                transformations: ChosenView::of(transformations),
            },
            Watched::Backpressure {
                delay,
                destinations,
            } => Self::Backpressure {
                delay: *delay,
                destinations: ChosenView::of(destinations),
            },
            Watched::Request {
                rejection_causes,
                excluded_rejection_causes,
                sources,
            } => Self::Request {
                rejection_causes: CausesView::of(rejection_causes),
                excluded_rejection_causes: words(excluded_rejection_causes),
                sources: ChosenView::of(sources),
            },
        }
    }
}

impl ChosenView {
    fn of(chosen: &Chosen) -> Self {
        match chosen {
            Chosen::Pattern(pattern) => Self::Pattern(pattern.clone()),
            Chosen::These(these) => Self::These(these.clone()),
        }
    }
}

impl CausesView {
    fn of(causes: &Causes) -> Self {
        match causes {
            Causes::All(_) => Self::All("*"),
            Causes::These(these) => Self::These(words(these)),
        }
    }
}

fn words(causes: &[RejectionCause]) -> Vec<Word<RejectionCause>> {
    causes.iter().copied().map(Word).collect()
}

impl ChannelsView {
    fn of(channels: &Channels, shows_auth: bool) -> Option<Self> {
        let shown = Self {
            webhook: channels
                .webhook
                .as_ref()
                .map(|channel| WebhookChannelView::of(channel, shows_auth)),
            slack: channels
                .slack
                .as_ref()
                .map(|channel| SlackChannelView::of(channel, shows_auth)),
        };
        (shown.webhook.is_some() || shown.slack.is_some()).then_some(shown)
    }
}

impl WebhookChannelView {
    fn of(channel: &WebhookChannel, shows_auth: bool) -> Self {
        Self {
            url: match shows_auth {
                true => channel.url.clone(),
                false => capability_url::shown(&channel.url),
            },
            signing_secret: shows_auth.then(|| channel.signing_secret.reveal().to_owned()),
        }
    }
}

impl SlackChannelView {
    fn of(channel: &SlackChannel, shows_auth: bool) -> Self {
        Self {
            channel_name: channel.channel_name.clone(),
            webhook_url: shows_auth.then(|| channel.webhook_url.reveal().to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::view::tests::{json, viewer};
    use model::{catalog::Secret, time::Timestamp};
    use serde_json::{Value, json};

    #[test]
    fn a_trigger_has_the_fields_of_the_api_and_hides_what_is_secret() {
        let trigger = IssueTrigger {
            id: IssueTriggerId(1),
            name: Some("all".into()),
            watched: Watched::default_of(IssueType::Request),
            channels: Channels {
                webhook: Some(WebhookChannel {
                    url: "https://a.example/".into(),
                    signing_secret: Secret::new("whsec_hidden".into()),
                }),
                slack: Some(SlackChannel {
                    channel_name: "ops".into(),
                    webhook_url: Secret::new("https://hidden.example/".into()),
                }),
            },
            live_since: Timestamp(0),
            disabled_at: None,
            created_at: Timestamp(0),
            updated_at: Timestamp(0),
        };
        let shown = json(IssueTriggerView::of(&viewer(false), &trigger));
        assert_eq!(shown["type"], "request");
        assert_eq!(
            shown["configs"],
            json!({"rejection_causes": "*", "sources": "*"})
        );
        assert_eq!(shown["channels"]["slack"], json!({"channel_name": "ops"}));
        assert_eq!(shown["deleted_at"], Value::Null);
        assert!(!shown.to_string().contains("hidden"), "{shown}");
        let shown = json(IssueTriggerView::of(&viewer(true), &trigger));
        assert_eq!(
            shown["channels"]["webhook"]["signing_secret"],
            "whsec_hidden"
        );
        let quiet = IssueTrigger {
            channels: Channels::default(),
            ..trigger
        };
        let shown = json(IssueTriggerView::of(&viewer(true), &quiet));
        assert_eq!(shown["channels"], Value::Null);
    }

    #[test]
    fn what_is_watched_is_shown_in_the_shape_in_which_it_is_kept() {
        for kind in [
            IssueType::Delivery,
            IssueType::Transformation,
            IssueType::Backpressure,
            IssueType::Request,
        ] {
            let watched = Watched::default_of(kind);
            let kept = json(&watched);
            assert_eq!(json(WatchedView::of(&watched)), kept["configs"]);
        }
    }
}
