//! A run of a transformation as the API shows it.

use super::{
    Viewer,
    data::{DataView, MessageView},
    words::{Id, Time, Word},
};
use model::{
    ids::{ConnectionId, EventId, ExecutionId, IssueId, RequestId, TransformationId},
    traffic::{ConsoleLine, Execution, LineLevel, LogLevel},
};
use schemars::JsonSchema;
use serde::Serialize;

/// A run of a transformation on the way to an attempt, with what it wrote.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[schemars(rename = "Execution")]
pub struct ExecutionView {
    pub id: Id<ExecutionId>,
    pub team_id: String,
    pub transformation_id: Id<TransformationId>,
    pub version: u16,
    pub webhook_id: Id<ConnectionId>,
    pub event_id: Id<EventId>,
    pub attempt_number: u16,
    pub failed: bool,
    pub log_level: Word<LogLevel>,
    pub logs: Vec<LineView>,
    pub original_event_data_id: Id<RequestId>,
    pub transformed_event_data_id: Option<Id<ExecutionId>>,
    pub issue_id: Option<Id<IssueId>>,
    pub updated_at: Time,
    pub created_at: Time,
    /// The request before it; of an execution alone. Null where a version or the request is kept no more.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub original_event_data: Option<Option<DataView>>,
    /// The request after it; null as before, and where it failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub transformed_event_data: Option<Option<DataView>>,
}

/// A line that a transformation wrote.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[schemars(rename = "ConsoleLine")]
pub struct LineView {
    #[serde(rename = "type")]
    pub kind: LineKind,
    pub message: String,
}

/// The API knows no fatal line; why a run failed is an error to whoever reads it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum LineKind {
    Debug,
    Log,
    Info,
    Warn,
    Error,
}

/// The result of a dry run of a transformation. Nothing of it is kept.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[schemars(rename = "TransformationRun")]
pub struct RunView {
    pub request_id: Option<Id<RequestId>>,
    pub transformation_id: Option<Id<TransformationId>>,
    pub execution_id: (),
    pub log_level: Word<LogLevel>,
    /// Null where it came to no request.
    pub request: Option<MessageView>,
    pub console: Option<Vec<LineView>>,
}

impl ExecutionView {
    pub fn of(
        viewer: &Viewer,
        id: ExecutionId,
        execution: &Execution,
        issue: Option<IssueId>,
    ) -> Self {
        let at = Time(execution.at);
        Self {
            id: id.into(),
            team_id: viewer.team.clone(),
            transformation_id: execution.used.id.into(),
            version: execution.used.version,
            webhook_id: execution.connection_id.into(),
            event_id: id.event.into(),
            attempt_number: execution.attempt,
            failed: execution.failed,
            log_level: execution.log_level.into(),
            logs: console(&execution.logs),
            original_event_data_id: id.event.request().into(),
            transformed_event_data_id: (!execution.failed).then_some(Id(id)),
            issue_id: issue.map(Id),
            updated_at: at,
            created_at: at,
            original_event_data: None,
            transformed_event_data: None,
        }
    }
}

/// The console output of a transformation.
pub fn console(lines: &[ConsoleLine]) -> Vec<LineView> {
    let lines = lines.iter().map(|line| LineView {
        kind: match line.level {
            LineLevel::Debug => LineKind::Debug,
            LineLevel::Log => LineKind::Log,
            LineLevel::Info => LineKind::Info,
            LineLevel::Warn => LineKind::Warn,
            LineLevel::Error | LineLevel::Fatal => LineKind::Error,
        },
        message: line.message.clone(),
    });
    lines.collect()
}
