//! A connection: source to destination, with ordered rules.

use crate::{
    ids::{ConnectionId, DestinationId, SourceId},
    time::Timestamp,
};
use serde::{Deserialize, Serialize};

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
    /// The delay of its delay rules together, in milliseconds.
    #[must_use]
    pub fn delay_ms(&self) -> u64 {
        self.rules
            .iter()
            .map(|rule| match rule {
                Rule::Delay { delay } => *delay,
                Rule::Retry(_) => 0,
            })
            .sum()
    }

    /// Its retry rule; none: an event has one attempt.
    #[must_use]
    pub fn retry(&self) -> Option<&RetryRule> {
        self.rules.iter().find_map(|rule| match rule {
            Rule::Retry(retry) => Some(retry),
            Rule::Delay { .. } => None,
        })
    }
}

/// One step of a connection's pipeline, in the API's own shape.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "lowercase")]
pub enum Rule {
    /// Milliseconds.
    Delay {
        delay: u64,
    },
    Retry(RetryRule),
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RetryRule {
    pub strategy: Backoff,
    /// Tries after the first, 1 to 50.
    #[serde(default = "default_count")]
    pub count: u16,
    /// Milliseconds, whole seconds; the first step of an exponential strategy.
    #[serde(default = "default_interval")]
    pub interval: u64,
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
}
