//! The cluster and the health of its nodes, as the API shows them.

use super::words::Word;
use model::{clock::Standing, ids::NodeId};
use schemars::JsonSchema;
use serde::Serialize;
use std::collections::BTreeMap;

/// The health of a node: whether it lives, or is ready.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Health {
    pub status: &'static str,
}

/// The cluster as one of its nodes sees it.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[schemars(rename = "Cluster")]
pub struct ClusterView {
    /// The node that says so.
    pub node_id: NodeId,
    pub name: String,
    pub nodes: Vec<NodeView>,
    pub groups: Vec<GroupView>,
    /// Bytes that this node's store takes.
    pub disk_bytes: u64,
    pub bodies: BodiesView,
    pub clock: ClockView,
}

/// A node of the cluster.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[schemars(rename = "Node")]
pub struct NodeView {
    pub id: NodeId,
    pub address: String,
    pub ingest_url: String,
    pub admin_url: String,
    /// Whether it answered the asked node lately.
    pub up: bool,
    /// Whether it is stopping; known of the asked node only.
    pub draining: bool,
    /// Groups that it leads, as the asked node knows.
    pub leads: usize,
    /// What is known of its time; null where it does not tell.
    pub clock: Option<Word<Standing>>,
}

/// A Raft group as the asked node sees it.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[schemars(rename = "Group")]
pub struct GroupView {
    pub group: u16,
    pub leader: Option<NodeId>,
    pub term: u64,
    pub voters: Vec<NodeId>,
    pub learners: Vec<NodeId>,
    /// Index that the asked node has applied.
    pub applied: u64,
    /// Index of the asked node's last log row.
    pub last_log: u64,
    /// Index that the asked node has purged its log up to.
    pub purged: u64,
    /// Rows that each follower lacks; known where the asked node leads.
    pub lag: BTreeMap<NodeId, u64>,
}

/// The bodies that the asked node has lacked, though its rows refer to them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[schemars(rename = "Bodies")]
pub struct BodiesView {
    /// Wanted here lately, and not to be had from any member that answers. More than none is an alarm.
    pub missing: usize,
    /// Fetched from other members since the start.
    pub fetched: u64,
    /// Found damaged on this node's disk since the start.
    pub damaged: u64,
    /// No member of their group had, since the start.
    pub lost: u64,
}

/// The asked node's time.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[schemars(rename = "Clock")]
pub struct ClockView {
    pub state: Word<Standing>,
    /// How far it is ahead of the median of the voters that answered; null where none did.
    pub ahead_of_median_ms: Option<i64>,
    /// How far the machine's wall clock is ahead of it.
    pub wall_ahead_ms: i64,
    /// What of both is tolerated.
    pub max_skew_ms: u64,
    /// How far it is ahead of where the time that this node kept has gone on to, while nothing is old by it; null: it is
    /// believed.
    pub doubted_by_ms: Option<i64>,
    /// Proposals that this node refused as a leader, for a time in them that was not its own.
    pub untimely_proposals: u64,
}

/// A node that was asked to join.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[schemars(rename = "AddedNode")]
pub struct AddedNodeView {
    pub id: NodeId,
    pub address: String,
}

/// A node that was taken out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[schemars(rename = "RemovedNode")]
pub struct RemovedNodeView {
    pub id: NodeId,
}
