//! Signature verification settings of a source: its type, the secrets that are alive, and what else the type's scheme
//! asks for.

use crate::time::Timestamp;
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, fmt};

/// The verification settings of a source: the scheme, secrets and fields by which its requests prove their origin.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Verification {
    /// The API's `type`.
    #[serde(rename = "type")]
    pub source_type: String,
    /// The provider of the registry whose scheme decides. Another than the type where the admin said which.
    pub scheme: String,
    /// The credential that can be rotated; every live one is tried. At most [`Self::SECRETS_MAX`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub secrets: Vec<LiveSecret>,
    /// Everything else that the scheme asks for, by the names of `config.auth`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub fields: BTreeMap<String, Secret>,
    /// The URL that the sender was told, where that is not the source's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signed_url: Option<String>,
    /// How old and how far ahead a signed timestamp may be, in seconds, instead of the scheme's own window.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tolerance_s: Option<u32>,
    /// What the sender's handshake left for the admin to act on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub handshake: Option<Handshaken>,
}

impl Verification {
    /// Live secrets that a source can have at once.
    pub const SECRETS_MAX: usize = 3;

    /// A source that proves nothing: anyone who knows its URL may post.
    #[must_use]
    pub fn none() -> Self {
        Self::of("WEBHOOK")
    }

    /// A source of a type without credentials.
    #[must_use]
    pub fn of(source_type: &str) -> Self {
        Self {
            source_type: source_type.to_owned(),
            scheme: source_type.to_owned(),
            secrets: Vec::new(),
            fields: BTreeMap::new(),
            signed_url: None,
            tolerance_s: None,
            handshake: None,
        }
    }

    /// A source of a type with one secret that doesn't expire.
    #[must_use]
    pub fn with_secret(source_type: &str, secret: &str) -> Self {
        Self {
            secrets: vec![LiveSecret::new(Secret::new(secret.to_owned()))],
            ..Self::of(source_type)
        }
    }

    /// A credential or an option by its name; none when it is missing or empty.
    #[must_use]
    pub fn field(&self, name: &str) -> Option<&str> {
        self.fields
            .get(name)
            .map(Secret::reveal)
            .filter(|value| !value.is_empty())
    }

    /// Whether a flag of this name is set.
    #[must_use]
    pub fn is_set(&self, name: &str) -> bool {
        self.field(name) == Some("true")
    }

    /// The secrets that are alive, with their places in the list.
    pub fn live(&self, now: Timestamp) -> impl Iterator<Item = (usize, &str)> {
        self.secrets
            .iter()
            .enumerate()
            .filter(move |(_, live)| live.is_live(now))
            .map(|(place, live)| (place, live.secret.reveal()))
    }
}

/// A secret that a source accepts, with its expiry: several may be valid at a time while they are rotated.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LiveSecret {
    pub secret: Secret,
    /// From then on it proves nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Timestamp>,
    /// When a request was last verified with it; kept only while several are alive, and a minute behind at most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_verified_at: Option<Timestamp>,
}

impl LiveSecret {
    #[must_use]
    pub fn new(secret: Secret) -> Self {
        Self {
            secret,
            expires_at: None,
            last_verified_at: None,
        }
    }

    /// An empty secret proves nothing, whatever the configuration says.
    #[must_use]
    pub fn is_live(&self, now: Timestamp) -> bool {
        !self.secret.reveal().trim().is_empty() && self.expires_at.is_none_or(|end| now < end)
    }
}

/// The result of a handshake: a URL to confirm or a token that the sender gave.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Handshaken {
    pub kind: HandshakeKind,
    /// A URL to open or a token to paste; it may be worth as much as a secret.
    pub value: Secret,
    pub at: Timestamp,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum HandshakeKind {
    /// The sender gave the secret that it signs with; it is among the source's secrets now.
    SecretLearned,
    /// A URL that an admin must open for the subscription to begin.
    ConfirmUrl,
}

/// A shared secret. It is never shown: `Debug` hides it.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Secret(String);

impl Secret {
    /// Bytes that a secret needs at least, unless the operator says otherwise.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_ends_at_its_expiry_and_an_empty_one_never_lives() {
        let mut auth = Verification::with_secret("GITHUB", "first");
        auth.secrets.push(LiveSecret {
            expires_at: Some(Timestamp(10)),
            ..LiveSecret::new(Secret::new("second".into()))
        });
        auth.secrets.push(LiveSecret::new(Secret::new("  ".into())));
        let live = |at| auth.live(Timestamp(at)).collect::<Vec<_>>();
        assert_eq!(live(9), [(0, "first"), (1, "second")]);
        assert_eq!(live(10), [(0, "first")]);
    }

    #[test]
    fn nothing_secret_is_shown() {
        let shown = format!("{:?}", Verification::with_secret("GITHUB", "hidden"));
        assert!(!shown.contains("hidden"), "{shown}");
    }
}
