//! Keys and certificates in every form that people paste and providers publish.

#![no_main]

use libfuzzer_sys::fuzz_target;
use model::{policy::signature::PublicKey, time::Timestamp};

fuzz_target!(|input: &[u8]| {
    let _ = PublicKey::of_spki(input);
    let _ = PublicKey::of_pem(input);
    let _ = PublicKey::of_certificate(input, Some(Timestamp(1_700_000_000_000)));
    if let Ok(text) = std::str::from_utf8(input) {
        let _ = PublicKey::pasted(text);
    }
    if let Ok(serde_json::Value::Object(jwk)) = serde_json::from_slice(input) {
        let _ = PublicKey::of_jwk(&jwk);
    }
});
