//! The message that a transformation is given and gives back: a request without its method's meaning or its origin.

use crate::{policy::forwarding::Forwarding, traffic::RequestRecord, tree::charset};
use bytes::Bytes;
use std::collections::BTreeMap;

/// A request as it would be delivered if nothing changed it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Message {
    /// Upper case; it can be read and not changed.
    pub method: String,
    /// Lower-case names in the order of arrival; duplicates kept.
    pub headers: Vec<(String, Bytes)>,
    /// With its leading slash, percent-encoded; empty when there is none.
    pub path: String,
    /// Without the question mark, percent-encoded.
    pub query: String,
    pub body: Bytes,
}

/// Environment variables and secrets of a transformation, by name.
pub type Env = BTreeMap<String, String>;

impl Message {
    /// The message that is delivered of a request where nothing changes it.
    #[must_use]
    pub fn of(record: &RequestRecord, body: Bytes, forwarding: &Forwarding) -> Self {
        Self {
            method: record.method.clone(),
            headers: forwarding.headers(record),
            path: record.path.clone(),
            query: forwarding.query(&record.query).into_owned(),
            body,
        }
    }

    /// The request that it is now, for those who look at requests.
    #[must_use]
    pub fn as_record(&self, received: &RequestRecord) -> RequestRecord {
        RequestRecord {
            method: self.method.clone(),
            path: self.path.clone(),
            query: self.query.clone(),
            headers: self.headers.clone(),
            ..received.clone()
        }
    }

    /// The values of a header, in the order of arrival.
    pub fn header_all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Bytes> {
        self.headers
            .iter()
            .filter(move |(known, _)| known == name)
            .map(|(_, value)| value)
    }

    /// The values of a header joined by commas, as text; none when it is not there.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<String> {
        let values: Vec<_> = self
            .header_all(name)
            .map(|value| String::from_utf8_lossy(value))
            .collect();
        (!values.is_empty()).then(|| values.join(", "))
    }

    /// Gives a header one value, at the place of its first.
    pub(super) fn set_header(&mut self, name: &str, value: &str) {
        let value = Bytes::copy_from_slice(value.as_bytes());
        let place = self.headers.iter().position(|(known, _)| known == name);
        self.remove_header(name);
        // Only later places can have gone.
        let place = place.unwrap_or(self.headers.len());
        self.headers.insert(place, (name.to_owned(), value));
    }

    /// Says of a body that was written anew what its characters are, where it said something else.
    pub fn say_utf8(&mut self) {
        let kind = self.header("content-type");
        if let Some(kind) = kind.as_deref().and_then(charset::as_utf8) {
            self.set_header("content-type", &kind);
        }
    }

    pub(super) fn remove_header(&mut self, name: &str) {
        self.headers.retain(|(known, _)| known != name);
    }
}
