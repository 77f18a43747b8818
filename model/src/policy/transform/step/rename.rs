//! Gives a field another name; it keeps its place among the others.

use super::{Fault, Fields, Halt, Work};
use crate::policy::transform::{
    address::{BodyPath, Segment},
    tree::Tree,
    walk,
};

#[derive(Clone, Debug, PartialEq)]
pub(in super::super) struct Rename {
    parent: BodyPath,
    from: String,
    to: String,
}

impl Rename {
    pub(super) fn read(fields: &Fields<'_>) -> Result<Self, Fault> {
        fields.only(&["field", "to"])?;
        let path = fields.body_path("field")?;
        let Some((Segment::Key(from), parent)) = path.split_last() else {
            return Err(fields.fault("field", "expected a field's name at its end"));
        };
        Ok(Self {
            parent: BodyPath(parent.to_vec()),
            from: from.clone(),
            to: fields.text("to")?.to_owned(),
        })
    }

    pub(super) fn run(&self, work: &mut Work<'_>) -> Result<(), Halt> {
        work.change(|tree, budget| {
            walk::each(tree, &self.parent, budget, &mut |parent, budget| {
                let Tree::Object(fields) = parent else {
                    return Ok(false);
                };
                budget.look(fields.len())?;
                if self.to == self.from || fields.get(&self.from).is_none() {
                    return Ok(false);
                }
                budget.make_text(self.to.len())?;
                // A field that had the name already gives way, and one that came twice comes once.
                fields.take(&self.to);
                fields.slot(&self.from);
                let renamed = fields.list_mut().iter_mut();
                for (name, _) in renamed.filter(|(name, _)| *name == *self.from) {
                    *name = self.to.as_str().into();
                }
                Ok(true)
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use crate::policy::transform::cases::{body, refused};
    use serde_json::json;

    #[test]
    fn a_renamed_field_keeps_its_place() {
        let step = json!({"op": "rename", "field": "body.b", "to": "x"});
        for (before, after) in [
            (r#"{"a":1,"b":2,"c":3}"#, r#"{"a":1,"x":2,"c":3}"#),
            (r#"{"x":0,"b":2,"c":3}"#, r#"{"x":2,"c":3}"#),
            (r#"{ "a": 1 }"#, r#"{ "a": 1 }"#),
            ("[1]", "[1]"),
        ] {
            assert_eq!(body(&step, before), after);
        }
        let each = json!({"op": "rename", "field": "body.items[*].b", "to": "x"});
        assert_eq!(
            body(&each, r#"{"items":[{"b":1},7,{"b":2}]}"#),
            r#"{"items":[{"x":1},7,{"x":2}]}"#
        );
    }

    #[test]
    fn only_a_field_has_a_name() {
        for (step, at) in [
            (
                json!({"op": "rename", "field": "body", "to": "x"}),
                "steps[0].field",
            ),
            (
                json!({"op": "rename", "field": "body.a[0]", "to": "x"}),
                "steps[0].field",
            ),
            (
                json!({"op": "rename", "field": "headers.a", "to": "x"}),
                "steps[0].field",
            ),
            (json!({"op": "rename", "field": "body.a"}), "steps[0].to"),
            (
                json!({"op": "rename", "field": "body.a", "to": "x", "too": 1}),
                "steps[0].too",
            ),
        ] {
            refused(&step, at);
        }
    }
}
