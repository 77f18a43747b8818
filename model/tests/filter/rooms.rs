//! All rooms see one tree: what a filter finds in a body a dedup key, a step, a script and a signature's scheme find too.

use bytes::Bytes;
use model::{
    catalog::{Field, FilterRule},
    fingerprint::Fingerprint,
    kit,
    policy::{
        dedup::{Fingerprints, Selection},
        document::{Document, Parsed},
        filter::{Filter, Steps},
        signature::Facts,
        transform::{self, Env, Limits, Message},
    },
    time::Timestamp,
    traffic::RequestRecord,
};
use proptest::prelude::*;
use serde_json::{Value, json};

const JSON: &str = "application/json";

struct Received {
    record: RequestRecord,
    body: Vec<u8>,
}

impl Received {
    fn new(content_type: &str, body: impl Into<Vec<u8>>) -> Self {
        let content_type = Bytes::from(content_type.to_owned());
        Self {
            record: RequestRecord {
                headers: vec![("content-type".into(), content_type)],
                ..kit::record()
            },
            body: body.into(),
        }
    }

    fn document(&self) -> Document<'_> {
        Document::of(&self.record, &self.body)
    }

    fn matches(&self, filter: Value) -> bool {
        let rule = FilterRule {
            body: Some(filter),
            ..FilterRule::default()
        };
        let filter = Filter::read(&rule).expect("a filter");
        filter.holds(&self.document(), &mut Steps::of_request())
    }

    fn fingerprint(&self, field: &str) -> Option<Fingerprint> {
        let field: Field = field.parse().expect("a field");
        let document = self.document();
        let selection = Selection::only(&[field]);
        Fingerprints::new(&document).of(&selection)
    }

    fn message(&self) -> Message {
        Message {
            headers: self.record.headers.clone(),
            body: self.body.clone().into(),
            ..Message::default()
        }
    }

    fn after(&self, steps: &[Value]) -> Result<Message, String> {
        let steps = transform::Steps::read("steps", steps).expect("steps");
        let after = steps.run(self.message(), &Env::new(), Limits::for_bodies_of(1 << 20));
        after.map_err(|failure| failure.to_string())
    }

    fn facts<'a>(&'a self, parsed: &'a Parsed) -> Facts<'a> {
        Facts {
            record: &self.record,
            body: &self.body,
            parsed,
            url: "https://in.example/src",
            now: Timestamp(0),
        }
    }

    fn signed_text(&self, path: &str) -> Option<String> {
        self.facts(&Parsed::default()).json(path)
    }

    fn is_json(&self) -> bool {
        self.facts(&Parsed::default()).tree().is_some()
    }
}

/// Bodies that hold `"type": "paid"` and one odd thing beside it, and what of that a changed body still has.
fn odd_bodies() -> Vec<(Received, &'static [u8])> {
    let long = format!("{{\"type\":\"paid\",\"n\":{}}}", "7".repeat(310));
    let utf16 = |text: &str, unit: fn(u16) -> [u8; 2]| -> Vec<u8> {
        text.encode_utf16().flat_map(unit).collect()
    };
    let plain = r#"{"type":"paid","name":"Zwölf"}"#;
    let marked = format!("\u{feff}{plain}");
    vec![
        (
            Received::new(JSON, *br#"{"type":"paid","x":"\ud83d"}"#),
            br#""\ud83d""#,
        ),
        (
            Received::new(JSON, *br#"{"\ude00":1,"type":"paid"}"#),
            br#""\ude00":1"#,
        ),
        (
            Received::new(JSON, *br#"{"type":"paid","n":1e400}"#),
            b"1e400",
        ),
        (
            Received::new(JSON, *br#"{"n":-1E-999,"type":"paid"}"#),
            b"-1E-999",
        ),
        (Received::new(JSON, long), b"7777"),
        (
            Received::new(JSON, *br#"{"type":"open","type":"paid","a":"\/"}"#),
            br#""type":"open","type":"paid","a":"\/""#,
        ),
        (
            Received::new(JSON, *b"{\"type\":\"paid\",\"name\":\"Zw\xf6lf\"}"),
            b"Zw\xf6lf",
        ),
        (
            Received::new(
                "application/json; charset=ISO-8859-1",
                *b"{\"type\":\"paid\",\"name\":\"Zw\xf6lf\"}",
            ),
            "Zwölf".as_bytes(),
        ),
        (
            Received::new(
                "application/vnd.a+json;charset=\"utf-16le\"",
                utf16(plain, u16::to_le_bytes),
            ),
            "Zwölf".as_bytes(),
        ),
        (
            Received::new("text/json; charset=utf-16", utf16(plain, u16::to_be_bytes)),
            "Zwölf".as_bytes(),
        ),
        (
            Received::new(JSON, utf16(&marked, u16::to_be_bytes)),
            "Zwölf".as_bytes(),
        ),
        (Received::new(JSON, marked.clone()), "Zwölf".as_bytes()),
        (Received::new("text/plain", marked), "Zwölf".as_bytes()),
    ]
}

#[test]
fn one_odd_value_hides_no_body_from_any_room() {
    let plain = Received::new(JSON, *br#"{"type":"paid"}"#);
    for (odd, kept) in odd_bodies() {
        let shown = String::from_utf8_lossy(&odd.body).into_owned();
        assert!(odd.matches(json!({"type": "paid"})), "{shown}");
        assert!(!odd.matches(json!({"type": "open"})), "{shown}");
        assert_eq!(
            odd.fingerprint("body.type"),
            plain.fingerprint("body.type"),
            "{shown}"
        );
        assert_eq!(odd.signed_text("type").as_deref(), Some("paid"), "{shown}");
        assert!(transform::as_json(&odd.message()).is_some(), "{shown}");

        let untouched = odd.after(&[json!({"op": "set", "field": "body.type", "value": "paid"})]);
        assert_eq!(untouched.expect("runs").body, odd.body, "{shown}");
        let seen = json!({"op": "set", "field": "body.seen", "value": true});
        let changed = odd
            .after(&[seen])
            .unwrap_or_else(|failure| panic!("{shown}: {failure}"));
        let has = |part: &[u8]| {
            changed
                .body
                .windows(part.len())
                .any(|window| window == part)
        };
        assert!(
            has(kept) && has(br#""seen":true"#),
            "{shown}: {:?}",
            changed.body
        );
        let again = Received {
            body: changed.body.to_vec(),
            record: RequestRecord {
                headers: changed.headers.clone(),
                ..odd.record.clone()
            },
        };
        assert!(
            again.matches(json!({"type": "paid", "seen": true})),
            "{shown}"
        );
    }
}

#[test]
fn half_a_surrogate_pair_is_told_from_another_half_and_from_a_replacement() {
    let with = |text: &str| Received::new(JSON, format!(r#"{{"x":"{text}","y":"\ud83d"}}"#));
    let half = with(r"\ud83d");
    assert!(half.matches(json!({"x": {"$eq": {"$ref": "y"}}})));
    for other in [r"\ud83e", r"\ufffd", "\u{fffd}", r"\ud83d\ude00", "x"] {
        let other = with(other);
        assert!(!other.matches(json!({"x": {"$eq": {"$ref": "y"}}})));
        assert_ne!(half.fingerprint("body.x"), other.fingerprint("body.x"));
    }
    assert_eq!(
        half.fingerprint("body.x"),
        with(r"\uD83D").fingerprint("body.x")
    );
    let text = Received::new(JSON, *br#"{"x":"order \ud83d EU-7"}"#);
    for filter in [
        json!({"$startsWith": "order"}),
        json!({"$endsWith": "EU-7"}),
        json!({"$in": " EU"}),
        json!({"$regex": "EU-[0-9]$"}),
    ] {
        assert!(text.matches(json!({ "x": filter })));
    }
}

#[test]
fn numbers_are_compared_to_the_last_digit() {
    let of = |number: &str| Received::new(JSON, format!(r#"{{"n":{number},"t":"{number}"}}"#));
    for (number, filter, expected) in [
        (
            "10000000000000001",
            json!(10_000_000_000_000_000_u64),
            false,
        ),
        ("10000000000000001", json!(10_000_000_000_000_001_u64), true),
        (
            "10000000000000001.5",
            json!({"$gt": 10_000_000_000_000_001_u64, "$lt": 10_000_000_000_000_002_u64}),
            true,
        ),
        (
            "123456789012345678901",
            json!("123456789012345678901"),
            true,
        ),
        (
            "123456789012345678902",
            json!("123456789012345678901"),
            false,
        ),
        (
            "123456789012345678902",
            json!({"$gt": "123456789012345678901"}),
            true,
        ),
        ("1e400", json!({"$gt": 1e308}), true),
        ("1e400", json!("10e399"), true),
        ("-1e400", json!({"$lt": 0}), true),
        ("1e-400", json!(0), false),
        ("1e-400", json!({"$gt": 0}), true),
        ("0.1", json!(0.1), true),
        ("0.10", json!({"$in": [0.1]}), true),
        ("0.1000000000000000055", json!(0.1), false),
    ] {
        assert_eq!(
            of(number).matches(json!({ "n": filter })),
            expected,
            "{number} {filter}"
        );
    }
    assert!(of("10000000000000001.50").matches(json!({"n": {"$eq": {"$ref": "t"}}})));
}

const FORM: &str = "multipart/form-data; boundary=\"-x 1\"";

fn form(tag: &str, file: &str) -> Received {
    let body = format!(
        "---x 1\r\nContent-Disposition: form-data; name=\"event\"\r\n\r\npaid\r\n\
         ---x 1\r\nContent-Disposition: form-data; name=\"tag\"\r\n\r\n{tag}\r\n\
         ---x 1\r\nContent-Disposition: form-data; name=\"doc\"; filename=\"a.pdf\"\r\nContent-Type: application/pdf\r\n\r\n{file}\r\n\
         ---x 1--\r\n"
    );
    Received::new(FORM, body)
}

#[test]
fn a_form_of_parts_has_fields_and_files_in_every_room() {
    let paid = form("a", "%PDF-1");
    for filter in [
        json!({"event": "paid", "tag": {"$in": ["a", "b"]}}),
        json!({"doc": {"filename": {"$endsWith": ".pdf"}, "content_type": "application/pdf", "size": {"$lte": 6}}}),
        json!({"none": {"$exist": false}}),
    ] {
        assert!(paid.matches(filter.clone()), "{filter}");
    }
    assert!(!paid.matches(json!({"doc": {"size": 7}})));

    let (again, other) = (form("b", "%PDF-1"), form("a", "%PDF-2"));
    for field in ["body.event", "body.doc", "body.doc.filename"] {
        assert_eq!(paid.fingerprint(field), again.fingerprint(field), "{field}");
    }
    assert_ne!(paid.fingerprint("body.tag"), again.fingerprint("body.tag"));
    assert_ne!(
        paid.fingerprint("body.doc"),
        other.fingerprint("body.doc"),
        "of one name and size"
    );

    let script = transform::as_json(&paid.message()).expect("a structure");
    let seen: Value = serde_json::from_slice(&script).expect("JSON");
    assert_eq!(
        (&seen["event"], &seen["doc"]["size"]),
        (&json!("paid"), &json!(6))
    );
}

#[test]
fn steps_read_a_form_of_parts_and_write_its_fields_but_no_file() {
    let paid = form("a", "%PDF-1");
    let header = json!({"op": "set_header", "name": "x-event", "from": "body.event"});
    let read = paid.after(&[header]).expect("runs");
    assert_eq!(
        (read.header("x-event").as_deref(), &read.body[..]),
        (Some("paid"), &paid.body[..])
    );
    assert_eq!(read.header("content-type").as_deref(), Some(FORM));

    let set = json!({"op": "set", "field": "body.tag", "value": "z"});
    let refused = paid.after(std::slice::from_ref(&set)).expect_err("a file");
    assert!(
        refused.contains("the form's file doc can't be written anew"),
        "{refused}"
    );

    let dropped = paid
        .after(&[set, json!({"op": "drop", "fields": ["body.doc"]})])
        .expect("runs");
    assert_eq!(dropped.body, r#"{"event":"paid","tag":"z"}"#);
    assert_eq!(dropped.header("content-type").as_deref(), Some(JSON));
}

#[test]
fn what_is_beyond_the_bounds_has_no_structure_in_any_room() {
    let deep = format!(
        "{{\"type\":\"paid\",\"d\":{}{}}}",
        "[".repeat(64),
        "]".repeat(64)
    );
    let many = format!("{{\"type\":\"paid\",\"d\":[{}0]}}", "0,".repeat(500_000));
    for body in [deep, many] {
        let beyond = Received::new(JSON, body);
        assert!(!beyond.matches(json!({"type": "paid"})));
        assert_eq!(beyond.fingerprint("body.type"), None);
        assert_eq!(beyond.signed_text("type"), None);
        assert!(
            beyond
                .after(&[json!({"op": "drop", "fields": ["body.type"]})])
                .is_err()
        );
    }
}

proptest! {
    #[test]
    fn a_body_has_a_structure_for_all_or_for_none(
        text in r#"(\{|\}|\[|\]|,|:|"type"|"|\\ud83d|\\u00e9|\\|e|1|-|\.|true| |ö){0,14}"#,
        bytes: Vec<u8>,
        charset in "(|; charset=latin1|; charset=utf-16)",
    ) {
        let quoted = [br#"{"type":""#, bytes.as_slice(), br#""}"#].concat();
        for body in [text.as_bytes(), &quoted] {
            let received = Received::new(&format!("{JSON}{charset}"), body);
            let has_structure = received.matches(json!({"$exist": true}));
            let step = received.after(&[json!({"op": "wrap", "field": "body"})]);
            prop_assert_eq!(has_structure, step.is_ok() && !body.is_empty(), "{:?}", step);
            prop_assert_eq!(has_structure, received.is_json());
            let is_an_object = received.signed_text("type").is_some();
            prop_assert!(!is_an_object || received.fingerprint("body.type").is_some());
        }
    }
}
