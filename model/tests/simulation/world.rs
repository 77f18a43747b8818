//! The run: a heap of happenings in time, drawn from one seed, and what the nodes make of them.

mod clocks;
mod consensus;
mod deliveries;
mod pacing;
mod pauses;
mod reshaping;
mod retention;
mod senders;

pub(crate) use pacing::limit_of;
pub(crate) use reshaping::{RESHAPED, made};

use crate::invariants::Ledger;
use crate::network::{Group, Proposal};
use crate::node::{Fault, Node};
use crate::receiver::Temper;
use crate::reshaped;
use bytes::Bytes;
use model::catalog::Catalogs;
use model::delivery::{Input, Reply, Statement};
use model::ids::{DestinationId, EventId, GroupId, RequestId};
use model::machine::RunReport;
use model::state::keys::Due;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};

pub(crate) const NODES: usize = 3;
const GROUPS: u16 = 2;
const DESTINATIONS: u128 = 4;
const REQUESTS: usize = 24;
/// Retries and cancellations by hand.
const OPERATIONS: usize = 8;
/// Pauses and unpausings of a connection.
const TOGGLES: usize = 4;
/// When the run begins; far from zero, so that skewed clocks stay positive.
const START: u64 = 1_700_000_000_000;
/// When everything is mended.
const HEAL: u64 = START + 12_000;
/// By then everything must have ended: a pause of a destination that failed, five attempts a second apart, the slowest
/// answers and some slack.
const DRAINED: u64 = HEAL + 40_000;
const SWEEP_MS: u64 = 2_000;
const TEND_MS: u64 = 500;
const RETRIES: u16 = 4;

/// A mistake that a run makes on purpose, to show that the invariants would see it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mistake {
    None,
    /// The door answers before the commit.
    AcksBeforeCommit,
    /// A lane lets go of an event when its attempt finished, before the outcome is applied.
    ForgetsReported,
    /// Sends without asking whether the lease still holds.
    IgnoresTheFence,
    /// The door retries an unknown outcome under a new id.
    MintsAnew,
    /// The machine reads its node's clock.
    ReadsTheClock,
    /// Outcomes are proposed once and forgotten.
    DropsReports,
    /// The door looks for duplicates in its own replica and proposes what it does not find there.
    DedupsAtTheDoor,
    /// Requests of a kind go to any partition.
    SpreadsKinds,
    /// Events are planned without their order.
    ForgetsTheOrder,
    /// Each attempt uses the version of the day.
    ForgetsTheVersion,
    /// A new home gives at once what the one before it may have given.
    GivesTwice,
    /// Nobody holds a time against another: neither the node that proposes nor the leader.
    TakesAnyTime,
    /// A node's time is what its wall shows.
    JumpsWithTheWall,
}

/// What a run went through: one in which no fault ever fired proves nothing.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Coverage {
    pub(crate) crashes: usize,
    pub(crate) cuts: usize,
    pub(crate) elections: usize,
    pub(crate) unknown: usize,
    pub(crate) delivered: usize,
    pub(crate) failed: usize,
    pub(crate) cancelled: usize,
    pub(crate) extra_receipts: usize,
    pub(crate) stale_rows: usize,
    pub(crate) duplicates: usize,
    /// Events that were attempted after one of their key.
    pub(crate) in_order: usize,
    /// Events that a transformation made nothing of and nobody retried.
    pub(crate) ignored: usize,
    /// Ignored events that were made events again.
    pub(crate) revived: usize,
    /// Automatic retries with a version that was current no more.
    pub(crate) pinned: usize,
    pub(crate) held: usize,
    pub(crate) released: usize,
    pub(crate) walls_set: usize,
    /// Looks of nodes that were off, and of those whose wall alone was.
    pub(crate) off: usize,
    pub(crate) stepped: usize,
    pub(crate) came_back: usize,
    /// Proposals that were refused for a time in them.
    pub(crate) untimely: usize,
    /// Proposals that a node did not make by its clocks.
    pub(crate) not_made: usize,
}

#[derive(Clone, Debug)]
enum Happening {
    Post(usize),
    Commit {
        group: usize,
        term: u64,
    },
    Answered {
        proposal: Box<Proposal>,
        group: usize,
        reply: Option<Bytes>,
    },
    Again {
        node: usize,
        boot: u32,
        group: usize,
        accept: Option<usize>,
    },
    Apply {
        node: usize,
        group: usize,
    },
    Elect {
        group: usize,
        term: u64,
    },
    Crash(usize),
    CutOff(usize),
    Restore(usize),
    Wake {
        node: usize,
        boot: u32,
        destination: DestinationId,
    },
    /// An attempt is ready to be sent.
    Prepared {
        node: usize,
        boot: u32,
        destination: DestinationId,
        event: EventId,
    },
    /// The time for which a lane slept has passed, unless it was woken before.
    Alarm {
        node: usize,
        boot: u32,
        destination: DestinationId,
        mark: u64,
    },
    Sweep(usize),
    Operate,
    /// A node's statement reaches the home that it was sent to, and the answer its sender.
    Stated {
        statement: Box<Statement>,
        mail: pacing::Mail,
    },
    Replied {
        statement: Box<Statement>,
        reply: Option<Reply>,
        mail: pacing::Mail,
    },
    Toggle(DestinationId),
    UnpauseAll,
    /// The leaders' look at what pauses ask of them.
    Tend(usize),
    /// A node asks the others for their time.
    Pulse(usize),
    SetWall {
        node: usize,
        fault: Fault,
    },
    Finished {
        node: usize,
        boot: u32,
        due: Due,
        report: Box<RunReport>,
    },
}

enum Launch {
    Made,
    /// The row that it was to be made for no longer stands.
    Stale,
    /// The lease is gone.
    NotOurs,
}

/// A request as its sender sees it.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub(crate) id: RequestId,
    /// It was proposed: until then each try mints it anew.
    pub(crate) proposed: bool,
    /// Every id that it was proposed under.
    pub(crate) ids: Vec<RequestId>,
    pub(crate) body: Bytes,
    pub(crate) destinations: Vec<DestinationId>,
    pub(crate) acknowledged: bool,
    /// It counts as the same as others of its kind.
    pub(crate) kind: Option<Kind>,
    /// Its events keep their order with others of this key.
    pub(crate) key: Option<u128>,
}

/// What is accepted once in a window: by its source, or by the connection to the first destination.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Source(u128),
    Connection(u128),
}

/// How long others of its kind are duplicates.
pub(crate) const WINDOW_MS: u64 = 2_500;

pub(crate) struct World {
    mistake: Mistake,
    rng: fastrand::Rng,
    now: u64,
    heap: BinaryHeap<Reverse<(u64, u64)>>,
    happenings: BTreeMap<u64, Happening>,
    sequence: u64,
    pub(crate) groups: Vec<Group>,
    pub(crate) nodes: Vec<Node>,
    pub(crate) asked: Vec<Asked>,
    tempers: BTreeMap<DestinationId, Temper>,
    /// When the transformation gets its second version.
    mended_at: u64,
    /// What the control group says, known to everybody at once.
    catalog: Catalogs,
    pub(crate) ledger: Ledger,
    pub(crate) coverage: Coverage,
}

impl World {
    pub(crate) fn new(seed: u64, mistake: Mistake) -> Self {
        let mut rng = fastrand::Rng::with_seed(seed);
        let tempers = (1..=DESTINATIONS)
            .map(|n| {
                let temper = match rng.u8(0..4) {
                    0 => Temper::Well,
                    1 => Temper::Slow,
                    2 => Temper::Unreliable,
                    _ => Temper::Down,
                };
                (DestinationId(n), temper)
            })
            .collect();
        let nodes = (0..NODES)
            .map(|n| {
                let mut node = Node::new(n, usize::from(GROUPS), rng.i64(-800..800), START);
                node.jumps = mistake == Mistake::JumpsWithTheWall;
                node
            })
            .collect();
        let mended_at = START + rng.u64(1_000..HEAL - START);
        let mut world = Self {
            mistake,
            mended_at,
            rng,
            now: START,
            heap: BinaryHeap::new(),
            happenings: BTreeMap::new(),
            sequence: 0,
            groups: (1..=GROUPS).map(|g| Group::new(GroupId(g))).collect(),
            nodes,
            asked: Vec::new(),
            tempers,
            catalog: Catalogs::default(),
            ledger: Ledger::default(),
            coverage: Coverage::default(),
        };
        world.plan();
        world
    }

    fn plan(&mut self) {
        self.plan_clocks();
        for group in 0..self.groups.len() {
            self.after(0, Happening::Elect { group, term: 0 });
        }
        for node in 0..NODES {
            self.after(SWEEP_MS, Happening::Sweep(node));
            self.after(TEND_MS, Happening::Tend(node));
        }
        for number in 0..REQUESTS {
            let at = self.rng.u64(100..HEAL - START);
            self.after(at, Happening::Post(number));
        }
        for _ in 0..OPERATIONS {
            let at = self.rng.u64(500..HEAL - START);
            self.after(at, Happening::Operate);
        }
        for _ in 0..TOGGLES {
            let destination = DestinationId(self.rng.u128(1..=DESTINATIONS));
            let at = self.rng.u64(300..HEAL - START);
            self.after(at, Happening::Toggle(destination));
        }
        self.after(HEAL - START, Happening::UnpauseAll);
        for _ in 0..self.rng.usize(2..7) {
            let node = self.rng.usize(0..NODES);
            let at = self.rng.u64(200..HEAL - START - 100);
            let fault = if self.rng.bool() {
                Happening::Crash(node)
            } else {
                Happening::CutOff(node)
            };
            self.after(at, fault);
            let back = (at + self.rng.u64(50..3_000)).min(HEAL - START);
            self.after(back, Happening::Restore(node));
        }
    }

    fn after(&mut self, delay: u64, happening: Happening) {
        self.sequence += 1;
        self.heap.push(Reverse((self.now + delay, self.sequence)));
        self.happenings.insert(self.sequence, happening);
    }

    /// Runs to the end.
    ///
    /// The error says which promise was broken.
    pub(crate) fn run(mut self) -> Result<Coverage, String> {
        while let Some(Reverse((at, sequence))) = self.heap.pop() {
            if at > DRAINED {
                break;
            }
            self.now = at;
            let Some(happening) = self.happenings.remove(&sequence) else {
                continue;
            };
            self.happen(happening)?;
        }
        self.quiesced()?;
        Ok(self.coverage)
    }

    fn happen(&mut self, happening: Happening) -> Result<(), String> {
        match happening {
            Happening::Post(number) => self.post(number),
            Happening::Commit { group, term } => self.commit(group, term),
            Happening::Answered {
                proposal,
                group,
                reply,
            } => self.answered(*proposal, group, reply),
            Happening::Again {
                node,
                boot,
                group,
                accept,
            } => self.again(node, boot, group, accept),
            Happening::Apply { node, group } => self.catch_up(node, group),
            Happening::Elect { group, term } => self.elect(group, term),
            Happening::Crash(node) => self.crash(node),
            Happening::CutOff(node) => self.cut_off(node),
            Happening::Restore(node) => self.restore(node),
            Happening::Wake {
                node,
                boot,
                destination,
            } => self.drive(node, boot, destination, Input::Wake),
            Happening::Prepared {
                node,
                boot,
                destination,
                event,
            } => self.drive(node, boot, destination, Input::Prepared(event)),
            Happening::Alarm {
                node,
                boot,
                destination,
                mark,
            } => {
                if self.nodes[node].alarms.get(&destination) != Some(&mark) {
                    return Ok(());
                }
                self.drive(node, boot, destination, Input::Wake)
            }
            Happening::Sweep(node) => self.sweep(node),
            Happening::Operate => self.operate(),
            Happening::Stated { statement, mail } => self.stated(statement, mail),
            Happening::Replied {
                statement,
                reply,
                mail,
            } => self.replied(&statement, reply, mail),
            Happening::Toggle(destination) => {
                self.toggle(destination);
                Ok(())
            }
            Happening::UnpauseAll => {
                self.unpause_all();
                Ok(())
            }
            Happening::Tend(node) => self.tend(node),
            Happening::Pulse(node) => self.pulse(node),
            Happening::SetWall { node, fault } => {
                self.set_wall(node, fault);
                Ok(())
            }
            Happening::Finished {
                node,
                boot,
                due,
                report,
            } => self.finished(node, boot, due, *report),
        }
    }

    /// The heal is long past: everything must have ended, everywhere alike.
    fn quiesced(&mut self) -> Result<(), String> {
        for group in 0..self.groups.len() {
            for node in 0..NODES {
                self.apply_all(node, group)?;
                let replica = &self.nodes[node].replicas[group];
                self.ledger
                    .replicas_agree(self.groups[group].id, replica, true)?;
            }
            let replica = &self.nodes[0].replicas[group];
            self.ledger.all_ended(
                &self.asked,
                &self.groups[group],
                replica,
                &mut self.coverage,
            )?;
            reshaped::nothing_is_between_the_tables(
                &self.ledger,
                &self.asked,
                &self.groups[group],
                replica,
                &mut self.coverage,
            )?;
            self.ledger.in_order(
                &self.asked,
                &self.groups[group],
                replica,
                &mut self.coverage,
            )?;
        }
        self.ledger
            .one_of_a_kind(&self.asked, &self.nodes[0], &mut self.coverage)
    }
}
