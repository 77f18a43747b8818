//! A session of the command line as the API shows it.

use super::{connection::FilterView, words::Id};
use model::ids::{CliSessionId, ConnectionId};
use schemars::JsonSchema;
use serde::Serialize;

/// A developer's session, and what would be sent to it. Nothing of it is kept.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[schemars(rename = "CliSession")]
pub struct CliSessionView {
    pub id: Id<CliSessionId>,
    pub webhook_ids: Vec<Id<ConnectionId>>,
    /// Null: everything.
    pub filters: Option<FilterView>,
}
