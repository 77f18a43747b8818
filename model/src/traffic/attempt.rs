//! An attempt: one try to deliver an event, and what came of it.

use crate::{ids::NodeId, state::codec::Stored, time::Timestamp};
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
    const VERSION: u8 = 1;
}
