//! Bodies about transformations.

use super::{
    add_shown,
    bounds::{Name, Text, Whole},
    with_shown,
};
use schemars::{JsonSchema, Schema};
use serde_json::Value;
use std::collections::BTreeMap;

/// A transformation, or what of it is to change: its code or its steps, and its environment.
#[derive(Debug, JsonSchema)]
#[schemars(rename = "TransformationInput", transform = with_shown, transform = shown)]
pub struct TransformationShape {
    pub name: Option<Name>,
    /// JavaScript. Empty code is none.
    pub code: Option<String>,
    pub steps: Option<Vec<Value>>,
    /// Given variables replace all kept ones.
    pub env: Option<BTreeMap<String, String>>,
    /// A given one is set, null takes one away, and one that is not named stays.
    pub secrets: Option<BTreeMap<String, Option<String>>>,
    /// A version that is to be current again, with nothing beside it.
    pub version: Option<Whole<1, 65_535>>,
}

/// A dry run of a transformation: what is tried, and over which request.
#[derive(Debug, JsonSchema)]
#[schemars(rename = "TransformationRunInput")]
pub struct TransformationRunShape {
    pub transformation_id: Option<Text<255>>,
    pub version: Option<Whole<1, 65_535>>,
    pub code: Option<String>,
    pub steps: Option<Vec<Value>>,
    pub env: Option<BTreeMap<String, String>>,
    pub secrets: Option<BTreeMap<String, Option<String>>>,
    pub webhook_id: Option<Text<255>>,
    pub event_id: Option<Text<255>>,
    pub request_id: Option<Text<255>>,
    pub request: Option<RequestShape>,
}

/// A request as the body gives it.
#[derive(Debug, JsonSchema)]
#[schemars(rename = "RequestInput", transform = shown_of_request)]
pub struct RequestShape {
    pub method: Option<Text<16>>,
    pub path: Option<Text<4096>>,
    pub query: Option<Text<8192>>,
    pub parsed_query: Option<BTreeMap<String, Value>>,
    pub headers: Option<BTreeMap<String, String>>,
    pub body: Option<Value>,
}

fn shown(schema: &mut Schema) {
    let names = [
        "encrypted_env",
        "is_current",
        "iv",
        "restored_from",
        "transformation_id",
    ];
    add_shown(schema, &names);
}

fn shown_of_request(schema: &mut Schema) {
    add_shown(schema, &["is_large_payload", "url"]);
}
