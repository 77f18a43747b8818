//! Adding a node at an admin's word: a node that waits is told through whom to join, and then joins by itself.

use crate::{
    cluster::{Cluster, Inner},
    error::ChangeError,
    network::{Answer, Call, Lane},
};
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(3);
/// An invited node must be among the members within this; its copies of the groups may take longer.
const JOINS_WITHIN: Duration = Duration::from_secs(20);
const PAUSE: Duration = Duration::from_millis(100);

impl Cluster {
    /// Adds the node that waits at this peer address (`host:port`); its id. Asked again for a member, it answers the same.
    ///
    /// # Errors
    /// When nothing of this cluster's secret waits there, or it has not joined in time; then it may be called again.
    pub async fn add_node(&self, address: &str) -> Result<u64, ChangeError> {
        let inner = &self.inner;
        if let Some(node) = inner.member_at(address) {
            return Ok(node);
        }
        let refused = |why: String| ChangeError::NotInvited {
            address: address.to_owned(),
            why,
        };
        let through = inner.member_addresses();
        let answer = inner
            .peers
            .get(address, None, Lane::Commands)
            .call(Call::Invite(through), PATIENCE)
            .await;
        match answer {
            Ok(Answer::Done) => {}
            Ok(Answer::Failed(why)) => return Err(refused(why)),
            Ok(_) => return Err(refused("another kind of answer".into())),
            Err(error) => return Err(refused(error.to_string())),
        }
        let joined = async {
            loop {
                if let Some(node) = inner.member_at(address) {
                    return node;
                }
                tokio::time::sleep(PAUSE).await;
            }
        };
        tokio::time::timeout(JOINS_WITHIN, joined)
            .await
            .map_err(|_| ChangeError::NotJoinedYet(address.to_owned()))
    }
}

impl Inner {
    fn member_at(&self, address: &str) -> Option<u64> {
        let members = self.members.read();
        let found = members.iter().find(|(_, member)| member.peer == address);
        found.map(|(node, _)| *node)
    }

    fn member_addresses(&self) -> Vec<String> {
        let members = self.members.read();
        members.values().map(|member| member.peer.clone()).collect()
    }

    /// Takes an invitation to a cluster. Only a node that waits takes one.
    pub(crate) fn invite(&self, through: Vec<String>) -> Answer {
        if !self.config.nodes.is_empty() || !self.config.join.is_empty() {
            return Answer::Failed(
                "it was started with cluster.nodes or cluster.join, and does not wait to be added"
                    .into(),
            );
        }
        // It may have stopped while it joined: then it asks again, through those who are members now.
        if self.node() != 0 && self.votes_everywhere() {
            return Answer::Failed("it belongs to a cluster already".into());
        }
        self.invited.send_replace(through);
        Answer::Done
    }

    /// Waits for an invitation.
    pub(crate) async fn invitation(&self) {
        let mut invited = self.invited.subscribe();
        // The sender is this node's own: it outlives the wait.
        let _ = invited.wait_for(|through| !through.is_empty()).await;
    }

    /// The addresses to ask for admission: as configured, as invited, and of whoever is a member as far as this node
    /// knows.
    pub(crate) fn hosts(&self) -> Vec<String> {
        let mut hosts = self.config.join.clone();
        let mut others = self.invited.borrow().clone();
        others.extend(self.member_addresses());
        for other in others {
            if other != self.config.advertise && !hosts.contains(&other) {
                hosts.push(other);
            }
        }
        hosts
    }
}
