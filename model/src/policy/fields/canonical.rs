//! Values of a tree at the steps of a field, and written so that equal ones are written alike.

use crate::tree::Tree;
use std::borrow::Cow;

/// Objects with more members keep them in the order in which they came.
const SORTED_MAX: usize = 4_096;

/// The value at the end of these steps.
pub(super) fn find<'t>(tree: &'t Tree, steps: &[String]) -> Option<&'t Tree> {
    steps.iter().try_fold(tree, |tree, step| match tree {
        Tree::Object(fields) => fields.get(step),
        Tree::List(items) => {
            let place: usize = step.parse().ok()?;
            // One way to write a place, as there is one for a name.
            (place.to_string() == *step).then(|| items.get(place))?
        }
        _ => None,
    })
}

/// The text of a scalar: what a string holds, or a number or a boolean is written as; none for anything else.
pub(super) fn scalar(tree: &Tree) -> Option<&str> {
    match tree {
        Tree::Null => None,
        tree => tree.as_text(),
    }
}

/// Writes a value so that equal ones are written alike: without white space, members sorted by name, strings as what
/// they hold, numbers as they were written. What lies at one of the `without` is left out. What it gives is hashed, and the
/// hash is on disk.
pub(super) fn write(tree: &Tree, without: &[&[String]], out: &mut Vec<u8>) {
    match tree {
        Tree::Text(text) => write_text(text.bytes(), out),
        Tree::List(items) => {
            out.push(b'[');
            for (place, item) in items.iter().enumerate() {
                // Few ask for a place, and a long list has many.
                let behind = match without {
                    [] => Some(Vec::new()),
                    without => behind(without, place.to_string().as_bytes()),
                };
                if let Some(behind) = behind {
                    write(item, &behind, out);
                    out.push(b',');
                }
            }
            out.push(b']');
        }
        Tree::Object(fields) => {
            let mut members: Vec<_> = fields.iter().collect();
            if members.len() <= SORTED_MAX {
                // Stable: members that share a name stay in their order.
                members.sort_by(|(one, _), (other, _)| one.cmp(other));
            }
            out.push(b'{');
            for (name, value) in members {
                if let Some(behind) = behind(without, name.bytes()) {
                    write_text(name.bytes(), out);
                    write(value, &behind, out);
                }
            }
            out.push(b'}');
        }
        Tree::Null => out.extend_from_slice(b"null"),
        scalar => out.extend_from_slice(scalar.as_text().unwrap_or_default().as_bytes()),
    }
}

/// The length goes before the bytes, so that no text can pass for another.
fn write_text(text: &[u8], out: &mut Vec<u8>) {
    out.push(b'"');
    out.extend_from_slice(text.len().to_string().as_bytes());
    out.push(b':');
    out.extend_from_slice(text);
}

/// What is left out further in; none when the member itself is.
fn behind<'w>(without: &[&'w [String]], name: &[u8]) -> Option<Vec<&'w [String]>> {
    let mut behind = Vec::new();
    for steps in without {
        match steps.split_first() {
            Some((step, [])) if step.as_bytes() == name => return None,
            Some((step, rest)) if step.as_bytes() == name => behind.push(rest),
            _ => {}
        }
    }
    Some(behind)
}

/// The canonical form of the value at a field; none for nothing and for `null`.
pub(super) fn value(tree: &Tree, steps: &[String]) -> Option<Vec<u8>> {
    let found = find(tree, steps).filter(|found| **found != Tree::Null)?;
    let mut out = Vec::new();
    write(found, &[], &mut out);
    Some(out)
}

/// The whole of a body but for what lies at one of the `without`.
pub(super) fn all_but<'b>(tree: &Tree, without: &[&[String]]) -> Cow<'b, [u8]> {
    let mut out = Vec::new();
    write(tree, without, &mut out);
    out.into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree::{self, DEPTH_MAX};
    use proptest::prelude::*;
    use serde_json::Value;

    fn parse(text: &str) -> Tree {
        tree::read(text.as_bytes()).expect(text)
    }

    fn canon(text: &str, without: &[&str]) -> Vec<u8> {
        let steps: Vec<Vec<String>> = without
            .iter()
            .map(|path| path.split('.').map(str::to_owned).collect())
            .collect();
        let without: Vec<&[String]> = steps.iter().map(Vec::as_slice).collect();
        let mut out = Vec::new();
        write(&parse(text), &without, &mut out);
        out
    }

    fn found(text: &str, path: &str) -> Option<String> {
        let steps: Vec<String> = path.split('.').map(str::to_owned).collect();
        let tree = parse(text);
        let json = tree::write(find(&tree, &steps)?, usize::MAX).expect("fits");
        Some(String::from_utf8(json).expect("text"))
    }

    #[test]
    fn equal_values_are_written_alike_and_others_are_not() {
        let same = [
            r#"{"a":1,"b":[true,"A\/"],"":{}}"#,
            " { \"b\" : [ true , \"\\u0041/\" ] ,\n\"\":{ }, \"a\": 1 } ",
        ];
        assert_eq!(canon(same[0], &[]), canon(same[1], &[]));
        for [a, b] in [
            ["1", "\"1\""],
            ["1", "1.0"],
            ["12345678901234567890123", "12345678901234567890124"],
            ["0.1234567890123456789", "0.1234567890123456788"],
            ["[1,2]", "[2,1]"],
            ["[[1],2]", "[[1,2]]"],
            [r#"["a,","b"]"#, r#"["a",",b"]"#],
            [r#"{"a":{"b":1}}"#, r#"{"a":{},"b":1}"#],
            ["null", "\"null\""],
            ["{}", "[]"],
            ["{}", "\"{\""],
            [r#""\ud800""#, r#""\ud801""#],
            [r#"{"\ud800":1,"z":1}"#, r#"{"\ud800":1,"z":2}"#],
        ] {
            assert_ne!(canon(a, &[]), canon(b, &[]), "{a} {b}");
        }
    }

    #[test]
    fn what_is_left_out_does_not_count() {
        let a = r#"{"id":1,"at":5,"inner":{"at":6,"x":[{"at":7},{"at":8}]}}"#;
        let b = r#"{"inner":{"x":[{"at":0},{"at":8}],"at":0},"id":1}"#;
        let without = ["at", "inner.at", "inner.x.0.at"];
        assert_eq!(canon(a, &without), canon(b, &without));
        assert_ne!(canon(a, &without[..2]), canon(b, &without[..2]));
    }

    #[test]
    fn a_value_is_found_by_its_steps() {
        let text = r#"{"a":{"b":[10,{"c":"x"}]},"a":{"b":[ 11 , {"c":null}]},"\u0064":2}"#;
        assert_eq!(found(text, "a.b.0").as_deref(), Some("11"));
        assert_eq!(found(text, "a.b.1.c").as_deref(), Some("null"));
        assert_eq!(found(text, "d").as_deref(), Some("2"));
        for missing in ["b", "a.c", "a.b.2", "a.b.00", "a.b.0.x", "a.b.c"] {
            assert_eq!(found(text, missing), None, "{missing}");
        }
    }

    #[test]
    fn deep_and_wide_values_are_told_apart_too() {
        let deep =
            |inner: &str| format!("{}{inner}{}", "[".repeat(DEPTH_MAX), "]".repeat(DEPTH_MAX));
        assert_ne!(canon(&deep("1"), &[]), canon(&deep("2"), &[]));
        let wide = |last: u32| {
            let members: Vec<String> = (0..=SORTED_MAX)
                .map(|n| format!("\"{n}\":{last}"))
                .collect();
            format!("{{{}}}", members.join(","))
        };
        assert_ne!(canon(&wide(1), &[]), canon(&wide(2), &[]));
        let all_but = |last: u32| canon(&format!("{{\"w\":{},\"x\":{last}}}", wide(1)), &["x"]);
        assert_eq!(all_but(1), all_but(2));
        let within = canon(&wide(1), &["7"]);
        assert_ne!(within, canon(&wide(1), &["8"]));
    }

    fn json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            "[a\"\\\\\\u{1}é]{0,3}".prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 24, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::btree_map("[ab]{0,2}", inner, 0..4)
                    .prop_map(|map| map.into_iter().collect()),
            ]
        })
    }

    proptest! {
        #[test]
        fn two_values_are_written_alike_only_if_they_are_equal(a in json(), b in json()) {
            let (a_text, b_text) = (a.to_string(), serde_json::to_string_pretty(&b).expect("json"));
            prop_assert_eq!(a == b, canon(&a_text, &[]) == canon(&b_text, &[]));
            let pretty = serde_json::to_string_pretty(&a).expect("json");
            prop_assert_eq!(canon(&a_text, &[]), canon(&pretty, &[]));
        }
    }
}
