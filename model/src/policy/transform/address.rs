//! Addresses of parts of a message, as steps name them: `body.items[0].id`, `headers.x-kind`, `query.page`, `path`,
//! `method`, `env.NAME`.

use std::fmt;

/// Steps from the body's root to a field.
pub(super) const SEGMENTS_MAX: usize = 32;
pub(super) const LEN_MAX: usize = 1024;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Address {
    Body(BodyPath),
    Header(String),
    Query(String),
    Path,
    Method,
    Env(String),
}

/// A field of the body; empty: the whole of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct BodyPath(pub(super) Vec<Segment>);

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Segment {
    Key(String),
    Index(usize),
    /// Every element of a list.
    Each,
}

impl Address {
    /// Reads an address. The error says what was expected.
    pub(super) fn read(text: &str) -> Result<Self, String> {
        if text.len() > LEN_MAX {
            return Err(format!("expected at most {LEN_MAX} characters"));
        }
        let named = |prefix: &str| {
            text.strip_prefix(prefix)
                .filter(|name| !name.is_empty())
                .map(str::to_owned)
        };
        if let Some(name) = named("headers.") {
            return Ok(Self::Header(name.to_ascii_lowercase()));
        }
        if let Some(name) = named("query.") {
            return Ok(Self::Query(name));
        }
        if let Some(name) = named("env.") {
            return Ok(Self::Env(name));
        }
        match text {
            "path" => Ok(Self::Path),
            "method" => Ok(Self::Method),
            _ => match text.strip_prefix("body") {
                Some(rest) if rest.is_empty() || rest.starts_with(['.', '[']) => {
                    segments(rest).map(|path| Self::Body(BodyPath(path)))
                }
                _ => Err(format!(
                    "expected body, body.FIELD, headers.NAME, query.NAME, env.NAME, path or method, got {text:?}"
                )),
            },
        }
    }
}

impl BodyPath {
    /// Reads an address that must be in the body.
    pub(super) fn read(text: &str) -> Result<Self, String> {
        match Address::read(text)? {
            Address::Body(path) => Ok(path),
            _ => Err(format!("expected a field of the body, got {text:?}")),
        }
    }

    /// The number of lists that the address goes through, element by element.
    pub(super) fn lists(&self) -> usize {
        self.0.iter().filter(|s| **s == Segment::Each).count()
    }

    /// The number of lists that both go through together: an element of one is an element of the other.
    pub(super) fn lists_shared_with(&self, other: &Self) -> usize {
        let common = self.0.iter().zip(&other.0).take_while(|(a, b)| a == b);
        common.filter(|(a, _)| **a == Segment::Each).count()
    }

    /// Splits off the last segment from what is before it.
    pub(super) fn split_last(&self) -> Option<(&Segment, &[Segment])> {
        self.0.split_last()
    }
}

fn segments(text: &str) -> Result<Vec<Segment>, String> {
    let mut rest = text;
    let mut found = Vec::new();
    while !rest.is_empty() {
        let (segment, behind) = segment(rest)?;
        found.push(segment);
        rest = behind;
        if found.len() > SEGMENTS_MAX {
            return Err(format!("expected at most {SEGMENTS_MAX} levels"));
        }
    }
    Ok(found)
}

fn segment(text: &str) -> Result<(Segment, &str), String> {
    let expected = "expected .FIELD, [0], [*] or [\"any field\"]";
    if let Some(rest) = text.strip_prefix('.') {
        let end = rest.find(['.', '[', ']']).unwrap_or(rest.len());
        let (key, behind) = rest.split_at(end);
        if key.is_empty() {
            return Err(format!("{expected}, got {text:?}"));
        }
        return Ok((Segment::Key(key.to_owned()), behind));
    }
    let inner = text.strip_prefix('[').ok_or(expected)?;
    if inner.starts_with('"') {
        // The first JSON string in there; what is behind it must close the bracket.
        let mut texts = serde_json::Deserializer::from_str(inner).into_iter::<String>();
        let key = texts.next().and_then(Result::ok).ok_or(expected)?;
        let behind = inner[texts.byte_offset()..].strip_prefix(']');
        return Ok((Segment::Key(key), behind.ok_or(expected)?));
    }
    let (index, behind) = inner.split_once(']').ok_or(expected)?;
    if index == "*" {
        return Ok((Segment::Each, behind));
    }
    let is_number = !index.is_empty() && index.bytes().all(|byte| byte.is_ascii_digit());
    let index = index.parse().ok().filter(|_| is_number);
    Ok((Segment::Index(index.ok_or(expected)?), behind))
}

impl fmt::Display for BodyPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("body")?;
        for segment in &self.0 {
            match segment {
                Segment::Key(key) if key.is_empty() || key.contains(['.', '[', ']', '"']) => {
                    write!(f, "[{}]", serde_json::Value::from(key.as_str()))?;
                }
                Segment::Key(key) => write!(f, ".{key}")?,
                Segment::Index(index) => write!(f, "[{index}]")?,
                Segment::Each => f.write_str("[*]")?,
            }
        }
        Ok(())
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Body(path) => write!(f, "{path}"),
            Self::Header(name) => write!(f, "headers.{name}"),
            Self::Query(name) => write!(f, "query.{name}"),
            Self::Path => f.write_str("path"),
            Self::Method => f.write_str("method"),
            Self::Env(name) => write!(f, "env.{name}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn body(segments: &[Segment]) -> Address {
        Address::Body(BodyPath(segments.to_vec()))
    }

    fn key(key: &str) -> Segment {
        Segment::Key(key.into())
    }

    #[test]
    fn every_part_of_a_message_has_an_address() {
        let cases = [
            ("body", body(&[])),
            ("body.id", body(&[key("id")])),
            (
                "body.items[0].sku",
                body(&[key("items"), Segment::Index(0), key("sku")]),
            ),
            ("body[*].a", body(&[Segment::Each, key("a")])),
            (
                r#"body["a.b"]["c\"]"][2]"#,
                body(&[key("a.b"), key("c\"]"), Segment::Index(2)]),
            ),
            ("headers.X-Kind", Address::Header("x-kind".into())),
            ("query.filter[a]", Address::Query("filter[a]".into())),
            ("path", Address::Path),
            ("method", Address::Method),
            ("env.KEY", Address::Env("KEY".into())),
        ];
        for (text, expected) in cases {
            assert_eq!(Address::read(text), Ok(expected), "{text}");
        }
    }

    #[test]
    fn what_is_no_address_is_refused() {
        for text in [
            "",
            "id",
            "bodyid",
            "body.",
            "body..a",
            "body.a]",
            "body[",
            "body[x]",
            "body[+1]",
            "body[]",
            "body[\"a]",
            "body[99999999999999999999999]",
            "headers",
            "headers.",
            "query",
            "env",
            "path.a",
        ] {
            let refused = Address::read(text).expect_err(text);
            assert!(refused.starts_with("expected"), "{text}: {refused}");
        }
        let deep = format!("body{}", ".a".repeat(SEGMENTS_MAX + 1));
        assert!(Address::read(&deep).is_err());
        assert!(BodyPath::read("path").is_err());
    }

    #[test]
    fn lists_are_shared_up_to_where_the_ways_part() {
        let read = |text| BodyPath::read(text).expect("an address");
        let target = read("body.a[*].b[*].c");
        for (source, shared) in [
            ("body.a[*].b[*].d", 2),
            ("body.a[*].x[*].d", 1),
            ("body.b[*]", 0),
            ("body.a", 0),
        ] {
            assert_eq!(target.lists_shared_with(&read(source)), shared, "{source}");
        }
    }

    proptest! {
        #[test]
        fn an_address_reads_back_as_it_is_shown(keys in prop::collection::vec(".{0,6}", 0..6), index: usize) {
            let mut segments: Vec<Segment> = keys.iter().map(|k| key(k)).collect();
            segments.extend([Segment::Each, Segment::Index(index)]);
            let address = body(&segments);
            prop_assert_eq!(Address::read(&address.to_string()), Ok(address));
        }

        #[test]
        fn no_text_makes_it_panic(text in ".{0,40}") {
            let _ = Address::read(&text);
            let _ = Address::read(&format!("body{text}"));
            let _ = Address::read(&format!("body[\"{text}"));
        }
    }
}
