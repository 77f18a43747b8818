//! Reads what a handler returned, and refuses what can't be sent.

use super::{
    call::{Payload, Request},
    execution::Reshaped,
    failure::ScriptFailure,
};
use bytes::Bytes;
use serde::Deserialize;
use serde_json::{Map, Value, value::RawValue};
use url::form_urlencoded;

/// Headers, and their names and values together, that a result may have: as many as a request.
const HEADERS_MAX: usize = 100;
const HEAD_BYTES_MAX: usize = 32 * 1024;
/// Path and query together.
const TARGET_BYTES_MAX: usize = 8 * 1024;
const METHODS: [&str; 5] = ["GET", "POST", "PUT", "PATCH", "DELETE"];

/// The parts of a result that mean something; whatever else is in it is the script's own affair.
#[derive(Deserialize)]
struct Returned<'a> {
    method: Option<Value>,
    path: Option<Value>,
    query: Option<Value>,
    parsed_query: Option<Value>,
    headers: Option<Value>,
    #[serde(borrow)]
    body: Option<&'a RawValue>,
}

/// Reads a result's JSON. What is not in it is empty: what a handler left out on purpose is never sent.
pub(super) fn read(json: &str, original: &Request) -> Result<Reshaped, ScriptFailure> {
    if !json.starts_with('{') {
        return Err(ScriptFailure::NotAnObject {
            was: "an object whose toJSON gives none".into(),
        });
    }
    let returned: Returned =
        serde_json::from_str(json).map_err(|error| wrong("result", error.to_string()))?;
    let reshaped = Reshaped {
        method: method(returned.method, original)?,
        path: path(returned.path)?,
        query: query(returned.query, returned.parsed_query, original)?,
        headers: headers(returned.headers)?,
        body: body(returned.body)?,
    };
    if reshaped.path.len() + reshaped.query.len() > TARGET_BYTES_MAX {
        let problem = format!("expected at most {TARGET_BYTES_MAX} bytes with the query");
        return Err(wrong("path", problem));
    }
    Ok(reshaped)
}

fn wrong(field: impl Into<String>, problem: impl Into<String>) -> ScriptFailure {
    ScriptFailure::Unsendable {
        field: field.into(),
        problem: problem.into(),
    }
}

/// A text, or nothing.
fn text(field: &str, value: Option<Value>) -> Result<String, ScriptFailure> {
    match value {
        None | Some(Value::Null) => Ok(String::new()),
        Some(Value::String(text)) => Ok(text),
        Some(other) => Err(wrong(
            field,
            format!("expected a text, was {}", kind(&other)),
        )),
    }
}

fn method(value: Option<Value>, original: &Request) -> Result<String, ScriptFailure> {
    let method = text("method", value)?.to_ascii_uppercase();
    if method.is_empty() {
        return Ok(original.method.clone());
    }
    if METHODS.contains(&method.as_str()) || method == original.method {
        return Ok(method);
    }
    Err(wrong(
        "method",
        format!("expected one of {}", METHODS.join(", ")),
    ))
}

fn path(value: Option<Value>) -> Result<String, ScriptFailure> {
    let mut path = text("path", value)?;
    if !is_visible(&path) || path.contains(['?', '#']) {
        let expected = "expected visible ASCII without ? and #, anything else percent-encoded";
        return Err(wrong("path", expected));
    }
    if !path.is_empty() && !path.starts_with('/') {
        path.insert(0, '/');
    }
    Ok(path)
}

/// A script changes the text or the parsed form; the text goes first if it changed both.
fn query(
    query: Option<Value>,
    parsed: Option<Value>,
    original: &Request,
) -> Result<String, ScriptFailure> {
    let given = text("query", query)?;
    let given = given.strip_prefix('?').unwrap_or(&given);
    let parsed = parsed.unwrap_or(Value::Null);
    if given == original.query && parsed != original.parsed_query {
        return encoded(parsed);
    }
    if !is_visible(given) || given.contains('#') {
        let expected = "expected visible ASCII without #, anything else percent-encoded";
        return Err(wrong("query", expected));
    }
    Ok(given.to_owned())
}

fn encoded(parsed: Value) -> Result<String, ScriptFailure> {
    let names = match parsed {
        Value::Null => Map::new(),
        Value::Object(names) => names,
        other => {
            let problem = format!("expected an object, was {}", kind(&other));
            return Err(wrong("parsed_query", problem));
        }
    };
    let mut out = form_urlencoded::Serializer::new(String::new());
    for (name, value) in names {
        let values = match value {
            Value::Array(values) => values,
            value => vec![value],
        };
        for value in values {
            match plain(&value) {
                Some(value) => out.append_pair(&name, &value),
                None if value.is_null() => continue,
                None => {
                    let problem =
                        format!("expected a text or a list of texts, was {}", kind(&value));
                    return Err(wrong(format!("parsed_query.{name}"), problem));
                }
            };
        }
    }
    Ok(out.finish())
}

fn headers(value: Option<Value>) -> Result<Vec<(String, String)>, ScriptFailure> {
    let names = match value {
        None | Some(Value::Null) => return Ok(Vec::new()),
        Some(Value::Object(names)) => names,
        Some(other) => {
            let problem = format!("expected an object, was {}", kind(&other));
            return Err(wrong("headers", problem));
        }
    };
    let mut headers: Vec<(String, String)> = Vec::new();
    let mut bytes = 0;
    for (name, value) in names {
        let field = || format!("headers.{}", clipped(&name));
        if !is_token(&name) {
            return Err(wrong(field(), "expected a header's name"));
        }
        let Some(value) = header_value(&value).map_err(|problem| wrong(field(), problem))? else {
            continue;
        };
        bytes += name.len() + value.len();
        let name = name.to_ascii_lowercase();
        // A script that sets Content-Type beside content-type means the one that it set.
        headers.retain(|(earlier, _)| *earlier != name);
        headers.push((name, value));
        if headers.len() > HEADERS_MAX || bytes > HEAD_BYTES_MAX {
            let problem = format!("expected at most {HEADERS_MAX} with {HEAD_BYTES_MAX} bytes");
            return Err(wrong("headers", problem));
        }
    }
    Ok(headers)
}

/// None for null: a header that the script took away.
fn header_value(value: &Value) -> Result<Option<String>, String> {
    let text = match value {
        Value::Null => return Ok(None),
        Value::Array(values) => {
            let texts: Option<Vec<String>> = values.iter().map(plain).collect();
            texts.map(|texts| texts.join(", "))
        }
        value => plain(value),
    };
    let Some(text) = text else {
        return Err(format!("expected a text, was {}", kind(value)));
    };
    // Line breaks would be further headers.
    if text.chars().any(|c| c.is_control() && c != '\t') {
        return Err("expected a text without control characters".into());
    }
    Ok(Some(text))
}

fn body(value: Option<&RawValue>) -> Result<Payload, ScriptFailure> {
    let json = value.map_or("null", RawValue::get);
    if json == "null" {
        return Ok(Payload::Empty);
    }
    if !json.starts_with('"') {
        return Ok(Payload::Json(Bytes::copy_from_slice(json.as_bytes())));
    }
    let text: String = serde_json::from_str(json)
        .map_err(|_| wrong("body", "expected Unicode, half a surrogate pair is none"))?;
    Ok(Payload::Text(Bytes::from(text)))
}

/// What stands for itself in a header or a query.
fn plain(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(_) | Value::Bool(_) => Some(value.to_string()),
        _ => None,
    }
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

fn is_visible(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_graphic())
}

fn is_token(name: &str) -> bool {
    let other = |byte: u8| b"!#$%&'*+-.^_`|~".contains(&byte);
    !name.is_empty()
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || other(byte))
}

/// Enough of a name to recognise it.
fn clipped(name: &str) -> &str {
    &name[..name.floor_char_boundary(64)]
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn original() -> Request {
        Request {
            method: "POST".into(),
            path: "/in".into(),
            query: "a=1&b=2".into(),
            parsed_query: json!({"a": "1", "b": "2"}),
            headers: Map::new(),
            body: Payload::Empty,
        }
    }

    fn reading(result: &Value) -> Result<Reshaped, ScriptFailure> {
        read(&result.to_string(), &original())
    }

    fn refused(result: &Value) -> String {
        reading(result).expect_err("refused").to_string()
    }

    #[test]
    fn what_is_left_out_is_empty() {
        let reshaped = reading(&json!({"more": 1, "parsed_query": original().parsed_query}))
            .expect("sendable");
        assert_eq!(
            (
                reshaped.method.as_str(),
                reshaped.path.as_str(),
                reshaped.query.as_str()
            ),
            ("POST", "", "")
        );
        assert_eq!(
            (reshaped.headers, reshaped.body),
            (Vec::new(), Payload::Empty)
        );
    }

    #[test]
    fn a_body_is_json_or_a_text() {
        let body = |value: Value| reading(&json!({ "body": value })).expect("sendable").body;
        assert_eq!(
            body(json!({"a": [1]})),
            Payload::Json(Bytes::from_static(br#"{"a":[1]}"#))
        );
        assert_eq!(body(json!(0)), Payload::Json(Bytes::from_static(b"0")));
        assert_eq!(body(json!("a\"é")), Payload::Text(Bytes::from("a\"é")));
        assert_eq!(body(json!("")), Payload::Text(Bytes::new()));
        assert_eq!(body(json!(null)), Payload::Empty);
        let half = read(r#"{"body": "\ud800"}"#, &original()).expect_err("no Unicode");
        assert!(
            half.to_string().contains("body: expected Unicode"),
            "{half}"
        );
    }

    #[test]
    fn the_changed_form_of_the_query_counts_and_the_text_before_the_parsed_one() {
        let query = |query: Value, parsed: Value| {
            reading(&json!({"query": query, "parsed_query": parsed}))
                .expect("sendable")
                .query
        };
        let same = original().parsed_query;
        assert_eq!(query(json!("a=1&b=2"), same.clone()), "a=1&b=2");
        assert_eq!(query(json!("?c=3"), same.clone()), "c=3");
        assert_eq!(query(json!(null), same), "");
        assert_eq!(
            query(
                json!("a=1&b=2"),
                json!({"a": ["1", "é &"], "n": 5, "gone": null})
            ),
            "a=1&a=%C3%A9+%26&n=5"
        );
        assert_eq!(query(json!("c=3"), json!({"d": "4"})), "c=3");
        assert_eq!(query(json!("a=1&b=2"), json!(null)), "");
        assert!(
            refused(&json!({"query": "a=1&b=2", "parsed_query": {"a": {"b": 1}}}))
                .contains("parsed_query.a")
        );
    }

    #[test]
    fn headers_are_texts_and_the_last_of_a_name_counts() {
        let headers = json!({"content-type": "a", "X-N": 1, "x-list": ["a", "b"], "gone": null, "Content-Type": "b"});
        let headers = reading(&json!({ "headers": headers }))
            .expect("sendable")
            .headers;
        let shown: Vec<String> = headers
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        assert_eq!(shown, ["x-n=1", "x-list=a, b", "content-type=b"]);
    }

    #[test]
    fn a_header_can_inject_nothing() {
        for (name, value) in [
            ("a b", json!("v")),
            ("a:", json!("v")),
            ("", json!("v")),
            ("a\r\nb", json!("v")),
            ("é", json!("v")),
            ("a", json!("v\r\nb: c")),
            ("a", json!("v\0")),
            ("a", json!({"b": 1})),
            ("a", json!([[1]])),
        ] {
            let problem = refused(&json!({"headers": {name: value}}));
            assert!(problem.contains("headers."), "{problem}");
        }
    }

    #[test]
    fn targets_are_clean_and_short() {
        assert_eq!(
            reading(&json!({"path": "a/b"})).expect("sendable").path,
            "/a/b"
        );
        for path in ["/a b", "/a?b", "/a#b", "/é", "/\r\n"] {
            assert!(
                refused(&json!({ "path": path })).contains("path: expected visible"),
                "{path}"
            );
        }
        assert!(refused(&json!({"path": "/".repeat(9_000)})).contains("at most 8192 bytes"));
        assert!(refused(&json!({"query": "a#b"})).contains("query: expected visible"));
    }

    #[test]
    fn methods_are_those_of_http() {
        assert_eq!(
            reading(&json!({"method": "put"})).expect("sendable").method,
            "PUT"
        );
        assert!(refused(&json!({"method": "FLY"})).contains("GET, POST"));
        assert!(refused(&json!({"method": 1})).contains("method: expected a text, was a number"));
    }

    #[test]
    fn too_many_headers_are_refused() {
        let many: Map<String, Value> = (0..101).map(|n| (format!("x-{n}"), json!("v"))).collect();
        assert!(refused(&json!({ "headers": many })).contains("at most 100"));
        assert!(refused(&json!({"headers": {"a": "v".repeat(40_000)}})).contains("32768 bytes"));
    }
}
