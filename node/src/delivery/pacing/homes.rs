//! The homes that this node is: one for each partition that it leads, for as long as it does.

use super::pace_of;
use crate::{gateway::Gateway, world};
use model::{
    delivery::{Home, Reply, Statement},
    ids::{GroupId, NodeId},
    time::Monotone,
};
use parking_lot::Mutex;
use std::collections::BTreeMap;

#[derive(Default)]
pub(super) struct Homes(Mutex<BTreeMap<GroupId, Home>>);

impl Homes {
    /// This node leads these groups now. A home of another term knows nothing of what is given out.
    pub(super) fn lead(&self, led: &BTreeMap<GroupId, u64>, now: Monotone) {
        let mut homes = self.0.lock();
        for (group, term) in led {
            let known = homes.get(group).map_or(0, Home::term);
            // The news may be older than what an answer has found out.
            if known < *term {
                homes.insert(*group, new(*term, now));
            }
        }
    }

    /// Answers a node. None: this node may not act for the group now.
    pub(super) fn answer(
        &self,
        gateway: &Gateway,
        group: GroupId,
        from: NodeId,
        statement: &Statement,
        now: Monotone,
    ) -> Option<Reply> {
        let catalog = gateway.catalog();
        let members: Vec<NodeId> = gateway.cluster.members().into_keys().collect();
        let mut homes = self.0.lock();
        // Asked with the homes in hand, so that none answers after a later one.
        let term = gateway.cluster.leads(group)?.term;
        let home = homes.entry(group).or_insert_with(|| new(term, now));
        if home.term() > term {
            return None;
        }
        if home.term() < term {
            *home = new(term, now);
        }
        let limit_of = |id| {
            let destination = catalog.destination(id);
            pace_of(gateway, destination.map(AsRef::as_ref)).limit
        };
        Some(home.answer(from, statement, limit_of, &members, now))
    }

    /// Forgets what is of no interest any more.
    pub(super) fn forget(&self, gateway: &Gateway, now: Monotone) {
        let mut homes = self.0.lock();
        homes.retain(|group, home| {
            let leader = gateway.cluster.leader_and_term(*group);
            home.forget(now);
            leader.is_none_or(|(_, term)| term <= home.term())
        });
    }
}

fn new(term: u64, now: Monotone) -> Home {
    Home::new(term, world::entropy() as u64, now)
}
