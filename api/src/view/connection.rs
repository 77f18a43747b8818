//! A connection as the API shows it, with its ends and its rules.

use super::{
    Viewer,
    destination::DestinationView,
    source::SourceView,
    words::{Id, Time, Word},
};
use crate::input::connection::Connected;
use model::{
    catalog::{Backoff, DeduplicateRule, DelayRule, Field, FilterRule, RetryRule, Rule},
    ids::{ConnectionId, TransformationId},
};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

/// A connection: which source goes to which destination, and by which rules.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[schemars(rename = "Connection")]
pub struct ConnectionView {
    pub id: Id<ConnectionId>,
    pub name: Option<String>,
    pub full_name: String,
    pub description: Option<String>,
    pub team_id: String,
    pub source: SourceView,
    pub destination: DestinationView,
    pub rules: Vec<RuleView>,
    pub disabled_at: Option<Time>,
    pub paused_at: Option<Time>,
    pub updated_at: Time,
    pub created_at: Time,
}

/// A step of a connection's pipeline: delay, retry, filter, deduplicate or transform.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[serde(tag = "type", rename_all = "lowercase")]
#[schemars(rename = "Rule")]
pub enum RuleView {
    Delay(DelayView),
    Retry(RetryView),
    Filter(Box<FilterView>),
    Deduplicate(DeduplicateView),
    Transform {
        transformation_id: Id<TransformationId>,
    },
}

/// A delay rule: how long an event waits before its first attempt.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[schemars(rename = "DelayRule", inline)]
pub struct DelayView {
    /// Milliseconds.
    pub delay: u64,
    /// The field of the request that names a time to wait for first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub until: Option<String>,
}

/// A retry policy: when an event that failed is tried again.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[schemars(rename = "RetryRule", inline)]
pub struct RetryView {
    pub strategy: Word<Backoff>,
    /// Tries after the first.
    pub count: u16,
    /// Milliseconds.
    pub interval: u64,
    /// Of a custom strategy: the milliseconds before each try.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub schedule: Vec<u64>,
    /// Which answers are tried again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub response_status_codes: Option<Vec<String>>,
}

/// A content filter: a pattern for each part of a request that is given, all of which must match.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[schemars(rename = "FilterRule", inline)]
pub struct FilterView {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub body: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub headers: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub query: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<Value>,
}

/// A deduplication rule: which requests count as the same, and for how long.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[schemars(rename = "DeduplicateRule", inline)]
pub struct DeduplicateView {
    /// Milliseconds.
    pub window: u64,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub include_fields: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub exclude_fields: Vec<String>,
}

impl ConnectionView {
    pub fn of(viewer: &Viewer, connected: &Connected) -> Self {
        let connection = &connected.connection;
        Self {
            id: connection.id.into(),
            name: connection.name.clone(),
            full_name: connected.full_name(),
            description: connection.description.clone(),
            team_id: viewer.team.clone(),
            source: SourceView::of(viewer, &connected.source),
            destination: DestinationView::of(viewer, &connected.destination),
            rules: connection.rules.iter().map(RuleView::of).collect(),
            disabled_at: Time::some(connection.disabled_at),
            paused_at: Time::some(connection.paused_at),
            updated_at: Time(connection.updated_at),
            created_at: Time(connection.created_at),
        }
    }
}

impl RuleView {
    pub fn of(rule: &Rule) -> Self {
        match rule {
            Rule::Delay(rule) => Self::Delay(DelayView::of(rule)),
            Rule::Retry(rule) => Self::Retry(RetryView::of(rule)),
            Rule::Filter(rule) => Self::Filter(Box::new(FilterView::of(rule))),
            Rule::Deduplicate(rule) => Self::Deduplicate(DeduplicateView::of(rule)),
            Rule::Transform { transformation_id } => Self::Transform {
                transformation_id: (*transformation_id).into(),
            },
        }
    }
}

impl DelayView {
    fn of(rule: &DelayRule) -> Self {
        Self {
            delay: rule.delay,
            until: rule.until.as_ref().map(ToString::to_string),
        }
    }
}

impl RetryView {
    fn of(rule: &RetryRule) -> Self {
        Self {
            strategy: rule.strategy.into(),
            count: rule.count,
            interval: rule.interval,
            schedule: rule.schedule.clone(),
            response_status_codes: rule.response_status_codes.clone(),
        }
    }
}

impl FilterView {
    pub fn of(rule: &FilterRule) -> Self {
        Self {
            body: rule.body.clone(),
            headers: rule.headers.clone(),
            query: rule.query.clone(),
            path: rule.path.clone(),
        }
    }
}

impl DeduplicateView {
    pub fn of(rule: &DeduplicateRule) -> Self {
        let names = |fields: &[Field]| fields.iter().map(ToString::to_string).collect();
        Self {
            window: rule.window,
            include_fields: names(&rule.include_fields),
            exclude_fields: names(&rule.exclude_fields),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::view::tests::json;

    #[test]
    fn a_rule_is_shown_in_the_shape_in_which_it_is_kept() {
        let field: Field = "body.id".parse().expect("a field");
        for rule in [
            Rule::Delay(DelayRule::of_ms(7)),
            Rule::Delay(DelayRule {
                delay: 0,
                until: Some(field.clone()),
            }),
            Rule::Filter(Box::new(FilterRule {
                body: Some(serde_json::json!({"a": 1})),
                path: Some(false.into()),
                ..FilterRule::default()
            })),
            Rule::Deduplicate(DeduplicateRule {
                window: 1_000,
                include_fields: vec![field],
                exclude_fields: Vec::new(),
            }),
            Rule::Transform {
                transformation_id: TransformationId(3),
            },
            Rule::Retry(RetryRule {
                strategy: Backoff::Custom,
                count: 2,
                interval: 60_000,
                schedule: vec![1_000, 2_000],
                response_status_codes: Some(vec![">=500".into()]),
            }),
        ] {
            assert_eq!(json(RuleView::of(&rule)), json(&rule));
        }
    }
}
