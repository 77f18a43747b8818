//! HMAC over the raw body, compared in constant time over its full length (RFC 2104, FIPS 180-4).

use crate::catalog::Digest;
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Sha256, Sha512};

/// Whether `claimed` is the MAC of `message`. A claim of any other length is wrong, never a prefix match.
pub(super) fn matches(digest: Digest, key: &[u8], message: &[u8], claimed: &[u8]) -> bool {
    // An empty key would accept what anybody can compute.
    if key.is_empty() {
        return false;
    }
    match digest {
        Digest::Sha256 => Hmac::<Sha256>::new_from_slice(key)
            .is_ok_and(|mac| mac.chain_update(message).verify_slice(claimed).is_ok()),
        Digest::Sha512 => Hmac::<Sha512>::new_from_slice(key)
            .is_ok_and(|mac| mac.chain_update(message).verify_slice(claimed).is_ok()),
    }
}
