//! What an attempt needs of the state, read from this node's replica.

use crate::gateway::Gateway;
use bytes::Bytes;
use model::{
    catalog::{Connection, Destination},
    ids::{DestinationId, GroupId},
    state::{
        codec,
        keys::{Due, DueClass},
        tables::{self, TableError},
    },
    time::Timestamp,
    traffic::{Event, RequestRecord},
};
use std::sync::Arc;

/// One event, ready to be attempted.
pub(super) struct Work {
    pub(super) due: Due,
    pub(super) event: Event,
    pub(super) record: RequestRecord,
    /// None: the body was lost or let go, which only damage or retention can do.
    pub(super) body: Option<Bytes>,
    /// None when it was deleted meanwhile.
    pub(super) connection: Option<Arc<Connection>>,
    pub(super) destination: Option<Arc<Destination>>,
    pub(super) source_name: String,
}

#[derive(Debug, thiserror::Error)]
pub(super) enum WorkError {
    #[error("reading what is to be delivered")]
    State(#[from] TableError),
    #[error("reading what is to be delivered")]
    Record(#[from] codec::CodecError),
    #[error("reading a body")]
    Payload(#[from] storage::Error),
}

/// Reads everything of one due event. None: it has ended or gone, and its row went with it.
pub(super) fn load(gateway: &Gateway, due: Due) -> Result<Option<Work>, WorkError> {
    let group = due.event.group();
    let view = gateway.cluster.view(group);
    let Some(event) = tables::event(&view, due.event)? else {
        return Ok(None);
    };
    // The row may have been read before an outcome, a cancellation or a retry by hand moved it.
    if event.due_at != Some(due.at) || event.status.is_ended() {
        return Ok(None);
    }
    let Some(request) = tables::request(&view, due.event.request())? else {
        return Ok(None);
    };
    let record: RequestRecord = codec::decode(&request.record)?;
    let body = match &request.body {
        None => Some(Bytes::new()),
        Some(at) => gateway.cluster.payload(group, at)?,
    };
    let catalog = gateway.catalog();
    let source = catalog.sources.get(&event.source_id);
    Ok(Some(Work {
        connection: catalog.connections.get(&event.connection_id).cloned(),
        destination: catalog.destinations.get(&event.destination_id).cloned(),
        source_name: source.map(|source| source.name.clone()).unwrap_or_default(),
        due,
        event,
        record,
        body,
    }))
}

/// What is due for a destination in all partitions led here, and when more will be.
pub(super) fn fetch(
    gateway: &Gateway,
    destination: DestinationId,
    now: Timestamp,
    limit: usize,
) -> (Vec<Due>, Option<Timestamp>) {
    let mut due = Vec::new();
    let mut next = None;
    for group in led(gateway) {
        match fetch_of(gateway, group, destination, now, limit) {
            Ok((found, at)) => {
                due.extend(found);
                next = next.into_iter().chain(at).min();
            }
            Err(error) => tracing::error!(%group, %destination, %error, "due events not read"),
        }
    }
    // The longest due first, whichever partition holds it.
    due.sort_by_key(|due| (due.at, due.event));
    (due, next)
}

fn fetch_of(
    gateway: &Gateway,
    group: GroupId,
    destination: DestinationId,
    now: Timestamp,
    limit: usize,
) -> Result<(Vec<Due>, Option<Timestamp>), model::state::kv::KvError> {
    let view = gateway.cluster.view(group);
    let mut due = tables::due(&view, destination, DueClass::Fresh, now, limit)?;
    due.extend(tables::due(
        &view,
        destination,
        DueClass::Retry,
        now,
        limit,
    )?);
    Ok((due, tables::next_due_after(&view, destination, now)?))
}

/// The partitions that this node may deliver for right now.
pub(super) fn led(gateway: &Gateway) -> Vec<GroupId> {
    gateway
        .cluster
        .groups()
        .filter(|group| *group != GroupId::CONTROL && gateway.cluster.leads(*group).is_some())
        .collect()
}
