//! Sixteen bytes by which equal things are known: SHA-256 over parts whose lengths are told, cut to half.

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use std::fmt;

/// Equal parts in equal order give equal fingerprints. That others do too is as likely as guessing a 128-bit secret.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Fingerprint([u8; Self::LEN]);

/// The scope within which a fingerprint is unique. The numbers are hashed, and what they gave is on disk: append only.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Scope {
    /// The requests of a source.
    Source = 1,
    /// The requests that reach a connection.
    Connection = 2,
    /// The events of a source that keep their order.
    Order = 3,
    /// What a source's sender signs for one request only.
    Token = 4,
}

impl Fingerprint {
    pub const LEN: usize = 16;

    /// The fingerprint as a key.
    #[must_use]
    pub fn key(self) -> [u8; Self::LEN] {
        self.0
    }

    #[must_use]
    pub fn from_key(bytes: &[u8]) -> Option<Self> {
        Some(Self(bytes.try_into().ok()?))
    }

    /// Narrows a fingerprint to the things of one id: equal requests of two of them differ.
    #[must_use]
    pub fn within(self, scope: Scope, id: u128) -> Self {
        let mut hasher = Hasher::default();
        hasher.part(&[scope as u8]);
        hasher.part(&id.to_be_bytes());
        hasher.part(&self.0);
        hasher.finish()
    }

    /// A number out of the fingerprint that spreads evenly, such as for placement.
    #[must_use]
    pub fn number(self) -> u64 {
        let [a, b, c, d, e, f, g, h, ..] = self.0;
        u64::from_be_bytes([a, b, c, d, e, f, g, h])
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Fingerprint({})", hex::encode(self.0))
    }
}

/// Takes in parts one by one.
#[derive(Clone, Default)]
pub(crate) struct Hasher(Sha256);

impl Hasher {
    /// The length goes before the bytes: `ab, c` is not `a, bc`.
    pub(crate) fn part(&mut self, bytes: &[u8]) {
        self.0.update((bytes.len() as u64).to_be_bytes());
        self.0.update(bytes);
    }

    /// A part that is not there, which is something else than an empty one.
    pub(crate) fn absent(&mut self) {
        self.0.update(u64::MAX.to_be_bytes());
    }

    pub(crate) fn finish(self) -> Fingerprint {
        let digest = self.0.finalize();
        let mut cut = [0; Fingerprint::LEN];
        cut.copy_from_slice(&digest[..Fingerprint::LEN]);
        Fingerprint(cut)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn of(parts: &[Option<&[u8]>]) -> Fingerprint {
        let mut hasher = Hasher::default();
        for part in parts {
            match part {
                Some(bytes) => hasher.part(bytes),
                None => hasher.absent(),
            }
        }
        hasher.finish()
    }

    #[test]
    fn parts_do_not_run_into_each_other() {
        let all = [
            of(&[]),
            of(&[None]),
            of(&[Some(b"")]),
            of(&[Some(b""), Some(b"")]),
            of(&[Some(b"ab"), Some(b"c")]),
            of(&[Some(b"a"), Some(b"bc")]),
            of(&[Some(b"abc")]),
        ];
        let distinct: std::collections::BTreeSet<_> = all.iter().collect();
        assert_eq!(distinct.len(), all.len());
    }

    #[test]
    fn what_is_on_disk_stays() {
        let fingerprint = of(&[Some(b"a"), None]);
        assert_eq!(
            hex::encode(fingerprint.key()),
            "de12b2ade0ab8c81f20206337a7c56a6"
        );
        let scoped = fingerprint.within(Scope::Connection, 7);
        assert_eq!(
            hex::encode(scoped.key()),
            "6c129f9d0c6c9055a2beed3d15bb51ed"
        );
    }

    proptest! {
        #[test]
        fn a_scope_holds_for_one_id_and_kind(parts: Vec<u8>, a: u128, b: u128) {
            let fingerprint = of(&[Some(&parts)]);
            let source = fingerprint.within(Scope::Source, a);
            prop_assert_eq!(source, fingerprint.within(Scope::Source, a));
            prop_assert_ne!(source, fingerprint.within(Scope::Connection, a));
            prop_assert_eq!(a == b, source == fingerprint.within(Scope::Source, b));
            prop_assert_eq!(Fingerprint::from_key(&source.key()), Some(source));
        }
    }
}
