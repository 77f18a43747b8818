//! Traffic: requests, events, attempts; and the issues that come of it.

mod attempt;
mod bookmark;
mod event;
mod execution;
mod filing;
mod issue;
mod notification;
mod operation;
mod paused;
mod request;
mod tally;
pub mod trace;

pub use attempt::{Attempt, AttemptStatus, ErrorCode, FirstAttempt, Outcome, Trigger};
pub use bookmark::Bookmark;
pub use event::{Event, EventStatus, IgnoreCause, Ignored, IgnoredMeta, Seen, Turn};
pub use execution::{
    ConsoleLine, Execution, LOG_BYTES_KEPT, LOG_LINES_KEPT, LineLevel, LogLevel, TransformationUse,
    kept_lines,
};
pub use filing::{Filing, Place};
pub use issue::{
    Failure, Issue, IssueChange, IssueEntry, IssueKey, IssueStatus, IssueTurn, IssueType, Part,
    Strategy, Waiting,
};
pub use notification::{Notification, Target};
pub use operation::{Operation, OperationKind, OperationPart, PartReport};
pub use paused::{Paused, Stage};
pub use request::{
    Origin, RejectionCause, Request, RequestRecord, RequestState, StoredRequest, Unverified,
    Verified,
};
pub use tally::{Count, Mark, SAMPLES_MAX, Sample, Sampled, Sighting, Tally, merge_samples};
pub use trace::Trace;
