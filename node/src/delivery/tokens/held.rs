//! The token of one destination and when to ask for another.

use super::digest;
use crate::egress::Granted;
use crate::peer::TokenAnswer;
use model::catalog::Secret;
use std::time::Duration;
use tokio::time::Instant;

/// A token's URL is asked at most this often for one destination, whatever comes of it.
const ASK_EVERY: Duration = Duration::from_secs(1);
/// A token is renewed so long before its end: a tenth of its life within these, and never more than half of it.
const EARLY_MIN: Duration = Duration::from_secs(5);
const EARLY_MAX: Duration = Duration::from_secs(60);

#[derive(Clone)]
pub(super) struct Token {
    pub(super) secret: Secret,
    refresh_at: Instant,
    expires_at: Instant,
}

/// What there is at a time.
pub(super) enum Look {
    Fresh(Token),
    /// It holds, and is to be renewed.
    Old(Token),
    Nothing,
}

#[derive(Default)]
pub(super) struct Held {
    token: Option<Token>,
    asked_at: Option<Instant>,
    /// Why the last one could not be had.
    failed: Option<String>,
    /// The digest of the last one that the destination did not take.
    refused: Option<String>,
}

impl Token {
    pub(super) fn granted(granted: Granted, now: Instant) -> Self {
        let life = granted.life;
        let early = (life / 10).clamp(EARLY_MIN, EARLY_MAX).min(life / 2);
        Self {
            secret: granted.token,
            refresh_at: now + (life - early),
            expires_at: now + life,
        }
    }

    /// As the destination's home told it. None: there is none in it.
    pub(super) fn told(answer: TokenAnswer, now: Instant) -> Option<Self> {
        Some(Self {
            secret: Secret::new(answer.token.filter(|token| !token.is_empty())?),
            refresh_at: now + Duration::from_millis(answer.refresh_in_ms),
            expires_at: now + Duration::from_millis(answer.expires_in_ms),
        })
    }

    pub(super) fn answer(&self, now: Instant) -> TokenAnswer {
        let until = |at: Instant| {
            u64::try_from(at.saturating_duration_since(now).as_millis()).unwrap_or(u64::MAX)
        };
        TokenAnswer {
            token: Some(self.secret.reveal().to_owned()),
            error: None,
            refresh_in_ms: until(self.refresh_at),
            expires_in_ms: until(self.expires_at),
        }
    }
}

impl Held {
    pub(super) fn look(&self, now: Instant) -> Look {
        match &self.token {
            Some(token) if now < token.refresh_at => Look::Fresh(token.clone()),
            Some(token) if now < token.expires_at => Look::Old(token.clone()),
            _ => Look::Nothing,
        }
    }

    /// How long to wait before the token's URL may be asked.
    ///
    /// # Errors
    /// When it was asked in vain a moment ago: the same answer stands for all who ask at the same time.
    pub(super) fn pause(&self, now: Instant) -> Result<Duration, String> {
        let next = self.asked_at.map_or(now, |at| at + ASK_EVERY);
        let pause = next.saturating_duration_since(now);
        match &self.failed {
            Some(error) if !pause.is_zero() => Err(error.clone()),
            _ => Ok(pause),
        }
    }

    pub(super) fn keep(&mut self, token: Token, now: Instant) {
        self.token = Some(token);
        self.asked_at = Some(now);
        self.failed = None;
    }

    pub(super) fn failed(&mut self, error: String, now: Instant) {
        self.asked_at = Some(now);
        self.failed = Some(error);
    }

    pub(super) fn refuse(&mut self, refused: &str) {
        let is_it = |token: &Token| digest(token.secret.reveal()) == refused;
        if self.token.as_ref().is_some_and(is_it) {
            self.token = None;
        }
        self.refused = Some(refused.to_owned());
    }

    pub(super) fn refused(&self) -> Option<&str> {
        self.refused.as_deref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn granted(life_s: u64) -> Granted {
        Granted {
            token: Secret::new("t".into()),
            life: Duration::from_secs(life_s),
        }
    }

    fn is_fresh(held: &Held, at: Instant) -> Option<bool> {
        match held.look(at) {
            Look::Fresh(_) => Some(true),
            Look::Old(_) => Some(false),
            Look::Nothing => None,
        }
    }

    #[test]
    fn a_token_is_renewed_before_it_ends() {
        let now = Instant::now();
        for (life_s, fresh_s) in [(3600, 3540), (100, 90), (20, 15), (2, 1)] {
            let mut held = Held::default();
            held.keep(Token::granted(granted(life_s), now), now);
            let at = |s: u64| now + Duration::from_secs(s);
            assert_eq!(is_fresh(&held, at(fresh_s - 1)), Some(true), "{life_s}");
            assert_eq!(is_fresh(&held, at(fresh_s)), Some(false), "{life_s}");
            assert_eq!(is_fresh(&held, at(life_s)), None, "{life_s}");
        }
    }

    #[test]
    fn a_refused_token_is_dropped_and_another_one_is_not() {
        let now = Instant::now();
        let mut held = Held::default();
        held.keep(Token::granted(granted(60), now), now);
        held.refuse(&digest("another"));
        assert_eq!(is_fresh(&held, now), Some(true));
        held.refuse(&digest("t"));
        assert_eq!(is_fresh(&held, now), None);
    }

    #[test]
    fn the_url_is_asked_once_a_second_and_a_failure_stands_for_all() {
        let now = Instant::now();
        let mut held = Held::default();
        assert_eq!(held.pause(now), Ok(Duration::ZERO));
        held.failed("no".into(), now);
        assert_eq!(held.pause(now), Err("no".into()));
        assert_eq!(held.pause(now + ASK_EVERY), Ok(Duration::ZERO));
        held.keep(Token::granted(granted(60), now), now);
        assert_eq!(held.pause(now + ASK_EVERY / 4), Ok(ASK_EVERY * 3 / 4));
    }

    #[test]
    fn a_token_tells_another_node_how_long_it_still_holds() {
        let now = Instant::now();
        let told = Token::granted(granted(100), now).answer(now + Duration::from_secs(30));
        assert_eq!((told.refresh_in_ms, told.expires_in_ms), (60_000, 70_000));
        let token = Token::told(told, now).expect("a token");
        assert_eq!(token.secret.reveal(), "t");
    }
}
