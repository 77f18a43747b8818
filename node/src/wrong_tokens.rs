//! Slows those who guess tokens: how many wrong ones each address has offered lately, on either side.

use crate::{telemetry::Metrics, wire::Side, world};
use model::{
    catalog::Secret,
    door::{Address, Guesses},
    time::Monotone,
};
use parking_lot::Mutex;
use sha2::{Digest, Sha256};
use subtle::{Choice, ConstantTimeEq};

/// Seconds' worth of wrong tokens that an address may offer at once.
const BURST_S: u64 = 4;
/// How often the log says that somebody guesses.
const TELL_EVERY_US: u64 = 60_000_000;

pub(crate) struct WrongTokens {
    ingest: Mutex<Guesses>,
    admin: Mutex<Guesses>,
    told: Mutex<Option<Monotone>>,
}

/// The verdict on an offered token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Offered {
    Right,
    Wrong,
    /// The address has offered so many wrong ones that this one was not looked at.
    TooMany,
}

impl WrongTokens {
    pub(crate) fn new(per_second: u32) -> Self {
        let per_second = u64::from(per_second);
        let guesses = || Mutex::new(Guesses::new(per_second * BURST_S, per_second));
        Self {
            ingest: guesses(),
            admin: guesses(),
            told: Mutex::new(None),
        }
    }

    /// Holds an offered token against those that open.
    pub(crate) fn judge<'a>(
        &self,
        side: Side,
        address: Address,
        offered: &[u8],
        right: impl IntoIterator<Item = &'a Secret>,
        metrics: &Metrics,
    ) -> Offered {
        let now = world::steady();
        let guesses = match side {
            Side::Ingest => &self.ingest,
            Side::Admin => &self.admin,
        };
        let count = |outcome| {
            let labels = [side.name(), outcome];
            metrics.wrong_tokens.with_label_values(&labels).inc();
        };
        if !guesses.lock().may_try(address, now) {
            count("slowed");
            return Offered::TooMany;
        }
        if is_one_of(offered, right) {
            return Offered::Right;
        }
        guesses.lock().was_wrong(address, now);
        count("wrong");
        self.tell(side, address, now);
        Offered::Wrong
    }

    fn tell(&self, side: Side, address: Address, now: Monotone) {
        let mut told = self.told.lock();
        if told.is_some_and(|at| now.since_us(at) < TELL_EVERY_US) {
            return;
        }
        *told = Some(now);
        let side = side.name();
        tracing::warn!(side, %address, "wrong token offered; GET /metrics counts them all");
    }
}

/// Takes the same time whichever of them it is, and whether it is one.
fn is_one_of<'a>(offered: &[u8], right: impl IntoIterator<Item = &'a Secret>) -> bool {
    // Digests have one length, so neither the length nor the place of a difference takes time.
    let offered = Sha256::digest(offered);
    let mut found = Choice::from(0);
    for token in right {
        let token = token.reveal().as_bytes();
        let same = Sha256::digest(token).as_slice().ct_eq(offered.as_slice());
        found |= same & Choice::from(u8::from(!token.is_empty()));
    }
    found.into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::IpAddr;

    fn address(text: &str) -> Address {
        Address::of(text.parse::<IpAddr>().expect("an address"))
    }

    #[test]
    fn every_token_opens_and_nothing_else_does() {
        let tokens = ["first-of-the-tokens", "second-of-the-tokens", ""];
        let tokens = tokens.map(|token| Secret::new(token.into()));
        let opens = |offered: &str| is_one_of(offered.as_bytes(), &tokens);
        assert!(opens("first-of-the-tokens") && opens("second-of-the-tokens"));
        assert!(!opens("first-of-the-token") && !opens("first-of-the-tokens2"));
        assert!(!opens(""), "an empty token opens nothing");
        assert!(!is_one_of(b"anything", []), "no token opens nothing");
    }

    #[test]
    fn who_guesses_is_slowed_and_counted_and_others_are_not() {
        let metrics = Metrics::new(None).expect("metrics");
        let wrong = WrongTokens::new(5);
        let tokens = [Secret::new("the-right-one".into())];
        let judge = |from: &str, offered: &str| {
            wrong.judge(
                Side::Ingest,
                address(from),
                offered.as_bytes(),
                &tokens,
                &metrics,
            )
        };
        let looked_at = (0..2_000)
            .filter(|_| judge("192.0.2.1", "guess") == Offered::Wrong)
            .count();
        // A slow machine may take a second for them.
        assert!((20..100).contains(&looked_at), "{looked_at}");
        assert_eq!(judge("192.0.2.2", "the-right-one"), Offered::Right);
        let counted = |outcome| {
            let labels = ["ingest", outcome];
            metrics.wrong_tokens.with_label_values(&labels).get()
        };
        assert_eq!(counted("wrong") + counted("slowed"), 2_000);
        // The other side has tries of its own.
        let admin = wrong.judge(
            Side::Admin,
            address("192.0.2.1"),
            b"the-right-one",
            &tokens,
            &metrics,
        );
        assert_eq!(admin, Offered::Right);
    }
}
