//! The deduplication table: the first of those that count as the same stands for its window, and then goes.

use super::Context;
use crate::{
    fingerprint::Fingerprint,
    ids::EventId,
    state::{
        codec, keys,
        kv::{Kv, Table},
        tables::{self, TableError},
    },
    time::Timestamp,
    traffic::Seen,
};
use serde::{Deserialize, Serialize};

/// An idempotency key with its window: only one thing with this fingerprint is accepted in so long.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Once {
    /// Holds for one source or one connection.
    pub fingerprint: Fingerprint,
    /// Milliseconds, from the first one on.
    pub window_ms: u64,
}

/// Fingerprints that a command lets go beside twice as many as it brings: so what has expired gets less, not more.
const EXPIRED_MAX: usize = 64;

/// The first one, if there was one in its window; else this is the first one.
pub(super) fn first(
    kv: &mut impl Kv,
    context: &Context<'_>,
    once: Once,
    event: EventId,
) -> Result<Option<EventId>, TableError> {
    let Once {
        fingerprint,
        window_ms,
    } = once;
    if let Some(seen) = tables::seen(kv, fingerprint)? {
        // What stands for longer than a window from now was seen in a future that was taken back.
        let latest = context.now.plus_ms(window_ms);
        let possible = seen.expires_at <= latest || keys::read_u64(kv, keys::META_MENDED)? == 0;
        if possible && context.now < seen.expires_at {
            return Ok(Some(seen.first));
        }
        kv.delete(Table::Dedup, &keys::expiry(seen.expires_at, fingerprint));
    }
    let expires_at = context.now.plus_ms(window_ms);
    let seen = Seen {
        first: event,
        expires_at,
    };
    kv.put(
        Table::Dedup,
        &keys::seen(fingerprint),
        &codec::encode(&seen),
    );
    kv.put(Table::Dedup, &keys::expiry(expires_at, fingerprint), &[]);
    Ok(None)
}

/// Lets go what has expired, after a command that brought so many.
pub(super) fn expire(
    kv: &mut impl Kv,
    context: &Context<'_>,
    brought: usize,
) -> Result<(), TableError> {
    // From where the last one ended: what it deleted has left tombstones in front.
    let from = Timestamp(keys::read_u64(kv, keys::META_SEEN_FROM)?);
    let lowest = Fingerprint::default();
    let rows = kv.scan(
        Table::Dedup,
        &keys::expiry(from, lowest),
        &keys::expiry(context.now.plus_ms(1), lowest),
        EXPIRED_MAX.saturating_add(brought.saturating_mul(2)),
    )?;
    let mut seen_from = from;
    for (key, _) in &rows {
        kv.delete(Table::Dedup, key);
        if let Some((at, fingerprint)) = keys::expired(key) {
            kv.delete(Table::Dedup, &keys::seen(fingerprint));
            seen_from = at;
        }
    }
    if seen_from != from {
        keys::write_u64(kv, keys::META_SEEN_FROM, seen_from.0);
    }
    Ok(())
}
