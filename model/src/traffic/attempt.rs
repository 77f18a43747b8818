//! An attempt: one try to deliver an event, and what came of it.

use super::Trace;
use crate::{
    ids::NodeId,
    state::codec::{self, CodecError, Stored},
    time::Timestamp,
};
use bytes::Bytes;
use serde::{Deserialize, Serialize};

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Trigger {
    Initial,
    Automatic,
    Manual,
    BulkRetry,
    Unpause,
}

impl Trigger {
    /// The API's word for it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Initial => "INITIAL",
            Self::Automatic => "AUTOMATIC",
            Self::Manual => "MANUAL",
            Self::BulkRetry => "BULK_RETRY",
            Self::Unpause => "UNPAUSE",
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum AttemptStatus {
    Successful,
    Failed,
}

/// Why an attempt failed. The names are the API's (`AttemptErrorCodes`); append only.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum ErrorCode {
    BadResponse,
    Cancelled,
    Timeout,
    ConnectionRefused,
    ConnectionReset,
    MissingUrl,
    SelfSignedCert,
    ErrTlsCertAltnameInvalid,
    ErrSslWrongVersionNumber,
    NetworkError,
    NetworkUnreachable,
    InvalidUrl,
    SslErrorCaUnknown,
    SslCertExpired,
    DnsLookupFailed,
    HostUnreachable,
    InternalError,
    ProtocolError,
    PayloadMissing,
    SocketClosed,
    Unknown,
    InvalidCharacter,
    Oauth2HandshakeFailed,
    /// A developer's machine was asked, and nothing answers there.
    Cli,
    /// Nobody listens with the command line, or the line broke before an answer was there.
    CliUnavailable,
}

/// What one HTTP exchange came to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outcome {
    pub response_status: Option<u16>,
    /// None: it was a success.
    pub error_code: Option<ErrorCode>,
    /// At most the first KiB of the answer.
    pub response_body: Bytes,
    /// Milliseconds that the receiver asked to wait, if it did.
    pub retry_after_ms: Option<u64>,
}

impl Outcome {
    /// An answer with a status: 2xx is a success, everything else a bad response.
    #[must_use]
    pub fn answered(status: u16, response_body: Bytes, retry_after_ms: Option<u64>) -> Self {
        let success = (200..300).contains(&status);
        Self {
            response_status: Some(status),
            error_code: (!success).then_some(ErrorCode::BadResponse),
            response_body,
            retry_after_ms,
        }
    }

    /// No usable answer.
    #[must_use]
    pub fn failed(error_code: ErrorCode) -> Self {
        Self {
            response_status: None,
            error_code: Some(error_code),
            response_body: Bytes::new(),
            retry_after_ms: None,
        }
    }

    #[must_use]
    pub fn is_success(&self) -> bool {
        self.error_code.is_none()
    }
}

/// An attempt as its partition keeps it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attempt {
    pub trigger: Trigger,
    pub node: NodeId,
    pub requested_url: String,
    pub http_method: String,
    pub started_at: Timestamp,
    pub finished_at: Timestamp,
    pub outcome: Outcome,
    /// Boxed: it is by far the largest part, and attempts are moved about a lot.
    pub trace: Box<Trace>,
}

impl Attempt {
    #[must_use]
    pub fn status(&self) -> AttemptStatus {
        if self.outcome.is_success() {
            AttemptStatus::Successful
        } else {
            AttemptStatus::Failed
        }
    }
}

impl Stored for Attempt {
    const WHAT: &'static str = "attempt";
    const VERSION: u8 = 2;

    fn read_earlier(version: u8, body: &[u8]) -> Option<Result<Self, CodecError>> {
        (version == FirstAttempt::VERSION)
            .then(|| codec::decode_body::<FirstAttempt>(body).map(Self::from))
    }
}

/// The first layout of an attempt: it told what came of it and not how.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FirstAttempt {
    pub trigger: Trigger,
    pub node: NodeId,
    pub requested_url: String,
    pub http_method: String,
    pub started_at: Timestamp,
    pub finished_at: Timestamp,
    pub outcome: Outcome,
}

impl Stored for FirstAttempt {
    const WHAT: &'static str = "attempt";
    const VERSION: u8 = 1;
}

impl From<FirstAttempt> for Attempt {
    fn from(first: FirstAttempt) -> Self {
        Self {
            trigger: first.trigger,
            node: first.node,
            requested_url: first.requested_url,
            http_method: first.http_method,
            started_at: first.started_at,
            finished_at: first.finished_at,
            outcome: first.outcome,
            trace: Box::default(),
        }
    }
}
