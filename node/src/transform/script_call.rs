//! A message as a script is given it, and what it returned as a message.

use crate::script::{self, Payload, Reshaped};
use bytes::Bytes;
use model::{
    policy::transform::{self, Format, Message, check_header_name, check_header_value},
    tree::{self, Tree},
};
use serde_json::{Map, Value};

/// The request that a script's handler is called with.
pub(super) fn request(message: &Message) -> script::Request {
    script::Request {
        method: message.method.clone(),
        path: message.path.clone(),
        query: message.query.clone(),
        parsed_query: script::parsed(&message.query),
        headers: joined(message)
            .map(|(name, value)| (name.to_owned(), Value::from(value)))
            .collect(),
        body: match transform::as_json(message) {
            Some(json) => Payload::Json(json),
            None if message.body.is_empty() => Payload::Empty,
            None => Payload::Text(transform::as_text(message)),
        },
    }
}

/// Each header once, its values joined.
fn joined(message: &Message) -> impl Iterator<Item = (&str, String)> {
    let mut seen: Vec<&str> = Vec::new();
    message.headers.iter().filter_map(move |(name, _)| {
        if seen.contains(&name.as_str()) {
            return None;
        }
        seen.push(name);
        Some((name.as_str(), message.header(name)?))
    })
}

/// The message that a script made of `before`. What it left as it was keeps its bytes.
pub(super) fn message(
    before: &Message,
    given: &Payload,
    made: Reshaped,
) -> Result<Message, String> {
    let path_changed = made.path != before.path;
    let query_changed = made.query != before.query;
    if path_changed {
        transform::check_path(&made.path).map_err(|expected| format!("path: {expected}"))?;
    }
    if query_changed {
        transform::check_query(&made.query).map_err(|expected| format!("query: {expected}"))?;
    }
    let mut message = Message {
        method: made.method,
        headers: headers(before, made.headers)?,
        path: made.path,
        query: made.query,
        body: Bytes::new(),
    };
    if is_same(given, &made.body) {
        message.body = before.body.clone();
        return Ok(message);
    }
    // Whatever it was encoded with is gone.
    message
        .headers
        .retain(|(name, _)| name != "content-encoding");
    message.say_utf8();
    message.body = match made.body {
        Payload::Empty => Bytes::new(),
        Payload::Text(text) => text,
        Payload::Json(json) => match transform::format_of(&message) {
            Format::Json => json,
            Format::Form => transform::form_of(&json)
                .map_err(|expected| format!("body: {expected}"))?
                .into(),
            Format::Other => {
                message.headers.retain(|(name, _)| name != "content-type");
                let json_type = Bytes::from_static(b"application/json");
                message.headers.push(("content-type".into(), json_type));
                json
            }
        },
    };
    Ok(message)
}

fn headers(before: &Message, made: Vec<(String, String)>) -> Result<Vec<(String, Bytes)>, String> {
    let given: Map<String, Value> = joined(before)
        .map(|(name, value)| (name.to_owned(), value.into()))
        .collect();
    let mut headers = Vec::with_capacity(made.len());
    for (name, value) in made {
        if given.get(&name).and_then(Value::as_str) == Some(value.as_str()) {
            let kept = before.header_all(&name);
            headers.extend(kept.map(|value| (name.clone(), value.clone())));
            continue;
        }
        let checked = check_header_name(&name).and_then(|()| check_header_value(value.as_bytes()));
        checked.map_err(|expected| format!("headers.{name}: {expected}"))?;
        headers.push((name, Bytes::from(value)));
    }
    Ok(headers)
}

/// Whether a script returned the body that it was given, as far as it could see.
fn is_same(given: &Payload, made: &Payload) -> bool {
    match (given, made) {
        (Payload::Json(given), Payload::Json(made)) => {
            let read = |json: &Bytes| tree::read(json).ok();
            given == made
                || read(given)
                    .zip(read(made))
                    .is_some_and(|(given, made)| looks_alike(&given, &made))
        }
        // Bytes that are no text look like other ones to a script.
        (Payload::Text(given), Payload::Text(made)) => {
            given == made || String::from_utf8_lossy(given).as_bytes() == made.as_ref()
        }
        (given, made) => given == made,
    }
}

/// Whether two values are the same to JavaScript, which knows one kind of numbers and moves keys that look like them.
fn looks_alike(one: &Tree, other: &Tree) -> bool {
    match (one, other) {
        (Tree::Number(one), Tree::Number(other)) => {
            one == other || double(one.as_str()) == double(other.as_str())
        }
        // What is infinite to it is written as null.
        (Tree::Number(one), Tree::Null) => double(one.as_str()).is_some_and(f64::is_infinite),
        (Tree::List(one), Tree::List(other)) => {
            one.len() == other.len() && one.iter().zip(other).all(|(a, b)| looks_alike(a, b))
        }
        (Tree::Object(one), Tree::Object(other)) => {
            one.counting().count() == other.counting().count()
                && one
                    .counting()
                    .all(|(key, a)| other.get_text(key).is_some_and(|b| looks_alike(a, b)))
        }
        (one, other) => one == other,
    }
}

fn double(digits: &str) -> Option<f64> {
    digits.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn before(content_type: &str, body: &'static str) -> Message {
        let header = |name: &str, value: &str| (name.to_owned(), Bytes::from(value.to_owned()));
        Message {
            method: "POST".into(),
            headers: vec![
                header("content-type", content_type),
                header("x-tag", "a"),
                ("x-name".into(), Bytes::from_static(b"Zo\xeb")),
                header("x-tag", "b"),
            ],
            path: "/in".into(),
            query: "a=1&a=2".into(),
            body: Bytes::from(body),
        }
    }

    /// What a handler returned that changes nothing.
    fn untouched(before: &Message) -> (Payload, Reshaped) {
        let given = request(before);
        let text = |value: &Value| value.as_str().expect("a text").to_owned();
        let made = Reshaped {
            method: given.method,
            path: given.path,
            query: given.query,
            headers: given
                .headers
                .iter()
                .map(|(k, v)| (k.clone(), text(v)))
                .collect(),
            body: match &given.body {
                // As JSON.stringify would write it.
                Payload::Json(json) => {
                    let tree = tree::read(json).expect("JSON");
                    Payload::Json(tree::write(&tree, usize::MAX).expect("fits").into())
                }
                other => other.clone(),
            },
        };
        (given.body, made)
    }

    #[test]
    fn a_script_that_changes_nothing_changes_no_byte() {
        for (content_type, body) in [
            ("application/json", "{ \"b\": 12.30, \"1\": [1e2] }"),
            ("application/x-www-form-urlencoded", "a=%41&b=1&b=2"),
            ("text/xml", "<a><b>1</b></a>"),
            ("text/plain", "hello"),
            ("text/plain; charset=latin1", "\u{feff}hello é"),
            ("application/json; charset=latin1", "[\"Ã©\\ud83d\", 1e400]"),
            (
                "multipart/form-data; boundary=X",
                "--X\r\nContent-Disposition: form-data; name=a; filename=b\r\n\r\n1\r\n--X--",
            ),
            ("application/json", ""),
            ("application/json", "{"),
        ] {
            let before = before(content_type, body);
            let (given, made) = untouched(&before);
            let mut after = message(&before, &given, made).expect("sendable");
            after.headers.sort_by(|(a, _), (b, _)| a.cmp(b));
            let mut expected = before.clone();
            expected.headers.sort_by(|(a, _), (b, _)| a.cmp(b));
            assert_eq!(after, expected, "{content_type}");
        }
    }

    #[test]
    fn numbers_and_keys_look_alike_as_javascript_sees_them() {
        let alike = |one: &str, other: &str| {
            let json = |text: &str| Payload::Json(Bytes::from(text.to_owned()));
            is_same(&json(one), &json(other))
        };
        assert!(alike(r#"{"b":1.0,"2":[12.30]}"#, r#"{"2":[12.3],"b":1}"#));
        assert!(!alike("1", "\"1\""));
        assert!(alike(
            r#"{"a":1e400,"b":"\ud83d\u00e9","a":-1e999}"#,
            r#"{"a":null,"b":"\ud83dé"}"#
        ));
        assert!(!alike("[1e308]", "[null]"));
        assert!(!alike(r#"{"a":1}"#, r#"{"a":1,"b":2}"#));
        assert!(!alike("[1,2]", "[2,1]"));
    }

    #[test]
    fn a_changed_body_is_written_as_its_content_type_says() {
        let changed = |content_type: &str, body: Value| {
            let before = before("application/json", "{}");
            let (given, mut made) = untouched(&before);
            made.headers[0].1 = content_type.to_owned();
            made.body = Payload::Json(body.to_string().into());
            message(&before, &given, made)
        };
        let form = "application/x-www-form-urlencoded";
        let after = changed(form, json!({"a": "x y", "n": [1, 2]})).expect("a form");
        assert_eq!(after.body, "a=x+y&n=1&n=2");
        let nested = changed(form, json!({"a": {"b": 1}})).expect_err("nested");
        assert!(nested.starts_with("body: a form takes"), "{nested}");
        let after = changed("text/xml", json!({"a": 1})).expect("JSON");
        assert_eq!(
            (after.body.as_ref(), after.header("content-type")),
            (&br#"{"a":1}"#[..], Some("application/json".into()))
        );
    }

    #[test]
    fn what_a_script_may_not_set_is_refused_by_name() {
        let before = before("application/json", "{}");
        for (name, value) in [
            ("host", "evil"),
            ("webhook-id", "1"),
            ("x-tidegate-event-id", "1"),
            ("content-length", "5"),
            ("x-name", "other é"),
        ] {
            let (given, mut made) = untouched(&before);
            made.headers.retain(|(known, _)| known != name);
            made.headers.push((name.into(), value.into()));
            let refused = message(&before, &given, made).expect_err(name);
            assert!(
                refused.starts_with(&format!("headers.{name}: ")),
                "{refused}"
            );
        }
        let (given, mut made) = untouched(&before);
        made.path = "/a/../b".into();
        assert!(
            message(&before, &given, made)
                .expect_err("dots")
                .starts_with("path: ")
        );
    }
}
