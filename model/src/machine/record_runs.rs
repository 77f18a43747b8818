//! Records what came of attempts, and of the transformations on the way to them: their executions beside the attempt, or
//! the end of an event that they made none of. Such an event becomes an ignored one under the same id, from where it can be retried.

use super::{
    AttemptReport, Context, Effect, Next, Recorded, event_rows, record_attempts, tallies::Tallies,
};
use crate::{
    ids::{AttemptId, ConnectionId, EventId, ExecutionId},
    state::{
        codec::{self, as_stored},
        keys,
        kv::{Kv, Table},
        tables::{self, TableError},
    },
    time::Timestamp,
    traffic::{
        Attempt, ConsoleLine, Execution, IgnoreCause, Ignored, IgnoredMeta, LogLevel,
        TransformationUse,
    },
};
use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RecordRuns {
    pub reports: Vec<RunReport>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunReport {
    pub event: EventId,
    /// Counted from 1; one more than the event had when its transformations ran.
    pub number: u16,
    /// In the order in which they ran.
    pub runs: Vec<Run>,
    pub end: RunEnd,
}

/// A run, as the node that made it tells of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Run {
    pub used: TransformationUse,
    pub at: Timestamp,
    pub failed: bool,
    pub log_level: LogLevel,
    pub logs: Vec<ConsoleLine>,
}

/// The outcome of a run of transformations: what was done with what they made.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum RunEnd {
    Attempted {
        #[serde(with = "as_stored")]
        attempt: Attempt,
        next: Next,
    },
    /// Nothing is to be sent.
    Ignored {
        /// When the event was due when they ran. Due at another time, somebody retried it since: it has another try.
        due_at: Timestamp,
        cause: IgnoreCause,
        meta: Option<IgnoredMeta>,
    },
}

impl From<AttemptReport> for RunReport {
    /// An attempt on whose way no transformation ran.
    fn from(report: AttemptReport) -> Self {
        Self {
            event: report.event,
            number: report.number,
            runs: Vec::new(),
            end: RunEnd::Attempted {
                attempt: report.attempt,
                next: report.next,
            },
        }
    }
}

pub(super) fn apply(
    kv: &mut impl Kv,
    context: &Context<'_>,
    command: RecordRuns,
    effects: &mut Vec<Effect>,
) -> Result<Vec<Recorded>, TableError> {
    let mut replies = Vec::with_capacity(command.reports.len());
    let mut tallies = Tallies::default();
    for report in command.reports {
        replies.push(record(kv, context, report, &mut tallies, effects)?);
    }
    tallies.write(kv, context.index)?;
    Ok(replies)
}

fn record(
    kv: &mut impl Kv,
    context: &Context<'_>,
    report: RunReport,
    tallies: &mut Tallies,
    effects: &mut Vec<Effect>,
) -> Result<Recorded, TableError> {
    let RunReport {
        event: id,
        number,
        runs,
        end,
    } = report;
    let Some(event) = tables::event(kv, id)? else {
        return Ok(Recorded::Late);
    };
    let recorded = match end {
        RunEnd::Attempted { attempt, next } => {
            let report = AttemptReport {
                event: id,
                number,
                attempt,
                next,
            };
            record_attempts::record(kv, context, &report, tallies, effects)?
        }
        RunEnd::Ignored { due_at, .. }
            if number != event.attempts.saturating_add(1) || event.due_at != Some(due_at) =>
        {
            Recorded::Late
        }
        RunEnd::Ignored { cause, meta, .. } => {
            let row = Ignored {
                connection_id: event.connection_id,
                cause,
                created_at: context.now,
                meta,
            };
            event_rows::remove(kv, context, id, &event, effects)?;
            ignore(kv, id, &row)?;
            Recorded::Ignored(cause)
        }
    };
    if recorded != Recorded::Late {
        let attempted = AttemptId { event: id, number };
        keep(kv, context, attempted, event.connection_id, runs, tallies);
    }
    Ok(recorded)
}

/// Writes an ignored event, and lets its request count it as one.
fn ignore(kv: &mut impl Kv, id: EventId, row: &Ignored) -> Result<(), TableError> {
    kv.put(Table::Index, &keys::ignored(id), &codec::encode(row));
    if let Some(mut request) = tables::request(kv, id.request())? {
        request.events = request.events.saturating_sub(1);
        request.ignored = request.ignored.saturating_add(1);
        tables::put_request(kv, id.request(), &request);
    }
    Ok(())
}

fn keep(
    kv: &mut impl Kv,
    context: &Context<'_>,
    attempt: AttemptId,
    connection_id: ConnectionId,
    runs: Vec<Run>,
    tallies: &mut Tallies,
) {
    let mut behind = Vec::new();
    for (run, place) in runs.into_iter().zip(0..=u8::MAX) {
        let id = ExecutionId {
            event: attempt.event,
            index: context.index,
            place,
        };
        let execution = Execution {
            connection_id,
            attempt: attempt.number,
            used: run.used,
            behind: behind.clone(),
            at: run.at,
            failed: run.failed,
            log_level: run.log_level,
            logs: run.logs,
        };
        tallies.run(id, &execution);
        kv.put(
            Table::Index,
            &keys::execution(id),
            &codec::encode(&execution),
        );
        kv.put(Table::Index, &keys::executed(run.used.id, id), &[]);
        behind.push(run.used);
    }
}
