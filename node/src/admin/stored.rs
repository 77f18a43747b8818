//! Requests and events of the principal's project as this node can read them; none where there is no such partition, since
//! ids come from outside.

use super::{api_error::ApiError, freshness, principal::Scoped};
use model::{
    ids::{EventId, RequestId},
    state::{codec, kv::Table, tables},
    traffic::{Event, RequestRecord, StoredRequest},
};

pub(super) fn request(gateway: &Scoped, id: RequestId) -> Result<Option<StoredRequest>, ApiError> {
    if !freshness::is_partition(gateway, id.group()) {
        return Ok(None);
    }
    let view = gateway.cluster.view(id.group());
    let Some(request) = tables::request(&view, id)? else {
        return Ok(None);
    };
    let record: RequestRecord = codec::decode_row(&view, Table::Requests, &request.record)?;
    Ok((record.source_id.project() == gateway.project()).then_some(request))
}

/// Refuses a request that is not kept.
pub(super) fn must_be(gateway: &Scoped, id: RequestId) -> Result<(), ApiError> {
    let gone = || ApiError::not_found("request", &id.to_string());
    request(gateway, id)?.map(drop).ok_or_else(gone)
}

pub(super) fn event(gateway: &Scoped, id: EventId) -> Result<Option<Event>, ApiError> {
    if !freshness::is_partition(gateway, id.group()) {
        return Ok(None);
    }
    let event = tables::event(&gateway.cluster.view(id.group()), id)?;
    Ok(event.filter(|event| event.connection_id.project() == gateway.project()))
}

/// Refuses an event that is not kept.
pub(super) fn event_must_be(gateway: &Scoped, id: EventId) -> Result<(), ApiError> {
    let gone = || ApiError::not_found("event", &id.to_string());
    event(gateway, id)?.map(drop).ok_or_else(gone)
}
