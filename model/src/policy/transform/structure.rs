//! The structure of a body, told by its content type, and its tree.

use super::{
    Halt, Message, form,
    tree::{self, Tree, charset},
};
use crate::policy::document::{multipart, xml};
use bytes::Bytes;
use serde::de::IgnoredAny;
use std::borrow::Cow;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Structure {
    Json,
    Form,
    /// A form of parts, with files perhaps.
    Multipart,
    Xml,
    /// Another type or none: JSON where it reads as JSON, else a text.
    Other,
}

impl Structure {
    pub(super) fn of(content_type: Option<&str>) -> Self {
        let essence = content_type
            .and_then(|value| value.split(';').next())
            .unwrap_or_default()
            .trim()
            .to_ascii_lowercase();
        match essence.as_str() {
            "application/x-www-form-urlencoded" => Self::Form,
            "multipart/form-data" => Self::Multipart,
            "application/xml" | "text/xml" => Self::Xml,
            "application/json" | "text/json" => Self::Json,
            other if other.ends_with("+json") => Self::Json,
            other if other.ends_with("+xml") => Self::Xml,
            _ => Self::Other,
        }
    }
}

/// The format in which a body can be written, by its content type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    Json,
    Form,
    /// Nothing that values are written as.
    Other,
}

/// The format in which the body of a message is to be written.
#[must_use]
pub fn format_of(message: &Message) -> Format {
    match Structure::of(message.header("content-type").as_deref()) {
        Structure::Json => Format::Json,
        Structure::Form => Format::Form,
        Structure::Multipart | Structure::Xml | Structure::Other => Format::Other,
    }
}

/// JSON as a form.
///
/// # Errors
/// A sentence that says what a form can't hold.
pub fn form_of(json: &[u8]) -> Result<Vec<u8>, String> {
    let tree = tree::read(json).map_err(|error| error.to_string())?;
    form::write(&tree).map_err(|halt| halt.0)
}

/// The body of a message as JSON, where it has a structure: JSON as it stands there, forms and XML written as JSON, the
/// files of a form described.
#[must_use]
pub fn as_json(message: &Message) -> Option<Bytes> {
    if message.body.is_empty() || is_compressed(message).is_some() {
        return None;
    }
    match Structure::of(message.header("content-type").as_deref()) {
        Structure::Json => raw_json(message),
        Structure::Other => {
            raw_json(message).filter(|json| json.starts_with(b"{") || json.starts_with(b"["))
        }
        structure => {
            let tree = read(message, structure).ok()?;
            tree::write(&tree, usize::MAX).map(Bytes::from)
        }
    }
}

/// The body if it is one JSON value, as UTF-8 and without what stands around it.
fn raw_json(message: &Message) -> Option<Bytes> {
    let json = owned(message, decoded(message));
    let json = match String::from_utf8_lossy(&json) {
        Cow::Borrowed(_) => json,
        // A string that is no text is one with replacements to a script.
        Cow::Owned(text) => text.into(),
    };
    serde_json::from_slice::<IgnoredAny>(&json).ok()?;
    Some(json.slice_ref(json.trim_ascii()))
}

/// The body of a message as text, in UTF-8 where a charset tells how it is written.
#[must_use]
pub fn as_text(message: &Message) -> Bytes {
    match is_compressed(message) {
        Some(_) => message.body.clone(),
        None => owned(message, decoded(message)),
    }
}

fn owned(message: &Message, body: Cow<'_, [u8]>) -> Bytes {
    match body {
        Cow::Borrowed(body) => message.body.slice_ref(body),
        Cow::Owned(body) => body.into(),
    }
}

/// The body in UTF-8, where a charset tells how.
fn decoded(message: &Message) -> Cow<'_, [u8]> {
    charset::decoded(&message.body, message.header("content-type").as_deref())
}

fn is_compressed(message: &Message) -> Option<String> {
    let coding = message.header("content-encoding")?;
    (!coding.trim().eq_ignore_ascii_case("identity")).then_some(coding)
}

/// The body of a message as a tree; an empty one is null.
pub(super) fn read(message: &Message, structure: Structure) -> Result<Tree, Halt> {
    if let Some(coding) = is_compressed(message) {
        return Err(Halt::new(format!(
            "the body is compressed ({coding}), so its fields are not known"
        )));
    }
    let body = &message.body;
    if body.is_empty() {
        return Ok(Tree::Null);
    }
    let content_type = message.header("content-type");
    let content_type = content_type.as_deref();
    match structure {
        Structure::Json => {
            tree::read(&decoded(message)).map_err(|error| Halt::new(format!("the body: {error}")))
        }
        Structure::Form => form::read(content_type, body),
        Structure::Multipart => multipart::read(content_type.unwrap_or_default(), body)
            .ok_or_else(|| Halt::new("the body is not a form of parts that has a structure")),
        Structure::Xml => xml::read(content_type, body)
            .ok_or_else(|| Halt::new("the body is not XML that has a structure")),
        // A scalar is more likely a text that happens to look like one.
        Structure::Other => match tree::read(&decoded(message)) {
            Ok(tree @ (Tree::Object(_) | Tree::List(_))) => Ok(tree),
            _ => text(&decoded(message)),
        },
    }
}

/// The name of a form's field that still holds a file in what a body became; its content can't be written from there.
pub(super) fn file_in(tree: &Tree) -> Option<&str> {
    fn within<'t>(name: &'t str, tree: &'t Tree) -> Option<&'t str> {
        match tree {
            file if multipart::is_file(file) => Some(name),
            Tree::List(items) => items.iter().find_map(|item| within(name, item)),
            Tree::Object(members) => {
                let mut members = members.iter();
                members.find_map(|(name, value)| within(name.as_str(), value))
            }
            _ => None,
        }
    }
    within("body", tree)
}

fn text(body: &[u8]) -> Result<Tree, Halt> {
    match std::str::from_utf8(body) {
        Ok(text) => Ok(Tree::text(text)),
        Err(_) => Err(Halt::new("the body is neither JSON nor a text")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::transform::cases::message;

    #[test]
    fn a_body_with_a_structure_is_json_too() {
        for (content_type, body, json) in [
            (
                "application/json",
                "\u{feff} { \"b\": 12.30 } ",
                Some(r#"{ "b": 12.30 }"#),
            ),
            ("application/json", "7", Some("7")),
            ("application/json", "{", None),
            ("application/json", "", None),
            ("text/plain", "[1]", Some("[1]")),
            ("text/plain", "7", None),
            (
                "application/x-www-form-urlencoded",
                "a=1&b",
                Some(r#"{"a":"1","b":""}"#),
            ),
            (
                "multipart/form-data; boundary=X",
                "--X\r\nContent-Disposition: form-data; name=a\r\n\r\n1\r\n--X--",
                Some(r#"{"a":"1"}"#),
            ),
            ("text/xml", "<a>1</a>", Some(r#"{"a":"1"}"#)),
            ("text/xml", "<a>", None),
        ] {
            let found = as_json(&message(content_type, body));
            assert_eq!(
                found.as_deref(),
                json.map(str::as_bytes),
                "{content_type} {body}"
            );
        }
        let mut compressed = message("application/json", "{}");
        compressed
            .headers
            .push(("content-encoding".into(), Bytes::from_static(b"gzip")));
        assert_eq!(as_json(&compressed), None);
        let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
        assert!(as_json(&message("application/json", &deep)).is_some());
    }

    #[test]
    fn values_are_written_as_the_content_type_says() {
        let format = |content_type| format_of(&message(content_type, ""));
        assert_eq!(
            format("application/vnd.a+json; charset=utf-8"),
            Format::Json
        );
        assert_eq!(format("Application/X-WWW-Form-Urlencoded"), Format::Form);
        assert_eq!(
            (format("text/xml"), format("")),
            (Format::Other, Format::Other)
        );
        assert_eq!(form_of(br#"{"a":[1,2]}"#), Ok(b"a=1&a=2".to_vec()));
        assert!(form_of(b"[1]").is_err() && form_of(b"{").is_err());
    }
}
