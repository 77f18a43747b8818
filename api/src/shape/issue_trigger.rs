//! Bodies about issues, their triggers and who is told.

use super::{
    add_shown,
    bounds::{OneOrMore, Text, Whole},
    with_shown,
};
use crate::view::words::{Id, Word};
use model::{
    catalog::Topic,
    ids::SourceId,
    traffic::{IssueStatus, IssueType, LogLevel, RejectionCause, Strategy},
};
use schemars::{JsonSchema, Schema};

/// An issue trigger, or what of it is to change.
#[derive(Debug, JsonSchema)]
#[schemars(rename = "IssueTriggerInput", transform = with_shown, transform = shown)]
pub struct IssueTriggerShape {
    pub name: Option<Text<255>>,
    pub r#type: Option<Word<IssueType>>,
    pub configs: Option<WatchedShape>,
    pub channels: Option<ChannelsShape>,
    pub disabled_at: Option<Text<64>>,
}

/// The alert condition of a trigger; which of these fields it takes depends on its type.
#[derive(Debug, JsonSchema)]
#[schemars(rename = "IssueTriggerConfigsInput")]
pub struct WatchedShape {
    pub strategy: Option<Word<Strategy>>,
    pub connections: Option<OneOrMore<Text<255>>>,
    pub log_level: Option<Word<LogLevel>>,
    pub transformations: Option<OneOrMore<Text<255>>>,
    /// Milliseconds.
    pub delay: Option<Whole<60_000, 86_400_000>>,
    pub destinations: Option<OneOrMore<Text<255>>>,
    pub rejection_causes: Option<CausesShape>,
    pub excluded_rejection_causes: Option<Vec<Word<RejectionCause>>>,
    pub sources: Option<OneOrMore<Text<255>>>,
}

/// `*`, or a list of causes.
#[derive(Debug, JsonSchema)]
#[serde(untagged)]
#[schemars(rename = "RejectionCausesInput")]
pub enum CausesShape {
    All(#[schemars(extend("const" = "*"))] String),
    These(Vec<Word<RejectionCause>>),
}

/// Channels replace channels; a secret that is not given with its channel stays.
#[derive(Debug, JsonSchema)]
#[schemars(rename = "ChannelsInput")]
pub struct ChannelsShape {
    pub webhook: Option<WebhookChannelShape>,
    pub slack: Option<SlackChannelShape>,
}

#[derive(Debug, JsonSchema)]
#[schemars(rename = "WebhookChannelInput")]
pub struct WebhookChannelShape {
    pub url: Option<Text<2048>>,
    pub signing_secret: Option<Text<256>>,
}

#[derive(Debug, JsonSchema)]
#[schemars(rename = "SlackChannelInput")]
pub struct SlackChannelShape {
    pub webhook_url: Option<Text<2048>>,
    pub channel_name: Option<Text<255>>,
}

/// An operator's change of an issue's state.
#[derive(Debug, JsonSchema)]
#[schemars(rename = "IssueInput")]
pub struct IssueShape {
    pub status: Word<IssueStatus>,
}

/// The subscription to all issues: where they are told.
#[derive(Debug, JsonSchema)]
#[schemars(rename = "NotificationsInput")]
pub struct NotificationsShape {
    pub enabled: bool,
    /// Null: all.
    pub topics: Option<Vec<Word<Topic>>>,
    /// May be left out to switch them off.
    pub source_id: Option<Id<SourceId>>,
}

fn shown(schema: &mut Schema) {
    add_shown(schema, &["deleted_at"]);
}
