//! What is promised of events that a transformation reshapes, looked at when everything has ended.

use crate::{
    invariants::Ledger,
    network::Group,
    node::Replica,
    receiver::Receipt,
    world::{Asked, Coverage, RESHAPED, made},
};
use bytes::Bytes;
use model::{
    ids::{EventId, RequestId},
    state::{kv::Read, kv::Table, tables},
    traffic::{IgnoreCause, Trigger},
};

/// I1: each event that a request ever had is an event or an ignored one, never both and never neither, and nothing of
/// what is gone is due. I13: a retry of its own accord sends what the attempt before it sent.
pub(crate) fn nothing_is_between_the_tables(
    ledger: &Ledger,
    asked: &[Asked],
    group: &Group,
    replica: &Replica,
    coverage: &mut Coverage,
) -> Result<(), String> {
    let due = replica.rows.scan(Table::Due, &[], &[u8::MAX; 64], 1);
    if let Some((key, _)) = due.map_err(|e| e.to_string())?.first() {
        return Err(format!("I12: something is still due: {key:?}"));
    }
    for asked in asked.iter().filter(|asked| asked.id.group() == group.id) {
        for &id in &asked.ids {
            in_one_place(id, asked, replica)?;
            for ordinal in (1..).take(asked.destinations.len()) {
                let event = id.event(ordinal);
                let receipts = ledger.receipts_of(event);
                if asked.destinations[usize::from(ordinal) - 1] == RESHAPED {
                    its_end_has_a_reason(event, &asked.body, replica, coverage)?;
                    retries_are_alike(event, &asked.body, receipts, replica)?;
                }
            }
        }
    }
    Ok(())
}

fn in_one_place(id: RequestId, asked: &Asked, replica: &Replica) -> Result<(), String> {
    let request = tables::request(&replica.rows, id).map_err(|e| e.to_string())?;
    let events = tables::events_of(&replica.rows, id).map_err(|e| e.to_string())?;
    let ignored = tables::ignored_of(&replica.rows, id).map_err(|e| e.to_string())?;
    let mut found: Vec<EventId> = events.iter().map(|(id, _)| *id).collect();
    found.extend(ignored.iter().map(|(id, _)| *id));
    found.sort_unstable();
    let Some(request) = request else {
        return match found.first() {
            Some(event) => Err(format!("I1: {event} has no request")),
            None => Ok(()),
        };
    };
    let all: Vec<EventId> = (1..)
        .take(asked.destinations.len())
        .map(|n| id.event(n))
        .collect();
    if found != all {
        return Err(format!("I1: of {all:?} there are {found:?}"));
    }
    let counted = (usize::from(request.events), usize::from(request.ignored));
    if counted != (events.len(), ignored.len()) {
        return Err(format!(
            "I1: {id} counts {counted:?} events and ignored events"
        ));
    }
    Ok(())
}

fn its_end_has_a_reason(
    event: EventId,
    body: &Bytes,
    replica: &Replica,
    coverage: &mut Coverage,
) -> Result<(), String> {
    let executions = tables::executions_of(&replica.rows, event).map_err(|e| e.to_string())?;
    let wrong = executions
        .iter()
        .find(|(_, run)| run.failed != made(run.used.version, body).is_none());
    if let Some((id, _)) = wrong {
        return Err(format!(
            "{id} tells of something else than what its version does"
        ));
    }
    let failed = executions.iter().filter(|(_, run)| run.failed).count();
    let row = tables::ignored(&replica.rows, event).map_err(|e| e.to_string())?;
    match row {
        Some(row) if row.cause == IgnoreCause::TransformationFailed => {
            coverage.ignored += 1;
            coverage.revived += failed.saturating_sub(1);
            if !executions.last().is_some_and(|(_, run)| run.failed) {
                return Err(format!("{event} was ignored and nothing had failed"));
            }
        }
        Some(_) => {}
        None => coverage.revived += failed,
    }
    Ok(())
}

fn retries_are_alike(
    event: EventId,
    body: &Bytes,
    receipts: &[Receipt],
    replica: &Replica,
) -> Result<(), String> {
    let executions = tables::executions_of(&replica.rows, event).map_err(|e| e.to_string())?;
    for receipt in receipts.iter().filter(|r| r.trigger == Trigger::Automatic) {
        let before = executions
            .iter()
            .rfind(|(_, run)| run.attempt + 1 == receipt.number && !run.failed);
        let Some((_, before)) = before else {
            return Err(format!(
                "{event} was retried after an attempt that nothing made"
            ));
        };
        if made(before.used.version, body).as_ref() != Some(&receipt.body) {
            return Err(format!(
                "I13: attempt {} of {event} sent something else than the one before it",
                receipt.number
            ));
        }
    }
    Ok(())
}
