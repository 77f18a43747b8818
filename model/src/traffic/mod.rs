//! What flows: requests, events, attempts.

mod attempt;
mod event;
mod execution;
mod request;
pub mod trace;

pub use attempt::{Attempt, AttemptStatus, ErrorCode, FirstAttempt, Outcome, Trigger};
pub use event::{Event, EventStatus, IgnoreCause, Ignored, IgnoredMeta, Seen, Turn};
pub use execution::{
    ConsoleLine, Execution, LOG_BYTES_KEPT, LOG_LINES_KEPT, LineLevel, LogLevel, TransformationUse,
    kept_lines,
};
pub use request::{
    Origin, RejectionCause, Request, RequestRecord, RequestState, StoredRequest, Unverified,
    Verified,
};
pub use trace::Trace;
