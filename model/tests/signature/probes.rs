//! What senders ask with before they send, and what a second secret is for.

use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use hmac::{Hmac, KeyInit, Mac};
use model::{
    catalog::{Secret, Source, Verification},
    kit,
    policy::signature::{Answer, Finding, NoKeys, examine, is_handshake},
    time::Timestamp,
    traffic::{Origin, Request, RequestRecord},
};

const NOW: Timestamp = Timestamp(1_700_000_000_000);
const URL: &str = "https://events.example.com/src";
const SECRET: &str = "a secret that is long enough";
const FORM: (&str, &str) = ("content-type", "application/x-www-form-urlencoded");

fn source(verification: Verification) -> Source {
    Source {
        name: "s".into(),
        verification,
        created_at: NOW,
        updated_at: NOW,
        ..kit::source()
    }
}

fn request(method: &str, query: &str, headers: &[(&str, &str)]) -> RequestRecord {
    RequestRecord {
        received_at: NOW,
        method: method.into(),
        query: query.into(),
        headers: headers
            .iter()
            .map(|(name, value)| ((*name).to_owned(), Bytes::from((*value).to_owned())))
            .collect(),
        ..kit::record()
    }
}

fn find(auth: &Verification, record: RequestRecord, body: &str) -> Finding {
    let request = Request::received(record, Bytes::from(body.to_owned()));
    examine(&source(auth.clone()), request, URL, NOW, &NoKeys)
}

fn answer(auth: &Verification, record: RequestRecord, body: &str) -> Option<Answer> {
    match find(auth, record, body) {
        Finding::Answered(answer) => Some(*answer),
        _ => None,
    }
}

fn sha1(key: &str, message: &str) -> String {
    let mut mac = Hmac::<sha1::Sha1>::new_from_slice(key.as_bytes()).expect("a key");
    mac.update(message.as_bytes());
    STANDARD.encode(mac.finalize().into_bytes())
}

fn sha256(key: &str, message: &str) -> Vec<u8> {
    let mut mac = Hmac::<sha2::Sha256>::new_from_slice(key.as_bytes()).expect("a key");
    mac.update(message.as_bytes());
    mac.finalize().into_bytes().to_vec()
}

#[test]
fn a_shop_s_ping_is_answered_and_nothing_else_that_is_unsigned() {
    let shop = Verification::with_secret("WOOCOMMERCE", SECRET);
    let ping = |body: &str| answer(&shop, request("POST", "", &[FORM]), body);
    assert_eq!(ping("webhook_id=42").map(|answer| answer.status), Some(200));
    let pinged = ping("webhook_id=42").expect("answered");
    assert!(pinged.body.is_empty() && pinged.leaves.is_none());
    for other in [
        "webhook_id=42&order=1",
        "webhook_id=abc",
        "webhook_id=",
        "order=1",
        "{\"webhook_id\":42}",
        "",
    ] {
        assert_eq!(ping(other), None, "{other}");
    }
}

#[test]
fn a_mail_sender_s_checks_are_answered() {
    let mail = Verification::with_secret("MAILCHIMP", SECRET);
    for method in ["GET", "HEAD"] {
        let record = || request(method, "", &[]);
        assert!(answer(&mail, record(), "").is_some(), "{method}");
        let unread = Request::received(record(), Bytes::new());
        assert!(
            is_handshake(&source(mail.clone()), &unread, URL, NOW),
            "{method}"
        );
    }
    let body = "mandrill_events=%5B%5D";
    let signed = |key: &str| {
        let value = sha1(key, &format!("{URL}mandrill_events[]"));
        request("POST", "", &[FORM, ("x-mandrill-signature", &value)])
    };
    assert!(answer(&mail, signed("test-webhook"), body).is_some());
    assert_eq!(answer(&mail, signed("another key"), body), None);
    // The same with the source's own secret is an event.
    assert!(matches!(
        find(&mail, signed(SECRET), body),
        Finding::Verified(_)
    ));
}

#[test]
fn a_help_desk_s_test_is_answered_with_the_secret_that_it_documents() {
    const TEST: &str = "dGhpc19zZWNyZXRfaXNfZm9yX3Rlc3Rpbmdfb25seQ==";
    let at = "2023-11-14T22:13:20Z";
    let value = STANDARD.encode(sha256(TEST, &format!("{at}{{}}")));
    let headers = [
        ("x-zendesk-webhook-signature-timestamp", at),
        ("x-zendesk-webhook-signature", value.as_str()),
    ];
    let desk = Verification::with_secret("ZENDESK", SECRET);
    assert!(answer(&desk, request("POST", "", &headers), "{}").is_some());
    // Where the admin took it for the source's own, it proves events as any other would.
    let tested = Verification::with_secret("ZENDESK", TEST);
    let finding = find(&tested, request("POST", "", &headers), "{}");
    assert!(matches!(finding, Finding::Verified(_)), "{finding:?}");
}

#[test]
fn an_application_s_own_secret_answers_and_proves() {
    let mut auth = Verification::with_secret("LINKEDIN", SECRET);
    let child = "the secret of application 7";
    let applications = Secret::new(format!(r#"{{"7":"{child}"}}"#));
    auth.fields.insert("applications".into(), applications);
    let code = "890e4665-4dfe-4ab1-b689-ed553bceeed0";
    for (query, secret) in [
        (format!("challengeCode={code}&applicationId=7"), child),
        (format!("challengeCode={code}&applicationId=8"), SECRET),
        (format!("challengeCode={code}"), SECRET),
    ] {
        let answer = answer(&auth, request("GET", &query, &[]), "").expect(&query);
        let expected = hex::encode(sha256(secret, code));
        assert!(answer.body.contains(&expected), "{query}: {}", answer.body);
    }
    for (secret, taken) in [
        (child, true),
        (SECRET, true),
        ("a guess of somebody", false),
    ] {
        let value = hex::encode(sha256(secret, "hmacsha256={}"));
        let finding = find(
            &auth,
            request("POST", "", &[("x-li-signature", &value)]),
            "{}",
        );
        assert_eq!(matches!(finding, Finding::Verified(_)), taken, "{secret}");
    }
}

#[test]
fn the_scheme_word_of_a_credential_has_no_case() {
    let events = Verification::with_secret("CLOUDEVENTS", SECRET);
    let body = r#"{"specversion":"1.0","id":"1","source":"/s","type":"t"}"#;
    for word in ["Bearer", "bearer", "BEARER"] {
        let value = format!("{word} {SECRET}");
        let headers = [
            ("authorization", value.as_str()),
            ("content-type", "application/cloudevents+json"),
        ];
        let finding = find(&events, request("POST", "", &headers), body);
        assert!(
            matches!(finding, Finding::Verified(_)),
            "{word}: {finding:?}"
        );
    }
    let key = STANDARD.encode(SECRET);
    let teams = Verification::with_secret("TEAMS", &key);
    for word in ["HMAC", "hmac"] {
        let value = format!("{word} {}", STANDARD.encode(sha256(SECRET, "{}")));
        let finding = find(
            &teams,
            request("POST", "", &[("authorization", &value)]),
            "{}",
        );
        assert!(
            matches!(finding, Finding::Verified(_)),
            "{word}: {finding:?}"
        );
    }
}

#[test]
fn a_body_beyond_what_its_sender_sends_is_refused_unread() {
    let mut auth = Verification::of("AWS_SNS");
    let topic = Secret::new("arn:aws:sns:us-east-1:1:t".into());
    auth.fields.insert("topic_arn".into(), topic);
    let body = format!(
        r#"{{"Type":"Notification","Message":"{}"}}"#,
        "x".repeat(600 * 1024)
    );
    let Finding::Rejected(rejected) = find(&auth, request("POST", "", &[]), &body) else {
        panic!("taken");
    };
    let Origin::Refused(why) = &rejected.record.origin else {
        panic!("no diagnosis");
    };
    assert!(why.to_string().contains("length of the body"), "{why}");
}

#[test]
fn a_source_that_lacks_its_secret_says_so_whatever_comes() {
    for auth in [
        Verification::of("STRIPE"),
        Verification::of("GITHUB"),
        Verification::of("AIPRISE"),
        Verification::of("AWS_SNS"),
        Verification::of("ASANA"),
    ] {
        let name = auth.scheme.clone();
        let Finding::Rejected(rejected) = find(&auth, request("POST", "", &[]), "{}") else {
            panic!("{name} is taken");
        };
        let Origin::Refused(why) = &rejected.record.origin else {
            panic!("{name}: no diagnosis");
        };
        assert!(why.is_of_the_source(), "{name}: {why}");
    }
}

#[test]
fn while_a_secret_is_replaced_either_signature_proves() {
    let at = "2023-11-14T22:13:20.5";
    let orb = Verification::with_secret("ORB", SECRET);
    let sign = |key: &str| hex::encode(sha256(key, &format!("v1:{at}:{{}}")));
    let (right, other) = (sign(SECRET), sign("another secret of theirs"));
    for (value, taken) in [
        (format!("v1={right}"), true),
        (format!("v1={other} v1={right}"), true),
        (format!("v1={other}"), false),
    ] {
        let headers = [("x-orb-timestamp", at), ("x-orb-signature", value.as_str())];
        let finding = find(&orb, request("POST", "", &headers), "{}");
        assert_eq!(
            matches!(finding, Finding::Verified(_)),
            taken,
            "{value}: {finding:?}"
        );
    }
    let mollie = Verification::with_secret("MOLLIE", SECRET);
    let line = |key: &str| format!("sha256={}", hex::encode(sha256(key, "{}")));
    let (right, other) = (line(SECRET), line("another secret of theirs"));
    let name = "x-mollie-signature";
    for (lines, taken) in [
        (vec![(name, right.as_str())], true),
        (vec![(name, other.as_str()), (name, right.as_str())], true),
        (vec![(name, other.as_str())], false),
        (vec![(name, "")], false),
        (vec![], false),
    ] {
        let finding = find(&mollie, request("POST", "", &lines), "{}");
        assert_eq!(
            matches!(finding, Finding::Verified(_)),
            taken,
            "{lines:?}: {finding:?}"
        );
    }
}
