//! The index of bodies, which says in which bucket requests have theirs. Rows go by the hour that their ids were minted
//! in, bodies by the hour that their entry was stamped with: two clocks' words, which need not be the same.

use crate::{state::codec::Stored, time::Timestamp};
use serde::{Deserialize, Serialize};

/// The hour that ids were minted in, and the bucket that their bodies lie in. Both count hours since the epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    pub hour: u32,
    pub bucket: u32,
}

/// The last entry that accepted a request of a place.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Filing {
    /// Log index.
    pub index: u64,
    /// The group's time at that entry.
    pub accepted_at: Timestamp,
    /// The latest stamp of all entries of the place.
    pub stamped_at: Timestamp,
}

impl Stored for Filing {
    const WHAT: &'static str = "filing of bodies";
    const VERSION: u8 = 1;
}
