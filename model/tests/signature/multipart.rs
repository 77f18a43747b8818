//! Senders that post forms of parts: their fields are what their schemes sign.

use bytes::Bytes;
use hmac::{Hmac, KeyInit, Mac};
use model::{
    catalog::{Source, Verification},
    kit,
    policy::signature::{Diagnosis, Finding, NoKeys, examine},
    time::Timestamp,
    traffic::{Origin, Request, RequestRecord},
};
use sha2::Sha256;

const SECRET: &str = "a secret that is long enough";
const NOW: Timestamp = Timestamp(1_700_000_000_000);

fn mac(message: &str) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes()).expect("any key");
    mac.update(message.as_bytes());
    hex::encode(mac.finalize().into_bytes())
}

fn part(name: &str, value: &str) -> String {
    format!("--sep\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n")
}

/// What the scheme says of a form; none where it accepts it.
fn refusal(scheme: &str, parts: &[String]) -> Option<Diagnosis> {
    let source = Source {
        name: "forms".into(),
        verification: Verification::with_secret(scheme, SECRET),
        created_at: NOW,
        updated_at: NOW,
        ..kit::source()
    };
    let content_type = Bytes::from_static(b"multipart/form-data; boundary=sep");
    let record = RequestRecord {
        received_at: NOW,
        headers: vec![("content-type".into(), content_type)],
        ..kit::record()
    };
    let body = format!("{}--sep--\r\n", parts.concat());
    let request = Request::received(record, body.into());
    match examine(&source, request, "https://in.example/src", NOW, &NoKeys) {
        Finding::Verified(request) => {
            assert_eq!(request.record.origin, Origin::Proven { secret: Some(0) });
            None
        }
        Finding::Rejected(rejected) => match rejected.record.origin {
            Origin::Refused(diagnosis) => Some(diagnosis),
            other => panic!("{other:?}"),
        },
        other => panic!("{other:?}"),
    }
}

#[test]
fn dropbox_sign_is_verified_by_the_field_that_holds_its_event() {
    let event = |hash: &str| {
        format!(
            r#"{{"event":{{"event_time":"1699999990","event_type":"signature_request_sent","event_hash":"{hash}"}},"note":"\ud83d"}}"#
        )
    };
    let right = event(&mac("1699999990signature_request_sent"));
    let file =
        "--sep\r\nContent-Disposition: form-data; name=\"f\"; filename=\"a.pdf\"\r\n\r\n%PDF\r\n";
    assert_eq!(refusal("DROPBOX_SIGN", &[part("json", &right)]), None);
    assert_eq!(
        refusal("DROPBOX_SIGN", &[file.to_owned(), part("json", &right)]),
        None
    );
    let forged = event(&mac("1699999991signature_request_sent"));
    assert_eq!(
        refusal("DROPBOX_SIGN", &[part("json", &forged)]),
        Some(Diagnosis::Mismatch)
    );
    let twice = [part("json", &right), part("json", &forged)];
    assert_eq!(
        refusal("DROPBOX_SIGN", &twice),
        Some(Diagnosis::Repeated("form field json".into()))
    );
    assert_eq!(
        refusal("DROPBOX_SIGN", &[part("other", &right)]),
        Some(Diagnosis::Missing("form field json".into()))
    );
}

#[test]
fn mailgun_is_verified_when_a_message_has_attachments() {
    let token = "ab".repeat(25);
    let parts = |signature: &str| {
        [
            part("subject", "Re: Über"),
            part("timestamp", "1700000000"),
            part("token", &token),
            "--sep\r\nContent-Disposition: form-data; name=\"attachment-1\"; filename=\"a\"\r\n\r\n\0\x01\r\n".to_owned(),
            part("signature", signature),
        ]
    };
    let right = mac(&format!("1700000000{token}"));
    assert_eq!(refusal("MAILGUN", &parts(&right)), None);
    assert!(refusal("MAILGUN", &parts(&mac("1700000001"))).is_some());
    assert!(refusal("MAILGUN", &parts("")).is_some());
}
