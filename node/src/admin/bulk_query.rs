//! The query of a bulk operation: an object in a body, or `query[status]=FAILED` and `query={…}` in a query string. Both
//! become the parameters that the lists take.

use super::{
    api_error::ApiError,
    body::{Body, Given},
    issue_data,
    query::Query,
};
use crate::gateway::Gateway;
use model::traffic::OperationKind;
use serde_json::{Map, Value};
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

/// What the issues of `issue_id` are about, in JSON. Only we add it.
pub(super) const ISSUE_KEYS: &str = "issue_keys";

/// Of these an object is a value of its own and no set of operators.
const DOCUMENTS: [&str; 3] = ["headers", "body", "parsed_query"];
/// The longest query that is kept with an operation.
const MAX_BYTES: usize = 64 * 1024;

/// A query as it was given and as the lists take it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct BulkQuery {
    /// JSON.
    pub(super) shown: String,
    /// A query string.
    pub(super) raw: String,
}

impl BulkQuery {
    /// Reads `{"query": {…}}`. Without one, everything is meant.
    pub(super) fn of_body(kind: OperationKind, body: &Body) -> Result<Self, ApiError> {
        let fields = body.fields();
        if let Some(other) = fields.other_than(&["query"]) {
            return Err(fields.invalid(other, "expected query and nothing else"));
        }
        match fields.object("query")? {
            Given::Absent | Given::Null => Self::of(kind, &Map::new()),
            Given::Value(query) => Self::of(kind, query.map()),
        }
    }

    /// Reads the query out of a query string; other parameters are none of it.
    pub(super) fn of_parameters(kind: OperationKind, raw: &str) -> Result<Self, ApiError> {
        let mut query = Map::new();
        for (key, value) in form_urlencoded::parse(raw.as_bytes()) {
            if key == "query" {
                let parsed = serde_json::from_str(&value);
                let Ok(Value::Object(object)) = parsed else {
                    return Err(ApiError::invalid("query", "expected a JSON object"));
                };
                query.extend(object);
                continue;
            }
            let Some(path) = key.strip_prefix("query[") else {
                continue;
            };
            let mut path = path.trim_end_matches(']').split("][");
            let name = path.next().unwrap_or_default();
            // An index in an array is no operator.
            let operator = path.find(|part| part.bytes().any(|byte| !byte.is_ascii_digit()));
            add(&mut query, name, operator, value.into_owned());
        }
        Self::of(kind, &query)
    }

    fn of(kind: OperationKind, query: &Map<String, Value>) -> Result<Self, ApiError> {
        let allowed = allowed(kind);
        let mut raw = form_urlencoded::Serializer::new(String::new());
        for (name, value) in query {
            if !allowed.contains(&name.as_str()) {
                let expected = format!("expected one of {}", allowed.join(", "));
                return Err(ApiError::invalid(&format!("query.{name}"), expected));
            }
            parameters(name, value, &mut |key: &str, value: String| {
                raw.append_pair(key, &value);
            })?;
        }
        let shown = Value::Object(query.clone()).to_string();
        let raw = raw.finish();
        if shown.len().max(raw.len()) > MAX_BYTES {
            let expected = format!("expected at most {MAX_BYTES} bytes");
            return Err(ApiError::invalid("query", expected));
        }
        Ok(Self { shown, raw })
    }

    /// Adds what the issues that it names are about: partitions know of no issues, and one may go before the operation ends.
    pub(super) async fn resolved(mut self, gateway: &Gateway) -> Result<Self, ApiError> {
        let named = Query::parse(&self.raw);
        if let Some(keys) = issue_data::keys_of(gateway, &named).await? {
            let keys = serde_json::to_string(&keys).expect("it has only keys of text");
            let mut raw = form_urlencoded::Serializer::new(self.raw);
            self.raw = raw.append_pair(ISSUE_KEYS, &keys).finish();
        }
        Ok(self)
    }

    /// Whether a query asks for the same, or, for a part of it, at least that.
    pub(super) fn includes(&self, stored: &str, partly: bool) -> bool {
        let pairs = |raw: &str| {
            let mut pairs: Vec<(String, String)> = form_urlencoded::parse(raw.as_bytes())
                .into_owned()
                .filter(|(name, _)| name != ISSUE_KEYS)
                .collect();
            pairs.sort_unstable();
            pairs
        };
        let (wanted, stored) = (pairs(&self.raw), pairs(stored));
        match partly {
            true => wanted.iter().all(|pair| stored.contains(pair)),
            false => wanted == stored,
        }
    }
}

/// Puts one parameter into the object that a body would hold.
fn add(query: &mut Map<String, Value>, name: &str, operator: Option<&str>, value: String) {
    let place = query.entry(name).or_insert(Value::Null);
    match operator {
        Some(operator) => {
            if !place.is_object() {
                *place = Value::Object(Map::new());
            }
            place[operator] = value.into();
        }
        None => match place {
            Value::Null => *place = value.into(),
            Value::Array(values) => values.push(value.into()),
            known => *known = Value::Array(vec![known.take(), value.into()]),
        },
    }
}

/// One field of the object as the parameters that say the same.
fn parameters(
    name: &str,
    value: &Value,
    add: &mut impl FnMut(&str, String),
) -> Result<(), ApiError> {
    let wrong = || {
        let expected = "expected a value, a list of values, or an object of operators";
        Err(ApiError::invalid(&format!("query.{name}"), expected))
    };
    match value {
        Value::Object(document) if DOCUMENTS.contains(&name) => {
            add(name, Value::Object(document.clone()).to_string());
        }
        Value::Object(operators) => {
            for (operator, value) in operators {
                let Some(text) = text(value) else {
                    return wrong();
                };
                add(&format!("{name}[{operator}]"), text);
            }
        }
        Value::Array(values) => {
            for value in values {
                let Some(text) = text(value) else {
                    return wrong();
                };
                add(name, text);
            }
        }
        value => match text(value) {
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
        Value::Null => Some(String::new()),
        Value::Array(_) | Value::Object(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const KIND: OperationKind = OperationKind::RetryEvents;

    fn of_body(query: &Value) -> Result<BulkQuery, ApiError> {
        BulkQuery::of_body(KIND, &Body::of(json!({ "query": query })))
    }

    fn pairs(query: &BulkQuery) -> Vec<(String, String)> {
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
        let given = BulkQuery::of_parameters(KIND, parameters).expect("a good query");
        assert_eq!(pairs(&given), pairs(&body));
        let json = form_urlencoded::byte_serialize(body.shown.as_bytes()).collect::<String>();
        let given = BulkQuery::of_parameters(KIND, &format!("query={json}"));
        assert_eq!(given, Ok(body.clone()));
        assert_eq!(
            pairs(&body)[3],
            ("created_at[gte]".into(), "2025-07-01T14:00:00Z".into())
        );
    }

    #[test]
    fn no_query_means_everything() {
        for body in [json!({}), json!({"query": null}), json!({"query": {}})] {
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
            assert!(BulkQuery::of_parameters(KIND, raw).is_err(), "{raw}");
        }
    }

    #[test]
    fn a_document_stays_one_value() {
        let query = of_body(&json!({"body": {"a": {"$gt": 1}}})).expect("a good query");
        let [(name, value)] = &pairs(&query)[..] else {
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
        assert!(other.includes(&stored.raw, false));
        assert!(part.includes(&stored.raw, true) && !part.includes(&stored.raw, false));
    }
}
