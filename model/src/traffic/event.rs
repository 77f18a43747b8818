//! An event: one request routed over one connection, and the transitions that it may make.

use super::{ErrorCode, TransformationUse, Trigger};
use crate::{
    fingerprint::Fingerprint,
    ids::{ConnectionId, DestinationId, EventId, SourceId},
    policy::document::Part,
    state::codec::{self, CodecError, Stored},
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

    /// Whether it waits for an attempt.
    #[must_use]
    pub fn waits(self) -> bool {
        matches!(self, Self::Queued | Self::Scheduled)
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
    /// Its place among the events that it keeps its order with; none when it keeps none.
    pub turn: Option<Turn>,
}

/// A place in a queue: the events of one key that go to one destination are attempted in the order in which they were
/// accepted, each when the one before it has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Turn {
    /// Fingerprint of the source and its ordering key's values.
    pub key: Fingerprint,
    /// The log index at which it was accepted.
    pub index: u64,
    /// Its place among the ordered events of that entry.
    pub place: u32,
    /// When it wants to be due once its turn comes.
    pub wanted_at: Timestamp,
}

impl Event {
    /// Whether it waits for those of its key that came before it.
    #[must_use]
    pub fn waits_for_its_turn(&self) -> bool {
        self.turn.is_some() && self.status == EventStatus::Queued && self.due_at.is_none()
    }
}

impl Stored for Event {
    const WHAT: &'static str = "event";
    const VERSION: u8 = 2;

    /// What waits is due or waits for its turn, what has ended is not due, and what was delivered has a time at which it was.
    fn is_sound(&self) -> bool {
        let has_place = match self.status {
            EventStatus::Queued => self.due_at.is_some() || self.turn.is_some(),
            EventStatus::Scheduled | EventStatus::Hold => self.due_at.is_some(),
            EventStatus::Successful | EventStatus::Failed | EventStatus::Cancelled => {
                self.due_at.is_none()
            }
        };
        has_place && (self.status != EventStatus::Successful || self.successful_at.is_some())
    }

    fn read_earlier(version: u8, body: &[u8]) -> Option<Result<Self, CodecError>> {
        (version == FirstEvent::VERSION)
            .then(|| codec::decode_body::<FirstEvent>(body).map(Self::from))
    }
}

/// The first layout of an event, which knew no order.
#[derive(Serialize, Deserialize)]
struct FirstEvent {
    connection_id: ConnectionId,
    source_id: SourceId,
    destination_id: DestinationId,
    status: EventStatus,
    attempts: u16,
    created_at: Timestamp,
    updated_at: Timestamp,
    due_at: Option<Timestamp>,
    next_trigger: Trigger,
    last_attempt_at: Option<Timestamp>,
    successful_at: Option<Timestamp>,
    response_status: Option<u16>,
    error_code: Option<ErrorCode>,
}

impl Stored for FirstEvent {
    const WHAT: &'static str = "event";
    const VERSION: u8 = 1;
}

impl From<FirstEvent> for Event {
    fn from(first: FirstEvent) -> Self {
        Self {
            connection_id: first.connection_id,
            source_id: first.source_id,
            destination_id: first.destination_id,
            status: first.status,
            attempts: first.attempts,
            created_at: first.created_at,
            updated_at: first.updated_at,
            due_at: first.due_at,
            next_trigger: first.next_trigger,
            last_attempt_at: first.last_attempt_at,
            successful_at: first.successful_at,
            response_status: first.response_status,
            error_code: first.error_code,
            turn: None,
        }
    }
}

/// The cause of an ignored event: why a connection did not route a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum IgnoreCause {
    Disabled,
    Filtered,
    TransformationFailed,
    CliDisconnected,
    Duplicate,
}

/// The details of an ignored event, beside its cause. Stored: append only.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum IgnoredMeta {
    /// The parts of the request that the filter did not match.
    Filtered(Vec<Part>),
    /// What it is a duplicate of: an event, or with the ordinal 0 a request as a whole. It may have been let go since.
    Duplicate { first: EventId },
    /// The version of the transformation that came to no request.
    TransformationFailed(TransformationUse),
}

/// A request that a connection did not route.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ignored {
    pub connection_id: ConnectionId,
    pub cause: IgnoreCause,
    pub created_at: Timestamp,
    pub meta: Option<IgnoredMeta>,
}

impl Stored for Ignored {
    const WHAT: &'static str = "ignored event";
    const VERSION: u8 = 2;

    fn read_earlier(version: u8, body: &[u8]) -> Option<Result<Self, CodecError>> {
        (version == FirstIgnored::VERSION)
            .then(|| codec::decode_body::<FirstIgnored>(body).map(Self::from))
    }
}

/// The first layout of an ignored event: its cause and no more.
#[derive(Serialize, Deserialize)]
struct FirstIgnored {
    connection_id: ConnectionId,
    cause: IgnoreCause,
    created_at: Timestamp,
}

impl Stored for FirstIgnored {
    const WHAT: &'static str = "ignored event";
    const VERSION: u8 = 1;
}

impl From<FirstIgnored> for Ignored {
    fn from(first: FirstIgnored) -> Self {
        Self {
            connection_id: first.connection_id,
            cause: first.cause,
            created_at: first.created_at,
            meta: None,
        }
    }
}

/// The first of those that count as the same, for as long as others are its duplicates.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seen {
    /// An event, or with the ordinal 0 a request as a whole.
    pub first: EventId,
    /// From then on the next one is a first one again.
    pub expires_at: Timestamp,
}

impl Stored for Seen {
    const WHAT: &'static str = "fingerprint that was seen";
    const VERSION: u8 = 1;
}
