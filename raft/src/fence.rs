//! The fence: whether this node may act as a group's leader right now.

use crate::{cluster::Leadership, group::Group};
use openraft::{Instant, async_runtime::watch::WatchReceiver};
use std::{sync::atomic::Ordering, time::Duration};

/// Taken off the lease on this side, so that clocks of slightly different pace never make two owners.
const MARGIN: f64 = 0.2;

impl Group {
    /// The term that this node leads in: its lease holds, and everything of earlier terms has been applied.
    pub(crate) fn leadership(&self, lease: Duration) -> Option<Leadership> {
        let leader = self.raft.as_leader().ok()?;
        let term = leader.term();
        if self.handed_over.load(Ordering::SeqCst) >= term {
            return None;
        }
        let held = cfg!(feature = "bug-skip-fence") || self.is_confirmed(lease);
        // Its own blank entry is the first of its term: once applied, the state holds all that came before.
        let applied = self
            .raft
            .data_metrics()
            .borrow_watched()
            .last_applied
            .is_some_and(|last| last.leader_id.term == term);
        (held && applied).then_some(Leadership { term })
    }

    /// Whether this node leads, and a majority said so within the lease.
    pub(crate) fn is_confirmed(&self, lease: Duration) -> bool {
        let Ok(leader) = self.raft.as_leader() else {
            return false;
        };
        // A leader without peers is its own majority; nobody else could have taken over.
        self.voters() == [*self.raft.node_id()]
            || leader
                .last_quorum_acked()
                .is_some_and(|acked| acked.elapsed() < lease.mul_f64(1.0 - MARGIN))
    }
}
