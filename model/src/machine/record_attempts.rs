//! Records what came of attempts, and what is to follow: an end, or a next try at a time that the proposer drew.

use super::{Context, Effect, tallies::Tallies};
use crate::{
    ids::{AttemptId, EventId},
    state::{
        codec,
        kv::{Kv, Table},
        tables::{self, TableError},
    },
    time::Timestamp,
    traffic::{Attempt, EventStatus, Trigger},
};
use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RecordAttempts {
    pub reports: Vec<AttemptReport>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AttemptReport {
    pub event: EventId,
    /// Counted from 1; one more than the event had when the attempt was launched.
    pub number: u16,
    pub attempt: Attempt,
    pub next: Next,
}

/// What follows an attempt. Decided by `policy::retry` with the proposer's jitter.
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
}

pub(super) fn apply(
    kv: &mut impl Kv,
    context: &Context<'_>,
    command: &RecordAttempts,
    effects: &mut Vec<Effect>,
) -> Result<Vec<Recorded>, TableError> {
    let mut replies = Vec::with_capacity(command.reports.len());
    let mut tallies = Tallies::default();
    for report in &command.reports {
        replies.push(record(kv, context, report, &mut tallies, effects)?);
    }
    tallies.write(kv, context.index)?;
    Ok(replies)
}

fn record(
    kv: &mut impl Kv,
    context: &Context<'_>,
    report: &AttemptReport,
    tallies: &mut Tallies,
    effects: &mut Vec<Effect>,
) -> Result<Recorded, TableError> {
    let Some(mut event) = tables::event(kv, report.event)? else {
        return Ok(Recorded::Late);
    };
    if report.number != event.attempts.saturating_add(1) {
        return Ok(Recorded::Late);
    }
    let id = AttemptId {
        event: report.event,
        number: report.number,
    };
    kv.put(Table::Attempts, &id.key(), &codec::encode(&report.attempt));
    if let Some(due) = tables::due_row(report.event, &event) {
        kv.delete(Table::Due, &due.key());
    }
    let was = event.status;
    event.attempts = report.number;
    event.updated_at = context.now;
    event.due_at = None;
    event.last_attempt_at = Some(report.attempt.finished_at);
    event.response_status = report.attempt.outcome.response_status;
    event.error_code = report.attempt.outcome.error_code;
    match report.next {
        Next::Delivered => {
            event.status = EventStatus::Successful;
            event.successful_at = Some(report.attempt.finished_at);
        }
        // It ended (was cancelled) while the attempt was under way: no further try.
        Next::RetryAt(_) | Next::GiveUp if was.is_ended() => {}
        Next::RetryAt(at) => {
            event.status = EventStatus::Scheduled;
            event.due_at = Some(at);
            event.next_trigger = Trigger::Automatic;
            super::wake(effects, event.destination_id, at);
        }
        Next::GiveUp => event.status = EventStatus::Failed,
    }
    debug_assert!(
        was == event.status || was.may_become(event.status),
        "{was:?} {event:?}"
    );
    if let Some(due) = tables::due_row(report.event, &event) {
        kv.put(Table::Due, &due.key(), &[]);
    }
    tables::put_event(kv, report.event, &event);
    let is_final = event.status == EventStatus::Failed && !was.is_ended();
    tallies.attempt(event.connection_id, id, &report.attempt, is_final);
    Ok(Recorded::Counted(event.status))
}
