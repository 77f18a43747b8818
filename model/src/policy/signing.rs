//! Signs what is delivered: Standard Webhooks, `v1` (HMAC-SHA256) and `v1a` (Ed25519) over `id.timestamp.body`, and the
//! plain HMAC of receivers that want no more.

use crate::catalog::Secret;
use base64::{Engine, engine::general_purpose::STANDARD};
use hmac::{Hmac, KeyInit, Mac};
use ring::signature::{Ed25519KeyPair, KeyPair};
use sha2::Sha256;

/// The base64 of a key that both sides share.
const SHARED: &str = "whsec_";
/// The base64 of an Ed25519 seed and its public key.
const PRIVATE: &str = "whsk_";
const PUBLIC: &str = "whpk_";
const SEED_LEN: usize = 32;
/// Bytes of a shared key, as the specification has them.
const SHARED_LEN: core::ops::RangeInclusive<usize> = 24..=64;

/// The kinds of signatures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    V1,
    V1a,
}

impl Version {
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::V1 => "v1",
            Self::V1a => "v1a",
        }
    }

    /// The signature version that a secret signs.
    #[must_use]
    pub fn of(secret: &str) -> Self {
        if secret.starts_with(PRIVATE) {
            Self::V1a
        } else {
            Self::V1
        }
    }

    /// A new secret out of 32 random bytes.
    #[must_use]
    pub fn fresh(self, drawn: &[u8; SEED_LEN]) -> Secret {
        Secret::new(match self {
            Self::V1 => format!("{SHARED}{}", STANDARD.encode(drawn)),
            Self::V1a => {
                let both = [drawn, public_half(drawn).as_slice()].concat();
                format!("{PRIVATE}{}", STANDARD.encode(both))
            }
        })
    }

    /// Checks a secret that an operator brings.
    ///
    /// # Errors
    /// What was expected.
    pub fn check(self, secret: &str) -> Result<(), &'static str> {
        let (is_sound, expected) = match self {
            Self::V1 => {
                let key = secret.strip_prefix(SHARED);
                let key = key.and_then(|encoded| STANDARD.decode(encoded).ok());
                let is_sound = key.is_some_and(|key| SHARED_LEN.contains(&key.len()));
                (
                    is_sound,
                    "expected whsec_ and the base64 of 24 to 64 random bytes",
                )
            }
            Self::V1a => {
                let expected =
                    "expected whsk_ and the base64 of an Ed25519 seed and its public key";
                (key_pair(secret).is_some(), expected)
            }
        };
        if is_sound { Ok(()) } else { Err(expected) }
    }
}

/// The value of `webhook-signature`: one signature for each secret, in their order.
#[must_use]
pub fn signatures<'a>(
    secrets: impl Iterator<Item = &'a str>,
    id: &str,
    timestamp_s: u64,
    body: &[u8],
) -> String {
    let all: Vec<String> = secrets
        .map(|secret| signature(secret, id, timestamp_s, body))
        .collect();
    all.join(" ")
}

/// Signs a body as the Standard Webhooks specification says, with one secret. `secret` is `whsec_` and base64, or
/// `whsk_` and base64; anything else is taken as it is. `timestamp_s` is in seconds since the epoch, as
/// `webhook-timestamp` carries it.
#[must_use]
pub fn signature(secret: &str, id: &str, timestamp_s: u64, body: &[u8]) -> String {
    let head = format!("{id}.{timestamp_s}.");
    if let Some(pair) = key_pair(secret) {
        let signed = pair.sign(&[head.as_bytes(), body].concat());
        return format!("v1a,{}", STANDARD.encode(signed));
    }
    let key = secret
        .strip_prefix(SHARED)
        .and_then(|encoded| STANDARD.decode(encoded).ok())
        .unwrap_or_else(|| secret.as_bytes().to_vec());
    format!(
        "v1,{}",
        STANDARD.encode(mac(&key, &[head.as_bytes(), body]))
    )
}

/// The base64 of a body's HMAC-SHA256 under a secret, taken as it is written.
#[must_use]
pub fn plain(secret: &str, body: &[u8]) -> String {
    STANDARD.encode(mac(secret.as_bytes(), &[body]))
}

/// The public key by which a receiver checks `v1a` signatures of this secret. None: it makes no such signatures.
#[must_use]
pub fn public_key(secret: &str) -> Option<String> {
    let pair = key_pair(secret)?;
    Some(format!("{PUBLIC}{}", STANDARD.encode(pair.public_key())))
}

fn mac(key: &[u8], parts: &[&[u8]]) -> [u8; 32] {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes a key of any length");
    for part in parts {
        mac.update(part);
    }
    mac.finalize().into_bytes().into()
}

fn key_pair(secret: &str) -> Option<Ed25519KeyPair> {
    let bytes = STANDARD.decode(secret.strip_prefix(PRIVATE)?).ok()?;
    let (seed, public) = bytes.split_at_checked(SEED_LEN)?;
    Ed25519KeyPair::from_seed_and_public_key(seed, public).ok()
}

fn public_half(seed: &[u8; SEED_LEN]) -> Vec<u8> {
    let pair = Ed25519KeyPair::from_seed_unchecked(seed).expect("a seed has 32 bytes");
    pair.public_key().as_ref().to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;
    use ring::signature::{ED25519, UnparsedPublicKey};

    const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    const BODY: &[u8] = br#"{"test": 2432232314}"#;

    #[test]
    fn the_specifications_sample_is_signed_as_it_says() {
        let signed = signature(SECRET, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, BODY);
        assert_eq!(signed, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn an_ed25519_signature_is_checked_with_the_public_key_that_is_shown() {
        let secret = Version::V1a.fresh(&[7; 32]);
        assert_eq!(Version::V1a.check(secret.reveal()), Ok(()));
        let signed = signature(secret.reveal(), "evt_1", 5, b"hello");
        let signed = STANDARD.decode(signed.strip_prefix("v1a,").expect("its version"));
        let public = public_key(secret.reveal()).expect("a public key");
        let public = STANDARD.decode(public.strip_prefix("whpk_").expect("its prefix"));
        let public = UnparsedPublicKey::new(&ED25519, public.expect("base64"));
        let signed = signed.expect("base64");
        assert!(public.verify(b"evt_1.5.hello", &signed).is_ok());
        assert!(public.verify(b"evt_1.5.hullo", &signed).is_err());
    }

    #[test]
    fn every_live_secret_signs() {
        let private = Version::V1a.fresh(&[7; 32]);
        let secrets = [SECRET, "whsec_AAAA", private.reveal()];
        let all = signatures(secrets.into_iter(), "evt_1", 5, b"hello");
        let expected: Vec<String> = secrets
            .iter()
            .map(|secret| signature(secret, "evt_1", 5, b"hello"))
            .collect();
        assert_eq!(all.split(' ').collect::<Vec<_>>(), expected);
        assert!(expected[2].starts_with("v1a,") && expected[1].starts_with("v1,"));
    }

    #[test]
    fn the_plain_signature_is_the_bodys_alone() {
        // RFC 4231, test case 2.
        assert_eq!(
            plain("Jefe", b"what do ya want for nothing?"),
            "W9zBRr9gdU5qBCQmCJV1x1oAPwidJzmDnexYuWTsOEM="
        );
    }

    #[test]
    fn a_secret_of_the_wrong_form_is_refused() {
        for secret in [
            "",
            "whsec_",
            "whsec_AAAA",
            "whsec_!",
            "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        ] {
            assert!(Version::V1.check(secret).is_err(), "{secret}");
        }
        assert_eq!(Version::V1.check(SECRET), Ok(()));
        let mixed = format!("whsk_{}", STANDARD.encode([7; 64]));
        for secret in ["", SECRET, "whsk_AAAA", mixed.as_str()] {
            assert!(Version::V1a.check(secret).is_err(), "{secret}");
        }
    }
}
