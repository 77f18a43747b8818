//! The registry of commands and replies. Both are on disk or on the wire: append only.

use super::{
    AcceptRequests, Accepted, AdvanceRetention, BookmarkReply, CancelEvent, CancelOperation,
    ChangeIssue, ClosePart, Configure, ConfigureTied, EventReply, HoldEvents, IssueReply,
    KeepBookmark, KeepHandshake, LetGo, MarkPaused, MendTime, ObserveReply, ObserveSecretUse,
    ObserveWishes, OpenPart, OperationReply, PlanOperation, RecordAttempts, RecordNotifications,
    RecordRuns, Recorded, Refusal, ReleaseEvents, ReportIssues, ReportPart, RetireNode, RetryEvent,
    RetryIgnored, RouteAgain, WorkPart,
};
use crate::{
    envelope::Envelope, ids::EventId, state::codec, time::Timestamp, traffic::OperationPart,
};
use bytes::Bytes;
use serde::{Deserialize, Serialize};

/// The version of every command's layout.
const VERSION: u8 = 1;

/// A change of replicated state. Borrowed from the log: applying copies nothing that it need not keep.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Command<'a> {
    #[serde(borrow)]
    AcceptRequests(AcceptRequests<'a>),
    /// How attempts were told before they told of themselves. Nobody proposes it any more.
    RecordAttempts(RecordAttempts),
    /// How the catalog was changed before changes told what they were decided from. Nobody proposes it any more.
    #[serde(borrow)]
    Configure(Configure<'a>),
    RetryEvent(RetryEvent),
    CancelEvent(CancelEvent),
    /// How retention went before it went by the group's time. Nobody proposes it any more.
    AdvanceRetention(AdvanceRetention),
    RetireNode(RetireNode),
    RecordRuns(RecordRuns),
    RetryIgnored(RetryIgnored),
    ReportIssues(ReportIssues),
    ChangeIssue(ChangeIssue),
    RecordNotifications(RecordNotifications),
    MarkPaused(MarkPaused),
    HoldEvents(HoldEvents),
    ReleaseEvents(ReleaseEvents),
    RouteAgain(RouteAgain),
    PlanOperation(PlanOperation),
    CancelOperation(CancelOperation),
    ReportPart(ReportPart),
    OpenPart(OpenPart),
    WorkPart(WorkPart),
    ClosePart(ClosePart),
    KeepBookmark(KeepBookmark),
    LetGo(LetGo),
    #[serde(borrow)]
    ConfigureTied(ConfigureTied<'a>),
    MendTime(MendTime),
    KeepHandshake(KeepHandshake),
    ObserveSecretUse(ObserveSecretUse),
    ObserveWishes(ObserveWishes),
}

/// The reply of a command to its proposer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Reply {
    /// The machine of this version does not know the command.
    Malformed,
    Accepted(Vec<Accepted>),
    Recorded(Vec<Recorded>),
    Configured(Result<u64, Refusal>),
    Event(EventReply),
    /// Whether retention advanced.
    Retention(bool),
    /// The node's id is spent.
    Retired,
    /// What was reported of issues is in.
    Reported,
    Issue(IssueReply),
    /// What came of notifications is in.
    Notified,
    /// Whether the pauses were decided from a catalog that is new enough.
    Marked(bool),
    /// Events that are held now and were not.
    Held(u32),
    /// Whether more of the connection is held.
    Released(bool),
    /// The events of a request that wait now and did not, or wait anew; none where the request is gone.
    Routed(Option<Vec<EventId>>),
    Operation(OperationReply),
    /// The partition's part as it is now; none where there is none.
    Part(Option<OperationPart>),
    Bookmark(BookmarkReply),
    /// Whether the group's time stood in the false future.
    Mended(bool),
    Observed(ObserveReply),
}

/// A command that can't be read.
#[derive(Debug, thiserror::Error)]
pub enum CommandError {
    #[error("reading a command: its version is unknown")]
    Version,
    #[error("reading a command: {0}")]
    Malformed(String),
}

impl<'a> Command<'a> {
    /// Encodes the command and its bodies into one envelope.
    ///
    /// # Panics
    /// Never on data: a command encodes into memory.
    #[must_use]
    pub fn envelope(&self, at: Timestamp, bodies: &[Bytes]) -> Bytes {
        let mut head = vec![VERSION];
        bincode::serde::encode_into_std_write(self, &mut head, codec::config())
            .expect("a command encodes into memory");
        Envelope::encode(at, &head, bodies)
    }

    /// Whether an envelope's head holds requests to accept, told without reading them.
    #[must_use]
    pub(crate) fn accepts_requests(head: &[u8]) -> bool {
        matches!(head, [VERSION, 0, ..])
    }

    /// Reads a command out of an envelope's head.
    ///
    /// # Errors
    /// When the bytes are not exactly one command of this version.
    pub fn decode(head: &'a [u8]) -> Result<Self, CommandError> {
        let Some((&VERSION, body)) = head.split_first() else {
            return Err(CommandError::Version);
        };
        let (command, read) = bincode::serde::borrow_decode_from_slice(body, codec::config())
            .map_err(|e| CommandError::Malformed(e.to_string()))?;
        if read != body.len() {
            return Err(CommandError::Malformed("bytes are left over".into()));
        }
        Ok(command)
    }
}

impl Reply {
    /// # Panics
    /// Never on data: a reply encodes into memory.
    #[must_use]
    pub fn encode(&self) -> Bytes {
        bincode::serde::encode_to_vec(self, codec::config())
            .expect("a reply encodes into memory")
            .into()
    }
}

/// Reads a reply.
///
/// # Errors
/// When the bytes are not a reply of this version.
pub fn decode_reply(bytes: &[u8]) -> Result<Reply, CommandError> {
    bincode::serde::decode_from_slice(bytes, codec::config())
        .map(|(reply, _)| reply)
        .map_err(|e| CommandError::Malformed(e.to_string()))
}
