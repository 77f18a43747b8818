//! Steps as an admin writes them, read field by field so that every refusal names its place.

use super::{
    address::{Address, BodyPath},
    template::Template,
    tree::Tree,
};
use serde_json::{Map, Value};

/// A validation error in the configuration of steps.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{at}: {expected}")]
pub struct Fault {
    /// Such as `steps[2].field`.
    pub at: String,
    pub expected: String,
}

impl Fault {
    pub(super) fn new(at: impl Into<String>, expected: impl Into<String>) -> Self {
        Self {
            at: at.into(),
            expected: expected.into(),
        }
    }
}

/// The fields of one step and where it stands.
#[derive(Clone, Debug)]
pub(super) struct Fields<'a> {
    at: String,
    map: &'a Map<String, Value>,
}

impl<'a> Fields<'a> {
    pub(super) fn of(at: String, value: &'a Value) -> Result<Self, Fault> {
        match value {
            Value::Object(map) => Ok(Self { at, map }),
            _ => Err(Fault::new(
                at,
                "expected an object such as {\"op\": \"drop\", …}",
            )),
        }
    }

    pub(super) fn fault(&self, field: &str, expected: impl Into<String>) -> Fault {
        Fault::new(format!("{}.{field}", self.at), expected)
    }

    /// Refuses fields that the step does not have: a misspelt one would silently do nothing.
    pub(super) fn only(&self, known: &[&str]) -> Result<(), Fault> {
        let is_known = |name: &&String| *name == "op" || known.contains(&name.as_str());
        match self.map.keys().find(|name| !is_known(name)) {
            None => Ok(()),
            Some(name) => Err(self.fault(
                name,
                format!("unknown; expected only op, {}", known.join(", ")),
            )),
        }
    }

    pub(super) fn has(&self, field: &str) -> bool {
        self.map.contains_key(field)
    }

    pub(super) fn raw(&self, field: &str) -> Option<&'a Value> {
        self.map.get(field)
    }

    pub(super) fn text(&self, field: &str) -> Result<&'a str, Fault> {
        match self.map.get(field) {
            Some(Value::String(text)) => Ok(text),
            _ => Err(self.fault(field, "expected a text")),
        }
    }

    /// False where it is not given.
    pub(super) fn flag(&self, field: &str) -> Result<bool, Fault> {
        match self.map.get(field) {
            None => Ok(false),
            Some(Value::Bool(flag)) => Ok(*flag),
            Some(_) => Err(self.fault(field, "expected true or false")),
        }
    }

    pub(super) fn tree(&self, field: &str) -> Result<Tree, Fault> {
        let value = self.map.get(field);
        let value = value.ok_or_else(|| self.fault(field, "expected a value"))?;
        Ok(Tree::of(value))
    }

    pub(super) fn address(&self, field: &str) -> Result<Address, Fault> {
        Address::read(self.text(field)?).map_err(|expected| self.fault(field, expected))
    }

    pub(super) fn body_path(&self, field: &str) -> Result<BodyPath, Fault> {
        BodyPath::read(self.text(field)?).map_err(|expected| self.fault(field, expected))
    }

    pub(super) fn template(&self, field: &str) -> Result<Template, Fault> {
        Template::read(self.text(field)?).map_err(|expected| self.fault(field, expected))
    }

    /// A list of texts, each read by `read`; at least one.
    pub(super) fn texts<T>(
        &self,
        field: &str,
        max: usize,
        read: impl Fn(&str) -> Result<T, String>,
    ) -> Result<Vec<T>, Fault> {
        let expected = format!("expected a list of 1 to {max} texts");
        let list = match self.map.get(field) {
            Some(Value::Array(list)) if (1..=max).contains(&list.len()) => list,
            _ => return Err(self.fault(field, expected)),
        };
        let items = list.iter().enumerate().map(|(place, item)| {
            let at = format!("{field}[{place}]");
            match item {
                Value::String(text) => read(text).map_err(|expected| self.fault(&at, expected)),
                _ => Err(self.fault(&at, "expected a text")),
            }
        });
        items.collect()
    }
}
