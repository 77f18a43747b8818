//! The one clock of the harness: microseconds since this process first asked, so that histories of sender, receiver
//! and faults can be compared.

use std::{
    sync::OnceLock,
    thread,
    time::{Duration, Instant},
};

/// Microseconds on the harness's own monotone clock.
#[must_use]
pub fn micros() -> u64 {
    static START: OnceLock<Instant> = OnceLock::new();
    u64::try_from(START.get_or_init(Instant::now).elapsed().as_micros()).unwrap_or(u64::MAX)
}

/// Asks again and again until the answer is there. `None` when the bound has passed.
pub fn eventually<T>(bound: Duration, mut ask: impl FnMut() -> Option<T>) -> Option<T> {
    let deadline = Instant::now() + bound;
    loop {
        if let Some(answer) = ask() {
            return Some(answer);
        }
        if Instant::now() >= deadline {
            return None;
        }
        thread::sleep(Duration::from_millis(50));
    }
}
