//! A filter as it is asked: its syntax checked, its expressions compiled.

use super::{number::Number, pattern::Pattern, reference::Reference};
use crate::tree::{Text, Tree};
use ipnet::IpNet;
use std::collections::HashSet;

/// A node of a filter's syntax tree: the condition on one value.
#[derive(Clone, Debug)]
pub(super) enum Node {
    /// A scalar.
    Literal(Tree),
    /// Each is met by some element.
    List(Vec<Node>),
    Object(Object),
}

#[derive(Clone, Debug, Default)]
pub(super) struct Object {
    pub(super) fields: Vec<(String, Node)>,
    /// The operators; all must hold.
    pub(super) tests: Vec<Test>,
}

#[derive(Clone, Debug)]
pub(super) enum Test {
    Equal(Operand),
    NotEqual(Operand),
    Order(Relation, Operand),
    In(Choice),
    NotIn(Choice),
    StartsWith(Operand),
    EndsWith(Operand),
    Exist(bool),
    Any(Vec<Node>),
    All(Vec<Node>),
    Not(Node),
    /// Equal to another value of the part, arrays taken as filters take them.
    SameAs(Reference),
    Pattern(Pattern),
    Network(Vec<IpNet>),
    Never,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Relation {
    Greater,
    GreaterOrEqual,
    Less,
    LessOrEqual,
}

/// The right-hand side of a comparison: a given value, or one that a reference points to.
#[derive(Clone, Debug)]
pub(super) enum Operand {
    Given(Tree),
    At(Reference),
}

/// The right-hand side of `$in`: the values, or the text, to look into.
#[derive(Clone, Debug)]
pub(super) enum Choice {
    Among(Scalars),
    /// A part of a string, or an element of a list.
    Text(Text),
    At(Reference),
}

/// Scalars that are told apart by type and value.
#[derive(Clone, Debug, Default)]
pub(super) struct Scalars {
    pub(super) null: bool,
    pub(super) yes: bool,
    pub(super) no: bool,
    pub(super) numbers: HashSet<Number>,
    /// Numbers of which only the double next to them is known.
    pub(super) rounded: Vec<Number>,
    pub(super) texts: HashSet<Text>,
}

impl Node {
    /// A filter that nothing matches.
    pub(super) fn never() -> Self {
        Self::Object(Object {
            fields: Vec::new(),
            tests: vec![Test::Never],
        })
    }
}

impl Object {
    /// Whether it asks for the value as a whole instead of for an element of it.
    pub(super) fn takes_whole(&self) -> bool {
        self.fields.is_empty() && !self.tests.is_empty()
    }

    /// Whether it holds for a key that is not there: only `$exist: false` does, and nothing beside it.
    pub(super) fn holds_for_absent(&self) -> bool {
        self.takes_whole()
            && self
                .tests
                .iter()
                .all(|test| matches!(test, Test::Exist(false)))
    }
}

impl Scalars {
    pub(super) fn of(values: impl Iterator<Item = Tree>) -> Self {
        let mut scalars = Self::default();
        for value in values {
            match value {
                Tree::Null => scalars.null = true,
                Tree::Bool(true) => scalars.yes = true,
                Tree::Bool(false) => scalars.no = true,
                Tree::Number(digits) => {
                    let number = Number::written(&digits);
                    match number.is_rounded() {
                        true => scalars.rounded.push(number),
                        false => _ = scalars.numbers.insert(number),
                    }
                }
                Tree::Text(text) => {
                    scalars.texts.insert(text);
                }
                Tree::List(_) | Tree::Object(_) => {}
            }
        }
        scalars
    }

    pub(super) fn holds(&self, value: &Tree) -> bool {
        match value {
            Tree::Null => self.null,
            Tree::Bool(true) => self.yes,
            Tree::Bool(false) => self.no,
            Tree::Number(digits) => {
                let number = Number::written(digits);
                self.numbers.contains(&number) || self.rounded.iter().any(|known| known.is(&number))
            }
            Tree::Text(text) => self.texts.contains(text),
            Tree::List(_) | Tree::Object(_) => false,
        }
    }
}

impl Relation {
    pub(super) fn allows(self, order: std::cmp::Ordering) -> bool {
        match self {
            Self::Greater => order.is_gt(),
            Self::GreaterOrEqual => order.is_ge(),
            Self::Less => order.is_lt(),
            Self::LessOrEqual => order.is_le(),
        }
    }
}
