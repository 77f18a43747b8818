//! Necessary conditions of filters: values at places that every document that matches has. Routing looks filters up by
//! it.

use super::{
    node::{Choice, Node, Object, Operand, Scalars, Test},
    number::Number,
};
use crate::{
    policy::document::Part,
    tree::{Text, Tree},
};

/// A place in a document where a value stands: a part and the keys that lead to it, through arrays wherever there are
/// some.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Place {
    pub part: Part,
    pub keys: Vec<String>,
}

/// A scalar in a form that loosely equal ones share. Some that share it are not equal: `"1"` and `"1.0"`, and numbers that
/// have one double next to them.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Key {
    Null,
    /// The bits of that double.
    Number(u64),
    Text(Text),
}

impl Key {
    /// The index key of a scalar; none for lists and objects.
    #[must_use]
    pub fn of(value: &Tree) -> Option<Self> {
        if let Some(number) = Number::of(value) {
            return Some(Self::Number(number.nearest_bits()));
        }
        match value {
            Tree::Null => Some(Self::Null),
            Tree::Text(text) => Some(Self::Text(text.clone())),
            _ => None,
        }
    }
}

/// A condition that every document meets which the filter matches; others may meet it too.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Need {
    /// A scalar with this key stands at the place.
    Value(Place, Key),
    /// Each of them; at least one.
    All(Vec<Need>),
    /// One of them. Of none: no document matches.
    Any(Vec<Need>),
}

impl Need {
    pub(super) fn all(needs: impl Iterator<Item = Option<Self>>) -> Option<Self> {
        let needs: Vec<Self> = needs.flatten().collect();
        (!needs.is_empty()).then_some(Self::All(needs))
    }

    /// None as soon as one alternative needs nothing.
    fn any(needs: impl Iterator<Item = Option<Self>>) -> Option<Self> {
        needs.collect::<Option<_>>().map(Self::Any)
    }
}

/// The necessary condition of a filter on one part.
pub(super) fn of(part: Part, node: &Node) -> Option<Need> {
    let mut place = Place {
        part,
        keys: Vec::new(),
    };
    of_node(&mut place, node)
}

fn of_node(at: &mut Place, node: &Node) -> Option<Need> {
    match node {
        Node::Literal(value) => Some(Need::Value(at.clone(), Key::of(value)?)),
        // Elements stand at the same place as their array.
        Node::List(nodes) => Need::all(nodes.iter().map(|node| of_node(at, node))),
        Node::Object(object) => of_object(at, object),
    }
}

fn of_object(at: &mut Place, object: &Object) -> Option<Need> {
    let mut needs = Vec::new();
    for (key, node) in &object.fields {
        at.keys.push(key.clone());
        needs.push(of_node(at, node));
        at.keys.pop();
    }
    needs.extend(object.tests.iter().map(|test| of_test(at, test)));
    Need::all(needs.into_iter())
}

fn of_test(at: &mut Place, test: &Test) -> Option<Need> {
    match test {
        Test::Equal(Operand::Given(value)) if value.is_scalar() => {
            Some(Need::Value(at.clone(), Key::of(value)?))
        }
        Test::In(Choice::Among(scalars)) => {
            let keys = keys_of(scalars).into_iter();
            Some(Need::Any(
                keys.map(|key| Need::Value(at.clone(), key)).collect(),
            ))
        }
        Test::Any(nodes) => Need::any(nodes.iter().map(|node| of_node(at, node))),
        Test::All(nodes) => Need::all(nodes.iter().map(|node| of_node(at, node))),
        Test::Never => Some(Need::Any(Vec::new())),
        _ => None,
    }
}

fn keys_of(scalars: &Scalars) -> Vec<Key> {
    let single = [
        (scalars.null, Tree::Null),
        (scalars.yes, Tree::Bool(true)),
        (scalars.no, Tree::Bool(false)),
    ];
    let single = single
        .into_iter()
        .filter(|(is_there, _)| *is_there)
        .filter_map(|(_, value)| Key::of(&value));
    let numbers = scalars.numbers.iter().chain(&scalars.rounded);
    let numbers = numbers.map(|number| Key::Number(number.nearest_bits()));
    let texts = scalars.texts.iter().cloned();
    let texts = texts.filter_map(|text| Key::of(&Tree::Text(text)));
    let mut keys: Vec<Key> = single.chain(numbers).chain(texts).collect();
    // Sets have no order of their own, and two of their members may share a key.
    keys.sort_unstable_by_key(|key| format!("{key:?}"));
    keys.dedup();
    keys
}
