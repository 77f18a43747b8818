//! Requests and events as this node can read them; none where there is no such partition, since ids come from outside.

use super::{api_error::ApiError, freshness};
use crate::gateway::Gateway;
use model::{
    ids::{EventId, RequestId},
    state::tables,
    traffic::{Event, StoredRequest},
};

pub(super) fn request(gateway: &Gateway, id: RequestId) -> Result<Option<StoredRequest>, ApiError> {
    if !freshness::is_partition(gateway, id.group()) {
        return Ok(None);
    }
    Ok(tables::request(&gateway.cluster.view(id.group()), id)?)
}

/// Refuses a request that is not kept.
pub(super) fn must_be(gateway: &Gateway, id: RequestId) -> Result<(), ApiError> {
    let gone = || ApiError::not_found("request", &id.to_string());
    request(gateway, id)?.map(drop).ok_or_else(gone)
}

pub(super) fn event(gateway: &Gateway, id: EventId) -> Result<Option<Event>, ApiError> {
    if !freshness::is_partition(gateway, id.group()) {
        return Ok(None);
    }
    Ok(tables::event(&gateway.cluster.view(id.group()), id)?)
}
