//! A filter on the body, asked of a body.

use model::{
    catalog::FilterRule,
    policy::{
        document::{Document, Part, Parts},
        filter::{Filter, FilterError, Steps},
    },
};
use serde_json::Value;

pub(crate) fn on_body(filter: &Value) -> FilterRule {
    FilterRule {
        body: Some(filter.clone()),
        ..FilterRule::default()
    }
}

pub(crate) fn with_body(body: &Value) -> Document<'static> {
    Document::from(Parts {
        body: Some(body.clone()),
        ..Parts::default()
    })
}

pub(crate) fn read(filter: &Value) -> Result<Filter, FilterError> {
    Filter::read(&on_body(filter))
}

pub(crate) fn ask(filter: &Filter, document: &Document<'_>) -> bool {
    let mut steps = Steps::of_request();
    let failing = filter.failing(document, &mut steps);
    let holds = filter.holds(document, &mut steps);
    assert_eq!(holds, failing.is_empty(), "{filter:?}");
    holds
}

pub(crate) fn matches(body: &Value, filter: &Value) -> bool {
    let read = read(filter).unwrap_or_else(|error| panic!("{filter}: {error}"));
    ask(&read, &with_body(body))
}

/// Rows of body, filter, and whether it matches.
#[track_caller]
pub(crate) fn table<const N: usize>(cases: [(Value, Value, bool); N]) {
    for (body, filter, expected) in cases {
        assert_eq!(matches(&body, &filter), expected, "{body} against {filter}");
    }
}

pub(crate) fn failing(rule: &FilterRule, document: &Document<'_>) -> Vec<Part> {
    let filter = Filter::read(rule).expect("a filter");
    filter.failing(document, &mut Steps::of_request())
}
