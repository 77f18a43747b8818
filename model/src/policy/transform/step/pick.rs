//! Keeps some fields of the body and drops all others.

use super::{FIELDS_MAX, Fault, Fields, Halt, Work};
use crate::policy::transform::{
    address::{BodyPath, Segment},
    budget::Budget,
    tree::{Members, Tree},
};

#[derive(Clone, Debug, PartialEq)]
pub(in super::super) struct Pick {
    fields: Vec<BodyPath>,
}

impl Pick {
    pub(super) fn read(fields: &Fields<'_>) -> Result<Self, Fault> {
        fields.only(&["fields"])?;
        Ok(Self {
            fields: fields.texts("fields", FIELDS_MAX, BodyPath::read)?,
        })
    }

    pub(super) fn run(&self, work: &mut Work<'_>) -> Result<(), Halt> {
        let wanted: Vec<&[Segment]> = self.fields.iter().map(|path| path.0.as_slice()).collect();
        work.change(|tree, budget| {
            let kept = keep(tree, &wanted, budget)?;
            if !kept.any {
                *tree = Tree::Object(Members::default());
            }
            Ok(kept.dropped || !kept.any)
        })
    }
}

/// What became of a value.
struct Kept {
    /// Something in it is wanted.
    any: bool,
    /// Something in it went.
    dropped: bool,
}

fn keep(tree: &mut Tree, wanted: &[&[Segment]], budget: &mut Budget) -> Result<Kept, Halt> {
    if wanted.iter().any(|path| path.is_empty()) {
        return Ok(Kept {
            any: true,
            dropped: false,
        });
    }
    let mut kept = Kept {
        any: false,
        dropped: false,
    };
    let mut halt = None;
    let mut visit = |value: &mut Tree, below: &[&[Segment]]| {
        let visited = budget.look(wanted.len()).and_then(|()| match below {
            [] => Ok(false),
            below => keep(value, below, budget).map(|inner| {
                kept.dropped |= inner.dropped;
                inner.any
            }),
        });
        let stays = visited.unwrap_or_else(|error| {
            halt.get_or_insert(error);
            false
        });
        kept.any |= stays;
        kept.dropped |= !stays;
        stays
    };
    match tree {
        Tree::Object(fields) => fields.list_mut().retain_mut(|(name, value)| {
            let below = behind(
                wanted,
                |first| matches!(first, Segment::Key(key) if name == key.as_str()),
            );
            visit(value, &below)
        }),
        Tree::List(items) => {
            let mut place = 0;
            items.retain_mut(|value| {
                let below = behind(wanted, |first| match first {
                    Segment::Each => true,
                    Segment::Index(index) => *index == place,
                    Segment::Key(_) => false,
                });
                place += 1;
                visit(value, &below)
            });
        }
        _ => {}
    }
    match halt {
        Some(halt) => Err(halt),
        None => Ok(kept),
    }
}

/// The rest of each address whose first segment fits.
fn behind<'a>(wanted: &[&'a [Segment]], fits: impl Fn(&Segment) -> bool) -> Vec<&'a [Segment]> {
    let parted = wanted.iter().filter_map(|path| path.split_first());
    parted
        .filter(|(first, _)| fits(first))
        .map(|(_, rest)| rest)
        .collect()
}

#[cfg(test)]
mod tests {
    use crate::policy::transform::cases::{body, refused};
    use serde_json::json;

    #[test]
    fn what_is_picked_stays_as_it_was() {
        for (fields, before, after) in [
            (
                json!(["body.c", "body.a"]),
                r#"{"a":1,"b":2,"c":3}"#,
                r#"{"a":1,"c":3}"#,
            ),
            (
                json!(["body.items[*].sku", "body.id"]),
                r#"{"items":[{"sku":1,"x":2},{"x":3},{"sku":4}],"id":5,"y":6}"#,
                r#"{"items":[{"sku":1},{"sku":4}],"id":5}"#,
            ),
            (json!(["body.a[1]"]), r#"{"a":[1,2,3]}"#, r#"{"a":[2]}"#),
            (
                json!(["body.a", "body.a.b"]),
                r#"{"a":{"b":1,"c":2}}"#,
                r#"{"a":{"b":1,"c":2}}"#,
            ),
            (json!(["body.none"]), r#"{"a":1}"#, "{}"),
            (json!(["body.a.b"]), r#"{"a":5}"#, "{}"),
            (json!(["body"]), r#"{ "a": 5 }"#, r#"{ "a": 5 }"#),
            (json!(["body.a"]), r#"{ "a": 5 }"#, r#"{ "a": 5 }"#),
        ] {
            assert_eq!(
                body(&json!({"op": "pick", "fields": fields}), before),
                after
            );
        }
    }

    #[test]
    fn something_must_be_picked() {
        refused(&json!({"op": "pick"}), "steps[0].fields");
        refused(&json!({"op": "pick", "fields": []}), "steps[0].fields");
        refused(
            &json!({"op": "pick", "fields": ["body.a", "a"]}),
            "steps[0].fields[1]",
        );
    }
}
