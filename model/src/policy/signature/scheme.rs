//! A scheme as data: which header, which prefix, which encoding, which digest, which key.

use super::mac;
use crate::{
    catalog::{Digest, Encoding, Secret, SourceType},
    traffic::RequestRecord,
};
use base64::{
    Engine,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};

/// A signature over the raw body in one header.
#[derive(Clone, Copy, Debug)]
pub struct Scheme<'a> {
    /// Lower case.
    pub header: &'a str,
    /// What stands before the encoded MAC; empty for none.
    pub prefix: &'static str,
    pub encoding: Encoding,
    pub digest: Digest,
    pub secret: &'a Secret,
}

/// Why a scheme did not accept a request. For admins; senders see one uniform answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Diagnosis {
    #[error("the signature header is missing")]
    HeaderMissing,
    #[error("the signature header is there more than once")]
    HeaderRepeated,
    #[error("the signature is not of the expected form")]
    Malformed,
    #[error("the source's secret is too short to prove anything")]
    WeakSecret,
    #[error("the signature does not match: wrong secret, or the body changed after signing")]
    Mismatch,
}

impl<'a> Scheme<'a> {
    /// The scheme of a source type; none for a type that proves nothing.
    #[must_use]
    pub fn of(source_type: &'a SourceType) -> Option<Self> {
        match source_type {
            SourceType::Webhook => None,
            // docs.github.com, "Validating webhook deliveries".
            SourceType::Github { secret } => Some(Self {
                header: "x-hub-signature-256",
                prefix: "sha256=",
                encoding: Encoding::Hex,
                digest: Digest::Sha256,
                secret,
            }),
            SourceType::Hmac(config) => Some(Self {
                header: &config.header,
                prefix: "",
                encoding: config.encoding,
                digest: config.digest,
                secret: &config.secret,
            }),
        }
    }

    /// Checks a request's signature over its raw body.
    ///
    /// # Errors
    /// The reason, for the admin.
    pub fn check(&self, record: &RequestRecord, body: &[u8]) -> Result<(), Diagnosis> {
        if !self.secret.is_strong() {
            return Err(Diagnosis::WeakSecret);
        }
        let mut values = record.header_all(self.header);
        let value = values.next().ok_or(Diagnosis::HeaderMissing)?;
        // Which of two signatures an intermediary looked at is anyone's guess.
        if values.next().is_some() {
            return Err(Diagnosis::HeaderRepeated);
        }
        let claimed = self.decode(value).ok_or(Diagnosis::Malformed)?;
        if mac::matches(self.digest, self.secret.reveal().as_bytes(), body, &claimed) {
            Ok(())
        } else {
            Err(Diagnosis::Mismatch)
        }
    }

    fn decode(&self, value: &[u8]) -> Option<Vec<u8>> {
        let encoded = value.strip_prefix(self.prefix.as_bytes())?;
        match self.encoding {
            Encoding::Hex => hex::decode(encoded).ok(),
            Encoding::Base64 => STANDARD.decode(encoded).ok(),
            Encoding::Base64url => {
                let unpadded = encoded.strip_suffix(b"==").or(encoded.strip_suffix(b"="));
                URL_SAFE_NO_PAD.decode(unpadded.unwrap_or(encoded)).ok()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{catalog::HmacConfig, ids::SourceId, time::Timestamp};
    use bytes::Bytes;
    use hmac::{Hmac, KeyInit, Mac};
    use proptest::prelude::*;
    use sha2::Sha256;

    // GitHub's documented sample.
    const SECRET: &str = "It's a Secret to Everybody";
    const BODY: &[u8] = b"Hello, World!";
    const SIGNATURE: &str =
        "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17";

    fn github() -> SourceType {
        SourceType::Github {
            secret: Secret::new(SECRET.into()),
        }
    }

    fn record(headers: &[(&str, &str)]) -> RequestRecord {
        RequestRecord {
            source_id: SourceId(1),
            received_at: Timestamp(0),
            method: "POST".into(),
            path: String::new(),
            query: String::new(),
            headers: headers
                .iter()
                .map(|(name, value)| ((*name).to_owned(), Bytes::copy_from_slice(value.as_bytes())))
                .collect(),
            verified: false,
        }
    }

    fn check(source: &SourceType, headers: &[(&str, &str)], body: &[u8]) -> Result<(), Diagnosis> {
        Scheme::of(source)
            .expect("a scheme")
            .check(&record(headers), body)
    }

    #[test]
    fn the_documented_sample_of_github_is_accepted() {
        assert_eq!(
            check(&github(), &[("x-hub-signature-256", SIGNATURE)], BODY),
            Ok(())
        );
    }

    #[test]
    fn a_missing_repeated_or_malformed_signature_is_told_apart() {
        let once = ("x-hub-signature-256", SIGNATURE);
        assert_eq!(check(&github(), &[], BODY), Err(Diagnosis::HeaderMissing));
        assert_eq!(
            check(&github(), &[once, once], BODY),
            Err(Diagnosis::HeaderRepeated)
        );
        let sha1 = [("x-hub-signature-256", "sha1=00")];
        assert_eq!(check(&github(), &sha1, BODY), Err(Diagnosis::Malformed));
    }

    #[test]
    fn every_prefix_of_the_right_mac_is_refused() {
        for len in "sha256=".len()..SIGNATURE.len() {
            let cut = [("x-hub-signature-256", &SIGNATURE[..len])];
            assert!(check(&github(), &cut, BODY).is_err(), "{len}");
        }
    }

    #[test]
    fn a_short_secret_proves_nothing() {
        let source = SourceType::Github {
            secret: Secret::new("               x".trim().into()),
        };
        assert_eq!(
            check(&source, &[("x-hub-signature-256", SIGNATURE)], BODY),
            Err(Diagnosis::WeakSecret)
        );
    }

    proptest! {
        #[test]
        fn any_flipped_bit_of_body_or_signature_rejects(at in 0usize..(13 + 32) * 8) {
            let (byte, bit) = (at / 8, at % 8);
            let mut body = BODY.to_vec();
            let mut mac = hex::decode(&SIGNATURE["sha256=".len()..]).expect("hex");
            match body.get_mut(byte) {
                Some(flipped) => *flipped ^= 1 << bit,
                None => mac[byte - BODY.len()] ^= 1 << bit,
            }
            let header = format!("sha256={}", hex::encode(mac));
            prop_assert!(check(&github(), &[("x-hub-signature-256", &header)], &body).is_err());
        }

        #[test]
        fn what_the_generic_scheme_signs_it_accepts(body: Vec<u8>, secret in "[a-z]{16,40}") {
            let mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).expect("any key")
                .chain_update(&body).finalize().into_bytes();
            for (encoding, shown) in [
                (Encoding::Hex, hex::encode(mac)),
                (Encoding::Base64, STANDARD.encode(mac)),
                (Encoding::Base64url, URL_SAFE_NO_PAD.encode(mac)),
            ] {
                let source = SourceType::Hmac(HmacConfig {
                    digest: Digest::Sha256, encoding,
                    header: "x-signature".into(), secret: Secret::new(secret.clone()),
                });
                prop_assert_eq!(check(&source, &[("x-signature", &shown)], &body), Ok(()));
            }
        }

        #[test]
        fn no_header_value_makes_the_parser_panic(value in ".{0,100}") {
            let _ = check(&github(), &[("x-hub-signature-256", &value)], BODY);
        }
    }
}
