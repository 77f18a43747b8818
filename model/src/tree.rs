//! A body as a tree that loses nothing of it: numbers are kept as their text, keys in their order and as often as they come,
//! strings that no text can hold as their bytes. Verification, filters, deduplication and transformations read this one.
//!
//! Of a key that comes twice the last value counts, for everyone who asks by name. All of them stay where they are until
//! somebody changes one.

pub mod charset;
mod digits;
mod members;
mod read;
mod text;
mod write;

pub use digits::Digits;
pub(crate) use members::Gathered;
pub use members::Members;
pub use read::{TreeError, read};
pub use text::Text;
pub use write::write;

use serde_json::Value;

/// Levels of lists and objects that a body may have; a deeper one has no structure.
pub const DEPTH_MAX: usize = 64;
/// Values that a body may have; one with more has no structure. It bounds the memory that a small body can ask for: each
/// value takes some dozens of bytes, however short its text is.
pub const VALUES_MAX: usize = 500_000;

#[derive(Clone, Debug, PartialEq)]
pub enum Tree {
    Null,
    Bool(bool),
    Number(Digits),
    Text(Text),
    List(Vec<Tree>),
    Object(Members),
}

impl Tree {
    /// A value of the configuration.
    #[must_use]
    pub fn of(value: &Value) -> Self {
        match value {
            Value::Null => Self::Null,
            Value::Bool(value) => Self::Bool(*value),
            Value::Number(number) => Self::Number(Digits::of(number)),
            Value::String(text) => Self::text(text.as_str()),
            Value::Array(items) => Self::List(items.iter().map(Self::of).collect()),
            Value::Object(map) => {
                let members = map.iter();
                Self::object(members.map(|(key, value)| (key.as_str().into(), Self::of(value))))
            }
        }
    }

    pub fn text(text: impl Into<Text>) -> Self {
        Self::Text(text.into())
    }

    pub fn object(members: impl IntoIterator<Item = (Text, Self)>) -> Self {
        Self::Object(members.into_iter().collect())
    }

    /// The name of the value's type in messages.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool(_) => "a boolean",
            Self::Number(_) => "a number",
            Self::Text(_) => "a text",
            Self::List(_) => "a list",
            Self::Object(_) => "an object",
        }
    }

    /// A scalar as text; null is empty.
    #[must_use]
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Self::Null => Some(""),
            Self::Bool(true) => Some("true"),
            Self::Bool(false) => Some("false"),
            Self::Number(digits) => Some(digits.as_str()),
            Self::Text(text) => Some(text.as_str()),
            Self::List(_) | Self::Object(_) => None,
        }
    }

    /// The text of a string; none for anything else.
    #[must_use]
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text.as_str()),
            _ => None,
        }
    }

    /// The field of an object.
    #[must_use]
    pub fn key(&self, key: &str) -> Option<&Self> {
        match self {
            Self::Object(fields) => fields.get(key),
            _ => None,
        }
    }

    /// The element of a list.
    #[must_use]
    pub fn index(&self, index: usize) -> Option<&Self> {
        match self {
            Self::List(items) => items.get(index),
            _ => None,
        }
    }

    #[must_use]
    pub fn is_scalar(&self) -> bool {
        !matches!(self, Self::List(_) | Self::Object(_))
    }

    /// The size of the value: bytes, values and depth.
    #[must_use]
    pub fn measure(&self) -> Measure {
        let scalar = |bytes| Measure {
            bytes,
            values: 1,
            depth: 0,
        };
        let nested = Measure {
            bytes: 2,
            values: 1,
            depth: 1,
        };
        match self {
            Self::Null | Self::Bool(_) => scalar(5),
            Self::Number(digits) => scalar(digits.as_str().len()),
            Self::Text(text) => scalar(text.spelled_len() + 2),
            Self::List(items) => items
                .iter()
                .fold(nested, |sum, item| sum.with(item.measure(), 1)),
            Self::Object(fields) => fields.iter().fold(nested, |sum, (key, value)| {
                sum.with(value.measure(), key.spelled_len() + 4)
            }),
        }
    }

    /// Whether a tree that was not read but made is one that could have been.
    #[must_use]
    pub fn is_within_bounds(&self) -> bool {
        let measure = self.measure();
        measure.depth <= DEPTH_MAX && measure.values <= VALUES_MAX
    }
}

/// The size of a tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Measure {
    /// About what it takes as JSON.
    pub bytes: usize,
    pub values: usize,
    /// Levels of lists and objects; a scalar has none.
    pub depth: usize,
}

impl Measure {
    fn with(self, part: Self, around: usize) -> Self {
        Self {
            bytes: self.bytes + part.bytes + around,
            values: self.values + part.values,
            depth: self.depth.max(part.depth + 1),
        }
    }
}
