//! The only clocks and the only dice of the whole program.

use model::time::{Monotone, Now, Timestamp};
use std::{
    sync::OnceLock,
    time::{Instant, SystemTime, UNIX_EPOCH},
};

/// What the steady clock shows when the process starts: more than anybody looks back.
const STEADY_START_US: u64 = 1_000_000_000_000;

/// Reads the wall clock.
pub(crate) fn now() -> Timestamp {
    let since_epoch = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    Timestamp(u64::try_from(since_epoch.as_millis()).unwrap_or(u64::MAX))
}

/// Reads the clock that nobody sets. It began with the process.
pub(crate) fn steady() -> Monotone {
    static START: OnceLock<Instant> = OnceLock::new();
    let passed = START.get_or_init(Instant::now).elapsed().as_micros();
    Monotone(STEADY_START_US.saturating_add(u64::try_from(passed).unwrap_or(u64::MAX)))
}

/// Reads both clocks.
pub(crate) fn clocks() -> Now {
    Now {
        wall: now(),
        steady: steady(),
    }
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
