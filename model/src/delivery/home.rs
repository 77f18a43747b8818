//! The pacing home of some destinations: it alone gives out what they bear, in leases, so that all nodes together never
//! use more. It knows only what it was told in its own term.

mod fair;
mod ledger;
mod slots;
mod tokens;

use super::{
    Limit,
    lease::{Answer, Reply, Statement},
};
use crate::{
    ids::{DestinationId, GroupId, NodeId},
    time::Monotone,
};
use ledger::{Known, Ledger};
use std::collections::BTreeMap;

/// The partition whose leader is a destination's home.
#[must_use]
pub fn home_of(destination: DestinationId, partitions: u16) -> GroupId {
    // The digits of an id are time and chance; multiplied, both reach the upper ones (splitmix64).
    let folded = (destination.0 as u64) ^ ((destination.0 >> 64) as u64);
    let mixed = (folded ^ (folded >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    let place = (mixed ^ (mixed >> 31)) % u64::from(partitions.max(1));
    GroupId(1 + place as u16)
}

/// One process of one node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct TakerId {
    node: NodeId,
    boot: u64,
}

#[derive(Clone, Copy, Debug)]
struct Heard {
    boot: u64,
    at: Monotone,
    /// When its process started.
    started: Monotone,
}

#[derive(Clone, Debug)]
pub struct Home {
    term: u64,
    /// Which of the term's homes it is.
    id: u64,
    /// Since when it is the home. Whoever was before it has given nothing since.
    since: Monotone,
    /// Nodes that have told all that they have.
    heard: BTreeMap<NodeId, Heard>,
    ledgers: BTreeMap<DestinationId, Ledger>,
}

impl Home {
    /// The home of a term, under an id drawn for it alone.
    #[must_use]
    pub fn new(term: u64, id: u64, since: Monotone) -> Self {
        Self {
            term,
            id,
            since,
            heard: BTreeMap::new(),
            ledgers: BTreeMap::new(),
        }
    }

    #[must_use]
    pub fn term(&self) -> u64 {
        self.term
    }

    /// Takes in what a node says and answers its asks. `limit_of` tells what a destination bears now; `members` are the
    /// nodes of the cluster.
    pub fn answer(
        &mut self,
        node: NodeId,
        statement: &Statement,
        limit_of: impl Fn(DestinationId) -> Limit,
        members: &[NodeId],
        now: Monotone,
    ) -> Reply {
        let taker = TakerId {
            node,
            boot: statement.boot,
        };
        let heard = Heard {
            boot: statement.boot,
            at: now,
            started: now.minus_us(statement.up_us),
        };
        if self.is_of_the_past(node, heard) {
            return Reply {
                term: self.term,
                home: self.id,
                answers: Vec::new(),
            };
        }
        if let Some(claims) = &statement.claims {
            for ledger in self.ledgers.values_mut() {
                ledger.bury_earlier(taker, now);
            }
            for (destination, claim) in claims {
                let limit = limit_of(*destination);
                if let Some(ledger) = self.ledger(*destination, limit, now) {
                    ledger.claim(taker, claim, now);
                }
            }
            self.heard.insert(node, heard);
        }
        let known = self.known(members);
        let mut answers = Vec::with_capacity(statement.asks.len());
        for (destination, ask) in &statement.asks {
            let answer = match self.ledger(*destination, limit_of(*destination), now) {
                Some(ledger) => ledger.answer(taker, ask, known, now),
                // Nothing to give: whoever still asks will learn that it may do as it likes.
                None => Some(Answer::nothing(ask.number)),
            };
            answers.extend(answer.map(|answer| (*destination, answer)));
        }
        Reply {
            term: self.term,
            home: self.id,
            answers,
        }
    }

    /// Whether this was said by a process of which a later one has been heard.
    fn is_of_the_past(&self, node: NodeId, said: Heard) -> bool {
        let last = self.heard.get(&node);
        last.is_some_and(|last| last.boot != said.boot && said.started < last.started)
    }

    fn known(&self, members: &[NodeId]) -> Option<Known> {
        let heard = members.iter().map(|node| self.heard.get(node).copied());
        let heard: Vec<Heard> = heard.collect::<Option<_>>()?;
        Some(Known {
            at: heard.iter().map(|heard| heard.at).max()?,
            started: heard.iter().map(|heard| heard.started).max()?,
        })
    }

    fn ledger(
        &mut self,
        destination: DestinationId,
        limit: Limit,
        now: Monotone,
    ) -> Option<&mut Ledger> {
        if limit == Limit::None {
            self.ledgers.remove(&destination);
            return None;
        }
        let since = self.since;
        let ledger = self
            .ledgers
            .entry(destination)
            .or_insert_with(|| Ledger::new(limit, since));
        ledger.set(limit, now);
        Some(ledger)
    }

    /// Forgets destinations that nobody wants anything of and that have nothing to remember.
    pub fn forget(&mut self, now: Monotone) {
        self.ledgers.retain(|_, ledger| !ledger.is_blank(now));
    }

    /// Destinations that are remembered.
    #[must_use]
    pub fn len(&self) -> usize {
        self.ledgers.len()
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ledgers.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        delivery::{Answer, Ask, Rate, Share},
        ids::ProjectNumber,
        time::Timestamp,
    };

    #[test]
    fn homes_are_spread_over_all_partitions_and_stay_where_they_are() {
        let mut homes = BTreeMap::new();
        for number in 0..6_000u64 {
            // As one operator creates them, one after the other.
            let entropy =
                u128::from(number).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835);
            let id = DestinationId::mint(
                ProjectNumber::DEFAULT,
                Timestamp(1_700_000_000_000 + number),
                entropy,
            );
            *homes.entry(home_of(id, 6)).or_insert(0) += 1;
        }
        assert_eq!(homes.len(), 6);
        assert!(
            homes.values().all(|count| (800..1_200).contains(count)),
            "{homes:?}"
        );
        assert!(homes.keys().all(|group| (1..=6).contains(&group.0)));
        // All nodes must agree, whatever their version: these may never change.
        assert_eq!(home_of(DestinationId(1), 6), GroupId(2));
        assert_eq!(home_of(DestinationId(u128::MAX), 6), GroupId(1));
    }

    const D: DestinationId = DestinationId(5);
    const RATE: Rate = Rate {
        limit: 100,
        period_ms: 1000,
    };
    const MEMBERS: [NodeId; 2] = [1, 2];

    fn at(ms: u64) -> Monotone {
        Monotone(50_000_000 + ms * 1000)
    }

    fn share(tokens: u32) -> Share {
        Share::Rate {
            tokens,
            cost: RATE.cost(),
            room: RATE.budget() / 2,
        }
    }

    fn asks(number: u64, holds: Share) -> Statement {
        let ask = Ask {
            number,
            wants: u32::MAX,
            holds,
            returns: 0,
        };
        Statement {
            boot: 1,
            up_us: 1,
            claims: None,
            asks: vec![(D, ask)],
        }
    }

    fn told(home: &mut Home, node: NodeId, statement: &Statement, now: Monotone) -> Answer {
        let limit = |_| Limit::Rate(RATE);
        let reply = home.answer(node, statement, limit, &MEMBERS, now);
        reply.answers[0].1
    }

    #[test]
    fn a_new_home_renews_what_is_held_and_gives_no_more_until_the_longest_lease_is_over() {
        let mut home = Home::new(1, 1, at(0));
        let answer = told(&mut home, 1, &asks(1, share(50)), at(10));
        assert_eq!(answer.share, share(50));
        assert_eq!(answer.level, None);
        let answer = told(&mut home, 2, &asks(1, Share::None), at(20));
        assert_eq!(answer.share, Share::None);
        // The other half was perhaps with somebody who is silent now.
        let answer = told(&mut home, 2, &asks(2, Share::None), at(1001));
        assert!(
            matches!(answer.share, Share::Rate { tokens: 50, .. }),
            "{answer:?}"
        );
        assert_eq!(answer.level, Some(50_000));
    }

    #[test]
    fn when_all_have_told_what_they_hold_nobody_needs_to_wait() {
        let mut home = Home::new(1, 1, at(0));
        for node in MEMBERS {
            let claims = Statement {
                claims: Some(Vec::new()),
                asks: Vec::new(),
                ..asks(0, Share::None)
            };
            let limit = |_| Limit::Rate(RATE);
            home.answer(node, &claims, limit, &MEMBERS, at(10));
        }
        let answer = told(&mut home, 1, &asks(1, Share::None), at(30));
        assert!(
            matches!(answer.share, Share::Rate { tokens: 100, .. }),
            "{answer:?}"
        );
    }

    #[test]
    fn an_older_ask_is_not_answered_and_an_unpaced_destination_not_remembered() {
        let mut home = Home::new(1, 1, at(0));
        told(&mut home, 1, &asks(5, Share::None), at(2000));
        let limit = |_| Limit::Rate(RATE);
        let reply = home.answer(1, &asks(5, Share::None), limit, &MEMBERS, at(2001));
        assert_eq!(reply.answers, []);
        let reply = home.answer(
            1,
            &asks(6, Share::None),
            |_| Limit::None,
            &MEMBERS,
            at(2002),
        );
        assert_eq!(reply.answers[0].1.share, Share::None);
        assert!(home.is_empty());
    }

    #[test]
    fn what_nobody_wants_any_more_is_forgotten_once_the_bucket_is_full_again() {
        let mut home = Home::new(1, 1, at(0));
        told(&mut home, 1, &asks(1, Share::None), at(2000));
        home.forget(at(4000));
        assert_eq!(home.len(), 1);
        home.forget(at(14_000));
        assert!(home.is_empty());
    }
}
