//! Drops fields of the body.

use super::{FIELDS_MAX, Fault, Fields, Halt, Work};
use crate::policy::transform::{
    address::{BodyPath, Segment},
    walk::{self, Places},
};

#[derive(Clone, Debug, PartialEq)]
pub(in super::super) struct Drop {
    fields: Vec<BodyPath>,
}

impl Drop {
    pub(super) fn read(fields: &Fields<'_>) -> Result<Self, Fault> {
        fields.only(&["fields"])?;
        let droppable = |text: &str| {
            let path = BodyPath::read(text)?;
            match path.split_last() {
                Some((Segment::Key(_) | Segment::Index(_), _)) => Ok(path),
                _ => Err("expected a field or an element at its end".to_owned()),
            }
        };
        Ok(Self {
            fields: fields.texts("fields", FIELDS_MAX, droppable)?,
        })
    }

    pub(super) fn run(&self, work: &mut Work<'_>) -> Result<(), Halt> {
        work.change(|tree, budget| {
            let mut changed = false;
            for path in &self.fields {
                let places = Places::of(tree, path, budget)?;
                for place in places.iter() {
                    changed |= walk::take(tree, path, place, budget)?.is_some();
                }
            }
            Ok(changed)
        })
    }
}

#[cfg(test)]
mod tests {
    use crate::policy::transform::cases::{body, refused};
    use serde_json::json;

    #[test]
    fn what_is_dropped_is_gone_and_the_rest_keeps_its_order() {
        for (fields, before, after) in [
            (
                json!(["body.b", "body.none"]),
                r#"{"a":1,"b":2,"c":3}"#,
                r#"{"a":1,"c":3}"#,
            ),
            (json!(["body.a[0]"]), r#"{"a":[1,2]}"#, r#"{"a":[2]}"#),
            (
                json!(["body.items[*].x"]),
                r#"{"items":[{"x":1},{"y":2,"x":3}]}"#,
                r#"{"items":[{},{"y":2}]}"#,
            ),
            (json!(["body.none"]), r#"{ "a": 1 }"#, r#"{ "a": 1 }"#),
        ] {
            assert_eq!(
                body(&json!({"op": "drop", "fields": fields}), before),
                after
            );
        }
    }

    #[test]
    fn the_whole_body_is_no_field() {
        refused(
            &json!({"op": "drop", "fields": ["body"]}),
            "steps[0].fields[0]",
        );
        refused(
            &json!({"op": "drop", "fields": ["body.a[*]"]}),
            "steps[0].fields[0]",
        );
    }
}
