//! What Raft gives: per partition one leader a term, one log, and proposals that may end in "unknown".

use bytes::Bytes;
use model::ids::{EventId, GroupId};
use std::collections::VecDeque;

/// Milliseconds that a leader may still send after its last contact with a majority.
pub(crate) const LEASE_MS: u64 = 400;

#[derive(Clone, Debug)]
pub(crate) enum Purpose {
    /// Request number so and so of the run.
    Accept(usize),
    Record(Vec<EventId>),
    /// A retry or a cancellation by hand; its operator looks again rather than insisting.
    ByHand,
    /// A step of holding or releasing: looked for again after a while.
    Pause,
    /// A horizon of retention: looked for again after a while.
    LetGo,
}

#[derive(Clone, Debug)]
pub(crate) struct Proposal {
    pub(crate) node: usize,
    /// The proposer's boot: an answer to an earlier one reaches nobody.
    pub(crate) boot: u32,
    pub(crate) bytes: Bytes,
    pub(crate) purpose: Purpose,
}

#[derive(Debug)]
pub(crate) struct Group {
    pub(crate) id: GroupId,
    pub(crate) log: Vec<Bytes>,
    pub(crate) term: u64,
    pub(crate) leader: Option<usize>,
    /// None: the leader is in touch with a majority and keeps renewing it.
    pub(crate) lease_until: Option<u64>,
    pending: VecDeque<Proposal>,
    /// Replicated far enough to survive their leader, known to nobody until the next one commits them.
    inherited: Vec<Bytes>,
}

impl Group {
    pub(crate) fn new(id: GroupId) -> Self {
        Self {
            id,
            log: Vec::new(),
            term: 0,
            leader: None,
            lease_until: None,
            pending: VecDeque::new(),
            inherited: Vec::new(),
        }
    }

    pub(crate) fn holds(&self, node: usize, term: u64, now: u64) -> bool {
        self.leader == Some(node)
            && self.term == term
            && self.lease_until.is_none_or(|until| now < until)
    }

    /// The leader that takes proposals: one in touch with its followers.
    pub(crate) fn proposable(&self) -> Option<usize> {
        self.leader.filter(|_| self.lease_until.is_none())
    }

    pub(crate) fn propose(&mut self, proposal: Proposal) {
        self.pending.push_back(proposal);
    }

    /// Commits the oldest proposal.
    pub(crate) fn commit(&mut self) -> Option<Proposal> {
        let proposal = self.pending.pop_front()?;
        self.log.push(proposal.bytes.clone());
        Some(proposal)
    }

    /// The leader is cut off: a prefix of what it had proposed survives, and no proposer learns which.
    pub(crate) fn depose(&mut self, now: u64, rng: &mut fastrand::Rng) -> Vec<Proposal> {
        self.lease_until = Some(now + LEASE_MS);
        let unknown: Vec<Proposal> = self.pending.drain(..).collect();
        let survivors = rng.usize(0..=unknown.len());
        self.inherited
            .extend(unknown.iter().take(survivors).map(|p| p.bytes.clone()));
        unknown
    }

    pub(crate) fn elect(&mut self, node: usize) {
        self.term += 1;
        self.leader = Some(node);
        self.lease_until = None;
        self.log.append(&mut self.inherited);
    }
}
