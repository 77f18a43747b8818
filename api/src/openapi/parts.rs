//! The parts of an OpenAPI 3.1 document that this one has.

use schemars::Schema;
use serde::Serialize;
use serde_json::Value;
use std::collections::BTreeMap;

#[derive(Debug, Serialize)]
pub(super) struct Document {
    pub(super) openapi: &'static str,
    pub(super) info: Info,
    pub(super) paths: BTreeMap<String, PathItem>,
    pub(super) components: Components,
    pub(super) security: Vec<BTreeMap<&'static str, [&'static str; 0]>>,
}

#[derive(Debug, Serialize)]
pub(super) struct Info {
    pub(super) title: &'static str,
    pub(super) version: &'static str,
    pub(super) description: &'static str,
}

/// The operations of a path by their methods.
pub(super) type PathItem = BTreeMap<String, Part>;

/// An operation.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Part {
    pub(super) operation_id: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) parameters: Vec<Parameter>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) request_body: Option<RequestBody>,
    pub(super) responses: Responses,
    /// None: as everywhere. Empty: nobody is asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) security: Option<Vec<()>>,
}

/// A parameter of one operation, or one that many have.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub(super) enum Parameter {
    Here(Given),
    Shared(Reference),
}

/// A parameter.
#[derive(Debug, Serialize)]
pub(super) struct Given {
    pub(super) name: String,
    #[serde(rename = "in")]
    pub(super) stands_in: &'static str,
    pub(super) required: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) description: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) style: Option<&'static str>,
    pub(super) schema: Schema,
}

#[derive(Debug, Serialize)]
pub(super) struct RequestBody {
    pub(super) content: BTreeMap<&'static str, Media>,
}

/// The answers of an operation by their statuses.
#[derive(Debug, Serialize)]
pub(super) struct Responses {
    #[serde(rename = "200")]
    pub(super) done: Response,
    #[serde(flatten)]
    pub(super) problems: BTreeMap<String, Reference>,
}

#[derive(Debug, Serialize)]
pub(super) struct Reference {
    #[serde(rename = "$ref")]
    pub(super) to: String,
}

#[derive(Debug, Serialize)]
pub(super) struct Response {
    pub(super) description: &'static str,
    pub(super) content: BTreeMap<&'static str, Media>,
}

#[derive(Debug, Serialize)]
pub(super) struct Media {
    pub(super) schema: Value,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Components {
    pub(super) parameters: BTreeMap<&'static str, Given>,
    pub(super) schemas: BTreeMap<String, Value>,
    pub(super) responses: BTreeMap<&'static str, Response>,
    pub(super) security_schemes: BTreeMap<&'static str, SecurityScheme>,
}

#[derive(Debug, Serialize)]
pub(super) struct SecurityScheme {
    #[serde(rename = "type")]
    pub(super) kind: &'static str,
    pub(super) scheme: &'static str,
}
