//! Fair scheduling of scripts: whose call runs next, by the time that each key used recently, so that slow scripts wait
//! and nobody waits for them.

use std::collections::{BTreeMap, VecDeque};

/// Calls that wait and calls that run, by their key. Pure: what happens is told, and when is an argument, in
/// microseconds of any clock that only goes forward.
///
/// - Of one key's calls the first comes first.
/// - The next call is of the key that runs the fewest, then of the one that used the least time recently.
/// - One key never holds all threads, and slow keys together hold no more than half of them: there is always one that is
///   soon free for others, and a core that no loop heats.
/// - When there is no room, the newest call of the longest queue has to go.
pub(super) struct Turns<T> {
    lanes: BTreeMap<String, Lane<T>>,
    waiting: usize,
    arrivals: u64,
    bounds: Bounds,
    forgotten_at_us: u64,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    pub(super) threads: usize,
    /// Calls that may wait.
    pub(super) queue: usize,
    /// A key is slow when its last call took this long, or a running one does.
    pub(super) slow_us: u64,
}

/// A call whose turn it is. Its end must be told.
#[derive(Debug)]
pub(super) struct Turn<T> {
    pub(super) key: String,
    pub(super) started_us: u64,
    pub(super) job: T,
}

struct Lane<T> {
    waiting: VecDeque<(u64, T)>,
    /// When each of its running calls started.
    running: Vec<u64>,
    used_us: u64,
    used_at_us: u64,
    was_slow: bool,
}

/// What was used this long ago counts half.
const HALF_LIFE_US: u64 = 4_000_000;
/// A key that used less is forgotten.
const DUST_US: u64 = 1_000;

impl<T> Turns<T> {
    pub(super) fn new(bounds: Bounds) -> Self {
        Self {
            lanes: BTreeMap::new(),
            waiting: 0,
            arrivals: 0,
            bounds,
            forgotten_at_us: 0,
        }
    }

    /// Queues a call. Returns the call that has no room: this one, or another key's if that has more of them.
    pub(super) fn push(&mut self, key: &str, job: T) -> Option<T> {
        self.arrivals += 1;
        let lane = self.lanes.entry(key.to_owned()).or_default();
        lane.waiting.push_back((self.arrivals, job));
        self.waiting += 1;
        if self.waiting <= self.bounds.queue {
            return None;
        }
        // The newcomer gives way where its own queue is one of the longest.
        let (_, longest) = self
            .lanes
            .iter_mut()
            .max_by_key(|(name, lane)| (lane.waiting.len(), name.as_str() == key))?;
        self.waiting -= 1;
        longest.waiting.pop_back().map(|(_, job)| job)
    }

    /// The next call, if one may run now.
    pub(super) fn next(&mut self, now_us: u64) -> Option<Turn<T>> {
        let of_one_key = self.bounds.threads.saturating_sub(1).max(1);
        let of_slow_keys = (self.bounds.threads / 2).max(1);
        let slow_us = self.bounds.slow_us;
        let running: usize = self.lanes.values().map(|lane| lane.running.len()).sum();
        if running >= self.bounds.threads {
            return None;
        }
        let held_by_slow: usize = self
            .lanes
            .values()
            .map(|lane| lane.running_slow(now_us, slow_us))
            .sum();
        let (key, lane) = self
            .lanes
            .iter_mut()
            .filter(|(_, lane)| !lane.waiting.is_empty() && lane.running.len() < of_one_key)
            .filter(|(_, lane)| held_by_slow < of_slow_keys || !lane.is_slow(now_us, slow_us))
            .min_by_key(|(_, lane)| {
                let arrival = lane.waiting.front().map(|(arrival, _)| *arrival);
                (lane.running.len(), lane.used_us(now_us), arrival)
            })?;
        let (_, job) = lane.waiting.pop_front()?;
        lane.running.push(now_us);
        self.waiting -= 1;
        Some(Turn {
            key: key.clone(),
            started_us: now_us,
            job,
        })
    }

    /// A call of this key that started then has ended now.
    pub(super) fn done(&mut self, key: &str, started_us: u64, now_us: u64) {
        let Some(lane) = self.lanes.get_mut(key) else {
            return;
        };
        let Some(at) = lane.running.iter().position(|at| *at == started_us) else {
            return;
        };
        lane.running.swap_remove(at);
        let took_us = now_us.saturating_sub(started_us);
        lane.used_us = lane.used_us(now_us).saturating_add(took_us);
        lane.used_at_us = now_us;
        lane.was_slow = took_us >= self.bounds.slow_us;
        self.forget(key, now_us);
    }

    /// Takes all that waits.
    pub(super) fn drain(&mut self) -> Vec<T> {
        self.waiting = 0;
        let lanes = self.lanes.values_mut();
        lanes
            .flat_map(|lane| lane.waiting.drain(..).map(|(_, job)| job))
            .collect()
    }

    pub(super) fn waiting(&self) -> usize {
        self.waiting
    }

    /// Lets this key go if it left no trace, and now and then all others whose trace has faded.
    fn forget(&mut self, key: &str, now_us: u64) {
        if self.lanes[key].is_dust(now_us) {
            self.lanes.remove(key);
        }
        if now_us.saturating_sub(self.forgotten_at_us) >= HALF_LIFE_US {
            self.forgotten_at_us = now_us;
            self.lanes.retain(|_, lane| !lane.is_dust(now_us));
        }
    }
}

impl<T> Lane<T> {
    /// What its ended calls used, fading.
    fn used_us(&self, now_us: u64) -> u64 {
        let halvings = now_us.saturating_sub(self.used_at_us) / HALF_LIFE_US;
        let halvings = u32::try_from(halvings).unwrap_or(u32::MAX);
        self.used_us.checked_shr(halvings).unwrap_or(0)
    }

    fn is_slow(&self, now_us: u64, slow_us: u64) -> bool {
        self.was_slow || self.overdue(now_us, slow_us) > 0
    }

    /// Running calls that count against the slow keys' share.
    fn running_slow(&self, now_us: u64, slow_us: u64) -> usize {
        if self.was_slow {
            self.running.len()
        } else {
            self.overdue(now_us, slow_us)
        }
    }

    /// Calls that have been running for as long as slow ones do.
    fn overdue(&self, now_us: u64, slow_us: u64) -> usize {
        let started = self.running.iter();
        started
            .filter(|at| now_us.saturating_sub(**at) >= slow_us)
            .count()
    }

    fn is_dust(&self, now_us: u64) -> bool {
        self.waiting.is_empty() && self.running.is_empty() && self.used_us(now_us) < DUST_US
    }
}

impl<T> Default for Lane<T> {
    fn default() -> Self {
        Self {
            waiting: VecDeque::new(),
            running: Vec::new(),
            used_us: 0,
            used_at_us: 0,
            was_slow: false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000;

    fn turns(threads: usize, queue: usize) -> Turns<u32> {
        Turns::new(Bounds {
            threads,
            queue,
            slow_us: SECOND / 4,
        })
    }

    /// The keys of all calls that may start now.
    fn started(turns: &mut Turns<u32>, now_us: u64) -> Vec<String> {
        std::iter::from_fn(|| turns.next(now_us).map(|turn| turn.key)).collect()
    }

    #[test]
    fn calls_of_one_key_run_in_order() {
        let mut turns = turns(1, 10);
        for number in 0..3 {
            assert_eq!(turns.push("a", number), None);
        }
        for number in 0..3 {
            let turn = turns.next(0).expect("waiting");
            assert_eq!(turn.job, number);
            assert!(turns.next(0).is_none(), "the thread is taken");
            turns.done("a", turn.started_us, 10);
        }
    }

    #[test]
    fn each_key_runs_one_call_while_others_wait() {
        let mut turns = turns(3, 10);
        for number in 0..4 {
            turns.push("a", number);
        }
        turns.push("b", 4);
        turns.push("c", 5);
        assert_eq!(started(&mut turns, 0), ["a", "b", "c"]);
    }

    #[test]
    fn a_key_alone_uses_all_threads_but_one() {
        let mut turns = turns(3, 10);
        for number in 0..5 {
            turns.push("a", number);
        }
        assert_eq!(started(&mut turns, 0), ["a", "a"]);
        turns.push("b", 9);
        assert_eq!(
            started(&mut turns, 1),
            ["b"],
            "the free thread is at once there for others"
        );
    }

    #[test]
    fn who_used_less_time_recently_goes_first() {
        let mut turns = turns(1, 10);
        turns.push("a", 0);
        let turn = turns.next(0).expect("waiting");
        turns.done("a", turn.started_us, SECOND / 10);
        turns.push("a", 1);
        turns.push("b", 2);
        assert_eq!(started(&mut turns, SECOND / 10), ["b"]);
    }

    #[test]
    fn what_was_used_long_ago_is_forgiven() {
        let mut turns = turns(1, 10);
        turns.push("a", 0);
        let turn = turns.next(0).expect("waiting");
        turns.done("a", turn.started_us, SECOND);
        turns.push("a", 1);
        turns.push("b", 2);
        assert_eq!(started(&mut turns, 100 * SECOND), ["a"], "first come");
    }

    #[test]
    fn slow_keys_together_hold_half_of_the_threads() {
        let mut turns = turns(4, 20);
        let keys = ["v", "w", "x", "y"];
        for key in keys {
            turns.push(key, 0);
        }
        let first: Vec<Turn<u32>> = std::iter::from_fn(|| turns.next(0)).collect();
        assert_eq!(first.len(), 4, "nobody knows them yet");
        for turn in first {
            turns.done(&turn.key, turn.started_us, SECOND);
        }
        for key in keys {
            turns.push(key, 1);
        }
        assert_eq!(started(&mut turns, SECOND).len(), 2, "now they are known");
        turns.push("good", 2);
        turns.push("better", 3);
        assert_eq!(started(&mut turns, SECOND), ["good", "better"]);
    }

    #[test]
    fn a_call_that_hangs_is_slow_before_it_ends() {
        let mut turns = turns(2, 10);
        turns.push("x", 0);
        turns.push("y", 0);
        let x = turns.next(0).expect("waiting");
        let y = turns.next(0).expect("waiting");
        turns.done(&y.key, y.started_us, SECOND / 2);
        assert_eq!(x.key, "x");
        turns.push("y", 1);
        assert!(
            turns.next(SECOND / 2).is_none(),
            "x still hangs, y is slow too"
        );
        turns.push("good", 1);
        assert_eq!(started(&mut turns, SECOND / 2), ["good"]);
    }

    #[test]
    fn a_slow_key_is_forgiven_after_one_fast_call() {
        let mut turns = turns(2, 10);
        for took in [SECOND, 1] {
            turns.push("x", 0);
            let turn = turns.next(0).expect("waiting");
            turns.done("x", turn.started_us, took);
        }
        assert!(!turns.lanes["x"].is_slow(SECOND, SECOND / 4));
    }

    #[test]
    fn a_full_queue_sends_away_the_newest_of_the_longest() {
        let mut turns = turns(1, 3);
        for number in 0..3 {
            assert_eq!(turns.push("hog", number), None);
        }
        assert_eq!(turns.push("hog", 3), Some(3), "the hog itself");
        assert_eq!(
            turns.push("good", 4),
            Some(2),
            "the hog's, not the newcomer"
        );
        assert_eq!(turns.push("other", 5), Some(1));
        assert_eq!(
            turns.push("third", 6),
            Some(6),
            "all have one: the newcomer gives way"
        );
        assert_eq!(turns.waiting(), 3);
    }

    #[test]
    fn draining_empties_the_queues() {
        let mut turns = turns(1, 5);
        for number in 0..3 {
            turns.push(["a", "b", "a"][number as usize], number);
        }
        let mut drained = turns.drain();
        drained.sort_unstable();
        assert_eq!((drained, turns.waiting()), (vec![0, 1, 2], 0));
        assert!(turns.next(0).is_none());
    }

    #[test]
    fn keys_that_left_no_trace_cost_nothing() {
        let mut turns = turns(2, 10);
        for number in 0..100_000u32 {
            let key = format!("key {number}");
            turns.push(&key, number);
            let now = u64::from(number) * 400;
            let turn = turns.next(now).expect("waiting");
            turns.done(&key, turn.started_us, now + 300);
        }
        assert!(turns.lanes.is_empty(), "{}", turns.lanes.len());
        for number in 0..100_000u32 {
            let key = format!("key {number}");
            turns.push(&key, number);
            let now = (100 + u64::from(number)) * SECOND;
            let turn = turns.next(now).expect("waiting");
            turns.done(&key, turn.started_us, now + SECOND);
        }
        assert!(turns.lanes.len() < 100, "{}", turns.lanes.len());
    }

    /// Any story of arrivals and ends, on a small machine made of a few numbers.
    #[test]
    fn whatever_happens_the_bounds_hold_and_nothing_is_lost() {
        for seed in 0..300u64 {
            let mut dice = super::super::dice::Dice::new(seed);
            let mut below = |n: usize| (dice.fraction() * n as f64) as usize;
            let (threads, queue) = (1 + below(4), 1 + below(6));
            let mut turns = turns(threads, queue);
            let (mut running, mut served, mut sent_away) = (Vec::new(), 0, 0);
            let mut now_us = 0;
            let mut arrived = 0;
            for _ in 0..400 {
                now_us += below(300_000) as u64;
                match below(3) {
                    0 => {
                        arrived += 1;
                        let key = ["a", "b", "c", "d"][below(4)];
                        sent_away += usize::from(turns.push(key, arrived).is_some());
                    }
                    1 if !running.is_empty() => {
                        let turn: Turn<u32> = running.swap_remove(below(running.len()));
                        turns.done(&turn.key, turn.started_us, now_us);
                        served += 1;
                    }
                    _ => running.extend(turns.next(now_us)),
                }
                assert!(running.len() <= threads && turns.waiting() <= queue);
                let most =
                    ["a", "b", "c", "d"].map(|key| running.iter().filter(|t| t.key == key).count());
                assert!(most.iter().all(|n| *n <= (threads - 1).max(1)));
            }
            // Everything that waits is served in the end, whoever is slow.
            while turns.waiting() > 0 || !running.is_empty() {
                now_us += SECOND;
                running.extend(std::iter::from_fn(|| turns.next(now_us)));
                let turn = running
                    .pop()
                    .expect("something always runs while something waits");
                turns.done(&turn.key, turn.started_us, now_us + 1);
                served += 1;
            }
            assert_eq!(served + sent_away, arrived as usize, "seed {seed}");
        }
    }
}
