//! The replicated machine: a command is the only way in which state changes.

mod accept_requests;
mod advance_retention;
mod cancel_event;
mod change_issue;
mod command;
mod configure;
mod dropped;
mod event_rows;
mod filed;
mod hold_events;
mod issue_rows;
mod keep_bookmark;
mod keep_handshake;
mod let_go;
mod mark_paused;
mod mend_time;
mod observe_secret_use;
mod observe_wishes;
mod observed_rows;
mod plan_operation;
mod queued;
mod record_attempts;
mod record_notifications;
mod record_runs;
mod release_events;
mod report_issues;
mod retire_node;
mod retry_event;
mod retry_ignored;
mod route_again;
mod seen;
mod tallies;
mod work_operation;

pub use accept_requests::{
    AcceptRequests, Accepted, Incoming, Keyed, KeyedEvent, Planned, PlannedIgnored, Unrouted,
    Verdict,
};
pub use advance_retention::AdvanceRetention;
pub use cancel_event::CancelEvent;
pub use change_issue::{ChangeIssue, IssueReply};
pub use command::{Command, CommandError, Reply, decode_reply};
pub use configure::{Change, Configure, ConfigureTied, Refusal, item};
pub use hold_events::HoldEvents;
pub use issue_rows::IssueBounds;
pub use keep_bookmark::{BookmarkChange, BookmarkReply, KeepBookmark};
pub use keep_handshake::KeepHandshake;
pub use let_go::LetGo;
pub use mark_paused::MarkPaused;
pub use mend_time::MendTime;
pub use observe_secret_use::ObserveSecretUse;
pub use observe_wishes::ObserveWishes;
pub use observed_rows::ObserveReply;
pub use plan_operation::{CancelOperation, OperationReply, PlanOperation, ReportPart};
pub use record_attempts::{AttemptReport, FirstReport, Next, RecordAttempts, Recorded};
pub use record_notifications::{NotificationTry, RecordNotifications};
pub use record_runs::{RecordRuns, Run, RunEnd, RunReport};
pub use release_events::ReleaseEvents;
pub use report_issues::{Fact, IssueReport, ReportIssues};
pub use retire_node::{RetireNode, is_retired};
pub use retry_event::{EventReply, RetryEvent};
pub use retry_ignored::RetryIgnored;
pub use route_again::RouteAgain;
pub use seen::Once;
pub use tallies::KINDS_PER_CONNECTION;
pub use work_operation::{Act, ClosePart, OpenPart, WorkPart};

use crate::{
    catalog::CatalogChange,
    ids::{DestinationId, GroupId, OperationId},
    state::{
        keys,
        kv::{Kv, KvError},
        tables::{self, TableError},
    },
    time::Timestamp,
    traffic::OperationPart,
};
use bytes::Bytes;
use queued::Counted;
use std::collections::BTreeSet;

/// A committed command at its place in a group's log.
#[derive(Clone, Copy, Debug)]
pub struct Entry<'a> {
    pub group: GroupId,
    pub index: u64,
    /// The proposer's time. Its leader held it against its own ([`crate::clock::Stamped::fits`]), so that no single clock
    /// moves a group's.
    pub at: Timestamp,
    pub head: &'a [u8],
    pub bodies: &'a [Bytes],
}

/// The result of applying a command: the reply to its proposer, and the effects to follow.
#[derive(Clone, Debug)]
pub struct Applied {
    /// A [`Reply`], encoded.
    pub reply: Bytes,
    pub effects: Vec<Effect>,
}

/// An effect of a command, to be followed after the commit, by who follows it.
#[derive(Clone, Debug, PartialEq)]
pub enum Effect {
    Leader(LeaderEffect),
    EveryNode(NodeEffect),
}

/// A hint to the partition's leader. It may be lost: a sweep finds the same work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LeaderEffect {
    Wake {
        destination: DestinationId,
        due_at: Timestamp,
    },
}

/// An effect on every node that applied the command. Whoever misses it reads the state anew.
#[derive(Clone, Debug, PartialEq)]
pub enum NodeEffect {
    CatalogChanged(CatalogChange),
    /// Rows went, and with them the bodies that only they referred to.
    RetentionAdvanced(RetentionAdvanced),
}

/// The payload buckets that retention lets go of, and those that it must keep.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RetentionAdvanced {
    /// Buckets before this one go unless they are referred to.
    pub before_bucket: u32,
    /// Later ones that only rows that are gone referred to.
    pub gone: BTreeSet<u32>,
    /// Buckets that hold bodies of rows that are kept.
    pub referred: BTreeSet<u32>,
}

/// What an `apply` function works with: the group's own rows and the entry, nothing else.
struct Context<'a> {
    index: u64,
    /// The group's time: the latest that any command carried, up to this one. Monotone, unless [`MendTime`] takes it back.
    now: Timestamp,
    /// The time that the entry itself carries; payload keys are made of it.
    stamped: Timestamp,
    bodies: &'a [Bytes],
    /// Whether any connection is paused here. Where none is, no event is asked for it.
    any_paused: bool,
    /// The parts of open bulk operations that want events kept as they found them.
    remembering: Vec<(OperationId, OperationPart)>,
}

/// Applies one committed command. Total and deterministic: equal rows and entries give equal rows and replies on every node.
///
/// # Errors
/// Only when the store can't be read or holds damage; then this node can't go on.
pub fn apply(kv: &mut impl Kv, entry: Entry<'_>) -> Result<Applied, TableError> {
    let before = keys::read_u64(kv, keys::META_NOW)?;
    let context = Context {
        index: entry.index,
        now: Timestamp(entry.at.0.max(before)),
        stamped: entry.at,
        bodies: entry.bodies,
        any_paused: keys::read_u64(kv, keys::META_PAUSED)? > 0,
        remembering: match keys::read_u64(kv, keys::META_OPERATIONS)? {
            0 => Vec::new(),
            _ => tables::remembering(kv)?,
        },
    };
    if context.now.0 != before {
        keys::write_u64(kv, keys::META_NOW, context.now.0);
    }
    let mut effects = Vec::new();
    let mut counted = Counted::new(kv);
    let kv = &mut counted;
    let reply = match Command::decode(entry.head) {
        Ok(Command::AcceptRequests(command)) => Reply::Accepted(accept_requests::apply(
            kv,
            &context,
            &command,
            &mut effects,
        )?),
        Ok(Command::RecordAttempts(command)) => {
            Reply::Recorded(record_attempts::apply(kv, &context, command, &mut effects)?)
        }
        Ok(Command::Configure(command)) => {
            Reply::Configured(configure::apply(kv, &command, &mut effects)?)
        }
        Ok(Command::ConfigureTied(command)) => {
            Reply::Configured(configure::apply_tied(kv, &command, &mut effects)?)
        }
        Ok(Command::RetryEvent(command)) => {
            Reply::Event(retry_event::apply(kv, &context, command, &mut effects)?)
        }
        Ok(Command::CancelEvent(command)) => {
            Reply::Event(cancel_event::apply(kv, &context, command, &mut effects)?)
        }
        Ok(Command::AdvanceRetention(command)) => {
            Reply::Retention(advance_retention::apply(kv, command, &mut effects)?)
        }
        Ok(Command::LetGo(command)) => {
            let before = Timestamp(before);
            Reply::Retention(let_go::apply(kv, &context, before, command, &mut effects)?)
        }
        Ok(Command::RetireNode(command)) => {
            retire_node::apply(kv, command);
            Reply::Retired
        }
        Ok(Command::RecordRuns(command)) => {
            Reply::Recorded(record_runs::apply(kv, &context, command, &mut effects)?)
        }
        Ok(Command::RetryIgnored(command)) => {
            Reply::Event(retry_ignored::apply(kv, &context, command, &mut effects)?)
        }
        Ok(Command::ReportIssues(command)) => {
            report_issues::apply(kv, &context, &command)?;
            Reply::Reported
        }
        Ok(Command::ChangeIssue(command)) => {
            Reply::Issue(change_issue::apply(kv, &context, &command)?)
        }
        Ok(Command::RecordNotifications(command)) => {
            record_notifications::apply(kv, &command)?;
            Reply::Notified
        }
        Ok(Command::MarkPaused(command)) => {
            Reply::Marked(mark_paused::apply(kv, &context, &command)?)
        }
        Ok(Command::HoldEvents(command)) => {
            Reply::Held(hold_events::apply(kv, &context, &command, &mut effects)?)
        }
        Ok(Command::ReleaseEvents(command)) => {
            Reply::Released(release_events::apply(kv, &context, command, &mut effects)?)
        }
        Ok(Command::RouteAgain(command)) => {
            Reply::Routed(route_again::apply(kv, &context, &command, &mut effects)?)
        }
        Ok(Command::PlanOperation(command)) => {
            Reply::Operation(plan_operation::plan(kv, &context, &command)?)
        }
        Ok(Command::CancelOperation(command)) => {
            Reply::Operation(plan_operation::cancel(kv, &context, command)?)
        }
        Ok(Command::ReportPart(command)) => {
            Reply::Operation(plan_operation::report(kv, &context, command)?)
        }
        Ok(Command::OpenPart(command)) => {
            Reply::Part(Some(work_operation::open(kv, &context, command)?))
        }
        Ok(Command::WorkPart(command)) => {
            let part = work_operation::work(kv, &context, &command, &mut effects)?;
            Reply::Part(part)
        }
        Ok(Command::ClosePart(command)) => Reply::Part(work_operation::close(kv, command)?),
        Ok(Command::KeepBookmark(command)) => {
            Reply::Bookmark(keep_bookmark::apply(kv, &context, &command)?)
        }
        Ok(Command::MendTime(command)) => Reply::Mended(mend_time::apply(kv, command)?),
        Ok(Command::KeepHandshake(command)) => {
            Reply::Observed(keep_handshake::apply(kv, &context, &command, &mut effects)?)
        }
        Ok(Command::ObserveSecretUse(command)) => Reply::Observed(observe_secret_use::apply(
            kv,
            &context,
            command,
            &mut effects,
        )?),
        Ok(Command::ObserveWishes(command)) => {
            Reply::Observed(observe_wishes::apply(kv, &context, command, &mut effects)?)
        }
        // A newer proposer's command: every node of this version answers the same and changes nothing.
        Err(_) => Reply::Malformed,
    };
    counted.finish()?;
    Ok(Applied {
        reply: reply.encode(),
        effects,
    })
}

impl From<TableError> for KvError {
    fn from(error: TableError) -> Self {
        match error {
            TableError::Store(error) => error,
            TableError::Codec(error) => Self {
                table: crate::state::kv::Table::Meta,
                doing: "decoding a row of",
                source: Box::new(error),
            },
        }
    }
}

/// Adds a wake-up, merging it with one for the same destination: a batch often holds many events of one.
fn wake(effects: &mut Vec<Effect>, destination: DestinationId, due_at: Timestamp) {
    let known = effects.iter_mut().find_map(|effect| match effect {
        Effect::Leader(LeaderEffect::Wake {
            destination: other,
            due_at,
        }) if *other == destination => Some(due_at),
        _ => None,
    });
    match known {
        Some(earliest) => *earliest = due_at.min(*earliest),
        None => effects.push(Effect::Leader(LeaderEffect::Wake {
            destination,
            due_at,
        })),
    }
}
