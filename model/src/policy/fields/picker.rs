//! A reader of the fields of one request that a configuration names. The body is taken apart only if one of them asks
//! for it.

use super::canonical;
use crate::{
    catalog::Field,
    policy::document::{Document, Part, form},
    traffic::RequestRecord,
    tree::Tree,
};
use bytes::Bytes;
use std::borrow::Cow;

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
}

impl<'a> Picker<'a> {
    /// Reads what was received. Of a request that a transformation made it sees nothing.
    #[must_use]
    pub fn new(document: &'a Document<'a>) -> Self {
        Self { document }
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

    /// The values of a parameter, as bytes: those that are no text are told apart too.
    fn query<'n>(&self, name: &'n str) -> impl Iterator<Item = Vec<u8>> + use<'a, 'n> {
        let pairs = form::pairs(self.raw_query());
        pairs
            .filter(move |(n, _)| n == name.as_bytes())
            .map(|(_, value)| value)
    }

    /// The body by structure, if it has one.
    fn body(&self) -> Option<&'a Tree> {
        self.document.part(Part::Body)
    }

    /// The canonical form of the value at a field: equal values are written alike and others are not. None: nothing, or
    /// nothing but a `null` or an empty part.
    #[must_use]
    pub fn value(&self, field: &Field) -> Option<Vec<u8>> {
        let steps = field.steps();
        match (field.part(), steps) {
            (Part::Path, _) => present(self.path().as_bytes()),
            (Part::Body, []) => present(self.raw_body()),
            (Part::Query, []) => present(self.raw_query()),
            (Part::Headers, []) => present(&self.headers_but(&[])),
            (Part::Query, [name, ..]) => List::of(self.query(name)).some(),
            (Part::Headers, [name, ..]) => List::of(self.header(name)).some(),
            (Part::Body, _) => canonical::value(self.body()?, steps),
        }
    }

    /// The one text at a field: a string, a number or a boolean of the body, the first of several values elsewhere.
    #[must_use]
    pub fn text(&self, field: &Field) -> Option<String> {
        let steps = field.steps();
        match (field.part(), steps) {
            (Part::Path, _) => Some(self.path().to_owned()),
            (Part::Query, [name, ..]) => String::from_utf8(self.query(name).next()?).ok(),
            (Part::Headers, [name, ..]) => {
                String::from_utf8(self.header(name).next()?.to_vec()).ok()
            }
            (Part::Query | Part::Headers, []) => None,
            (Part::Body, _) => {
                let found = canonical::find(self.body()?, steps)?;
                canonical::scalar(found).map(str::to_owned)
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
        match self.body() {
            None => self.raw_body().into(),
            Some(tree) => canonical::all_but(tree, &without),
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
        let kept = form::pairs(self.raw_query())
            .filter(|(name, _)| !is_named(&without, name))
            .flat_map(|(name, value)| [name, value]);
        List::of(kept).0.into()
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
            .filter(|(name, _)| !is_per_send(name) && !is_named(&without, name.as_bytes()))
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

fn is_named(without: &[&[String]], name: &[u8]) -> bool {
    without
        .iter()
        .any(|steps| matches!(steps, [step] if step.as_bytes() == name))
}

fn is_per_send(name: &str) -> bool {
    PER_SEND.contains(&name) || name.starts_with("x-forwarded-")
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
