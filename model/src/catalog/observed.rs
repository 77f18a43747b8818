//! Observations of configured things, made at run time: what senders' handshakes left, when a secret last proved a
//! request, what a receiver asked for. They stand in rows of their own beside the configuration, which only admins
//! change.

mod destination;
mod overruled;
mod source;

pub use destination::DestinationObserved;
pub use overruled::{Overruled, Overruling};
pub use source::{SourceObserved, secret_fingerprint};

use crate::time::Timestamp;
use serde::{Deserialize, Serialize};

/// An observed value, with its time and its place in the control group's log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Observed<T> {
    pub value: T,
    pub at: Timestamp,
    /// Where the control group's log has it. An admin overrules what was observed up to a place.
    pub index: u64,
}
