//! A bulk operation: one deed done to everything that a query finds, and how far each partition has come with it.

use crate::{query::Asked, state::codec::Stored, time::Timestamp};
use serde::{Deserialize, Serialize};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum OperationKind {
    RetryEvents,
    RetryRequests,
    RetryIgnored,
    CancelEvents,
}

/// A bulk operation as the control group keeps it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Operation {
    pub kind: OperationKind,
    /// What it is about.
    pub query: Asked,
    /// The query as it was given: JSON.
    pub shown: String,
    /// What the query found when the operation was planned; none: too much to be counted.
    pub estimated_count: Option<u64>,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
    pub cancelled_at: Option<Timestamp>,
    pub completed_at: Option<Timestamp>,
    /// What each partition has reported, from partition 1 on.
    pub parts: Vec<PartReport>,
}

/// A partition's progress report on its part of a bulk operation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PartReport {
    /// Pages worked off. A report of fewer is an old one.
    pub page: u32,
    pub completed: u64,
    pub failed: u64,
    pub ended: bool,
}

/// A partition's part of a bulk operation, as the partition itself keeps it: whoever leads goes on from here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OperationPart {
    /// What was there by then belongs to the operation. Whatever is applied later is later than this.
    pub opened_at: Timestamp,
    /// Whether events that change are kept as they were found.
    pub remembers: bool,
    /// The first id that was not looked at yet.
    pub next: u128,
    /// Where the ids end that may belong to it.
    pub to: u128,
    pub report: PartReport,
}

impl Operation {
    #[must_use]
    pub fn is_in_progress(&self) -> bool {
        self.completed_at.is_none() && self.cancelled_at.is_none()
    }

    /// Whether no partition has anything left to do or to say.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        self.parts.iter().all(|part| part.ended)
    }

    /// The sum of all partitions' reports.
    #[must_use]
    pub fn report(&self) -> PartReport {
        let mut sum = PartReport {
            ended: self.is_settled(),
            ..PartReport::default()
        };
        for part in &self.parts {
            sum.page = sum.page.saturating_add(part.page);
            sum.completed = sum.completed.saturating_add(part.completed);
            sum.failed = sum.failed.saturating_add(part.failed);
        }
        sum
    }
}

impl OperationPart {
    /// Whether an event that changes now must be kept as it was found.
    #[must_use]
    pub fn wants(&self, event: u128) -> bool {
        self.remembers && !self.report.ended && (self.next..self.to).contains(&event)
    }
}

impl Stored for Operation {
    const WHAT: &'static str = "bulk operation";
    const VERSION: u8 = 1;
}

impl Stored for OperationPart {
    const WHAT: &'static str = "part of a bulk operation";
    const VERSION: u8 = 1;
}
