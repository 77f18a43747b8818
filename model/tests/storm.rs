//! The storm after an outage (faults.md F32): ten thousand events each for twenty destinations are due at once when these
//! are well again, while new ones keep coming. Driven with a clock that runs as fast as the machine.
//!
//! `cargo test -p model --test storm -- --nocapture` shows how long recovery took.

use model::{
    delivery::{Answer, Home, Input, Lane, Limit, Output, Pace, Rate, Sign, Statement},
    ids::{DestinationId, EventId, GroupId, RequestId},
    state::{
        keys::{Due, DueClass},
        kv::{Kv, Table},
        memory::Memory,
        tables,
    },
    time::{Monotone, Now, Timestamp},
};
use std::{
    cmp::Reverse,
    collections::{BTreeMap, BinaryHeap},
    ops::RangeInclusive,
};

const DESTINATIONS: u128 = 20;
const WAITING: u128 = 10_000;
const RATE: Rate = Rate {
    limit: 50,
    period_ms: 1000,
};
/// New events come at two fifths of what the destination bears, in the mean: two may come at once, or far apart.
const FRESH_EVERY_MS: u64 = 50;
const WINDOW: u16 = 16;
const OUTAGE_MS: u64 = 3_600_000;
const START: Now = Now {
    wall: Timestamp(1_700_000_000_000),
    steady: Monotone(1_000_000),
};
/// What takes turns with the retries waits at most for those that the lane has fetched already.
const PATIENCE_MS: u64 = 2_000;
const PREPARE_US: u64 = 3_000;
const ANSWER_US: RangeInclusive<u64> = 10_000..=80_000;
const RECORD_US: u64 = 5_000;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Happening {
    Wake(u64),
    Comes(u128),
    Prepared(EventId),
    Finished(EventId),
    Recorded(EventId),
}

/// One destination: its lane, its home, and the table of what is due.
struct World {
    id: DestinationId,
    /// Seeded by the destination's number, so that each has a storm of its own, and always the same.
    rng: fastrand::Rng,
    now: Monotone,
    lane: Lane,
    home: Home,
    rows: Memory,
    due: BTreeMap<EventId, Due>,
    agenda: BinaryHeap<Reverse<(Monotone, Happening)>>,
    /// Only the last alarm counts.
    alarm: u64,
    introduced: bool,
    came: BTreeMap<EventId, Monotone>,
    sent: Vec<Monotone>,
    retried: Vec<Monotone>,
    slowest_fresh_ms: u64,
    most_fetched: usize,
}

impl World {
    fn new(id: DestinationId) -> Self {
        let pace = Pace {
            window: WINDOW,
            limit: Limit::Rate(RATE),
        };
        let mut world = Self {
            id,
            rng: fastrand::Rng::with_seed(id.0 as u64),
            now: START.steady,
            lane: Lane::new(pace),
            home: Home::new(1, 1, Monotone(0)),
            rows: Memory::default(),
            due: BTreeMap::new(),
            agenda: BinaryHeap::new(),
            alarm: 0,
            introduced: false,
            came: BTreeMap::new(),
            sent: Vec::new(),
            retried: Vec::new(),
            slowest_fresh_ms: 0,
            most_fetched: 0,
        };
        for number in 0..WAITING {
            // Their tries fell due at some time of the outage.
            let ago_ms = world.rng.u64(..OUTAGE_MS);
            world.put(number, DueClass::Retry, Timestamp(START.wall.0 - ago_ms));
        }
        world.after(0, Happening::Wake(0));
        world.after(0, Happening::Comes(WAITING));
        world
    }

    fn wall(&self) -> Timestamp {
        START.wall.plus_ms(self.now.since_us(START.steady) / 1000)
    }

    fn after(&mut self, us: u64, what: Happening) {
        self.agenda.push(Reverse((self.now.plus_us(us), what)));
    }

    fn put(&mut self, number: u128, class: DueClass, at: Timestamp) -> EventId {
        let event = RequestId::mint(at, GroupId(1), number).event(1);
        let due = Due {
            destination: self.id,
            class,
            at,
            event,
        };
        self.rows.put(Table::Due, &due.key(), &[]);
        self.due.insert(event, due);
        event
    }

    /// Runs until the last retry was sent.
    fn run(&mut self) {
        while self.retried.len() < WAITING as usize {
            let Reverse((at, what)) = self.agenda.pop().expect("something goes on");
            self.now = at;
            self.happens(what);
        }
    }

    fn happens(&mut self, what: Happening) {
        match what {
            Happening::Wake(alarm) if alarm == self.alarm => self.drive(Input::Wake),
            Happening::Wake(_) => {}
            Happening::Comes(number) => {
                let event = self.put(number, DueClass::Fresh, self.wall());
                self.came.insert(event, self.now);
                let gap_us = self.rng.u64(..=2 * FRESH_EVERY_MS * 1000);
                self.after(gap_us, Happening::Comes(number + 1));
                self.drive(Input::Wake);
            }
            Happening::Prepared(event) => self.drive(Input::Prepared(event)),
            Happening::Finished(event) => {
                self.after(RECORD_US, Happening::Recorded(event));
                self.drive(Input::Finished(event, Sign::Healthy));
            }
            Happening::Recorded(event) => {
                if let Some(due) = self.due.remove(&event) {
                    self.rows.delete(Table::Due, &due.key());
                }
                self.drive(Input::Recorded(event));
            }
        }
    }

    fn drive(&mut self, input: Input) {
        let now = Now {
            wall: self.wall(),
            steady: self.now,
        };
        for output in self.lane.step(input, now) {
            match output {
                Output::Fetch { limit, from } => {
                    let fetched = self.fetch(limit, from);
                    self.drive(fetched);
                }
                Output::Prepare(due) => self.after(PREPARE_US, Happening::Prepared(due.event)),
                Output::Send(event, _) => self.send(event),
                Output::Ask(ask) => {
                    let statement = Statement {
                        boot: 1,
                        up_us: self.now.0,
                        claims: (!self.introduced).then(Vec::new),
                        asks: vec![(self.id, ask)],
                    };
                    self.introduced = true;
                    let limit = |_| Limit::Rate(RATE);
                    let reply = self.home.answer(1, &statement, limit, &[1], self.now);
                    let answers: Vec<Answer> = reply.answers.iter().map(|(_, a)| *a).collect();
                    for answer in answers {
                        self.drive(Input::Answered(answer));
                    }
                    if reply.answers.is_empty() {
                        self.drive(Input::Unanswered(ask.number));
                    }
                }
                Output::SleepFor(us) => {
                    self.alarm += 1;
                    self.after(us, Happening::Wake(self.alarm));
                }
                Output::Attempt(..) => panic!("a rate's attempts are made ready first"),
                Output::Discard(_) | Output::Crowded | Output::Idle => {}
            }
        }
    }

    fn fetch(&mut self, limit: usize, from: model::delivery::Floors) -> Input {
        let mut found = Vec::new();
        let mut next = Vec::new();
        for class in [DueClass::Fresh, DueClass::Retry] {
            let span = (from.of(class), self.wall());
            let (due, at) = tables::queue(&self.rows, self.id, class, span, limit).expect("memory");
            found.extend(due);
            next.extend(at);
        }
        self.most_fetched = self.most_fetched.max(found.len());
        Input::Fetched {
            due: found,
            next_due: next.into_iter().min(),
        }
    }

    fn send(&mut self, event: EventId) {
        self.sent.push(self.now);
        match self.came.remove(&event) {
            Some(came) => {
                let waited_ms = self.now.since_us(came) / 1000;
                self.slowest_fresh_ms = self.slowest_fresh_ms.max(waited_ms);
            }
            None => self.retried.push(self.now),
        }
        let answer_us = self.rng.u64(ANSWER_US);
        self.after(answer_us, Happening::Finished(event));
    }
}

/// Whether every window of any length holds no more than its share and the burst: a bucket that leaks at the rate never
/// holds more than the burst.
fn is_paced(sent: &[Monotone]) -> bool {
    let mut level = 0.0_f64;
    let mut last = sent[0];
    sent.iter().all(|at| {
        let leaked = at.since_us(last) as f64 * f64::from(RATE.limit) / 1e6;
        last = *at;
        level = (level - leaked).max(0.0) + 1.0;
        level <= RATE.burst() as f64 + 1e-6
    })
}

#[test]
fn after_an_hours_outage_the_pace_holds_and_new_events_are_not_starved() {
    let (mut longest_half_s, mut longest_s) = (0.0_f64, 0.0_f64);
    for id in 1..=DESTINATIONS {
        let mut world = World::new(DestinationId(id));
        world.run();
        assert!(is_paced(&world.sent), "destination {id}");
        let slowest = world.slowest_fresh_ms;
        assert!(
            slowest < PATIENCE_MS,
            "destination {id}: a fresh event waited {slowest} ms"
        );
        // However much is waiting, a lane holds its window and what follows it.
        let fetched = world.most_fetched;
        assert!(
            fetched <= usize::from(WINDOW) * 8,
            "destination {id}: {fetched} fetched at once"
        );
        let took_s = world.now.since_us(START.steady) as f64 / 1e6;
        let achieved = world.sent.len() as f64 / took_s;
        assert!(
            achieved >= 0.9 * f64::from(RATE.limit),
            "destination {id}: {achieved:.1}/s"
        );
        let half_s = world.retried[world.retried.len() / 2].since_us(START.steady) as f64 / 1e6;
        longest_half_s = longest_half_s.max(half_s);
        longest_s = longest_s.max(took_s);
    }
    println!(
        "{WAITING} waiting, {}/s borne, {}/s new: half of it gone after {longest_half_s:.0} s, all after {longest_s:.0} s, \
         where it took longest",
        RATE.limit,
        1000 / FRESH_EVERY_MS
    );
}
