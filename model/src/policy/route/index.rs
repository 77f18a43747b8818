//! Finds the connections whose filters may hold, by single values that the filters can't do without.
//!
//! Each connection stands under the rarest condition that one of its filters needs ([`Need`]): some values at some places. A
//! request is walked along those places once, and only what stands under its values is asked. A connection whose filters
//! need no such value (`$gt`, `$not`, `$exist: false`) is asked always.

use crate::policy::{
    document::{Document, Part},
    filter::{Key, Need, Number, Place},
};
use crate::tree::{Members, Text, Tree};
use std::collections::HashMap;

/// Values that one connection stands under at most; one that would need more is asked always.
const VALUES_MAX: usize = 256;

#[derive(Debug, Default)]
pub(super) struct Index {
    parts: HashMap<Part, Branch>,
    /// The connections under each value.
    lists: Vec<Vec<usize>>,
    always: Vec<usize>,
}

/// What is asked for at one place and further down.
#[derive(Debug, Default)]
struct Branch {
    fields: HashMap<String, Branch>,
    values: Values,
}

/// The lists of the values that are asked for at one place.
#[derive(Debug, Default)]
struct Values {
    null: Option<usize>,
    /// By the bits of the double next to each.
    numbers: HashMap<u64, usize>,
    texts: HashMap<Text, usize>,
}

/// How many connections need a value at a place: what asking by it would cost.
type Counts<'n> = HashMap<(&'n Place, &'n Key), u64>;

impl Index {
    /// Of connections by their places, each with what its filters need.
    pub(super) fn new<'n>(connections: impl Iterator<Item = (usize, &'n [Need])> + Clone) -> Self {
        let mut counts = Counts::new();
        for need in connections.clone().flat_map(|(_, needs)| needs) {
            count(need, &mut counts);
        }
        let mut index = Self::default();
        for (connection, needs) in connections {
            let best = needs.iter().filter_map(|need| choose(need, &counts));
            match best.min_by_key(|choice| choice.cost) {
                None => index.always.push(connection),
                Some(choice) => {
                    for (place, key) in choice.values {
                        index.put(place, key, connection);
                    }
                }
            }
        }
        index
    }

    fn put(&mut self, place: &Place, key: &Key, connection: usize) {
        let root = self.parts.entry(place.part).or_default();
        let branch = place.keys.iter().fold(root, |branch, key| {
            branch.fields.entry(key.clone()).or_default()
        });
        let next = self.lists.len();
        let values = &mut branch.values;
        let list = match key {
            Key::Null => *values.null.get_or_insert(next),
            Key::Number(number) => *values.numbers.entry(*number).or_insert(next),
            Key::Text(text) => *values.texts.entry(text.clone()).or_insert(next),
        };
        if list == next {
            self.lists.push(Vec::new());
        }
        let list = &mut self.lists[list];
        // A filter may name one value twice.
        if list.last() != Some(&connection) {
            list.push(connection);
        }
    }

    /// The connections whose filters may hold for a request, in their order.
    pub(super) fn candidates(&self, document: &Document<'_>) -> Vec<usize> {
        let mut found = Vec::new();
        for (part, branch) in &self.parts {
            if let Some(value) = document.part(*part) {
                branch.walk(value, &mut found);
            }
        }
        // Many elements of a request may lead to one list.
        found.sort_unstable();
        found.dedup();
        let lists = found.iter().map(|list| &self.lists[*list]);
        let mut candidates = self.always.clone();
        candidates.extend(lists.flatten());
        candidates.sort_unstable();
        candidates.dedup();
        candidates
    }
}

impl Branch {
    fn walk(&self, value: &Tree, found: &mut Vec<usize>) {
        match value {
            // Filters look through arrays.
            Tree::List(elements) => elements.iter().for_each(|value| self.walk(value, found)),
            Tree::Object(map) => self.walk_fields(map, found),
            scalar => found.extend(self.values.list_of(scalar)),
        }
    }

    fn walk_fields(&self, map: &Members, found: &mut Vec<usize>) {
        // The shorter of both is gone through.
        if map.len() < self.fields.len() {
            for (key, value) in map.iter() {
                if let Some(branch) = self.fields.get(key.as_str()) {
                    branch.walk(value, found);
                }
            }
            return;
        }
        for (key, branch) in &self.fields {
            if let Some(value) = map.get(key) {
                branch.walk(value, found);
            }
        }
    }
}

impl Values {
    fn list_of(&self, scalar: &Tree) -> Option<usize> {
        match scalar {
            Tree::Null => self.null,
            scalar => match (Number::of(scalar), scalar) {
                (Some(number), _) => self.numbers.get(&number.nearest_bits()).copied(),
                (None, Tree::Text(text)) => self.texts.get(text).copied(),
                _ => None,
            },
        }
    }
}

fn count<'n>(need: &'n Need, counts: &mut Counts<'n>) {
    match need {
        Need::Value(place, key) => *counts.entry((place, key)).or_default() += 1,
        Need::All(needs) | Need::Any(needs) => needs.iter().for_each(|need| count(need, counts)),
    }
}

/// Values of which a request must have one, and how many connections stand under them.
struct Choice<'n> {
    cost: u64,
    values: Vec<(&'n Place, &'n Key)>,
}

/// The cheapest way to meet a need; none when it takes more than [`VALUES_MAX`].
fn choose<'n>(need: &'n Need, counts: &Counts<'n>) -> Option<Choice<'n>> {
    match need {
        Need::Value(place, key) => Some(Choice {
            cost: counts.get(&(place, key)).copied().unwrap_or_default(),
            values: vec![(place, key)],
        }),
        Need::All(needs) => needs
            .iter()
            .filter_map(|need| choose(need, counts))
            .min_by_key(|choice| choice.cost),
        Need::Any(needs) => {
            let mut all = Choice {
                cost: 0,
                values: Vec::new(),
            };
            for need in needs {
                let one = choose(need, counts)?;
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
