//! The readiness of this node: whether it can do its work now, and what is missing where it can't.

use crate::{
    cluster::{Cluster, Inner},
    group::Group,
};
use model::{clock::Standing, ids::GroupId};
use std::time::Duration;

/// How often a proposal under way looks whether anything can still come of it.
const LOOKS_EVERY: Duration = Duration::from_millis(100);

/// The leader that a proposal under way is at.
pub(crate) enum Leader<'a> {
    Here(&'a Group),
    At(u64),
}

/// The reason why a node is not ready.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unready {
    #[error("the node has not formed or joined its cluster yet")]
    Forming,
    #[error("this node's store or a group of it can't be trusted, and it is about to end")]
    Ending,
    #[error("no majority has vouched for this node's time yet")]
    Unvouched,
    #[error("this node's clock is {} the others': it proposes nothing until it is right", apart(.ahead_ms))]
    ClockOff { ahead_ms: i64 },
    #[error("this node's wall clock was set {} the time of the cluster", apart(.ahead_ms))]
    WallOff { ahead_ms: i64 },
    #[error("this node reaches no majority of the voters")]
    NoMajority,
    #[error("group {0} has no leader that was heard of lately")]
    NoLeader(GroupId),
}

fn apart(ahead_ms: &i64) -> String {
    let side = if *ahead_ms < 0 { "behind" } else { "ahead of" };
    format!("{} ms {side}", ahead_ms.unsigned_abs())
}

impl Cluster {
    /// Checks that every group has a leader that a majority follows, and that this node's clocks are right.
    ///
    /// # Errors
    /// What is missing.
    pub fn readiness(&self) -> Result<(), Unready> {
        let inner = &*self.inner;
        self.takes_proposals()?;
        if inner.standing_now() == Standing::Stepped {
            let ahead_ms = inner.clock.look().wall_ahead_ms;
            return Err(Unready::WallOff { ahead_ms });
        }
        match inner.groups().iter().find(|group| !inner.is_led(group)) {
            Some(group) => Err(Unready::NoLeader(group.id)),
            None => Ok(()),
        }
    }

    /// Checks that anything that is proposed here can be committed, as far as this node knows.
    ///
    /// # Errors
    /// What is missing: all proposals would be refused for it.
    pub fn takes_proposals(&self) -> Result<(), Unready> {
        let inner = &*self.inner;
        if inner.groups().is_empty() {
            return Err(Unready::Forming);
        }
        if inner.fate.ended() {
            return Err(Unready::Ending);
        }
        if !inner.has_majority() {
            return Err(Unready::NoMajority);
        }
        match inner.standing_now() {
            Standing::Right | Standing::Stepped => Ok(()),
            Standing::Unvouched => Err(Unready::Unvouched),
            Standing::Off => {
                let ahead_ms = inner.regard.read().ahead_of_median_ms.unwrap_or(0);
                Err(Unready::ClockOff { ahead_ms })
            }
        }
    }

    /// Whether a group has a leader that may answer, as far as this node knows.
    #[must_use]
    pub fn has_leader(&self, group: GroupId) -> bool {
        let inner = &*self.inner;
        let leader = inner.group(group).and_then(Group::leader);
        leader.is_some_and(|leader| leader == inner.node() || inner.may_be_there(leader))
    }

    /// The way to a majority's disks and back while nothing is in it: what a batch takes at least, and waits for.
    #[must_use]
    pub fn distance(&self) -> Duration {
        self.inner.distance()
    }

    /// Whether every group has a leader that a majority follows, and this node's clocks are right.
    #[must_use]
    pub fn ready(&self) -> bool {
        self.readiness().is_ok()
    }
}

impl Inner {
    /// Whether a group's leader was heard from within an election's time, or is this node and was confirmed by a majority.
    pub(crate) fn is_led(&self, group: &Group) -> bool {
        match group.leader() {
            None => false,
            Some(leader) if leader == self.node() => group.is_confirmed(self.lease()),
            Some(leader) => group.heard_within(self.lease()) && !self.is_stuck(leader, group.id),
        }
    }

    /// Whether a leader says itself that no majority follows it, or that its time is not vouched for.
    fn is_stuck(&self, leader: u64, group: GroupId) -> bool {
        let peers = self.peers_known.read();
        let said = peers.get(&leader).filter(|peer| peer.is_up());
        said.and_then(|peer| peer.pulse.as_ref())
            .is_some_and(|pulse| pulse.stuck.contains(&group.0))
    }

    /// The groups that this node leads in name only.
    pub(crate) fn stuck_groups(&self) -> Vec<u16> {
        let me = self.node();
        let vouched = self.time_is_vouched();
        self.groups()
            .iter()
            .filter(|group| group.leader() == Some(me))
            .filter(|group| !vouched || !group.is_confirmed(self.lease()))
            .map(|group| group.id.0)
            .collect()
    }

    fn is_lost(&self, leader: &Leader<'_>) -> bool {
        match leader {
            // Where it does not even lead any more, Raft itself says what became of the proposal.
            Leader::Here(group) => {
                group.raft.as_leader().is_ok() && !group.is_confirmed(self.lease())
            }
            Leader::At(node) => !self.may_be_there(*node),
        }
    }

    /// Waits for what a proposal under way comes to. None: nothing can be expected of it any more, or the time is up; it may
    /// have been appended, so its outcome is unknown.
    pub(crate) async fn unless_lost<T>(
        &self,
        leader: Leader<'_>,
        limit: Duration,
        work: impl Future<Output = T>,
    ) -> Option<T> {
        let lost = async {
            loop {
                tokio::time::sleep(LOOKS_EVERY).await;
                if self.lacks_majority() || self.is_lost(&leader) {
                    return;
                }
            }
        };
        tokio::select! {
            done = tokio::time::timeout(limit, work) => done.ok(),
            () = lost => None,
        }
    }
}
