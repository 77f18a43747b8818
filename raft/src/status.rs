//! The status of the cluster as this node knows it, for people and programs that look.

use crate::{bodies::BodiesStatus, cluster::Cluster, group::Group};
use model::clock::Standing;
use openraft::async_runtime::watch::WatchReceiver;
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, sync::atomic::Ordering};

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Status {
    /// The node that says so.
    pub node_id: u64,
    pub name: String,
    pub nodes: Vec<NodeStatus>,
    pub groups: Vec<GroupStatus>,
    /// Bytes that this node's store takes.
    pub disk_bytes: u64,
    /// What the asked node has lacked of the bodies that its rows refer to.
    #[serde(default)]
    pub bodies: BodiesStatus,
    /// This node's time.
    pub clock: ClockStatus,
}

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct ClockStatus {
    pub state: Standing,
    /// How far it is ahead of the median of the voters that answered; null where none did.
    pub ahead_of_median_ms: Option<i64>,
    /// How far the machine's wall clock is ahead of it.
    pub wall_ahead_ms: i64,
    /// What of both is tolerated.
    pub max_skew_ms: u64,
    /// How far it is ahead of where the time that this node kept has gone on to, while nothing is old by it; null: it is
    /// believed.
    #[serde(default)]
    pub doubted_by_ms: Option<i64>,
    /// Proposals that this node refused as a leader, for a time in them that was not its own.
    pub untimely_proposals: u64,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct NodeStatus {
    pub id: u64,
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
    pub clock: Option<Standing>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct GroupStatus {
    pub group: u16,
    pub leader: Option<u64>,
    pub term: u64,
    pub voters: Vec<u64>,
    pub learners: Vec<u64>,
    /// Index that the asked node has applied.
    pub applied: u64,
    /// Index of the asked node's last log row.
    pub last_log: u64,
    /// Index that the asked node has purged its log up to.
    pub purged: u64,
    /// Rows that each follower lacks; known where the asked node leads.
    pub lag: BTreeMap<u64, u64>,
}

impl Cluster {
    #[must_use]
    pub fn status(&self) -> Status {
        let inner = &*self.inner;
        let groups: Vec<GroupStatus> = inner.groups().iter().map(group_status).collect();
        let me = inner.node();
        let clocks = inner.standings();
        let look = inner.clock.look();
        let nodes = inner
            .all_members()
            .into_iter()
            .map(|(id, member)| NodeStatus {
                id,
                address: member.peer,
                ingest_url: member.ingest_url,
                admin_url: member.admin_url,
                up: id == me || inner.is_up(id),
                draining: id == me && inner.draining.load(Ordering::Relaxed),
                leads: groups
                    .iter()
                    .filter(|group| group.leader == Some(id))
                    .count(),
                clock: clocks.get(&id).copied(),
            })
            .collect();
        Status {
            node_id: me,
            name: inner.config.cluster_name.clone(),
            nodes,
            groups,
            disk_bytes: self.disk_usage(),
            bodies: inner.bodies.status(),
            clock: ClockStatus {
                state: inner.standing_now(),
                ahead_of_median_ms: inner.regard.read().ahead_of_median_ms,
                wall_ahead_ms: look.wall_ahead_ms,
                max_skew_ms: inner.config.max_clock_skew_ms,
                doubted_by_ms: inner.doubted_by_ms(&look),
                untimely_proposals: inner.untimely.load(Ordering::Relaxed),
            },
        }
    }
}

fn group_status(group: &Group) -> GroupStatus {
    let data = group.raft.data_metrics();
    let data = data.borrow_watched();
    let server = group.raft.server_metrics();
    let server = server.borrow_watched();
    let membership = server.membership_config.membership();
    let last_log = data.last_log.map_or(0, |last| last.index);
    let lag = data
        .replication
        .iter()
        .flatten()
        .map(|(node, matched)| {
            let matched = matched.as_ref().map_or(0, |matched| matched.index);
            (*node, last_log.saturating_sub(matched))
        })
        .collect();
    GroupStatus {
        group: group.id.0,
        leader: server.current_leader,
        term: server.vote.leader_id.term,
        voters: membership.voter_ids().collect(),
        learners: membership.learner_ids().collect(),
        applied: data.last_applied.map_or(0, |last| last.index),
        last_log,
        purged: data.purged.map_or(0, |purged| purged.index),
        lag,
    }
}
