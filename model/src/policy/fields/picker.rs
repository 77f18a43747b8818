//! One request, read at the fields that a configuration names. The body is taken apart only if one of them asks for it.

use super::json;
use crate::{
    catalog::Field,
    policy::document::{Document, Part},
    traffic::RequestRecord,
};
use bytes::Bytes;
use serde_json::value::RawValue;
use std::{borrow::Cow, cell::OnceCell};

/// Headers that each send has anew, on whatever way it comes (RFC 9110 sections 7.6 and 6.6, W3C Trace Context).
const PER_SEND: [&str; 17] = [
    "connection",
    "content-length",
    "date",
    "expect",
    "forwarded",
    "host",
    "keep-alive",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "traceparent",
    "tracestate",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "via",
    "x-real-ip",
];

pub struct Picker<'a> {
    document: &'a Document<'a>,
    body: OnceCell<Body<'a>>,
}

enum Body<'a> {
    Json(&'a RawValue),
    /// A form or XML, by structure.
    Made(Box<RawValue>),
    /// It has no fields.
    Opaque,
}

impl Body<'_> {
    fn root(&self) -> Option<&RawValue> {
        match self {
            Self::Json(root) => Some(root),
            Self::Made(root) => Some(root),
            Self::Opaque => None,
        }
    }
}

impl<'a> Picker<'a> {
    /// Reads what was received. Of a request that a transformation made it sees nothing.
    #[must_use]
    pub fn new(document: &'a Document<'a>) -> Self {
        Self {
            document,
            body: OnceCell::new(),
        }
    }

    #[must_use]
    pub fn method(&self) -> &'a str {
        self.record().map_or("", |record| &record.method)
    }

    #[must_use]
    pub fn path(&self) -> &'a str {
        self.record().map_or("", |record| &record.path)
    }

    fn raw_query(&self) -> &'a [u8] {
        self.record().map_or(&[], |record| record.query.as_bytes())
    }

    fn raw_body(&self) -> &'a [u8] {
        self.document.received().map_or(&[], |(_, body)| body)
    }

    fn record(&self) -> Option<&'a RequestRecord> {
        self.document.received().map(|(record, _)| record)
    }

    fn headers(&self) -> impl Iterator<Item = &'a (String, Bytes)> + use<'a> {
        self.record().into_iter().flat_map(|record| &record.headers)
    }

    fn header<'n>(&self, name: &'n str) -> impl Iterator<Item = &'a Bytes> + use<'a, 'n> {
        self.headers()
            .filter(move |(n, _)| n == name)
            .map(|(_, value)| value)
    }

    fn query<'n>(&self, name: &'n str) -> impl Iterator<Item = Cow<'a, str>> + use<'a, 'n> {
        let pairs = form_urlencoded::parse(self.raw_query());
        pairs
            .filter(move |(n, _)| n == name)
            .map(|(_, value)| value)
    }

    fn body(&self) -> &Body<'a> {
        self.body.get_or_init(|| self.read_body())
    }

    fn read_body(&self) -> Body<'a> {
        if let Some(text) = self.document.json_text() {
            // What the structure of a text does not count as JSON is none here either.
            return json::parse(text).map_or(Body::Opaque, Body::Json);
        }
        let made = self.document.part(Part::Body);
        let made = made.and_then(|value| serde_json::value::to_raw_value(value).ok());
        made.map_or(Body::Opaque, Body::Made)
    }

    /// What stands at a field, written so that equal values are written alike and others are not. None: nothing, or
    /// nothing but a `null` or an empty part.
    #[must_use]
    pub fn value(&self, field: &Field) -> Option<Vec<u8>> {
        let steps = field.steps();
        match (field.part(), steps) {
            (Part::Path, _) => present(self.path().as_bytes()),
            (Part::Body, []) => present(self.raw_body()),
            (Part::Query, []) => present(self.raw_query()),
            (Part::Headers, []) => present(&self.headers_but(&[])),
            (Part::Query, [name, ..]) => List::of(self.query(name).map(text_bytes)).some(),
            (Part::Headers, [name, ..]) => List::of(self.header(name)).some(),
            (Part::Body, _) => {
                let value = json::find(self.body().root()?, steps)?;
                if json::is_null(value) {
                    return None;
                }
                let mut out = Vec::new();
                json::canonical(value, &[], &mut out);
                Some(out)
            }
        }
    }

    /// The one text at a field: a string, a number or a boolean of the body, the first of several values elsewhere.
    #[must_use]
    pub fn text(&self, field: &Field) -> Option<String> {
        let steps = field.steps();
        match (field.part(), steps) {
            (Part::Path, _) => Some(self.path().to_owned()),
            (Part::Query, [name, ..]) => self.query(name).next().map(Cow::into_owned),
            (Part::Headers, [name, ..]) => {
                String::from_utf8(self.header(name).next()?.to_vec()).ok()
            }
            (Part::Query | Part::Headers, []) => None,
            (Part::Body, _) => {
                let value = json::find(self.body().root()?, steps)?;
                json::scalar(value).map(Cow::into_owned)
            }
        }
    }

    /// The body without what lies at these fields; as it came where none of them is of the body, or it has no fields.
    #[must_use]
    pub fn body_but(&self, fields: &[Field]) -> Cow<'a, [u8]> {
        let without = steps_of(fields, Part::Body);
        if without.is_empty() {
            return self.raw_body().into();
        }
        if without.iter().any(|steps| steps.is_empty()) {
            return Cow::default();
        }
        match self.body().root() {
            None => self.raw_body().into(),
            Some(root) => {
                let mut out = Vec::new();
                json::canonical(root, &without, &mut out);
                out.into()
            }
        }
    }

    /// The query without what lies at these fields; as it came when none of them lies in it.
    #[must_use]
    pub fn query_but(&self, fields: &[Field]) -> Cow<'a, [u8]> {
        let without = steps_of(fields, Part::Query);
        if without.is_empty() {
            return self.raw_query().into();
        }
        if without.iter().any(|steps| steps.is_empty()) {
            return Cow::default();
        }
        let kept = form_urlencoded::parse(self.raw_query())
            .filter(|(name, _)| !is_named(&without, name))
            .flat_map(|(name, value)| [name, value]);
        List::of(kept.map(text_bytes)).0.into()
    }

    /// The headers without those at these fields and those that each send has anew.
    #[must_use]
    pub fn headers_but(&self, fields: &[Field]) -> Vec<u8> {
        let without = steps_of(fields, Part::Headers);
        if without.iter().any(|steps| steps.is_empty()) {
            return Vec::new();
        }
        let mut kept: Vec<_> = self
            .headers()
            .filter(|(name, _)| !is_per_send(name) && !is_named(&without, name))
            .collect();
        // Stable: values of one name stay in their order.
        kept.sort_by(|(a, _), (b, _)| a.cmp(b));
        let parts = kept
            .iter()
            .flat_map(|(name, value)| [name.as_bytes(), value.as_ref()]);
        List::of(parts).0
    }
}

fn steps_of(fields: &[Field], part: Part) -> Vec<&[String]> {
    let of_part = fields.iter().filter(|field| field.part() == part);
    of_part.map(Field::steps).collect()
}

fn is_named(without: &[&[String]], name: &str) -> bool {
    without
        .iter()
        .any(|steps| matches!(steps, [step] if step == name))
}

fn is_per_send(name: &str) -> bool {
    PER_SEND.contains(&name) || name.starts_with("x-forwarded-")
}

fn text_bytes(text: Cow<'_, str>) -> Vec<u8> {
    text.into_owned().into_bytes()
}

fn present(bytes: &[u8]) -> Option<Vec<u8>> {
    (!bytes.is_empty()).then(|| bytes.to_owned())
}

/// Several values as one, each behind its length; none where there are none.
#[derive(Default)]
struct List(Vec<u8>);

impl List {
    fn push(&mut self, value: &[u8]) {
        self.0
            .extend_from_slice(&(value.len() as u64).to_be_bytes());
        self.0.extend_from_slice(value);
    }

    fn of<T: AsRef<[u8]>>(values: impl Iterator<Item = T>) -> Self {
        let mut list = Self::default();
        values.for_each(|value| list.push(value.as_ref()));
        list
    }

    fn some(self) -> Option<Vec<u8>> {
        (!self.0.is_empty()).then_some(self.0)
    }
}
