//! The input of a scheme, which is all that it may look at: the request as received, the URL that the sender was told,
//! and the time.

use super::diagnosis::Diagnosis;
use crate::{
    policy::document::{Parsed, is_multipart},
    time::Timestamp,
    traffic::RequestRecord,
    tree::{self, Tree},
};
use std::borrow::Cow;

/// The fields that a sender may have sign them sorted. The largest forms of those who do so have some hundred.
const SORTED_FIELDS_MAX: usize = 10_000;

/// Name and value of a field of a query or a form, decoded.
pub(super) type Field<'a> = (Cow<'a, str>, Cow<'a, str>);

/// The facts that a scheme is judged by: a request as received, its URL, and the time.
#[derive(Clone, Copy, Debug)]
pub struct Facts<'a> {
    pub record: &'a RequestRecord,
    /// The raw bytes as received.
    pub body: &'a [u8],
    /// What that body was read as.
    pub parsed: &'a Parsed,
    /// Scheme, host, path and query as the sender was told them.
    pub url: &'a str,
    pub now: Timestamp,
}

impl<'a> Facts<'a> {
    /// The one value of a header, without the spaces around it. Which of two values an intermediary looked at is
    /// anyone's guess, so two are refused.
    pub fn header(&self, name: &str) -> Result<&'a str, Diagnosis> {
        self.header_if_any(name)?
            .ok_or_else(|| Diagnosis::missing(format!("header {name}")))
    }

    pub fn header_if_any(&self, name: &str) -> Result<Option<&'a str>, Diagnosis> {
        let mut values = self
            .record
            .headers
            .iter()
            .filter(|(known, _)| known.eq_ignore_ascii_case(name));
        let Some((_, value)) = values.next() else {
            return Ok(None);
        };
        if values.next().is_some() {
            return Err(Diagnosis::Repeated(format!("header {name}")));
        }
        let text = std::str::from_utf8(value)
            .map_err(|_| Diagnosis::malformed(format!("header {name}")))?
            .trim();
        if text.is_empty() {
            return Err(Diagnosis::missing(format!("header {name}")));
        }
        Ok(Some(text))
    }

    #[must_use]
    pub fn has_header(&self, name: &str) -> bool {
        self.record
            .headers
            .iter()
            .any(|(known, _)| known.eq_ignore_ascii_case(name))
    }

    /// The fields of the query as received, decoded.
    pub fn query(&self) -> impl Iterator<Item = Field<'a>> {
        form_urlencoded::parse(self.record.query.as_bytes())
    }

    /// The one value of a query field.
    pub fn query_field(&self, name: &str) -> Result<Option<String>, Diagnosis> {
        one(self.query(), name, "query field")
    }

    /// The fields of a form body, decoded, in the order of arrival.
    pub fn form(&self) -> impl Iterator<Item = Field<'a>> {
        form_urlencoded::parse(self.body)
    }

    /// The fields of a form body, decoded, by name and then by value.
    ///
    /// # Errors
    /// More of them than any sender has: sorting them would take longer than a wrong signature may.
    pub fn sorted_form(&self) -> Result<Vec<Field<'a>>, Diagnosis> {
        if self.body.iter().filter(|byte| **byte == b'&').count() >= SORTED_FIELDS_MAX {
            return Err(Diagnosis::Unexpected("number of form fields".into()));
        }
        let mut fields: Vec<_> = self.form().collect();
        fields.sort_unstable();
        Ok(fields)
    }

    /// The one value of a field of a form, whichever way that is encoded.
    pub fn form_field(&self, name: &str) -> Result<String, Diagnosis> {
        let missing = || Diagnosis::missing(format!("form field {name}"));
        let form = self.parsed.form(self.record, self.body);
        let form = form.ok_or_else(|| Diagnosis::malformed("body"))?;
        match form.key(name).ok_or_else(missing)? {
            Tree::Text(text) => Ok(text.as_str().to_owned()),
            Tree::List(_) => Err(Diagnosis::Repeated(format!("form field {name}"))),
            _ => Err(Diagnosis::malformed(format!("form field {name}"))),
        }
    }

    /// Whether the body says that it is a form whose text is nothing but its fields. One of parts may hold files, which no
    /// scheme that signs the fields covers.
    #[must_use]
    pub fn is_form(&self) -> bool {
        matches!(self.header_if_any("content-type"), Ok(Some(kind))
            if kind.to_ascii_lowercase().starts_with("application/x-www-form-urlencoded"))
    }

    /// Whether the body says that it has fields, be it with files beside them.
    #[must_use]
    pub fn has_fields(&self) -> bool {
        self.is_form()
            || matches!(self.header_if_any("content-type"), Ok(Some(kind)) if is_multipart(kind))
    }

    /// The text of a value in the JSON body, by the names of its objects joined with dots: a string decoded, a number
    /// or a boolean as it stands there. None when it is missing or null.
    #[must_use]
    pub fn json(&self, path: &str) -> Option<String> {
        text_at(self.tree()?, path).map(str::to_owned)
    }

    /// The body as JSON, whatever its content type says; read once.
    #[must_use]
    pub fn tree(&self) -> Option<&'a Tree> {
        self.parsed.json(self.record, self.body)
    }

    pub fn json_required(&self, path: &str) -> Result<String, Diagnosis> {
        self.json(path)
            .ok_or_else(|| Diagnosis::missing(format!("JSON field {path}")))
    }

    /// The facts with another body in place of their own, to find out what changed.
    #[must_use]
    pub(super) fn with_body<'b>(&'b self, body: &'b [u8], parsed: &'b Parsed) -> Facts<'b> {
        Facts {
            body,
            parsed,
            ..*self
        }
    }
}

fn one<'a>(
    fields: impl Iterator<Item = Field<'a>>,
    name: &str,
    what: &str,
) -> Result<Option<String>, Diagnosis> {
    let mut values = fields.filter(|(known, _)| known == name);
    let first = values.next().map(|(_, value)| value.into_owned());
    if values.next().is_some() {
        return Err(Diagnosis::Repeated(format!("{what} {name}")));
    }
    Ok(first)
}

/// The text of a value, by the names of the objects around it joined with dots. Numbers keep their spelling: `10.00` is
/// signed as `10.00`.
#[must_use]
pub(super) fn text_at<'t>(tree: &'t Tree, path: &str) -> Option<&'t str> {
    match path.split('.').try_fold(tree, Tree::key)? {
        Tree::Null => None,
        found => found.as_text(),
    }
}

/// The text at a path in a JSON text that is not the request's body.
#[must_use]
pub(super) fn json_text(json: &str, path: &str) -> Option<String> {
    let tree = tree::read(json.as_bytes()).ok()?;
    text_at(&tree, path).map(str::to_owned)
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::ids::SourceId;
    use bytes::Bytes;

    /// A request for the tests of this engine.
    pub(in super::super) fn record(method: &str, headers: &[(&str, &str)]) -> RequestRecord {
        RequestRecord {
            source_id: SourceId(1),
            received_at: Timestamp(0),
            method: method.into(),
            path: String::new(),
            query: String::new(),
            headers: headers
                .iter()
                .map(|(name, value)| {
                    let value = Bytes::copy_from_slice(value.as_bytes());
                    (name.to_ascii_lowercase(), value)
                })
                .collect(),
            origin: crate::traffic::Origin::Unproven,
        }
    }

    pub(in super::super) fn facts<'a>(record: &'a RequestRecord, body: &'a [u8]) -> Facts<'a> {
        Facts {
            record,
            body,
            parsed: Box::leak(Box::default()),
            url: "https://events.example.com/src",
            now: Timestamp(1_700_000_000_000),
        }
    }

    #[test]
    fn a_repeated_header_is_refused_and_an_empty_one_is_missing() {
        let record = record("POST", &[("a", "1"), ("a", "1"), ("b", " "), ("c", " x ")]);
        let facts = facts(&record, b"");
        assert_eq!(
            facts.header("a"),
            Err(Diagnosis::Repeated("header a".into()))
        );
        assert_eq!(facts.header("b"), Err(Diagnosis::missing("header b")));
        assert_eq!(facts.header("C"), Ok("x"));
        assert_eq!(facts.header("d"), Err(Diagnosis::missing("header d")));
    }

    #[test]
    fn a_form_is_sorted_up_to_as_many_fields_as_a_sender_may_have() {
        let record = record("POST", &[]);
        let most = format!("b=1{}", "&a=".repeat(SORTED_FIELDS_MAX - 1));
        let sorted = facts(&record, most.as_bytes()).sorted_form();
        let sorted = sorted.expect("as many as may be");
        assert_eq!(sorted.len(), SORTED_FIELDS_MAX);
        assert_eq!(sorted.last(), Some(&("b".into(), "1".into())));
        let over = format!("{most}&a=");
        assert_eq!(
            facts(&record, over.as_bytes()).sorted_form(),
            Err(Diagnosis::Unexpected("number of form fields".into()))
        );
    }

    #[test]
    fn a_body_is_read_once_however_many_fields_are_asked_for() {
        let record = record("POST", &[]);
        let facts = facts(&record, br#"{"a":1,"b":2}"#);
        let first = facts.tree().map(std::ptr::from_ref);
        assert_eq!(
            (facts.json("a"), facts.json("b")),
            (Some("1".into()), Some("2".into()))
        );
        assert!(first.is_some());
        assert_eq!(facts.tree().map(std::ptr::from_ref), first);
    }

    #[test]
    fn json_values_keep_their_spelling() {
        let body =
            br#"{"a":{"b":10.00,"c":"x\u00e9","d":null,"e":true,"f":{},"g":1e400,"h":"\ud83d"}}"#;
        let record = record("POST", &[]);
        let facts = facts(&record, body);
        for (path, text) in [
            ("a.b", "10.00"),
            ("a.c", "xé"),
            ("a.e", "true"),
            ("a.g", "1e400"),
            ("a.h", "\u{fffd}"),
        ] {
            assert_eq!(facts.json(path).as_deref(), Some(text), "{path}");
        }
        for missing in ["a.d", "a.f", "a.z", "a.b.c", "", "z"] {
            assert_eq!(facts.json(missing), None, "{missing}");
        }
    }
}
