//! Gives a field a value where it has none, or null.

use super::{Fault, Fields, Halt, Work};
use crate::policy::transform::{
    address::BodyPath,
    give::Give,
    tree::Tree,
    walk::{self, Places},
};

#[derive(Clone, Debug, PartialEq)]
pub(in super::super) struct Default {
    field: BodyPath,
    give: Give,
}

impl Default {
    pub(super) fn read(fields: &Fields<'_>) -> Result<Self, Fault> {
        fields.only(&["field", "value", "from", "template"])?;
        Ok(Self {
            field: fields.body_path("field")?,
            give: Give::read(fields)?,
        })
    }

    pub(super) fn run(&self, work: &mut Work<'_>) -> Result<(), Halt> {
        let (tree, budget) = work.body()?;
        let places = Places::of(tree, &self.field, budget)?;
        for place in places.iter() {
            let (tree, budget) = work.body()?;
            let stands = walk::find(tree, &self.field.0, place, budget)?;
            if stands.is_some_and(|value| *value != Tree::Null) {
                continue;
            }
            if let Some(value) = self.give.value(work, &self.field, place)? {
                work.put(&self.field, place, value)?;
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
    fn only_what_is_missing_is_filled_in() {
        let step = json!({"op": "default", "field": "body.a", "value": "EUR"});
        for (before, after) in [
            ("{}", r#"{"a":"EUR"}"#),
            ("", r#"{"a":"EUR"}"#),
            (r#"{"a":null,"b":1}"#, r#"{"a":"EUR","b":1}"#),
            (r#"{ "a": false }"#, r#"{ "a": false }"#),
            (r#"{ "a": "" }"#, r#"{ "a": "" }"#),
        ] {
            assert_eq!(body(&step, before), after);
        }
        let copied = json!({"op": "default", "field": "body.i[*].c", "from": "body.c"});
        assert_eq!(
            body(&copied, r#"{"i":[{},{"c":1}],"c":2}"#),
            r#"{"i":[{"c":2},{"c":1}],"c":2}"#
        );
    }

    #[test]
    fn a_default_is_given() {
        refused(
            &json!({"op": "default", "field": "body.a"}),
            "steps[0].value",
        );
    }
}
