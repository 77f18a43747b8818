//! The only clock and the only dice of the whole program.

use model::time::Timestamp;
use std::time::{SystemTime, UNIX_EPOCH};

/// Reads the wall clock.
pub(crate) fn now() -> Timestamp {
    let since_epoch = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    Timestamp(u64::try_from(since_epoch.as_millis()).unwrap_or(u64::MAX))
}

/// Draws 128 bits from the operating system.
///
/// # Panics
/// When the operating system has none: nothing that needs a secret or an id may go on then.
pub(crate) fn entropy() -> u128 {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).expect("the operating system gives entropy");
    u128::from_le_bytes(bytes)
}

/// A fraction of `[0, 1)`, for jitter.
pub(crate) fn fraction() -> f64 {
    // 53 bits are what an f64 holds exactly.
    (entropy() >> 75) as f64 / (1u64 << 53) as f64
}
