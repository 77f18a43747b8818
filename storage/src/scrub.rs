//! Looks for damage that no read has met yet: some of the store before it opens, all of it again and again, slowly.
//!
//! A damaged row of the state, of the log or of `meta` ends the node's work, as if a read had met it. A damaged body is
//! counted and told: the event that it belongs to can be had from others.

use crate::{
    columns::{Column, PAYLOAD_KEY, payload_bucket},
    engine::Engine,
    error::Error,
    options::Options,
    rows,
};
use model::ids::GroupId;
use parking_lot::{Condvar, Mutex};
use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

/// Rows are read in steps of this many bytes, so that no iterator holds old files for long.
const STEP_BYTES: u64 = 256 << 10;

/// No wait is longer: an interval may be configured that no clock holds.
const WAIT_MAX: Duration = Duration::from_secs(30 * 24 * 3600);

/// The scrubber's findings: what it has read, and what was damaged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Scrubbed {
    /// Times that everything was looked at.
    pub rounds: u64,
    /// Bytes of rows, of all rounds together.
    pub bytes: u64,
    /// Places in the bodies that can't be read, as of the last round or of this one, whichever saw more.
    pub damaged_bodies: u64,
}

#[derive(Default)]
struct Counters {
    rounds: AtomicU64,
    bytes: AtomicU64,
    damaged_bodies: AtomicU64,
}

/// The thread that looks.
pub(crate) struct Scrubber {
    counters: Arc<Counters>,
    stop: Arc<Stop>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

#[derive(Default)]
struct Stop {
    stopped: Mutex<bool>,
    told: Condvar,
}

impl Stop {
    /// Waits. True: it is time to stop.
    fn wait(&self, for_so_long: Duration) -> bool {
        let until = Instant::now() + for_so_long.min(WAIT_MAX);
        let mut stopped = self.stopped.lock();
        while !*stopped {
            if self.told.wait_until(&mut stopped, until).timed_out() {
                break;
            }
        }
        *stopped
    }
}

impl Scrubber {
    /// Starts looking, unless the options say that nobody is to.
    pub(crate) fn start(engine: Arc<Engine>, options: &Options) -> io::Result<Self> {
        let scrubber = Self {
            counters: Arc::default(),
            stop: Arc::default(),
            thread: Mutex::default(),
        };
        if options.scrub_bytes_per_s > 0 {
            let round = Round {
                engine,
                counters: scrubber.counters.clone(),
                stop: scrubber.stop.clone(),
                bytes_per_s: options.scrub_bytes_per_s,
            };
            let every = options.scrub_interval;
            let thread = thread::Builder::new().name("scrubber".into());
            *scrubber.thread.lock() = Some(thread.spawn(move || round.again_and_again(every))?);
        }
        Ok(scrubber)
    }

    pub(crate) fn seen(&self) -> Scrubbed {
        Scrubbed {
            rounds: self.counters.rounds.load(Ordering::Relaxed),
            bytes: self.counters.bytes.load(Ordering::Relaxed),
            damaged_bodies: self.counters.damaged_bodies.load(Ordering::Relaxed),
        }
    }

    /// Stops looking and waits for the thread.
    pub(crate) fn stop(&self) {
        *self.stop.stopped.lock() = true;
        self.stop.told.notify_all();
        let Some(thread) = self.thread.lock().take() else {
            return;
        };
        // It may have met the damage whose telling ends in a close.
        if thread.thread().id() != thread::current().id() && thread.join().is_err() {
            tracing::error!("the scrubber ended in a panic");
        }
    }
}

struct Round {
    engine: Arc<Engine>,
    counters: Arc<Counters>,
    stop: Arc<Stop>,
    bytes_per_s: u64,
}

impl Round {
    fn again_and_again(self, every: Duration) {
        loop {
            let began = Instant::now();
            for column in [Column::Due, Column::Meta, Column::State, Column::Log] {
                match self.rows(column) {
                    Ok(true) => return,
                    Ok(false) => {}
                    // The next round looks again.
                    Err(error) if error.is_want() => {}
                    Err(error) => {
                        self.engine.distrust(&error);
                        return;
                    }
                }
            }
            if self.bodies() {
                return;
            }
            self.counters.rounds.fetch_add(1, Ordering::Relaxed);
            if self.stop.wait(every.saturating_sub(began.elapsed())) {
                return;
            }
        }
    }

    /// Every row of a column. True: it is time to stop.
    fn rows(&self, column: Column) -> Result<bool, Error> {
        let mut from = Vec::new();
        loop {
            let step = step(&self.engine, column, &from);
            if let Some(damage) = step.damage {
                return Err(damage);
            }
            let Some(next) = step.next else {
                return Ok(false);
            };
            if self.rest(step.bytes) {
                return Ok(true);
            }
            from = next;
        }
    }

    /// Every body that can be reached. True: it is time to stop.
    fn bodies(&self) -> bool {
        let mut from = Vec::new();
        let mut damaged = 0;
        let mut was_damaged = false;
        loop {
            let step = step(&self.engine, Column::Payload, &from);
            let came_on = step.next.is_some();
            if let Some(next) = step.next {
                from = next;
            }
            match step.damage {
                None if !came_on => break,
                None => was_damaged = false,
                Some(error) => {
                    // No row between two of them: the same place, met again.
                    if came_on || !was_damaged {
                        damaged += 1;
                        self.counters
                            .damaged_bodies
                            .fetch_max(damaged, Ordering::Relaxed);
                        tracing::error!(%error, behind = %hex(&from), "a body is damaged");
                    }
                    was_damaged = true;
                    let Some(next) = behind_damage(&self.engine, &from) else {
                        break;
                    };
                    from = next;
                }
            }
            if self.rest(step.bytes) {
                return true;
            }
        }
        self.counters
            .damaged_bodies
            .store(damaged, Ordering::Relaxed);
        false
    }

    /// Takes the time that so many bytes may take. True: it is time to stop.
    fn rest(&self, bytes: u64) -> bool {
        self.counters.bytes.fetch_add(bytes, Ordering::Relaxed);
        let micros = bytes.saturating_mul(1_000_000) / self.bytes_per_s;
        self.stop.wait(Duration::from_micros(micros))
    }
}

struct Step {
    bytes: u64,
    /// Behind the last row that was read; none: none was.
    next: Option<Vec<u8>>,
    /// Why it ended.
    damage: Option<Error>,
}

/// Reads some rows from a key on.
fn step(engine: &Engine, column: Column, from: &[u8]) -> Step {
    let mut rows = engine.iterate_aside(column);
    rows.seek(from);
    let mut step = Step {
        bytes: 0,
        next: None,
        damage: None,
    };
    while let Some((key, value)) = rows.item() {
        step.damage = damage(column, key, value);
        if step.damage.is_some() {
            return step;
        }
        step.bytes += (key.len() + value.len()) as u64;
        let behind = step.next.get_or_insert_default();
        behind.clear();
        behind.extend_from_slice(key);
        behind.push(0);
        if step.bytes >= STEP_BYTES {
            break;
        }
        rows.next();
    }
    step.damage = rows.status().err().map(Error::engine("looking for damage"));
    step
}

/// What is wrong with a row that carries a checksum of its own.
fn damage(column: Column, key: &[u8], value: &[u8]) -> Option<Error> {
    let what = match column {
        Column::Log => "a log row",
        Column::Payload => "a payload",
        Column::Meta | Column::State | Column::Due => return None,
    };
    (!rows::is_whole(key, value)).then(|| Error::Damaged {
        group: group_of(key),
        what,
        detail: format!("{}: the checksum is wrong", hex(key)),
    })
}

/// Where bodies can be read again behind a place where they can't. The damaged one does not tell its key, so what is left
/// of its hour is passed over.
fn behind_damage(engine: &Engine, at: &[u8]) -> Option<Vec<u8>> {
    let (group, hour) = (group_of(at), hour_of(at));
    let readable = |hour: u32| {
        let mut rows = engine.iterate_aside(Column::Payload);
        rows.seek(payload_bucket(group, hour));
        match rows.item() {
            Some((key, value)) => damage(Column::Payload, key, value).is_none(),
            None => rows.status().is_ok(),
        }
    };
    if !readable(u32::MAX) {
        let next = GroupId(group.0.checked_add(1)?);
        return Some(payload_bucket(next, 0).to_vec());
    }
    // Up to the damaged one's hour nothing can be reached, behind it everything.
    let (mut unreadable, mut reached) = (hour, u32::MAX);
    while reached - unreadable > 1 {
        let middle = unreadable + (reached - unreadable) / 2;
        if readable(middle) {
            reached = middle;
        } else {
            unreadable = middle;
        }
    }
    Some(payload_bucket(group, reached).to_vec())
}

fn hour_of(key: &[u8]) -> u32 {
    key.get(2..6)
        .and_then(|hour| hour.try_into().ok())
        .map_or(0, u32::from_be_bytes)
}

fn group_of(key: &[u8]) -> GroupId {
    key.get(..2)
        .map_or(GroupId(0), |id| GroupId(u16::from_be_bytes([id[0], id[1]])))
}

fn hex(key: &[u8]) -> String {
    key.iter()
        .take(PAYLOAD_KEY)
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

/// Reads what answers are made of before anything is answered, up to so many bytes, the queues and the catalog first.
pub(crate) fn first_look(engine: &Engine, max_bytes: u64) -> Result<(), Error> {
    let mut left = max_bytes;
    for column in [Column::Due, Column::Meta, Column::State] {
        let mut from = Vec::new();
        while left > 0 {
            let step = step(engine, column, &from);
            if let Some(damage) = step.damage {
                return Err(damage);
            }
            let Some(next) = step.next else { break };
            left = left.saturating_sub(step.bytes);
            from = next;
        }
    }
    Ok(())
}
