//! Giving out slots: never more than the destination bears, in use or on their way.

use super::{
    super::{
        Limit, RENEW_MS,
        lease::{Answer, Ask, SLOT_LEASE_MS, Share},
    },
    TakerId, fair,
    ledger::{Ledger, POLL_MS},
};
use crate::time::Monotone;

/// How long a slot stays with one taker while others have none.
const TURN_US: u64 = 500_000;

impl Ledger {
    pub(super) fn answer_slots(
        &mut self,
        slots: u32,
        taker: TakerId,
        ask: &Ask,
        now: Monotone,
    ) -> Answer {
        let Limit::Slots { attempt_ms, .. } = self.limit else {
            return Answer::nothing(ask.number);
        };
        let has = match ask.holds {
            Share::Slots(slots) => slots,
            Share::None | Share::Rate { .. } => 0,
        };
        let had = self.account(taker, now).amount;
        // It knows best what is in use, even of what nobody gave it.
        self.account(taker, now).amount = has;
        if had > 0 && has == 0 {
            self.account(taker, now).since = now;
        }
        if has < had {
            self.note_freed(now);
        }
        let given: u32 = self.others(taker, now).map(|other| other.amount).sum();
        let free = if now < self.unknown_until {
            // Who may have what is not known yet: nobody gets more than it has.
            has.min(slots.saturating_sub(given))
        } else {
            slots.saturating_sub(given)
        };
        let aim = self.slots_for(slots, taker, has, now);
        let gets = aim.min(free);
        let account = self.account(taker, now);
        if account.amount == 0 && gets > 0 {
            account.since = now;
        }
        account.amount = has.max(gets);
        account.until = now.plus_ms(u64::from(SLOT_LEASE_MS) + u64::from(attempt_ms));
        let again_ms = if gets < aim || gets == 0 && ask.wants > 0 {
            POLL_MS
        } else {
            RENEW_MS
        };
        self.note_given();
        Answer {
            number: ask.number,
            share: match gets {
                0 => Share::None,
                gets => Share::Slots(gets),
            },
            level: None,
            turn: None,
            lease_ms: SLOT_LEASE_MS,
            again_ms,
        }
    }

    /// How many it should have.
    fn slots_for(&self, slots: u32, taker: TakerId, has: u32, now: Monotone) -> u32 {
        let wanting = self.wanting(now);
        let Some(at) = wanting.iter().position(|(id, _)| *id == taker) else {
            return 0;
        };
        if wanting.len() <= slots as usize {
            let needs: Vec<u32> = wanting.iter().map(|(_, wants)| *wants).collect();
            return fair::parts(slots, &needs)[at];
        }
        // There are not enough for one each.
        if has == 0 {
            return u32::from(self.is_next(taker, Monotone::default(), now));
        }
        let since = self.accounts.get(&taker).map_or(now, |a| a.since);
        let over = now.since_us(since) >= TURN_US && self.others_wait(taker, now);
        u32::from(!over)
    }
}
