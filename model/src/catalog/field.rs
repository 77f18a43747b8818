//! Field paths, which say where in a request a value is found: `body.order.id`, `headers.x-id`, `query.id`, `path`.

use crate::policy::document::Part;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::{fmt, str::FromStr};

/// A part of a request, or a value within it. Its text is `body`, `headers`, `query` or `path`, and what follows:
///
/// - in the body steps, as `.name`, `[3]` (of a list) or `["any name"]`;
/// - in headers and query one name, taken as it is; header names in lower case;
/// - nothing in the path.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Field {
    part: Part,
    steps: Vec<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "expected a field such as body.order.id, body.items[0], headers.x-id, query.id or path, of at most {} characters and {} steps",
    Field::LEN_MAX,
    Field::STEPS_MAX
)]
pub struct FieldError;

impl Field {
    /// Bytes of a field's text.
    pub const LEN_MAX: usize = 255;
    /// Names and places in a field of the body.
    pub const STEPS_MAX: usize = 16;

    #[must_use]
    pub fn part(&self) -> Part {
        self.part
    }

    /// Names and places, outermost first; empty for the whole part.
    #[must_use]
    pub fn steps(&self) -> &[String] {
        &self.steps
    }
}

impl FromStr for Field {
    type Err = FieldError;

    fn from_str(text: &str) -> Result<Self, FieldError> {
        let end = text.find(['.', '[']).unwrap_or(text.len());
        let (part, rest) = text.split_at(end);
        let (part, steps) = match part {
            "body" => (Part::Body, steps(rest).ok_or(FieldError)?),
            "headers" => (Part::Headers, name(&rest.to_ascii_lowercase())?),
            "query" => (Part::Query, name(rest)?),
            "path" if rest.is_empty() => (Part::Path, Vec::new()),
            _ => return Err(FieldError),
        };
        let field = Self { part, steps };
        // As it is kept, it must be readable again.
        let is_short =
            field.steps.len() <= Self::STEPS_MAX && field.to_string().len() <= Self::LEN_MAX;
        is_short.then_some(field).ok_or(FieldError)
    }
}

fn name(rest: &str) -> Result<Vec<String>, FieldError> {
    if rest.is_empty() {
        return Ok(Vec::new());
    }
    match rest.strip_prefix('.') {
        Some(name) if !name.is_empty() => Ok(vec![name.to_owned()]),
        _ => Err(FieldError),
    }
}

fn steps(mut rest: &str) -> Option<Vec<String>> {
    let mut steps = Vec::new();
    while !rest.is_empty() {
        let (step, behind) = step(rest)?;
        steps.push(step);
        rest = behind;
    }
    Some(steps)
}

fn step(text: &str) -> Option<(String, &str)> {
    if let Some(text) = text.strip_prefix('.') {
        let (name, rest) = text.split_at(text.find(['.', '[']).unwrap_or(text.len()));
        return (!name.is_empty()).then(|| (name.to_owned(), rest));
    }
    let text = text.strip_prefix('[')?;
    if text.starts_with('"') {
        let mut names = serde_json::Deserializer::from_str(text).into_iter::<String>();
        let name = names.next()?.ok()?;
        let rest = text.get(names.byte_offset()..)?.strip_prefix(']')?;
        return Some((name, rest));
    }
    let (place, rest) = text.split_once(']')?;
    is_place(place).then(|| (place.to_owned(), rest))
}

/// A place in a list, written in the one way that the list's end would be.
fn is_place(text: &str) -> bool {
    let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    is_number && (text == "0" || !text.starts_with('0'))
}

impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let in_body = self.part == Part::Body;
        f.write_str(self.part.name())?;
        for step in &self.steps {
            if in_body && is_place(step) {
                write!(f, "[{step}]")?;
            } else if in_body && (step.is_empty() || step.contains(['.', '[', ']', '"'])) {
                write!(f, "[{}]", serde_json::Value::from(step.as_str()))?;
            } else {
                write!(f, ".{step}")?;
            }
        }
        Ok(())
    }
}

impl Serialize for Field {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Field {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(d)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn field(text: &str) -> Field {
        text.parse().expect(text)
    }

    #[test]
    fn a_field_names_a_part_and_the_way_into_it() {
        for (text, part, steps) in [
            ("body", Part::Body, &[][..]),
            ("body.order.id", Part::Body, &["order", "id"]),
            ("body.items[0].sku", Part::Body, &["items", "0", "sku"]),
            (r#"body["a.b"].c"#, Part::Body, &["a.b", "c"]),
            (r#"body["\"]"]"#, Part::Body, &["\"]"]),
            ("body[0]", Part::Body, &["0"]),
            ("headers", Part::Headers, &[]),
            ("headers.x.y[0]", Part::Headers, &["x.y[0]"]),
            ("query.items[]", Part::Query, &["items[]"]),
            ("path", Part::Path, &[]),
        ] {
            let field = field(text);
            let read: Vec<&str> = field.steps().iter().map(String::as_str).collect();
            assert_eq!((field.part(), read.as_slice()), (part, steps), "{text}");
            assert_eq!(field.to_string(), text);
        }
    }

    #[test]
    fn what_means_the_same_is_the_same() {
        assert_eq!(field("body.items.0"), field("body[\"items\"][0]"));
        assert_eq!(field("headers.X-Id"), field("headers.x-id"));
        assert_ne!(field("query.X"), field("query.x"));
    }

    #[test]
    fn anything_else_is_refused() {
        let long = format!("body.{}", "a".repeat(Field::LEN_MAX));
        let deep = format!("body{}", ".a".repeat(Field::STEPS_MAX + 1));
        for text in [
            "",
            "id",
            "Body.id",
            "body.",
            "body..a",
            "body.a.",
            "body[",
            "body[]",
            "body[a]",
            "body[01]",
            "body[-1]",
            "body[0",
            "body[\"a]",
            "body[\"a\"",
            "body[0]a",
            "headers.",
            "headersx",
            "headers[0]",
            "query.",
            "path.a",
            ".body",
            &long,
            &deep,
        ] {
            assert_eq!(text.parse::<Field>(), Err(FieldError), "{text}");
        }
    }

    proptest! {
        #[test]
        fn every_field_reads_back_as_it_is_shown(text in r#"(body|headers|query|path)([.\["\]a0\\é]{0,3}){0,6}"#) {
            if let Ok(field) = text.parse::<Field>() {
                let shown = field.to_string();
                prop_assert_eq!(shown.parse::<Field>(), Ok(field), "{}", shown);
            }
        }

        #[test]
        fn any_steps_can_be_named(steps in prop::collection::vec(".{0,6}", 0..5)) {
            let field = Field { part: Part::Body, steps };
            let shown = field.to_string();
            prop_assert_eq!(shown.parse::<Field>(), Ok(field), "{}", shown);
        }

        #[test]
        fn no_text_makes_the_parser_panic(text in ".{0,60}") {
            let _ = text.parse::<Field>();
        }
    }
}
