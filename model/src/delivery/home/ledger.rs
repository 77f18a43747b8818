//! The rate limit server's ledger for one destination: which node was granted what and until when, and which wants
//! more.

use super::{
    super::{
        Limit, RENEW_MS, Rate,
        lease::{Answer, Ask, Claim, LEASE_MS, SLOT_LEASE_MS, Share},
    },
    TakerId,
};
use crate::time::Monotone;
use std::collections::BTreeMap;

/// The time after which to ask again, in milliseconds, when what is wanted is about to come back from others.
pub(super) const POLL_MS: u32 = 30;
/// A taker that has not asked for so long after it was to ask wants nothing any more.
const SILENCE_MS: u64 = 500;
/// An account is kept for so long after it was last heard of, so that a late message finds that it is late.
const KEPT_MS: u64 = 10_000;
/// How long a free place waits for the one whose turn it is.
const GRACE_MS: u64 = 60;

/// The moment from which the ledger is complete: every node has told what it holds.
#[derive(Clone, Copy)]
pub(super) struct Known {
    /// When the last of them did.
    pub(super) at: Monotone,
    /// The last process to start did so then; of what went before, in it, nobody can tell.
    pub(super) started: Monotone,
}

#[derive(Clone, Debug)]
pub(super) struct Account {
    number: u64,
    heard_at: Monotone,
    pub(super) wants: u32,
    wanting_until: Monotone,
    /// Since when it has had its turn, or has waited for one.
    pub(super) since: Monotone,
    /// The most that it may believe to have: tokens a period, or slots.
    pub(super) amount: u32,
    /// Its bucket's part of the budget.
    pub(super) room: u64,
    pub(super) until: Monotone,
    /// When its turn should be over.
    pub(super) ends_at: Monotone,
}

#[derive(Clone, Debug)]
pub(super) struct Ledger {
    pub(super) limit: Limit,
    pub(super) accounts: BTreeMap<TakerId, Account>,
    /// Units that nobody was given: with what the buckets hold they never exceed the budget.
    pub(super) spare: u64,
    pub(super) filled_at: Monotone,
    /// Until then those may hold leases of which this home does not know.
    pub(super) unknown_until: Monotone,
    informed: bool,
    given: bool,
    last_use: Monotone,
    /// When something last came back.
    freed_at: Monotone,
}

impl Ledger {
    pub(super) fn new(limit: Limit, since: Monotone) -> Self {
        let unknown_until = since.plus_ms(longest_lease_ms(limit));
        Self {
            limit,
            accounts: BTreeMap::new(),
            spare: 0,
            filled_at: unknown_until,
            unknown_until,
            informed: false,
            given: false,
            last_use: Monotone::default(),
            freed_at: Monotone::default(),
        }
    }

    /// The destination bears this from now on.
    pub(super) fn set(&mut self, limit: Limit, now: Monotone) {
        if self.limit == limit {
            return;
        }
        match (self.limit, limit) {
            (Limit::Rate(before), Limit::Rate(after)) => self.convert(before, after, now),
            (Limit::Slots { .. }, Limit::Slots { .. }) => {}
            // What was given is of another kind: it runs out, and those who use it tell what is in flight meanwhile.
            _ => {
                *self = Self::new(limit, now);
                self.unknown_until = now.plus_ms(LEASE_MS.into());
                self.filled_at = self.unknown_until;
                self.informed = true;
            }
        }
        self.limit = limit;
    }

    /// Books a claim: what a node says that it holds. It is only news of those of whom nothing is known.
    pub(super) fn claim(&mut self, taker: TakerId, claim: &Claim, now: Monotone) {
        if let Some(unused_us) = claim.unused_us {
            self.last_use = self.last_use.max(now.minus_us(unused_us));
        }
        let known = self.accounts.contains_key(&taker);
        let (amount, room) = match (self.limit, claim.holds) {
            (Limit::Rate(rate), Share::Rate { .. }) if now < self.unknown_until => {
                self.fill(rate, now);
                converted(claim.holds, rate)
            }
            (Limit::Slots { .. }, Share::Slots(slots)) => (slots, 0),
            _ => return,
        };
        if !known && amount > 0 {
            let until = now.plus_ms(longest_lease_ms(self.limit));
            let account = self.account(taker, now);
            (account.amount, account.room, account.until) = (amount, room, until);
        }
    }

    /// Ends what earlier processes of a node had: it can't run twice.
    pub(super) fn bury_earlier(&mut self, taker: TakerId, now: Monotone) {
        if let Limit::Rate(rate) = self.limit {
            self.fill(rate, now);
        }
        self.accounts
            .retain(|id, _| id.node != taker.node || id.boot == taker.boot);
    }

    /// Answers an ask; none for one that is older than the last.
    pub(super) fn answer(
        &mut self,
        taker: TakerId,
        ask: &Ask,
        known: Option<Known>,
        now: Monotone,
    ) -> Option<Answer> {
        if let Some(known) = known {
            self.inform(known);
        }
        let account = self.accounts.get(&taker);
        if account.is_some_and(|account| ask.number <= account.number) {
            return None;
        }
        let account = self.account(taker, now);
        (account.number, account.heard_at, account.wants) = (ask.number, now, ask.wants);
        let wants = ask.wants > 0;
        account.wanting_until = if wants { now.plus_ms(SILENCE_MS) } else { now };
        let answer = match self.limit {
            Limit::Rate(rate) => self.answer_tokens(rate, taker, ask, now),
            Limit::Slots { slots, .. } => self.answer_slots(slots, taker, ask, now),
            Limit::None => Answer::nothing(ask.number),
        };
        let account = self.account(taker, now);
        if wants {
            account.wanting_until = now.plus_ms(SILENCE_MS + u64::from(answer.again_ms));
        }
        Some(answer)
    }

    /// Every node has told what it has: there is nobody else.
    fn inform(&mut self, known: Known) {
        if std::mem::replace(&mut self.informed, true) {
            return;
        }
        self.unknown_until = known.at.min(self.unknown_until);
        let Limit::Rate(rate) = self.limit else {
            return;
        };
        // A bucket that nothing was given from yet need not start empty: nobody has sent anything since the last use.
        // Uses of quicker destinations are not told, only that they were before.
        let unused_since = if rate.is_slow() {
            self.last_use.max(known.started)
        } else {
            known.at
        };
        // Of what was given back since, some was used.
        let unused_since = unused_since.max(self.freed_at);
        if !self.given && unused_since < self.filled_at {
            self.spare = 0;
            self.filled_at = unused_since;
        }
    }

    pub(super) fn account(&mut self, taker: TakerId, now: Monotone) -> &mut Account {
        self.accounts.entry(taker).or_insert(Account {
            number: 0,
            heard_at: now,
            wants: 0,
            wanting_until: now,
            since: now,
            amount: 0,
            room: 0,
            until: now,
            ends_at: now,
        })
    }

    /// The nodes whose demand is unmet, in the order of their names, each with its demand.
    pub(super) fn wanting(&self, now: Monotone) -> Vec<(TakerId, u32)> {
        let wanting = self.accounts.iter();
        wanting
            .filter(|(_, account)| account.wants > 0 && now < account.wanting_until)
            .map(|(id, account)| (*id, account.wants))
            .collect()
    }

    /// The live grants of all nodes but this one: all that others may believe to hold.
    pub(super) fn others(&self, taker: TakerId, now: Monotone) -> impl Iterator<Item = &Account> {
        self.accounts.iter().filter_map(move |(id, account)| {
            (*id != taker && account.amount > 0 && now < account.until).then_some(account)
        })
    }

    /// Whether somebody else wants something and has nothing.
    pub(super) fn others_wait(&self, taker: TakerId, now: Monotone) -> bool {
        self.waiting(now).any(|(id, _)| id != taker)
    }

    fn waiting(&self, now: Monotone) -> impl Iterator<Item = (TakerId, Monotone)> {
        self.accounts.iter().filter_map(move |(id, account)| {
            let waits = account.wants > 0
                && now < account.wanting_until
                && (account.amount == 0 || now >= account.until);
            waits.then_some((*id, account.since))
        })
    }

    /// Whether a place that is free, and worth having since then, is for this one: it has waited longest, or the one
    /// that has does not come.
    pub(super) fn is_next(&self, taker: TakerId, since: Monotone, now: Monotone) -> bool {
        let first = self.waiting(now).min_by_key(|(id, since)| (*since, *id));
        let free_since = self.freed_at.max(since);
        first.is_none_or(|(id, _)| id == taker) || now >= free_since.plus_ms(GRACE_MS)
    }

    pub(super) fn note_given(&mut self) {
        self.given = true;
    }

    pub(super) fn note_freed(&mut self, now: Monotone) {
        self.freed_at = now;
    }

    /// Whether nothing would be lost if it were forgotten.
    pub(super) fn is_blank(&mut self, now: Monotone) -> bool {
        let full = match self.limit {
            Limit::Rate(rate) => {
                self.fill(rate, now);
                self.spare == rate.budget()
            }
            Limit::Slots { .. } | Limit::None => true,
        };
        self.accounts.retain(|_, account| {
            now < account.until.max(account.wanting_until)
                || now < account.heard_at.plus_ms(KEPT_MS)
        });
        // A ledger that is made anew begins with what may be unknown; one that waits for that must stay.
        full && self.accounts.is_empty() && now >= self.unknown_until
    }
}

/// For so long after it was given may a lease be in use.
fn longest_lease_ms(limit: Limit) -> u64 {
    match limit {
        Limit::None => 0,
        Limit::Rate(_) => LEASE_MS.into(),
        // Taken at the last moment, and held for as long as an attempt may take.
        Limit::Slots { attempt_ms, .. } => u64::from(SLOT_LEASE_MS) + u64::from(attempt_ms),
    }
}

/// A share of a rate in the units of this one, rounded up.
pub(super) fn converted(share: Share, rate: Rate) -> (u32, u64) {
    let Share::Rate { tokens, cost, room } = share else {
        return (0, 0);
    };
    let cost = u128::from(cost.max(1));
    let scale = |value: u128| (value * u128::from(rate.cost())).div_ceil(cost);
    (
        u32::try_from(scale(tokens.into())).unwrap_or(u32::MAX),
        u64::try_from(scale(room.into())).unwrap_or(u64::MAX),
    )
}

impl Answer {
    /// An answer without a lease: there is nothing to be had now.
    pub(super) fn nothing(number: u64) -> Self {
        Self {
            number,
            share: Share::None,
            level: None,
            turn: None,
            lease_ms: 0,
            again_ms: RENEW_MS,
        }
    }

    pub(super) fn again_in(self, again_ms: u32) -> Self {
        Self { again_ms, ..self }
    }
}
