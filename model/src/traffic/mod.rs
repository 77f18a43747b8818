//! What flows: requests, events, attempts.

mod attempt;
mod event;
mod request;

pub use attempt::{Attempt, AttemptStatus, ErrorCode, Outcome, Trigger};
pub use event::{Event, EventStatus, IgnoreCause, Ignored, IgnoredMeta, Seen, Turn};
pub use request::{
    Origin, RejectionCause, Request, RequestRecord, RequestState, StoredRequest, Unverified,
    Verified,
};
