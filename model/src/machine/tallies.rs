//! Tallies of failures and successes of one command: gathered while it is applied, written once at its end, so that a
//! storm of failures of one kind costs one row.

use crate::{
    ids::{AttemptId, ConnectionId, ExecutionId, RequestId, SourceId, TransformationId},
    state::{
        codec, issues, keys,
        kv::{Kv, Table},
        tables::TableError,
    },
    time::Timestamp,
    traffic::{
        Attempt, Execution, Failure, IssueKey, LogLevel, Mark, RejectionCause, Sampled, Sighting,
        Tally,
    },
};
use std::collections::BTreeMap;

/// Kinds of failures of one connection that a partition tallies; the one that was not seen for longest makes room.
pub const KINDS_PER_CONNECTION: usize = 32;

#[derive(Debug, Default)]
pub(super) struct Tallies {
    seen: BTreeMap<IssueKey, Sighting>,
    delivered: BTreeMap<ConnectionId, Timestamp>,
    ran_well: BTreeMap<TransformationId, Timestamp>,
}

impl Tallies {
    /// Counts an attempt. `is_final`: its event has failed with it.
    pub(super) fn attempt(
        &mut self,
        connection: ConnectionId,
        id: AttemptId,
        attempt: &Attempt,
        is_final: bool,
    ) {
        let at = attempt.finished_at;
        let Some(code) = attempt.outcome.error_code else {
            let latest = self.delivered.entry(connection).or_default();
            *latest = at.max(*latest);
            return;
        };
        let status = attempt.outcome.response_status();
        let key = IssueKey::Delivery {
            connection,
            failure: status.map_or(Failure::Error(code), Failure::Status),
        };
        self.add(key, Sighting::once(Sampled::Attempt(id), at, is_final));
    }

    /// Counts a request that was rejected and kept.
    pub(super) fn rejected(
        &mut self,
        source: SourceId,
        cause: RejectionCause,
        request: RequestId,
        at: Timestamp,
    ) {
        let key = IssueKey::Request { source, cause };
        self.add(key, Sighting::once(Sampled::Request(request), at, true));
    }

    /// Counts a run of a transformation.
    pub(super) fn run(&mut self, id: ExecutionId, execution: &Execution) {
        let (at, log_level) = (execution.at, execution.log_level);
        if !execution.failed && log_level < LogLevel::Warn {
            let latest = self.ran_well.entry(execution.used.id).or_default();
            *latest = at.max(*latest);
        }
        if let Some(key) = IssueKey::of_execution(execution) {
            let of = Sampled::Execution(id);
            self.add(key, Sighting::once(of, at, execution.failed));
        }
    }

    fn add(&mut self, key: IssueKey, seen: Sighting) {
        match self.seen.get_mut(&key) {
            Some(known) => known.add(&seen),
            None => {
                self.seen.insert(key, seen);
            }
        }
    }

    /// Writes everything down, as of the entry at `index`.
    pub(super) fn write(self, kv: &mut impl Kv, index: u64) -> Result<(), TableError> {
        for (ordinal, (key, seen)) in (0..=u16::MAX).zip(self.seen) {
            let mark = Mark { index, ordinal };
            let tally = match issues::tally(kv, &key)? {
                Some(mut tally) => {
                    kv.delete(Table::Index, &keys::tally_mark(tally.mark));
                    tally.add(mark, &seen);
                    tally
                }
                None => {
                    make_room(kv, &key)?;
                    Tally::begun(mark, seen)
                }
            };
            kv.put(Table::Index, &keys::tally(&key), &codec::encode(&tally));
            kv.put(Table::Index, &keys::tally_mark(mark), &codec::encode(&key));
        }
        for (connection, at) in self.delivered {
            // Blindly: outcomes of a moment ago in another order make no difference that matters.
            kv.put(
                Table::Index,
                &keys::delivered(connection),
                &at.0.to_be_bytes(),
            );
        }
        for (transformation, at) in self.ran_well {
            let key = keys::ran_well(transformation);
            kv.put(Table::Index, &key, &at.0.to_be_bytes());
        }
        Ok(())
    }
}

/// A receiver chooses its answers: it must not be able to fill the store with kinds of them.
fn make_room(kv: &mut impl Kv, key: &IssueKey) -> Result<(), TableError> {
    let IssueKey::Delivery { connection, .. } = *key else {
        return Ok(());
    };
    let (from, to) = keys::tallies_of(connection);
    let rows = kv.scan(Table::Index, &from, &to, KINDS_PER_CONNECTION)?;
    if rows.len() < KINDS_PER_CONNECTION {
        return Ok(());
    }
    let mut oldest = None;
    for (row, value) in rows {
        let mark = codec::decode_row::<Tally>(kv, Table::Index, &value)?.mark;
        if oldest.as_ref().is_none_or(|(known, _)| mark < *known) {
            oldest = Some((mark, row));
        }
    }
    if let Some((mark, row)) = oldest {
        kv.delete(Table::Index, &row);
        kv.delete(Table::Index, &keys::tally_mark(mark));
    }
    Ok(())
}

/// Tallies looked at in one command.
const FORGOTTEN_MAX: usize = 10_000;

/// Lets tallies go that were last changed before a moment, and what is known of connections and
/// transformations that have been quiet since.
pub(super) fn forget(kv: &mut impl Kv, before: Timestamp) -> Result<(), TableError> {
    for (mark, key) in issues::tallies_behind(kv, Mark::default(), FORGOTTEN_MAX)? {
        match issues::tally(kv, &key)? {
            // Marks stand in the order of the log, and so nearly in that of time: the rest is younger.
            Some(tally) if tally.last_at >= before => break,
            _ => {}
        }
        kv.delete(Table::Index, &keys::tally(&key));
        kv.delete(Table::Index, &keys::tally_mark(mark));
    }
    for (from, to) in [keys::delivered_all(), keys::ran_well_all()] {
        for (key, value) in kv.scan(Table::Index, &from, &to, FORGOTTEN_MAX)? {
            if keys::read_number(&value) < before.0 {
                kv.delete(Table::Index, &key);
            }
        }
    }
    Ok(())
}
