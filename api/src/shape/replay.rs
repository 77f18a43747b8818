//! Bodies about what is sent again, and about nodes.

use super::{
    add_shown,
    bounds::{Name, Text},
    with_shown,
};
use crate::view::words::Id;
use model::ids::ConnectionId;
use schemars::{JsonSchema, Schema};
use serde_json::Value;
use std::collections::BTreeMap;

/// A bookmark, or what of it is to change.
#[derive(Debug, JsonSchema)]
#[schemars(rename = "BookmarkInput", transform = with_shown, transform = shown)]
pub struct BookmarkShape {
    /// An event's `event_data_id`, or its id.
    pub event_data_id: Option<Text<255>>,
    pub webhook_id: Option<Text<255>>,
    pub label: Option<Text<255>>,
    pub name: Option<Name>,
}

/// Connections in place of those that are meant otherwise.
#[derive(Debug, JsonSchema)]
#[schemars(rename = "ConnectionsInput", transform = nothing_is_required)]
pub struct ConnectionsShape {
    #[schemars(length(min = 1))]
    pub webhook_ids: Vec<Id<ConnectionId>>,
}

/// A bulk operation, by the query that it is over. An empty query is everything.
#[derive(Debug, JsonSchema)]
#[schemars(rename = "BulkOperationInput")]
pub struct BulkShape {
    /// What lists can be filtered by, with operators as objects: `{"status": "FAILED", "created_at": {"gte": "…"}}`.
    pub query: Option<BTreeMap<String, Value>>,
}

/// A node that waits to be taken in.
#[derive(Debug, JsonSchema)]
#[schemars(rename = "NodeInput")]
pub struct NodeShape {
    /// Its peer address, as `10.0.0.4:8082`.
    pub address: Text<261>,
}

fn shown(schema: &mut Schema) {
    add_shown(schema, &["alias", "last_used_at"]);
}

/// Left out and null are two things: null is refused.
fn nothing_is_required(schema: &mut Schema) {
    schema.remove("required");
}
