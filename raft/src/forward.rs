//! Getting a call to a group's leader, wherever it is, and telling "surely not" from "unknown".

use crate::{
    change::FIRST_LATER_ID,
    cluster::{Cluster, Inner},
    error::{ProposeError, Unavailable},
    group::Group,
    network::{Answer, Call, Handler, Identity, Lane, Peer},
    readiness::Leader,
    types::{Cmd, Resp},
};
use bytes::Bytes;
use futures::future::BoxFuture;
use model::{clock, envelope::Envelope, ids::GroupId};
use openraft::{
    ReadPolicy,
    error::{ClientWriteError, RaftError},
    raft::AppendEntriesResponse,
};
use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};
use tokio::time::timeout;

/// Longest envelope: a full batch with its bodies.
const PROPOSAL_MAX: usize = 36 * 1024 * 1024;
/// After this long a proposal's outcome is unknown.
const PROPOSAL_PATIENCE: Duration = Duration::from_secs(10);
/// A leader that is silent is given up sooner, and an election has its time.
const READ_PATIENCE: Duration = Duration::from_secs(8);
/// Tries to find the leader before a proposal is given up.
const HOPS_MAX: usize = 8;
const HOP_PAUSE: Duration = Duration::from_millis(100);

impl Cluster {
    /// Proposes a command to a group, at its leader wherever that is, and waits until it is applied.
    ///
    /// # Errors
    /// [`ProposeError::Unavailable`] when it surely was not proposed, [`ProposeError::Unknown`] when it may have been.
    pub async fn propose(&self, group: GroupId, envelope: Bytes) -> Result<Bytes, ProposeError> {
        if envelope.len() > PROPOSAL_MAX {
            return Err(ProposeError::TooLarge { max: PROPOSAL_MAX });
        }
        if !self.inner.has(group) {
            return self.inner.propose_through_member(group, envelope).await;
        }
        let group = self.inner.group(group).ok_or(ProposeError::Unavailable)?;
        let mut hint = None;
        for hop in 0..HOPS_MAX {
            if hop > 0 {
                tokio::time::sleep(HOP_PAUSE).await;
            }
            self.inner.settle_step().await;
            // Nothing is sent to a leader whom nobody can follow, nor anything dated by a time that nobody vouches for.
            if self.takes_proposals().is_err() {
                return Err(ProposeError::Unavailable);
            }
            let Some(leader) = hint.take().or_else(|| group.leader()) else {
                continue;
            };
            let answer = if leader == self.inner.node() {
                self.inner.propose_here(group, envelope.clone()).await
            } else {
                self.inner.propose_at(group, leader, envelope.clone()).await
            };
            match answer {
                Answer::Proposed(reply) => return Ok(reply),
                Answer::NotLeader(other) => hint = other.filter(|other| *other != leader),
                Answer::Untimely => return Err(ProposeError::Untimely),
                _ => return Err(ProposeError::Unknown),
            }
        }
        Err(ProposeError::Unavailable)
    }

    /// Waits until what is read of a group here holds everything that was acknowledged before the call; once for all who ask
    /// together.
    ///
    /// # Errors
    /// When no leader with a majority answered in time.
    pub async fn linearize(&self, group: GroupId) -> Result<(), Unavailable> {
        let known = self.inner.group(group).ok_or(Unavailable)?;
        let checking = known.together.confirm(|| async {
            match self.inner.has(group) {
                true => self.inner.linearize(known).await,
                false => self.inner.linearize_at_member(group).await,
            }
        });
        timeout(READ_PATIENCE, checking)
            .await
            .unwrap_or(Err(Unavailable))
    }
}

async fn read_index_here(group: &Group) -> Answer {
    match group.raft.ensure_linearizable(ReadPolicy::ReadIndex).await {
        Ok(read) => Answer::ReadIndex(read.index()),
        Err(_) => Answer::NotLeader(None),
    }
}

impl Inner {
    async fn propose_here(&self, group: &Group, envelope: Bytes) -> Answer {
        self.settle_step().await;
        if !self.time_is_vouched() {
            return Answer::NotLeader(None);
        }
        if !self.is_timely(group, &envelope) {
            return Answer::Untimely;
        }
        let writing = group.raft.client_write(Cmd(envelope));
        match self
            .unless_lost(Leader::Here(group), PROPOSAL_PATIENCE, writing)
            .await
        {
            Some(Ok(response)) => {
                let Resp(reply) = response.data;
                Answer::Proposed(reply)
            }
            // Refused before it was appended.
            Some(Err(RaftError::APIError(ClientWriteError::ForwardToLeader(forward)))) => {
                Answer::NotLeader(forward.leader_id)
            }
            Some(Err(_)) | None => Answer::Unknown,
        }
    }

    /// Whether a leader may take a proposal by the times in it, its own being right: what enters a log moves its group's time.
    fn is_timely(&self, group: &Group, envelope: &Bytes) -> bool {
        if cfg!(feature = "bug-unclamped-clock") {
            return true;
        }
        // What can't be parsed changes nothing when it is applied.
        let Ok(parsed) = Envelope::parse(envelope) else {
            return true;
        };
        let (stamped, now) = (clock::stamped(&parsed), self.clock.now());
        let fits = stamped.fits(now, self.config.max_clock_skew_ms);
        if !fits {
            self.untimely.fetch_add(1, Ordering::Relaxed);
            let (at, now) = (stamped.at.0, now.0);
            tracing::warn!(group = %group.id, at, now, "proposal refused: its time is not this leader's");
        }
        fits
    }

    async fn propose_at(&self, group: &Group, leader: u64, envelope: Bytes) -> Answer {
        let Some(peer) = self.peer(leader, Lane::Commands) else {
            return Answer::NotLeader(None);
        };
        let call = peer.call(Call::Propose(group.id.0, envelope), PROPOSAL_PATIENCE);
        match self
            .unless_lost(Leader::At(leader), PROPOSAL_PATIENCE, call)
            .await
        {
            Some(Ok(answer)) => answer,
            Some(Err(error)) if never_sent(&error) => Answer::NotLeader(None),
            Some(Err(_)) | None => Answer::Unknown,
        }
    }

    pub(crate) async fn linearize(&self, group: &Group) -> Result<(), Unavailable> {
        loop {
            if self.lacks_majority() {
                return Err(Unavailable);
            }
            let answer = match group.leader() {
                Some(leader) if leader == self.node() => {
                    let asking = read_index_here(group);
                    self.unless_lost(Leader::Here(group), READ_PATIENCE, asking)
                        .await
                }
                // Else an election is awaited: a silent leader is not asked again and again.
                Some(leader) if self.may_be_there(leader) => {
                    let asking = self.call_node(leader, Call::ReadIndex(group.id.0), READ_PATIENCE);
                    let asked = self.unless_lost(Leader::At(leader), READ_PATIENCE, asking);
                    asked.await.and_then(Result::ok)
                }
                Some(_) | None => None,
            };
            if let Some(Answer::ReadIndex(index)) = answer {
                let waited = group
                    .raft
                    .wait(Some(READ_PATIENCE))
                    .applied_index_at_least(Some(index), "linearizable read")
                    .await;
                return waited.map(|_| ()).map_err(|_| Unavailable);
            }
            tokio::time::sleep(HOP_PAUSE).await;
        }
    }

    /// Waits at a member of a group that does not live here, which is the one that is read from then on.
    async fn linearize_at_member(&self, group: GroupId) -> Result<(), Unavailable> {
        let call = || Call::Linearize(group.0);
        match self.ask_member(group, call, READ_PATIENCE).await {
            Ok(Answer::Done) => Ok(()),
            _ => Err(Unavailable),
        }
    }

    /// Proposes through a member of a group that does not live here. Only what never left this node is tried at the next.
    async fn propose_through_member(
        &self,
        group: GroupId,
        envelope: Bytes,
    ) -> Result<Bytes, ProposeError> {
        let members: Vec<u64> = self.members.read().keys().copied().collect();
        for node in members.into_iter().filter(|node| *node != self.node()) {
            let call = Call::Forward(group.0, envelope.clone());
            match self.call_node(node, call, PROPOSAL_PATIENCE).await {
                Ok(Answer::Proposed(reply)) => return Ok(reply),
                Ok(Answer::Untimely) => return Err(ProposeError::Untimely),
                // It surely proposed nothing.
                Ok(Answer::NotLeader(_) | Answer::Failed(_)) => {}
                Err(error) if never_sent(&error) => {}
                Ok(_) | Err(_) => return Err(ProposeError::Unknown),
            }
        }
        Err(ProposeError::Unavailable)
    }

    /// Brings a command to its group's leader for a node that has no replica of it.
    async fn forward(self: Arc<Self>, group: GroupId, envelope: Bytes) -> Answer {
        if !self.has(group) {
            return Answer::Failed(format!("group {group} does not live here"));
        }
        match (Cluster { inner: self }).propose(group, envelope).await {
            Ok(reply) => Answer::Proposed(reply),
            Err(ProposeError::Untimely) => Answer::Untimely,
            Err(ProposeError::Unavailable) => Answer::NotLeader(None),
            Err(error @ ProposeError::TooLarge { .. }) => Answer::Failed(error.to_string()),
            Err(ProposeError::Unknown) => Answer::Unknown,
        }
    }

    /// Waits until this node's replica holds everything that was acknowledged, for a node that reads it.
    async fn linearize_for_another(self: Arc<Self>, group: GroupId) -> Answer {
        if !self.has(group) {
            return Answer::Failed(format!("group {group} does not live here"));
        }
        match (Cluster { inner: self }).linearize(group).await {
            Ok(()) => Answer::Done,
            Err(error) => Answer::Failed(error.to_string()),
        }
    }

    /// The connection to a member, for one kind of calls.
    pub(crate) fn peer(&self, node: u64, lane: Lane) -> Option<Peer> {
        let members = self.members.read();
        Some(self.peers.of(node, members.get(&node)?, lane))
    }

    pub(crate) async fn call_node(
        &self,
        node: u64,
        call: Call,
        limit: Duration,
    ) -> std::io::Result<Answer> {
        let peer = self.peer(node, Lane::Commands);
        let peer = peer.ok_or(std::io::ErrorKind::HostUnreachable)?;
        peer.call(call, limit).await
    }
}

/// Whether a call failed before anything of it left this node.
fn never_sent(error: &std::io::Error) -> bool {
    use std::io::ErrorKind::{ConnectionRefused, HostUnreachable, PermissionDenied};
    matches!(
        error.kind(),
        ConnectionRefused | HostUnreachable | PermissionDenied
    )
}

impl Handler for Inner {
    fn handle(self: Arc<Self>, from: u64, call: Call) -> BoxFuture<'static, Answer> {
        Box::pin(async move {
            match call {
                Call::Welcome => Answer::Welcome(self.welcome()),
                Call::Join(request) => self.admit(request).await,
                Call::Invite(through) => self.invite(through),
                Call::Ask(question) => self.answer(question).await,
                Call::Read(group, scan) => self.read_here(GroupId(group), scan).await,
                Call::Linearize(group) => self.linearize_for_another(GroupId(group)).await,
                Call::Forward(group, envelope) => self.forward(GroupId(group), envelope).await,
                call => match self.handle_for_group(from, call).await {
                    Ok(answer) => answer,
                    Err(why) => Answer::Failed(why),
                },
            }
        })
    }

    fn knows(&self, peer: &Identity) -> bool {
        let members = self.members.read();
        // Before this node has a membership of its own, the cluster's secret is all that there is to go by.
        if members.is_empty() {
            return true;
        }
        match members.get(&peer.node) {
            Some(member) => member.incarnation == peer.incarnation,
            // It may have joined while this node was away, and may lead the very group that would tell of it.
            None => peer.node >= FIRST_LATER_ID && !self.is_retired(peer.node),
        }
    }

    fn is_blocked(&self, node: u64) -> bool {
        self.peers.dialler.blocked.read().contains(&node)
    }
}

impl Inner {
    async fn handle_for_group(&self, _from: u64, call: Call) -> Result<Answer, String> {
        let of = |id: u16| {
            if cfg!(debug_assertions) && self.muted.read().contains(&GroupId(id)) {
                return Err(format!("group {id} is muted here"));
            }
            self.group(GroupId(id))
                .ok_or_else(|| format!("group {id} is not here yet"))
        };
        let said = |error: &dyn std::fmt::Display| error.to_string();
        Ok(match call {
            Call::Append(id, rpc) => {
                let group = of(id)?;
                let appended = group.raft.append_entries(rpc).await;
                let response = appended.map_err(|e| said(&e))?;
                // One that leads no more is told so, and was not heard from.
                if !matches!(response, AppendEntriesResponse::HigherVote(_)) {
                    group.hear();
                }
                Answer::Append(response)
            }
            Call::Vote(id, rpc) => {
                Answer::Vote(of(id)?.raft.vote(rpc).await.map_err(|e| said(&e))?)
            }
            Call::PreVote(id, rpc) => {
                Answer::Vote(of(id)?.raft.pre_vote(rpc).await.map_err(|e| said(&e))?)
            }
            Call::Transfer(..) if !self.time_is_vouched() => Answer::Transfer(false),
            Call::Transfer(id, request) => Answer::Transfer(
                of(id)?
                    .raft
                    .handle_transfer_leader(request)
                    .await
                    .map_err(|e| said(&e))?
                    .is_ok(),
            ),
            Call::Propose(id, envelope) => self.propose_here(of(id)?, envelope).await,
            Call::ReadIndex(id) => read_index_here(of(id)?).await,
            Call::Change(id, change) => self.change_here(of(id)?, change).await,
            Call::SnapshotBegin { group, name } => self.snapshot_begin(of(group)?, &name).await?,
            Call::SnapshotChunk {
                group,
                name,
                file,
                offset,
                bytes,
            } => {
                self.snapshot_chunk(of(group)?, &name, &file, offset, &bytes)
                    .await?
            }
            Call::SnapshotEnd {
                group,
                name,
                vote,
                meta,
            } => self.snapshot_end(of(group)?, &name, vote, meta).await?,
            Call::Body(id, at) => self.give_body(of(id)?.id, at).await?,
            Call::Welcome
            | Call::Join(_)
            | Call::Invite(_)
            | Call::Ask(_)
            | Call::Read(..)
            | Call::Linearize(_)
            | Call::Forward(..) => Answer::Failed("answered elsewhere".into()),
        })
    }
}
