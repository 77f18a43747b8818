//! The pause of a connection as one partition keeps it: from the moment on which its events are held until the last of them has left.

use crate::{ids::EventId, state::codec::Stored, time::Timestamp};
use serde::{Deserialize, Serialize};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Paused {
    /// The log index at which it was paused here, or unpaused: tells one pause from the next.
    pub index: u64,
    pub stage: Stage,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Stage {
    /// New events are held; some that waited before may still stand in the due table.
    Holding,
    /// Everything that waits is held.
    Held,
    /// Unpaused: new events go their way, the held ones follow page by page.
    Releasing {
        /// The last that left. Rows in front of it are gone, and a look from the front would step over what they left.
        behind: Option<(Timestamp, EventId)>,
    },
}

impl Paused {
    /// Whether events are held back.
    #[must_use]
    pub fn holds(&self) -> bool {
        !matches!(self.stage, Stage::Releasing { .. })
    }

    /// Whether everything that waits is held, so that nothing of it stands in a queue.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.stage == Stage::Held
    }
}

impl Stored for Paused {
    const WHAT: &'static str = "pause";
    const VERSION: u8 = 1;
}
