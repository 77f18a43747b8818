//! The lease protocol between a destination's home (the rate limit server) and those who deliver to it (its clients).
//! Every time is a duration: no two clocks agree.

use crate::ids::DestinationId;
use serde::{Deserialize, Serialize};

/// The lease of a share of a rate, in milliseconds, counted from when it was asked for.
pub const LEASE_MS: u32 = 1000;
/// The lease of a slot, in milliseconds, counted from when it was asked for. Longer than an election, so that those who
/// have slots go on while their home moves; what it costs is small beside the time for which an attempt may hold a slot
/// anyway.
pub const SLOT_LEASE_MS: u32 = 10_000;
/// Asks in one message; more go with the next.
pub const ASKS_MAX: usize = 512;

/// A share of a destination's limit: of its rate, or slots.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Share {
    #[default]
    None,
    /// A bucket that gains `tokens` units a microsecond and holds `room` of them; one token costs `cost`.
    Rate { tokens: u32, cost: u64, room: u64 },
    /// Attempts in flight.
    Slots(u32),
}

/// A lease request: one destination's demand on one node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ask {
    /// Grows with every ask. An answer to any but the last is no longer of use, and an older ask is no news.
    pub number: u64,
    /// Tokens that could be used within [`super::RENEW_MS`], or slots. Without end when there were too few; 0: none, and
    /// nothing is to be kept for it.
    pub wants: u32,
    /// What it may still use while it waits for the answer, and of slots what is in use.
    pub holds: Share,
    /// Of a share that it has just given up: what was left in the bucket, in millionths of a token.
    pub returns: u32,
}

/// A lease that the home grants, in answer to one ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// Of the ask that it answers.
    pub number: u64,
    /// In place of what was held.
    pub share: Share,
    /// Units in the bucket at the start. None: the bucket is the one that is in use.
    pub level: Option<u64>,
    /// Tokens after which the share is given back, since others wait for a turn.
    pub turn: Option<u32>,
    /// Counted from when it was asked for.
    pub lease_ms: u32,
    /// When to ask again, counted from the answer.
    pub again_ms: u32,
}

/// A node's report of what it holds of a destination, told to a new home.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claim {
    pub holds: Share,
    /// Since when this node has sent nothing to it, where that is known.
    pub unused_us: Option<u64>,
}

/// A node's message to the home of the destinations in it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Statement {
    /// Drawn when the process started: what an earlier one had went with it.
    pub boot: u64,
    /// How long ago that was.
    pub up_us: u64,
    /// All that it has of this home's destinations, once the home is new to it.
    pub claims: Option<Vec<(DestinationId, Claim)>>,
    pub asks: Vec<(DestinationId, Ask)>,
}

/// The home's answer to a statement: leases, and the identity of the home that granted them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reply {
    /// The term in which it is the home: another one is another home, which knows nothing.
    pub term: u64,
    /// Drawn when it became the home. A leader that was restarted within its term is another home too.
    pub home: u64,
    pub answers: Vec<(DestinationId, Answer)>,
}
