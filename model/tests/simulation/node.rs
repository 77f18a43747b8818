//! One node: a replica of every partition, its clock, its lanes and the outcomes it has not yet reported.

use bytes::Bytes;
use model::{
    clock::{Keeper, Look, MAX_SKEW_MS, Standing, Verdict},
    delivery::{Floors, Home, Input, Lane, Outbox},
    envelope::Envelope,
    ids::{DestinationId, EventId, GroupId},
    machine::{self, Applied, Entry, RunReport},
    state::{
        keys::{Due, DueClass},
        kv::KvError,
        memory::Memory,
        tables,
    },
    time::{Monotone, Now, Timestamp},
};
use std::{cell::Cell, collections::BTreeMap};

#[derive(Debug, Default)]
pub(crate) struct Replica {
    pub(crate) rows: Memory,
    /// Entries applied.
    pub(crate) applied: usize,
    /// The term that this node believes to lead.
    pub(crate) led: Option<u64>,
    pub(crate) reports: BTreeMap<EventId, RunReport>,
    /// One proposal of reports is under way.
    pub(crate) reporting: bool,
    /// What this node gives out, while it leads, of what destinations bear.
    pub(crate) home: Option<Home>,
}

/// A wall that is wrong.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Fault {
    pub(crate) ahead_ms: i64,
    pub(crate) drift_ppm: i64,
    pub(crate) since: u64,
}

#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) number: usize,
    pub(crate) alive: bool,
    pub(crate) cut_off: bool,
    pub(crate) boot: u32,
    /// How far its wall is ahead when all is well.
    skew_ms: i64,
    /// What is wrong with it beside that.
    pub(crate) fault: Fault,
    keeper: Cell<Keeper>,
    /// What a majority made of its time, and the gaps that its clock had then.
    pub(crate) regard: (Standing, u64),
    /// Looks in a row with this standing.
    pub(crate) looks: u32,
    /// Mistaken: it takes the wall for the time.
    pub(crate) jumps: bool,
    pub(crate) replicas: Vec<Replica>,
    pub(crate) lanes: BTreeMap<DestinationId, Lane>,
    /// Attempts that are made ready.
    pub(crate) prepared: BTreeMap<EventId, Due>,
    /// The last alarm of each lane.
    pub(crate) alarms: BTreeMap<DestinationId, u64>,
    /// What it has to say to the homes, by partition.
    pub(crate) outboxes: Vec<Outbox>,
}

impl Node {
    pub(crate) fn new(number: usize, groups: usize, skew_ms: i64, now: u64) -> Self {
        let mut node = Self {
            number,
            alive: true,
            cut_off: false,
            boot: 0,
            skew_ms,
            fault: Fault::default(),
            keeper: Cell::new(Keeper::new(Now::default(), MAX_SKEW_MS)),
            regard: (Standing::Unvouched, 0),
            looks: 0,
            jumps: false,
            replicas: (0..groups).map(|_| Replica::default()).collect(),
            lanes: BTreeMap::new(),
            prepared: BTreeMap::new(),
            alarms: BTreeMap::new(),
            outboxes: vec![Outbox::new(number as u64, Monotone(0)); groups],
        };
        node.boot(now);
        node
    }

    /// The process starts: it knows its wall and nothing else.
    pub(crate) fn boot(&mut self, now: u64) {
        self.alive = true;
        self.keeper = Cell::new(Keeper::new(self.machine(now), MAX_SKEW_MS));
        self.regard = (Standing::Unvouched, 0);
        self.looks = 0;
    }

    /// What the machine's clocks show. The steady one began with the process; nothing may depend on what it shows.
    fn machine(&self, now: u64) -> Now {
        let began = u64::from(self.boot) * 77_777;
        let run = i64::try_from(now.saturating_sub(self.fault.since)).unwrap_or(0);
        let drifted = run * self.fault.drift_ppm / 1_000_000;
        let ahead = self.skew_ms + self.fault.ahead_ms + drifted;
        Now {
            wall: Timestamp(now.saturating_add_signed(ahead)),
            steady: Monotone(now * 1000 - began),
        }
    }

    pub(crate) fn look(&self, now: u64) -> Look {
        let machine = self.machine(now);
        let mut keeper = self.keeper.get();
        let mut look = keeper.look(machine);
        self.keeper.set(keeper);
        if self.jumps {
            look.time = machine.wall;
            look.wall_ahead_ms = 0;
        }
        look
    }

    pub(crate) fn set_right(&self, now: u64, verdict: &Verdict) {
        let mut keeper = self.keeper.get();
        if let Some(by_ms) = verdict.sets_by_ms {
            keeper.set_by_ms(self.machine(now), by_ms);
        }
        keeper.aim(verdict.middle_ahead_of_wall_ms);
        self.keeper.set(keeper);
    }

    /// What is known of its time now.
    pub(crate) fn standing(&self, now: u64) -> Standing {
        match self.regard {
            (standing, gaps) if gaps == self.look(now).gaps => standing,
            _ => Standing::Unvouched,
        }
    }

    pub(crate) fn clock(&self, now: u64) -> Timestamp {
        self.look(now).time
    }

    /// The time, and the clock that nobody sets.
    pub(crate) fn clocks(&self, now: u64) -> Now {
        Now {
            wall: self.clock(now),
            steady: self.machine(now).steady,
        }
    }

    pub(crate) fn reachable(&self) -> bool {
        self.alive && !self.cut_off
    }

    /// Everything that only memory held is gone; the state may fall back, since applying is not synced.
    pub(crate) fn crash(&mut self, forget: bool) {
        self.alive = false;
        self.boot += 1;
        self.lanes.clear();
        self.prepared.clear();
        for outbox in &mut self.outboxes {
            let boot = u64::from(self.boot) * 100 + self.number as u64;
            *outbox = Outbox::new(boot, Monotone(0));
        }
        for replica in &mut self.replicas {
            replica.led = None;
            replica.reports.clear();
            replica.reporting = false;
            replica.home = None;
            if forget {
                replica.rows = Memory::default();
                replica.applied = 0;
            }
        }
    }

    /// Applies the next entry of a group's log. `clock`: a mistaken machine that reads its node's own.
    pub(crate) fn apply(
        &mut self,
        group: GroupId,
        log: &[Bytes],
        clock: Option<Timestamp>,
    ) -> Result<Option<Applied>, String> {
        let replica = &mut self.replicas[usize::from(group.0) - 1];
        let Some(bytes) = log.get(replica.applied) else {
            return Ok(None);
        };
        let envelope = Envelope::parse(bytes).map_err(|e| e.to_string())?;
        replica.applied += 1;
        let entry = Entry {
            group,
            index: replica.applied as u64,
            at: clock.unwrap_or(envelope.at),
            head: &envelope.head,
            bodies: &envelope.bodies,
        };
        let applied = machine::apply(&mut replica.rows, entry).map_err(|e| e.to_string())?;
        Ok(Some(applied))
    }

    /// What a lane's fetch finds in the partitions led here.
    pub(crate) fn fetch(
        &self,
        destination: DestinationId,
        (limit, from): (usize, Floors),
        now: Timestamp,
    ) -> Result<Input, KvError> {
        let mut found = Vec::new();
        let mut next_due: Option<Timestamp> = None;
        for replica in self.replicas.iter().filter(|r| r.led.is_some()) {
            for class in [DueClass::Fresh, DueClass::Retry] {
                let (due, next) = tables::queue(
                    &replica.rows,
                    destination,
                    class,
                    (from.of(class), now),
                    limit,
                )?;
                next_due = next_due.into_iter().chain(next).min();
                found.extend(due);
            }
        }
        Ok(Input::Fetched {
            due: found,
            next_due,
        })
    }
}
