//! A source: an ingestion URL, its verification and its answer.

use crate::{ids::SourceId, time::Timestamp};
use serde::{Deserialize, Serialize};
use std::fmt;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Source {
    pub id: SourceId,
    pub name: String,
    pub description: Option<String>,
    /// Named like the API's `type`.
    #[serde(rename = "type")]
    pub source_type: SourceType,
    /// Upper case. Empty: POST, PUT, PATCH and DELETE.
    pub allowed_http_methods: Vec<String>,
    pub custom_response: Option<CustomResponse>,
    pub disabled_at: Option<Timestamp>,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
}

/// How a source proves where its requests come from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "scheme", rename_all = "SCREAMING_SNAKE_CASE")]
pub enum SourceType {
    /// Nothing is proven. Anyone who knows the URL may post.
    Webhook,
    /// `X-Hub-Signature-256: sha256=<hex>` over the raw body.
    Github { secret: Secret },
    /// An HMAC over the raw body in one header.
    Hmac(HmacConfig),
}

impl SourceType {
    /// The name that the admin API gives this type.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Webhook => "WEBHOOK",
            Self::Github { .. } => "GITHUB",
            Self::Hmac(_) => "HMAC",
        }
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct HmacConfig {
    pub digest: Digest,
    pub encoding: Encoding,
    /// Lower case.
    pub header: String,
    pub secret: Secret,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Digest {
    Sha256,
    Sha512,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Encoding {
    Hex,
    Base64,
    Base64url,
}

/// A shared secret. It is never shown: `Debug` hides it.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct Secret(String);

impl Secret {
    /// Bytes that a secret needs at least before it proves anything.
    pub const MIN_LEN: usize = 16;

    #[must_use]
    pub fn new(value: String) -> Self {
        Self(value)
    }

    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// Whether it is long enough and more than white space.
    #[must_use]
    pub fn is_strong(&self) -> bool {
        self.0.trim().len() >= Self::MIN_LEN
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
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
