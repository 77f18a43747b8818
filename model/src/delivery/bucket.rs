//! A share of a rate in the hands of one node: tokens that come one after the other, until the lease is over.

use super::lease::Share;
use crate::time::Monotone;

#[derive(Clone, Debug)]
pub(super) struct Bucket {
    tokens: u32,
    cost: u64,
    room: u64,
    level: u64,
    filled_at: Monotone,
    pub(super) until: Monotone,
    /// Tokens until the turn is over; none: there is no turn.
    left: Option<u32>,
}

impl Bucket {
    pub(super) fn new(
        (tokens, cost, room): (u32, u64, u64),
        level: u64,
        turn: Option<u32>,
        now: Monotone,
    ) -> Self {
        Self {
            tokens: tokens.max(1),
            cost: cost.max(1),
            room,
            level: level.min(room),
            filled_at: now,
            until: now,
            left: turn,
        }
    }

    /// The lease was renewed, perhaps with another share.
    pub(super) fn renew(
        &mut self,
        (tokens, room): (u32, u64),
        turn: Option<u32>,
        until: Monotone,
        now: Monotone,
    ) {
        self.fill(now);
        self.tokens = tokens.max(1);
        self.room = room;
        self.level = self.level.min(room);
        self.left = turn;
        self.until = until;
    }

    /// The destination bears less than this bucket gains.
    pub(super) fn slow_down(&mut self, tokens: u32, now: Monotone) {
        self.fill(now);
        self.tokens = self.tokens.min(tokens.max(1));
    }

    pub(super) fn cost(&self) -> u64 {
        self.cost
    }

    pub(super) fn share(&self) -> Share {
        Share::Rate {
            tokens: self.tokens,
            cost: self.cost,
            room: self.room,
        }
    }

    pub(super) fn is_over(&self, now: Monotone) -> bool {
        now >= self.until
    }

    pub(super) fn turn_is_over(&self) -> bool {
        self.left == Some(0)
    }

    pub(super) fn is_in_turn(&self) -> bool {
        self.left.is_some()
    }

    fn fill(&mut self, now: Monotone) {
        let gained = now
            .since_us(self.filled_at)
            .saturating_mul(u64::from(self.tokens));
        self.level = self.level.saturating_add(gained).min(self.room);
        self.filled_at = now.max(self.filled_at);
    }

    pub(super) fn take(&mut self, now: Monotone) -> bool {
        self.fill(now);
        if self.is_over(now) || self.turn_is_over() || self.level < self.cost {
            return false;
        }
        self.level -= self.cost;
        self.left = self.left.map(|left| left - 1);
        true
    }

    /// The time at which the next token is there, if the lease lasts so long.
    pub(super) fn ready_at(&self) -> Monotone {
        let missing = self.cost.saturating_sub(self.level);
        self.filled_at
            .plus_us(missing.div_ceil(u64::from(self.tokens)))
    }

    /// Tokens that will have come by then, if nobody takes any.
    pub(super) fn tokens_by(&self, at: Monotone) -> u32 {
        let gained = at
            .since_us(self.filled_at)
            .saturating_mul(u64::from(self.tokens));
        let tokens = self.level.saturating_add(gained) / self.cost;
        let tokens = u32::try_from(tokens).unwrap_or(u32::MAX);
        self.left.map_or(tokens, |left| left.min(tokens))
    }

    /// The level of the bucket: what is left, in millionths of a token.
    pub(super) fn left_over(&mut self, now: Monotone) -> u32 {
        self.fill(now.min(self.until));
        let millionths = u128::from(self.level) * 1_000_000 / u128::from(self.cost);
        u32::try_from(millionths).unwrap_or(u32::MAX)
    }
}
