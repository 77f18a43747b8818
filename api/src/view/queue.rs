//! Queue depths: what waits, as the API shows it.

use super::{
    list::Gap,
    words::{Id, Time},
};
use model::ids::DestinationId;
use schemars::JsonSchema;
use serde::Serialize;

/// Live values of all queues, or of each destination's.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[schemars(rename = "QueueDepth")]
pub struct QueueDepthView {
    pub metadata: MetadataView,
    pub data: Vec<MeasuredView>,
    /// Partitions that did not answer in time; what they hold is left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub missing: Option<Vec<Gap>>,
}

#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[schemars(rename = "QueueDepthMetadata")]
pub struct MetadataView {
    pub granularity: Option<String>,
    pub query_time_ms: f64,
    pub row_count: usize,
    pub row_limit: usize,
    pub truncated: bool,
    pub warning: &'static str,
}

#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[schemars(rename = "QueueDepthRow")]
pub struct MeasuredView {
    pub time_bucket: Option<Time>,
    pub dimensions: DimensionsView,
    pub metrics: MetricsView,
}

#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[schemars(rename = "QueueDepthDimensions")]
pub struct DimensionsView {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub destination_id: Option<Id<DestinationId>>,
}

/// The measures that were asked for.
#[derive(Clone, Debug, Default, PartialEq, Serialize, JsonSchema)]
#[schemars(rename = "QueueDepthMetrics")]
pub struct MetricsView {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_depth: Option<u64>,
    /// Seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_age: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub queue_depth: Option<u64>,
}

/// The queue depths of one destination.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[schemars(rename = "DestinationQueue")]
pub struct DestinationQueueView {
    pub destination_id: Id<DestinationId>,
    pub depth: u64,
    pub fresh: u64,
    pub retries: u64,
    /// Events that wait for their turn.
    pub behind: u64,
    pub oldest_at: Option<Time>,
    pub oldest_age_ms: u64,
    /// Partitions that did not answer in time; what they hold is left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub missing: Option<Vec<Gap>>,
}
