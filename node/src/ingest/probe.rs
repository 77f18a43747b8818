//! Whether one batch more under way serves more: a busy node tries both ways in turns and keeps the better one for a while
//! (hill climbing by one step). Pure.
//!
//! What a batch takes does not say it. Where a node has processors to spare, one batch can be judged while another is
//! committed; where it has none, the second batch only costs. What it costs depends on everything that runs there.

use std::time::Duration;

/// A node is looked at when it was busy for so long.
const BUSY_FOR: Duration = Duration::from_millis(300);
/// Batches of fewer requests have nothing to gain.
const LEAST_REQUESTS: usize = 4;
/// Batches behind a change of the way that still show the other one.
const SETTLING: u32 = 3;
/// The least that a window has, so that it says something.
const WINDOW: Duration = Duration::from_millis(40);
const WINDOW_BATCHES: u32 = 8;
/// Pairs of windows after which it is decided, and after which it may be where the difference is plain.
const PAIRS: u32 = 6;
const PAIRS_PLAIN: u32 = 2;
/// Hundredths by which the way with more must be better, for it costs more of the processor; and a plain difference.
const WORTH: u64 = 104;
const PLAIN: u64 = 115;
/// How long the first decision holds, and the longest that one holds.
const HOLDS: Duration = Duration::from_secs(4);
const HOLDS_MAX: Duration = Duration::from_secs(64);

/// A look at both ways, from time to time.
#[derive(Clone, Copy, Debug)]
pub(super) struct Probe {
    /// The way that was found to be better.
    kept: bool,
    look: Option<Look>,
    window: Window,
    /// When the next look may begin, and how long the last decision held.
    next_at: Duration,
    holds: Duration,
    /// Since when there was no window that was not busy.
    busy_since: Option<Duration>,
}

/// What both ways have served since a look began.
#[derive(Clone, Copy, Debug, Default)]
struct Look {
    more: bool,
    windows: u32,
    fewer_served: Served,
    more_served: Served,
}

/// Requests, and the time that they took.
#[derive(Clone, Copy, Debug, Default)]
struct Served {
    requests: usize,
    within: Duration,
}

/// A stretch of one way.
#[derive(Clone, Copy, Debug, Default)]
struct Window {
    settling: u32,
    since: Duration,
    batches: u32,
    requests: usize,
    /// The time for which something was under way.
    busy: Duration,
}

impl Served {
    fn add(&mut self, window: &Window, now: Duration) {
        self.requests += window.requests;
        self.within += now.saturating_sub(window.since);
    }

    /// Requests a second.
    fn rate(self) -> u64 {
        let micros = self.within.as_micros().max(1);
        u64::try_from(self.requests as u128 * 1_000_000 / micros).unwrap_or(u64::MAX)
    }
}

impl Default for Probe {
    fn default() -> Self {
        Self {
            kept: false,
            look: None,
            window: Window::default(),
            next_at: Duration::ZERO,
            holds: HOLDS,
            busy_since: None,
        }
    }
}

impl Probe {
    /// Whether one batch more may be under way now.
    pub(super) fn more(&self) -> bool {
        self.look.map_or(self.kept, |look| look.more)
    }

    /// A batch of so many requests came to its end; `busy` is the time since the one before it, or since it was proposed where
    /// nothing was under way in between.
    pub(super) fn observe(&mut self, requests: usize, busy: Duration, now: Duration) {
        if self.window.settling > 0 {
            self.window.settling -= 1;
            self.window.since = now;
            return;
        }
        self.window.batches += 1;
        self.window.requests += requests;
        self.window.busy += busy;
        let length = now.saturating_sub(self.window.since);
        if length < WINDOW || self.window.batches < WINDOW_BATCHES {
            return;
        }
        let window = std::mem::take(&mut self.window);
        self.window.since = now;
        let is_busy = window.busy * 2 >= length
            && window.requests >= LEAST_REQUESTS * window.batches as usize;
        if is_busy {
            self.look_on(&window, now);
        } else {
            self.look = None;
            self.busy_since = None;
        }
    }

    /// Goes on with a look, or begins one where it is time.
    fn look_on(&mut self, window: &Window, now: Duration) {
        let busy_since = *self.busy_since.get_or_insert(window.since);
        let Some(mut look) = self.look else {
            if now >= self.next_at && now.saturating_sub(busy_since) >= BUSY_FOR {
                self.turn(Look {
                    more: self.kept,
                    ..Look::default()
                });
            }
            return;
        };
        match look.more {
            true => look.more_served.add(window, now),
            false => look.fewer_served.add(window, now),
        }
        look.windows += 1;
        look.more = !look.more;
        match look.better() {
            None => self.turn(look),
            Some(better) => {
                self.holds = if better == self.kept {
                    (self.holds * 2).min(HOLDS_MAX)
                } else {
                    HOLDS
                };
                self.kept = better;
                self.look = None;
                self.next_at = now + self.holds;
            }
        }
    }

    fn turn(&mut self, look: Look) {
        self.look = Some(look);
        self.window.settling = SETTLING;
    }
}

impl Look {
    /// The better way, once enough of both was seen.
    fn better(&self) -> Option<bool> {
        let pairs = self.windows / 2;
        if self.windows % 2 == 1 || pairs < PAIRS_PLAIN {
            return None;
        }
        let (fewer, more) = (self.fewer_served.rate(), self.more_served.rate());
        let is_by = |by: u64| fewer.max(more) * 100 >= fewer.min(more) * by;
        (pairs >= PAIRS || is_by(PLAIN)).then(|| more * 100 >= fewer * WORTH)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Lets a node work for so long, and returns the share of its batches with one more under way.
    fn worked(probe: &mut Probe, from: Duration, until: Duration, took_ms: [u64; 2]) -> f64 {
        let (mut now, mut all, mut more) = (from, 0, 0);
        while now < until {
            let took = Duration::from_millis(took_ms[usize::from(probe.more())]);
            now += took;
            all += 1;
            more += u32::from(probe.more());
            probe.observe(64, took, now);
        }
        f64::from(more) / f64::from(all)
    }

    const MINUTE: Duration = Duration::from_secs(60);

    #[test]
    fn one_more_is_kept_where_it_serves_more() {
        let mut probe = Probe::default();
        let share = worked(&mut probe, Duration::ZERO, MINUTE, [10, 8]);
        assert!(share > 0.9 && probe.kept, "{share}");
    }

    #[test]
    fn where_it_serves_no_more_it_is_tried_seldom() {
        for took_ms in [[10, 10], [10, 12], [10, 30]] {
            let mut probe = Probe::default();
            let share = worked(&mut probe, Duration::ZERO, MINUTE, took_ms);
            assert!(share > 0.0 && share < 0.05, "{took_ms:?}: {share}");
            assert!(!probe.kept);
        }
    }

    #[test]
    fn what_has_changed_is_found_out() {
        let mut probe = Probe::default();
        worked(&mut probe, Duration::ZERO, MINUTE, [10, 8]);
        assert!(probe.kept);
        worked(&mut probe, MINUTE, MINUTE * 3, [10, 12]);
        assert!(!probe.kept);
    }

    #[test]
    fn a_quiet_node_tries_nothing() {
        for (requests, busy_ms) in [(1, 10), (64, 4)] {
            let mut probe = Probe::default();
            for batch in 1..5_000 {
                let now = Duration::from_millis(10 * batch);
                probe.observe(requests, Duration::from_millis(busy_ms), now);
                assert!(!probe.more(), "{requests} {busy_ms}");
            }
        }
    }

    #[test]
    fn a_look_ends_where_the_load_does() {
        let mut probe = Probe::default();
        let mut now = Duration::ZERO;
        while !probe.more() {
            now += Duration::from_millis(10);
            probe.observe(64, Duration::from_millis(10), now);
        }
        for _ in 0..WINDOW_BATCHES + SETTLING {
            now += Duration::from_millis(100);
            probe.observe(1, Duration::from_millis(1), now);
        }
        assert!(!probe.more());
    }
}
