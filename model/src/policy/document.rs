//! A request seen by structure: the four parts that rules speak of, each read at most once and only when asked for.

pub(crate) mod form;
mod media;
pub(crate) mod multipart;
mod parsed;
pub(crate) mod xml;

pub use parsed::Parsed;
pub(crate) use parsed::is_multipart;

use crate::{
    traffic::{Request, RequestRecord},
    tree::{Gathered, Members, Tree, VALUES_MAX},
};
use media::Form;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::{fmt, sync::OnceLock};

/// A part of a request that rules may look at. Stored: append only.
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

    /// The part's name in the API.
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

/// The parts of a request that was not received but made. What is beyond the bounds of a [`Tree`] is as if it were not
/// there.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Parts {
    /// None: the body has no structure.
    pub body: Option<Value>,
    pub headers: Map<String, Value>,
    pub query: Map<String, Value>,
    /// With its leading slash, without the query; or empty.
    pub path: String,
}

/// A request by its structure, as rules see it.
///
/// - `body`: by its content type, see [`Document::of`]; it may have no structure.
/// - `headers`: names in lower case, values as strings; values of one name are joined with `", "`.
/// - `query`: percent-decoded strings by name; the values of a repeated name are a list.
/// - `path`: a string.
#[derive(Debug, Default)]
pub struct Document<'a> {
    received: Option<(&'a RequestRecord, &'a [u8])>,
    body: Body<'a>,
    headers: OnceLock<Tree>,
    query: OnceLock<Tree>,
    path: OnceLock<Tree>,
}

#[derive(Debug)]
enum Body<'a> {
    /// It was not received; none where it has no structure.
    Made(Option<Tree>),
    Own(Parsed),
    /// Others look into it too.
    Shared(&'a Parsed),
}

impl Default for Body<'_> {
    fn default() -> Self {
        Self::Own(Parsed::default())
    }
}

impl<'a> Document<'a> {
    /// A request as it was received. Its body has a structure when it is
    /// - JSON, by its content type (`json`, `+json`), or without one, or as `text/plain` when it is an object or a list;
    /// - a form (`application/x-www-form-urlencoded`, `multipart/form-data`);
    /// - XML (`xml`, `+xml`);
    ///
    /// and is well-formed, not compressed, and within the bounds of a [`Tree`].
    #[must_use]
    pub fn of(record: &'a RequestRecord, body: &'a [u8]) -> Self {
        Self {
            received: Some((record, body)),
            ..Self::default()
        }
    }

    /// A request as it was received, its body read for all who ask.
    #[must_use]
    pub fn of_request<Trust>(request: &'a Request<Trust>) -> Self {
        Self {
            received: Some((&request.record, &request.body)),
            body: Body::Shared(&request.parsed),
            ..Self::default()
        }
    }

    /// The request as it was received; none where a transformation made the document.
    pub(crate) fn received(&self) -> Option<(&'a RequestRecord, &'a [u8])> {
        self.received
    }

    /// The value of a part; none where the body has no structure.
    #[must_use]
    pub fn part(&self, part: Part) -> Option<&Tree> {
        match part {
            Part::Body => self.body(),
            Part::Headers => Some(self.headers.get_or_init(|| self.read_headers())),
            Part::Query => Some(self.query.get_or_init(|| self.read_query())),
            Part::Path => Some(self.path.get_or_init(|| self.read_path())),
        }
    }

    fn body(&self) -> Option<&Tree> {
        let parsed = match &self.body {
            Body::Made(made) => return made.as_ref(),
            Body::Own(parsed) => parsed,
            Body::Shared(parsed) => parsed,
        };
        let (record, body) = self.received?;
        match media::form_of(record)? {
            Form::Json => parsed.json(record, body),
            // A scalar is more likely a text that happens to look like one.
            Form::PlainText => parsed.json(record, body).filter(|tree| !tree.is_scalar()),
            Form::UrlEncoded | Form::Multipart => parsed.form(record, body),
            Form::Xml => parsed.xml(record, body),
        }
    }

    fn read_headers(&self) -> Tree {
        let mut read: Vec<(String, String)> = Vec::new();
        for (name, value) in self.received.iter().flat_map(|(record, _)| &record.headers) {
            let value = String::from_utf8_lossy(value);
            match read.iter_mut().find(|(known, _)| known == name) {
                Some((_, known)) => {
                    known.push_str(", ");
                    known.push_str(&value);
                }
                None => read.push((name.clone(), value.into_owned())),
            }
        }
        let read = read.into_iter();
        Tree::object(read.map(|(name, value)| (name.into(), Tree::text(value))))
    }

    fn read_query(&self) -> Tree {
        let query = self.received.map_or("", |(record, _)| &record.query);
        Tree::Object(form::fields(None, query.as_bytes(), VALUES_MAX).unwrap_or_default())
    }

    fn read_path(&self) -> Tree {
        Tree::text(self.received.map_or("", |(record, _)| &record.path))
    }
}

impl From<Parts> for Document<'_> {
    fn from(parts: Parts) -> Self {
        let bounded = |tree: Tree| match tree.is_within_bounds() {
            true => tree,
            false => Tree::Object(Members::default()),
        };
        let mut headers = Gathered::default();
        for (name, value) in &parts.headers {
            headers.add(name.to_ascii_lowercase(), Tree::of(value));
        }
        let body = parts.body.as_ref().map(Tree::of);
        Self {
            received: None,
            body: Body::Made(body.filter(Tree::is_within_bounds)),
            headers: OnceLock::from(bounded(Tree::Object(headers.into()))),
            query: OnceLock::from(bounded(Tree::of(&Value::Object(parts.query)))),
            path: OnceLock::from(Tree::text(parts.path)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        kit,
        tree::{self, DEPTH_MAX},
    };
    use bytes::Bytes;
    use serde_json::json;

    fn record(headers: &[(&str, &'static str)]) -> RequestRecord {
        RequestRecord {
            path: "/orders/7".into(),
            query: "a=1&b=x%20y&b=z+w&empty".into(),
            headers: headers
                .iter()
                .map(|(name, value)| ((*name).to_owned(), Bytes::from_static(value.as_bytes())))
                .collect(),
            ..kit::record()
        }
    }

    fn body(content_type: &'static str, body: &str) -> Option<Value> {
        read(&[("content-type", content_type)], body.as_bytes())
    }

    /// A body by these headers, as other readers have it.
    fn read(headers: &[(&str, &'static str)], body: &[u8]) -> Option<Value> {
        let record = record(headers);
        shown(Document::of(&record, body).part(Part::Body))
    }

    fn shown(tree: Option<&Tree>) -> Option<Value> {
        let json = tree::write(tree?, usize::MAX).expect("fits");
        Some(serde_json::from_slice(&json).expect("JSON"))
    }

    #[test]
    fn headers_query_and_path_are_always_there() {
        let record = record(&[("x-a", "1"), ("x-b", "é"), ("x-a", "2")]);
        let document = Document::of(&record, b"");
        let part = |part| shown(document.part(part));
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
        let form = "multipart/form-data; boundary=X";
        let part = "--X\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n1\r\n--X--";
        assert_eq!(body(form, part), Some(json!({"a": "1"})));
        for other in [
            "application/octet-stream",
            "multipart/form-data",
            "multipart/mixed; boundary=X",
            "text/html",
            "image/json2",
        ] {
            assert_eq!(body(other, r#"{"a":1}"#), None, "{other}");
        }
    }

    #[test]
    fn without_a_content_type_json_is_tried() {
        assert_eq!(read(&[], b"[1]"), Some(json!([1])));
        assert_eq!(read(&[], b"7"), Some(json!(7)));
        assert_eq!(read(&[], b"a=1"), None);
        assert_eq!(body("text/plain", "7"), None);
    }

    #[test]
    fn a_compressed_body_has_no_structure() {
        let of = |encoding| {
            let headers = [
                ("content-type", "application/json"),
                ("content-encoding", encoding),
            ];
            read(&headers, b"{}")
        };
        for encoding in ["gzip", "deflate", "br", "identity, gzip"] {
            assert_eq!(of(encoding), None, "{encoding}");
        }
        assert_eq!(of("identity"), Some(json!({})));
    }

    #[test]
    fn what_was_made_is_a_document_too() {
        let parts = Parts {
            body: Some(json!(["b"])),
            headers: Map::from_iter([("X-Mixed".to_owned(), json!("1"))]),
            path: "/a".into(),
            ..Parts::default()
        };
        let document = Document::from(parts);
        let part = |part| shown(document.part(part));
        assert_eq!(part(Part::Body), Some(json!(["b"])));
        assert_eq!(part(Part::Query), Some(json!({})));
        assert_eq!(part(Part::Headers), Some(json!({"x-mixed": "1"})));
        assert_eq!(part(Part::Path), Some(json!("/a")));
    }

    #[test]
    fn a_body_is_read_in_its_charset_and_without_its_mark() {
        let paid = Some(json!({"name": "Zwölf"}));
        let latin = "application/json; charset=ISO-8859-1";
        assert_eq!(
            read(&[("content-type", latin)], b"{\"name\":\"Zw\xf6lf\"}"),
            paid
        );
        let wide: Vec<u8> = "\u{feff}{\"name\":\"Zwölf\"}"
            .encode_utf16()
            .flat_map(u16::to_be_bytes)
            .collect();
        for kind in [
            "application/json; charset=utf-16",
            "application/json",
            "text/plain",
        ] {
            assert_eq!(read(&[("content-type", kind)], &wide), paid, "{kind}");
        }
        assert_eq!(
            body("application/json", "\u{feff}{\"name\":\"Zwölf\"}"),
            paid
        );
    }

    #[test]
    fn a_request_is_read_once_for_all() {
        let request = Request::received(record(&[]), Bytes::from_static(b"[1]"));
        let (one, other) = (
            Document::of_request(&request),
            Document::of_request(&request),
        );
        let at = |document: &Document<'_>| document.part(Part::Body).map(std::ptr::from_ref);
        assert!(at(&one).is_some());
        assert_eq!(at(&one), at(&other));
    }

    #[test]
    fn what_was_made_has_the_same_bounds() {
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
