//! What flows: requests, events, attempts; and the issues that come of it.

mod attempt;
mod event;
mod issue;
mod notification;
mod request;
mod tally;

pub use attempt::{Attempt, AttemptStatus, ErrorCode, Outcome, Trigger};
pub use event::{Event, EventStatus, IgnoreCause, Ignored};
pub use issue::{
    Failure, Issue, IssueChange, IssueEntry, IssueKey, IssueStatus, IssueType, LogLevel, Part,
    Strategy, Turn, Waiting,
};
pub use notification::{Notification, Target};
pub use request::{
    Origin, RejectionCause, Request, RequestRecord, RequestState, StoredRequest, Unverified,
    Verified,
};
pub use tally::{Count, Mark, SAMPLES_MAX, Sample, Sampled, Sighting, Tally, merge_samples};
