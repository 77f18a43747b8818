//! Filters on the parts of a request, and which of them did not match.

use crate::kit::failing;
use bytes::Bytes;
use model::{
    catalog::FilterRule,
    kit,
    policy::{
        document::{Document, Part},
        filter::{Filter, Steps},
    },
    traffic::RequestRecord,
};
use serde_json::{Value, json};

fn record(content_type: &'static str) -> RequestRecord {
    let header = |name: &str, value: &'static str| (name.to_owned(), Bytes::from(value));
    RequestRecord {
        path: "/orders/eu".into(),
        query: "page=10&tag=a&tag=b%20c".into(),
        headers: vec![
            header("content-type", content_type),
            header("x-github-event", "push"),
            header("x-retry", "2"),
        ],
        ..kit::record()
    }
}

fn rule(rule: Value) -> FilterRule {
    serde_json::from_value(rule).expect("a rule")
}

#[track_caller]
fn fails(given: &Value, parts: &[Part]) {
    let record = record("application/json");
    let document = Document::of(&record, br#"{"type": "paid", "n": 5}"#);
    assert_eq!(failing(&rule(given.clone()), &document), parts, "{given}");
}

#[test]
fn all_given_parts_must_match_and_those_that_do_not_are_named() {
    fails(&json!({}), &[]);
    fails(
        &json!({"body": {"type": "paid"}, "headers": {"x-github-event": "push"}}),
        &[],
    );
    fails(
        &json!({"body": {"type": "paid"}, "headers": {"x-github-event": "pull"}}),
        &[Part::Headers],
    );
    fails(
        &json!({"body": {"type": "open"}, "path": "/orders/eu"}),
        &[Part::Body],
    );
    fails(
        &json!({"path": "/", "query": {"page": 11}, "headers": {"x-retry": 3}, "body": false}),
        &[Part::Body, Part::Headers, Part::Query, Part::Path],
    );
}

#[test]
fn headers_and_query_work_with_numbers_and_lists() {
    fails(
        &json!({"headers": {"x-retry": {"$gte": 2, "$lt": 10}}}),
        &[],
    );
    fails(&json!({"query": {"page": {"$gte": 9}}}), &[]);
    fails(&json!({"query": {"page": {"$gte": "9"}}}), &[Part::Query]);
    fails(&json!({"query": {"tag": "b c"}}), &[]);
    fails(&json!({"query": {"tag": ["a", "b c"]}}), &[]);
    fails(&json!({"headers": {"X-Retry": 2}}), &[Part::Headers]);
    fails(&json!({"headers": {"x-none": {"$exist": false}}}), &[]);
}

#[test]
fn a_path_is_a_string_at_the_root() {
    fails(&json!({"path": "/orders/eu"}), &[]);
    fails(
        &json!({"path": {"$startsWith": ["/users", "/orders"]}}),
        &[],
    );
    fails(&json!({"path": {"$or": ["/a", {"$endsWith": "/eu"}]}}), &[]);
    fails(&json!({"path": {"$not": {"$in": "us"}}}), &[]);
    fails(&json!({"path": {}}), &[Part::Path]);
    fails(&json!({"path": {"$regex": "^/orders/(eu|us)$"}}), &[]);
}

#[test]
fn a_body_without_structure_is_like_an_absent_key() {
    let record = record("application/octet-stream");
    let document = Document::of(&record, br#"{"a":1}"#);
    let of = |body: Value| failing(&rule(json!({ "body": body })), &document);
    for filter in [
        json!({}),
        json!({"a": 1}),
        json!({"$not": {"a": 1}}),
        json!({"$neq": 1}),
        json!({"$exist": true}),
        json!(0),
    ] {
        assert_eq!(of(filter.clone()), [Part::Body], "{filter}");
    }
    assert_eq!(of(json!({"$exist": false})), []);
    let by_header = rule(json!({"headers": {"x-github-event": "push"}}));
    assert_eq!(failing(&by_header, &document), []);
}

#[test]
fn form_and_xml_bodies_are_matched_by_structure() {
    let matched = |content_type, body: &[u8], filter: Value| {
        let record = record(content_type);
        failing(
            &rule(json!({ "body": filter })),
            &Document::of(&record, body),
        )
        .is_empty()
    };
    let form = "application/x-www-form-urlencoded";
    assert!(matched(
        form,
        b"event=paid&amount=1200",
        json!({"event": "paid", "amount": {"$gt": 1000}})
    ));
    assert!(!matched(
        form,
        b"event=paid&amount=900",
        json!({"event": "paid", "amount": {"$gt": 1000}})
    ));
    let xml = br#"<Settlement currency="EUR"><Line><Amount>10.50</Amount></Line><Line><Amount>7</Amount></Line></Settlement>"#;
    let filter = json!({"Settlement": {"@currency": "EUR", "Line": {"Amount": {"$lt": 10}}}});
    assert!(matched("application/xml", xml, filter.clone()));
    assert!(matched("text/xml; charset=utf-8", xml, filter.clone()));
    assert!(!matched("text/html", xml, filter));
}

#[test]
fn a_stored_rule_that_can_not_be_read_matches_nothing() {
    let rule = rule(json!({"body": {"$future": 1}, "path": "/orders/eu"}));
    let record = record("application/json");
    let document = Document::of(&record, b"{}");
    let filter = Filter::stored(&rule);
    assert!(!filter.holds(&document, &mut Steps::of_request()));
    let failing = filter.failing(&document, &mut Steps::of_request());
    assert_eq!(failing, [Part::Body, Part::Path]);
}
