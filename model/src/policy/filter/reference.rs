//! References between fields (`$ref`), as paths: `a.b`, `items[0].sku`, `[$index].b`, `$.a["b c"]`.

use super::DEPTH_MAX;
use crate::tree::Tree;

/// A path from the root of the part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Reference(Vec<Step>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Step {
    Key(String),
    Place(usize),
    /// The place of the enclosing array's element that is looked at; the n-th of a path takes the n-th array, counted from
    /// the outermost.
    Index,
}

impl Reference {
    /// Reads a path; none when it is not of these forms or longer than [`DEPTH_MAX`] steps.
    pub(super) fn read(text: &str) -> Option<Self> {
        let rest = text.strip_prefix('$').unwrap_or(text);
        let is_full = rest.len() < text.len();
        let mut steps = Vec::new();
        let mut rest = match (is_full, rest.strip_prefix('.')) {
            (true, Some("")) | (false, Some(_)) => return None,
            (true, Some(path)) => key(path, &mut steps)?,
            // `$x` is a key that begins with a dollar sign.
            (true, None) if !(rest.is_empty() || rest.starts_with('[')) => key(text, &mut steps)?,
            (true, None) => rest,
            (false, None) if rest.starts_with('[') => rest,
            (false, None) => key(rest, &mut steps)?,
        };
        while !rest.is_empty() {
            rest = match rest.strip_prefix('.') {
                Some(path) => key(path, &mut steps)?,
                None => brackets(rest.strip_prefix('[')?, &mut steps)?,
            };
            if steps.len() > DEPTH_MAX {
                return None;
            }
        }
        Some(Self(steps))
    }

    /// The value there, given the places of the enclosing arrays' elements, outermost first.
    pub(super) fn find<'d>(&self, root: &'d Tree, indexes: &[usize]) -> Option<&'d Tree> {
        let mut indexes = indexes.iter();
        self.0.iter().try_fold(root, |value, step| match step {
            Step::Key(key) => value.key(key),
            Step::Place(place) => value.index(*place),
            Step::Index => value.index(*indexes.next()?),
        })
    }
}

/// Takes a key up to the next dot or bracket.
fn key<'t>(text: &'t str, steps: &mut Vec<Step>) -> Option<&'t str> {
    let end = text.find(['.', '[']).unwrap_or(text.len());
    let (key, rest) = text.split_at(end);
    if key.is_empty() || key.contains(']') {
        return None;
    }
    steps.push(Step::Key(key.to_owned()));
    Some(rest)
}

/// Takes what stands in brackets: a place, `$index`, or a quoted key.
fn brackets<'t>(text: &'t str, steps: &mut Vec<Step>) -> Option<&'t str> {
    for quote in ['"', '\''] {
        if let Some(text) = text.strip_prefix(quote) {
            let (key, rest) = text.split_once(quote)?;
            steps.push(Step::Key(key.to_owned()));
            return rest.strip_prefix(']');
        }
    }
    let (inside, rest) = text.split_once(']')?;
    steps.push(match inside {
        "$index" => Step::Index,
        place if place.bytes().all(|byte| byte.is_ascii_digit()) => {
            Step::Place(place.parse().ok()?)
        }
        _ => return None,
    });
    Some(rest)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    #[test]
    fn paths_lead_to_values() {
        let root = json!({"a": {"b": 1, "c d": 2, "$e": 3}, "list": [{"x": [4, 5]}, 6], "$f": 7});
        let tree = Tree::of(&root);
        let find = |path: &str, indexes: &[usize]| {
            let reference = Reference::read(path).unwrap_or_else(|| panic!("{path}"));
            reference.find(&tree, indexes).cloned()
        };
        for (path, value) in [
            ("a.b", json!(1)),
            ("$.a.b", json!(1)),
            ("$['a'].b", json!(1)),
            ("a[\"c d\"]", json!(2)),
            ("a.c d", json!(2)),
            ("a.$e", json!(3)),
            ("list[1]", json!(6)),
            ("list[0].x[1]", json!(5)),
            ("$f", json!(7)),
            ("$", root),
        ] {
            assert_eq!(find(path, &[]), Some(Tree::of(&value)), "{path}");
        }
        assert_eq!(
            find("list[$index].x[$index]", &[0, 1]),
            Some(Tree::of(&json!(5)))
        );
        for missing in ["b", "a.b.c", "list[9]", "list.x", "a[0]", "list[$index]"] {
            assert_eq!(find(missing, &[]), None, "{missing}");
        }
        let array = Tree::of(&json!([{"b": 1}]));
        let first = Reference::read("[$index].b").expect("a path");
        assert_eq!(first.find(&array, &[0]), Some(&Tree::of(&json!(1))));
        let first = Reference::read("$[0]").expect("a path");
        assert_eq!(first.find(&array, &[]), Some(&Tree::of(&json!({"b": 1}))));
    }

    #[test]
    fn what_is_no_path_is_refused() {
        for text in [
            "",
            ".",
            ".a",
            "a.",
            "a..b",
            "$.",
            "a[",
            "a]",
            "a[]x",
            "a[-1]",
            "a[1",
            "a[*]",
            "a[?(@.b)]",
            "a[$x]",
            "a['b]",
            "a['b'x]",
            "a[1]b",
            "[",
        ] {
            assert_eq!(Reference::read(text), None, "{text}");
        }
        assert_eq!(
            Reference::read("a.".repeat(DEPTH_MAX + 1).trim_end_matches('.')),
            None
        );
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "[$.a\\[\\]'\"0-9é]{0,20}") {
            let _ = Reference::read(&text);
        }
    }
}
