//! A request seen by structure: the four parts that rules speak of, each read at most once and only when asked for.

mod form;
mod json;
mod media;
mod xml;

use crate::traffic::RequestRecord;
use media::Form;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::{fmt, sync::OnceLock};

/// Containers within containers that a body's structure may have; a deeper body has none.
pub const DEPTH_MAX: usize = 64;
/// Values that a body's structure may have; a larger one has none. It bounds the memory that a small body can ask for:
/// each value takes some dozens of bytes, however short its text is.
pub const VALUES_MAX: usize = 200_000;

/// What rules may look at. Stored: append only.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Part {
    Body,
    Headers,
    Query,
    Path,
}

impl Part {
    pub const ALL: [Self; 4] = [Self::Body, Self::Headers, Self::Query, Self::Path];

    /// Its name in the API.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Body => "body",
            Self::Headers => "headers",
            Self::Query => "query",
            Self::Path => "path",
        }
    }
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The parts of a request that was not received but made, by a transformation. What is beyond [`DEPTH_MAX`] and
/// [`VALUES_MAX`] is as if it were not there.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Parts {
    /// None: the body has no structure.
    pub body: Option<Value>,
    pub headers: Map<String, Value>,
    pub query: Map<String, Value>,
    /// With its leading slash, without the query; or empty.
    pub path: String,
}

/// A request by structure.
///
/// - `body`: by its content type, see [`Document::of`]; it may have no structure.
/// - `headers`: names in lower case, values as strings; values of one name are joined with `", "`.
/// - `query`: percent-decoded strings by name; the values of a repeated name are a list.
/// - `path`: a string.
#[derive(Debug, Default)]
pub struct Document<'a> {
    received: Option<(&'a RequestRecord, &'a [u8])>,
    body: OnceLock<Option<Value>>,
    headers: OnceLock<Value>,
    query: OnceLock<Value>,
    path: OnceLock<Value>,
}

impl<'a> Document<'a> {
    /// A request as it was received. Its body has a structure when it is
    /// - JSON, by its content type (`json`, `+json`), or without one, or as `text/plain` when it is an object or a list;
    /// - a form (`application/x-www-form-urlencoded`);
    /// - XML (`xml`, `+xml`);
    ///
    /// and is well-formed, not compressed, and within [`DEPTH_MAX`] and [`VALUES_MAX`].
    #[must_use]
    pub fn of(record: &'a RequestRecord, body: &'a [u8]) -> Self {
        Self {
            received: Some((record, body)),
            ..Self::default()
        }
    }

    /// What was received; none where a transformation made it.
    pub(crate) fn received(&self) -> Option<(&'a RequestRecord, &'a [u8])> {
        self.received
    }

    /// The received body where it is JSON by its headers, for whoever needs more than its structure keeps: it rounds
    /// long numbers.
    pub(crate) fn json_text(&self) -> Option<&'a [u8]> {
        let (record, body) = self.received?;
        let is_json = matches!(media::form_of(record)?, Form::Json | Form::PlainText);
        is_json.then(|| json::without_mark(body))
    }

    /// The value of a part; none where the body has no structure.
    #[must_use]
    pub fn part(&self, part: Part) -> Option<&Value> {
        match part {
            Part::Body => self.body.get_or_init(|| self.read_body()).as_ref(),
            Part::Headers => Some(self.headers.get_or_init(|| self.read_headers())),
            Part::Query => Some(self.query.get_or_init(|| self.read_query())),
            Part::Path => Some(self.path.get_or_init(|| self.read_path())),
        }
    }

    /// Takes the parts out, for whoever changes them.
    #[must_use]
    pub fn into_parts(mut self) -> Parts {
        for part in Part::ALL {
            let _ = self.part(part);
        }
        let object = |value: Option<Value>| match value {
            Some(Value::Object(map)) => map,
            _ => Map::new(),
        };
        Parts {
            body: self.body.take().flatten(),
            headers: object(self.headers.take()),
            query: object(self.query.take()),
            path: match self.path.take() {
                Some(Value::String(path)) => path,
                _ => String::new(),
            },
        }
    }

    fn read_body(&self) -> Option<Value> {
        let (record, body) = self.received?;
        match media::form_of(record)? {
            Form::Json => json::read(body),
            // A scalar is more likely a text that happens to look like one.
            Form::PlainText => {
                json::read(body).filter(|value| value.is_object() || value.is_array())
            }
            Form::UrlEncoded => form::read(body),
            Form::Xml => xml::read(body),
        }
    }

    fn read_headers(&self) -> Value {
        let mut read: Map<String, Value> = Map::new();
        for (name, value) in self.received.iter().flat_map(|(record, _)| &record.headers) {
            let value = String::from_utf8_lossy(value);
            match read.get_mut(name) {
                Some(Value::String(known)) => {
                    known.push_str(", ");
                    known.push_str(&value);
                }
                _ => {
                    read.insert(name.clone(), value.into());
                }
            }
        }
        Value::Object(read)
    }

    fn read_query(&self) -> Value {
        let query = self.received.map_or("", |(record, _)| &record.query);
        Value::Object(form::fields(query.as_bytes(), VALUES_MAX).unwrap_or_default())
    }

    fn read_path(&self) -> Value {
        let path = self.received.map_or("", |(record, _)| &record.path);
        Value::from(path)
    }
}

impl From<Parts> for Document<'_> {
    fn from(parts: Parts) -> Self {
        let headers = parts
            .headers
            .into_iter()
            .map(|(name, value)| (name.to_ascii_lowercase(), value));
        let bounded = |map: Map<String, Value>| match Value::Object(map) {
            object if json::is_within_bounds(&object) => object,
            _ => Value::Object(Map::new()),
        };
        Self {
            received: None,
            body: OnceLock::from(parts.body.filter(json::is_within_bounds)),
            headers: OnceLock::from(bounded(headers.collect())),
            query: OnceLock::from(bounded(parts.query)),
            path: OnceLock::from(Value::String(parts.path)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ids::SourceId, time::Timestamp, traffic::Origin};
    use bytes::Bytes;
    use serde_json::json;

    fn record(headers: &[(&str, &'static str)]) -> RequestRecord {
        RequestRecord {
            source_id: SourceId(1),
            received_at: Timestamp(0),
            method: "POST".into(),
            path: "/orders/7".into(),
            query: "a=1&b=x%20y&b=z+w&empty".into(),
            headers: headers
                .iter()
                .map(|(name, value)| ((*name).to_owned(), Bytes::from_static(value.as_bytes())))
                .collect(),
            origin: Origin::Unproven,
        }
    }

    fn body(content_type: &'static str, body: &str) -> Option<Value> {
        let record = record(&[("content-type", content_type)]);
        Document::of(&record, body.as_bytes())
            .part(Part::Body)
            .cloned()
    }

    #[test]
    fn headers_query_and_path_are_always_there() {
        let record = record(&[("x-a", "1"), ("x-b", "é"), ("x-a", "2")]);
        let document = Document::of(&record, b"");
        let part = |part| document.part(part).cloned();
        assert_eq!(
            part(Part::Headers),
            Some(json!({"x-a": "1, 2", "x-b": "é"}))
        );
        assert_eq!(
            part(Part::Query),
            Some(json!({"a": "1", "b": ["x y", "z w"], "empty": ""}))
        );
        assert_eq!(part(Part::Path), Some(json!("/orders/7")));
        assert_eq!(part(Part::Body), None);
    }

    #[test]
    fn a_body_is_read_by_its_content_type() {
        let object = json!({"a": 1});
        for json in [
            "application/json",
            "Application/JSON; charset=utf-8",
            "text/json",
            "application/cloudevents+json",
            "application/vnd.a.b+json;version=1",
            "text/plain",
            "",
        ] {
            assert_eq!(body(json, r#"{"a":1}"#), Some(object.clone()), "{json}");
        }
        for xml in ["application/xml", "text/xml", "application/soap+xml"] {
            assert_eq!(body(xml, "<a>1</a>"), Some(json!({"a": "1"})), "{xml}");
        }
        let form = "application/x-www-form-urlencoded";
        assert_eq!(
            body(form, "a=1&a=2&b=%C3%A9"),
            Some(json!({"a": ["1", "2"], "b": "é"}))
        );
        for other in [
            "application/octet-stream",
            "multipart/form-data",
            "text/html",
            "image/json2",
        ] {
            assert_eq!(body(other, r#"{"a":1}"#), None, "{other}");
        }
    }

    #[test]
    fn without_a_content_type_json_is_tried() {
        let record = record(&[]);
        let read = |body: &[u8]| Document::of(&record, body).part(Part::Body).cloned();
        assert_eq!(read(b"[1]"), Some(json!([1])));
        assert_eq!(read(b"7"), Some(json!(7)));
        assert_eq!(read(b"a=1"), None);
        assert_eq!(body("text/plain", "7"), None);
    }

    #[test]
    fn a_compressed_body_has_no_structure() {
        let of = |encoding| {
            let record = record(&[
                ("content-type", "application/json"),
                ("content-encoding", encoding),
            ]);
            Document::of(&record, b"{}").part(Part::Body).cloned()
        };
        for encoding in ["gzip", "deflate", "br", "identity, gzip"] {
            assert_eq!(of(encoding), None, "{encoding}");
        }
        assert_eq!(of("identity"), Some(json!({})));
    }

    #[test]
    fn what_a_transformation_made_is_a_document_too() {
        let record = record(&[("X-Mixed", "1"), ("content-type", "application/json")]);
        let mut parts = Document::of(&record, br#"{"a":1}"#).into_parts();
        assert_eq!(parts.body, Some(json!({"a": 1})));
        assert_eq!(parts.path, "/orders/7");
        parts.body = Some(json!(["b"]));
        parts.query = Map::new();
        let document = Document::from(parts);
        assert_eq!(document.part(Part::Body), Some(&json!(["b"])));
        assert_eq!(document.part(Part::Query), Some(&json!({})));
        let headers = document.part(Part::Headers).expect("headers");
        assert_eq!(headers["x-mixed"], "1");
    }

    #[test]
    fn what_a_transformation_made_has_the_same_bounds() {
        let deep = |depth| (0..depth).fold(json!(1), |inner, _| json!([inner]));
        let body = |value| {
            let parts = Parts {
                body: Some(value),
                ..Parts::default()
            };
            Document::from(parts).part(Part::Body).is_some()
        };
        assert!(body(deep(DEPTH_MAX)));
        assert!(!body(deep(DEPTH_MAX + 1)));
        assert!(!body(json!(vec![0; VALUES_MAX])));
    }
}
