//! The versions of the API that are served side by side: one implementation, spelled as each version spells it.

use serde_json::Value;

/// The mark of a field, in its schema, that one dialect alone takes.
pub const TAKEN_IN: &str = "x-taken-in";
/// The same of a field that one dialect alone shows, always.
pub const SHOWN_IN: &str = "x-shown-in";

/// A version of the API, by the date that stands in its paths.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Dialect {
    #[default]
    V2025_07,
    /// A destination's pace is its `delivery_policy`, and projects are a bare list.
    V2026_09,
}

impl Dialect {
    pub const ALL: [Self; 2] = [Self::V2025_07, Self::V2026_09];

    /// The path below which it is served.
    #[must_use]
    pub const fn base(self) -> &'static str {
        match self {
            Self::V2025_07 => "/2025-07-01",
            Self::V2026_09 => "/2026-09-01",
        }
    }

    /// The dialect of a path, and the path behind its base.
    #[must_use]
    pub fn split(path: &str) -> Option<(Self, &str)> {
        Self::ALL.into_iter().find_map(|dialect| {
            let rest = path.strip_prefix(dialect.base())?;
            (rest.is_empty() || rest.starts_with('/')).then_some((dialect, rest))
        })
    }

    /// The date that names it.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.base().trim_start_matches('/')
    }

    /// The dialect in which a path is answered; what is beside them all speaks the first.
    #[must_use]
    pub fn of(path: &str) -> Self {
        Self::split(path).map_or_else(Self::default, |(dialect, _)| dialect)
    }
}

/// Leaves in a schema, at every depth, what a dialect has.
pub(crate) fn narrow(schema: &mut Value, dialect: Dialect) {
    match schema {
        Value::Object(object) => {
            let mut shown = Vec::new();
            if let Some(Value::Object(fields)) = object.get_mut("properties") {
                fields.retain(|name, field| {
                    let mut mark = |key| field.as_object_mut().and_then(|it| it.remove(key));
                    let (taken, always) = (mark(TAKEN_IN), mark(SHOWN_IN));
                    let is_here = |mark: &Option<Value>| {
                        mark.as_ref().is_none_or(|mark| mark == dialect.name())
                    };
                    if always.is_some() && is_here(&always) {
                        shown.push(Value::from(name.as_str()));
                    }
                    is_here(&taken) && is_here(&always)
                });
            }
            if !shown.is_empty() {
                let required = object
                    .entry("required")
                    .or_insert_with(|| Value::Array(vec![]));
                if let Value::Array(names) = required {
                    names.append(&mut shown);
                    names.sort_by(|a, b| a.as_str().cmp(&b.as_str()));
                }
            }
            object.values_mut().for_each(|inner| narrow(inner, dialect));
        }
        Value::Array(items) => items.iter_mut().for_each(|inner| narrow(inner, dialect)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_path_is_of_the_dialect_whose_base_it_begins_with() {
        let split = Dialect::split;
        assert_eq!(
            split("/2025-07-01/sources"),
            Some((Dialect::V2025_07, "/sources"))
        );
        assert_eq!(split("/2026-09-01"), Some((Dialect::V2026_09, "")));
        for other in ["/", "/cluster", "/2026-09-012", "/2026-09"] {
            assert_eq!(split(other), None, "{other}");
            assert_eq!(Dialect::of(other), Dialect::V2025_07);
        }
    }

    #[test]
    fn a_schema_has_the_fields_of_its_dialect() {
        let of = |name: &str| json!({"type": "integer", SHOWN_IN: name});
        let both = json!({"items": {"required": ["z"], "properties": {
            "a": of("2025-07-01"), "b": of("2026-09-01"), "z": {},
            "c": {TAKEN_IN: "2026-09-01"},
        }}});
        let narrowed = |dialect| {
            let mut schema = both.clone();
            narrow(&mut schema, dialect);
            schema
        };
        assert_eq!(
            narrowed(Dialect::V2025_07),
            json!({"items": {"required": ["a", "z"], "properties": {"a": {"type": "integer"}, "z": {}}}})
        );
        assert_eq!(
            narrowed(Dialect::V2026_09),
            json!({"items": {"required": ["b", "z"], "properties": {
                "b": {"type": "integer"}, "c": {}, "z": {},
            }}})
        );
    }
}
