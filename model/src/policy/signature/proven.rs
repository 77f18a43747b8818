//! The proof of a request: the secret that fitted, and the one-time token in what was signed.

use crate::{
    fingerprint::{Hasher, Scope},
    ids::SourceId,
    machine::Once,
};

/// The proof that a check has found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Proven {
    /// The place of the secret that fitted; none where the scheme has no secrets of the source's own.
    pub(super) secret: Option<usize>,
    pub(super) once: Option<OneTime>,
}

/// A one-time token (nonce), which the sender signs anew for each request: whoever shows it again shows a copy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct OneTime {
    pub(super) token: Vec<u8>,
    /// How long it is remembered, in milliseconds: as long as its signature would be taken.
    pub(super) window_ms: u64,
}

impl OneTime {
    /// The idempotency key by which a source remembers the token.
    pub(super) fn of(self, source: SourceId) -> Once {
        let mut hasher = Hasher::default();
        hasher.part(&self.token);
        Once {
            fingerprint: hasher.finish().within(Scope::Token, source.0),
            window_ms: self.window_ms,
        }
    }
}

/// How long a token is remembered whose sender signs no time beside it: as long as requests are kept by default.
const UNDATED_S: u64 = 7 * 24 * 3600;

impl Proven {
    pub(super) fn by(secret: Option<usize>) -> Self {
        Self { secret, once: None }
    }

    /// Adds a one-time token, which is refused after so many seconds by itself; none where nothing bounds it.
    pub(super) fn once(self, token: Vec<u8>, within_s: Option<u64>) -> Self {
        Self {
            once: Some(OneTime {
                token,
                window_ms: within_s.map_or(UNDATED_S, |within_s| within_s + 1) * 1000,
            }),
            ..self
        }
    }
}
