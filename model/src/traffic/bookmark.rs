//! A bookmark: a copy of a request, kept to be sent again whenever somebody likes.

use crate::{
    ids::{ConnectionId, RequestId},
    state::codec::Stored,
    time::Timestamp,
};
use bytes::Bytes;
use serde::{Deserialize, Serialize};

/// A bookmark as the control group keeps it. The body lies beside it, so that a list need not read it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bookmark {
    /// Over which it is sent.
    pub connection_id: ConnectionId,
    /// Whose copy it is. Retention may have taken the request itself.
    pub request_id: RequestId,
    pub label: String,
    pub name: Option<String>,
    /// A `RequestRecord` behind its version byte.
    pub record: Bytes,
    pub last_used_at: Option<Timestamp>,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
}

impl Stored for Bookmark {
    const WHAT: &'static str = "bookmark";
    const VERSION: u8 = 1;
}
