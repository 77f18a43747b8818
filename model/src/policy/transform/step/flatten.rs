//! Makes one level of nested objects: `{"a": {"b": 1}}` becomes `{"a_b": 1}`.

use super::{Fault, Fields, Halt, Work};
use crate::policy::transform::{
    address::BodyPath,
    budget::Budget,
    tree::{Members, Text, Tree},
    walk,
};

#[derive(Clone, Debug, PartialEq)]
pub(in super::super) struct Flatten {
    field: BodyPath,
    separator: String,
    /// Whether elements of lists become fields too, by their number.
    lists: bool,
}

const SEPARATOR_LEN_MAX: usize = 8;

impl Flatten {
    pub(super) fn read(fields: &Fields<'_>) -> Result<Self, Fault> {
        fields.only(&["field", "separator", "lists"])?;
        let separator = match fields.has("separator") {
            true => fields.text("separator")?,
            false => "_",
        };
        if separator.is_empty() || separator.len() > SEPARATOR_LEN_MAX {
            let expected = format!("expected 1 to {SEPARATOR_LEN_MAX} characters");
            return Err(fields.fault("separator", expected));
        }
        Ok(Self {
            field: match fields.has("field") {
                true => fields.body_path("field")?,
                false => BodyPath::default(),
            },
            separator: separator.to_owned(),
            lists: fields.flag("lists")?,
        })
    }

    pub(super) fn run(&self, work: &mut Work<'_>) -> Result<(), Halt> {
        work.change(|tree, budget| {
            walk::each(tree, &self.field, budget, &mut |value, budget| {
                let Tree::Object(fields) = value else {
                    return Ok(false);
                };
                budget.look(fields.len())?;
                if !fields.iter().any(|(_, value)| self.is_nested(value)) {
                    return Ok(false);
                }
                let mut flat = Vec::new();
                let fields_before = std::mem::take(fields).into_list();
                self.collect("", fields_before, &mut flat, budget)?;
                *fields = Members::each_once(flat);
                Ok(true)
            })
        })
    }

    fn is_nested(&self, value: &Tree) -> bool {
        match value {
            Tree::Object(fields) => !fields.is_empty(),
            Tree::List(items) => self.lists && !items.is_empty(),
            _ => false,
        }
    }

    fn collect(
        &self,
        prefix: &str,
        fields: Vec<(Text, Tree)>,
        flat: &mut Vec<(Text, Tree)>,
        budget: &mut Budget,
    ) -> Result<(), Halt> {
        budget.look(fields.len())?;
        for (name, value) in fields {
            let name = match prefix {
                "" => name,
                prefix => {
                    let name = name.as_str();
                    budget.make_text(prefix.len() + self.separator.len() + name.len())?;
                    [prefix, &self.separator, name].concat().into()
                }
            };
            match value {
                value if !self.is_nested(&value) => flat.push((name, value)),
                Tree::Object(inner) => {
                    self.collect(name.as_str(), inner.into_list(), flat, budget)?;
                }
                Tree::List(items) => {
                    let items = items.into_iter().enumerate();
                    let inner = items.map(|(number, item)| (number.to_string().into(), item));
                    self.collect(name.as_str(), inner.collect(), flat, budget)?;
                }
                scalar => flat.push((name, scalar)),
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use crate::policy::transform::cases::{body, refused};
    use serde_json::json;

    #[test]
    fn nested_objects_become_one_level() {
        for (step, before, after) in [
            (
                json!({"op": "flatten"}),
                r#"{"a":{"b":1,"c":{"d":[2]}},"e":{},"f":3}"#,
                r#"{"a_b":1,"a_c_d":[2],"e":{},"f":3}"#,
            ),
            (
                json!({"op": "flatten", "separator": ".", "lists": true}),
                r#"{"a":[1,{"b":2}],"c":[]}"#,
                r#"{"a.0":1,"a.1.b":2,"c":[]}"#,
            ),
            (
                json!({"op": "flatten", "field": "body.items[*]"}),
                r#"{"items":[{"a":{"b":1}},7]}"#,
                r#"{"items":[{"a_b":1},7]}"#,
            ),
            (
                json!({"op": "flatten"}),
                r#"{"a_b":0,"a":{"b":1}}"#,
                r#"{"a_b":1}"#,
            ),
            (json!({"op": "flatten"}), r#"{ "a": 1 }"#, r#"{ "a": 1 }"#),
            (json!({"op": "flatten"}), "[ 1 ]", "[ 1 ]"),
        ] {
            assert_eq!(body(&step, before), after);
        }
    }

    #[test]
    fn a_separator_separates() {
        refused(
            &json!({"op": "flatten", "separator": ""}),
            "steps[0].separator",
        );
        refused(&json!({"op": "flatten", "lists": 1}), "steps[0].lists");
    }
}
