//! A filter as it is asked: its syntax checked, its expressions compiled.

use super::{pattern::Pattern, reference::Reference, scalar::Number};
use ipnet::IpNet;
use serde_json::Value;
use std::collections::HashSet;

/// What is asked of one value.
#[derive(Clone, Debug)]
pub(super) enum Node {
    /// A scalar.
    Literal(Value),
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

/// What an operator compares with.
#[derive(Clone, Debug)]
pub(super) enum Operand {
    Given(Value),
    At(Reference),
}

/// What `$in` looks into.
#[derive(Clone, Debug)]
pub(super) enum Choice {
    Among(Scalars),
    /// A part of a string, or an element of a list.
    Text(String),
    At(Reference),
}

/// Scalars that are told apart by type and value.
#[derive(Clone, Debug, Default)]
pub(super) struct Scalars {
    pub(super) null: bool,
    pub(super) yes: bool,
    pub(super) no: bool,
    pub(super) numbers: HashSet<Number>,
    pub(super) texts: HashSet<String>,
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
    pub(super) fn of(values: &[Value]) -> Self {
        let mut scalars = Self::default();
        for value in values {
            match value {
                Value::Null => scalars.null = true,
                Value::Bool(true) => scalars.yes = true,
                Value::Bool(false) => scalars.no = true,
                Value::Number(_) => scalars.numbers.extend(Number::of(value)),
                Value::String(text) => {
                    scalars.texts.insert(text.clone());
                }
                Value::Array(_) | Value::Object(_) => {}
            }
        }
        scalars
    }

    pub(super) fn holds(&self, value: &Value) -> bool {
        match value {
            Value::Null => self.null,
            Value::Bool(true) => self.yes,
            Value::Bool(false) => self.no,
            Value::Number(_) => {
                Number::of(value).is_some_and(|number| self.numbers.contains(&number))
            }
            Value::String(text) => self.texts.contains(text),
            Value::Array(_) | Value::Object(_) => false,
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
