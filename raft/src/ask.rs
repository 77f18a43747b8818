//! Asking the node that leads a group for something that is none of Raft's business: both ends know what the bytes mean.

use crate::{
    cluster::{Cluster, Inner},
    error::Unavailable,
    network::{Answer, Call},
};
use bytes::Bytes;
use model::ids::{GroupId, NodeId};
use std::{sync::Arc, time::Duration};

/// The longest question and the longest answer.
const BYTES_MAX: usize = 4 * 1024 * 1024;

/// What another node, or this one, asks of this one as a group's leader.
#[derive(Clone, Debug)]
pub struct Asked {
    pub from: NodeId,
    pub group: GroupId,
    /// What kind of question it is. The node's own registry, append only.
    pub topic: u16,
    pub bytes: Bytes,
}

/// Answers at once, or not at all: none means that this node can't answer for the group now. It is called on the
/// threads of the cluster and must not wait for anything.
pub type Answerer = Arc<dyn Fn(Asked) -> Option<Bytes> + Send + Sync>;

impl Cluster {
    /// From now on questions are answered so.
    pub fn answer_with(&self, answerer: Answerer) {
        *self.inner.answerer.write() = Some(answerer);
    }

    /// Asks the leader of a group, wherever it is, and waits for the answer, at most `patience`.
    ///
    /// # Errors
    /// When there is no leader, or no answer: the question may have reached it all the same.
    pub async fn ask(
        &self,
        group: GroupId,
        topic: u16,
        bytes: Bytes,
        patience: Duration,
    ) -> Result<Bytes, Unavailable> {
        if bytes.len() > BYTES_MAX {
            return Err(Unavailable);
        }
        let leader = self.inner.group(group).and_then(|group| group.leader());
        let leader = leader.ok_or(Unavailable)?;
        let me = self.inner.node();
        let asked = Asked {
            from: me,
            group,
            topic,
            bytes,
        };
        if leader == me {
            return self.inner.answer(asked).ok_or(Unavailable);
        }
        let call = Call::Ask {
            group: group.0,
            topic,
            bytes: asked.bytes,
        };
        match self.inner.call_node(leader, call, patience).await {
            Ok(Answer::Told(bytes)) => Ok(bytes),
            Ok(_) | Err(_) => Err(Unavailable),
        }
    }

    /// The leader of a group as this node knows it, and its term.
    #[must_use]
    pub fn leader(&self, group: GroupId) -> Option<(NodeId, u64)> {
        self.inner.group(group)?.leader_and_term()
    }

    /// The members of the cluster as this node has them.
    #[must_use]
    pub fn members(&self) -> Vec<NodeId> {
        self.inner.members.read().keys().copied().collect()
    }
}

impl Inner {
    pub(crate) fn answer(&self, asked: Asked) -> Option<Bytes> {
        let answerer = self.answerer.read().clone()?;
        answerer(asked).filter(|bytes| bytes.len() <= BYTES_MAX)
    }
}
