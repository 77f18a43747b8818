//! Moves a value to another place of the body.

use super::{Fault, Fields, Halt, Work};
use crate::policy::transform::{
    address::BodyPath,
    budget,
    walk::{self, Places},
};

#[derive(Clone, Debug, PartialEq)]
pub(in super::super) struct Move {
    from: BodyPath,
    to: BodyPath,
    required: bool,
}

impl Move {
    pub(super) fn read(fields: &Fields<'_>) -> Result<Self, Fault> {
        fields.only(&["from", "to", "required"])?;
        let (from, to) = (fields.body_path("from")?, fields.body_path("to")?);
        let shared = from.lists_shared_with(&to);
        if from.lists() != shared || to.lists() != shared {
            let expected = "expected each [*] to go through the same list in from and to";
            return Err(fields.fault("to", expected));
        }
        Ok(Self {
            from,
            to,
            required: fields.flag("required")?,
        })
    }

    pub(super) fn run(&self, work: &mut Work<'_>) -> Result<(), Halt> {
        work.change(|tree, budget| {
            let mut changed = false;
            let places = Places::of(tree, &self.from, budget)?;
            for place in places.iter() {
                let Some(value) = walk::take(tree, &self.from, place, budget)? else {
                    self.missed()?;
                    continue;
                };
                let measure = value.measure();
                budget.look(measure.values)?;
                budget::place(measure, self.to.0.len())?;
                walk::put(tree, &self.to, place, value, budget)?;
                changed = true;
            }
            Ok(changed && self.from != self.to)
        })
    }

    fn missed(&self) -> Result<(), Halt> {
        match self.required {
            true => Err(Halt::missing(&self.from)),
            false => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::policy::transform::cases::{body, fails, refused};
    use serde_json::json;

    fn moved(from: &str, to: &str, before: &str) -> String {
        body(&json!({"op": "move", "from": from, "to": to}), before)
    }

    #[test]
    fn a_value_goes_where_it_is_wanted() {
        for (from, to, before, after) in [
            (
                "body.a",
                "body.b.c",
                r#"{"a":1,"z":0}"#,
                r#"{"z":0,"b":{"c":1}}"#,
            ),
            // Into itself and out of itself.
            (
                "body.a",
                "body.a.b",
                r#"{"a":{"x":1}}"#,
                r#"{"a":{"b":{"x":1}}}"#,
            ),
            (
                "body.a.b",
                "body.a",
                r#"{"a":{"b":[1],"c":2}}"#,
                r#"{"a":[1]}"#,
            ),
            ("body", "body.data", r#"[1]"#, r#"{"data":[1]}"#),
            (
                "body.data.object",
                "body",
                r#"{"data":{"object":{"id":1}}}"#,
                r#"{"id":1}"#,
            ),
            (
                "body.a[0]",
                "body.first",
                r#"{"a":[1,2]}"#,
                r#"{"a":[2],"first":1}"#,
            ),
            (
                "body.items[*].a.id",
                "body.items[*].id",
                r#"{"items":[{"a":{"id":1}},{"a":{}},{"a":{"id":3}}]}"#,
                r#"{"items":[{"a":{},"id":1},{"a":{}},{"a":{},"id":3}]}"#,
            ),
            ("body.none", "body.b", r#"{ "a":1}"#, r#"{ "a":1}"#),
            ("body.a", "body.a", r#"{"a": 1}"#, r#"{"a": 1}"#),
        ] {
            assert_eq!(moved(from, to, before), after, "{from} {to}");
        }
    }

    #[test]
    fn what_must_be_there_is_missed() {
        let step = json!({"op": "move", "from": "body.a", "to": "body.b", "required": true});
        assert!(fails(&step, "{}").contains("body.a is missing"));
        let blocked = json!({"op": "move", "from": "body.a", "to": "body.b.c"});
        let failure = fails(&blocked, r#"{"a":1,"b":"t"}"#);
        assert!(
            failure.contains("body.b is a text and not an object"),
            "{failure}"
        );
    }

    #[test]
    fn an_element_stays_in_its_list() {
        for (from, to) in [
            ("body.a[*].x", "body.x"),
            ("body.x", "body.a[*].x"),
            ("body.a[*].x", "body.b[*].x"),
        ] {
            refused(
                &json!({"op": "move", "from": from, "to": to}),
                "steps[0].to",
            );
        }
    }
}
