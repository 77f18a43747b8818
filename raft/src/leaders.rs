//! Keeping leaders evenly spread, and handing them over before this node stops.

use crate::{
    cluster::{Cluster, Inner},
    group::Group,
    network::Call,
};
use std::{
    collections::BTreeMap,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

const EVERY: Duration = Duration::from_secs(2);
/// Rounds for which a better leader must look well before leadership moves: a node that flaps must not lead.
const STEADY_ROUNDS: u32 = 4;
const PING_EVERY: Duration = Duration::from_secs(1);
const PING_PATIENCE: Duration = Duration::from_millis(900);
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
        use openraft::async_runtime::watch::WatchReceiver;
        if !group.leads.load(Ordering::Relaxed) {
            return None;
        }
        let to = preferred(group.id.0, &group.voters())?;
        if to == self.node() || !self.up.read().contains(&to) {
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
        // Side by side: a group that can't be handed over must not keep the others.
        let handing = futures::future::join_all(self.groups().iter().map(|group| async {
            while group.leader() == Some(me) && !group.has_ended() {
                let Some(heir) = self.heir(group, me) else {
                    break;
                };
                self.transfer(group, heir).await;
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }));
        if tokio::time::timeout(limit, handing).await.is_err() {
            tracing::warn!("some groups were still led here when the time was up");
        }
    }

    /// Keeps the list of nodes that answer.
    pub(crate) async fn watch_peers(self: Arc<Self>) {
        loop {
            let me = self.node();
            let others: Vec<u64> = self
                .members
                .read()
                .keys()
                .copied()
                .filter(|n| *n != me)
                .collect();
            let asked = others.iter().map(|node| async {
                let answer = self.call_node(*node, Call::Welcome, PING_PATIENCE).await;
                answer.is_ok().then_some(*node)
            });
            let up = futures::future::join_all(asked).await;
            *self.up.write() = up.into_iter().flatten().collect();
            tokio::time::sleep(PING_EVERY).await;
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
