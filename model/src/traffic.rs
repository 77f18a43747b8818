//! Traffic: requests, events, attempts; and the issues that come of it.

mod attempt;
mod bookmark;
mod error_code;
mod event;
mod execution;
mod filing;
pub mod http_record;
mod issue;
mod notification;
mod operation;
mod outcome;
mod paused;
mod request;
mod tally;
mod transport_record;

pub use attempt::{Attempt, AttemptStatus, FirstAttempt, Trigger};
pub use bookmark::Bookmark;
pub use error_code::ErrorCode;
pub use event::{Event, EventStatus, IgnoreCause, Ignored, IgnoredMeta, Seen, Turn};
pub use execution::{
    ConsoleLine, Execution, LOG_BYTES_KEPT, LOG_LINES_KEPT, LineLevel, LogLevel, TransformationUse,
    kept_lines,
};
pub use filing::{Filing, Place};
pub use http_record::HttpRecord;
pub use issue::{
    Failure, Issue, IssueChange, IssueEntry, IssueKey, IssueStatus, IssueTurn, IssueType, Part,
    Strategy, Waiting,
};
pub use notification::{Notification, Target};
pub use operation::{Operation, OperationKind, OperationPart, PartReport};
pub use outcome::{Answer, Outcome};
pub use paused::{Paused, Stage};
pub use request::{
    Origin, RejectionCause, Request, RequestRecord, RequestState, StoredRequest, Unverified,
    Verified,
};
pub use tally::{Count, Mark, SAMPLES_MAX, Sample, Sampled, Sighting, Tally, merge_samples};
pub use transport_record::TransportRecord;
