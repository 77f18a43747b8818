//! An event: one request routed over one connection, and the transitions that it may make.

use super::{ErrorCode, Trigger};
use crate::{
    ids::{ConnectionId, DestinationId, SourceId},
    state::codec::Stored,
    time::Timestamp,
};
use serde::{Deserialize, Serialize};

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum EventStatus {
    /// Waits for a time: a delay, or the next retry.
    Scheduled,
    /// Waits for its turn.
    Queued,
    /// Waits for its connection to be unpaused.
    Hold,
    Successful,
    Failed,
    Cancelled,
}

impl EventStatus {
    /// Whether nothing more will happen by itself.
    #[must_use]
    pub fn is_ended(self) -> bool {
        matches!(self, Self::Successful | Self::Failed | Self::Cancelled)
    }

    /// The legal transitions. A retry by hand reopens what has ended.
    #[must_use]
    pub fn may_become(self, next: Self) -> bool {
        use EventStatus::{Cancelled, Failed, Hold, Queued, Scheduled, Successful};
        match self {
            Scheduled | Queued | Hold => true,
            Failed | Successful | Cancelled => matches!(next, Queued | Hold | Successful | Failed),
        }
    }
}

/// An event as its partition keeps it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    pub connection_id: ConnectionId,
    pub source_id: SourceId,
    pub destination_id: DestinationId,
    pub status: EventStatus,
    /// Attempts that were recorded.
    pub attempts: u16,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
    /// When it is next due; its row in the due table has this time, or among the held ones while it is on HOLD. None:
    /// it has no such row.
    pub due_at: Option<Timestamp>,
    /// What the next attempt will be called.
    pub next_trigger: Trigger,
    pub last_attempt_at: Option<Timestamp>,
    pub successful_at: Option<Timestamp>,
    pub response_status: Option<u16>,
    pub error_code: Option<ErrorCode>,
}

impl Stored for Event {
    const WHAT: &'static str = "event";
    const VERSION: u8 = 1;
}

/// Why a connection did not route a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum IgnoreCause {
    Disabled,
    Filtered,
    TransformationFailed,
    CliDisconnected,
    Duplicate,
}

/// A request that a connection did not route.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ignored {
    pub connection_id: ConnectionId,
    pub cause: IgnoreCause,
    pub created_at: Timestamp,
}

impl Stored for Ignored {
    const WHAT: &'static str = "ignored event";
    const VERSION: u8 = 1;
}
