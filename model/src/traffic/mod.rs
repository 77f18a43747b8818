//! What flows: requests, events, attempts.

mod attempt;
mod bookmark;
mod event;
mod operation;
mod paused;
mod request;

pub use attempt::{Attempt, AttemptStatus, ErrorCode, Outcome, Trigger};
pub use bookmark::Bookmark;
pub use event::{Event, EventStatus, IgnoreCause, Ignored};
pub use operation::{Operation, OperationKind, Part, PartReport};
pub use paused::{Paused, Stage};
pub use request::{
    Origin, RejectionCause, Request, RequestRecord, RequestState, StoredRequest, Unverified,
    Verified,
};
