//! What a filter may cost, whatever it is asked of.

use crate::kit::{ask, matches, read, with_body};
use model::policy::filter::{self, Steps};
use serde_json::{Value, json};

#[test]
fn a_filter_that_takes_too_many_steps_does_not_match() {
    let list: Vec<Value> = (0..20_000).map(Value::from).collect();
    let body = json!({"a": list, "b": vec![-1; 20_000]});
    // Each element of one list against each of the other.
    let costly = json!({"a": {"$in": {"$ref": "b"}}});
    assert!(!matches(&body, &costly));
    assert!(
        !matches(&body, &json!({ "$not": costly })),
        "not found out, so it is no"
    );
    assert!(
        matches(&body, &json!({"$not": {"a": {"$in": [-1]}}})),
        "a small one is found out"
    );
}

#[test]
fn a_costly_filter_leaves_each_other_its_own_steps() {
    let list: Vec<Value> = (0..20_000).map(Value::from).collect();
    let body = with_body(&json!({"a": list, "b": vec![-1; 20_000], "c": 5}));
    let costly = read(&json!({"a": {"$in": {"$ref": "b"}}})).expect("a filter");
    let cheap = read(&json!({"c": 5})).expect("a filter");
    let long = read(&json!({"a": 19_999})).expect("a filter");
    assert!(ask(&long, &body));
    let mut steps = Steps::of_request();
    assert!(!costly.holds(&body, &mut steps));
    assert!(cheap.holds(&body, &mut steps));
    assert!(!long.holds(&body, &mut steps), "what all share is used up");
}

#[test]
fn a_regular_expression_looks_at_texts_of_a_bounded_length() {
    let text = |length: usize| json!({"a": "x".repeat(length)});
    let filter = json!({"a": {"$regex": "x$"}});
    assert!(matches(&text(filter::PATTERN_TEXT_MAX), &filter));
    assert!(!matches(&text(filter::PATTERN_TEXT_MAX + 1), &filter));
}
