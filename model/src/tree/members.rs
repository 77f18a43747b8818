//! The members of an object in their order, each as often as it came.

use super::{Text, Tree};
use std::{collections::HashMap, sync::OnceLock};

/// Objects with more members are looked up by an order of their names, made when the first one is asked for.
const FEW: usize = 16;

/// Members by name: of several with one name the last counts.
#[derive(Clone, Debug, Default)]
pub struct Members(Box<Inner>);

#[derive(Clone, Debug, Default)]
struct Inner {
    list: Vec<(Text, Tree)>,
    /// Places in the list, by name and then in their order.
    by_name: OnceLock<Box<[u32]>>,
}

impl Members {
    /// Members, doubles counted.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.list.len()
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.list.is_empty()
    }

    /// All members, doubles too.
    pub fn iter(&self) -> std::slice::Iter<'_, (Text, Tree)> {
        self.0.list.iter()
    }

    /// The values, doubles too.
    pub fn values_mut(&mut self) -> impl Iterator<Item = &mut Tree> {
        self.0.list.iter_mut().map(|(_, value)| value)
    }

    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Tree> {
        self.find(name.as_bytes())
    }

    /// Looks a member up by what a string of the body holds.
    #[must_use]
    pub fn get_text(&self, name: &Text) -> Option<&Tree> {
        self.find(name.bytes())
    }

    fn find(&self, name: &[u8]) -> Option<&Tree> {
        Some(&self.0.list[self.last(name)?].1)
    }

    #[must_use]
    pub fn get_mut(&mut self, name: &str) -> Option<&mut Tree> {
        let at = self.last(name.as_bytes())?;
        Some(&mut self.0.list[at].1)
    }

    /// The members that count: of each name the last one.
    pub fn counting(&self) -> impl Iterator<Item = (&Text, &Tree)> {
        let members = self.0.list.iter().enumerate();
        members
            .filter(|(at, (name, _))| self.last(name.bytes()) == Some(*at))
            .map(|(_, (name, value))| (name, value))
    }

    /// The place of the last member of a name.
    fn last(&self, name: &[u8]) -> Option<usize> {
        let list = &self.0.list;
        if list.len() <= FEW {
            return list.iter().rposition(|(known, _)| known.bytes() == name);
        }
        let known = |place: &u32| list[*place as usize].0.bytes();
        let by_name = self.0.by_name.get_or_init(|| {
            // A tree has far fewer values.
            let mut places: Vec<u32> = (0..).take(list.len()).collect();
            places.sort_by(|one, other| known(one).cmp(known(other)));
            places.into()
        });
        let behind = by_name.partition_point(|place| known(place) <= name);
        let place = by_name[..behind].last()?;
        (known(place) == name).then_some(*place as usize)
    }

    /// The members, to be changed.
    pub fn list_mut(&mut self) -> &mut Vec<(Text, Tree)> {
        self.0.by_name = OnceLock::new();
        &mut self.0.list
    }

    #[must_use]
    pub fn into_list(self) -> Vec<(Text, Tree)> {
        self.0.list
    }

    /// The value of a name, to be changed; null where there was none. From now on it is there once, where the first was.
    pub fn slot(&mut self, name: &str) -> &mut Tree {
        let first = self.0.list.iter().position(|(known, _)| known == name);
        let at = match (first, self.last(name.as_bytes())) {
            (Some(first), Some(last)) if first < last => {
                let value = self.take(name).unwrap_or(Tree::Null);
                self.list_mut().insert(first, (name.into(), value));
                first
            }
            (Some(first), _) => first,
            (None, _) => {
                self.list_mut().push((name.into(), Tree::Null));
                self.len() - 1
            }
        };
        &mut self.0.list[at].1
    }

    /// Takes a name away, however often it is there; gives the value that counted.
    pub fn take(&mut self, name: &str) -> Option<Tree> {
        let at = self.last(name.as_bytes())?;
        let value = self.list_mut().remove(at).1;
        // The last is gone, so only earlier ones can be left.
        if self.0.list[..at].iter().any(|(known, _)| known == name) {
            self.0.list.retain(|(known, _)| known != name);
        }
        Some(value)
    }

    /// Of a name that comes several times the last value, at the place of the first.
    #[must_use]
    pub fn each_once(members: Vec<(Text, Tree)>) -> Self {
        let mut places: HashMap<Text, usize> = HashMap::with_capacity(members.len());
        let mut once: Vec<(Text, Tree)> = Vec::with_capacity(members.len());
        for (name, value) in members {
            match places.get(&name) {
                Some(&place) => once[place].1 = value,
                None => {
                    places.insert(name.clone(), once.len());
                    once.push((name, value));
                }
            }
        }
        once.into()
    }
}

impl From<Vec<(Text, Tree)>> for Members {
    fn from(list: Vec<(Text, Tree)>) -> Self {
        Self(Box::new(Inner {
            list,
            by_name: OnceLock::new(),
        }))
    }
}

impl FromIterator<(Text, Tree)> for Members {
    fn from_iter<I: IntoIterator<Item = (Text, Tree)>>(members: I) -> Self {
        members.into_iter().collect::<Vec<_>>().into()
    }
}

impl PartialEq for Members {
    fn eq(&self, other: &Self) -> bool {
        self.0.list == other.0.list
    }
}

/// Values that become the members of an object; several of one name become a list of them.
#[derive(Default)]
pub(crate) struct Gathered {
    list: Vec<(Text, Tree)>,
    /// Where each name is, once there are many.
    places: HashMap<Text, usize>,
}

impl Gathered {
    pub(crate) fn has(&self, name: &str) -> bool {
        self.place(&name.into()).is_some()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    fn place(&self, name: &Text) -> Option<usize> {
        if self.list.len() <= FEW {
            return self.list.iter().position(|(known, _)| known == name);
        }
        self.places.get(name).copied()
    }

    pub(crate) fn add(&mut self, name: impl Into<Text>, value: Tree) {
        let name = name.into();
        let Some(place) = self.place(&name) else {
            self.list.push((name, value));
            match self.list.len() {
                ..=FEW => {}
                len if self.places.is_empty() => {
                    let names = self.list.iter().map(|(name, _)| name.clone());
                    self.places = names.zip(0..len).collect();
                }
                len => {
                    let newest = self.list[len - 1].0.clone();
                    self.places.insert(newest, len - 1);
                }
            }
            return;
        };
        match &mut self.list[place].1 {
            Tree::List(values) => values.push(value),
            known => {
                let first = std::mem::replace(known, Tree::Null);
                *known = Tree::List(vec![first, value]);
            }
        }
    }
}

impl From<Gathered> for Members {
    fn from(gathered: Gathered) -> Self {
        gathered.list.into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(n: usize) -> Tree {
        Tree::Number((n as u64).into())
    }

    fn fields(names: &[&str]) -> Members {
        let members = names.iter().enumerate();
        members
            .map(|(at, name)| (Text::from(*name), number(at)))
            .collect()
    }

    #[test]
    fn of_a_name_that_comes_twice_the_last_counts_in_small_and_large_objects() {
        for width in [3, 200] {
            let names: Vec<String> = (0..width)
                .map(|n| format!("k{}", n % (width / 2 + 1)))
                .collect();
            let names: Vec<&str> = names.iter().map(String::as_str).collect();
            let fields = fields(&names);
            assert_eq!(fields.get("k0"), Some(&number(width / 2 + 1)), "{width}");
            assert_eq!(fields.get("none"), None);
            let counting: Vec<_> = fields.counting().map(|(name, _)| name.as_str()).collect();
            assert_eq!(counting.len(), width / 2 + 1);
        }
    }

    #[test]
    fn what_is_changed_stands_once_at_its_first_place_and_what_is_taken_is_gone() {
        let mut some = fields(&["a", "b", "a", "c"]);
        *some.slot("a") = Tree::Null;
        assert_eq!(
            some,
            Members::each_once(vec![
                ("a".into(), Tree::Null),
                ("b".into(), number(1)),
                ("c".into(), number(3)),
            ])
        );
        let mut some = fields(&["a", "b", "a", "c"]);
        assert_eq!(some.take("a"), Some(number(2)));
        assert_eq!((some.get("a"), some.len()), (None, 2));
    }

    #[test]
    fn values_of_one_name_are_gathered_in_small_and_large_objects() {
        for width in [3, 100] {
            let mut gathered = Gathered::default();
            for n in 0..2 * width {
                gathered.add(format!("k{}", n % width), number(n));
            }
            let fields = Members::from(gathered);
            assert_eq!(fields.len(), width);
            let both = Tree::List(vec![number(1), number(width + 1)]);
            assert_eq!(fields.get("k1"), Some(&both));
        }
    }

    #[test]
    fn a_large_object_that_was_asked_can_be_changed() {
        let names: Vec<String> = (0..100).map(|n| format!("k{n}")).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let mut fields = fields(&names);
        assert_eq!(fields.get("k7"), Some(&number(7)));
        assert_eq!(fields.take("k7"), Some(number(7)));
        assert_eq!(
            (fields.get("k7"), fields.get("k8")),
            (None, Some(&number(8)))
        );
        *fields.slot("z") = number(1);
        assert_eq!(fields.get("z"), Some(&number(1)));
    }
}
