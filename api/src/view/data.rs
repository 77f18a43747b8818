//! The data of a request: headers, query and body, as they are shown wherever a request is.

use base64::{Engine, prelude::BASE64_STANDARD};
use bytes::Bytes;
use model::{policy::transform::Message, traffic::RequestRecord};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// Bodies up to this size are shown within a model; larger ones are told by `raw_body`.
pub const MAX_SHOWN_BODY: u32 = 1024 * 1024;
/// Credentials of senders are not for the eyes of whoever debugs a webhook.
const HIDDEN_HEADERS: [&str; 4] = [
    "authorization",
    "cookie",
    "proxy-authorization",
    "set-cookie",
];

/// The data that a request carried, or would carry.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[schemars(rename = "RequestData")]
pub struct DataView {
    /// Left out where it has no place that it came from or went to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub method: Option<String>,
    /// Null where nothing of it stands in the URL that it went to.
    pub path: Option<String>,
    /// Null as the path.
    pub query: Option<String>,
    #[schemars(with = "BTreeMap<String, QueryValue>")]
    pub parsed_query: Map<String, Value>,
    #[schemars(with = "BTreeMap<String, String>")]
    pub headers: Map<String, Value>,
    /// What a JSON body says, or a text; null where there is none to show.
    pub body: Value,
    /// Whether the body is left out, because of its size or because it lies elsewhere.
    pub is_large_payload: bool,
    /// Names of the headers that were set on the way out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub appended_headers: Option<Vec<String>>,
    /// Some headers were left out: there was no room. Left out where that is not so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub headers_cut: Option<bool>,
}

/// One value of a name, or all of them.
#[derive(JsonSchema)]
#[serde(untagged)]
#[expect(dead_code, reason = "a schema for what is shown as JSON")]
enum QueryValue {
    One(String),
    All(Vec<String>),
}

/// A message in answer to a try: nothing of it is hidden from who gave it.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[schemars(rename = "Message")]
pub struct MessageView {
    pub method: String,
    pub path: String,
    pub query: String,
    #[schemars(with = "BTreeMap<String, QueryValue>")]
    pub parsed_query: Map<String, Value>,
    #[schemars(with = "BTreeMap<String, Option<String>>")]
    pub headers: Map<String, Value>,
    pub body: Value,
}

/// A body to the letter.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[schemars(rename = "RawBody")]
pub struct RawBodyView {
    pub body: String,
    /// What is no text comes in base64 and says so.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("enum" = ["base64"]))]
    pub encoding: Option<&'static str>,
}

impl DataView {
    /// The data of a recorded request. None: its body is not shown.
    pub fn of(record: &RequestRecord, base_url: &str, body: Option<&[u8]>) -> Self {
        let query = match record.query.as_str() {
            "" => String::new(),
            query => format!("?{query}"),
        };
        let is_json = record.header_all("content-type").any(|value| {
            String::from_utf8_lossy(value)
                .to_ascii_lowercase()
                .contains("json")
        });
        Self {
            url: Some(format!("{base_url}{}{query}", record.path)),
            method: Some(record.method.clone()),
            path: Some(record.path.clone()),
            query: Some(record.query.clone()),
            parsed_query: parsed_query(&record.query),
            headers: headers(&record.headers),
            body: body.map_or(Value::Null, |body| shown_body(body, is_json)),
            is_large_payload: body.is_none(),
            appended_headers: None,
            headers_cut: None,
        }
    }

    /// The data of a copy that somebody keeps, without a place where it came from.
    pub fn of_copy(record: &RequestRecord, body: &[u8]) -> Self {
        let is_large = body.len() > MAX_SHOWN_BODY as usize;
        Self {
            // The document's short form has neither.
            url: None,
            method: None,
            ..Self::of(record, "", Some(body).filter(|_| !is_large))
        }
    }

    /// The data of a message that is part of the traffic: credentials in its headers stay hidden.
    pub fn of_traffic(message: &Message, record: &RequestRecord) -> Self {
        Self {
            url: None,
            ..Self::of(&message.as_record(record), "", Some(&message.body))
        }
    }
}

impl MessageView {
    pub fn of(message: &Message) -> Self {
        let mut headers: Map<String, Value> = Map::new();
        for (name, _) in &message.headers {
            headers.insert(name.clone(), message.header(name).into());
        }
        let content_type = headers.get("content-type").and_then(Value::as_str);
        let is_json = content_type.is_some_and(|value| value.to_ascii_lowercase().contains("json"));
        Self {
            method: message.method.clone(),
            path: message.path.clone(),
            query: message.query.clone(),
            parsed_query: parsed_query(&message.query),
            body: shown_body(&message.body, is_json),
            headers,
        }
    }
}

impl RawBodyView {
    pub fn of(body: &[u8]) -> Self {
        match std::str::from_utf8(body) {
            Ok(text) => Self {
                body: text.to_owned(),
                encoding: None,
            },
            Err(_) => Self {
                body: BASE64_STANDARD.encode(body),
                encoding: Some("base64"),
            },
        }
    }
}

/// Headers as an object. Values of one name are joined, as clients take strings only.
pub fn headers(headers: &[(String, Bytes)]) -> Map<String, Value> {
    let mut shown: Map<String, Value> = Map::new();
    for (name, value) in headers {
        let value = match HIDDEN_HEADERS.contains(&name.as_str()) {
            true => "[hidden]".to_owned(),
            false => String::from_utf8_lossy(value).into_owned(),
        };
        match shown.get_mut(name) {
            Some(Value::String(known)) => {
                known.push_str(", ");
                known.push_str(&value);
            }
            _ => {
                shown.insert(name.clone(), value.into());
            }
        }
    }
    shown
}

fn parsed_query(query: &str) -> Map<String, Value> {
    let mut parsed: Map<String, Value> = Map::new();
    for (name, value) in form_urlencoded::parse(query.as_bytes()) {
        match parsed.get_mut(&*name) {
            None => {
                parsed.insert(name.into_owned(), value.into());
            }
            Some(Value::Array(values)) => values.push(value.into()),
            Some(known) => *known = Value::Array(vec![known.take(), value.into()]),
        }
    }
    parsed
}

fn shown_body(body: &[u8], is_json: bool) -> Value {
    if body.is_empty() {
        return Value::Null;
    }
    let parsed = is_json.then(|| serde_json::from_slice(body).ok()).flatten();
    parsed.unwrap_or_else(|| String::from_utf8_lossy(body).into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::view::tests::json;
    use model::kit;
    use serde_json::json;

    fn recorded() -> RequestRecord {
        let header = |name: &str, value: &'static str| (name.to_owned(), Bytes::from(value));
        RequestRecord {
            path: "/a".into(),
            query: "x=1&y=2&y=3&z".into(),
            headers: vec![
                header("content-type", "application/json"),
                header("authorization", "Bearer abc"),
                header("x-tag", "a"),
                header("x-tag", "b"),
            ],
            origin: model::traffic::Origin::Vouched,
            ..kit::record()
        }
    }

    #[test]
    fn headers_and_query_are_objects() {
        let data = DataView::of(&recorded(), "https://in.example/src_1", Some(br#"{"n":1}"#));
        let data = json(data);
        assert_eq!(data["url"], "https://in.example/src_1/a?x=1&y=2&y=3&z");
        assert_eq!(
            data["parsed_query"],
            json!({"x": "1", "y": ["2", "3"], "z": ""})
        );
        assert_eq!(data["headers"]["x-tag"], "a, b");
        assert_eq!(data["body"], json!({"n": 1}));
        assert_eq!(data["is_large_payload"], false);
    }

    #[test]
    fn credentials_of_senders_stay_hidden() {
        let data = json(DataView::of(&recorded(), "", Some(b"")));
        assert!(!data.to_string().contains("abc"), "{data}");
    }

    #[test]
    fn a_body_that_only_claims_to_be_json_is_text() {
        assert_eq!(shown_body(b"{", true), json!("{"));
        assert_eq!(shown_body(b"1", false), json!("1"));
        assert_eq!(shown_body(b"", true), Value::Null);
    }

    #[test]
    fn a_binary_body_survives() {
        assert_eq!(
            json(RawBodyView::of(b"\xff\x00")),
            json!({"body": "/wA=", "encoding": "base64"})
        );
        assert_eq!(json(RawBodyView::of("é".as_bytes())), json!({"body": "é"}));
    }
}
