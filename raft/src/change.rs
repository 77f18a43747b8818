//! Changing the membership: a node is added, drained and removed in every group, one step at each group's leader.

use crate::{
    cluster::{Cluster, Inner},
    error::ChangeError,
    group::Group,
    network::{Admitted, Answer, Call, Change, JoinRequest},
    readiness::Leader,
    types::Member,
};
use model::{
    ids::GroupId,
    machine::{self, Command, RetireNode},
};
use openraft::ChangeMembers;
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};
use tokio::time::timeout;

/// Ids given later start here, so that they never meet those given by position when the cluster formed.
pub(crate) const FIRST_LATER_ID: u64 = 1000;
/// One step may wait for a node to catch up.
const STEP_PATIENCE: Duration = Duration::from_secs(120);
/// What is known of an id must be up to date within this: the node that asks waits two seconds for its answer.
const JUDGED_WITHIN: Duration = Duration::from_secs(1);
const STEPS_MAX: usize = 60;
const PAUSE: Duration = Duration::from_millis(500);

impl Cluster {
    /// Moves leadership away from a node and takes it out of every group. Its id never comes back.
    ///
    /// # Errors
    /// When it is no member, is the last one, or a group could not be changed; then it may be called again.
    pub async fn remove_node(&self, node: u64) -> Result<(), ChangeError> {
        {
            let members = self.inner.members.read();
            if !members.contains_key(&node) {
                return Err(ChangeError::NoSuchNode(node));
            }
            if members.len() == 1 {
                return Err(ChangeError::LastNode(node));
            }
        }
        // Remembered before it happens: whoever restarts in between must not take the node for a new one.
        let retire = Command::RetireNode(RetireNode { node });
        let retired = self
            .propose(
                GroupId::CONTROL,
                retire.envelope(self.inner.clock.now(), &[]),
            )
            .await;
        retired.map_err(|error| ChangeError::Group {
            group: GroupId::CONTROL.0,
            why: error.to_string(),
        })?;
        // The control group last: while it names the node, peers still talk to it.
        for group in self.inner.groups().iter().rev() {
            self.inner.drain(group, node).await?;
            self.inner.step(group, Change::Remove(node)).await?;
        }
        Ok(())
    }
}

impl Inner {
    /// Gives a joining node its id and adds it to every group in the background.
    pub(crate) async fn admit(self: &Arc<Self>, request: JoinRequest) -> Answer {
        let Some(control) = self.groups().first() else {
            return Answer::Failed("this node has not formed a cluster yet".into());
        };
        let known = |node: u64| self.members.read().get(&node).cloned();
        let node = match request.node {
            0 => match self.call_leader(control, Change::Number).await {
                Ok(Answer::Number(number)) => FIRST_LATER_ID + number,
                _ => return Answer::Failed("the control group has no leader now".into()),
            },
            node if known(node).is_some_and(|m| m.incarnation != request.member.incarnation) => {
                return Answer::Failed(format!("node {node} is another one"));
            }
            node => match timeout(JUDGED_WITHIN, self.linearize(control)).await {
                Ok(Ok(())) if self.is_retired(node) => {
                    return Answer::Failed(format!(
                        "node {node} was removed, its id never comes back"
                    ));
                }
                Ok(Ok(())) => node,
                _ => return Answer::Failed("the control group has no leader now".into()),
            },
        };
        let partitions = u16::try_from(self.groups().len() - 1).unwrap_or(u16::MAX);
        let inner = self.clone();
        self.spawn(async move {
            // The node opens its groups only after our answer; the steps wait for it.
            if let Err(error) = inner.add(node, request.member).await {
                tracing::warn!(node, %error, "node not added yet");
            }
        });
        Answer::Joined(Admitted { node, partitions })
    }

    async fn add(&self, node: u64, member: Member) -> Result<(), ChangeError> {
        // The control group first: its membership tells peers whom they may talk to.
        for group in self.groups() {
            if group.voters().contains(&node) {
                continue;
            }
            self.step(group, Change::AddLearner(node, member.clone()))
                .await?;
        }
        for group in self.groups() {
            if !group.voters().contains(&node) {
                self.step(group, Change::Promote(node)).await?;
            }
        }
        tracing::info!(node, "node added");
        Ok(())
    }

    async fn drain(&self, group: &Group, node: u64) -> Result<(), ChangeError> {
        for _ in 0..STEPS_MAX {
            if group.leader().is_some_and(|leader| leader != node) {
                return Ok(());
            }
            let heir = self.heir(group, node);
            if let Some(heir) = heir {
                let _ = self.call_leader(group, Change::TransferTo(heir)).await;
            }
            tokio::time::sleep(PAUSE).await;
        }
        Err(ChangeError::Group {
            group: group.id.0,
            why: format!("leadership did not leave node {node}"),
        })
    }

    /// A voter that may lead a group instead of `node`: one that answers and whose clocks are right.
    pub(crate) fn heir(&self, group: &Group, node: u64) -> Option<u64> {
        let me = self.node();
        let voters = group.voters();
        let mut others = voters
            .iter()
            .copied()
            .filter(|voter| *voter != node && (*voter == me || self.may_lead(*voter)));
        let start = usize::from(group.id.0) % voters.len().max(1);
        others.clone().nth(start).or_else(|| others.next())
    }

    /// One step, tried until the group's leader has made it.
    async fn step(&self, group: &Group, change: Change) -> Result<(), ChangeError> {
        let mut why = String::from("no leader");
        for _ in 0..STEPS_MAX {
            match self.call_leader(group, change.clone()).await {
                Ok(Answer::Done) => return Ok(()),
                Ok(Answer::Failed(reason)) => why = reason,
                Ok(_) => why = "no leader".into(),
                Err(error) => why = error.to_string(),
            }
            tokio::time::sleep(PAUSE).await;
        }
        Err(ChangeError::Group {
            group: group.id.0,
            why,
        })
    }

    pub(crate) async fn call_leader(
        &self,
        group: &Group,
        change: Change,
    ) -> std::io::Result<Answer> {
        match group.leader() {
            Some(leader) if leader == self.node() => Ok(self.change_here(group, change).await),
            Some(leader) => {
                let call = self.call_node(leader, Call::Change(group.id.0, change), STEP_PATIENCE);
                // A silent leader may have made the step, or not: whoever asks finds out by asking again.
                let asked = self.unless_lost(Leader::At(leader), STEP_PATIENCE, call);
                asked.await.unwrap_or(Ok(Answer::NotLeader(None)))
            }
            None => Ok(Answer::NotLeader(None)),
        }
    }

    pub(crate) async fn change_here(&self, group: &Group, change: Change) -> Answer {
        let raft = &group.raft;
        let done = |result: Result<(), String>| match result {
            Ok(()) => Answer::Done,
            Err(why) => Answer::Failed(why),
        };
        match change {
            Change::Number => match raft.write_blank().await {
                Ok(written) => Answer::Number(written.log_id.index),
                Err(error) => Answer::Failed(error.to_string()),
            },
            Change::AddLearner(node, member) => {
                let added = raft.add_learner(node, member, true).await;
                done(added.map(drop).map_err(|error| error.to_string()))
            }
            Change::Promote(node) => {
                let change = ChangeMembers::AddVoterIds(BTreeSet::from([node]));
                let changed = raft.change_membership(change, true).await;
                done(changed.map(drop).map_err(|error| error.to_string()))
            }
            Change::Remove(node) => {
                let change = ChangeMembers::RemoveVoters(BTreeSet::from([node]));
                let changed = raft.change_membership(change, false).await;
                done(changed.map(drop).map_err(|error| error.to_string()))
            }
            Change::TransferTo(node) => {
                done(group.hand_to(node).await.map_err(|error| error.to_string()))
            }
        }
    }

    /// Whether a node of this id was removed, as far as this node has applied. A store that can't say says yes.
    pub(crate) fn is_retired(&self, node: u64) -> bool {
        let control = self.store.group(GroupId::CONTROL).view();
        machine::is_retired(&control, node).unwrap_or(true)
    }

    /// Whether every group counts this node's vote.
    pub(crate) fn votes_everywhere(&self) -> bool {
        let me = self.node();
        self.groups()
            .iter()
            .all(|group| group.voters().contains(&me))
    }

    /// The nodes of every group, for those who only look.
    pub(crate) fn all_members(&self) -> BTreeMap<u64, Member> {
        self.group(GroupId::CONTROL)
            .map(Group::members)
            .unwrap_or_default()
    }
}
