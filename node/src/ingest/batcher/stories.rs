//! The batcher in a small world: senders that post again as soon as they are answered, a processor that has one batch at a
//! time in hand, and a way to a majority that takes its time.

use super::*;
use std::{cmp::Reverse, collections::BinaryHeap};

/// What a batch costs the processor, whatever is in it, and what each request costs.
const BATCH: Duration = Duration::from_micros(1_000);
const REQUEST: Duration = Duration::from_micros(60);
const LED: [GroupId; 2] = [GroupId(1), GroupId(2)];

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Happens {
    /// A sender posts.
    Posted(u32),
    /// The batch of this number is on a majority's disks.
    Ended(u64),
    Alarm,
}

/// One node and those who post to it.
struct World {
    batcher: Batcher<u32>,
    now: Duration,
    to_come: BinaryHeap<Reverse<(Duration, Happens)>>,
    /// When the processor has done what was given to it.
    busy_until: Duration,
    /// What another processor takes for each request before it is queued, and when it has done so.
    judging: Duration,
    judged: Duration,
    distance: Duration,
    under_way: BTreeMap<u64, Vec<u32>>,
    posted_at: Vec<Duration>,
    /// Posts that each sender still makes.
    left: u32,
    latencies: Vec<Duration>,
    sizes: Vec<usize>,
    deepest: usize,
    /// Batches that were proposed with none under way.
    alone: usize,
}

impl World {
    fn new(senders: u32, posts: u32, distance: Duration) -> Self {
        let bounds = Bounds {
            max_requests: 512,
            max_bytes: 1 << 20,
            max_in_flight: 32,
            max_linger: Duration::from_millis(10),
            max_stuck: 2048,
        };
        let posted = (0..senders).map(|sender| Reverse((Duration::ZERO, Happens::Posted(sender))));
        Self {
            batcher: Batcher::new(bounds),
            now: Duration::ZERO,
            to_come: posted.collect(),
            busy_until: Duration::ZERO,
            judging: Duration::ZERO,
            judged: Duration::ZERO,
            distance,
            under_way: BTreeMap::new(),
            posted_at: vec![Duration::ZERO; senders as usize],
            left: posts,
            latencies: Vec::new(),
            sizes: Vec::new(),
            deepest: 0,
            alone: 0,
        }
    }

    /// Lets it go on until nothing happens any more.
    fn run(&mut self) {
        while let Some(Reverse((at, happens))) = self.to_come.pop() {
            self.now = at;
            match happens {
                Happens::Posted(sender) => {
                    self.posted_at[sender as usize] = at;
                    self.batcher.push(None, 1024, sender).expect("taken");
                }
                Happens::Ended(number) => self.end(number),
                Happens::Alarm => {}
            }
            self.drive();
        }
    }

    fn end(&mut self, number: u64) {
        let batch = self.under_way.remove(&number).expect("proposed");
        self.batcher.ended(number, Some(self.distance), self.now);
        for sender in batch {
            self.latencies
                .push(self.now - self.posted_at[sender as usize]);
            if self.left > 0 {
                self.left -= 1;
                self.judged = self.judged.max(self.now) + self.judging;
                self.to_come
                    .push(Reverse((self.judged, Happens::Posted(sender))));
            }
        }
    }

    fn drive(&mut self) {
        loop {
            match self.batcher.step(&LED, self.now) {
                Step::Wait => return,
                Step::Linger { until } => {
                    assert!(until > self.now, "it must not spin");
                    self.to_come.push(Reverse((until, Happens::Alarm)));
                    return;
                }
                Step::Propose { number, batch, .. } => {
                    let costs = BATCH + REQUEST * u32::try_from(batch.len()).expect("few");
                    self.busy_until = self.busy_until.max(self.now) + costs;
                    let ends = Happens::Ended(number);
                    self.to_come
                        .push(Reverse((self.busy_until + self.distance, ends)));
                    self.sizes.push(batch.len());
                    self.alone += usize::from(self.under_way.is_empty());
                    self.under_way.insert(number, batch);
                    self.deepest = self.deepest.max(self.under_way.len());
                }
            }
        }
    }

    /// The median size of the later half of all batches.
    fn filled(&self) -> usize {
        let mut later = self.sizes[self.sizes.len() / 2..].to_vec();
        later.sort_unstable();
        later[later.len() / 2]
    }

    fn median(&self) -> Duration {
        let mut later = self.latencies[self.latencies.len() / 2..].to_vec();
        later.sort_unstable();
        later[later.len() / 2]
    }
}

fn ran(senders: u32, distance_ms: u64) -> World {
    let mut world = World::new(
        senders,
        40 * senders + 400,
        Duration::from_millis(distance_ms),
    );
    world.run();
    world
}

#[test]
fn a_single_sender_waits_for_nothing_but_its_own_batch() {
    for distance_ms in [0, 1, 10, 50] {
        let world = ran(1, distance_ms);
        let alone = BATCH + REQUEST + world.distance;
        assert_eq!(world.latencies.iter().max(), Some(&alone));
    }
}

#[test]
fn nearby_few_full_batches_go_one_by_one() {
    for (senders, at_least) in [(64, 60), (256, 240), (4096, 500)] {
        let world = ran(senders, 0);
        assert!(world.filled() >= at_least, "{senders}: {}", world.filled());
        // Now and then it is tried whether another batch would pay.
        let behind = world.sizes.len() - world.alone;
        assert!(behind * 5 <= world.sizes.len(), "{senders}: {behind}");
    }
}

#[test]
fn over_a_distance_nobody_waits_for_the_way_of_others() {
    for senders in [64, 256] {
        for distance_ms in [1, 10, 50] {
            let world = ran(senders, distance_ms);
            // The least that is possible: all of them together, or a batch for each round of the processor.
            let own = BATCH + REQUEST * senders + world.distance;
            let median = world.median();
            println!(
                "{senders} senders, {distance_ms} ms: {median:?}, {} a batch, {} deep",
                world.filled(),
                world.deepest
            );
            assert!(
                median <= own * 14 / 10,
                "{senders}, {distance_ms}: {median:?}"
            );
            assert!(world.deepest > 1 || world.filled() as u32 >= senders * 9 / 10);
        }
    }
}

/// With a processor for each, one judges while the other commits; with one for both, another batch only costs.
#[test]
fn a_processor_to_spare_is_used_and_one_that_is_not_there_is_not_missed() {
    let ran = |judging_us: u64| {
        let mut world = World::new(64, 400_000, Duration::ZERO);
        world.judging = Duration::from_micros(judging_us);
        world.run();
        world
    };
    let posts = 400_464_u32;
    let spare = ran(60);
    let one_by_one = (BATCH + REQUEST * 64 + spare.judging * 64) * (posts / 64);
    assert!(
        spare.now * 10 <= one_by_one * 9,
        "{:?}, {one_by_one:?}",
        spare.now
    );
    let bound = ran(0);
    let full = (BATCH + REQUEST * 64) * (posts / 64);
    assert!(bound.now * 100 <= full * 103, "{:?}, {full:?}", bound.now);
}

/// Posts at any time, not only when one was answered: where one batch at a time were under way, each would wait for half
/// a way before its own.
#[test]
fn who_posts_at_any_time_goes_at_once_over_any_distance() {
    for distance_ms in [0, 1, 10, 50] {
        let mut world = World::new(2000, 0, Duration::from_millis(distance_ms));
        let mut at = Duration::ZERO;
        world.to_come = (0..2000)
            .map(|sender| {
                at += Duration::from_micros(2_000 + u64::from(sender % 7) * 300);
                Reverse((at, Happens::Posted(sender)))
            })
            .collect();
        world.run();
        let alone = BATCH + REQUEST + world.distance;
        let median = world.median();
        assert!(median <= alone + BATCH * 2, "{distance_ms}: {median:?}");
    }
}

#[test]
fn a_burst_goes_in_two_batches() {
    let mut world = World::new(500, 0, Duration::ZERO);
    world.run();
    assert_eq!(world.sizes, [1, 499]);
}

#[test]
fn one_that_hangs_holds_up_no_other_for_long() {
    let mut batcher = World::new(0, 0, Duration::ZERO).batcher;
    let ms = Duration::from_millis;
    for round in 0..20 {
        batcher.push(None, 1, 0).expect("taken");
        let Step::Propose { number, .. } = batcher.step(&LED, ms(round * 10)) else {
            panic!("it goes at once");
        };
        batcher.ended(number, Some(Duration::ZERO), ms(round * 10 + 2));
    }
    batcher.push(None, 1, 1).expect("taken");
    assert!(matches!(batcher.step(&LED, ms(1000)), Step::Propose { .. }));
    batcher.push(None, 1, 2).expect("taken");
    assert_eq!(batcher.step(&LED, ms(1020)), Step::Wait);
    assert!(matches!(batcher.step(&LED, ms(1021)), Step::Propose { .. }));
}
