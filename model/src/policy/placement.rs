//! Placement of requests: the partition that takes one is any, or one that all who must see it together agree on.

use super::{
    dedup::{Deduplicate, Fingerprints, Selection},
    document::Part,
    signature::{self, Tokens},
};
use crate::{
    catalog::{Connection, Source},
    fingerprint::{Fingerprint, Scope},
    ids::{GroupId, SourceId},
    machine::Once,
};

/// The grouping keys of a source: what it and its connections compare its requests by.
#[derive(Clone, Debug, Default)]
pub struct Needs {
    once: Option<Deduplicate>,
    order: Option<Selection>,
    together: Together,
    /// What its scheme finds that may be used once only.
    tokens: Tokens,
}

/// Which requests of a source have to be in one partition.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
enum Together {
    /// None: each goes where it is cheapest.
    #[default]
    None,
    /// Those that are equal in this.
    Equal(Selection),
    /// All: several rules have nothing in common but the source.
    All,
}

impl Needs {
    /// Counts in a source's own rules.
    pub fn add_source(&mut self, source: &Source) {
        self.tokens = signature::tokens(&source.verification);
        self.once = source.deduplicate.as_deref().map(Deduplicate::of);
        let key = &source.ordering_key;
        self.order = (!key.is_empty()).then(|| Selection::only(key));
        let once = self.once.iter().map(|once| &once.selection);
        for selection in once.chain(&self.order) {
            self.together.add(selection);
        }
    }

    /// Counts in a connection, disabled or not: a switch that is flipped must not move requests elsewhere.
    pub fn add_connection(&mut self, connection: &Connection) {
        if let Some(rule) = connection.deduplicate() {
            self.together.add(&Selection::of(rule));
        }
    }

    /// The idempotency key of a request at the source.
    #[must_use]
    pub fn once<'a>(&'a self, source: SourceId, request: &Fingerprints<'a>) -> Option<Once> {
        let once = self.once.as_ref()?;
        once.once(request, Scope::Source, source.0)
    }

    /// The ordering key of a request: the queue of turns that its events wait in.
    #[must_use]
    pub fn order<'a>(
        &'a self,
        source: SourceId,
        request: &Fingerprints<'a>,
    ) -> Option<Fingerprint> {
        let key = request.of(self.order.as_ref()?)?;
        Some(key.within(Scope::Order, source.0))
    }

    /// The placement of a request of the source; with the token that it was proven by, where there is one.
    #[must_use]
    pub fn place<'a>(
        &'a self,
        source: SourceId,
        token: Option<Once>,
        request: &Fingerprints<'a>,
    ) -> Placement {
        match &self.together {
            Together::None => {
                token.map_or(Placement::Any, |token| Placement::With(token.fingerprint))
            }
            // Equal tokens in requests that are equal in nothing else must meet too.
            Together::Equal(selection) if self.tokens.may_part_over(selection) => {
                Placement::With(Fingerprint::default().within(Scope::Source, source.0))
            }
            // One that has none of the fields is like no other, so nobody looks for it.
            Together::Equal(selection) => request
                .of(selection)
                .map_or(Placement::Any, Placement::With),
            Together::All => {
                Placement::With(Fingerprint::default().within(Scope::Source, source.0))
            }
        }
    }
}

impl Together {
    fn add(&mut self, selection: &Selection) {
        match self {
            Self::None => *self = Self::Equal(selection.clone()),
            Self::Equal(known) if known == selection => {}
            Self::Equal(_) | Self::All => *self = Self::All,
        }
    }
}

impl Tokens {
    /// Whether two requests with one token may differ in what is compared: all but a body that was signed with it.
    fn may_part_over(self, selection: &Selection) -> bool {
        let only_body = match selection {
            Selection::Only(fields) => fields.iter().all(|field| field.part() == Part::Body),
            Selection::Whole | Selection::AllBut(_) => false,
        };
        match self {
            Self::None => false,
            Self::WithBody => !only_body,
            Self::Alone => true,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Placement {
    Any,
    /// With all others of this fingerprint.
    With(Fingerprint),
}

impl Placement {
    /// The partition among so many; none where any will do.
    #[must_use]
    pub fn group(self, partitions: u16) -> Option<GroupId> {
        match self {
            Self::Any => None,
            Self::With(fingerprint) => {
                let place = fingerprint.number() % u64::from(partitions.max(1));
                Some(GroupId(u16::try_from(place + 1).unwrap_or(1)))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn needs_that_agree_are_one_and_others_leave_the_source() {
        let only = |names: &[&str]| {
            let fields: Vec<_> = names.iter().map(|n| n.parse().expect(n)).collect();
            Selection::only(&fields)
        };
        let of = |selections: &[Selection]| {
            let mut together = Together::default();
            selections
                .iter()
                .for_each(|selection| together.add(selection));
            together
        };
        assert_eq!(of(&[]), Together::None);
        let agreed = only(&["body.a", "body.b"]);
        assert_eq!(
            of(&[agreed.clone(), only(&["body.b", "body.a"])]),
            Together::Equal(agreed.clone())
        );
        assert_eq!(of(&[agreed.clone(), only(&["body.a"])]), Together::All);
        assert_eq!(
            of(&[agreed.clone(), Selection::Whole, agreed]),
            Together::All
        );
    }

    #[test]
    fn requests_with_one_token_meet_whatever_else_is_compared() {
        let only = |name: &str| Selection::only(&[name.parse().expect(name)]);
        for (tokens, selection, may_part) in [
            (Tokens::None, only("headers.x-id"), false),
            (Tokens::WithBody, only("body.id"), false),
            (Tokens::WithBody, only("headers.x-id"), true),
            (Tokens::WithBody, Selection::Whole, true),
            (Tokens::Alone, only("body.id"), true),
        ] {
            assert_eq!(tokens.may_part_over(&selection), may_part, "{tokens:?}");
        }
    }

    proptest! {
        #[test]
        fn equal_fingerprints_go_to_one_partition_and_none_goes_astray(id: u128, partitions in 0u16..100) {
            let with = Placement::With(Fingerprint::default().within(Scope::Source, id));
            let group = with.group(partitions);
            prop_assert_eq!(group, with.group(partitions));
            let group = group.expect("a partition").0;
            prop_assert!((1..=partitions.max(1)).contains(&group));
            prop_assert_eq!(Placement::Any.group(partitions), None);
        }
    }

    #[test]
    fn sources_spread_over_the_partitions() {
        let groups: std::collections::BTreeSet<_> = (0..60)
            .map(|id| Placement::With(Fingerprint::default().within(Scope::Source, id)).group(6))
            .collect();
        assert_eq!(groups.len(), 6);
    }
}
