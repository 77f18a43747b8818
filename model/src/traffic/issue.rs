//! An issue: a trouble that persists and that people work on, from its opening to its end.

use super::{
    Count, ErrorCode, Event, Execution, LogLevel, RejectionCause, Sample, Tally,
    tally::merge_samples,
};
use crate::{
    ids::{
        ConnectionId, DestinationId, GroupId, IssueId, IssueTriggerId, ProjectNumber, SourceId,
        TransformationId,
    },
    state::codec::Stored,
    time::Timestamp,
};
use serde::{Deserialize, Serialize};

/// The names are the API's; the numbers are part of keys: append only.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[repr(u8)]
pub enum IssueType {
    Delivery = 1,
    Transformation = 2,
    Backpressure = 3,
    Request = 4,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum IssueStatus {
    Opened,
    Acknowledged,
    /// It counts on and never opens again.
    Ignored,
    Resolved,
}

/// The cause of a failed delivery: the status of its answer, where there was one, or an error code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Failure {
    Status(u16),
    Error(ErrorCode),
}

/// The grouping key of an issue: everything of one key is one issue.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum IssueKey {
    Delivery {
        connection: ConnectionId,
        failure: Failure,
    },
    Transformation {
        transformation: TransformationId,
        log_level: LogLevel,
    },
    Backpressure {
        destination: DestinationId,
        /// Of the trigger.
        delay_ms: u64,
    },
    Request {
        source: SourceId,
        cause: RejectionCause,
    },
}

impl IssueKey {
    #[must_use]
    pub fn issue_type(&self) -> IssueType {
        match self {
            Self::Delivery { .. } => IssueType::Delivery,
            Self::Transformation { .. } => IssueType::Transformation,
            Self::Backpressure { .. } => IssueType::Backpressure,
            Self::Request { .. } => IssueType::Request,
        }
    }

    /// The project of what it is about.
    #[must_use]
    pub fn project(&self) -> ProjectNumber {
        match self {
            Self::Delivery { connection, .. } => connection.project(),
            Self::Transformation { transformation, .. } => transformation.project(),
            Self::Backpressure { destination, .. } => destination.project(),
            Self::Request { source, .. } => source.project(),
        }
    }

    /// The issue that the failure of an event's last attempt belongs to; none where it did not fail.
    #[must_use]
    pub fn of_event(event: &Event) -> Option<Self> {
        let code = event.error_code?;
        let status = event.response_status.map(Failure::Status);
        Some(Self::Delivery {
            connection: event.connection_id,
            failure: status.unwrap_or(Failure::Error(code)),
        })
    }

    /// The issue that a run of a transformation belongs to, by its gravest line; none where it neither wrote nor
    /// failed.
    #[must_use]
    pub fn of_execution(execution: &Execution) -> Option<Self> {
        let is_told = execution.failed || !execution.logs.is_empty();
        is_told.then_some(Self::Transformation {
            transformation: execution.used.id,
            log_level: execution.log_level,
        })
    }

    /// The key as bytes: the type, the id of what it is about, and the rest.
    #[must_use]
    pub fn bytes(&self) -> Vec<u8> {
        let mut bytes = vec![self.issue_type() as u8];
        match *self {
            Self::Delivery {
                connection,
                failure,
            } => {
                bytes.extend_from_slice(&connection.key());
                let (kind, number) = match failure {
                    Failure::Status(status) => (0, status),
                    Failure::Error(code) => (1, code as u16),
                };
                bytes.push(kind);
                bytes.extend_from_slice(&number.to_be_bytes());
            }
            Self::Transformation {
                transformation,
                log_level,
            } => {
                bytes.extend_from_slice(&transformation.key());
                bytes.push(log_level as u8);
            }
            Self::Backpressure {
                destination,
                delay_ms,
            } => {
                bytes.extend_from_slice(&destination.key());
                bytes.extend_from_slice(&delay_ms.to_be_bytes());
            }
            Self::Request { source, cause } => {
                bytes.extend_from_slice(&source.key());
                bytes.push(cause as u8);
            }
        }
        bytes
    }
}

/// The threshold of delivery issues: which failures open one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Strategy {
    /// Any.
    FirstAttempt,
    /// Those after which the event is not tried again.
    FinalAttempt,
}

impl Strategy {
    fn of(self, count: Count) -> u64 {
        match self {
            Self::FirstAttempt => count.all,
            Self::FinalAttempt => count.finals,
        }
    }

    fn last(self, tally: &Tally) -> Option<Timestamp> {
        match self {
            Self::FirstAttempt => Some(tally.last_at),
            Self::FinalAttempt => tally.last_final_at,
        }
    }

    /// Whether a tally is reason enough.
    #[must_use]
    pub fn is_met(self, tally: &Tally) -> bool {
        self.of(tally.count) > 0
    }
}

/// A transition of an issue that is notified.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum IssueTurn {
    Opened,
    Reopened,
    Resolved,
}

/// An operator's change to an issue.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum IssueChange {
    Status(IssueStatus),
    /// Out of sight until it comes again.
    Dismiss,
}

/// A partition's count of an issue.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Part {
    pub group: GroupId,
    /// Of the partition's tally.
    pub since: u64,
    pub count: Count,
}

/// A partition in which something has waited too long.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Waiting {
    pub group: GroupId,
    /// When what waits longest became due.
    pub since: Timestamp,
}

/// An issue as the control group keeps it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Issue {
    pub key: IssueKey,
    pub status: IssueStatus,
    /// The trigger that opened it last; none: the default of its type.
    pub trigger: Option<IssueTriggerId>,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
    /// When it was last opened.
    pub opened_at: Timestamp,
    pub first_seen_at: Timestamp,
    pub last_seen_at: Timestamp,
    /// What was seen up to here was dealt with: only what comes later opens it again.
    pub settled_at: Option<Timestamp>,
    /// When it was last resolved without anybody's doing.
    pub auto_resolved_at: Option<Timestamp>,
    pub dismissed_at: Option<Timestamp>,
    pub openings: u32,
    /// What tallies counted that are gone.
    pub before: Count,
    pub parts: Vec<Part>,
    pub waiting: Vec<Waiting>,
    /// The newest, the oldest of them first.
    pub samples: Vec<Sample>,
}

impl Stored for Issue {
    const WHAT: &'static str = "issue";
    const VERSION: u8 = 1;
}

/// The index entry by which an issue is found from its key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct IssueEntry {
    pub key: IssueKey,
    pub id: IssueId,
    pub status: IssueStatus,
}

impl Stored for IssueEntry {
    const WHAT: &'static str = "issue entry";
    const VERSION: u8 = 1;
}

impl Issue {
    /// An issue that opens now.
    #[must_use]
    pub fn opened(
        key: IssueKey,
        trigger: Option<IssueTriggerId>,
        seen: (Timestamp, Timestamp),
        now: Timestamp,
    ) -> Self {
        Self {
            key,
            status: IssueStatus::Opened,
            trigger,
            created_at: now,
            updated_at: now,
            opened_at: now,
            first_seen_at: seen.0,
            last_seen_at: seen.1,
            settled_at: None,
            auto_resolved_at: None,
            dismissed_at: None,
            openings: 1,
            before: Count::default(),
            parts: Vec::new(),
            waiting: Vec::new(),
            samples: Vec::new(),
        }
    }

    /// The number of occurrences. What waits is counted by its openings.
    #[must_use]
    pub fn count(&self) -> Count {
        if let IssueKey::Backpressure { .. } = self.key {
            let all = u64::from(self.openings);
            return Count { all, finals: 0 };
        }
        let parts = self.parts.iter();
        parts.fold(self.before, |sum, part| sum.plus(part.count))
    }

    /// Whether it makes room when there are too many. One that is ignored stays, or it would open as a new one.
    #[must_use]
    pub fn may_go(&self) -> bool {
        let over = self.status == IssueStatus::Resolved || self.dismissed_at.is_some();
        over && self.status != IssueStatus::Ignored
    }

    /// Whether it ends by itself when its trouble does.
    #[must_use]
    pub fn is_live(&self) -> bool {
        let live = matches!(self.status, IssueStatus::Opened | IssueStatus::Acknowledged);
        live && self.dismissed_at.is_none()
    }

    /// Whether what was seen at this moment opens it again.
    fn reopens_at(&self, at: Timestamp) -> bool {
        self.may_go() && self.settled_at.is_none_or(|settled| at > settled)
    }

    fn reopen(&mut self, trigger: Option<IssueTriggerId>, now: Timestamp) -> IssueTurn {
        self.status = IssueStatus::Opened;
        self.trigger = trigger;
        self.opened_at = now;
        self.auto_resolved_at = None;
        self.dismissed_at = None;
        self.openings = self.openings.saturating_add(1);
        IssueTurn::Reopened
    }

    fn resolve(&mut self, settled_at: Timestamp) -> IssueTurn {
        self.status = IssueStatus::Resolved;
        self.settled_at = Some(settled_at);
        IssueTurn::Resolved
    }

    /// Counts what a partition has seen so far. `opens`: what the trigger takes for a reason to open it again; none where
    /// nothing does.
    pub fn see(
        &mut self,
        group: GroupId,
        tally: &Tally,
        opens: Option<(Strategy, Option<IssueTriggerId>)>,
        samples_max: usize,
        now: Timestamp,
    ) -> Option<IssueTurn> {
        let grown = self.take(group, tally)?;
        self.first_seen_at = self.first_seen_at.min(tally.first_at);
        self.last_seen_at = self.last_seen_at.max(tally.last_at);
        self.updated_at = now;
        merge_samples(&mut self.samples, &tally.samples, samples_max);
        let (strategy, trigger) = opens?;
        let is_reason =
            strategy.of(grown) > 0 && strategy.last(tally).is_some_and(|at| self.reopens_at(at));
        is_reason.then(|| self.reopen(trigger, now))
    }

    /// Takes a partition's count over. Gives what is new in it; none: nothing, so the report is an old one.
    fn take(&mut self, group: GroupId, tally: &Tally) -> Option<Count> {
        let part = Part {
            group,
            since: tally.since,
            count: tally.count,
        };
        let Some(known) = self.parts.iter_mut().find(|known| known.group == group) else {
            self.parts.push(part);
            return Some(tally.count);
        };
        if part.since < known.since {
            return None;
        }
        if part.since > known.since {
            self.before = self.before.plus(known.count);
            *known = part;
            return Some(tally.count);
        }
        let count = known.count.max(tally.count);
        let grown = Count {
            all: count.all - known.count.all,
            finals: count.finals - known.count.finals,
        };
        known.count = count;
        (grown != Count::default()).then_some(grown)
    }

    /// Whether a partition's tally is counted already.
    #[must_use]
    pub fn has(&self, group: GroupId, tally: &Tally) -> bool {
        self.parts.iter().any(|part| {
            part.group == group
                && (part.since > tally.since
                    || part.since == tally.since && part.count.max(tally.count) == part.count)
        })
    }

    /// The trouble ended at `at`, as far as anybody knows.
    pub fn end(&mut self, at: Timestamp, now: Timestamp) -> Option<IssueTurn> {
        if !self.is_live() || at <= self.last_seen_at {
            return None;
        }
        self.waiting.clear();
        self.updated_at = now;
        self.auto_resolved_at = Some(now);
        Some(self.resolve(at))
    }

    /// In this partition something has waited since then, or nothing waits too long any more.
    pub fn wait(
        &mut self,
        group: GroupId,
        since: Option<Timestamp>,
        trigger: Option<IssueTriggerId>,
        at: Timestamp,
        now: Timestamp,
    ) -> Option<IssueTurn> {
        self.updated_at = now;
        self.waiting.retain(|waiting| waiting.group != group);
        let Some(since) = since else {
            if !self.waiting.is_empty() || !self.is_live() {
                return None;
            }
            self.auto_resolved_at = Some(now);
            return Some(self.resolve(at));
        };
        self.waiting.push(Waiting { group, since });
        self.last_seen_at = self.last_seen_at.max(at);
        // Whoever resolved it is given the whole delay anew.
        let IssueKey::Backpressure { delay_ms, .. } = self.key else {
            return None;
        };
        let from = self.settled_at.map_or(since, |settled| settled.max(since));
        (self.may_go() && at.since_ms(from) >= delay_ms).then(|| self.reopen(trigger, now))
    }

    /// Applies an operator's change, and returns the transition to notify.
    pub fn change(&mut self, change: IssueChange, now: Timestamp) -> Option<IssueTurn> {
        let was = (self.status, self.dismissed_at.is_some());
        match change {
            IssueChange::Dismiss => {
                self.dismissed_at = self.dismissed_at.or(Some(now));
                self.settled_at = Some(now);
            }
            IssueChange::Status(status) if status == was.0 && !was.1 => return None,
            IssueChange::Status(IssueStatus::Opened) if self.may_go() => {
                self.updated_at = now;
                return Some(self.reopen(self.trigger, now));
            }
            IssueChange::Status(status) => {
                self.status = status;
                if status != IssueStatus::Resolved && status != IssueStatus::Ignored {
                    self.dismissed_at = None;
                }
            }
        }
        self.updated_at = now;
        let resolved =
            change == IssueChange::Status(IssueStatus::Resolved) && was.0 != IssueStatus::Resolved;
        resolved.then(|| self.resolve(now))
    }
}
