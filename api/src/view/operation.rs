//! A bulk operation as the API shows it.

use super::{
    Viewer,
    list::Gap,
    words::{Id, Time},
};
use model::{
    ids::OperationId,
    traffic::{Operation, OperationKind, PartReport},
};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

/// A bulk operation: one deed done to everything that a query finds, and how far it has come.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[schemars(rename = "BulkOperation")]
pub struct OperationView {
    pub id: Id<OperationId>,
    pub team_id: String,
    #[serde(rename = "type")]
    pub kind: KindView,
    /// The query as it was given.
    pub query: Value,
    pub created_at: Time,
    pub updated_at: Time,
    pub cancelled_at: Option<Time>,
    pub completed_at: Option<Time>,
    /// Null: there is too much to be counted.
    pub estimated_batch: Option<u64>,
    pub estimated_count: Option<u64>,
    pub processed_batch: u32,
    pub completed_count: u64,
    pub in_progress: bool,
    /// From 0 to 1; null where nobody has counted what there is to do.
    pub progress: Option<f64>,
    pub failed_count: u64,
    pub number: (),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[schemars(rename = "BulkOperationType")]
pub enum KindView {
    EventRetry,
    RequestRetry,
    IgnoredEventRetry,
    EventCancel,
}

impl From<OperationKind> for KindView {
    fn from(kind: OperationKind) -> Self {
        match kind {
            OperationKind::RetryEvents => Self::EventRetry,
            OperationKind::RetryRequests => Self::RequestRetry,
            OperationKind::RetryIgnored => Self::IgnoredEventRetry,
            OperationKind::CancelEvents => Self::EventCancel,
        }
    }
}

/// The plan of a bulk operation: what would be done now.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[schemars(rename = "BulkOperationPlan")]
pub struct PlanView {
    /// Null: there is too much to be counted.
    pub estimated_batch: Option<u64>,
    pub estimated_count: Option<u64>,
    pub progress: (),
    /// Partitions that did not answer in time; what they hold is left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub missing: Option<Vec<Gap>>,
}

impl OperationView {
    pub fn of(
        viewer: &Viewer,
        id: OperationId,
        operation: &Operation,
        estimated_batch: Option<u64>,
    ) -> Self {
        let report = operation.report();
        Self {
            id: id.into(),
            team_id: viewer.team.clone(),
            kind: operation.kind.into(),
            query: serde_json::from_str(&operation.shown).unwrap_or_default(),
            created_at: Time(operation.created_at),
            updated_at: Time(operation.updated_at),
            cancelled_at: Time::some(operation.cancelled_at),
            completed_at: Time::some(operation.completed_at),
            estimated_batch,
            estimated_count: operation.estimated_count,
            processed_batch: report.page,
            completed_count: report.completed,
            in_progress: operation.is_in_progress(),
            progress: progress(operation, &report),
            failed_count: report.failed,
            number: (),
        }
    }
}

fn progress(operation: &Operation, report: &PartReport) -> Option<f64> {
    if operation.completed_at.is_some() {
        return Some(1.0);
    }
    let expected = operation.estimated_count?;
    let done = report.completed + report.failed;
    Some((done as f64 / expected.max(1) as f64).min(1.0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::view::tests::{json, viewer};
    use model::time::Timestamp;
    use serde_json::json;

    fn operation() -> Operation {
        Operation {
            kind: OperationKind::RetryEvents,
            query: model::query::Asked::Words("status=FAILED".into()),
            shown: r#"{"status":"FAILED"}"#.into(),
            estimated_count: Some(40),
            created_at: Timestamp(1000),
            updated_at: Timestamp(2000),
            cancelled_at: None,
            completed_at: None,
            parts: vec![
                PartReport {
                    page: 2,
                    completed: 9,
                    failed: 1,
                    ended: true,
                },
                PartReport::default(),
            ],
        }
    }

    fn shown(operation: &Operation) -> Value {
        json(OperationView::of(
            &viewer(false),
            OperationId(1),
            operation,
            Some(4),
        ))
    }

    #[test]
    fn an_operation_has_the_fields_of_the_api() {
        let view = shown(&operation());
        assert_eq!(view["type"], "EVENT_RETRY");
        assert_eq!(view["query"], json!({"status": "FAILED"}));
        assert_eq!(view["in_progress"], true);
        assert_eq!(view["completed_count"], 9);
        assert_eq!(view["failed_count"], 1);
        assert_eq!(view["processed_batch"], 2);
        assert_eq!(view["progress"], 0.25);
        assert_eq!(view["completed_at"], Value::Null);
    }

    #[test]
    fn progress_is_unknown_without_a_count_and_whole_at_the_end() {
        let mut uncounted = operation();
        uncounted.estimated_count = None;
        assert_eq!(shown(&uncounted)["progress"], Value::Null);
        uncounted.completed_at = Some(Timestamp(3000));
        assert_eq!(shown(&uncounted)["progress"], 1.0);
        assert_eq!(shown(&uncounted)["in_progress"], false);
    }
}
