//! Makes a list of a single value, and a single value of a list.

use super::{Fault, Fields, Halt, Work};
use crate::{
    policy::transform::{address::BodyPath, budget, walk},
    tree::Tree,
};

/// A field becomes a list of itself, unless it is a list.
#[derive(Clone, Debug, PartialEq)]
pub(in super::super) struct Wrap {
    field: BodyPath,
}

impl Wrap {
    pub(super) fn read(fields: &Fields<'_>) -> Result<Self, Fault> {
        fields.only(&["field"])?;
        Ok(Self {
            field: fields.body_path("field")?,
        })
    }

    pub(super) fn run(&self, work: &mut Work<'_>) -> Result<(), Halt> {
        let level = self.field.0.len();
        work.change(|tree, budget| {
            walk::each(tree, &self.field, budget, &mut |value, budget| {
                if matches!(value, Tree::List(_)) {
                    return Ok(false);
                }
                let measure = value.measure();
                budget.look(measure.values)?;
                budget.make_text(2)?;
                budget::place(measure, level + 1)?;
                let inner = std::mem::replace(value, Tree::Null);
                *value = Tree::List(vec![inner]);
                Ok(true)
            })
        })
    }
}

/// A list becomes one of its elements; an empty one null.
#[derive(Clone, Debug, PartialEq)]
pub(in super::super) struct Unwrap {
    field: BodyPath,
    take: Take,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Take {
    /// There may be no other.
    Only,
    First,
    Last,
}

impl Unwrap {
    pub(super) fn read(fields: &Fields<'_>) -> Result<Self, Fault> {
        fields.only(&["field", "take"])?;
        let take = match fields.has("take") {
            false => Take::Only,
            true => match fields.text("take")? {
                "only" => Take::Only,
                "first" => Take::First,
                "last" => Take::Last,
                _ => return Err(fields.fault("take", "expected only, first or last")),
            },
        };
        Ok(Self {
            field: fields.body_path("field")?,
            take,
        })
    }

    pub(super) fn run(&self, work: &mut Work<'_>) -> Result<(), Halt> {
        work.change(|tree, budget| {
            walk::each(tree, &self.field, budget, &mut |value, _| {
                let Tree::List(items) = value else {
                    return Ok(false);
                };
                if self.take == Take::Only && items.len() > 1 {
                    return Err(Halt::new(format!(
                        "{} has {} elements and not one",
                        self.field,
                        items.len()
                    )));
                }
                let taken = match self.take {
                    Take::Only | Take::First if !items.is_empty() => Some(items.swap_remove(0)),
                    _ => items.pop(),
                };
                *value = taken.unwrap_or(Tree::Null);
                Ok(true)
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use crate::policy::transform::cases::{body, fails, refused};
    use serde_json::json;

    #[test]
    fn a_single_value_becomes_a_list_once() {
        let step = json!({"op": "wrap", "field": "body.a"});
        for (before, after) in [
            (r#"{"a":{"b":1}}"#, r#"{"a":[{"b":1}]}"#),
            (r#"{"a":null}"#, r#"{"a":[null]}"#),
            (r#"{ "a": [1] }"#, r#"{ "a": [1] }"#),
            ("{ }", "{ }"),
        ] {
            assert_eq!(body(&step, before), after);
        }
        assert_eq!(body(&json!({"op": "wrap", "field": "body"}), "{}"), "[{}]");
    }

    #[test]
    fn a_list_becomes_the_element_that_is_taken() {
        for (take, before, after) in [
            ("only", r#"{"a":[1]}"#, r#"{"a":1}"#),
            ("only", r#"{"a":[]}"#, r#"{"a":null}"#),
            ("first", r#"{"a":[1,2,3]}"#, r#"{"a":1}"#),
            ("last", r#"{"a":[1,2,3]}"#, r#"{"a":3}"#),
            ("last", r#"{"a":[]}"#, r#"{"a":null}"#),
            ("only", r#"{ "a": 7 }"#, r#"{ "a": 7 }"#),
        ] {
            let step = json!({"op": "unwrap", "field": "body.a", "take": take});
            assert_eq!(body(&step, before), after);
        }
        let step = json!({"op": "unwrap", "field": "body.a"});
        assert!(fails(&step, r#"{"a":[1,2]}"#).contains("body.a has 2 elements"));
        refused(
            &json!({"op": "unwrap", "field": "body.a", "take": "any"}),
            "steps[0].take",
        );
    }
}
