//! A request: a claim of origin until its source's scheme has proven it.

use crate::{
    envelope::PayloadRef,
    ids::SourceId,
    machine::Once,
    policy::{document::Parsed, signature::Diagnosis},
    state::codec::{self, CodecError, Stored},
    time::Timestamp,
};
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use std::marker::PhantomData;

/// Nobody has proven where it comes from.
#[derive(Clone, Copy, Debug)]
pub struct Unverified;
/// Marks a request whose signature was verified: its source's scheme has accepted it.
#[derive(Clone, Copy, Debug)]
pub struct Verified;

/// An HTTP request that reached a source. Only `policy::signature` makes a `Request<Verified>`, and only that can be
/// routed.
#[derive(Clone, Debug)]
pub struct Request<Trust> {
    pub record: RequestRecord,
    /// The raw bytes as received.
    pub body: Bytes,
    /// What its sender signs for one request only; a second one with it is a copy.
    pub once: Option<Once>,
    /// What the body was read as, while it is looked at.
    pub(crate) parsed: Box<Parsed>,
    trust: PhantomData<Trust>,
}

impl Request<Unverified> {
    #[must_use]
    pub fn received(record: RequestRecord, body: Bytes) -> Self {
        Self {
            record,
            body,
            once: None,
            parsed: Box::default(),
            trust: PhantomData,
        }
    }

    /// Only the signature engine may say so.
    pub(crate) fn proven(self) -> Request<Verified> {
        self.proven_once(None)
    }

    /// Marks a request as verified, with the one-time token of its sender that makes it the only one.
    pub(crate) fn proven_once(self, once: Option<Once>) -> Request<Verified> {
        Request {
            record: self.record,
            body: self.body,
            parsed: self.parsed,
            once,
            trust: PhantomData,
        }
    }
}

/// A request without its body, encoded once at the door and stored as it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RequestRecord {
    pub source_id: SourceId,
    pub received_at: Timestamp,
    pub method: String,
    /// What follows the source id, with its leading slash; empty when nothing does.
    pub path: String,
    /// Without the question mark, as received.
    pub query: String,
    /// Lower-case names in the order of arrival; duplicates kept.
    pub headers: Vec<(String, Bytes)>,
    pub origin: Origin,
}

/// The provenance of a request: whether and by what its origin was proven.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Origin {
    /// Nothing was asked, or nothing was looked at.
    #[default]
    Unproven,
    /// The operator's own token came with it.
    Vouched,
    /// The source's scheme accepted it; with the place of the secret that fitted, where the source has secrets.
    Proven { secret: Option<u8> },
    /// The source's scheme did not.
    Refused(Diagnosis),
}

impl RequestRecord {
    /// Whether its origin is proven.
    #[must_use]
    pub fn is_verified(&self) -> bool {
        matches!(self.origin, Origin::Vouched | Origin::Proven { .. })
    }

    /// The values of a header, in the order of arrival.
    pub fn header_all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Bytes> {
        self.headers
            .iter()
            .filter(move |(n, _)| n == name)
            .map(|(_, value)| value)
    }
}

impl Stored for RequestRecord {
    const WHAT: &'static str = "request record";
    const VERSION: u8 = 2;

    fn read_earlier(version: u8, body: &[u8]) -> Option<Result<Self, CodecError>> {
        (version == FirstRecord::VERSION)
            .then(|| codec::decode_body::<FirstRecord>(body).map(Self::from))
    }
}

/// The first layout of a record: it told verified from unverified and no more.
#[derive(Serialize, Deserialize)]
struct FirstRecord {
    source_id: SourceId,
    received_at: Timestamp,
    method: String,
    path: String,
    query: String,
    headers: Vec<(String, Bytes)>,
    verified: bool,
}

impl Stored for FirstRecord {
    const WHAT: &'static str = "request record";
    const VERSION: u8 = 1;
}

impl From<FirstRecord> for RequestRecord {
    fn from(first: FirstRecord) -> Self {
        Self {
            source_id: first.source_id,
            received_at: first.received_at,
            method: first.method,
            path: first.path,
            query: first.query,
            headers: first.headers,
            origin: if first.verified {
                Origin::Proven { secret: None }
            } else {
                Origin::Unproven
            },
        }
    }
}

/// The cause of a rejection: why a request went no further. The names are the API's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum RejectionCause {
    SourceDisabled,
    NoConnection,
    VerificationFailed,
    UnsupportedHttpMethod,
    UnsupportedContentType,
    UnparsableJson,
    PayloadTooLarge,
    IngestionFatal,
    Unknown,
}

impl RejectionCause {
    /// The API's name for it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::SourceDisabled => "SOURCE_DISABLED",
            Self::NoConnection => "NO_CONNECTION",
            Self::VerificationFailed => "VERIFICATION_FAILED",
            Self::UnsupportedHttpMethod => "UNSUPPORTED_HTTP_METHOD",
            Self::UnsupportedContentType => "UNSUPPORTED_CONTENT_TYPE",
            Self::UnparsableJson => "UNPARSABLE_JSON",
            Self::PayloadTooLarge => "PAYLOAD_TOO_LARGE",
            Self::IngestionFatal => "INGESTION_FATAL",
            Self::Unknown => "UNKNOWN",
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum RequestState {
    Accepted,
    Rejected(RejectionCause),
}

/// A request as its partition keeps it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredRequest {
    pub state: RequestState,
    /// When its partition accepted it.
    pub ingested_at: Timestamp,
    /// None: the body was empty, or was not kept.
    pub body: Option<PayloadRef>,
    pub events: u16,
    pub ignored: u16,
    /// A `RequestRecord` behind its version byte.
    pub record: Bytes,
}

impl Stored for StoredRequest {
    const WHAT: &'static str = "request";
    const VERSION: u8 = 1;
}
