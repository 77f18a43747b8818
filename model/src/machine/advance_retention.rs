//! Lets everything minted before a moment go. The proposer has seen that all of it has ended.

use super::{Effect, accept_requests, tallies};
use crate::{
    ids::{AttemptId, EventId, RequestId, SourceId},
    state::{
        keys,
        kv::{Kv, Table},
        tables::TableError,
    },
    time::Timestamp,
};
use serde::{Deserialize, Serialize};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AdvanceRetention {
    /// Requests and events minted before the start of this moment's hour go: payloads go by the hour.
    pub before: Timestamp,
    /// The log index up to which the proposer looked for events that have not ended.
    pub seen_index: u64,
}

const HOUR_MS: u64 = 3_600_000;
/// Rejected requests looked at in one command.
const REJECTED_MAX: usize = 10_000;

pub(super) fn apply(
    kv: &mut impl Kv,
    command: AdvanceRetention,
    effects: &mut Vec<Effect>,
) -> Result<bool, TableError> {
    // A proposer that names a moment within an hour must not tear the hour apart.
    let before = Timestamp(command.before.0 - command.before.0 % HOUR_MS);
    let retained_from = keys::read_u64(kv, keys::META_RETAINED_FROM)?;
    let reopened_at = keys::read_u64(kv, keys::META_REOPENED_AT)?;
    // An old event was reopened after the proposer looked: it must look again.
    if before.0 <= retained_from || reopened_at > command.seen_index {
        return Ok(false);
    }
    // So was a request accepted that had been minted long before: its events are live, and nobody looked at them.
    let (first, last) = (keys::accepted_at(0), keys::accepted_at(before.bucket()));
    let accepted = kv.scan(Table::Counts, &first, &last, usize::MAX)?;
    let unseen = |value: &[u8]| keys::read_number(value) > command.seen_index;
    if accepted.iter().any(|(_, value)| unseen(value)) {
        return Ok(false);
    }
    kv.delete_range(Table::Counts, &first, &last);
    let end = RequestId(u128::from(before.0) << 80);
    let event_end = EventId(end.0);
    let attempt_end = AttemptId {
        event: event_end,
        number: 0,
    };
    drop_rejected(kv, end)?;
    kv.delete_range(Table::Requests, &[0; 16], &end.key());
    kv.delete_range(Table::Events, &[0; 16], &event_end.key());
    kv.delete_range(Table::Attempts, &[0; 18], &attempt_end.key());
    kv.delete_range(
        Table::Index,
        &keys::ignored(EventId(0)),
        &keys::ignored(event_end),
    );
    let (first, last) = keys::executions_between(EventId(0), event_end);
    kv.delete_range(Table::Index, &first, &last);
    drop_executed(kv, event_end)?;
    tallies::forget(kv, before)?;
    kv.delete_range(
        Table::Index,
        &keys::bulk_attempt(AttemptId {
            event: EventId(0),
            number: 0,
        }),
        &keys::bulk_attempt(attempt_end),
    );
    keys::write_u64(kv, keys::META_RETAINED_FROM, before.0);
    effects.push(Effect::RetentionAdvanced {
        before_bucket: before.bucket(),
    });
    Ok(true)
}

/// Looks once for each transformation, however many executions it had.
fn drop_executed(kv: &mut impl Kv, end: EventId) -> Result<(), TableError> {
    let (from, to) = keys::EXECUTED_ALL;
    let mut from = from.to_vec();
    while let Some((key, _)) = kv.scan(Table::Index, &from, &to, 1)?.pop() {
        let Some((transformation, _)) = keys::execution_of(&key) else {
            from = [key.as_ref(), &[0]].concat();
            continue;
        };
        let (first, last) = keys::executed_between(transformation, EventId(0), end);
        kv.delete_range(Table::Index, &first, &last);
        from = keys::executed_between(transformation, EventId(u128::MAX), end).0;
        from.resize(from.len() + 16, u8::MAX);
    }
    Ok(())
}

fn drop_rejected(kv: &mut impl Kv, end: RequestId) -> Result<(), TableError> {
    let (from, to) = keys::REJECTED_ALL;
    for (key, _) in kv.scan(Table::Index, &from, &to, REJECTED_MAX)? {
        let Some(request) = keys::rejected_request(&key).filter(|request| *request < end) else {
            continue;
        };
        kv.delete(Table::Requests, &request.key());
        match key.get(1..17).and_then(SourceId::from_key) {
            Some(source) => accept_requests::unlist_rejected(kv, source, request)?,
            None => kv.delete(Table::Index, &key),
        }
    }
    Ok(())
}
