//! Records what came of attempts, and what is to follow: an end, or a next try at a time that the proposer drew.

use super::{Context, Effect, event_rows, tallies::Tallies};
use crate::{
    ids::{AttemptId, EventId},
    state::{
        codec,
        kv::{Kv, Table},
        tables::{self, TableError},
    },
    time::Timestamp,
    traffic::{Attempt, Event, EventStatus, FirstAttempt, IgnoreCause, Trigger},
};
use serde::{Deserialize, Serialize};

/// Attempts of the first layout. Those of today travel in `RecordRuns`, each behind its version byte.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RecordAttempts {
    pub reports: Vec<FirstReport>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FirstReport {
    pub event: EventId,
    pub number: u16,
    pub attempt: FirstAttempt,
    pub next: Next,
}

#[derive(Clone, Debug, PartialEq)]
pub struct AttemptReport {
    pub event: EventId,
    /// Counted from 1; one more than the event had when the attempt was launched.
    pub number: u16,
    pub attempt: Attempt,
    pub next: Next,
}

/// The decision after an attempt: delivered, retry at a time, or give up. Decided by `policy::retry` with the
/// proposer's jitter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Next {
    Delivered,
    RetryAt(Timestamp),
    GiveUp,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Recorded {
    Counted(EventStatus),
    /// The attempt was counted before, or the event is gone.
    Late,
    /// No attempt was to be made: the event is an ignored one now.
    Ignored(IgnoreCause),
}

pub(super) fn apply(
    kv: &mut impl Kv,
    context: &Context<'_>,
    command: RecordAttempts,
    effects: &mut Vec<Effect>,
) -> Result<Vec<Recorded>, TableError> {
    let mut replies = Vec::with_capacity(command.reports.len());
    let mut tallies = Tallies::default();
    for first in command.reports {
        let report = AttemptReport {
            event: first.event,
            number: first.number,
            attempt: first.attempt.into(),
            next: first.next,
        };
        replies.push(record(kv, context, &report, &mut tallies, effects)?);
    }
    tallies.write(kv, context.index)?;
    Ok(replies)
}

pub(super) fn record(
    kv: &mut impl Kv,
    context: &Context<'_>,
    report: &AttemptReport,
    tallies: &mut Tallies,
    effects: &mut Vec<Effect>,
) -> Result<Recorded, TableError> {
    let Some(was) = tables::event(kv, report.event)? else {
        return Ok(Recorded::Late);
    };
    if report.number != was.attempts.saturating_add(1) {
        return Ok(Recorded::Late);
    }
    let id = AttemptId {
        event: report.event,
        number: report.number,
    };
    kv.put(Table::Attempts, &id.key(), &codec::encode(&report.attempt));
    let mut event = Event {
        attempts: report.number,
        updated_at: context.now,
        due_at: None,
        last_attempt_at: Some(report.attempt.finished_at),
        response_status: report.attempt.outcome.response_status(),
        error_code: report.attempt.outcome.error_code,
        ..was.clone()
    };
    match report.next {
        Next::Delivered => {
            event.status = EventStatus::Successful;
            event.successful_at = Some(report.attempt.finished_at);
        }
        // It ended (was cancelled) while the attempt was under way: no further try.
        Next::RetryAt(_) | Next::GiveUp if was.status.is_ended() => {}
        Next::RetryAt(at) => {
            event.status = EventStatus::Scheduled;
            event.due_at = Some(at);
            event.next_trigger = Trigger::Automatic;
        }
        Next::GiveUp => event.status = EventStatus::Failed,
    }
    let is_final = event.status == EventStatus::Failed && !was.status.is_ended();
    tallies.attempt(event.connection_id, id, &report.attempt, is_final);
    let status = event_rows::put(kv, context, report.event, Some(&was), event, effects)?;
    Ok(Recorded::Counted(status))
}
