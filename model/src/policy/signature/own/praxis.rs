//! Praxis takes an answer for an answer only if it is signed as its own notifications are.

use super::super::{digest::Digest, handshake::Answer};
use crate::time::Timestamp;
use serde_json::json;

/// The answer that it wants: its status and its time, and the SHA-384 of both and the secret beside them.
pub(in super::super) fn acknowledge(secret: &str, now: Timestamp) -> Answer {
    const STATUS: u8 = 0;
    let at = now.0 / 1000;
    let text = format!("{STATUS}{at}{secret}");
    let signature = hex::encode(Digest::Sha384.of(text.as_bytes()));
    Answer {
        headers: vec![("external-request-signature", signature)],
        ..Answer::json(&json!({ "status": STATUS, "timestamp": at }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        catalog::{Source, Verification},
        kit,
        policy::signature::{Finding, NoKeys, acknowledgement, examine, facts::tests::record},
        traffic::Request,
    };

    const SECRET: &str = "a merchant's secret";
    const NOW: Timestamp = Timestamp(1_700_000_000_000);

    fn is_taken(body: &str, signature: &str) -> bool {
        let source = Source {
            name: "p".into(),
            verification: Verification::with_secret("PRAXIS", SECRET),
            created_at: NOW,
            updated_at: NOW,
            ..kit::source()
        };
        let record = record("POST", &[("gt-authentication", signature)]);
        let request = Request::received(record, body.to_owned().into());
        let finding = examine(&source, request, "https://a.example", NOW, &NoKeys);
        matches!(finding, Finding::Verified(_))
    }

    #[test]
    fn an_answer_is_signed_over_its_status_and_its_time() {
        let auth = Verification::with_secret("PRAXIS", SECRET);
        let answer = acknowledgement(&auth, Some(0), NOW).expect("an answer");
        let expected = Digest::Sha384.of(format!("01700000000{SECRET}").as_bytes());
        let (name, value) = &answer.headers[0];
        assert_eq!(
            (*name, value.as_str()),
            ("external-request-signature", &*hex::encode(expected))
        );
        assert_eq!(answer.body, r#"{"status":0,"timestamp":1700000000}"#);
        assert_eq!(
            acknowledgement(&Verification::of("STRIPE"), None, NOW),
            None
        );
    }

    #[test]
    fn an_answer_is_no_signature_of_a_notification() {
        let signed =
            |text: &str| hex::encode(Digest::Sha384.of(format!("{text}{SECRET}").as_bytes()));
        let right = r#"{"merchant_id":"m","application_key":"a","timestamp":1700000000}"#;
        assert!(is_taken(right, &signed("ma1700000000")));
        let (_, answered) = &acknowledge(SECRET, NOW).headers[0];
        for forged in [
            r#"{"merchant_id":"0","timestamp":1700000000,"amount":1}"#,
            r#"{"merchant_id":"0","application_key":"","timestamp":1700000000}"#,
            r#"{"merchant_id":"","application_key":"0","timestamp":1700000000}"#,
            r#"{"event":"0","timestamp":1700000000}"#,
        ] {
            assert!(!is_taken(forged, answered), "{forged}");
        }
    }
}
