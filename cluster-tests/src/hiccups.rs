//! How late this machine itself was: what a measured distance may have lost to a processor that others had.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

const TICK: Duration = Duration::from_millis(1);
/// However late the machine was, no more than this is forgiven: beyond it a measurement says nothing.
const MOST_US: u64 = 20_000;

/// A running meter: a thread that sleeps for a millisecond again and again, and notes how much longer it took.
pub struct Hiccups {
    worst_us: Arc<AtomicU64>,
    stopped: Arc<AtomicBool>,
    meter: Option<JoinHandle<()>>,
}

impl Hiccups {
    /// # Panics
    /// When there are no more threads.
    #[must_use]
    pub fn measure() -> Self {
        let worst_us = Arc::new(AtomicU64::new(0));
        let stopped = Arc::new(AtomicBool::new(false));
        let (worst, stop) = (worst_us.clone(), stopped.clone());
        let meter = thread::spawn(move || {
            while !stop.load(Ordering::Relaxed) {
                let from = Instant::now();
                thread::sleep(TICK);
                let late = from.elapsed().saturating_sub(TICK).as_micros();
                worst.fetch_max(u64::try_from(late).unwrap_or(u64::MAX), Ordering::Relaxed);
            }
        });
        Self {
            worst_us,
            stopped,
            meter: Some(meter),
        }
    }

    /// The longest so far, in microseconds, as far as it is forgiven.
    #[must_use]
    pub fn worst_us(&self) -> u64 {
        self.worst_us.load(Ordering::Relaxed).min(MOST_US)
    }
}

impl Drop for Hiccups {
    fn drop(&mut self) {
        self.stopped.store(true, Ordering::Relaxed);
        if let Some(meter) = self.meter.take() {
            let _ = meter.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sleeper_is_always_a_little_late_and_never_forgiven_all() {
        let hiccups = Hiccups::measure();
        thread::sleep(Duration::from_millis(50));
        let worst = hiccups.worst_us();
        assert!(worst > 0 && worst <= MOST_US, "{worst}");
    }
}
