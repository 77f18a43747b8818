//! What a request carried, as the API shows it: headers, query and body.

use super::{api_error::ApiError, views::Viewer};
use crate::gateway::Gateway;
use api::problem::Problem;
use base64::{Engine, prelude::BASE64_STANDARD};
use bytes::Bytes;
use model::{
    ids::{GroupId, RequestId},
    policy::signature,
    state::codec,
    traffic::{RequestRecord, StoredRequest},
};
use raft::Body;
use serde_json::{Map, Value, json};

/// Bodies up to this size are shown within a request or an event; larger ones are told by `raw_body`.
const MAX_SHOWN_BODY: u32 = 1024 * 1024;
/// The same for each model of a list.
const MAX_LISTED_BODY: u32 = 16 * 1024;
/// Credentials of senders are not for the eyes of whoever debugs a webhook.
const HIDDEN_HEADERS: [&str; 4] = [
    "authorization",
    "cookie",
    "proxy-authorization",
    "set-cookie",
];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Detail {
    /// In a list: many of them.
    Listed,
    Alone,
    /// With its body, however long that is.
    Whole,
}

impl Detail {
    /// Bodies up to this size are shown.
    pub(super) fn body_max(self) -> u32 {
        match self {
            Self::Listed => MAX_LISTED_BODY,
            Self::Alone => MAX_SHOWN_BODY,
            Self::Whole => u32::MAX,
        }
    }
}

pub(super) fn record(request: &StoredRequest) -> Result<RequestRecord, ApiError> {
    Ok(codec::decode(&request.record)?)
}

/// The raw body of a request, from whichever node has it; empty when it had none. For a thread that may wait.
pub(super) fn body(
    gateway: &Gateway,
    group: GroupId,
    request: &StoredRequest,
) -> Result<Bytes, ApiError> {
    match request.body {
        None => Ok(Bytes::new()),
        Some(at) => found(gateway.cluster.body_blocking(group, at)),
    }
}

/// The same for one that may not.
pub(super) async fn body_of(
    gateway: &Gateway,
    group: GroupId,
    request: &StoredRequest,
) -> Result<Bytes, ApiError> {
    match request.body {
        None => Ok(Bytes::new()),
        Some(at) => found(gateway.cluster.body(group, at).await),
    }
}

fn found(body: Body) -> Result<Bytes, ApiError> {
    match body {
        Body::Here(body) => Ok(body),
        Body::Away { .. } => Err(ApiError::unavailable(
            "this node lacks the body of the request, and no node that answers has it; try again",
        )),
        Body::Lost => Err(Problem::gone("no node has the body of the request any more").into()),
    }
}

/// `data` of a request.
pub(super) fn of_request(
    gateway: &Gateway,
    viewer: &Viewer,
    id: RequestId,
    request: &StoredRequest,
    detail: Detail,
) -> Result<Value, ApiError> {
    let mut record = record(request)?;
    let body = match (request.body, detail) {
        (None, _) => Some(Bytes::new()),
        (Some(at), _) if at.len > detail.body_max() => None,
        // A list waits for no other node: what is not here is told by `raw_body`.
        (Some(at), Detail::Listed) => gateway.cluster.payload(id.group(), &at).ok().flatten(),
        (Some(_), Detail::Alone | Detail::Whole) => body(gateway, id.group(), request).ok(),
    };
    let url = match gateway.catalog.get().sources.get(&record.source_id) {
        Some(source) => {
            // Requests of earlier versions were kept with the secrets that proved them.
            signature::redact(&mut record, &source.verification);
            viewer.url(source)
        }
        None => String::new(),
    };
    Ok(show(&record, &url, body.as_deref()))
}

/// A request that was made of a stored one.
pub(super) fn of_message(record: &RequestRecord, body: &[u8]) -> Value {
    show(record, "", Some(body))
}

/// Whether headers, as they are shown, speak of JSON.
pub(super) fn is_json(headers: &Map<String, Value>) -> bool {
    let content_type = headers.get("content-type").and_then(Value::as_str);
    content_type.is_some_and(|value| value.to_ascii_lowercase().contains("json"))
}

/// `data` of a copy that somebody keeps: what it carried, and no place where it came from.
pub(super) fn of_copy(record: &RequestRecord, body: &[u8]) -> Value {
    let is_large = body.len() > MAX_SHOWN_BODY as usize;
    let mut shown = show(record, "", Some(body).filter(|_| !is_large));
    if let Some(fields) = shown.as_object_mut() {
        // The document's short form has neither.
        fields.remove("url");
        fields.remove("method");
    }
    shown
}

pub(super) fn show(record: &RequestRecord, base_url: &str, body: Option<&[u8]>) -> Value {
    let query = match record.query.as_str() {
        "" => String::new(),
        query => format!("?{query}"),
    };
    let is_json = record.header_all("content-type").any(|value| {
        String::from_utf8_lossy(value)
            .to_ascii_lowercase()
            .contains("json")
    });
    json!({
        "url": format!("{base_url}{}{query}", record.path),
        "method": record.method,
        "path": record.path,
        "query": record.query,
        "parsed_query": parsed_query(&record.query),
        "headers": headers(&record.headers),
        "body": body.map_or(Value::Null, |body| shown_body(body, is_json)),
        "is_large_payload": body.is_none(),
    })
}

/// Values of one name are joined, as clients take strings only.
pub(super) fn headers(headers: &[(String, Bytes)]) -> Map<String, Value> {
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

pub(super) fn parsed_query(query: &str) -> Map<String, Value> {
    let mut parsed: Map<String, Value> = Map::new();
    for (name, value) in url::form_urlencoded::parse(query.as_bytes()) {
        match parsed.get_mut(&*name) {
            None => {
                parsed.insert(name.into_owned(), value.into());
            }
            Some(Value::Array(values)) => values.push(value.into()),
            Some(known) => *known = json!([known.take(), value]),
        }
    }
    parsed
}

pub(super) fn shown_body(body: &[u8], is_json: bool) -> Value {
    if body.is_empty() {
        return Value::Null;
    }
    let parsed = is_json.then(|| serde_json::from_slice(body).ok()).flatten();
    parsed.unwrap_or_else(|| String::from_utf8_lossy(body).into())
}

/// The raw body as the API gives it. What is no text comes in base64 and says so.
pub(super) fn raw(body: &[u8]) -> Value {
    match std::str::from_utf8(body) {
        Ok(text) => json!({ "body": text }),
        Err(_) => json!({ "body": BASE64_STANDARD.encode(body), "encoding": "base64" }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::kit;

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
        let data = show(&recorded(), "https://in.example/src_1", Some(br#"{"n":1}"#));
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
        let data = show(&recorded(), "", Some(b""));
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
            raw(b"\xff\x00"),
            json!({"body": "/wA=", "encoding": "base64"})
        );
        assert_eq!(raw("é".as_bytes()), json!({"body": "é"}));
    }
}
