//! The peer protocol: the messages between nodes. Append only: the position of a variant is on the wire.

use crate::types::{Member, SnapshotMeta, TypeConfig, Vote};
use bytes::Bytes;
use model::envelope::PayloadRef;
use openraft::raft::{
    AppendEntriesRequest, AppendEntriesResponse, SnapshotResponse, TransferLeaderRequest,
    VoteRequest, VoteResponse,
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

#[derive(Serialize, Deserialize)]
pub(crate) enum Call {
    Append(u16, AppendEntriesRequest<TypeConfig>),
    Vote(u16, VoteRequest<TypeConfig>),
    PreVote(u16, VoteRequest<TypeConfig>),
    Transfer(u16, TransferLeaderRequest<TypeConfig>),
    /// A command for a group that the receiver is believed to lead.
    Propose(u16, Bytes),
    /// Up to which index must be applied before a linearizable read.
    ReadIndex(u16),
    Welcome,
    Join(JoinRequest),
    SnapshotBegin {
        group: u16,
        name: String,
    },
    SnapshotChunk {
        group: u16,
        name: String,
        file: String,
        offset: u64,
        bytes: Bytes,
    },
    SnapshotEnd {
        group: u16,
        name: String,
        vote: Vote,
        meta: SnapshotMeta,
    },
    /// Asks a group's leader to change its membership or to give up leading.
    Change(u16, Change),
    /// Asks a waiting node to join through these members.
    Invite(Vec<String>),
    /// What the actors of one node ask those of another.
    Ask(Bytes),
    /// Asks for a body of a group that the asking node lacks.
    Body(u16, PayloadRef),
    /// Asks a member of a group for rows, where the asking node has no replica.
    Read(u16, Scan),
    /// Asks a member of a group to hold everything that was acknowledged before.
    Linearize(u16),
    /// A command for a group that the receiver is a member of, to be brought to its leader.
    Forward(u16, Bytes),
}

/// Rows of one table of a group's state.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Scan {
    /// The table's number.
    pub(crate) table: u8,
    /// Keys `[from, to)`.
    pub(crate) from: Bytes,
    pub(crate) to: Bytes,
    /// Whether the last ones come first.
    pub(crate) back: bool,
    pub(crate) limit: u16,
}

#[derive(Serialize, Deserialize)]
pub(crate) enum Answer {
    Append(AppendEntriesResponse<TypeConfig>),
    Vote(VoteResponse<TypeConfig>),
    Transfer(bool),
    Proposed(Bytes),
    /// Nothing happened here; perhaps this node leads.
    NotLeader(Option<u64>),
    /// It may have been committed, or may yet be.
    Unknown,
    ReadIndex(u64),
    Welcome(Welcome),
    Joined(Admitted),
    Number(u64),
    Snapshot(SnapshotResponse<TypeConfig>),
    Done,
    Failed(String),
    Told(Bytes),
    /// With the checksum that it carries on disk. None: this member has applied its entry and has no body, or a damaged one.
    Body(Option<Bytes>),
    /// Nothing happened here: the times in the proposal are not this leader's.
    Untimely,
    Rows(Vec<(Bytes, Bytes)>),
}

/// A step of a membership or leadership change, taken at one group's leader.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) enum Change {
    /// Draws a number that was never drawn before: the index of a committed blank entry.
    Number,
    AddLearner(u64, Member),
    Promote(u64),
    Remove(u64),
    TransferTo(u64),
}

/// The introduction of a node to one that wants to form or join a cluster.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Welcome {
    /// The node's id; 0 when it has none yet.
    pub(crate) node: u64,
    pub(crate) partitions: u16,
    /// Whether its control group has members.
    pub(crate) formed: bool,
    pub(crate) member: Member,
    /// Its control group's members.
    pub(crate) members: BTreeMap<u64, Member>,
    /// Its `cluster.nodes`.
    pub(crate) nodes: Vec<String>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct JoinRequest {
    /// The id that an earlier request was given; 0 for the first.
    pub(crate) node: u64,
    pub(crate) member: Member,
}

/// The id that a joining node was given.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Admitted {
    pub(crate) node: u64,
    pub(crate) partitions: u16,
}
