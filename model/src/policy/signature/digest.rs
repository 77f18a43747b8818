//! Digests (FIPS 180-4, RFC 3174, RFC 1321) and HMAC over them (RFC 2104), fed piece by piece so that bodies are not
//! copied.

use super::challenge::Challengeable;
use hmac::{Hmac, KeyInit, Mac};
use md5::Md5;
use sha1::Sha1;
use sha2::{Digest as _, Sha256, Sha384, Sha512};
use subtle::ConstantTimeEq;

/// The hash function of a scheme. Broken ones are here because senders still use them; HMAC over them still holds (RFC
/// 6151).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Digest {
    Md5,
    Sha1,
    Sha256,
    Sha384,
    Sha512,
}

impl Digest {
    /// The digest that `config.auth.algorithm` names.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        match name {
            "md5" => Some(Self::Md5),
            "sha1" => Some(Self::Sha1),
            "sha256" => Some(Self::Sha256),
            "sha384" => Some(Self::Sha384),
            "sha512" => Some(Self::Sha512),
            _ => None,
        }
    }

    /// The digest's name as documents write it.
    #[must_use]
    pub fn title(self) -> &'static str {
        match self {
            Self::Md5 => "MD5",
            Self::Sha1 => "SHA1",
            Self::Sha256 => "SHA256",
            Self::Sha384 => "SHA384",
            Self::Sha512 => "SHA512",
        }
    }

    /// Starts an HMAC. An empty key would accept what anybody can compute.
    pub(super) fn hmac(self, key: &[u8]) -> Option<Sum> {
        if key.is_empty() {
            return None;
        }
        let state = match self {
            Self::Md5 => State::HmacMd5(Hmac::new_from_slice(key).ok()?),
            Self::Sha1 => State::HmacSha1(Hmac::new_from_slice(key).ok()?),
            Self::Sha256 => State::HmacSha256(Hmac::new_from_slice(key).ok()?),
            Self::Sha384 => State::HmacSha384(Box::new(Hmac::new_from_slice(key).ok()?)),
            Self::Sha512 => State::HmacSha512(Box::new(Hmac::new_from_slice(key).ok()?)),
        };
        Some(Sum {
            state,
            message: Challengeable::new(self),
        })
    }

    /// Starts a digest without a key.
    pub(super) fn hash(self) -> Sum {
        let state = match self {
            Self::Md5 => State::Md5(Md5::new()),
            Self::Sha1 => State::Sha1(Sha1::new()),
            Self::Sha256 => State::Sha256(Sha256::new()),
            Self::Sha384 => State::Sha384(Sha384::new()),
            Self::Sha512 => State::Sha512(Sha512::new()),
        };
        Sum {
            state,
            message: Challengeable::never(),
        }
    }

    pub(super) fn of(self, message: &[u8]) -> Vec<u8> {
        let mut sum = self.hash();
        sum.update(message);
        sum.finish().digest
    }
}

/// The streaming state of a digest or MAC.
pub(super) struct Sum {
    state: State,
    message: Challengeable,
}

enum State {
    Md5(Md5),
    Sha1(Sha1),
    Sha256(Sha256),
    Sha384(Sha384),
    Sha512(Sha512),
    HmacMd5(Hmac<Md5>),
    HmacSha1(Hmac<Sha1>),
    HmacSha256(Hmac<Sha256>),
    HmacSha384(Box<Hmac<Sha384>>),
    HmacSha512(Box<Hmac<Sha512>>),
}

/// A finished digest. It has no `PartialEq`: there is one way to compare it.
pub(super) struct Finished {
    digest: Vec<u8>,
    /// See [`Challengeable`].
    could_be_challenge: bool,
}

impl Sum {
    pub(super) fn update(&mut self, piece: &[u8]) {
        self.message.update(piece);
        match &mut self.state {
            State::Md5(sum) => sum.update(piece),
            State::Sha1(sum) => sum.update(piece),
            State::Sha256(sum) => sum.update(piece),
            State::Sha384(sum) => sum.update(piece),
            State::Sha512(sum) => sum.update(piece),
            State::HmacMd5(sum) => Mac::update(sum, piece),
            State::HmacSha1(sum) => Mac::update(sum, piece),
            State::HmacSha256(sum) => Mac::update(sum, piece),
            State::HmacSha384(sum) => Mac::update(&mut **sum, piece),
            State::HmacSha512(sum) => Mac::update(&mut **sum, piece),
        }
    }

    pub(super) fn finish(self) -> Finished {
        let could_be_challenge = self.message.fits();
        let digest = match self.state {
            State::Md5(sum) => sum.finalize().to_vec(),
            State::Sha1(sum) => sum.finalize().to_vec(),
            State::Sha256(sum) => sum.finalize().to_vec(),
            State::Sha384(sum) => sum.finalize().to_vec(),
            State::Sha512(sum) => sum.finalize().to_vec(),
            State::HmacMd5(sum) => sum.finalize().into_bytes().to_vec(),
            State::HmacSha1(sum) => sum.finalize().into_bytes().to_vec(),
            State::HmacSha256(sum) => sum.finalize().into_bytes().to_vec(),
            State::HmacSha384(sum) => sum.finalize().into_bytes().to_vec(),
            State::HmacSha512(sum) => sum.finalize().into_bytes().to_vec(),
        };
        Finished {
            digest,
            could_be_challenge,
        }
    }
}

impl Finished {
    /// Compares in constant time, over the full length: a claim of another length is wrong, never a prefix match.
    pub(super) fn is(&self, claimed: &[u8]) -> bool {
        self.digest.ct_eq(claimed).into()
    }

    /// Whether the message is one that a handshake of some type would sign for anybody. Such a MAC proves nothing.
    pub(super) fn could_be_challenge(&self) -> bool {
        self.could_be_challenge
    }

    /// The bytes of the digest, for answering a challenge; never for comparing.
    pub(super) fn reveal(self) -> Vec<u8> {
        self.digest
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_published_test_cases_of_hmac_hold() {
        // RFC 2202 section 3 and RFC 4231 section 4.3, test case 2.
        for (digest, expected) in [
            (Digest::Md5, "750c783e6ab0b503eaa86e310a5db738"),
            (Digest::Sha1, "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79"),
            (
                Digest::Sha256,
                "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
            ),
        ] {
            let mut sum = digest.hmac(b"Jefe").expect("a key");
            sum.update(b"what do ya want ");
            sum.update(b"for nothing?");
            assert_eq!(hex::encode(sum.finish().reveal()), expected, "{digest:?}");
        }
    }

    #[test]
    fn an_empty_key_makes_no_mac() {
        assert!(Digest::Sha256.hmac(b"").is_none());
    }

    #[test]
    fn no_prefix_and_no_extension_of_a_digest_is_the_digest() {
        let whole = Digest::Sha512.of(b"x");
        let sum = || {
            let mut sum = Digest::Sha512.hash();
            sum.update(b"x");
            sum.finish()
        };
        assert!(sum().is(&whole));
        for len in 0..whole.len() {
            assert!(!sum().is(&whole[..len]), "{len}");
        }
        assert!(!sum().is(&[&whole[..], &[0]].concat()));
    }
}
