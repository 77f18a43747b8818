//! What can't be a filter is refused with its place and what was expected there.

use crate::kit::read;
use model::{
    catalog::FilterRule,
    policy::filter::{self, Filter},
};
use serde_json::{Value, json};

#[test]
fn an_error_names_its_place_and_what_was_expected() {
    for (filter, message) in [
        (
            json!({"order": {"$gte": true}}),
            "body.order.$gte: expected a number or a string",
        ),
        (
            json!({"order": {"$lt": null}}),
            "body.order.$lt: expected a number or a string",
        ),
        (
            json!({"a": {"$gt": [1, 2]}}),
            "body.a.$gt: expected a number or a string",
        ),
        (
            json!({"a": {"$in": 5}}),
            "body.a.$in: expected a list, or a string",
        ),
        (
            json!({"a": {"$nin": {"b": 1}}}),
            "body.a.$nin: expected a list, or a string",
        ),
        (
            json!({"a": {"$in": [1, {"b": 1}]}}),
            "body.a.$in[1]: expected a string, a number, true, false or null",
        ),
        (
            json!({"a": {"$startsWith": 5}}),
            "body.a.$startsWith: expected a string or a list of strings",
        ),
        (
            json!({"a": {"$endsWith": ["x", 5]}}),
            "body.a.$endsWith: expected a string or a list of strings",
        ),
        (
            json!({"a": {"$exist": "yes"}}),
            "body.a.$exist: expected true or false",
        ),
        (
            json!({"$or": {"a": 1}}),
            "body.$or: expected a list of filters",
        ),
        (
            json!({"a": {"$and": 1}}),
            "body.a.$and: expected a list of filters",
        ),
        (
            json!({"$or": [{"a": 1}, {"b": {"$not": {"$gt": {}}}}]}),
            "body.$or[1].b.$not.$gt: expected a number or a string",
        ),
        (
            json!({"a": [1, {"$exist": 1}]}),
            "body.a[1].$exist: expected true or false",
        ),
        (
            json!({"a": {"$ref": "a..b"}}),
            "body.a.$ref: expected a path such as order.total, items[0].sku or items[$index].sku",
        ),
        (
            json!({"a": {"$eq": {"$ref": "b", "c": 1}}}),
            "body.a.$eq: expected nothing beside $ref",
        ),
        (
            json!({"a": {"$cidr": "10.0.0.0/33"}}),
            "body.a.$cidr: expected a network such as 10.0.0.0/8, or a list of them",
        ),
        (
            json!({"a": {"$cidr": ["10.0.0.0/8", "x"]}}),
            "body.a.$cidr[1]: expected a network such as 10.0.0.0/8, or a list of them",
        ),
        (
            json!({"a b": {"$exist": 1}}),
            "body[\"a b\"].$exist: expected true or false",
        ),
        (
            json!({"": {"$exist": 1}}),
            "body[\"\"].$exist: expected true or false",
        ),
        (json!({"$exist": 1}), "body.$exist: expected true or false"),
    ] {
        let error = read(&filter).expect_err(message);
        assert_eq!(error.to_string(), message);
    }
}

#[test]
fn a_misspelt_operator_is_refused_with_the_ones_that_there_are() {
    for (filter, at) in [
        (json!({"a": {"$exists": true}}), "body.a.$exists"),
        (json!({"$": 1}), "body.$"),
        (json!({"a": {"$EQ": 1}}), "body.a.$EQ"),
    ] {
        let error = read(&filter).expect_err(at);
        assert_eq!(error.at, at);
        assert!(error.expected.contains("$exist,"), "{error}");
    }
}

#[test]
fn each_part_is_named() {
    let bad = || Some(json!({"$exist": 1}));
    let at = |rule: FilterRule| Filter::read(&rule).expect_err("no filter").at;
    assert_eq!(
        at(FilterRule {
            headers: bad(),
            ..FilterRule::default()
        }),
        "headers.$exist"
    );
    assert_eq!(
        at(FilterRule {
            query: bad(),
            ..FilterRule::default()
        }),
        "query.$exist"
    );
    assert_eq!(
        at(FilterRule {
            path: bad(),
            ..FilterRule::default()
        }),
        "path.$exist"
    );
}

#[test]
fn a_regular_expression_is_bounded_when_it_is_given() {
    let pattern = |pattern: &str| read(&json!({"a": {"$regex": pattern}})).map(|_| ());
    for (text, expected) in [
        ("(a{1000}){1000}", "compiles to at most 262144 bytes"),
        (r"(\w{1,500}){500}", "compiles to at most 262144 bytes"),
        ("(", "unclosed group"),
        ("(?=a)", "look-around"),
        (r"(a)\1", "backreferences are not supported"),
    ] {
        let error = pattern(text).expect_err(text);
        assert_eq!(error.at, "body.a.$regex");
        assert!(error.expected.contains(expected), "{error}");
    }
    assert!(pattern(&"a".repeat(filter::PATTERN_BYTES_MAX)).is_ok());
    let long = pattern(&"a".repeat(filter::PATTERN_BYTES_MAX + 1)).expect_err("too long");
    assert_eq!(
        long.expected,
        "expected a regular expression of at most 1024 bytes"
    );
    assert!(read(&json!({"a": {"$regex": 5}})).is_err());
    let many = |count: usize| json!({"$or": vec![json!({"a": {"$regex": "x"}}); count]});
    assert!(read(&many(filter::PATTERNS_MAX)).is_ok());
    let error = read(&many(filter::PATTERNS_MAX + 1)).expect_err("too many");
    assert_eq!(
        error.to_string(),
        "body.$or[64].a.$regex: expected at most 64 regular expressions"
    );
}

#[test]
fn depth_values_and_bytes_are_bounded() {
    let nested = |depth: usize| (0..depth).fold(json!(1), |filter, _| json!({ "a": filter }));
    assert!(read(&nested(filter::DEPTH_MAX)).is_ok());
    let error = read(&nested(filter::DEPTH_MAX + 1)).expect_err("too deep");
    assert_eq!(
        error.expected,
        "expected at most 32 filters within one another"
    );
    let negated = |depth: usize| (0..depth).fold(json!(1), |filter, _| json!({ "$not": filter }));
    assert!(read(&negated(filter::DEPTH_MAX + 1)).is_err());

    let list = |values: usize| json!({"a": {"$in": vec![Value::from(1); values]}});
    assert!(read(&list(filter::NODES_MAX - 3)).is_ok());
    let error = read(&list(filter::NODES_MAX)).expect_err("too many");
    assert_eq!(error.expected, "expected a filter of at most 4096 values");
    let deep = |values: usize| json!({"a": {"$eq": {"b": vec![Value::from(1); values]}}});
    assert!(read(&deep(filter::NODES_MAX)).is_err());

    assert!(read(&json!("x".repeat(filter::BYTES_MAX - 2))).is_ok());
    let error = read(&json!("x".repeat(filter::BYTES_MAX))).expect_err("too large");
    assert_eq!(
        error.to_string(),
        "body: expected a filter of at most 65536 bytes"
    );
}
