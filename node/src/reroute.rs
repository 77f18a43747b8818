//! Retrying a request, read from this node's replica: its body, its history and today's catalog make one command.

use crate::{gateway::Gateway, world};
use bytes::Bytes;
use model::{
    ids::RequestId,
    machine::RouteAgain,
    policy::reroute::{self, History, Over},
    state::{
        codec::{self, CodecError},
        kv::Table,
        tables::{self, TableError},
    },
    traffic::{StoredRequest, Trigger},
};
use raft::Body;

#[derive(Debug, thiserror::Error)]
pub(crate) enum RerouteError {
    #[error("reading a request to be retried")]
    State(#[from] TableError),
    #[error("reading a request to be retried")]
    Record(#[from] CodecError),
    #[error(
        "this node lacks the body of a request to be retried, and no node that answers has it; try again"
    )]
    Away,
}

/// Plans the retry of a whole request, on a thread that may wait. None: its origin was never proven, or its body is
/// gone.
pub(crate) fn again(
    gateway: &Gateway,
    id: RequestId,
    stored: &StoredRequest,
    over: Over<'_>,
    trigger: Trigger,
) -> Result<Option<RouteAgain>, RerouteError> {
    // A body may be long, and is of no use where nothing was proven.
    if !reroute::was_proven(stored.state) {
        return Ok(None);
    }
    let body = match &stored.body {
        None => Bytes::new(),
        Some(at) => match gateway.cluster.body_blocking(id.group(), *at) {
            Body::Here(body) => body,
            Body::Away { .. } => return Err(RerouteError::Away),
            Body::Lost => return Ok(None),
        },
    };
    let view = gateway.cluster.view(id.group());
    let record = codec::decode_row(&view, Table::Requests, &stored.record)?;
    let Some(request) = reroute::proven(stored.state, record, body) else {
        return Ok(None);
    };
    let history = History {
        events: tables::events_of(&view, id)?,
        ignored: tables::ignored_of(&view, id)?,
    };
    let catalogs = gateway.catalog();
    let catalog = catalogs.of(request.record.source_id.project());
    let request = (id, &request);
    let now = world::now();
    let again = reroute::again(catalog, request, &history, over, trigger, now);
    Ok(Some(again))
}
