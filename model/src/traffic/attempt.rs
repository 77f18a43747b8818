//! An attempt: one try to deliver an event, and what came of it. What every attempt has stands here, what only its
//! transport knows in the transport's own record.

mod stored;

pub use stored::FirstAttempt;

use super::{Outcome, TransportRecord};
use crate::{ids::NodeId, time::Timestamp};
use serde::{Deserialize, Serialize};
use stored::SecondAttempt;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Trigger {
    Initial,
    Automatic,
    Manual,
    BulkRetry,
    Unpause,
}

impl Trigger {
    /// The API's word for it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Initial => "INITIAL",
            Self::Automatic => "AUTOMATIC",
            Self::Manual => "MANUAL",
            Self::BulkRetry => "BULK_RETRY",
            Self::Unpause => "UNPAUSE",
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum AttemptStatus {
    Successful,
    Failed,
}

/// An attempt as its partition keeps it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(from = "SecondAttempt<'static>")]
pub struct Attempt {
    pub trigger: Trigger,
    pub node: NodeId,
    pub started_at: Timestamp,
    pub finished_at: Timestamp,
    pub outcome: Outcome,
    pub transport: TransportRecord,
}

impl Attempt {
    #[must_use]
    pub fn status(&self) -> AttemptStatus {
        if self.outcome.is_success() {
            AttemptStatus::Successful
        } else {
            AttemptStatus::Failed
        }
    }
}
