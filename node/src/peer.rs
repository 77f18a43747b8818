//! What the actors of one node ask those of another. Nothing of it is replicated.

use model::ids::DestinationId;
use serde::{Deserialize, Serialize};

/// Tags are on the wire: append only.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "ask", rename_all = "snake_case")]
pub(crate) enum Question {
    /// A token of OAuth2 for a destination.
    Token {
        destination: DestinationId,
        /// The digest of the credentials that it is for: the other node may have them older or newer.
        credentials: String,
        /// The digest of a token that the destination did not take.
        refused: Option<String>,
    },
}

/// A token, and how long it holds: clocks differ, spans do not.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct TokenAnswer {
    /// None: it could not be had, and asking again at once is of no use.
    pub(crate) token: Option<String>,
    pub(crate) error: Option<String>,
    pub(crate) refresh_in_ms: u64,
    pub(crate) expires_in_ms: u64,
}
