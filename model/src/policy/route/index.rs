//! Finds the connections whose filters may hold, by single values that the filters can't do without.
//!
//! Each connection stands under the rarest condition that one of its filters needs ([`Need`]): some values at some places. A
//! request is walked along those places once, and only what stands under its values is asked. A connection whose filters
//! need no such value (`$gt`, `$not`, `$exist: false`) is asked always.
//!
//! A clone shares what is equal, so that one connection more or less costs its own conditions, whatever the others are.

use crate::{
    ids::ConnectionId,
    policy::{
        document::{Document, Part},
        filter::{Key, Need, Number, Place},
    },
    tree::{Members, Text, Tree},
};
use rpds::{HashTrieMapSync, RedBlackTreeSetSync};
use std::collections::BTreeMap;

/// Values that one connection stands under at most; one that would need more is asked always.
const VALUES_MAX: usize = 256;

#[derive(Clone, Debug)]
pub(super) struct Index {
    parts: BTreeMap<Part, Branch>,
    always: List,
    /// How many connections need a value at a place: what asking by it would cost.
    counts: HashTrieMapSync<Place, HashTrieMapSync<Key, u64>>,
    /// The number that the next leaf gets.
    next_leaf: u64,
}

type List = RedBlackTreeSetSync<ConnectionId>;

/// What is asked for at one place and further down.
#[derive(Clone, Debug)]
struct Branch {
    fields: HashTrieMapSync<String, Branch>,
    values: Values,
}

/// The lists of the values that are asked for at one place.
#[derive(Clone, Debug)]
struct Values {
    null: Option<Leaf>,
    /// By the bits of the double next to each.
    numbers: HashTrieMapSync<u64, Leaf>,
    texts: HashTrieMapSync<Text, Leaf>,
}

/// The connections under one value.
#[derive(Clone, Debug)]
struct Leaf {
    /// Many elements of a request may lead to one leaf.
    number: u64,
    list: List,
}

/// The entry of a connection in the index: the values under which it is found, or always.
#[derive(Clone, Debug)]
pub(super) enum Standing {
    /// Nowhere: it is asked always.
    Always,
    /// Under each of these. Under none: no request has what it needs.
    Under(Vec<(Place, Key)>),
}

impl Default for Index {
    fn default() -> Self {
        Self {
            parts: BTreeMap::new(),
            always: List::new_sync(),
            counts: HashTrieMapSync::new_sync(),
            next_leaf: 0,
        }
    }
}

impl Default for Branch {
    fn default() -> Self {
        Self {
            fields: HashTrieMapSync::new_sync(),
            values: Values {
                null: None,
                numbers: HashTrieMapSync::new_sync(),
                texts: HashTrieMapSync::new_sync(),
            },
        }
    }
}

impl Index {
    /// Counts what a connection's filters need, before it is put anywhere: with all counted first, each finds its rarest.
    pub(super) fn count(&mut self, needs: &[Need]) {
        for need in needs {
            self.each_value(need, 1);
        }
    }

    /// Puts a connection under the rarest of what its filters need, as counted so far.
    pub(super) fn put(&mut self, connection: ConnectionId, needs: &[Need]) -> Standing {
        let best = needs.iter().filter_map(|need| self.choose(need));
        let Some(best) = best.min_by_key(|choice| choice.cost) else {
            self.always.insert_mut(connection);
            return Standing::Always;
        };
        let values = best.values.into_iter();
        let values: Vec<_> = values
            .map(|(place, key)| (place.clone(), key.clone()))
            .collect();
        for (place, key) in &values {
            self.put_under(place, key, connection);
        }
        Standing::Under(values)
    }

    /// Takes a connection out again, with what its filters need.
    pub(super) fn take(&mut self, connection: ConnectionId, needs: &[Need], standing: &Standing) {
        for need in needs {
            self.each_value(need, -1);
        }
        match standing {
            Standing::Always => {
                self.always.remove_mut(&connection);
            }
            Standing::Under(values) => {
                for (place, key) in values {
                    self.take_from_under(place, key, connection);
                }
            }
        }
    }

    fn each_value(&mut self, need: &Need, by: i64) {
        match need {
            Need::Value(place, key) => {
                if !self.counts.contains_key(place) {
                    let none = HashTrieMapSync::new_sync();
                    self.counts.insert_mut(place.clone(), none);
                }
                let Some(keys) = self.counts.get_mut(place) else {
                    return;
                };
                let known = keys.get(key).copied().unwrap_or_default();
                match known.saturating_add_signed(by) {
                    0 => {
                        keys.remove_mut(key);
                    }
                    count => keys.insert_mut(key.clone(), count),
                }
                if keys.is_empty() {
                    self.counts.remove_mut(place);
                }
            }
            Need::All(needs) | Need::Any(needs) => {
                needs.iter().for_each(|need| self.each_value(need, by));
            }
        }
    }

    fn put_under(&mut self, place: &Place, key: &Key, connection: ConnectionId) {
        let root = self.parts.entry(place.part).or_default();
        let leaf = root.at(&place.keys).values.leaf(key, self.next_leaf);
        if leaf.number == self.next_leaf {
            self.next_leaf += 1;
        }
        leaf.list.insert_mut(connection);
    }

    /// A leaf that is empty then goes, and the branches that led to nothing else.
    fn take_from_under(&mut self, place: &Place, key: &Key, connection: ConnectionId) {
        if let Some(root) = self.parts.get_mut(&place.part) {
            root.take(&place.keys, key, connection);
            if root.is_empty() {
                self.parts.remove(&place.part);
            }
        }
    }

    /// The connections whose filters may hold for a request, in their order.
    pub(super) fn candidates(&self, document: &Document<'_>) -> Vec<ConnectionId> {
        let mut found = Vec::new();
        for (part, branch) in &self.parts {
            if let Some(value) = document.part(*part) {
                branch.walk(value, &mut found);
            }
        }
        found.sort_unstable_by_key(|leaf| leaf.number);
        found.dedup_by_key(|leaf| leaf.number);
        let lists = found.iter().flat_map(|leaf| leaf.list.iter());
        let mut candidates: Vec<ConnectionId> = self.always.iter().chain(lists).copied().collect();
        candidates.sort_unstable();
        candidates.dedup();
        candidates
    }

    fn cost(&self, place: &Place, key: &Key) -> u64 {
        let keys = self.counts.get(place);
        let count = keys.and_then(|keys| keys.get(key));
        count.copied().unwrap_or_default()
    }

    /// The cheapest way to meet a need; none when it takes more than [`VALUES_MAX`].
    fn choose<'n>(&self, need: &'n Need) -> Option<Choice<'n>> {
        match need {
            Need::Value(place, key) => Some(Choice {
                cost: self.cost(place, key),
                values: vec![(place, key)],
            }),
            Need::All(needs) => needs
                .iter()
                .filter_map(|need| self.choose(need))
                .min_by_key(|choice| choice.cost),
            Need::Any(needs) => {
                let mut all = Choice {
                    cost: 0,
                    values: Vec::new(),
                };
                for need in needs {
                    let one = self.choose(need)?;
                    all.cost += one.cost;
                    all.values.extend(one.values);
                    if all.values.len() > VALUES_MAX {
                        return None;
                    }
                }
                Some(all)
            }
        }
    }
}

/// Values of which a request must have one, and how many connections need them.
struct Choice<'n> {
    cost: u64,
    values: Vec<(&'n Place, &'n Key)>,
}

impl Branch {
    fn is_empty(&self) -> bool {
        self.fields.is_empty() && self.values.is_empty()
    }

    /// The branch at the end of these keys, made where there is none.
    fn at(&mut self, keys: &[String]) -> &mut Self {
        let Some((key, rest)) = keys.split_first() else {
            return self;
        };
        if !self.fields.contains_key(key) {
            self.fields.insert_mut(key.clone(), Self::default());
        }
        self.fields
            .get_mut(key)
            .expect("it was put there just now")
            .at(rest)
    }

    fn take(&mut self, keys: &[String], key: &Key, connection: ConnectionId) {
        let Some((field, rest)) = keys.split_first() else {
            return self.values.take(key, connection);
        };
        let Some(branch) = self.fields.get_mut(field) else {
            return;
        };
        branch.take(rest, key, connection);
        if branch.is_empty() {
            self.fields.remove_mut(field);
        }
    }

    fn walk<'i>(&'i self, value: &Tree, found: &mut Vec<&'i Leaf>) {
        match value {
            // Filters look through arrays.
            Tree::List(elements) => elements.iter().for_each(|value| self.walk(value, found)),
            Tree::Object(map) => self.walk_fields(map, found),
            scalar => found.extend(self.values.of(scalar)),
        }
    }

    fn walk_fields<'i>(&'i self, map: &Members, found: &mut Vec<&'i Leaf>) {
        // The shorter of both is gone through.
        if map.len() < self.fields.size() {
            for (key, value) in map.iter() {
                if let Some(branch) = self.fields.get(key.as_str()) {
                    branch.walk(value, found);
                }
            }
            return;
        }
        for (key, branch) in self.fields.iter() {
            if let Some(value) = map.get(key) {
                branch.walk(value, found);
            }
        }
    }
}

impl Leaf {
    fn new(number: u64) -> Self {
        Self {
            number,
            list: List::new_sync(),
        }
    }
}

impl Values {
    fn is_empty(&self) -> bool {
        self.null.is_none() && self.numbers.is_empty() && self.texts.is_empty()
    }

    /// The leaf of a value. Where there is none, one of this number is made.
    fn leaf(&mut self, key: &Key, number: u64) -> &mut Leaf {
        let made = "it was put there just now";
        match key {
            Key::Null => self.null.get_or_insert_with(|| Leaf::new(number)),
            Key::Number(bits) => {
                if !self.numbers.contains_key(bits) {
                    self.numbers.insert_mut(*bits, Leaf::new(number));
                }
                self.numbers.get_mut(bits).expect(made)
            }
            Key::Text(text) => {
                if !self.texts.contains_key(text) {
                    self.texts.insert_mut(text.clone(), Leaf::new(number));
                }
                self.texts.get_mut(text).expect(made)
            }
        }
    }

    fn take(&mut self, key: &Key, connection: ConnectionId) {
        let emptied = |leaf: Option<&mut Leaf>| {
            leaf.is_some_and(|leaf| {
                leaf.list.remove_mut(&connection);
                leaf.list.is_empty()
            })
        };
        match key {
            Key::Null => {
                if emptied(self.null.as_mut()) {
                    self.null = None;
                }
            }
            Key::Number(bits) => {
                if emptied(self.numbers.get_mut(bits)) {
                    self.numbers.remove_mut(bits);
                }
            }
            Key::Text(text) => {
                if emptied(self.texts.get_mut(text)) {
                    self.texts.remove_mut(text);
                }
            }
        }
    }

    fn of(&self, scalar: &Tree) -> Option<&Leaf> {
        match scalar {
            Tree::Null => self.null.as_ref(),
            scalar => match (Number::of(scalar), scalar) {
                (Some(number), _) => self.numbers.get(&number.nearest_bits()),
                (None, Tree::Text(text)) => self.texts.get(text),
                _ => None,
            },
        }
    }
}
