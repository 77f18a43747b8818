//! Dry runs of rules over requests that came in, as the API shows them.

use super::{
    data::DataView,
    execution::LineView,
    request::IgnoredMetaView,
    words::{Id, Time, Word},
};
use model::{
    ids::{RequestId, TransformationId},
    traffic::{IgnoreCause, IgnoredMeta, LogLevel},
};
use schemars::JsonSchema;
use serde::Serialize;

/// The result of a dry run over one request.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[schemars(rename = "Trial")]
pub struct TrialView {
    pub request_id: Id<RequestId>,
    pub received_at: Time,
    pub before: DataView,
    /// Runs of transformations. Left out where it came to none of the rules at delivery.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub executions: Option<Vec<TriedView>>,
    pub outcome: Outcome,
    /// When its first attempt would be due, where it is routed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub due_at: Option<Time>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after: Option<DataView>,
    /// Where it is ignored.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cause: Option<Word<IgnoreCause>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub meta: Option<Option<IgnoredMetaView>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Outcome {
    Routed,
    Ignored,
}

/// A run of a transformation that is not kept.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[schemars(rename = "TriedTransformation")]
pub struct TriedView {
    pub transformation_id: Id<TransformationId>,
    pub version: u16,
    pub log_level: Word<LogLevel>,
    pub console: Vec<LineView>,
}

impl TrialView {
    /// A request that was looked at and has not come to an end yet.
    pub fn begun(request: RequestId, received_at: Time, before: DataView) -> Self {
        Self {
            request_id: request.into(),
            received_at,
            before,
            executions: None,
            outcome: Outcome::Ignored,
            due_at: None,
            after: None,
            cause: None,
            meta: None,
        }
    }

    #[must_use]
    pub fn ignored(self, cause: IgnoreCause, meta: Option<&IgnoredMeta>) -> Self {
        Self {
            outcome: Outcome::Ignored,
            cause: Some(cause.into()),
            meta: Some(meta.map(IgnoredMetaView::of)),
            ..self
        }
    }

    #[must_use]
    pub fn routed(self, due_at: Time, after: DataView) -> Self {
        Self {
            outcome: Outcome::Routed,
            due_at: Some(due_at),
            after: Some(after),
            ..self
        }
    }
}
