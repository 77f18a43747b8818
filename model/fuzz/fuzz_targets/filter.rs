//! Any filter that can be read is asked of any body: no panic, the two ways of asking agree, `$not` is the opposite, and the
//! index finds what asking each connection finds. The first line is the filter, the rest the body.

#![no_main]

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use model::{
    catalog::{Connection, FilterRule, Rule},
    ids::{ConnectionId, DestinationId, SourceId},
    policy::{
        document::{Document, Part},
        filter::{Filter, Steps},
        route::Router,
    },
    time::Timestamp,
    traffic::{Origin, RequestRecord},
};
use serde_json::{Value, json};
use std::sync::Arc;

const NOW: Timestamp = Timestamp(0);

fuzz_target!(|input: &[u8]| {
    let end = input.iter().position(|byte| *byte == b'\n');
    let (filter, body) = input.split_at(end.unwrap_or(input.len()));
    let body = body.get(1..).unwrap_or_default();
    let Ok(filter) = serde_json::from_slice::<Value>(filter) else {
        return;
    };
    let rule = FilterRule {
        body: Some(filter.clone()),
        ..FilterRule::default()
    };
    let Ok(read) = Filter::read(&rule) else {
        return;
    };
    let record = record(body);
    let document = Document::of(&record, body);
    let holds = read.holds(&document, &mut Steps::of_request());
    let failing = read.failing(&document, &mut Steps::of_request());
    assert_eq!(holds, failing.is_empty());
    agree(&rule, &document);
    let negated = FilterRule {
        body: Some(json!({ "$not": filter })),
        ..FilterRule::default()
    };
    // Small enough that no steps run out; one level more may be one too many.
    if input.len() < 1024
        && document.part(Part::Body).is_some()
        && let Ok(negated) = Filter::read(&negated)
    {
        let opposite = negated.holds(&document, &mut Steps::of_request());
        assert_ne!(holds, opposite, "{filter}");
    }
});

fn record(body: &[u8]) -> RequestRecord {
    let content_type = match body.first() {
        Some(b'<') => "application/xml",
        Some(b'&') => "application/x-www-form-urlencoded",
        _ => "application/json",
    };
    RequestRecord {
        source_id: SourceId(1),
        received_at: NOW,
        method: "POST".into(),
        path: String::new(),
        query: String::new(),
        headers: vec![("content-type".into(), Bytes::from(content_type))],
        origin: Origin::Unproven,
    }
}

fn agree(rule: &FilterRule, document: &Document<'_>) {
    let connection = Connection {
        id: ConnectionId(1),
        name: None,
        description: None,
        source_id: SourceId(1),
        destination_id: DestinationId(1),
        rules: vec![Rule::Filter(Box::new(rule.clone()))],
        disabled_at: None,
        paused_at: None,
        created_at: NOW,
        updated_at: NOW,
    };
    let router = Router::new([Arc::new(connection)]);
    let indexed = router.plan(document, NOW, 1);
    assert_eq!(indexed, router.plan_by_asking_all(document, NOW, 1));
}
