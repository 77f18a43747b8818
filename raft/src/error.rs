//! Errors of this crate, told apart by what the caller may conclude.

use std::{io, path::PathBuf};

/// The error of a proposal that got no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProposeError {
    /// It surely was not proposed: it may be tried again, elsewhere too.
    #[error("no leader takes the proposal now")]
    Unavailable,
    /// It may have been committed, or may yet be. Only the same id may be tried again.
    #[error("the outcome of the proposal is unknown")]
    Unknown,
    /// It surely was not proposed: the times in it are not the leader's.
    #[error(
        "the time of the proposal is not that of the group's leader: compare the clocks of the nodes"
    )]
    Untimely,
    #[error("the proposal is longer than {max} bytes")]
    TooLarge { max: usize },
}

/// The error of a read that no node answered which has the group.
#[derive(Debug, thiserror::Error)]
#[error("no node that has the group answered")]
pub struct Unreached(#[source] pub(crate) std::io::Error);

/// No majority could be asked in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the group has no leader that a majority follows")]
pub struct Unavailable;

/// A change of the membership that did not happen, or not wholly.
#[derive(Clone, Debug, thiserror::Error)]
pub enum ChangeError {
    #[error("node {0} is not a member")]
    NoSuchNode(u64),
    #[error("node {0} is the last one")]
    LastNode(u64),
    #[error("no node that waits to be added at {address}: {why}")]
    NotInvited { address: String, why: String },
    #[error("the node at {0} was invited and has not joined yet; try again")]
    NotJoinedYet(String),
    #[error("changing group {group}: {why}")]
    Group { group: u16, why: String },
}

/// The node can't take part.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error("opening the store")]
    Store(#[from] storage::OpenError),
    #[error("{doing}")]
    Io {
        doing: &'static str,
        #[source]
        source: io::Error,
    },
    #[error("{0}")]
    Config(String),
    #[error(
        "the cluster knows node {node} with other data than {dir} holds: an emptied or copied node must not come back \
         under its old id; empty the directory and let it join as a new node (cluster.join), then remove node {node}"
    )]
    NotTheSameNode { node: u64, dir: PathBuf },
    #[error("{why}: a node's directory moves with its address; give {} back, or empty it and let it join as a new node (cluster.join)", .dir.display())]
    Misplaced { why: String, dir: PathBuf },
    #[error("starting Raft: {0}")]
    Raft(String),
    /// Damage was met on the way.
    #[error("what this node stores can't be trusted: {0}")]
    Untrusted(String),
}

impl StartError {
    pub(crate) fn io(doing: &'static str) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io { doing, source }
    }
}
