//! A source: an ingestion URL, its verification and its answer.

use super::{Verification, earlier};
use crate::{ids::SourceId, time::Timestamp};
use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Source {
    pub id: SourceId,
    pub name: String,
    pub description: Option<String>,
    #[serde(alias = "type", deserialize_with = "earlier::verification")]
    pub verification: Verification,
    /// Upper case. Empty: POST, PUT, PATCH and DELETE.
    pub allowed_http_methods: Vec<String>,
    pub custom_response: Option<CustomResponse>,
    pub disabled_at: Option<Timestamp>,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
}

/// What an accepted request is answered with instead of the default.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CustomResponse {
    pub content_type: ResponseKind,
    pub body: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ResponseKind {
    Json,
    Text,
    Xml,
}
