//! The only clocks and the only dice of the whole program.

use model::time::{Monotone, Now, Timestamp};
use raft::Clock;
use std::{
    sync::{Arc, LazyLock, OnceLock},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

/// What the steady clock shows when the process starts: more than anybody looks back.
const STEADY_START_US: u64 = 1_000_000_000_000;

/// The time: what people call so, by a clock that nobody sets and that a majority of the cluster vouches for.
pub fn now() -> Timestamp {
    clock().now()
}

/// The clock of this process.
pub fn clock() -> &'static Arc<Clock> {
    static CLOCK: LazyLock<Arc<Clock>> = LazyLock::new(|| {
        Clock::new(|| Now {
            wall: wall(),
            steady: steady(),
        })
    });
    &CLOCK
}

/// Reads the machine's wall clock, which anybody may set at any moment. Only what keeps the time asks for it.
fn wall() -> Timestamp {
    let since_epoch = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    Timestamp(u64::try_from(since_epoch.as_millis()).unwrap_or(u64::MAX))
}

/// Reads the clock that nobody sets. It began with the process.
pub(crate) fn steady() -> Monotone {
    static START: OnceLock<Duration> = OnceLock::new();
    let now = since_boot();
    let passed = now.saturating_sub(*START.get_or_init(|| now)).as_micros();
    Monotone(STEADY_START_US.saturating_add(u64::try_from(passed).unwrap_or(u64::MAX)))
}

/// Counts on while the machine sleeps: what was due meanwhile is due when it wakes.
#[cfg(target_os = "linux")]
fn since_boot() -> Duration {
    use nix::time::{ClockId, clock_gettime};
    let read =
        clock_gettime(ClockId::CLOCK_BOOTTIME).or_else(|_| clock_gettime(ClockId::CLOCK_MONOTONIC));
    read.expect("the system has a steady clock").into()
}

#[cfg(not(target_os = "linux"))]
fn since_boot() -> Duration {
    static START: OnceLock<std::time::Instant> = OnceLock::new();
    START.get_or_init(std::time::Instant::now).elapsed()
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
pub fn entropy() -> u128 {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).expect("the operating system gives entropy");
    u128::from_le_bytes(bytes)
}

/// A fraction of `[0, 1)`, for jitter.
pub(crate) fn fraction() -> f64 {
    // 53 bits are what an f64 holds exactly.
    (entropy() >> 75) as f64 / (1u64 << 53) as f64
}
