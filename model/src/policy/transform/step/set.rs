//! Gives a field a value: a fixed one, a copy of another part, or a text built from fields.

use super::{Fault, Fields, Halt, Work};
use crate::policy::transform::{address::BodyPath, give::Give, walk::Places};

#[derive(Clone, Debug, PartialEq)]
pub(in super::super) struct Set {
    field: BodyPath,
    give: Give,
    /// Whether it fails when the part that it copies is not there.
    required: bool,
}

impl Set {
    pub(super) fn read(fields: &Fields<'_>) -> Result<Self, Fault> {
        fields.only(&["field", "value", "from", "template", "required"])?;
        Ok(Self {
            field: fields.body_path("field")?,
            give: Give::read(fields)?,
            required: fields.flag("required")?,
        })
    }

    pub(super) fn run(&self, work: &mut Work<'_>) -> Result<(), Halt> {
        let places = match self.field.lists() {
            // The whole body can be replaced without being understood.
            0 => Places::one(),
            _ => {
                let (tree, budget) = work.body()?;
                Places::of(tree, &self.field, budget)?
            }
        };
        for place in places.iter() {
            match self.give.value(work, &self.field, place)? {
                Some(value) => work.put(&self.field, place, value)?,
                None if self.required => return Err(self.give.missing()),
                None => {}
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use crate::policy::transform::cases::{body, fails, message, refused, run};
    use serde_json::json;

    fn set(field: &str, (kind, give): &(&str, serde_json::Value), before: &str) -> String {
        body(&json!({"op": "set", "field": field, *kind: give}), before)
    }

    #[test]
    fn a_value_is_set_wherever_its_field_is() {
        for (field, give, before, after) in [
            (
                "body.a",
                ("value", json!({"x": [1.50]})),
                "{}",
                r#"{"a":{"x":[1.5]}}"#,
            ),
            (
                "body.a.b",
                ("value", json!(null)),
                r#"{"a":{"b":1}}"#,
                r#"{"a":{"b":null}}"#,
            ),
            (
                "body.a",
                ("value", json!(1)),
                r#"{ "a": 1 }"#,
                r#"{ "a": 1 }"#,
            ),
            (
                "body.b",
                ("from", json!("body.a")),
                r#"{"a":12.30}"#,
                r#"{"a":12.30,"b":12.30}"#,
            ),
            (
                "body.b",
                ("from", json!("body.none")),
                r#"{ "a":1}"#,
                r#"{ "a":1}"#,
            ),
            (
                "body.b",
                ("from", json!("body.a[*].id")),
                r#"{"a":[{"id":1},{},{"id":2}]}"#,
                r#"{"a":[{"id":1},{},{"id":2}],"b":[1,2]}"#,
            ),
            (
                "body.a[*].n",
                ("from", json!("body.a[*].id")),
                r#"{"a":[{"id":1},{"id":2}]}"#,
                r#"{"a":[{"id":1,"n":1},{"id":2,"n":2}]}"#,
            ),
            (
                "body.a[*].n",
                ("template", json!("{{body.x}}-{{body.a[*].id}}")),
                r#"{"x":"q","a":[{"id":1},{}]}"#,
                r#"{"x":"q","a":[{"id":1,"n":"q-1"},{"n":"q-"}]}"#,
            ),
            (
                "body.name",
                ("template", json!("{{body.first}} {{body.last}}")),
                r#"{"first":"A\"","last":"\u0000B"}"#,
                r#"{"first":"A\"","last":"\u0000B","name":"A\" \u0000B"}"#,
            ),
            ("body", ("value", json!([])), "not JSON", "[]"),
        ] {
            assert_eq!(set(field, &give, before), after, "{field}");
        }
    }

    #[test]
    fn every_part_of_the_message_can_be_copied() {
        let parts = [
            "headers.x-a",
            "query.q",
            "query.tag",
            "path",
            "method",
            "env.KEY",
        ];
        let step = |at: &str| json!({"op": "set", "field": "body.got", "from": at});
        let expected = [
            r#"{"got":"1, 2"}"#,
            r#"{"got":"a b"}"#,
            r#"{"got":["x","y"]}"#,
            r#"{"got":"/in/x"}"#,
            r#"{"got":"POST"}"#,
            r#"{"got":"value"}"#,
        ];
        for (at, expected) in parts.into_iter().zip(expected) {
            let after = run(&[step(at)], message("application/json", "{}")).expect(at);
            assert_eq!(after.body, expected, "{at}");
        }
        let all = json!({"op": "set", "field": "body.raw", "from": "body"});
        let after = run(&[all], message("text/plain", "hello")).expect_err("a text has no fields");
        assert!(
            after
                .to_string()
                .contains("body is a text and not an object"),
            "{after}"
        );
    }

    #[test]
    fn what_must_be_there_is_missed() {
        let step =
            json!({"op": "set", "field": "body.a", "from": "headers.none", "required": true});
        assert!(fails(&step, "{}").contains("headers.none is missing"));
        let nested = json!({"op": "set", "field": "body.a", "template": "{{body.o}}"});
        assert!(fails(&nested, r#"{"o":{}}"#).contains("body.o is an object"));
    }

    #[test]
    fn exactly_one_thing_is_given() {
        for step in [
            json!({"op": "set", "field": "body.a"}),
            json!({"op": "set", "field": "body.a", "value": 1, "from": "body.b"}),
        ] {
            refused(&step, "steps[0].value");
        }
        refused(
            &json!({"op": "set", "field": "body.a", "from": "b"}),
            "steps[0].from",
        );
        refused(
            &json!({"op": "set", "field": "body.a", "template": "{{"}),
            "steps[0].template",
        );
    }
}
