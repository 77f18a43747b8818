//! Keeping leaders evenly spread, and handing them over before this node stops.

use crate::{
    cluster::{Cluster, Inner},
    group::Group,
};
use model::clock::Standing;
use openraft::async_runtime::watch::WatchReceiver;
use std::{
    collections::BTreeMap,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

const EVERY: Duration = Duration::from_secs(2);
/// Rounds for which a better leader must look well before leadership moves: a node that flaps must not lead.
const STEADY_ROUNDS: u32 = 4;
/// For so long a node's time is off before it hands over what it leads: the others may be about to follow it.
const OFF_PATIENCE: Duration = Duration::from_secs(1);
/// And for so long it is unknown, or right in spite of a wall that was set.
const DOUBT_PATIENCE: Duration = Duration::from_secs(5);
/// A follower that lacks more rows than this would make everyone wait.
const LAG_MAX: u64 = 200;

/// The voter that should lead a group, when all are well: leaders then differ by at most one from node to node.
fn preferred(group: u16, voters: &[u64]) -> Option<u64> {
    let mut sorted = voters.to_vec();
    sorted.sort_unstable();
    sorted
        .get(usize::from(group) % sorted.len().max(1))
        .copied()
}

impl Cluster {
    /// Moves the groups that this node leads to where they belong, now.
    pub async fn balance_leaders(&self) {
        for group in self.inner.groups() {
            if let Some(to) = self.inner.better_leader(group) {
                self.inner.transfer(group, to).await;
            }
        }
    }
}

impl Inner {
    pub(crate) async fn keep_leaders_spread(self: Arc<Self>) {
        let mut steady: BTreeMap<u16, (u64, u32)> = BTreeMap::new();
        loop {
            tokio::time::sleep(EVERY).await;
            for group in self.groups() {
                let Some(to) = self.better_leader(group) else {
                    steady.remove(&group.id.0);
                    continue;
                };
                let rounds = steady.entry(group.id.0).or_insert((to, 0));
                *rounds = if rounds.0 == to {
                    (to, rounds.1 + 1)
                } else {
                    (to, 1)
                };
                if rounds.1 >= STEADY_ROUNDS {
                    steady.remove(&group.id.0);
                    self.transfer(group, to).await;
                }
            }
        }
    }

    /// For a group led here: the voter that should lead instead, if it is well and close behind.
    fn better_leader(&self, group: &Group) -> Option<u64> {
        if !group.leads.load(Ordering::Relaxed) {
            return None;
        }
        let to = preferred(group.id.0, &group.voters())?;
        if to == self.node() || !self.may_lead(to) {
            return None;
        }
        let metrics = group.raft.data_metrics();
        let metrics = metrics.borrow_watched();
        let last = metrics.last_log.map_or(0, |last| last.index);
        let matched = metrics.replication.as_ref()?.get(&to)?.as_ref()?.index;
        (last.saturating_sub(matched) <= LAG_MAX).then_some(to)
    }

    async fn transfer(&self, group: &Group, to: u64) {
        tracing::info!(group = %group.id, to, "handing leadership over");
        if let Err(error) = group.hand_to(to).await {
            tracing::warn!(group = %group.id, %error, "leadership not handed over");
        }
    }

    /// Hands every group that is led here to another voter, as long as there is one.
    pub(crate) async fn hand_over(&self, limit: Duration) {
        self.draining.store(true, Ordering::Relaxed);
        let me = self.node();
        let handing = async {
            for group in self.groups() {
                while group.leader() == Some(me) {
                    let Some(heir) = self.heir(group, me) else {
                        break;
                    };
                    self.transfer(group, heir).await;
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            }
        };
        if tokio::time::timeout(limit, handing).await.is_err() {
            tracing::warn!("some groups were still led here when the time was up");
        }
    }

    /// Gives up what this node leads while its time is not right: nobody may depend on it. It stands for election again when
    /// it is.
    pub(crate) async fn step_aside(&self) {
        let (standing, stands_for) = self.stands_for();
        let patience = match standing {
            Standing::Right => return,
            Standing::Off => OFF_PATIENCE,
            Standing::Unvouched | Standing::Stepped => DOUBT_PATIENCE,
        };
        if stands_for < patience {
            return;
        }
        let me = self.node();
        for group in self
            .groups()
            .iter()
            .filter(|group| group.leader() == Some(me))
        {
            if let Some(heir) = self.closest(group) {
                tracing::warn!(group = %group.id, standing = standing.as_str(), "this node must not lead by its clocks");
                self.transfer(group, heir).await;
            }
        }
    }

    /// The voter that lacks least of a group that is led here, among those that may lead.
    fn closest(&self, group: &Group) -> Option<u64> {
        let me = self.node();
        let metrics = group.raft.data_metrics();
        let metrics = metrics.borrow_watched();
        let replication = metrics.replication.as_ref()?;
        let matched = |voter: &u64| {
            let matched = replication.get(voter).and_then(|matched| matched.as_ref());
            matched.map(|matched| matched.index)
        };
        let voters = group.voters().into_iter();
        voters
            .filter(|voter| *voter != me && self.may_lead(*voter))
            .max_by_key(matched)
    }

    /// A node whose time a majority calls wrong does not stand for election: it would only hand over. Where nobody has led
    /// for long it does: it may be the only one that can be elected, by its log or since the group was never formed, and
    /// what it has reaches the others before it hands over.
    pub(crate) fn set_elections(&self, standing: Standing) {
        for group in self.groups() {
            let stands = standing != Standing::Off || !group.heard_within(2 * self.lease());
            group.raft.runtime_config().elect(stands);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn leaders_are_even_over_one_two_three_and_six_nodes() {
        for nodes in [1u64, 2, 3, 6] {
            let voters: Vec<u64> = (1..=nodes).rev().collect();
            let mut led = BTreeMap::new();
            for group in 1..=6 {
                *led.entry(preferred(group, &voters)).or_insert(0) += 1;
            }
            assert!(led.values().all(|count| *count == 6 / nodes), "{led:?}");
        }
    }

    #[test]
    fn a_group_without_voters_has_no_leader() {
        assert_eq!(preferred(3, &[]), None);
    }
}
