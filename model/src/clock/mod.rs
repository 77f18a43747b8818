//! A cluster's time: how a process keeps its own, and what the others make of it. No single clock decides.

mod keeper;
mod stamps;
mod verdict;

pub use keeper::{Keeper, Look};
pub use stamps::{MINTED_EARLIER_MAX_MS, Stamped, stamped};
pub use verdict::{Circle, STANDS_MS, Standing, Told, Verdict, judge};

/// How far a node's time may be from the others', by default.
pub const MAX_SKEW_MS: u64 = 2_000;
