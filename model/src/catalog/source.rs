//! A source: an ingestion URL, its verification and its answer.

use super::{DeduplicateRule, Field, Verification, earlier};
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
    /// Which of its requests count as the same, before any connection sees them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deduplicate: Option<Box<DeduplicateRule>>,
    /// Events of requests that are equal in these keep their order on the way to each destination. Empty: none do.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ordering_key: Vec<Field>,
    pub disabled_at: Option<Timestamp>,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
}

/// A configured response to accepted requests, instead of the default one.
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
