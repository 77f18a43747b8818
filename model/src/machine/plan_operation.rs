//! Bulk operations in the control group: planned, cancelled, and told by the partitions how far they have come.

use super::Context;
use crate::{
    ids::{GroupId, OperationId},
    state::{
        codec, keys,
        kv::{Kv, Table},
        tables::{self, TableError},
    },
    traffic::{Operation, PartReport},
};
use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlanOperation {
    pub id: OperationId,
    pub operation: Operation,
    /// Operations that may be in progress at once.
    pub in_progress_max: u16,
    /// Operations that are kept; the oldest that has ended makes room.
    pub kept_max: u16,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CancelOperation {
    pub id: OperationId,
}

/// The progress of one partition with a bulk operation: absolute, so that it may be told twice and out of order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReportPart {
    pub id: OperationId,
    pub group: GroupId,
    pub report: PartReport,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum OperationReply {
    Done,
    Gone,
    /// It has come to its end before.
    Ended,
    /// As many are in progress as may be.
    TooMany,
}

pub(super) fn plan(
    kv: &mut impl Kv,
    context: &Context<'_>,
    command: &PlanOperation,
) -> Result<OperationReply, TableError> {
    let known = tables::operations(kv)?;
    if known.iter().any(|(id, _)| *id == command.id) {
        return Ok(OperationReply::Done);
    }
    let in_progress = known.iter().filter(|(_, known)| known.is_in_progress());
    if in_progress.count() >= usize::from(command.in_progress_max.max(1)) {
        return Ok(OperationReply::TooMany);
    }
    // One project's operations make no room among another's.
    let is_own = |id: OperationId| id.project() == command.id.project();
    let own = known.iter().filter(|(id, _)| is_own(*id));
    let surplus = (own.clone().count() + 1).saturating_sub(usize::from(command.kept_max.max(1)));
    let settled = own.filter(|(_, known)| known.is_settled());
    for (id, _) in settled.take(surplus) {
        kv.delete(Table::Index, &keys::operation(*id));
    }
    let operation = Operation {
        created_at: context.now,
        updated_at: context.now,
        ..command.operation.clone()
    };
    put(kv, command.id, &operation);
    Ok(OperationReply::Done)
}

pub(super) fn cancel(
    kv: &mut impl Kv,
    context: &Context<'_>,
    command: CancelOperation,
) -> Result<OperationReply, TableError> {
    let Some(mut operation) = tables::operation(kv, command.id)? else {
        return Ok(OperationReply::Gone);
    };
    if operation.completed_at.is_some() {
        return Ok(OperationReply::Ended);
    }
    if operation.cancelled_at.is_none() {
        operation.cancelled_at = Some(context.now);
        operation.updated_at = context.now;
        put(kv, command.id, &operation);
    }
    Ok(OperationReply::Done)
}

pub(super) fn report(
    kv: &mut impl Kv,
    context: &Context<'_>,
    command: ReportPart,
) -> Result<OperationReply, TableError> {
    let Some(mut operation) = tables::operation(kv, command.id)? else {
        return Ok(OperationReply::Gone);
    };
    let place = usize::from(command.group.0).checked_sub(1);
    let Some(part) = place.and_then(|place| operation.parts.get_mut(place)) else {
        return Ok(OperationReply::Gone);
    };
    let is_old = part.ended || command.report.page < part.page;
    if is_old || *part == command.report {
        return Ok(OperationReply::Done);
    }
    *part = command.report;
    operation.updated_at = context.now;
    if operation.is_in_progress() && operation.is_settled() {
        operation.completed_at = Some(context.now);
    }
    put(kv, command.id, &operation);
    Ok(OperationReply::Done)
}

fn put(kv: &mut impl Kv, id: OperationId, operation: &Operation) {
    kv.put(
        Table::Index,
        &keys::operation(id),
        &codec::encode(operation),
    );
}
