//! A bookmark as the API shows it.

use super::{
    Viewer,
    data::DataView,
    words::{Id, Time},
};
use model::{
    ids::{BookmarkId, ConnectionId, RequestId},
    traffic::Bookmark,
};
use schemars::JsonSchema;
use serde::Serialize;

/// A request that somebody keeps, to send it again.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[schemars(rename = "Bookmark")]
pub struct BookmarkView {
    pub id: Id<BookmarkId>,
    pub team_id: String,
    pub webhook_id: Id<ConnectionId>,
    pub event_data_id: Id<RequestId>,
    pub label: String,
    pub alias: Option<String>,
    pub last_used_at: Option<Time>,
    pub updated_at: Time,
    pub created_at: Time,
    /// What its copy carried; of a bookmark alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub data: Option<DataView>,
}

impl BookmarkView {
    pub fn of(viewer: &Viewer, id: BookmarkId, bookmark: &Bookmark) -> Self {
        Self {
            id: id.into(),
            team_id: viewer.team.clone(),
            webhook_id: bookmark.connection_id.into(),
            event_data_id: bookmark.request_id.into(),
            label: bookmark.label.clone(),
            alias: bookmark.name.clone(),
            last_used_at: Time::some(bookmark.last_used_at),
            updated_at: Time(bookmark.updated_at),
            created_at: Time(bookmark.created_at),
            data: None,
        }
    }
}
