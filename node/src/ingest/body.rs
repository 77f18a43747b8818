//! Reads a body as it comes, never decoded, under three bounds: its size, its deadline and its rate.

use super::{admission::Permit, refused::Refused};
use crate::config::Ingest;
use actix_web::{error::PayloadError, web::Payload};
use bytes::{Bytes, BytesMut};
use futures::{FutureExt, StreamExt};
use std::time::Duration;
use tokio::time::Instant;

/// How slow a body may be.
#[derive(Clone, Copy, Debug)]
struct Pace {
    total: Duration,
    grace: Duration,
    min_rate_bytes_per_s: u64,
}

impl Pace {
    /// When the next byte must be there at the latest, counted from the start.
    fn deadline(self, received: usize) -> Duration {
        let earned_ms = match self.min_rate_bytes_per_s {
            0 => return self.total,
            rate => (received as u64).saturating_mul(1000) / rate,
        };
        self.total
            .min(self.grace.saturating_add(Duration::from_millis(earned_ms)))
    }
}

/// Reads the whole body. It is admitted when it begins to come: a head that waits takes nobody's seat.
pub(super) async fn read(
    mut payload: Payload,
    declared: Option<usize>,
    admit: impl Fn() -> Result<Permit, Refused>,
    bounds: &Ingest,
) -> Result<(Bytes, Permit), Refused> {
    if declared.is_some_and(|length| length > bounds.max_body_bytes) {
        return Err(Refused::BodyTooLarge);
    }
    let pace = Pace {
        total: Duration::from_millis(bounds.body_timeout_ms),
        grace: Duration::from_millis(bounds.body_grace_ms),
        min_rate_bytes_per_s: bounds.body_min_rate_bytes_per_s,
    };
    let started = Instant::now();
    let mut body = Gathered::default();
    let mut permit = None;
    loop {
        // Most bodies came with their head: no timer for those.
        let chunk = match payload.next().now_or_never() {
            Some(chunk) => chunk,
            None => tokio::time::timeout_at(started + pace.deadline(body.len()), payload.next())
                .await
                .map_err(|_| Refused::BodyTooSlow)?,
        };
        let Some(chunk) = chunk else { break };
        let chunk = chunk.map_err(|error| refused(&error))?;
        let size = body.len() + chunk.len();
        if size > bounds.max_body_bytes {
            return Err(Refused::BodyTooLarge);
        }
        let permit = match &mut permit {
            Some(permit) => permit,
            None => permit.insert(admit().map_err(|_| Refused::NoRoom)?),
        };
        // Bytes are counted as they come: a promise of many must not take the place of those that are there.
        permit.grow_to(size)?;
        body.push(chunk, declared);
        if started.elapsed() > pace.total {
            return Err(Refused::BodyTooSlow);
        }
    }
    let permit = match permit {
        Some(permit) => permit,
        None => admit()?,
    };
    Ok((body.whole(), permit))
}

fn refused(error: &PayloadError) -> Refused {
    match error {
        PayloadError::Overflow => Refused::BodyTooLarge,
        _ => Refused::BodyBroken,
    }
}

/// A body so far. One chunk is kept as it is, without a copy.
#[derive(Default)]
struct Gathered {
    first: Bytes,
    rest: BytesMut,
}

impl Gathered {
    fn len(&self) -> usize {
        self.first.len() + self.rest.len()
    }

    fn push(&mut self, chunk: Bytes, declared: Option<usize>) {
        if self.len() == 0 {
            self.first = chunk;
            return;
        }
        if self.rest.is_empty() {
            self.rest
                .reserve(declared.unwrap_or(0).max(self.first.len() + chunk.len()));
            self.rest
                .extend_from_slice(&std::mem::take(&mut self.first));
        }
        self.rest.extend_from_slice(&chunk);
    }

    fn whole(self) -> Bytes {
        if self.rest.is_empty() {
            self.first
        } else {
            self.rest.freeze()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunks_come_together_in_their_order() {
        let mut body = Gathered::default();
        for chunk in ["", "a", "", "bc", "d"] {
            body.push(Bytes::from_static(chunk.as_bytes()), Some(4));
        }
        assert_eq!(body.len(), 4);
        assert_eq!(body.whole(), "abcd");
    }

    #[test]
    fn a_trickle_is_cut_off_after_the_grace_and_a_steady_body_at_the_deadline() {
        let pace = Pace {
            total: Duration::from_secs(15),
            grace: Duration::from_secs(3),
            min_rate_bytes_per_s: 1024,
        };
        assert_eq!(pace.deadline(0), Duration::from_secs(3));
        assert_eq!(pace.deadline(2048), Duration::from_secs(5));
        assert_eq!(pace.deadline(1 << 30), Duration::from_secs(15));
    }
}
