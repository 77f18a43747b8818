//! Drops what was minted from one moment to before another: requests, and all rows that hang on them.

use super::accept_requests;
use crate::{
    ids::{AttemptId, EventId, RequestId, SourceId},
    state::{
        keys,
        kv::{Kv, Table},
        tables::TableError,
    },
    time::Timestamp,
};

/// Rejected requests looked at at once.
const PAGE: usize = 10_000;

/// Deletes what was minted between two moments, both of which are the starts of hours.
pub(super) fn minted_between(
    kv: &mut impl Kv,
    from: Timestamp,
    to: Timestamp,
) -> Result<(), TableError> {
    // Ids tell 48 bits of their time.
    let first = |at: Timestamp| RequestId(u128::from(at.0.min((1 << 48) - 1)) << 80);
    let (start, end) = (first(from), first(to));
    let (event_start, event_end) = (EventId(start.0), EventId(end.0));
    let attempt = |event| AttemptId { event, number: 0 };
    let (attempt_start, attempt_end) = (attempt(event_start), attempt(event_end));
    drop_rejected(kv, start, end)?;
    kv.delete_range(Table::Requests, &start.key(), &end.key());
    kv.delete_range(Table::Events, &event_start.key(), &event_end.key());
    kv.delete_range(Table::Attempts, &attempt_start.key(), &attempt_end.key());
    kv.delete_range(
        Table::Index,
        &keys::ignored(event_start),
        &keys::ignored(event_end),
    );
    let (first, last) = keys::executions_between(event_start, event_end);
    kv.delete_range(Table::Index, &first, &last);
    drop_executed(kv, event_start, event_end)?;
    kv.delete_range(
        Table::Index,
        &keys::bulk_attempt(attempt_start),
        &keys::bulk_attempt(attempt_end),
    );
    Ok(())
}

/// Looks once for each transformation, however many executions it had.
fn drop_executed(kv: &mut impl Kv, start: EventId, end: EventId) -> Result<(), TableError> {
    let (from, to) = keys::EXECUTED_ALL;
    let mut from = from.to_vec();
    while let Some((key, _)) = kv.scan(Table::Index, &from, &to, 1)?.pop() {
        let Some((transformation, _)) = keys::execution_of(&key) else {
            from = [key.as_ref(), &[0]].concat();
            continue;
        };
        let (first, last) = keys::executed_between(transformation, start, end);
        kv.delete_range(Table::Index, &first, &last);
        from = keys::executed_between(transformation, EventId(u128::MAX), end).0;
        from.resize(from.len() + 16, u8::MAX);
    }
    Ok(())
}

/// They are listed by source, so that all of them are looked at.
fn drop_rejected(kv: &mut impl Kv, start: RequestId, end: RequestId) -> Result<(), TableError> {
    let (from, to) = keys::REJECTED_ALL;
    let mut from = from.to_vec();
    loop {
        let rows = kv.scan(Table::Index, &from, &to, PAGE)?;
        for (key, _) in &rows {
            let request = keys::rejected_request(key);
            let Some(request) = request.filter(|request| (start..end).contains(request)) else {
                continue;
            };
            match key.get(1..17).and_then(SourceId::from_key) {
                Some(source) => accept_requests::unlist_rejected(kv, source, request)?,
                None => kv.delete(Table::Index, key),
            }
        }
        let Some((last, _)) = rows.last().filter(|_| rows.len() == PAGE) else {
            return Ok(());
        };
        from = [last, [0].as_slice()].concat();
    }
}
