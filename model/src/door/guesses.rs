//! The rate limit on wrong keys: a token bucket of tries for each address.

use super::Address;
use crate::time::Monotone;
use std::collections::HashMap;

/// Addresses that are remembered. Beyond them all share one bucket.
const ADDRESSES_MAX: usize = 10_000;

/// The tries that each address has left.
#[derive(Clone, Debug)]
pub struct Guesses {
    burst: u64,
    per_second: u64,
    by_address: HashMap<Address, Bucket>,
    others: Bucket,
    forgot_at: Monotone,
}

#[derive(Clone, Copy, Debug)]
struct Bucket {
    /// In millionths of a try.
    level: u64,
    at: Monotone,
}

const TRY: u64 = 1_000_000;
/// Looking through all of them takes its time.
const FORGET_EVERY_US: u64 = 1_000_000;

impl Guesses {
    #[must_use]
    pub fn new(burst: u64, per_second: u64) -> Self {
        Self {
            burst: burst.max(1),
            per_second: per_second.max(1),
            by_address: HashMap::new(),
            others: Bucket {
                level: burst.max(1) * TRY,
                at: Monotone(0),
            },
            forgot_at: Monotone(0),
        }
    }

    /// Whether a key of this address is looked at now. Right ones take nothing.
    pub fn may_try(&mut self, address: Address, now: Monotone) -> bool {
        let (rate, full) = (self.per_second, self.burst * TRY);
        match self.by_address.get(&address) {
            Some(bucket) => bucket.filled(now, rate, full) >= TRY,
            None if self.by_address.len() < ADDRESSES_MAX => true,
            None => {
                self.forget_full(now);
                self.by_address.len() < ADDRESSES_MAX || self.others.filled(now, rate, full) >= TRY
            }
        }
    }

    /// Notes a wrong key of an address.
    pub fn was_wrong(&mut self, address: Address, now: Monotone) {
        let (rate, full) = (self.per_second, self.burst * TRY);
        let has_place =
            self.by_address.contains_key(&address) || self.by_address.len() < ADDRESSES_MAX;
        let bucket = if has_place {
            let new = Bucket {
                level: full,
                at: now,
            };
            self.by_address.entry(address).or_insert(new)
        } else {
            &mut self.others
        };
        bucket.level = bucket.filled(now, rate, full).saturating_sub(TRY);
        bucket.at = now;
    }

    /// A full bucket says nothing that a new one would not.
    fn forget_full(&mut self, now: Monotone) {
        if now.since_us(self.forgot_at) < FORGET_EVERY_US {
            return;
        }
        self.forgot_at = now;
        let (rate, full) = (self.per_second, self.burst * TRY);
        self.by_address
            .retain(|_, bucket| bucket.filled(now, rate, full) < full);
    }
}

impl Bucket {
    fn filled(&self, now: Monotone, per_second: u64, full: u64) -> u64 {
        // A try a second is a millionth of it a microsecond.
        let gained = now.since_us(self.at).saturating_mul(per_second);
        self.level.saturating_add(gained).min(full)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv4Addr;

    const SECOND: u64 = 1_000_000;

    fn address(number: u32) -> Address {
        Address::of(Ipv4Addr::from_bits(number).into())
    }

    /// Wrong keys that were looked at.
    fn tried(guesses: &mut Guesses, number: u32, at_us: u64, times: usize) -> usize {
        let (address, now) = (address(number), Monotone(at_us));
        let mut tried = 0;
        for _ in 0..times {
            if guesses.may_try(address, now) {
                guesses.was_wrong(address, now);
                tried += 1;
            }
        }
        tried
    }

    #[test]
    fn wrong_keys_are_looked_at_as_often_as_the_bucket_says() {
        let mut guesses = Guesses::new(20, 5);
        assert_eq!(tried(&mut guesses, 1, SECOND, 5_000), 20);
        assert_eq!(tried(&mut guesses, 1, 2 * SECOND, 5_000), 5);
        assert_eq!(tried(&mut guesses, 1, 3600 * SECOND, 5_000), 20);
    }

    #[test]
    fn one_address_takes_no_tries_of_another_and_right_keys_take_none() {
        let mut guesses = Guesses::new(20, 5);
        tried(&mut guesses, 1, SECOND, 5_000);
        for _ in 0..1_000 {
            assert!(guesses.may_try(address(2), Monotone(SECOND)));
        }
    }

    #[test]
    fn however_many_addresses_guess_the_memory_is_bounded_and_so_are_the_tries() {
        let mut guesses = Guesses::new(20, 5);
        for number in 0..2 * ADDRESSES_MAX as u32 {
            tried(&mut guesses, number, SECOND, 1);
        }
        assert_eq!(guesses.by_address.len(), ADDRESSES_MAX);
        let rest: usize = (0..100)
            .map(|number| tried(&mut guesses, u32::MAX - number, SECOND, 10))
            .sum();
        assert_eq!(rest, 0, "they share one bucket, which is empty");
        assert!(
            guesses.may_try(address(u32::MAX), Monotone(10 * SECOND)),
            "full ones made room"
        );
    }
}
