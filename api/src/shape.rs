//! The bodies that the API takes, as types: what its document says of them. They are read by `input`, whose refusals know
//! more than a schema does; a test holds the names of both together.
//!
//! A field that may be left out or null is an `Option`: "leave it" and "take it away".

pub mod auth;
pub mod bounds;
pub mod connection;
pub mod destination;
pub mod issue_trigger;
pub mod project;
pub mod replay;
pub mod sign_in;
pub mod source;
pub mod transformation;

pub use connection::{CliSessionShape, ConnectionShape, TrialShape};
pub use destination::{DestinationRotationShape, DestinationShape};
pub use issue_trigger::{IssueShape, IssueTriggerShape, NotificationsShape};
pub use project::ProjectShape;
pub use replay::{BookmarkShape, BulkShape, ConnectionsShape, NodeShape};
pub use sign_in::SignInShape;
pub use source::{SourceRotationShape, SourceShape};
pub use transformation::{TransformationRunShape, TransformationShape};

use crate::body::SHOWN;
use schemars::Schema;
use serde_json::{Map, Value};

/// Adds what every thing is shown with. Clients send what they were shown, so it is taken and changes nothing.
fn with_shown(schema: &mut Schema) {
    add_shown(schema, &SHOWN);
}

/// Adds fields that are only shown.
fn add_shown(schema: &mut Schema, names: &[&str]) {
    let properties = schema
        .ensure_object()
        .entry("properties")
        .or_insert_with(|| Map::new().into());
    let Value::Object(properties) = properties else {
        return;
    };
    for name in names {
        let only_shown = [("readOnly".to_owned(), true.into())];
        let only_shown = Value::Object(only_shown.into_iter().collect());
        properties.entry((*name).to_owned()).or_insert(only_shown);
    }
}

#[cfg(test)]
mod tests;
