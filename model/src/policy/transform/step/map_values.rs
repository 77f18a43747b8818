//! Replaces known values of a field by others.

use super::{Fault, Fields, Halt, Work};
use crate::{
    policy::transform::{address::BodyPath, walk},
    tree::Tree,
};
use serde_json::Value;
use std::collections::HashMap;

#[derive(Clone, Debug, PartialEq)]
pub(in super::super) struct MapValues {
    field: BodyPath,
    /// By the text of the scalar that is replaced: `"5"` for 5, `"true"`, `"null"`.
    values: HashMap<String, Tree>,
    otherwise: Option<Tree>,
}

pub(super) const VALUES_MAX: usize = 1000;

impl MapValues {
    pub(super) fn read(fields: &Fields<'_>) -> Result<Self, Fault> {
        fields.only(&["field", "values", "otherwise"])?;
        let values = match fields.raw("values") {
            Some(Value::Object(map)) if (1..=VALUES_MAX).contains(&map.len()) => map
                .iter()
                .map(|(known, value)| (known.clone(), Tree::of(value)))
                .collect(),
            _ => {
                let expected = format!("expected an object of 1 to {VALUES_MAX} values");
                return Err(fields.fault("values", expected));
            }
        };
        Ok(Self {
            field: fields.body_path("field")?,
            values,
            otherwise: match fields.has("otherwise") {
                true => Some(fields.tree("otherwise")?),
                false => None,
            },
        })
    }

    pub(super) fn run(&self, work: &mut Work<'_>) -> Result<(), Halt> {
        let level = self.field.0.len();
        work.change(|tree, budget| {
            walk::each(tree, &self.field, budget, &mut |value, budget| {
                let text = match &*value {
                    Tree::Null => Some("null"),
                    other => other.as_text(),
                };
                let known = text.and_then(|text| self.values.get(text));
                match known.or(self.otherwise.as_ref()) {
                    Some(new) if new != value => {
                        budget.make(new.measure(), level)?;
                        value.clone_from(new);
                        Ok(true)
                    }
                    _ => Ok(false),
                }
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use crate::policy::transform::cases::{body, refused};
    use serde_json::json;

    #[test]
    fn known_values_are_replaced_and_others_are_not() {
        let values = json!({"P": "paid", "5": [5], "true": "yes", "null": "none"});
        let step = json!({"op": "map", "field": "body.a", "values": values});
        for (before, after) in [
            (r#"{"a":"P"}"#, r#"{"a":"paid"}"#),
            (r#"{"a":5}"#, r#"{"a":[5]}"#),
            (r#"{"a":true}"#, r#"{"a":"yes"}"#),
            (r#"{"a":null}"#, r#"{"a":"none"}"#),
            (r#"{ "a": "X" }"#, r#"{ "a": "X" }"#),
            (r#"{ "b": "P" }"#, r#"{ "b": "P" }"#),
        ] {
            assert_eq!(body(&step, before), after);
        }
        let step = json!({"op": "map", "field": "body[*]", "values": {"P": 1}, "otherwise": null});
        assert_eq!(body(&step, r#"["P",[],"X"]"#), "[1,null,null]");
    }

    #[test]
    fn values_are_an_object() {
        for values in [json!([]), json!({}), json!("x")] {
            refused(
                &json!({"op": "map", "field": "body.a", "values": values}),
                "steps[0].values",
            );
        }
    }
}
