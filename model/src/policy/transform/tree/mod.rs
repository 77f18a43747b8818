//! A body as a tree that keeps what JSON readers usually lose: the digits of numbers and the order of keys.

mod read;
mod write;

pub(super) use read::{each_once, read};
pub(super) use write::write;

use serde_json::Value;

/// Levels that a body may have.
pub(super) const DEPTH_MAX: usize = 64;
/// Values that a body may have: each takes many times the memory of its text.
pub(super) const VALUES_MAX: usize = 500_000;

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Tree {
    Null,
    Bool(bool),
    /// As it was written: amounts and long ids are not rounded.
    Number(String),
    Text(String),
    List(Vec<Tree>),
    /// Each key once.
    Object(Vec<(String, Tree)>),
}

impl Tree {
    /// A value of the configuration.
    pub(super) fn of(value: &Value) -> Self {
        match value {
            Value::Null => Self::Null,
            Value::Bool(value) => Self::Bool(*value),
            Value::Number(number) => Self::Number(number.to_string()),
            Value::String(text) => Self::Text(text.clone()),
            Value::Array(items) => Self::List(items.iter().map(Self::of).collect()),
            Value::Object(map) => Self::Object(
                map.iter()
                    .map(|(key, value)| (key.clone(), Self::of(value)))
                    .collect(),
            ),
        }
    }

    /// What it is called in messages.
    pub(super) fn kind(&self) -> &'static str {
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
    pub(super) fn as_text(&self) -> Option<&str> {
        match self {
            Self::Null => Some(""),
            Self::Bool(true) => Some("true"),
            Self::Bool(false) => Some("false"),
            Self::Number(text) | Self::Text(text) => Some(text),
            Self::List(_) | Self::Object(_) => None,
        }
    }

    pub(super) fn key(&self, key: &str) -> Option<&Self> {
        match self {
            Self::Object(fields) => fields.iter().find(|(k, _)| k == key).map(|(_, v)| v),
            _ => None,
        }
    }

    pub(super) fn index(&self, index: usize) -> Option<&Self> {
        match self {
            Self::List(items) => items.get(index),
            _ => None,
        }
    }

    /// How much there is of it.
    pub(super) fn measure(&self) -> Measure {
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
            Self::Number(text) => scalar(text.len()),
            Self::Text(text) => scalar(text.len() + 2),
            Self::List(items) => items
                .iter()
                .fold(nested, |sum, item| sum.with(item.measure(), 1)),
            Self::Object(fields) => fields.iter().fold(nested, |sum, (key, value)| {
                sum.with(value.measure(), key.len() + 4)
            }),
        }
    }
}

/// The size of a tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Measure {
    /// About what it takes as JSON.
    pub(super) bytes: usize,
    pub(super) values: usize,
    /// Levels of lists and objects; a scalar has none.
    pub(super) depth: usize,
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
