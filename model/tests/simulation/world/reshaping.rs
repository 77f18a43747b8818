//! A transformation on the way to one destination: its first version fails over every other body, until it is mended.

use super::{Mistake, World};
use crate::network::Purpose;
use bytes::Bytes;
use model::ids::{DestinationId, EventId, SourceId, TransformationId};
use model::machine::{Command, RetryIgnored, Run, RunEnd, RunReport};
use model::state::keys::{self, Due};
use model::state::kv::{Read, Table};
use model::state::{codec, tables};
use model::traffic::{
    Event, IgnoreCause, Ignored, IgnoredMeta, LogLevel, TransformationUse, Trigger,
};

/// Where the connection has a transformation.
pub(crate) const RESHAPED: DestinationId = DestinationId(3);
const TRANSFORMATION: TransformationId = TransformationId(7 << 16);
/// How long a run takes.
pub(super) const RUN_MS: u64 = 3;

/// What a version makes of a body.
pub(crate) fn made(version: u16, body: &Bytes) -> Option<Bytes> {
    let sum: u32 = body.iter().map(|byte| u32::from(*byte)).sum();
    let fails = version == 1 && sum % 2 == 1;
    let name = [b"version ", version.to_string().as_bytes(), b" of "].concat();
    (!fails).then(|| [name, body.to_vec()].concat().into())
}

/// What became of a body, and the runs that it took.
pub(super) struct Reshaped {
    pub(super) body: Option<Bytes>,
    pub(super) runs: Vec<Run>,
}

impl Reshaped {
    pub(super) fn comes_to_nothing(self, due: Due, number: u16) -> RunReport {
        let meta = self
            .runs
            .last()
            .map(|run| IgnoredMeta::TransformationFailed(run.used));
        RunReport {
            event: due.event,
            number,
            runs: self.runs,
            end: RunEnd::Ignored {
                due_at: due.at,
                cause: IgnoreCause::TransformationFailed,
                meta,
            },
        }
    }
}

impl World {
    /// Runs the transformation of a due event's connection, if it has one.
    pub(super) fn reshaped(
        &mut self,
        node: usize,
        due: Due,
        event: &Event,
        body: &Bytes,
    ) -> Result<Reshaped, String> {
        if due.destination != RESHAPED {
            return Ok(Reshaped {
                body: Some(body.clone()),
                runs: Vec::new(),
            });
        }
        let of_the_day = if self.now < self.mended_at { 1 } else { 2 };
        let group = usize::from(due.event.group().0) - 1;
        let rows = &self.nodes[node].replicas[group].rows;
        let before = match event.next_trigger {
            Trigger::Automatic if self.mistake != Mistake::ForgetsTheVersion => {
                tables::versions_of(rows, due.event, event.attempts).map_err(|e| e.to_string())?
            }
            _ => Vec::new(),
        };
        let version = before.first().map_or(of_the_day, |used| used.version);
        self.coverage.pinned += usize::from(version != of_the_day);
        let body = made(version, body);
        let failed = body.is_none();
        let run = Run {
            used: TransformationUse {
                id: TRANSFORMATION,
                version,
            },
            at: self.nodes[node].clock(self.now),
            failed,
            log_level: if failed {
                LogLevel::Fatal
            } else {
                LogLevel::Info
            },
            logs: Vec::new(),
        };
        Ok(Reshaped {
            body,
            runs: vec![run],
        })
    }

    /// Somebody retries an event that a transformation made nothing of, if there is one.
    pub(super) fn retry_ignored(&mut self, node: usize) -> Result<bool, String> {
        for group in 0..self.groups.len() {
            let rows = &self.nodes[node].replicas[group].rows;
            let (from, to) = (keys::ignored(EventId(0)), keys::ignored(EventId(u128::MAX)));
            let found = rows.scan(Table::Index, &from, &to, usize::MAX);
            for (key, value) in found.map_err(|e| e.to_string())? {
                let row: Ignored = codec::decode(&value).map_err(|e| e.to_string())?;
                let Some(event) = keys::ignored_event(&key) else {
                    continue;
                };
                if row.cause != IgnoreCause::TransformationFailed {
                    continue;
                }
                self.ledger.by_hand(event);
                let command = Command::RetryIgnored(RetryIgnored {
                    event,
                    source: SourceId(1),
                    destination: RESHAPED,
                    trigger: Trigger::Manual,
                });
                let bytes = command.envelope(self.nodes[node].clock(self.now), &[]);
                self.propose(node, group, bytes, Purpose::ByHand);
                return Ok(true);
            }
        }
        Ok(false)
    }
}
