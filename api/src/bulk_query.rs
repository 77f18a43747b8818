//! The query of a bulk operation: an object in a body, or `query[status]=FAILED` and `query={…}` in a query string. Both
//! become the parameters that the lists take.

use crate::{
    body::{Body, Given},
    distinct,
    problem::Problem,
    query::Query,
    selection,
};
use model::{
    ids::{IssueId, ProjectNumber},
    query::Selection,
    traffic::OperationKind,
};
use serde_json::{Map, Value, json};
use url::form_urlencoded;

/// What the query of each kind may name.
fn allowed(kind: OperationKind) -> &'static [&'static str] {
    match kind {
        OperationKind::RetryEvents | OperationKind::CancelEvents => &[
            "id",
            "status",
            "webhook_id",
            "destination_id",
            "source_id",
            "attempts",
            "response_status",
            "successful_at",
            "created_at",
            "error_code",
            "cli_id",
            "last_attempt_at",
            "next_attempt_at",
            "search_term",
            "headers",
            "body",
            "parsed_query",
            "path",
            "cli_user_id",
            "issue_id",
            "event_data_id",
            "bulk_retry_id",
        ],
        OperationKind::RetryRequests => &[
            "id",
            "status",
            "rejection_cause",
            "source_id",
            "verified",
            "search_term",
            "headers",
            "body",
            "parsed_query",
            "path",
            "ignored_count",
            "events_count",
            "cli_events_count",
            "created_at",
            "ingested_at",
            "bulk_retry_id",
        ],
        OperationKind::RetryIgnored => &["cause", "webhook_id", "transformation_id", "created_at"],
    }
}

/// The earlier query parameter for the grouping keys of `issue_id`'s issues, in JSON: earlier versions stored it beside
/// their query.
pub const ISSUE_KEYS: &str = "issue_keys";

/// Of these an object is a value of its own and no set of operators.
const DOCUMENTS: [&str; 3] = ["headers", "body", "parsed_query"];
/// The longest query that is kept with an operation.
const MAX_BYTES: usize = 64 * 1024;

/// A query as it was given and as the lists take it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BulkQuery {
    /// JSON.
    pub shown: String,
    /// A query string.
    pub raw: String,
}

impl BulkQuery {
    /// Reads `{"query": {…}}`. Without one, or with one that names nothing, everything is meant.
    pub fn of_body(kind: OperationKind, body: &Body) -> Result<Self, Problem> {
        body.read(|fields| {
            if let Some(other) = fields.other_than(&["query"]) {
                return Err(fields.invalid(other, "expected query and nothing else"));
            }
            match fields.object("query")? {
                Given::Absent => Self::of(kind, &Map::new()),
                Given::Null => {
                    let expected = "expected an object; {} or no query at all means everything";
                    Err(fields.invalid("query", expected))
                }
                Given::Value(query) => Self::of(kind, query.map()),
            }
        })
    }

    /// A filter that stands in a query string where the query does not look for it.
    pub fn bare(kind: OperationKind, query: &Query) -> Option<&'static str> {
        let mut names = allowed(kind).iter().copied();
        names.find(|name| query.has(name))
    }

    /// Reads the query out of a query string; other parameters are none of it.
    pub fn of_parameters(kind: OperationKind, asked: &Query) -> Result<Self, Problem> {
        // The whole of it is read here, out of the raw text.
        asked.fields("query").for_each(drop);
        let mut query = Map::new();
        for (key, value) in form_urlencoded::parse(asked.raw().as_bytes()) {
            if key == "query" {
                let Ok(Value::Object(object)) = distinct::read(value.as_bytes()) else {
                    let expected = "expected a JSON object that names each field once";
                    return Err(Problem::invalid("query", expected));
                };
                if !query.is_empty() {
                    return Err(Problem::invalid(
                        "query",
                        "expected it in one spelling, once",
                    ));
                }
                query = object;
                continue;
            }
            let Some(path) = key.strip_prefix("query[") else {
                continue;
            };
            let mut path = path.trim_end_matches(']').split("][");
            let name = path.next().unwrap_or_default();
            // An index in an array is no operator.
            let mut words = path.filter(|part| part.bytes().any(|byte| !byte.is_ascii_digit()));
            let (operator, more) = (words.next(), words.next());
            if more.is_some() || !add(&mut query, name, operator, value.into_owned()) {
                let expected = "expected values, or operators with one value each";
                return Err(Problem::invalid(&format!("query.{name}"), expected));
            }
        }
        Self::of(kind, &query)
    }

    fn of(kind: OperationKind, query: &Map<String, Value>) -> Result<Self, Problem> {
        let allowed = allowed(kind);
        let mut raw = form_urlencoded::Serializer::new(String::new());
        for (name, value) in query {
            if !allowed.contains(&name.as_str()) {
                let expected = format!("expected one of {}", allowed.join(", "));
                return Err(Problem::invalid(&format!("query.{name}"), expected));
            }
            parameters(name, value, &mut |key: &str, value: String| {
                raw.append_pair(key, &value);
            })?;
        }
        let shown = Value::Object(query.clone()).to_string();
        let raw = raw.finish();
        if shown.len().max(raw.len()) > MAX_BYTES {
            let expected = format!("expected at most {MAX_BYTES} bytes");
            return Err(Problem::invalid("query", expected));
        }
        Ok(Self { shown, raw })
    }

    /// The selection that the query stands for, and the issues whose events it is about, which only the cluster can
    /// tell.
    pub fn selection(
        &self,
        kind: OperationKind,
        project: ProjectNumber,
    ) -> Result<(Selection, Option<Vec<IssueId>>), Problem> {
        selection::read(kind, &self.raw, project).map_err(|error| error.within("query"))
    }

    /// Whether a query, as it was given, asks for the same, or, for a part of it, at least that.
    pub fn includes(&self, shown: &str, partly: bool) -> bool {
        let (wanted, stored) = (pairs(&self.shown), pairs(shown));
        match partly {
            true => wanted.iter().all(|pair| stored.contains(pair)),
            false => wanted == stored,
        }
    }
}

/// Each condition of a query by itself, in order.
fn pairs(shown: &str) -> Vec<(String, String)> {
    let query: Map<String, Value> = serde_json::from_str(shown).unwrap_or_default();
    let mut pairs = Vec::new();
    for (name, value) in &query {
        let mut add = |key: &str, value| pairs.push((key.to_owned(), value));
        // What was taken once can be told apart again.
        let _ = parameters(name, value, &mut add);
    }
    pairs.sort_unstable();
    pairs
}

/// Puts one parameter into the object that a body would hold, unless another one that stands there would be lost.
fn add(query: &mut Map<String, Value>, name: &str, operator: Option<&str>, value: String) -> bool {
    let place = query.entry(name).or_insert(Value::Null);
    match (operator, &mut *place) {
        (Some(operator), Value::Null) => *place = json!({ operator: value }),
        (Some(operator), Value::Object(known)) => {
            return known.insert(operator.to_owned(), value.into()).is_none();
        }
        (None, Value::Null) => *place = value.into(),
        (None, Value::Array(values)) => values.push(value.into()),
        (None, Value::String(_)) => *place = json!([place.take(), value]),
        _ => return false,
    }
    true
}

/// One field of the object as the parameters that say the same. What says nothing is refused: without parameters a field
/// would select everything that it was meant to narrow.
fn parameters(
    name: &str,
    value: &Value,
    add: &mut impl FnMut(&str, String),
) -> Result<(), Problem> {
    let invalid = |expected: &str| Err(Problem::invalid(&format!("query.{name}"), expected));
    let wrong = || invalid("expected a value, a list of values, or an object of operators");
    let says_nothing = "expected a value, got an empty one";
    match value {
        Value::Object(document) if DOCUMENTS.contains(&name) => {
            add(name, Value::Object(document.clone()).to_string());
        }
        Value::Object(operators) if operators.is_empty() => {
            return invalid("expected at least one operator of gt, gte, le, lte, any");
        }
        Value::Array(values) if values.is_empty() => {
            return invalid("expected at least one value: an empty list selects nothing");
        }
        Value::Object(operators) => {
            for (operator, value) in operators {
                match text(value) {
                    Some(text) if text.is_empty() => {
                        let field = format!("query.{name}.{operator}");
                        return Err(Problem::invalid(&field, says_nothing));
                    }
                    Some(text) => add(&format!("{name}[{operator}]"), text),
                    None => return wrong(),
                }
            }
        }
        Value::Array(values) => {
            for value in values {
                match text(value) {
                    Some(text) if text.is_empty() => return invalid(says_nothing),
                    Some(text) => add(name, text),
                    None => return wrong(),
                }
            }
        }
        value => match text(value) {
            Some(text) if text.is_empty() => return invalid(says_nothing),
            Some(text) => add(name, text),
            None => return wrong(),
        },
    }
    Ok(())
}

fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(flag) => Some(flag.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KIND: OperationKind = OperationKind::RetryEvents;

    fn of_body(query: &Value) -> Result<BulkQuery, Problem> {
        BulkQuery::of_body(KIND, &Body::of(json!({ "query": query })))
    }

    fn of_parameters(raw: &str) -> Result<BulkQuery, Problem> {
        BulkQuery::of_parameters(KIND, &Query::parse(raw))
    }

    fn parameters_of(query: &BulkQuery) -> Vec<(String, String)> {
        form_urlencoded::parse(query.raw.as_bytes())
            .into_owned()
            .collect()
    }

    #[test]
    fn a_body_and_a_query_string_say_the_same() {
        let body = of_body(&json!({
            "status": ["FAILED", "CANCELLED"],
            "destination_id": "des_1",
            "created_at": {"gte": "2025-07-01T14:00:00Z", "lt": "2025-07-01T14:20:00Z"},
            "attempts": 3,
        }));
        let body = body.expect("a good query");
        let parameters = "limit=3&query[status][0]=FAILED&query%5Bstatus%5D[]=CANCELLED\
            &query[destination_id]=des_1&query[created_at][gte]=2025-07-01T14%3A00%3A00Z\
            &query[created_at][lt]=2025-07-01T14%3A20%3A00Z&query[attempts]=3";
        let given = of_parameters(parameters).expect("a good query");
        assert_eq!(parameters_of(&given), parameters_of(&body));
        let json = form_urlencoded::byte_serialize(body.shown.as_bytes()).collect::<String>();
        let given = of_parameters(&format!("query={json}"));
        assert_eq!(given, Ok(body.clone()));
        assert_eq!(
            parameters_of(&body)[3],
            ("created_at[gte]".into(), "2025-07-01T14:00:00Z".into())
        );
    }

    #[test]
    fn no_query_means_everything() {
        for body in [json!({}), json!({"query": {}})] {
            let query = BulkQuery::of_body(KIND, &Body::of(body)).expect("everything");
            assert_eq!((query.raw.as_str(), query.shown.as_str()), ("", "{}"));
        }
    }

    #[test]
    fn what_is_wrong_is_named_with_its_place() {
        for (query, field) in [
            (json!({"colour": 1}), "query.colour: "),
            (json!({"status": [[]]}), "query.status: "),
            (json!({"created_at": {"gte": {}}}), "query.created_at: "),
            (json!([]), "query: "),
            (json!({"path": "x".repeat(MAX_BYTES)}), "query: "),
        ] {
            let error = of_body(&query).expect_err(field);
            assert!(error.message().starts_with(field), "{error}");
        }
        let other = BulkQuery::of_body(KIND, &Body::of(json!({"status": "FAILED"})));
        assert!(
            other
                .expect_err("no query")
                .message()
                .starts_with("status: ")
        );
        for raw in ["query=[]", "query=x", "query[colour]=1"] {
            assert!(of_parameters(raw).is_err(), "{raw}");
        }
    }

    #[test]
    fn a_condition_that_says_nothing_never_means_everything() {
        for (field, value) in [
            ("id", json!([])),
            ("id", json!([""])),
            ("webhook_id", json!({})),
            ("status", json!([])),
            ("status", json!("")),
            ("status", json!(null)),
            ("status", json!([null])),
            ("attempts", json!({})),
            ("response_status", json!([])),
        ] {
            let error = of_body(&json!({ field: value })).expect_err(field);
            let begins = format!("query.{field}: expected ");
            assert!(error.message().starts_with(&begins), "{error}");
        }
        let error = of_body(&json!({"created_at": {"gte": ""}})).expect_err("no time");
        assert_eq!(
            error.message(),
            "query.created_at.gte: expected a value, got an empty one"
        );
        let error = of_body(&json!(null)).expect_err("neither {} nor left out");
        assert!(error.message().starts_with("query: "), "{error}");
        for raw in [
            "query[id][]=",
            "query[status]=",
            "query[created_at][gte]=",
            r#"query={"id":[]}"#,
            r#"query={"id":"a","id":"b"}"#,
            "query=null",
            "query=",
        ] {
            let error = of_parameters(raw).expect_err(raw);
            assert!(error.message().starts_with("query"), "{error}");
        }
    }

    #[test]
    fn of_two_conditions_none_is_lost() {
        for raw in [
            "query[attempts]=1&query[attempts][gt]=0",
            "query[attempts][gt]=0&query[attempts]=1",
            "query[attempts][gt]=0&query[attempts][gt]=2",
            "query[attempts][gt][lt]=0",
            r#"query={"attempts":1}&query={"status":"FAILED"}"#,
            r#"query[status]=FAILED&query={"attempts":1}"#,
        ] {
            let error = of_parameters(raw).expect_err(raw);
            assert!(error.message().starts_with("query"), "{error}");
        }
        let bare = |raw: &str| BulkQuery::bare(KIND, &Query::parse(raw));
        assert_eq!(bare("status=FAILED"), Some("status"));
        assert_eq!(bare("query[status]=FAILED"), None);
    }

    #[test]
    fn a_document_stays_one_value() {
        let query = of_body(&json!({"body": {"a": {"$gt": 1}}})).expect("a good query");
        let [(name, value)] = &parameters_of(&query)[..] else {
            panic!("{query:?}");
        };
        assert_eq!(
            (name.as_str(), value.as_str()),
            ("body", r#"{"a":{"$gt":1}}"#)
        );
    }

    #[test]
    fn operations_are_found_by_their_query_or_a_part_of_it() {
        let stored = of_body(&json!({"status": "FAILED", "attempts": 3})).expect("a good query");
        let part = of_body(&json!({"status": "FAILED"})).expect("a good query");
        let other = of_body(&json!({"attempts": 3, "status": "FAILED"})).expect("a good query");
        assert!(other.includes(&stored.shown, false));
        assert!(part.includes(&stored.shown, true) && !part.includes(&stored.shown, false));
    }
}
