//! The outbox of one node towards one home: the asks of its lanes, gathered into statements, one under way at a time.

use super::{
    Holding,
    lease::{ASKS_MAX, Answer, Ask, Claim, Reply, Share, Statement},
};
use crate::{ids::DestinationId, time::Monotone};
use std::collections::BTreeMap;

/// Longer than the longest period of a rate, an hour: an older use is of no interest.
const USE_KEPT_US: u64 = 4000 * 1_000_000;

/// A node that has said nothing for so long says so: only an answer tells that the home is another one.
const SILENT_US: u64 = 1_000_000;

/// A home that another than it should be has answered for is told again after this.
const CLAIM_AGAIN_US: u64 = 50_000;

/// Given by a home, and perhaps not yet in the hands of the lane.
#[derive(Clone, Copy, Debug)]
struct Given {
    answer: Answer,
    until: Monotone,
}

#[derive(Clone, Debug)]
pub struct Outbox {
    boot: u64,
    started: Monotone,
    asks: BTreeMap<DestinationId, Ask>,
    holdings: BTreeMap<DestinationId, Holding>,
    given: BTreeMap<DestinationId, Given>,
    /// Last uses of slow destinations whose lanes are gone.
    uses: BTreeMap<DestinationId, Monotone>,
    under_way: bool,
    /// When all that this node has was last told.
    claimed_at: Option<Monotone>,
    said_at: Monotone,
    /// The term of the home that knows all that this node has, and which of that term it is.
    told: Option<(u64, u64)>,
}

impl Outbox {
    /// An empty outbox of a process that drew `boot` when it started.
    #[must_use]
    pub fn new(boot: u64, started: Monotone) -> Self {
        Self {
            boot,
            started,
            asks: BTreeMap::new(),
            holdings: BTreeMap::new(),
            given: BTreeMap::new(),
            uses: BTreeMap::new(),
            under_way: false,
            claimed_at: None,
            said_at: started,
            told: None,
        }
    }

    /// Queues a lane's ask. Its earlier one, if it still waits, is no longer of interest.
    pub fn push(&mut self, destination: DestinationId, ask: Ask) {
        self.asks.insert(destination, ask);
    }

    /// Notes what a lane holds now.
    pub fn holds(&mut self, destination: DestinationId, holding: Holding) {
        if self
            .given
            .get(&destination)
            .is_some_and(|given| !holding.awaits(given.answer.number))
        {
            self.given.remove(&destination);
        }
        self.holdings.insert(destination, holding);
    }

    /// Forgets a lane that is gone. It had given back what it had.
    pub fn gone(&mut self, destination: DestinationId) {
        let holding = self.holdings.remove(&destination);
        if let Some(at) = holding.and_then(|holding| holding.last_use()) {
            self.uses.insert(destination, at);
        }
    }

    /// The next message, for the home of this term: everything that waits, up to a message's bound, and all that this
    /// node has if that home has not heard it yet. None while there is nothing to say or one is under way.
    pub fn next(&mut self, term: Option<u64>, now: Monotone) -> Option<Statement> {
        let lately = |at: Monotone| now.since_us(at) < CLAIM_AGAIN_US;
        let is_new =
            term.is_some_and(|term| self.is_new(term)) && !self.claimed_at.is_some_and(lately);
        let was_silent = term.is_some() && now.since_us(self.said_at) >= SILENT_US;
        if self.under_way || (self.asks.is_empty() && !is_new && !was_silent) {
            return None;
        }
        self.said_at = now;
        self.under_way = true;
        let mut asks = Vec::new();
        while asks.len() < ASKS_MAX
            && let Some(ask) = self.asks.pop_first()
        {
            asks.push(ask);
        }
        if is_new {
            self.claimed_at = Some(now);
        }
        Some(Statement {
            boot: self.boot,
            up_us: now.since_us(self.started),
            claims: is_new.then(|| self.claims(now)),
            asks,
        })
    }

    fn claims(&mut self, now: Monotone) -> Vec<(DestinationId, Claim)> {
        self.uses.retain(|_, at| now.since_us(*at) < USE_KEPT_US);
        self.given.retain(|_, given| now < given.until);
        let mut claims: BTreeMap<DestinationId, Claim> = BTreeMap::new();
        for (destination, at) in &self.uses {
            let claim = claims.entry(*destination).or_default();
            claim.unused_us = Some(now.since_us(*at));
        }
        for (destination, holding) in &self.holdings {
            let claim = claims.entry(*destination).or_default();
            let told = holding.claim(now);
            claim.holds = told.holds;
            // A lane that has used nothing yet knows less than its predecessor.
            claim.unused_us = told.unused_us.or(claim.unused_us);
        }
        for (destination, given) in &self.given {
            let claim = claims.entry(*destination).or_default();
            claim.holds = the_larger(claim.holds, given.answer.share);
        }
        claims
            .into_iter()
            .filter(|(_, claim)| *claim != Claim::default())
            .collect()
    }

    /// The home has answered the message that was under way.
    pub fn replied(&mut self, statement: &Statement, reply: &Reply, now: Monotone) {
        self.under_way = false;
        let home = Some((reply.term, reply.home));
        if statement.claims.is_some() {
            self.told = home;
        } else if self.told != home {
            self.told = None;
        }
        for (destination, answer) in &reply.answers {
            let awaited = self
                .holdings
                .get(destination)
                .is_none_or(|holding| holding.awaits(answer.number));
            if awaited && answer.share != Share::None {
                // Counted from now, so rather too long.
                let until = now.plus_ms(answer.lease_ms.into());
                let answer = *answer;
                self.given.insert(*destination, Given { answer, until });
            }
        }
    }

    /// The message that was under way has no answer, and none that comes now is used.
    pub fn failed(&mut self) {
        self.under_way = false;
    }

    /// Whether this home has still to hear what this node has.
    #[must_use]
    pub fn is_new(&self, term: u64) -> bool {
        self.told.is_none_or(|(told, _)| told != term)
    }
}

/// Of two accounts of what a lane has, the one that asks more caution.
fn the_larger(one: Share, other: Share) -> Share {
    match (one, other) {
        (
            Share::Rate { tokens, room, cost },
            Share::Rate {
                tokens: more,
                room: larger,
                cost: same,
            },
        ) if cost == same => Share::Rate {
            tokens: tokens.max(more),
            room: room.max(larger),
            cost,
        },
        (Share::Slots(some), Share::Slots(more)) => Share::Slots(some.max(more)),
        (one, Share::None) => one,
        (_, other) => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::delivery::{Demand, Limit, Pace, Rate, taker::Taker};

    const A: DestinationId = DestinationId(1);
    const RATE: Rate = Rate {
        limit: 100,
        period_ms: 1000,
    };
    const BUSY: Demand = Demand {
        waiting: 9,
        in_flight: 0,
    };

    fn at(ms: u64) -> Monotone {
        Monotone(1_000_000 + ms * 1000)
    }

    fn asking() -> (Taker, Ask) {
        let limit = Limit::Rate(RATE);
        let mut taker = Taker::new(Pace { window: 9, limit });
        let ask = taker.ask(BUSY, at(0)).expect("it has nothing");
        (taker, ask)
    }

    fn answer(number: u64) -> Answer {
        Answer {
            number,
            share: Share::Rate {
                tokens: 100,
                cost: RATE.cost(),
                room: RATE.budget(),
            },
            level: Some(0),
            turn: None,
            lease_ms: 1000,
            again_ms: 300,
        }
    }

    fn reply(term: u64, number: u64) -> Reply {
        Reply {
            term,
            home: 1,
            answers: vec![(A, answer(number))],
        }
    }

    #[test]
    fn one_message_is_under_way_and_the_newest_asks_go_with_the_next() {
        let (_, ask) = asking();
        let mut outbox = Outbox::new(7, at(0));
        assert_eq!(outbox.next(None, at(1)), None);
        outbox.push(A, ask);
        let first = outbox.next(None, at(1)).expect("an ask waits");
        assert_eq!((first.boot, first.up_us), (7, 1000));
        assert_eq!((first.claims, first.asks), (None, vec![(A, ask)]));
        let later = Ask {
            number: ask.number + 1,
            ..ask
        };
        outbox.push(A, ask);
        outbox.push(A, later);
        assert_eq!(outbox.next(None, at(2)), None);
        outbox.failed();
        let second = outbox.next(None, at(3)).expect("it is its turn");
        assert_eq!(second.asks, [(A, later)]);
    }

    #[test]
    fn a_new_home_is_told_what_was_given_even_before_the_lane_knows() {
        let (mut taker, ask) = asking();
        let mut outbox = Outbox::new(7, at(0));
        outbox.holds(A, taker.holding(0));
        outbox.push(A, ask);
        let first = outbox.next(Some(1), at(1)).expect("an ask waits");
        assert_eq!(first.claims, Some(vec![]));
        outbox.replied(&first, &reply(1, ask.number), at(2));
        assert_eq!(outbox.next(Some(1), at(3)), None);
        // The lane has the answer in its mailbox when another home comes up.
        let claims = outbox.next(Some(2), at(100)).expect("a new home").claims;
        let claims = claims.expect("all that there is");
        assert_eq!(claims[0].1.holds, answer(ask.number).share);
        outbox.failed();
        taker.answered(&answer(ask.number), at(110));
        outbox.holds(A, taker.holding(0));
        let again = outbox.next(Some(2), at(200)).expect("it has not heard");
        assert_eq!(again.claims.map(|claims| claims.len()), Some(1));
        // Once its lease is over there is nothing to tell.
        outbox.failed();
        let late = outbox.next(Some(2), at(2000)).expect("it has not heard");
        assert_eq!(late.claims, Some(vec![]));
    }

    #[test]
    fn a_home_that_was_restarted_within_its_term_is_told_anew() {
        let mut outbox = Outbox::new(7, at(0));
        let first = Reply {
            answers: Vec::new(),
            ..reply(1, 0)
        };
        let claims = outbox.next(Some(1), at(1)).expect("a new home");
        outbox.replied(&claims, &first, at(2));
        assert_eq!(outbox.next(Some(1), at(1000)), None);
        let hello = outbox.next(Some(1), at(1001)).expect("it was silent");
        assert_eq!((&hello.claims, hello.asks.len()), (&None, 0));
        outbox.replied(&hello, &first, at(1002));
        assert_eq!(outbox.next(Some(1), at(2000)), None);
        let hello = outbox.next(Some(1), at(2001)).expect("it was silent");
        let restarted = Reply {
            home: 2,
            ..first.clone()
        };
        outbox.replied(&hello, &restarted, at(2002));
        let claims = outbox.next(Some(1), at(2003)).expect("it knows nothing");
        assert_eq!(claims.claims, Some(vec![]));
        outbox.replied(&claims, &restarted, at(2004));
        assert_eq!(outbox.next(Some(1), at(3000)), None);
    }

    #[test]
    fn the_last_use_of_a_slow_destination_outlives_its_lane() {
        let limit = Limit::Rate(Rate {
            limit: 1,
            period_ms: 60_000,
        });
        let mut taker = Taker::new(Pace { window: 9, limit });
        let ask = taker.ask(BUSY, at(0)).expect("it has nothing");
        let Limit::Rate(rate) = limit else { return };
        let share = Share::Rate {
            tokens: 1,
            cost: rate.cost(),
            room: rate.budget(),
        };
        let level = Some(rate.cost());
        taker.answered(
            &Answer {
                share,
                level,
                ..answer(ask.number)
            },
            at(1),
        );
        assert!(taker.take(0, at(5)).is_some());
        let mut outbox = Outbox::new(7, at(0));
        outbox.holds(A, taker.holding(0));
        outbox.gone(A);
        let claims = outbox.next(Some(1), at(9_005)).expect("a new home").claims;
        let expected = Claim {
            holds: Share::None,
            unused_us: Some(9_000_000),
        };
        assert_eq!(claims, Some(vec![(A, expected)]));
    }
}
