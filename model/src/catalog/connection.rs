//! A connection: source to destination, with ordered rules.

use super::{DeduplicateRule, Field};
use crate::{
    ids::{ConnectionId, DestinationId, SourceId, TransformationId},
    policy::{document::Part, retry},
    time::Timestamp,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Connection {
    pub id: ConnectionId,
    /// None: shown as `source -> destination`.
    pub name: Option<String>,
    pub description: Option<String>,
    pub source_id: SourceId,
    pub destination_id: DestinationId,
    pub rules: Vec<Rule>,
    pub disabled_at: Option<Timestamp>,
    /// Since when its events are held.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub paused_at: Option<Timestamp>,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
}

impl Connection {
    /// The connection's delay rules, in their order.
    pub fn delays(&self) -> impl Iterator<Item = &DelayRule> {
        self.rules.iter().filter_map(|rule| match rule {
            Rule::Delay(delay) => Some(delay),
            _ => None,
        })
    }

    /// The retry policy in force: the connection's own rule, or the standard one.
    #[must_use]
    pub fn retry(&self) -> &RetryRule {
        let own = self.rules.iter().find_map(|rule| match rule {
            Rule::Retry(retry) => Some(retry),
            _ => None,
        });
        own.unwrap_or(&retry::STANDARD)
    }

    /// The connection's deduplicate rule, if it has one.
    #[must_use]
    pub fn deduplicate(&self) -> Option<&DeduplicateRule> {
        self.rules.iter().find_map(|rule| match rule {
            Rule::Deduplicate(rule) => Some(rule),
            _ => None,
        })
    }

    /// The transformations of its rules, in their order.
    pub fn transformations(&self) -> impl Iterator<Item = TransformationId> {
        self.rules.iter().filter_map(|rule| match rule {
            Rule::Transform { transformation_id } => Some(*transformation_id),
            _ => None,
        })
    }

    /// The rules that run when a request comes in: those before the first transformation.
    #[must_use]
    pub fn rules_at_the_door(&self) -> &[Rule] {
        at_the_door(&self.rules).0
    }

    /// The rules that run when an event is delivered: the first transformation and all behind it.
    #[must_use]
    pub fn rules_at_delivery(&self) -> &[Rule] {
        at_the_door(&self.rules).1
    }
}

/// Where a pipeline is cut: user code must not slow or fail the door, and what stands behind it sees what it made.
fn at_the_door(rules: &[Rule]) -> (&[Rule], &[Rule]) {
    let first = rules.iter().position(Rule::is_transformation);
    rules.split_at(first.unwrap_or(rules.len()))
}

/// A step of a connection's pipeline (delay, retry, filter, deduplicate, transform), in the API's own shape.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "lowercase")]
pub enum Rule {
    Delay(DelayRule),
    Retry(RetryRule),
    Filter(Box<FilterRule>),
    Deduplicate(DeduplicateRule),
    Transform { transformation_id: TransformationId },
}

impl Rule {
    /// Whether the rules behind it see another request than the one that was received.
    #[must_use]
    pub fn is_transformation(&self) -> bool {
        match self {
            Self::Transform { .. } => true,
            Self::Delay(_) | Self::Retry(_) | Self::Filter(_) | Self::Deduplicate(_) => false,
        }
    }
}

/// A content filter: a pattern for each part of a request that is given, all of which must match. `false` is a filter
/// too.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct FilterRule {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body: Option<Value>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub headers: Option<Value>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub query: Option<Value>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<Value>,
}

impl FilterRule {
    /// The filter of a part; none where anything goes.
    #[must_use]
    pub fn part(&self, part: Part) -> Option<&Value> {
        match part {
            Part::Body => self.body.as_ref(),
            Part::Headers => self.headers.as_ref(),
            Part::Query => self.query.as_ref(),
            Part::Path => self.path.as_ref(),
        }
    }
}

/// The delay of an event's first attempt: until a time that its request names, if it does, and then so long.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DelayRule {
    /// Milliseconds.
    #[serde(default)]
    pub delay: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Field>,
}

impl DelayRule {
    /// A fixed delay.
    #[must_use]
    pub fn of_ms(delay: u64) -> Self {
        Self { delay, until: None }
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RetryRule {
    pub strategy: Backoff,
    /// Tries after the first, at most 50; a custom schedule has as many as it is long.
    #[serde(default = "default_count")]
    pub count: u16,
    /// Milliseconds, whole seconds; the first step of an exponential strategy.
    #[serde(default = "default_interval")]
    pub interval: u64,
    /// Of a custom strategy: the milliseconds before each try, whole seconds.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub schedule: Vec<u64>,
    /// Which answers are tried again: `500`, `500-599`, `>=500`, `!404`. Empty: every answer that is not a success.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub response_status_codes: Option<Vec<String>>,
}

fn default_count() -> u16 {
    5
}

fn default_interval() -> u64 {
    60_000
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Backoff {
    Linear,
    Exponential,
    Custom,
}
