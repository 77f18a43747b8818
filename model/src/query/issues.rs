//! Which issues.

use super::{Range, events::is_among};
use crate::{
    ids::{IssueId, IssueTriggerId, ProjectNumber},
    policy::issues::show,
    traffic::{Issue, IssueStatus, IssueType},
};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;

/// What issues are asked for. Everything that is named must hold.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct IssueQuery {
    /// Whose they must be.
    #[serde(skip_serializing_if = "ProjectNumber::is_default")]
    pub project: ProjectNumber,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ids: Option<Vec<IssueId>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub triggers: Option<Vec<IssueTriggerId>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub types: Option<Vec<IssueType>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub statuses: Option<Vec<IssueStatus>>,
    /// Fields of the aggregation keys as issues show them, and the values that will do.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub aggregation_keys: BTreeMap<String, Vec<String>>,
    #[serde(skip_serializing_if = "Range::is_open")]
    pub created_at: Range,
    #[serde(skip_serializing_if = "Range::is_open")]
    pub first_seen_at: Range,
    #[serde(skip_serializing_if = "Range::is_open")]
    pub last_seen_at: Range,
    #[serde(skip_serializing_if = "Range::is_open")]
    pub dismissed_at: Range,
    /// Whether those that were dismissed are asked for too.
    pub with_dismissed: bool,
    /// Whether merged ones are asked for. Issues are never merged, so that finds none.
    pub merged: bool,
}

impl IssueQuery {
    /// Whether it is about this one.
    #[must_use]
    pub fn keeps(&self, id: IssueId, issue: &Issue) -> bool {
        !self.merged
            && issue.key.project() == self.project
            && is_among(self.ids.as_ref(), Some(&id))
            && is_among(self.triggers.as_ref(), issue.trigger.as_ref())
            && is_among(self.types.as_ref(), Some(&issue.key.issue_type()))
            && is_among(self.statuses.as_ref(), Some(&issue.status))
            && (self.with_dismissed || issue.dismissed_at.is_none())
            && self.created_at.holds_time(Some(issue.created_at))
            && self.first_seen_at.holds_time(Some(issue.first_seen_at))
            && self.last_seen_at.holds_time(Some(issue.last_seen_at))
            && self.dismissed_at.holds_time(issue.dismissed_at)
            && self.fits_keys(id, issue)
    }

    fn fits_keys(&self, id: IssueId, issue: &Issue) -> bool {
        if self.aggregation_keys.is_empty() {
            return true;
        }
        let shown = show(id, issue, "");
        let has = |field: &str, wanted: &[String]| {
            let values = shown["aggregation_keys"][field].as_array();
            let mut values = values.into_iter().flatten().map(text);
            values.any(|value| wanted.contains(&value))
        };
        let mut keys = self.aggregation_keys.iter();
        keys.all(|(field, wanted)| has(field, wanted))
    }
}

fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}
