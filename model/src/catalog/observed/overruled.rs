//! Overrulings: the observations that an admin's change takes back.

use crate::ids::{DestinationId, SourceId};
use serde::{Deserialize, Serialize};

/// An admin's word against what was observed up to a place in the log: what came later counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Overruling {
    pub what: Overruled,
    pub up_to: u64,
}

/// The kinds of observations that can be taken back. On disk: append only.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Overruled {
    /// What a sender's handshakes left.
    Handshake(SourceId),
    /// That a receiver disabled its destination.
    Disabled(DestinationId),
    /// The rate that a receiver asked for.
    Rate(DestinationId),
}
