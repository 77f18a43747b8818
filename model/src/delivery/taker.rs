//! A lane's half of its destination's pace: it asks the home ahead of need, uses what it was given while the lease lasts,
//! and gives back what it does not need.

use super::{
    Limit, Pace,
    bucket::Bucket,
    lease::{Answer, Ask, Claim, Share},
};
use crate::time::Monotone;

/// The renewal interval of a lease in use, in milliseconds: often enough that two lost messages cost nothing.
pub const RENEW_MS: u32 = 300;
/// An ask without an answer for so long is made again.
const PATIENCE_US: u64 = 300_000;
/// An ask that never reached a home is made again after this.
const NO_HOME_US: u64 = 100_000;
/// Without work for so long, it gives back what it has.
const LINGER_US: u64 = 100_000;
/// A lease ends here this part earlier than at its home, whose clock may be a little faster.
const DRIFT: u64 = 50;
/// A share whose next token is further away than this is of more use to its home.
const FAR_US: u64 = 500_000;

/// A lane's demand: the attempts that it has to make, and those in flight.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Demand {
    /// Events that could be attempted at once if the pace allowed.
    pub waiting: u32,
    pub in_flight: u32,
}

/// The right to make one attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Permit {
    /// It must be under way before this. None: whenever.
    pub use_by: Option<Monotone>,
}

/// A lane's holding of its destination's pace, for its node to tell a new home.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Holding {
    share: Share,
    until: Monotone,
    in_flight: u32,
    /// The last attempt of a destination that is slow enough for it to matter.
    last_use: Option<Monotone>,
    /// The last ask, and whether its answer is still to come.
    number: u64,
    unanswered: bool,
}

impl Holding {
    /// Whether an answer on its way to the lane would still be used.
    pub(super) fn awaits(&self, answer: u64) -> bool {
        self.number < answer || (self.number == answer && self.unanswered)
    }

    pub(super) fn last_use(&self) -> Option<Monotone> {
        self.last_use
    }

    pub(super) fn claim(&self, now: Monotone) -> Claim {
        let held = if now < self.until {
            self.share
        } else {
            Share::None
        };
        let holds = match held {
            Share::Slots(slots) => Share::Slots(slots.max(self.in_flight)),
            Share::None if self.in_flight > 0 => Share::Slots(self.in_flight),
            held => held,
        };
        Claim {
            holds,
            unused_us: self.last_use.map(|at| now.since_us(at)),
        }
    }
}

#[derive(Clone, Debug)]
enum Hand {
    Empty,
    Tokens(Bucket),
    Slots { amount: u32, until: Monotone },
}

#[derive(Clone, Debug)]
pub(super) struct Taker {
    pace: Pace,
    hand: Hand,
    number: u64,
    asked_at: Monotone,
    unanswered: bool,
    /// The home has heard the last ask.
    confirmed: bool,
    again_at: Monotone,
    /// Tokens used since the last ask.
    used: u32,
    /// There were too few of them.
    short: bool,
    idle_since: Option<Monotone>,
    /// Slots that the home was told of.
    told: u32,
    /// The home took the share back: this much was left, and it waits to hear so.
    owed: Option<u32>,
    last_use: Option<Monotone>,
}

impl Taker {
    pub(super) fn new(pace: Pace) -> Self {
        Self {
            pace,
            hand: Hand::Empty,
            number: 0,
            asked_at: Monotone::default(),
            unanswered: false,
            confirmed: true,
            again_at: Monotone::default(),
            used: 0,
            short: false,
            idle_since: None,
            told: 0,
            owed: None,
            last_use: None,
        }
    }

    pub(super) fn window(&self) -> u16 {
        self.pace.window
    }

    /// The destination bears this from now on.
    pub(super) fn set(&mut self, pace: Pace, now: Monotone) {
        let before = std::mem::replace(&mut self.pace, pace);
        if before.limit == pace.limit {
            return;
        }
        self.hand = match (std::mem::replace(&mut self.hand, Hand::Empty), pace.limit) {
            // What it has was given for the former rate: until the home has spoken, the lower of both holds.
            (Hand::Tokens(mut bucket), Limit::Rate(rate)) if bucket.cost() == rate.cost() => {
                bucket.slow_down(rate.limit, now);
                Hand::Tokens(bucket)
            }
            (Hand::Slots { amount, until }, Limit::Slots { slots, .. }) => Hand::Slots {
                amount: amount.min(slots),
                until,
            },
            _ => Hand::Empty,
        };
        if !matches!(pace.limit, Limit::Slots { .. }) {
            self.told = 0;
            self.confirmed = true;
        }
        self.unanswered = false;
        self.again_at = now;
        self.owed = None;
    }

    /// Takes the right to one more attempt, if there is one.
    pub(super) fn take(&mut self, in_flight: u32, now: Monotone) -> Option<Permit> {
        let use_by = match (&self.pace.limit, &mut self.hand) {
            (Limit::None, _) => None,
            (Limit::Rate(_), Hand::Tokens(bucket)) => {
                if !bucket.take(now) {
                    self.short |= !bucket.is_over(now);
                    return None;
                }
                Some(bucket.until)
            }
            (Limit::Slots { .. }, Hand::Slots { amount, until }) => {
                if in_flight >= *amount || now >= *until {
                    return None;
                }
                Some(*until)
            }
            _ => return None,
        };
        self.used = self.used.saturating_add(1);
        self.last_use = Some(now);
        Some(Permit { use_by })
    }

    /// Whether attempts are made ready before they have their permit: of a rate, a permit is good for a moment only.
    pub(super) fn is_by_rate(&self) -> bool {
        matches!(self.pace.limit, Limit::Rate(_))
    }

    /// Permits that will have come by then.
    pub(super) fn permits_by(&self, at: Monotone) -> u32 {
        match &self.hand {
            Hand::Tokens(bucket) => bucket.tokens_by(at),
            Hand::Empty | Hand::Slots { .. } => 0,
        }
    }

    /// The time of the next token; none without a bucket.
    pub(super) fn token_at(&self) -> Option<Monotone> {
        match &self.hand {
            Hand::Tokens(bucket) => Some(bucket.ready_at()),
            Hand::Empty | Hand::Slots { .. } => None,
        }
    }

    /// The next lease request to the home, if one is due.
    pub(super) fn ask(&mut self, demand: Demand, now: Monotone) -> Option<Ask> {
        if demand.waiting > 0 {
            self.idle_since = None;
        } else {
            self.idle_since.get_or_insert(now);
        }
        match self.pace.limit {
            Limit::None => None,
            Limit::Rate(_) => self.ask_for_tokens(demand, now),
            Limit::Slots { .. } => self.ask_for_slots(demand, now),
        }
    }

    fn ask_for_tokens(&mut self, demand: Demand, now: Monotone) -> Option<Ask> {
        let wants = match demand.waiting {
            _ if self.short => u32::MAX,
            waiting => waiting.saturating_add(self.used),
        };
        let wants = if self.is_idle(now) { 0 } else { wants };
        if let Some(returns) = self.owed.take() {
            return Some(self.say(wants, Share::None, returns, now));
        }
        let gives_up = self.is_idle(now);
        if let Hand::Tokens(bucket) = &mut self.hand {
            if bucket.is_over(now) {
                self.hand = Hand::Empty;
            } else if gives_up || bucket.turn_is_over() || bucket.ready_at() > now.plus_us(FAR_US) {
                let returns = bucket.left_over(now);
                self.hand = Hand::Empty;
                let farewell = self.say(wants, Share::None, returns, now);
                if wants == 0 {
                    // If it is lost, the lease ends soon enough.
                    self.unanswered = false;
                    self.again_at = now;
                }
                return Some(farewell);
            } else if bucket.is_in_turn() {
                return None;
            } else {
                let holds = bucket.share();
                return (wants > 0 && self.may_ask(now)).then(|| self.say(wants, holds, 0, now));
            }
        }
        (demand.waiting > 0 && self.may_ask(now)).then(|| self.say(wants, Share::None, 0, now))
    }

    fn ask_for_slots(&mut self, demand: Demand, now: Monotone) -> Option<Ask> {
        let idle = self.is_idle(now);
        let mut amount = match &mut self.hand {
            Hand::Slots { until, .. } if now >= *until => 0,
            Hand::Slots { amount, .. } => {
                if idle {
                    *amount = demand.in_flight.min(*amount);
                }
                *amount
            }
            _ => 0,
        };
        amount = amount.max(demand.in_flight);
        let wants = demand.in_flight.saturating_add(demand.waiting);
        let gives_back = amount < self.told;
        // Slots that are not given back in so many words are out of use for a long time.
        let has_business = amount > 0 || demand.waiting > 0 || !self.confirmed;
        if !(gives_back || has_business && self.may_ask(now)) {
            return None;
        }
        let holds = match amount {
            0 => Share::None,
            amount => Share::Slots(amount),
        };
        let ask = self.say(wants, holds, 0, now);
        self.told = amount;
        self.confirmed = false;
        Some(ask)
    }

    fn is_idle(&self, now: Monotone) -> bool {
        self.idle_since
            .is_some_and(|since| now.since_us(since) >= LINGER_US)
    }

    fn may_ask(&self, now: Monotone) -> bool {
        now >= self.ask_at()
    }

    fn ask_at(&self) -> Monotone {
        if self.unanswered {
            self.asked_at.plus_us(PATIENCE_US)
        } else {
            self.again_at
        }
    }

    fn say(&mut self, wants: u32, holds: Share, returns: u32, now: Monotone) -> Ask {
        // Two asks within a microsecond are two asks; a lane that comes after this one counts on from its own time.
        self.number = now.0.max(self.number + 1);
        self.asked_at = now;
        self.unanswered = true;
        self.used = 0;
        self.short = false;
        Ask {
            number: self.number,
            wants,
            holds,
            returns,
        }
    }

    /// The home has answered. What answers an older ask is no longer true.
    pub(super) fn answered(&mut self, answer: &Answer, now: Monotone) {
        if answer.number != self.number || !self.unanswered {
            return;
        }
        self.unanswered = false;
        self.confirmed = true;
        self.again_at = now.plus_ms(answer.again_ms.into());
        let lease_us = u64::from(answer.lease_ms) * 1000;
        let until = self.asked_at.plus_us(lease_us - lease_us / DRIFT);
        match (self.pace.limit, answer.share) {
            (Limit::Rate(rate), Share::Rate { tokens, cost, room }) if cost == rate.cost() => {
                let tokens = tokens.min(rate.limit);
                match (&mut self.hand, answer.level) {
                    (Hand::Tokens(bucket), None) => {
                        bucket.renew((tokens, room), answer.turn, until, now);
                    }
                    (_, level) => {
                        let level = level.unwrap_or(0);
                        let mut bucket = Bucket::new((tokens, cost, room), level, answer.turn, now);
                        bucket.until = until;
                        self.hand = Hand::Tokens(bucket);
                    }
                }
            }
            (Limit::Rate(_), _) => self.lose_tokens(now),
            (Limit::Slots { slots, .. }, Share::Slots(amount)) => {
                // The home counts on whichever is more, until it is told.
                self.told = self.told.max(amount);
                self.hand = Hand::Slots {
                    amount: amount.min(slots),
                    until,
                };
            }
            (Limit::Slots { .. }, _) => self.hand = Hand::Empty,
            (Limit::None, _) => {}
        }
    }

    fn lose_tokens(&mut self, now: Monotone) {
        if let Hand::Tokens(bucket) = &mut self.hand
            && !bucket.is_over(now)
        {
            self.owed = Some(bucket.left_over(now));
        }
        self.hand = Hand::Empty;
    }

    /// Marks the lane as idle: it will have no more work, and what it holds is of use to others.
    pub(super) fn leave(&mut self) {
        self.idle_since = Some(Monotone::default());
    }

    /// The ask of this number reached no home.
    pub(super) fn unanswered(&mut self, number: u64, now: Monotone) {
        if number == self.number && self.unanswered {
            self.unanswered = false;
            self.again_at = now.plus_us(NO_HOME_US);
        }
    }

    /// The next time at which something changes by itself: a token comes, a share is to be renewed or given back.
    pub(super) fn next(&self, demand: Demand, now: Monotone) -> Option<Monotone> {
        let idle_at = self.idle_since.map(|since| since.plus_us(LINGER_US));
        let busy = demand.waiting > 0 || demand.in_flight > 0;
        let times = match (self.pace.limit, &self.hand) {
            (Limit::None, _) => [None, None, None],
            (_, Hand::Tokens(bucket)) if demand.waiting > 0 => {
                let renewed = (!bucket.is_in_turn()).then(|| self.ask_at());
                [Some(bucket.ready_at()), renewed, Some(bucket.until)]
            }
            (_, Hand::Tokens(_)) => [idle_at, None, None],
            (Limit::Slots { .. }, Hand::Slots { amount, until }) => {
                let talks = busy || !self.confirmed;
                let idle_at = idle_at.filter(|_| *amount > demand.in_flight);
                [talks.then(|| self.ask_at()), Some(*until), idle_at]
            }
            (Limit::Slots { .. }, _) if busy || !self.confirmed => {
                [Some(self.ask_at()), None, None]
            }
            _ if demand.waiting > 0 => [Some(self.ask_at()), None, None],
            _ => [None, None, None],
        };
        times.into_iter().flatten().filter(|at| *at > now).min()
    }

    /// Whether it has nothing that its home counts on.
    pub(super) fn is_empty(&self) -> bool {
        match &self.hand {
            Hand::Empty => self.told == 0 && self.confirmed && self.owed.is_none(),
            Hand::Tokens(_) => false,
            Hand::Slots { .. } => self.told == 0 && self.confirmed,
        }
    }

    pub(super) fn holding(&self, in_flight: u32) -> Holding {
        let (share, until) = match &self.hand {
            Hand::Empty => (Share::None, Monotone::default()),
            Hand::Tokens(bucket) => (bucket.share(), bucket.until),
            Hand::Slots { amount, until } => (Share::Slots(*amount), *until),
        };
        let last_use = match self.pace.limit {
            Limit::Rate(rate) if rate.is_slow() => self.last_use,
            _ => None,
        };
        let counts_flights = matches!(self.pace.limit, Limit::Slots { .. });
        Holding {
            share,
            until,
            in_flight: if counts_flights { in_flight } else { 0 },
            last_use,
            number: self.number,
            unanswered: self.unanswered,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::delivery::Rate;

    const RATE: Rate = Rate {
        limit: 100,
        period_ms: 1000,
    };
    const BUSY: Demand = Demand {
        waiting: 9,
        in_flight: 0,
    };
    const IDLE: Demand = Demand {
        waiting: 0,
        in_flight: 0,
    };

    fn pace(limit: Limit) -> Pace {
        Pace { window: 16, limit }
    }

    fn at(ms: u64) -> Monotone {
        Monotone(1_000_000 + ms * 1000)
    }

    fn given(number: u64, share: Share) -> Answer {
        Answer {
            number,
            share,
            level: Some(RATE.cost()),
            turn: None,
            lease_ms: 1000,
            again_ms: 300,
        }
    }

    fn tokens() -> Share {
        Share::Rate {
            tokens: RATE.limit,
            cost: RATE.cost(),
            room: RATE.budget(),
        }
    }

    /// One that asked at once and was given the whole rate.
    fn with_tokens() -> Taker {
        let mut taker = Taker::new(pace(Limit::Rate(RATE)));
        assert_eq!(taker.take(0, at(0)), None);
        let ask = taker.ask(BUSY, at(0)).expect("it has nothing");
        taker.answered(&given(ask.number, tokens()), at(20));
        taker
    }

    #[test]
    fn an_unpaced_destination_asks_nobody() {
        let mut taker = Taker::new(pace(Limit::None));
        assert_eq!(taker.take(0, at(0)), Some(Permit { use_by: None }));
        assert_eq!(taker.ask(BUSY, at(0)), None);
        assert_eq!(taker.next(BUSY, at(0)), None);
        assert!(taker.is_empty());
    }

    #[test]
    fn a_lease_is_over_a_little_before_its_home_thinks_so_however_late_it_came() {
        let mut taker = with_tokens();
        let permit = taker.take(0, at(20)).expect("a token");
        assert_eq!(permit.use_by, Some(at(980)));
        assert!(taker.take(0, at(979)).is_some());
        assert!(taker.take(0, at(980)).is_none());
    }

    #[test]
    fn only_the_answer_to_the_last_ask_counts_and_it_counts_once() {
        let mut taker = with_tokens();
        let ask = taker.ask(BUSY, at(400)).expect("it renews ahead");
        assert_eq!(ask.holds, tokens());
        taker.answered(&given(ask.number - 1, Share::None), at(410));
        assert!(taker.take(0, at(410)).is_some());
        let renewed = Answer {
            level: None,
            ..given(ask.number, tokens())
        };
        taker.answered(&renewed, at(420));
        while taker.take(0, at(420)).is_some() {}
        // The same answer, doubled on its way, brings no tokens.
        taker.answered(&given(ask.number, tokens()), at(421));
        assert!(taker.take(0, at(420)).is_none());
        assert!(taker.take(0, at(1370)).is_some(), "it was renewed");
    }

    #[test]
    fn what_is_not_needed_is_given_back_with_what_is_left() {
        let mut taker = with_tokens();
        assert_eq!(taker.ask(IDLE, at(30)), None);
        assert_eq!(taker.next(IDLE, at(30)), Some(at(130)));
        let ask = taker.ask(IDLE, at(130)).expect("a farewell");
        assert_eq!((ask.wants, ask.holds), (0, Share::None));
        assert!(ask.returns >= 1_000_000);
        assert!(taker.is_empty());
        assert_eq!(taker.take(0, at(131)), None);
        assert_eq!(taker.next(IDLE, at(131)), None);
    }

    #[test]
    fn a_turn_ends_with_its_tokens() {
        let mut taker = Taker::new(pace(Limit::Rate(RATE)));
        let ask = taker.ask(BUSY, at(0)).expect("it has nothing");
        let turn = Answer {
            turn: Some(1),
            ..given(ask.number, tokens())
        };
        taker.answered(&turn, at(1));
        assert!(taker.take(0, at(1)).is_some());
        assert_eq!(taker.take(0, at(500)), None);
        let ask = taker.ask(BUSY, at(500)).expect("it gives back");
        assert_eq!(ask.holds, Share::None);
        assert!(ask.wants > 0);
    }

    #[test]
    fn a_lowered_rate_holds_before_the_home_has_spoken_and_another_period_at_once() {
        let mut taker = with_tokens();
        while taker.take(0, at(20)).is_some() {}
        let slower = Rate { limit: 20, ..RATE };
        assert_eq!(slower.cost(), RATE.cost());
        taker.set(pace(Limit::Rate(slower)), at(20));
        let taken = (21..=520).filter(|ms| taker.take(0, at(*ms)).is_some());
        assert!(taken.count() <= 10);
        let hourly = Rate {
            period_ms: 3_600_000,
            ..RATE
        };
        taker.set(pace(Limit::Rate(hourly)), at(520));
        assert_eq!(taker.take(0, at(521)), None);
    }

    #[test]
    fn slots_are_said_to_be_free_until_somebody_has_heard_it() {
        let limit = Limit::Slots {
            slots: 2,
            attempt_ms: 100,
        };
        let mut taker = Taker::new(pace(limit));
        let ask = taker.ask(BUSY, at(0)).expect("it has nothing");
        taker.answered(&given(ask.number, Share::Slots(1)), at(1));
        assert!(taker.take(0, at(1)).is_some());
        assert_eq!(taker.take(1, at(1)), None);
        taker.ask(IDLE, at(10));
        let farewell = taker.ask(IDLE, at(110)).expect("it gives back");
        assert_eq!((farewell.wants, farewell.holds), (0, Share::None));
        assert!(!taker.is_empty());
        let again = taker.ask(IDLE, at(410)).expect("nobody answered");
        assert!(again.number > farewell.number);
        taker.answered(&given(again.number, Share::None), at(420));
        assert!(taker.is_empty());
    }

    #[test]
    fn an_attempt_holds_its_slot_beyond_the_lease() {
        let limit = Limit::Slots {
            slots: 2,
            attempt_ms: 60_000,
        };
        let mut taker = Taker::new(pace(limit));
        let ask = taker.ask(BUSY, at(0)).expect("it has nothing");
        taker.answered(&given(ask.number, Share::Slots(1)), at(1));
        assert!(taker.take(0, at(1)).is_some());
        let busy = Demand {
            waiting: 1,
            in_flight: 1,
        };
        let later = taker.ask(busy, at(5_000)).expect("the lease is over");
        assert_eq!(later.holds, Share::Slots(1));
        let claim = taker.holding(1).claim(at(5_000));
        assert_eq!(claim.holds, Share::Slots(1));
    }
}
