//! What a body is by its content type, and its tree.

use super::{Halt, Message, form, tree, tree::Tree};
use crate::{
    ids::SourceId,
    policy::document::{Document, Part},
    time::Timestamp,
    traffic::{Origin, RequestRecord},
};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Structure {
    Json,
    Form,
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
            "application/xml" | "text/xml" => Self::Xml,
            "application/json" | "text/json" => Self::Json,
            other if other.ends_with("+json") => Self::Json,
            other if other.ends_with("+xml") => Self::Xml,
            _ => Self::Other,
        }
    }
}

/// The body of a message as a tree; an empty one is null.
pub(super) fn read(message: &Message, structure: Structure) -> Result<Tree, Halt> {
    if let Some(coding) = message.header("content-encoding")
        && !coding.trim().eq_ignore_ascii_case("identity")
    {
        return Err(Halt::new(format!(
            "the body is compressed ({coding}), so its fields are not known"
        )));
    }
    let body = &message.body;
    if body.is_empty() {
        return Ok(Tree::Null);
    }
    match structure {
        Structure::Json => {
            tree::read(body).map_err(|error| Halt::new(format!("the body: {error}")))
        }
        Structure::Form => form::read(body),
        Structure::Xml => xml(message),
        // A scalar is more likely a text that happens to look like one.
        Structure::Other => match tree::read(body) {
            Ok(tree @ (Tree::Object(_) | Tree::List(_))) => Ok(tree),
            _ => text(body),
        },
    }
}

/// XML as rules see it by structure.
fn xml(message: &Message) -> Result<Tree, Halt> {
    let nobody = RequestRecord {
        source_id: SourceId(0),
        received_at: Timestamp(0),
        method: String::new(),
        path: String::new(),
        query: String::new(),
        headers: Vec::new(),
        origin: Origin::Unproven,
    };
    let record = message.as_record(&nobody);
    let document = Document::of(&record, &message.body);
    let value = document.part(Part::Body);
    value
        .map(Tree::of)
        .ok_or_else(|| Halt::new("the body is not XML that has a structure"))
}

fn text(body: &[u8]) -> Result<Tree, Halt> {
    match std::str::from_utf8(body) {
        Ok(text) => Ok(Tree::Text(text.to_owned())),
        Err(_) => Err(Halt::new("the body is neither JSON nor a text")),
    }
}
