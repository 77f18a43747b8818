//! The generic HMAC type over any secret, body and time: what is signed so is accepted, what is not quite so is not.

use base64::{
    Engine,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use bytes::Bytes;
use hmac::{Hmac, KeyInit, Mac};
use model::{
    catalog::{LiveSecret, Secret, Source, Verification},
    kit,
    policy::signature::{Diagnosis, Finding, NoKeys, examine},
    time::Timestamp,
    traffic::{Origin, Request, RequestRecord},
};
use proptest::{collection::vec, prelude::*, sample::Index};
use sha1::Sha1;
use sha2::{Sha256, Sha512};

const NOW_S: u64 = 1_700_000_000;

#[derive(Clone, Debug)]
struct Signed {
    algorithm: &'static str,
    encoding: &'static str,
    secret: String,
    body: Vec<u8>,
    /// Seconds after now; none for a message without a timestamp.
    at: Option<i64>,
}

impl Signed {
    fn stamp(&self) -> Option<String> {
        let at = self.at?;
        Some(NOW_S.checked_add_signed(at).expect("a time").to_string())
    }

    fn mac(&self) -> Vec<u8> {
        let stamp = self.stamp().map_or_else(String::new, |at| format!("{at}."));
        let message = [stamp.as_bytes(), &self.body].concat();
        let key = self.secret.as_bytes();
        match self.algorithm {
            "sha1" => sum(
                Hmac::<Sha1>::new_from_slice(key).expect("any key"),
                &message,
            ),
            "sha512" => sum(
                Hmac::<Sha512>::new_from_slice(key).expect("any key"),
                &message,
            ),
            _ => sum(
                Hmac::<Sha256>::new_from_slice(key).expect("any key"),
                &message,
            ),
        }
    }

    fn write(&self, mac: &[u8]) -> String {
        match self.encoding {
            "base64" => STANDARD.encode(mac),
            "base64url" => URL_SAFE_NO_PAD.encode(mac),
            _ => hex::encode(mac),
        }
    }

    fn source(&self) -> Source {
        let mut verification = Verification::of("HMAC");
        let mut options = vec![
            ("algorithm", self.algorithm),
            ("encoding", self.encoding),
            ("header_key", "x-signature"),
        ];
        if self.at.is_some() {
            options.push(("timestamp_header_key", "x-at"));
            options.push(("signed_content", "{timestamp}.{body}"));
        }
        for (name, value) in options {
            verification
                .fields
                .insert(name.into(), Secret::new(value.into()));
        }
        verification.secrets = vec![LiveSecret::new(Secret::new(self.secret.clone()))];
        Source {
            name: "any".into(),
            verification,
            ..kit::source()
        }
    }

    /// Examines this body with that signature.
    fn examine(&self, signature: String, body: Vec<u8>) -> Origin {
        let mut headers = vec![("x-signature".to_owned(), Bytes::from(signature))];
        headers.extend(self.stamp().map(|at| ("x-at".to_owned(), Bytes::from(at))));
        let record = RequestRecord {
            received_at: Timestamp(NOW_S * 1000),
            headers,
            ..kit::record()
        };
        let request = Request::received(record, body.into());
        match examine(
            &self.source(),
            request,
            "",
            Timestamp(NOW_S * 1000),
            &NoKeys,
        ) {
            Finding::Verified(request) => request.record.origin,
            Finding::Rejected(rejected) => rejected.record.origin,
            other => panic!("{other:?}"),
        }
    }
}

fn sum<M: Mac>(mut mac: M, message: &[u8]) -> Vec<u8> {
    mac.update(message);
    mac.finalize().into_bytes().to_vec()
}

fn signed() -> impl Strategy<Value = Signed> {
    (
        prop::sample::select(vec!["sha256", "sha1", "sha512"]),
        prop::sample::select(vec!["hex", "base64", "base64url"]),
        // A blank secret is none.
        "[!-~][ -~]{0,199}",
        vec(any::<u8>(), 0..300),
        prop::option::of(-300_i64..=300),
    )
        .prop_map(|(algorithm, encoding, secret, body, at)| Signed {
            algorithm,
            encoding,
            secret,
            body,
            at,
        })
}

fn proven(origin: &Origin) -> bool {
    matches!(origin, Origin::Proven { secret: Some(0) })
}

proptest! {
    #[test]
    fn what_is_signed_is_accepted_and_nothing_else(
        signed in signed(), bit in any::<Index>(), length in any::<Index>(), more in vec(any::<u8>(), 1..4),
    ) {
        let mac = signed.mac();
        let right = signed.write(&mac);
        let origin = signed.examine(right.clone(), signed.body.clone());
        prop_assert!(proven(&origin), "{origin:?}");

        let bit = bit.index(mac.len() * 8);
        let mut flipped = mac.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        let short = &mac[..length.index(mac.len())];
        let long = [&mac[..], &more].concat();
        for wrong in [&flipped, short, &long[..]] {
            prop_assert!(!proven(&signed.examine(signed.write(wrong), signed.body.clone())), "{wrong:?}");
        }
        let cut = &right[..length.index(right.len())];
        prop_assert!(!proven(&signed.examine(cut.to_owned(), signed.body.clone())), "{cut:?}");
        let longer = [&signed.body[..], &more].concat();
        prop_assert!(!proven(&signed.examine(right, longer)));
    }

    #[test]
    fn outside_the_window_it_says_by_how_much(signed in signed(), past in 301_i64..1_000_000) {
        for (at, expected) in [
            (-past, Diagnosis::Stale { by_s: past.unsigned_abs() - 300 }),
            (past, Diagnosis::Ahead { by_s: past.unsigned_abs() - 300 }),
        ] {
            let signed = Signed { at: Some(at), ..signed.clone() };
            let origin = signed.examine(signed.write(&signed.mac()), signed.body.clone());
            prop_assert_eq!(origin, Origin::Refused(expected));
        }
    }
}
