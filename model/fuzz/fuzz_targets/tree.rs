//! Any body of any content type is read within the bounds, what is read reads the same when it is written, and all rooms see
//! the same. The first line is the content type, the rest the body.

#![no_main]

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use model::{
    catalog::FilterRule,
    ids::SourceId,
    policy::{
        dedup::{Fingerprints, Selection},
        document::{Document, Parsed, Part},
        filter::{Filter, Steps},
        signature::Facts,
        transform::{self, Env, Limits, Message},
    },
    time::Timestamp,
    traffic::{Origin, RequestRecord},
    tree::{self, Tree},
};
use serde_json::json;

const LIMITS: Limits = Limits {
    output_bytes_max: 1 << 20,
};

fuzz_target!(|input: &[u8]| {
    if let Ok(tree) = tree::read(input) {
        assert!(tree.is_within_bounds());
        writes_back(&tree);
    }
    let end = input.iter().position(|byte| *byte == b'\n');
    let Some((content_type, body)) = end.map(|end| (&input[..end], &input[end + 1..])) else {
        return;
    };
    let record = record(content_type);
    let document = Document::of(&record, body);
    let structure = document.part(Part::Body);
    let has_structure = structure.is_some();
    if let Some(tree) = structure {
        assert!(tree.is_within_bounds());
        writes_anew(tree);
    }
    let rule = FilterRule {
        body: Some(json!({"$exist": true})),
        ..FilterRule::default()
    };
    let filter = Filter::read(&rule).expect("a filter");
    assert_eq!(
        filter.holds(&document, &mut Steps::of_request()),
        has_structure
    );
    for field in ["body.a", "body.a[0]"] {
        let selection = Selection::only(&[field.parse().expect("a field")]);
        let is_there = Fingerprints::new(&document).of(&selection).is_some();
        assert!(has_structure || !is_there);
    }
    let parsed = Parsed::default();
    let facts = Facts {
        record: &record,
        body,
        parsed: &parsed,
        url: "https://in.example/src",
        now: Timestamp(0),
    };
    if content_type == b"application/json" {
        assert_eq!(facts.tree().is_some(), has_structure);
    }
    let _ = facts.form_field("a");
    let message = Message {
        headers: record.headers.clone(),
        body: Bytes::copy_from_slice(body),
        ..Message::default()
    };
    let steps = [json!({"op": "set", "field": "body.a", "value": 1})];
    let steps = transform::Steps::read("steps", &steps).expect("steps");
    if let Ok(after) = steps.run(message.clone(), &Env::new(), LIMITS) {
        assert!(after.body == message.body || tree::read(&after.body).is_ok());
    }
    let _ = transform::as_json(&message);
});

fn writes_back(tree: &Tree) {
    let json = tree::write(tree, usize::MAX).expect("fits");
    assert_eq!(tree::read(&json).as_ref(), Ok(tree));
    assert_eq!(tree::write(tree, json.len()).as_deref(), Some(&json[..]));
}

/// What was no JSON may hold bytes that are no text, which are replaced.
fn writes_anew(tree: &Tree) {
    let json = tree::write(tree, usize::MAX).expect("fits");
    assert!(tree::read(&json).is_ok());
}

fn record(content_type: &[u8]) -> RequestRecord {
    let content_type = Bytes::copy_from_slice(content_type);
    RequestRecord {
        source_id: SourceId(1),
        received_at: Timestamp(0),
        method: "POST".into(),
        path: String::new(),
        query: String::new(),
        headers: vec![("content-type".into(), content_type)],
        origin: Origin::Unproven,
    }
}
