//! What a request carried, as the API shows it: headers, query and body.

use super::{api_error::ApiError, principal::Scoped};
use api::{
    problem::Problem,
    view::{
        Viewer,
        data::{DataView, MAX_SHOWN_BODY},
    },
};
use bytes::Bytes;
use model::{
    ids::{GroupId, RequestId},
    policy::signature,
    state::codec,
    traffic::{RequestRecord, StoredRequest},
};
use raft::Body;

/// Bodies up to this size are shown in each model of a list.
const MAX_LISTED_BODY: u32 = 16 * 1024;
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Detail {
    /// In a list: many of them.
    Listed,
    Alone,
    /// With its body, however long that is.
    Whole,
}

impl Detail {
    /// Bodies up to this size are shown.
    pub(super) fn body_max(self) -> u32 {
        match self {
            Self::Listed => MAX_LISTED_BODY,
            Self::Alone => MAX_SHOWN_BODY,
            Self::Whole => u32::MAX,
        }
    }
}

pub(super) fn record(request: &StoredRequest) -> Result<RequestRecord, ApiError> {
    Ok(codec::decode(&request.record)?)
}

/// The raw body of a request, from whichever node has it; empty when it had none. For a thread that may wait.
pub(super) fn body(
    gateway: &Scoped,
    group: GroupId,
    request: &StoredRequest,
) -> Result<Bytes, ApiError> {
    match request.body {
        None => Ok(Bytes::new()),
        Some(at) => found(gateway.cluster.body_blocking(group, at)),
    }
}

/// The same for one that may not.
pub(super) async fn body_of(
    gateway: &Scoped,
    group: GroupId,
    request: &StoredRequest,
) -> Result<Bytes, ApiError> {
    match request.body {
        None => Ok(Bytes::new()),
        Some(at) => found(gateway.cluster.body(group, at).await),
    }
}

fn found(body: Body) -> Result<Bytes, ApiError> {
    match body {
        Body::Here(body) => Ok(body),
        Body::Away { .. } => Err(ApiError::unavailable(
            "this node lacks the body of the request, and no node that answers has it; try again",
        )),
        Body::Lost => Err(Problem::gone("no node has the body of the request any more").into()),
    }
}

/// `data` of a request.
pub(super) fn of_request(
    gateway: &Scoped,
    viewer: &Viewer,
    id: RequestId,
    request: &StoredRequest,
    detail: Detail,
) -> Result<DataView, ApiError> {
    let mut record = record(request)?;
    let body = match (request.body, detail) {
        (None, _) => Some(Bytes::new()),
        (Some(at), _) if at.len > detail.body_max() => None,
        // A list waits for no other node: what is not here is told by `raw_body`.
        (Some(at), Detail::Listed) => gateway.cluster.payload(id.group(), &at).ok().flatten(),
        (Some(_), Detail::Alone | Detail::Whole) => body(gateway, id.group(), request).ok(),
    };
    let url = match gateway.catalog().sources.get(&record.source_id) {
        Some(source) => {
            // Requests of earlier versions were kept with the secrets that proved them.
            signature::redact(&mut record, &source.verification);
            viewer.url(source)
        }
        None => String::new(),
    };
    Ok(DataView::of(&record, &url, body.as_deref()))
}
