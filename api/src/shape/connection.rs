//! Bodies about connections and their rules.

use super::{
    bounds::{Name, Text, Whole},
    destination::DestinationShape,
    source::SourceShape,
    transformation::TransformationShape,
    with_shown,
};
use crate::view::words::{Id, Word};
use model::{catalog::Backoff, ids::ConnectionId};
use schemars::JsonSchema;
use serde_json::Value;

/// A connection, or what of it is to change, with its ends by id or inline.
#[derive(Debug, JsonSchema)]
#[schemars(rename = "ConnectionInput", transform = with_shown)]
pub struct ConnectionShape {
    pub name: Option<Name>,
    pub description: Option<Text<500>>,
    pub source_id: Option<Text<255>>,
    pub source: Option<SourceShape>,
    pub destination_id: Option<Text<255>>,
    pub destination: Option<DestinationShape>,
    /// They stand for all that there were.
    #[schemars(length(max = 16))]
    pub rules: Option<Vec<RuleShape>>,
}

/// A step of a connection's pipeline: delay, retry, filter, deduplicate or transform.
#[derive(Debug, JsonSchema)]
#[serde(tag = "type", rename_all = "lowercase")]
#[schemars(rename = "RuleInput")]
pub enum RuleShape {
    Delay(DelayShape),
    Deduplicate(DeduplicateShape),
    Retry(RetryShape),
    Filter(FilterShape),
    Transform(TransformShape),
}

/// So many milliseconds, until a time that the request names, or both.
#[derive(Debug, JsonSchema)]
#[schemars(rename = "DelayRuleInput", inline)]
pub struct DelayShape {
    pub delay: Option<Whole<0, 604_800_000>>,
    pub until: Option<Text<255>>,
}

/// A deduplication rule: which requests count as the same, and for how many milliseconds.
#[derive(Debug, JsonSchema)]
#[schemars(rename = "DeduplicateRuleInput", inline)]
pub struct DeduplicateShape {
    pub window: Whole<1_000, 604_800_000>,
    #[schemars(length(max = 16))]
    pub include_fields: Option<Vec<String>>,
    #[schemars(length(max = 16))]
    pub exclude_fields: Option<Vec<String>>,
}

/// A retry policy: when an event that failed is tried again.
#[derive(Debug, JsonSchema)]
#[schemars(rename = "RetryRuleInput", inline)]
pub struct RetryShape {
    pub strategy: Word<Backoff>,
    /// Tries after the first; a custom schedule says it by its length.
    pub count: Option<Whole<0, 50>>,
    /// Milliseconds.
    pub interval: Option<Whole<1_000, 604_800_000>>,
    #[schemars(length(max = 50))]
    pub schedule: Option<Vec<u64>>,
    pub response_status_codes: Option<Vec<StatusShape>>,
}

/// A status, or a range of them: `500`, `500-599`, `>=500`, `!404`.
#[derive(Debug, JsonSchema)]
#[serde(untagged)]
#[schemars(rename = "StatusInput")]
pub enum StatusShape {
    Number(u16),
    Text(String),
}

/// A content filter: a pattern for each part that is given. Null takes a part's filter away; `false` is a filter.
#[derive(Debug, JsonSchema)]
#[schemars(rename = "FilterRuleInput", inline)]
pub struct FilterShape {
    pub body: Option<Value>,
    pub headers: Option<Value>,
    pub query: Option<Value>,
    pub path: Option<Value>,
}

/// A transformation by its id, or inline: then it is made or changed with the connection.
#[derive(Debug, JsonSchema)]
#[schemars(rename = "TransformRuleInput", inline)]
pub struct TransformShape {
    pub transformation_id: Option<Text<255>>,
    pub transformation: Option<TransformationShape>,
}

/// A dry run of rules: the requests that they are tried over, one or the last ones of a source.
#[derive(Debug, JsonSchema)]
#[schemars(rename = "TrialInput")]
pub struct TrialShape {
    pub request_id: Option<Text<255>>,
    pub last: Option<Whole<1, 100>>,
    pub source_id: Option<Text<255>>,
    #[schemars(length(max = 16))]
    pub rules: Option<Vec<RuleShape>>,
}

/// A developer's session: the connections and filters that it listens to.
#[derive(Debug, JsonSchema)]
#[schemars(rename = "CliSessionInput")]
pub struct CliSessionShape {
    pub webhook_ids: Vec<Id<ConnectionId>>,
    pub filters: Option<FilterShape>,
}
