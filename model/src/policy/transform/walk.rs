//! Ways through a tree: what stands at an address, what is put there, and every place of one that goes through lists.

use super::{
    Halt,
    address::{BodyPath, Segment},
    budget::Budget,
    tree::{Members, Tree},
};
use std::borrow::Cow;

/// The elements of the lists that an address goes through: for each place one number a list.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Places {
    lists: usize,
    numbers: Vec<usize>,
}

impl Places {
    /// Every place of an address, as the tree is now.
    pub(super) fn of(tree: &Tree, path: &BodyPath, budget: &mut Budget) -> Result<Self, Halt> {
        let mut places = Self {
            lists: path.lists(),
            ..Self::one()
        };
        if places.lists > 0 {
            places.collect(Some(tree), &path.0, &mut Vec::new(), budget)?;
        }
        Ok(places)
    }

    /// The one place of an address that goes through no list.
    pub(super) fn one() -> Self {
        Self {
            lists: 0,
            numbers: Vec::new(),
        }
    }

    fn collect(
        &mut self,
        tree: Option<&Tree>,
        path: &[Segment],
        so_far: &mut Vec<usize>,
        budget: &mut Budget,
    ) -> Result<(), Halt> {
        if so_far.len() == self.lists {
            self.numbers.extend_from_slice(so_far);
            return Ok(());
        }
        let Some((tree, (first, rest))) = tree.zip(path.split_first()) else {
            return Ok(());
        };
        match first {
            Segment::Key(key) => self.collect(key_of(tree, key, budget)?, rest, so_far, budget),
            Segment::Index(index) => self.collect(tree.index(*index), rest, so_far, budget),
            Segment::Each => {
                let Tree::List(items) = tree else {
                    return Ok(());
                };
                budget.look(items.len())?;
                for (number, item) in items.iter().enumerate() {
                    so_far.push(number);
                    self.collect(Some(item), rest, so_far, budget)?;
                    so_far.pop();
                }
                Ok(())
            }
        }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &[usize]> {
        // Without lists there is one place.
        let only = (self.lists == 0).then_some(&[][..]);
        only.into_iter()
            .chain(self.numbers.chunks_exact(self.lists.max(1)))
    }
}

fn key_of<'t>(tree: &'t Tree, key: &str, budget: &mut Budget) -> Result<Option<&'t Tree>, Halt> {
    budget.look(1 + width(tree) / 16)?;
    Ok(tree.key(key))
}

/// Members that a look at a key may have to pass.
fn width(tree: &Tree) -> usize {
    match tree {
        Tree::Object(fields) => fields.len(),
        _ => 0,
    }
}

/// Reads the value at an address. Its first lists are those of `place`; every further one is gathered into a list.
pub(super) fn find<'t>(
    tree: &'t Tree,
    path: &[Segment],
    place: &[usize],
    budget: &mut Budget,
) -> Result<Option<Cow<'t, Tree>>, Halt> {
    let Some((first, rest)) = path.split_first() else {
        return Ok(Some(Cow::Borrowed(tree)));
    };
    let (below, place) = match (first, place.split_first()) {
        (Segment::Key(key), _) => (key_of(tree, key, budget)?, place),
        (Segment::Index(index), _) => (tree.index(*index), place),
        (Segment::Each, Some((number, others))) => (tree.index(*number), others),
        (Segment::Each, None) => return gather(tree, rest, budget),
    };
    match below {
        Some(below) => find(below, rest, place, budget),
        None => Ok(None),
    }
}

fn gather<'t>(
    tree: &'t Tree,
    rest: &[Segment],
    budget: &mut Budget,
) -> Result<Option<Cow<'t, Tree>>, Halt> {
    let Tree::List(items) = tree else {
        return Ok(None);
    };
    let mut found = Vec::new();
    for item in items {
        budget.look(1)?;
        if let Some(value) = find(item, rest, &[], budget)? {
            if let Cow::Borrowed(value) = value {
                budget.make(value.measure(), 0)?;
            }
            found.push(value.into_owned());
        }
    }
    Ok(Some(Cow::Owned(Tree::List(found))))
}

/// The one place of an address, to be changed; none when nothing stands there.
pub(super) fn find_mut<'t>(
    tree: &'t mut Tree,
    path: &[Segment],
    place: &[usize],
    budget: &mut Budget,
) -> Result<Option<&'t mut Tree>, Halt> {
    let Some((first, rest)) = path.split_first() else {
        return Ok(Some(tree));
    };
    budget.look(1 + width(tree) / 16)?;
    let (below, place) = match (first, tree, place.split_first()) {
        (Segment::Key(key), Tree::Object(fields), _) => (fields.get_mut(key), place),
        (Segment::Index(index), Tree::List(items), _) => (items.get_mut(*index), place),
        (Segment::Each, Tree::List(items), Some((number, others))) => {
            (items.get_mut(*number), others)
        }
        _ => (None, place),
    };
    match below {
        Some(below) => find_mut(below, rest, place, budget),
        None => Ok(None),
    }
}

/// Changes every place of an address. Says whether any changed.
pub(super) fn each(
    tree: &mut Tree,
    path: &BodyPath,
    budget: &mut Budget,
    change: &mut dyn FnMut(&mut Tree, &mut Budget) -> Result<bool, Halt>,
) -> Result<bool, Halt> {
    below(tree, &path.0, budget, change)
}

fn below(
    tree: &mut Tree,
    path: &[Segment],
    budget: &mut Budget,
    change: &mut dyn FnMut(&mut Tree, &mut Budget) -> Result<bool, Halt>,
) -> Result<bool, Halt> {
    let Some((first, rest)) = path.split_first() else {
        budget.look(1)?;
        return change(tree, budget);
    };
    if *first != Segment::Each {
        return match find_mut(tree, std::slice::from_ref(first), &[], budget)? {
            Some(one) => below(one, rest, budget, change),
            None => Ok(false),
        };
    }
    let mut changed = false;
    if let Tree::List(items) = tree {
        for item in items {
            changed |= below(item, rest, budget, change)?;
        }
    }
    Ok(changed)
}

/// Puts a value where an address leads, and makes the objects on the way. A list takes one more element at its end.
pub(super) fn put(
    tree: &mut Tree,
    path: &BodyPath,
    place: &[usize],
    value: Tree,
    budget: &mut Budget,
) -> Result<(), Halt> {
    let mut numbers = place.iter();
    let mut here = tree;
    for (level, segment) in path.0.iter().enumerate() {
        budget.look(1 + width(here) / 16)?;
        let refused = |found: &Tree, expected| {
            let at = BodyPath(path.0[..level].to_vec());
            Halt::new(format!("{at} is {} and not {expected}", found.kind()))
        };
        let index = match segment {
            Segment::Key(key) => {
                if *here == Tree::Null {
                    *here = Tree::Object(Members::default());
                }
                let Tree::Object(fields) = here else {
                    return Err(refused(here, "an object"));
                };
                here = fields.slot(key);
                continue;
            }
            Segment::Index(index) => *index,
            Segment::Each => numbers.next().copied().unwrap_or_default(),
        };
        if *here == Tree::Null {
            *here = Tree::List(Vec::new());
        }
        let Tree::List(items) = here else {
            return Err(refused(here, "a list"));
        };
        let len = items.len();
        if index == len {
            items.push(Tree::Null);
        }
        here = items.get_mut(index).ok_or_else(|| {
            let at = BodyPath(path.0[..level].to_vec());
            Halt::new(format!("{at} has only {len} elements"))
        })?;
    }
    *here = value;
    Ok(())
}

/// Takes away what stands at an address; none when nothing does.
pub(super) fn take(
    tree: &mut Tree,
    path: &BodyPath,
    place: &[usize],
    budget: &mut Budget,
) -> Result<Option<Tree>, Halt> {
    let Some((last, parents)) = path.split_last() else {
        return Ok(Some(std::mem::replace(tree, Tree::Null)));
    };
    let Some(parent) = find_mut(tree, parents, place, budget)? else {
        return Ok(None);
    };
    budget.look(1 + width(parent) / 16)?;
    Ok(match (last, parent) {
        (Segment::Key(key), Tree::Object(fields)) => fields.take(key),
        (Segment::Index(index), Tree::List(items)) if *index < items.len() => {
            Some(items.remove(*index))
        }
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::transform::tree;
    use serde_json::{Value, json};

    fn path(text: &str) -> BodyPath {
        BodyPath::read(text).expect("an address")
    }

    fn budget() -> Budget {
        Budget::new(1 << 20)
    }

    fn shown(tree: &Tree) -> Value {
        serde_json::from_slice(&tree::write(tree, 1 << 20).expect("fits")).expect("JSON")
    }

    #[test]
    fn what_stands_somewhere_is_found() {
        let tree = Tree::of(&json!({"a": [{"b": 1}, {"c": 2}, {"b": [3, 4]}], "x.y": null}));
        for (at, expected) in [
            ("body.a[0].b", Some(json!(1))),
            ("body.a[1].b", None),
            ("body.a[9]", None),
            ("body.a.b", None),
            ("body.a[*].b", Some(json!([1, [3, 4]]))),
            ("body.a[*].b[*]", Some(json!([[3, 4]]))),
            ("body.a[*].b[1]", Some(json!([4]))),
            ("body[*]", None),
            (r#"body["x.y"]"#, Some(json!(null))),
        ] {
            let found = find(&tree, &path(at).0, &[], &mut budget()).expect("cheap");
            assert_eq!(found.as_deref().map(shown), expected, "{at}");
        }
        let second = find(&tree, &path("body.a[*].b").0, &[2], &mut budget()).expect("cheap");
        assert_eq!(second.as_deref().map(shown), Some(json!([3, 4])));
    }

    #[test]
    fn a_value_is_put_where_nothing_was_and_where_something_was() {
        for (before, at, after) in [
            (json!(null), "body.a.b", json!({"a": {"b": 7}})),
            (json!(null), "body[0].a", json!([{"a": 7}])),
            (json!({"z": 1, "a": 2}), "body.z", json!({"z": 7, "a": 2})),
            (json!({"a": null}), "body.a.b", json!({"a": {"b": 7}})),
            (json!({"a": [1]}), "body.a[1]", json!({"a": [1, 7]})),
            (json!({"a": [1]}), "body", json!(7)),
        ] {
            let mut tree = Tree::of(&before);
            put(
                &mut tree,
                &path(at),
                &[],
                Tree::Number(7.into()),
                &mut budget(),
            )
            .expect(at);
            assert_eq!(shown(&tree).to_string(), after.to_string(), "{at}");
        }
        for (before, at, refused) in [
            (
                json!({"a": "t"}),
                "body.a.b",
                "body.a is a text and not an object",
            ),
            (
                json!({"a": {}}),
                "body.a[0]",
                "body.a is an object and not a list",
            ),
            (json!({"a": [1]}), "body.a[2]", "body.a has only 1 elements"),
        ] {
            let mut tree = Tree::of(&before);
            let put = put(&mut tree, &path(at), &[], Tree::Null, &mut budget());
            assert_eq!(put.expect_err(at).to_string(), refused);
        }
    }

    #[test]
    fn what_is_taken_leaves_the_others_in_their_order() {
        let mut tree = Tree::of(&json!({"a": 1, "b": [1, 2, 3], "c": 3}));
        let mut taken = |at: &str| {
            let taken = take(&mut tree, &path(at), &[], &mut budget()).expect("cheap");
            taken.as_ref().map(shown)
        };
        assert_eq!(taken("body.b[1]"), Some(json!(2)));
        assert_eq!(taken("body.a"), Some(json!(1)));
        assert_eq!(taken("body.a"), None);
        assert_eq!(taken("body.c.d"), None);
        assert_eq!(shown(&tree).to_string(), r#"{"b":[1,3],"c":3}"#);
    }

    #[test]
    fn an_address_through_lists_has_a_place_for_each_element() {
        let tree = Tree::of(&json!({"a": [{"b": [1, 2]}, {}, {"b": [3]}]}));
        let places = |at| {
            let places = Places::of(&tree, &path(at), &mut budget()).expect("cheap");
            places.iter().map(<[usize]>::to_vec).collect::<Vec<_>>()
        };
        assert_eq!(places("body.a[*].x"), [[0], [1], [2]]);
        assert_eq!(places("body.a[*].b[*]"), [[0, 0], [0, 1], [2, 0]]);
        assert_eq!(places("body.a"), [[0; 0]]);
        assert!(places("body.x[*]").is_empty());
    }
}
