//! A cluster's time: how a process keeps its own, and what the others make of it. No single clock decides.

mod belief;
mod keeper;
mod stamps;
mod verdict;

pub use belief::{Belief, Change, Kept};
pub use keeper::{Keeper, Look};
pub use stamps::{MINTED_EARLIER_MAX_MS, Stamped, stamped};
pub use verdict::{Circle, STANDS_MS, Standing, Told, Verdict, judge};

/// The default bound on clock skew: how far a node's time may be from the others', in milliseconds.
pub const MAX_SKEW_MS: u64 = 2_000;

/// The default quarantine of a time that does not go on from the one that a node kept, in milliseconds: so long it must
/// stand until it makes anything old.
pub const DOUBT_MS: u64 = 24 * 3_600_000;
