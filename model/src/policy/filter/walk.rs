//! Asks a filter of a value, within a bound on the steps that it may take.

use super::{
    node::{Choice, Node, Object, Operand, Test},
    reference::Reference,
    scalar,
};
use crate::tree::{Members, Text, Tree};
use std::net::IpAddr;

/// The step budget that the filters of one request share. Each has some steps of its own, so that a costly one never
/// makes another undecided that is cheap; what it needs beyond those comes out of the request's.
#[derive(Clone, Debug)]
pub struct Steps {
    shared: u64,
}

impl Steps {
    /// Steps of every filter rule. A step looks at one value, or at [`Self::BYTES`] of a long text.
    pub const OWN: u64 = 10_000;
    /// Steps that all of a request share beyond those: about a tenth of a second.
    pub const SHARED: u64 = 10_000_000;
    /// Bytes of a text that one step looks at.
    const BYTES: usize = 64;

    #[must_use]
    pub fn of_request() -> Self {
        Self {
            shared: Self::SHARED,
        }
    }
}

/// What a reference to nowhere points to.
static NULL: Tree = Tree::Null;

/// The steps are used up: whether the filter holds was not found out.
pub(super) struct Exhausted;

type Asked = Result<bool, Exhausted>;

/// The evaluation of one filter over one document, with its share of the step budget.
pub(super) struct Walk<'s> {
    own: u64,
    steps: &'s mut Steps,
}

impl<'s> Walk<'s> {
    pub(super) fn begin(steps: &'s mut Steps) -> Self {
        Self {
            own: Steps::OWN,
            steps,
        }
    }

    /// Whether a part matches. One that is not there is like a key that is not, and what takes too many steps does not match.
    pub(super) fn holds(&mut self, node: &Node, part: Option<&Tree>) -> bool {
        let Some(root) = part else {
            return holds_for_absent(node);
        };
        let mut asking = Asking {
            walk: self,
            root,
            indexes: Vec::new(),
        };
        asking.holds(node, root).unwrap_or(false)
    }

    fn spend(&mut self, steps: u64) -> Result<(), Exhausted> {
        if let Some(left) = self.own.checked_sub(steps) {
            self.own = left;
            return Ok(());
        }
        let missing = steps - self.own;
        self.own = 0;
        self.steps.shared = self.steps.shared.checked_sub(missing).ok_or(Exhausted)?;
        Ok(())
    }
}

fn holds_for_absent(node: &Node) -> bool {
    matches!(node, Node::Object(object) if object.holds_for_absent())
}

/// A walk within one part.
struct Asking<'w, 's, 'd> {
    walk: &'w mut Walk<'s>,
    root: &'d Tree,
    /// The places of the enclosing arrays' elements, outermost first.
    indexes: Vec<usize>,
}

impl<'d> Asking<'_, '_, 'd> {
    fn spend(&mut self) -> Result<(), Exhausted> {
        self.walk.spend(1)
    }

    fn spend_on_text(&mut self, bytes: usize) -> Result<(), Exhausted> {
        self.walk.spend((bytes / Steps::BYTES) as u64)
    }

    fn holds(&mut self, node: &Node, value: &'d Tree) -> Asked {
        self.spend()?;
        match (node, value) {
            (Node::Object(object), value) if object.takes_whole() => self.all(&object.tests, value),
            (Node::List(wanted), Tree::List(elements)) => {
                for node in wanted {
                    if !self.some_element(node, elements)? {
                        return Ok(false);
                    }
                }
                Ok(true)
            }
            (Node::List(_), _) => Ok(false),
            (node, Tree::List(elements)) => self.some_element(node, elements),
            (Node::Literal(wanted), value) => self.equal_scalars(value, wanted),
            (Node::Object(object), Tree::Object(map)) => self.object(object, map, value),
            (Node::Object(_), _) => Ok(false),
        }
    }

    fn some_element(&mut self, node: &Node, elements: &'d [Tree]) -> Asked {
        for (place, element) in elements.iter().enumerate() {
            self.indexes.push(place);
            let holds = self.holds(node, element)?;
            self.indexes.pop();
            if holds {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn object(&mut self, object: &Object, map: &'d Members, whole: &'d Tree) -> Asked {
        for (key, node) in &object.fields {
            let holds = match map.get(key) {
                Some(value) => self.holds(node, value)?,
                None => holds_for_absent(node),
            };
            if !holds {
                return Ok(false);
            }
        }
        self.all(&object.tests, whole)
    }

    fn all(&mut self, tests: &[Test], value: &'d Tree) -> Asked {
        for test in tests {
            if !self.test(test, value)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn test(&mut self, test: &Test, value: &'d Tree) -> Asked {
        self.spend()?;
        match test {
            Test::Equal(operand) => self.equal(value, self.operand(operand)),
            Test::NotEqual(operand) => Ok(!self.equal(value, self.operand(operand))?),
            Test::Order(relation, operand) => {
                let operand = self.operand(operand);
                self.spend_on_text(looked_at(value, operand))?;
                Ok(scalar::order(value, operand).is_some_and(|order| relation.allows(order)))
            }
            Test::In(choice) => Ok(self.among(choice, value)? == Some(true)),
            Test::NotIn(choice) => Ok(self.among(choice, value)? == Some(false)),
            Test::StartsWith(operand) => {
                self.some_text(operand, value, |value, text| value.starts_with(text))
            }
            Test::EndsWith(operand) => {
                self.some_text(operand, value, |value, text| value.ends_with(text))
            }
            Test::Exist(exists) => Ok(*exists),
            Test::Any(nodes) => {
                for node in nodes {
                    if self.holds(node, value)? {
                        return Ok(true);
                    }
                }
                Ok(false)
            }
            Test::All(nodes) => {
                for node in nodes {
                    if !self.holds(node, value)? {
                        return Ok(false);
                    }
                }
                Ok(true)
            }
            Test::Not(node) => Ok(!self.holds(node, value)?),
            Test::SameAs(reference) => {
                let wanted = self.find(reference);
                self.same(value, wanted)
            }
            Test::Pattern(pattern) => {
                let Some((text, price)) = value
                    .as_str()
                    .and_then(|text| Some((text, pattern.price(text)?)))
                else {
                    return Ok(false);
                };
                self.walk.spend(price)?;
                Ok(pattern.finds(text))
            }
            Test::Network(networks) => {
                self.walk.spend(networks.len() as u64)?;
                let address = value
                    .as_str()
                    .and_then(|text| text.trim().parse::<IpAddr>().ok());
                let address = address.map(|address| address.to_canonical());
                Ok(address
                    .is_some_and(|address| networks.iter().any(|known| known.contains(&address))))
            }
            Test::Never => Ok(false),
        }
    }

    fn operand<'v>(&self, operand: &'v Operand) -> &'v Tree
    where
        'd: 'v,
    {
        match operand {
            Operand::Given(value) => value,
            Operand::At(reference) => self.find(reference),
        }
    }

    /// The value that a reference points to; null where there is none.
    fn find(&self, reference: &Reference) -> &'d Tree {
        reference.find(self.root, &self.indexes).unwrap_or(&NULL)
    }

    /// Loosely between scalars, exactly between all else.
    fn equal(&mut self, one: &Tree, other: &Tree) -> Asked {
        if one.is_scalar() && other.is_scalar() {
            return self.equal_scalars(one, other);
        }
        self.identical(one, other)
    }

    fn equal_scalars(&mut self, one: &Tree, other: &Tree) -> Asked {
        self.spend_on_text(looked_at(one, other))?;
        Ok(scalar::loosely_equal(one, other))
    }

    /// The same all the way down; the order of an object's keys does not count.
    fn identical(&mut self, one: &Tree, other: &Tree) -> Asked {
        self.spend()?;
        match (one, other) {
            (Tree::List(one), Tree::List(other)) => {
                if one.len() != other.len() {
                    return Ok(false);
                }
                for (one, other) in one.iter().zip(other) {
                    if !self.identical(one, other)? {
                        return Ok(false);
                    }
                }
                Ok(true)
            }
            (Tree::Object(one), Tree::Object(other)) => {
                self.walk.spend((one.len() + other.len()) as u64 / 16)?;
                if one.counting().count() != other.counting().count() {
                    return Ok(false);
                }
                for (key, one) in one.counting() {
                    let Some(other) = other.get_text(key) else {
                        return Ok(false);
                    };
                    if !self.identical(one, other)? {
                        return Ok(false);
                    }
                }
                Ok(true)
            }
            (one, other) => {
                self.spend_on_text(looked_at(one, other))?;
                Ok(scalar::strictly_equal(one, other))
            }
        }
    }

    /// Whether a value meets another one of the event, taken as a filter without operators.
    fn same(&mut self, value: &Tree, wanted: &Tree) -> Asked {
        self.spend()?;
        match (wanted, value) {
            (Tree::List(wanted), Tree::List(elements)) => {
                for wanted in wanted {
                    if !self.some_same(elements, wanted)? {
                        return Ok(false);
                    }
                }
                Ok(true)
            }
            (Tree::List(_), _) => Ok(false),
            (wanted, Tree::List(elements)) => self.some_same(elements, wanted),
            (Tree::Object(wanted), Tree::Object(map)) => {
                self.walk.spend(wanted.len() as u64 / 16)?;
                for (key, wanted) in wanted.counting() {
                    let Some(value) = map.get_text(key) else {
                        return Ok(false);
                    };
                    if !self.same(value, wanted)? {
                        return Ok(false);
                    }
                }
                Ok(true)
            }
            (Tree::Object(_), _) | (_, Tree::Object(_)) => Ok(false),
            (wanted, value) => self.equal_scalars(value, wanted),
        }
    }

    fn some_same(&mut self, elements: &[Tree], wanted: &Tree) -> Asked {
        for element in elements {
            if self.same(element, wanted)? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Whether a value, or an element of it, is among the choice; none where the types don't fit.
    fn among(&mut self, choice: &Choice, value: &Tree) -> Result<Option<bool>, Exhausted> {
        match choice {
            Choice::Among(scalars) => match value {
                Tree::Object(_) => Ok(None),
                Tree::List(elements) => {
                    for element in elements {
                        self.walk
                            .spend(1 + (bytes_of(element) / Steps::BYTES) as u64)?;
                        if scalars.holds(element) {
                            return Ok(Some(true));
                        }
                    }
                    Ok(Some(false))
                }
                scalar => {
                    self.spend_on_text(bytes_of(scalar))?;
                    Ok(Some(scalars.holds(scalar)))
                }
            },
            Choice::Text(text) => self.in_text(text, value),
            Choice::At(reference) => match self.find(reference) {
                Tree::Text(text) => self.in_text(text, value),
                Tree::List(items) => self.in_list(items, value),
                _ => Ok(None),
            },
        }
    }

    /// Whether a string has the text in it, or a list has it as an element.
    fn in_text(&mut self, text: &Text, value: &Tree) -> Result<Option<bool>, Exhausted> {
        match value {
            Tree::Text(value) => {
                self.spend_on_text(value.bytes().len())?;
                Ok(Some(value.contains(text)))
            }
            Tree::List(elements) => {
                for element in elements {
                    self.spend()?;
                    if matches!(element, Tree::Text(element) if element == text) {
                        return Ok(Some(true));
                    }
                }
                Ok(Some(false))
            }
            _ => Ok(None),
        }
    }

    fn in_list(&mut self, items: &[Tree], value: &Tree) -> Result<Option<bool>, Exhausted> {
        let elements = match value {
            Tree::Object(_) => return Ok(None),
            Tree::List(elements) => elements.as_slice(),
            scalar => std::slice::from_ref(scalar),
        };
        for element in elements {
            for item in items {
                self.walk
                    .spend(1 + (looked_at(element, item) / Steps::BYTES) as u64)?;
                if scalar::strictly_equal(element, item) {
                    return Ok(Some(true));
                }
            }
        }
        Ok(Some(false))
    }

    fn some_text(
        &mut self,
        operand: &Operand,
        value: &Tree,
        fits: fn(&[u8], &[u8]) -> bool,
    ) -> Asked {
        let Tree::Text(value) = value else {
            return Ok(false);
        };
        let texts = match self.operand(operand) {
            Tree::List(texts) => texts.as_slice(),
            text => std::slice::from_ref(text),
        };
        for text in texts {
            // A list that was referred to may hold anything.
            let Tree::Text(text) = text else {
                return Ok(false);
            };
            self.walk
                .spend(1 + (text.bytes().len().min(value.bytes().len()) / Steps::BYTES) as u64)?;
            if fits(value.bytes(), text.bytes()) {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

/// Bytes that a comparison may have to look at.
fn looked_at(one: &Tree, other: &Tree) -> usize {
    match (one, other) {
        (Tree::Text(one), Tree::Text(other)) => one.bytes().len().min(other.bytes().len()),
        // A text is read as a number then, and so is a number.
        (one, other) => bytes_of(one) + bytes_of(other),
    }
}

fn bytes_of(tree: &Tree) -> usize {
    match tree {
        Tree::Text(text) => text.bytes().len(),
        Tree::Number(digits) => digits.as_str().len(),
        _ => 0,
    }
}
