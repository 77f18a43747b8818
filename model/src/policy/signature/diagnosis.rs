//! Diagnoses of failed verification. For admins: senders see one uniform answer.

use serde::{Deserialize, Serialize};

/// The diagnosis of a request that failed verification: what stood in its way. Kept with the rejected request; the
/// variants are append-only.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub enum Diagnosis {
    #[error("the {0} is missing")]
    Missing(String),
    #[error("the {0} is there more than once")]
    Repeated(String),
    #[error("the {0} is not of the expected form")]
    Malformed(String),
    #[error("the {0} is not the expected one")]
    Unexpected(String),
    #[error("the request is signed rightly but stale: its timestamp is {by_s} s too old")]
    Stale { by_s: u64 },
    #[error("the request is signed rightly but its timestamp is {by_s} s too far ahead")]
    Ahead { by_s: u64 },
    #[error("the source has no live secret")]
    NoSecret,
    #[error("the signature does not match: wrong secret, or the body changed after signing")]
    Mismatch,
    #[error("the signature is right for {0}: something on the way changed the body after signing")]
    BodyChanged(String),
    #[error("the signature is right for {0}: correct the secret of the source")]
    SecretForm(String),
    #[error("the key could not be had from {0}")]
    KeyUnavailable(String),
    #[error("the source proves nothing yet: {0}")]
    Unfinished(String),
}

impl Diagnosis {
    /// The word that the admin API uses for it.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Missing(_) => "MISSING",
            Self::Repeated(_) => "REPEATED",
            Self::Malformed(_) => "MALFORMED",
            Self::Unexpected(_) => "UNEXPECTED",
            Self::Stale { .. } => "STALE",
            Self::Ahead { .. } => "AHEAD",
            Self::NoSecret => "NO_SECRET",
            Self::Mismatch => "MISMATCH",
            Self::BodyChanged(_) => "BODY_CHANGED",
            Self::SecretForm(_) => "SECRET_FORM",
            Self::KeyUnavailable(_) => "KEY_UNAVAILABLE",
            Self::Unfinished(_) => "UNFINISHED",
        }
    }

    /// Whether the source, not the request, is what must be mended.
    #[must_use]
    pub fn is_of_the_source(&self) -> bool {
        matches!(self, Self::NoSecret | Self::Unfinished(_))
    }

    pub(super) fn malformed(what: impl Into<String>) -> Self {
        Self::Malformed(what.into())
    }

    pub(super) fn missing(what: impl Into<String>) -> Self {
        Self::Missing(what.into())
    }
}
