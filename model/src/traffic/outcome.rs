//! What became of an attempt, whatever it went over.

use super::ErrorCode;
use bytes::Bytes;
use serde::{Deserialize, Serialize};

/// The outcome of an attempt.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "StoredOutcome", into = "StoredOutcome")]
pub struct Outcome {
    /// None: it was a success.
    pub error_code: Option<ErrorCode>,
    /// Milliseconds that the receiver asked to wait, if it did.
    pub retry_after_ms: Option<u64>,
    pub answer: Answer,
}

/// The receiver's answer, in the terms of the transport that it came over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// There was none that could be used. The reason, where there is more to say of it than the error's code.
    None { reason: Bytes },
    /// HTTP's: a status, and at most the first KiB of the body.
    Http { status: u16, body: Bytes },
}

impl Outcome {
    /// An HTTP answer: 2xx is a success, everything else a bad response.
    #[must_use]
    pub fn answered(status: u16, body: Bytes, retry_after_ms: Option<u64>) -> Self {
        let success = (200..300).contains(&status);
        Self {
            error_code: (!success).then_some(ErrorCode::BadResponse),
            retry_after_ms,
            answer: Answer::Http { status, body },
        }
    }

    /// No usable answer.
    #[must_use]
    pub fn failed(error_code: ErrorCode) -> Self {
        Self::failed_because(error_code, Bytes::new())
    }

    /// The same, with the reason in words: the API shows it where an answer's body would stand.
    #[must_use]
    pub fn failed_because(error_code: ErrorCode, reason: impl Into<Bytes>) -> Self {
        Self {
            error_code: Some(error_code),
            retry_after_ms: None,
            answer: Answer::None {
                reason: reason.into(),
            },
        }
    }

    #[must_use]
    pub fn is_success(&self) -> bool {
        self.error_code.is_none()
    }

    /// Whether the receiver said anything that could be used.
    #[must_use]
    pub fn is_answered(&self) -> bool {
        !matches!(self.answer, Answer::None { .. })
    }

    /// The HTTP status. None: there was no answer, or it was not HTTP's.
    #[must_use]
    pub fn response_status(&self) -> Option<u16> {
        match self.answer {
            Answer::None { .. } => None,
            Answer::Http { status, .. } => Some(status),
        }
    }

    /// The beginning of the answer's body, or the reason why there is none. Often empty.
    #[must_use]
    pub fn text(&self) -> &Bytes {
        match &self.answer {
            Answer::None { reason } => reason,
            Answer::Http { body, .. } => body,
        }
    }
}

/// An outcome within a stored attempt.
#[derive(Serialize, Deserialize)]
struct StoredOutcome {
    response_status: Option<u16>,
    error_code: Option<ErrorCode>,
    response_body: Bytes,
    retry_after_ms: Option<u64>,
}

impl From<StoredOutcome> for Outcome {
    fn from(stored: StoredOutcome) -> Self {
        let text = stored.response_body;
        Self {
            error_code: stored.error_code,
            retry_after_ms: stored.retry_after_ms,
            answer: match stored.response_status {
                None => Answer::None { reason: text },
                Some(status) => Answer::Http { status, body: text },
            },
        }
    }
}

impl From<Outcome> for StoredOutcome {
    fn from(outcome: Outcome) -> Self {
        Self {
            response_status: outcome.response_status(),
            error_code: outcome.error_code,
            response_body: outcome.text().clone(),
            retry_after_ms: outcome.retry_after_ms,
        }
    }
}
