//! Giving out a rate. It is one bucket in pieces: each taker's piece gains a part of the rate and holds a part of the
//! budget, the spare piece at home has the rest. A token is in one piece only, so all together they keep the promise
//! that one bucket would.

use super::{
    super::{
        RENEW_MS, Rate,
        lease::{Answer, Ask, LEASE_MS, Share},
    },
    TakerId, fair,
    ledger::{Account, Ledger, POLL_MS, converted},
};
use crate::time::Monotone;

/// How long a turn lasts where not all who want something can have it at once.
const TURN_US: u64 = 500_000;
/// A share is given no sooner than this before its first token.
const AHEAD_US: u64 = 300_000;
/// Who was given less than it has is heard soon, so that others can have the rest.
const SETTLE_MS: u32 = 10;
const AGAIN_MS_MIN: u64 = 20;
const TURN_WAIT_MS_MAX: u64 = 1000;

/// What a taker should have.
struct Aim {
    tokens: u32,
    room: u64,
    turn: bool,
}

impl Account {
    /// Gives so many tokens and so much room, for as long as a lease.
    fn give(&mut self, tokens: u32, room: u64, now: Monotone) {
        if self.amount == 0 {
            self.since = now;
        }
        // If the answer is lost, it goes on with what it had.
        self.amount = self.amount.max(tokens);
        self.room = self.room.max(room);
        self.until = now.plus_ms(LEASE_MS.into());
    }
}

/// In how many milliseconds a taker asks again that was given so many tokens, had so many and should have so many.
fn asks_again_in(given: u64, had: u32, aim: u32) -> u32 {
    if given < u64::from(had) {
        SETTLE_MS
    } else if given < u64::from(aim) {
        POLL_MS
    } else {
        RENEW_MS
    }
}

impl Ledger {
    /// Lets the spare piece gain what nobody else does, up to now. Leases end where they end in between.
    pub(super) fn fill(&mut self, rate: Rate, now: Monotone) {
        loop {
            let ended = self
                .accounts
                .iter()
                .filter(|(_, account)| account.amount > 0 && account.until <= now);
            let first = ended.min_by_key(|(_, account)| account.until);
            let Some((id, until)) = first.map(|(id, account)| (*id, account.until)) else {
                break;
            };
            self.gain(rate, until);
            if let Some(account) = self.accounts.get_mut(&id) {
                (account.amount, account.room) = (0, 0);
            }
            self.note_freed(until);
        }
        self.gain(rate, now);
    }

    fn gain(&mut self, rate: Rate, now: Monotone) {
        let given: u64 = self.accounts.values().map(|a| u64::from(a.amount)).sum();
        let free = u64::from(rate.limit).saturating_sub(given);
        let room: u64 = self.accounts.values().map(|a| a.room).sum();
        let gained = now.since_us(self.filled_at).saturating_mul(free);
        let most = rate.budget().saturating_sub(room);
        self.spare = self.spare.saturating_add(gained).min(most);
        self.filled_at = now.max(self.filled_at);
    }

    /// Another rate: what is out keeps its pace until its owners are heard.
    pub(super) fn convert(&mut self, before: Rate, after: Rate, now: Monotone) {
        self.fill(before, now);
        for account in self.accounts.values_mut() {
            let share = Share::Rate {
                tokens: account.amount,
                cost: before.cost(),
                room: account.room,
            };
            (account.amount, account.room) = converted(share, after);
        }
        let spare = u128::from(self.spare) * u128::from(after.cost());
        self.spare = u64::try_from(spare / u128::from(before.cost())).unwrap_or(u64::MAX);
        self.spare = self.spare.min(after.budget());
    }

    pub(super) fn answer_tokens(
        &mut self,
        rate: Rate,
        taker: TakerId,
        ask: &Ask,
        now: Monotone,
    ) -> Answer {
        self.fill(rate, now);
        self.settle(rate, taker, ask, now);
        let nothing = Answer::nothing(ask.number);
        if ask.wants == 0 {
            return nothing;
        }
        let Some(aim) = self.aim(rate, taker, now) else {
            return nothing.again_in(self.turn_comes_in(rate, now));
        };
        let (free, free_room) = self.free_for(rate, taker, now);
        let tokens = u64::from(aim.tokens).min(free);
        let room = aim.room.min(free_room);
        if tokens == 0 || room < rate.room_min() {
            return nothing.again_in(POLL_MS);
        }
        let (had, level) = {
            let spare = self.spare.min(room);
            let account = self.account(taker, now);
            (account.amount, (account.amount == 0).then_some(spare))
        };
        let first_us = level.map_or(0, |level| rate.cost().saturating_sub(level) / tokens);
        if first_us > AHEAD_US {
            let is_held_by_others = tokens < u64::from(aim.tokens);
            return nothing.again_in(if is_held_by_others {
                POLL_MS
            } else {
                self.token_comes_in(rate, tokens)
            });
        }
        self.spare -= level.unwrap_or(0);
        self.note_given();
        let turn = aim.turn.then(|| turn_of(rate, tokens));
        let account = self.account(taker, now);
        account.give(u32::try_from(tokens).unwrap_or(u32::MAX), room, now);
        let turn_us = u64::from(turn.unwrap_or(1)).saturating_sub(1) * rate.cost() / tokens;
        account.ends_at = now.plus_us(first_us + turn_us);
        Answer {
            number: ask.number,
            share: Share::Rate {
                tokens: u32::try_from(tokens).unwrap_or(u32::MAX),
                cost: rate.cost(),
                room,
            },
            level,
            turn,
            lease_ms: LEASE_MS,
            again_ms: asks_again_in(tokens, had, aim.tokens),
        }
    }

    /// Tokens and room that nobody else has.
    fn free_for(&mut self, rate: Rate, taker: TakerId, now: Monotone) -> (u64, u64) {
        let others = |f: fn(&Account) -> u64| -> u64 { self.others(taker, now).map(f).sum() };
        let free = u64::from(rate.limit).saturating_sub(others(|a| a.amount.into()));
        let free_room = rate.budget().saturating_sub(others(|a| a.room));
        if now >= self.unknown_until {
            return (free, free_room);
        }
        // Who may have what is not known yet: nobody gets more than it has.
        let account = self.account(taker, now);
        (free.min(account.amount.into()), free_room.min(account.room))
    }

    /// Writes down what a taker still has, now that it has said so.
    fn settle(&mut self, rate: Rate, taker: TakerId, ask: &Ask, now: Monotone) {
        let adopting = now < self.unknown_until;
        let (tokens, room) = converted(ask.holds, rate);
        let account = self.account(taker, now);
        let had = (account.amount, account.room);
        let (tokens, room) = match had {
            // Only a former home can have given what this one does not know of.
            (0, _) if !adopting => (0, 0),
            (0, _) => (tokens, room),
            had => (tokens.min(had.0), room.min(had.1)),
        };
        (account.amount, account.room) = (tokens, room);
        account.until = now.plus_ms(LEASE_MS.into());
        if had.0 > 0 && tokens == 0 {
            account.since = now;
            let returned = u128::from(ask.returns) * u128::from(rate.cost()) / 1_000_000;
            let returned = u64::try_from(returned).unwrap_or(u64::MAX).min(had.1);
            self.spare = self.spare.saturating_add(returned);
        }
        if tokens < had.0 {
            self.note_freed(now);
        }
        // The room that came free is the spare piece's again.
        self.gain(rate, now);
    }

    /// None: others have their turn.
    fn aim(&self, rate: Rate, taker: TakerId, now: Monotone) -> Option<Aim> {
        let wanting = self.wanting(now);
        let places = rate.places();
        if wanting.len() <= places {
            let number = u32::try_from(wanting.len()).unwrap_or(u32::MAX).max(1);
            let needs: Vec<u32> = wanting
                .iter()
                .map(|(_, wants)| need(rate, *wants))
                .collect();
            let parts = fair::parts(rate.limit, &needs);
            // What nobody needs is given too: a need is known only afterwards.
            let left = rate.limit - parts.iter().sum::<u32>();
            let at = wanting.iter().position(|(id, _)| *id == taker)?;
            return Some(Aim {
                tokens: (parts[at] + left / number).max(1),
                room: rate.budget() / u64::from(number),
                turn: false,
            });
        }
        let taken = self.others(taker, now).count();
        let has = self.accounts.get(&taker).is_some_and(|a| a.amount > 0);
        let worth_it_since = self.to_be_had_since(rate, now);
        if !has && (taken >= places || !self.is_next(taker, worth_it_since, now)) {
            return None;
        }
        let number = u32::try_from(places).unwrap_or(u32::MAX).max(1);
        Some(Aim {
            tokens: (rate.limit / number).max(1),
            room: rate.budget() / u64::from(number),
            turn: true,
        })
    }

    /// Since when the spare piece has had enough for another share to be given.
    fn to_be_had_since(&self, rate: Rate, now: Monotone) -> Monotone {
        let limit = u64::from(rate.limit.max(1));
        let enough = rate.cost().saturating_sub(AHEAD_US.saturating_mul(limit));
        match self.spare.checked_sub(enough) {
            Some(_) if self.spare >= rate.cost() => Monotone::default(),
            Some(more) => now.minus_us(more / limit),
            None => now,
        }
    }

    fn turn_comes_in(&self, rate: Rate, now: Monotone) -> u32 {
        let holders = self.accounts.values().filter(|a| a.amount > 0);
        let Some(first) = holders.map(|account| account.ends_at).min() else {
            return self.token_comes_in(rate, rate.limit.into());
        };
        let wait_ms = (first.since_us(now) / 1000).clamp(AGAIN_MS_MIN, TURN_WAIT_MS_MAX);
        u32::try_from(wait_ms).unwrap_or(POLL_MS)
    }

    /// The next token is far away: until it is near enough to be given.
    fn token_comes_in(&self, rate: Rate, tokens: u64) -> u32 {
        let missing = rate.cost().saturating_sub(self.spare);
        let wait_us = (missing / tokens.max(1)).saturating_sub(AHEAD_US);
        u32::try_from((wait_us / 1000).max(AGAIN_MS_MIN)).unwrap_or(u32::MAX)
    }
}

/// Tokens a period that would cover what is wanted within one renewal.
fn need(rate: Rate, wants: u32) -> u32 {
    let period = u128::from(rate.cost());
    let need = (u128::from(wants) * period).div_ceil(u128::from(RENEW_MS) * 1000);
    u32::try_from(need).unwrap_or(u32::MAX).clamp(1, rate.limit)
}

fn turn_of(rate: Rate, tokens: u64) -> u32 {
    u32::try_from((TURN_US * tokens / rate.cost()).max(1)).unwrap_or(u32::MAX)
}
