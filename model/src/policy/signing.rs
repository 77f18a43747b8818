//! Signs what is delivered: Standard Webhooks, `v1` (HMAC-SHA256 over `id.timestamp.body`).

use base64::{Engine, engine::general_purpose::STANDARD};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// The value of `webhook-signature`. `secret` is `whsec_` and base64; anything else is taken as it is.
/// `timestamp_s` is in seconds since the epoch, as `webhook-timestamp` carries it.
#[must_use]
pub fn signature(secret: &str, id: &str, timestamp_s: u64, body: &[u8]) -> String {
    let key = secret
        .strip_prefix("whsec_")
        .and_then(|encoded| STANDARD.decode(encoded).ok())
        .unwrap_or_else(|| secret.as_bytes().to_vec());
    let mac = Hmac::<Sha256>::new_from_slice(&key)
        .expect("HMAC takes a key of any length")
        .chain_update(format!("{id}.{timestamp_s}."))
        .chain_update(body)
        .finalize()
        .into_bytes();
    format!("v1,{}", STANDARD.encode(mac))
}

#[cfg(test)]
mod tests {
    use super::signature;

    #[test]
    fn the_specifications_sample_is_signed_as_it_says() {
        let signed = signature(
            "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
            "msg_p5jXN8AQM9LWM0D4loKWxJek",
            1_614_265_330,
            br#"{"test": 2432232314}"#,
        );
        assert_eq!(signed, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }
}
