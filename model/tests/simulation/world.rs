//! The run: a heap of happenings in time, drawn from one seed, and what the nodes make of them.

use crate::{
    invariants::Ledger,
    network::{Group, LEASE_MS, Proposal, Purpose},
    node::Node,
    receiver::{self, Receipt, Temper},
};
use bytes::Bytes;
use model::{
    catalog::{Backoff, RetryRule},
    delivery::{Input, Lane, Output, Pace, Pacer},
    envelope::Envelope,
    ids::{ConnectionId, DestinationId, EventId, GroupId, RequestId, SourceId},
    machine::{
        AcceptRequests, AttemptReport, CancelEvent, Command, Effect, Incoming, Planned,
        RecordAttempts, Reply, RetryEvent, Verdict, decode_reply,
    },
    policy::retry,
    state::{codec, keys::Due, tables},
    time::Timestamp,
    traffic::{Attempt, Outcome, RequestRecord, Trigger},
};
use std::{
    cmp::Reverse,
    collections::{BTreeMap, BinaryHeap, VecDeque},
};

pub(crate) const NODES: usize = 3;
const GROUPS: u16 = 2;
const DESTINATIONS: u128 = 4;
const REQUESTS: usize = 24;
/// Retries and cancellations by hand.
const OPERATIONS: usize = 8;
/// When the run begins; far from zero, so that skewed clocks stay positive.
const START: u64 = 1_700_000_000_000;
/// When everything is mended.
const HEAL: u64 = START + 12_000;
/// By then everything must have ended: five attempts a second apart, the slowest answers and some slack.
const DRAINED: u64 = HEAL + 25_000;
const SWEEP_MS: u64 = 2_000;
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
    Sweep(usize),
    Operate,
    Finished {
        node: usize,
        boot: u32,
        due: Due,
        report: Box<AttemptReport>,
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
    /// Every id that it was proposed under.
    pub(crate) ids: Vec<RequestId>,
    pub(crate) body: Bytes,
    pub(crate) destinations: Vec<DestinationId>,
    pub(crate) acknowledged: bool,
}

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
            .map(|n| Node::new(n, usize::from(GROUPS), rng.i64(-3_000..3_000)))
            .collect();
        let mut world = Self {
            mistake,
            rng,
            now: START,
            heap: BinaryHeap::new(),
            happenings: BTreeMap::new(),
            sequence: 0,
            groups: (1..=GROUPS).map(|g| Group::new(GroupId(g))).collect(),
            nodes,
            asked: Vec::new(),
            tempers,
            ledger: Ledger::default(),
            coverage: Coverage::default(),
        };
        world.plan();
        world
    }

    fn plan(&mut self) {
        for group in 0..self.groups.len() {
            self.after(0, Happening::Elect { group, term: 0 });
        }
        for node in 0..NODES {
            self.after(SWEEP_MS, Happening::Sweep(node));
        }
        for number in 0..REQUESTS {
            let at = self.rng.u64(100..HEAL - START);
            self.after(at, Happening::Post(number));
        }
        for _ in 0..OPERATIONS {
            let at = self.rng.u64(500..HEAL - START);
            self.after(at, Happening::Operate);
        }
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
            Happening::Sweep(node) => self.sweep(node),
            Happening::Operate => self.operate(),
            Happening::Finished {
                node,
                boot,
                due,
                report,
            } => self.finished(node, boot, due, *report),
        }
    }

    fn post(&mut self, number: usize) -> Result<(), String> {
        // The load balancer knows who answers.
        let up: Vec<usize> = (0..NODES).filter(|&n| self.nodes[n].alive).collect();
        let all: Vec<DestinationId> = self.tempers.keys().copied().collect();
        let destinations = all
            .into_iter()
            .filter(|_| self.rng.bool())
            .collect::<Vec<_>>();
        let group = self.rng.u16(1..=GROUPS);
        let door = up.get(self.rng.usize(0..up.len().max(1))).copied();
        let clock = door.map_or(Timestamp(self.now), |n| self.nodes[n].clock(self.now));
        let id = RequestId::mint(clock, GroupId(group), self.rng.u128(..));
        let body = Bytes::from(format!("body {number} of {id}"));
        // Posted in the order of time, numbered by it.
        let number = self.asked.len();
        self.asked.push(Asked {
            id,
            ids: vec![id],
            body,
            destinations,
            acknowledged: false,
        });
        if let Some(door) = door {
            self.accept(door, number);
        }
        Ok(())
    }

    /// Somebody retries or cancels an event by hand, whatever has become of it.
    fn operate(&mut self) -> Result<(), String> {
        let node = self.rng.usize(0..NODES);
        if self.asked.is_empty() || !self.nodes[node].alive {
            return Ok(());
        }
        let asked = &self.asked[self.rng.usize(0..self.asked.len())];
        let ordinal = self.rng.usize(0..asked.destinations.len().max(1)) + 1;
        let event = asked
            .id
            .event(u16::try_from(ordinal).map_err(|e| e.to_string())?);
        let group = usize::from(event.group().0) - 1;
        let command = if self.rng.bool() {
            let trigger = Trigger::Manual;
            Command::RetryEvent(RetryEvent { event, trigger })
        } else {
            self.ledger.may_be_cancelled(event);
            Command::CancelEvent(CancelEvent { event })
        };
        let bytes = command.envelope(self.nodes[node].clock(self.now), &[]);
        self.propose(node, group, bytes, Purpose::ByHand);
        Ok(())
    }

    fn accept(&mut self, node: usize, number: usize) {
        let clock = self.nodes[node].clock(self.now);
        let asked = &mut self.asked[number];
        let record = codec::encode(&RequestRecord {
            source_id: SourceId(1),
            received_at: clock,
            method: "POST".into(),
            path: String::new(),
            query: String::new(),
            headers: vec![],
            verified: true,
        });
        let events = asked.destinations.iter().map(|&destination| Planned {
            connection: ConnectionId(destination.0),
            destination,
            due_at: clock,
        });
        let command = Command::AcceptRequests(AcceptRequests {
            requests: vec![Incoming {
                id: asked.id,
                source: SourceId(1),
                record: &record,
                body: Some(0),
                verdict: Verdict::Accepted {
                    events: events.collect(),
                    ignored: vec![],
                },
            }],
        });
        let bytes = command.envelope(clock, std::slice::from_ref(&asked.body));
        let group = usize::from(asked.id.group().0) - 1;
        if self.mistake == Mistake::AcksBeforeCommit {
            asked.acknowledged = true;
        }
        self.propose(node, group, bytes, Purpose::Accept(number));
    }

    fn propose(&mut self, node: usize, group: usize, bytes: Bytes, purpose: Purpose) {
        let proposal = Proposal {
            node,
            boot: self.nodes[node].boot,
            bytes,
            purpose,
        };
        let leader = self.groups[group]
            .proposable()
            .filter(|&l| l == node || self.nodes[node].reachable());
        let lost = leader.is_some_and(|l| l != node) && self.rng.u8(0..40) == 0;
        if leader.is_none() || lost {
            let delay = self.rng.u64(5..60);
            let proposal = Box::new(proposal);
            self.after(
                delay,
                Happening::Answered {
                    proposal,
                    group,
                    reply: None,
                },
            );
            return;
        }
        let term = self.groups[group].term;
        self.groups[group].propose(proposal);
        let delay = self.rng.u64(1..40);
        self.after(delay, Happening::Commit { group, term });
    }

    fn commit(&mut self, group: usize, term: u64) -> Result<(), String> {
        let Some(leader) = self.groups[group].proposable() else {
            return Ok(());
        };
        if self.groups[group].term != term {
            return Ok(());
        }
        let Some(proposal) = self.groups[group].commit() else {
            return Ok(());
        };
        let reply = self.apply_all(leader, group)?;
        for follower in (0..NODES).filter(|&n| n != leader) {
            let delay = self.rng.u64(2..250);
            self.after(
                delay,
                Happening::Apply {
                    node: follower,
                    group,
                },
            );
        }
        let lost = proposal.node != leader
            && (self.rng.u8(0..20) == 0 || !self.nodes[proposal.node].reachable());
        let reply = reply.filter(|_| !lost);
        let delay = self.rng.u64(1..10);
        let proposal = Box::new(proposal);
        self.after(
            delay,
            Happening::Answered {
                proposal,
                group,
                reply,
            },
        );
        Ok(())
    }

    fn answered(
        &mut self,
        proposal: Proposal,
        group: usize,
        reply: Option<Bytes>,
    ) -> Result<(), String> {
        let Proposal {
            node,
            boot,
            purpose,
            ..
        } = proposal;
        if !self.nodes[node].alive || self.nodes[node].boot != boot {
            return Ok(());
        }
        let reply = reply
            .map(|bytes| decode_reply(&bytes))
            .transpose()
            .map_err(|e| e.to_string())?;
        if reply.is_none() {
            self.coverage.unknown += 1;
        }
        match (purpose, reply) {
            (Purpose::Accept(number), Some(Reply::Accepted(_))) => {
                self.asked[number].acknowledged = true;
            }
            (Purpose::Accept(number), None) => {
                if self.mistake == Mistake::MintsAnew {
                    let clock = self.nodes[node].clock(self.now);
                    let entropy = self.rng.u128(..);
                    let asked = &mut self.asked[number];
                    asked.id = RequestId::mint(clock, asked.id.group(), entropy);
                    asked.ids.push(asked.id);
                }
                let accept = Some(number);
                let delay = self.rng.u64(20..200);
                self.after(
                    delay,
                    Happening::Again {
                        node,
                        boot,
                        group,
                        accept,
                    },
                );
            }
            (Purpose::ByHand, None | Some(Reply::Event(_))) => {}
            (Purpose::Record(events), Some(Reply::Recorded(_))) => {
                self.nodes[node].replicas[group].reporting = false;
                self.recorded(node, boot, group, &events)?;
            }
            (Purpose::Record(events), None) => {
                let replica = &mut self.nodes[node].replicas[group];
                replica.reporting = false;
                if self.mistake == Mistake::DropsReports {
                    replica.reports.retain(|event, _| !events.contains(event));
                }
                let delay = self.rng.u64(20..200);
                self.after(
                    delay,
                    Happening::Again {
                        node,
                        boot,
                        group,
                        accept: None,
                    },
                );
            }
            (purpose, Some(reply)) => return Err(format!("{purpose:?} was answered by {reply:?}")),
        }
        Ok(())
    }

    fn again(
        &mut self,
        node: usize,
        boot: u32,
        group: usize,
        accept: Option<usize>,
    ) -> Result<(), String> {
        if !self.nodes[node].alive || self.nodes[node].boot != boot {
            return Ok(());
        }
        match accept {
            Some(number) => self.accept(node, number),
            None => self.report(node, group),
        }
        Ok(())
    }

    fn elect(&mut self, group: usize, term: u64) -> Result<(), String> {
        if self.groups[group].term != term || self.groups[group].proposable().is_some() {
            return Ok(());
        }
        let up: Vec<usize> = (0..NODES).filter(|&n| self.nodes[n].reachable()).collect();
        if up.len() <= NODES / 2 {
            self.after(150, Happening::Elect { group, term });
            return Ok(());
        }
        let leader = up[self.rng.usize(0..up.len())];
        self.groups[group].elect(leader);
        self.coverage.elections += 1;
        self.apply_all(leader, group)?;
        // What the cluster has acknowledged must be here before anything is decided here.
        self.ledger
            .leader_has_everything(&self.asked, &self.groups[group], &self.nodes[leader])?;
        self.nodes[leader].replicas[group].led = Some(self.groups[group].term);
        for node in (0..NODES).filter(|&n| n != leader) {
            self.after(50, Happening::Apply { node, group });
        }
        self.wake_all(leader)
    }

    /// Applies all that is committed; returns the last reply.
    fn apply_all(&mut self, node: usize, group: usize) -> Result<Option<Bytes>, String> {
        let mut last = None;
        while let Some((reply, effects)) = self.apply_one(node, group)? {
            last = Some(reply);
            for effect in effects {
                // A hint may be lost: the sweep finds the same work.
                if let Effect::Wake { destination, .. } = effect
                    && self.nodes[node].replicas[group].led.is_some()
                    && self.rng.u8(0..5) != 0
                {
                    let boot = self.nodes[node].boot;
                    self.after(
                        1,
                        Happening::Wake {
                            node,
                            boot,
                            destination,
                        },
                    );
                }
            }
        }
        Ok(last)
    }

    fn apply_one(
        &mut self,
        node: usize,
        group: usize,
    ) -> Result<Option<(Bytes, Vec<Effect>)>, String> {
        let wrong_clock =
            (self.mistake == Mistake::ReadsTheClock).then(|| self.nodes[node].clock(self.now));
        let of = &self.groups[group];
        let Some(applied) = self.nodes[node].apply(of.id, &of.log, wrong_clock)? else {
            return Ok(None);
        };
        self.ledger
            .replicas_agree(of.id, &self.nodes[node].replicas[group], false)?;
        Ok(Some((applied.reply, applied.effects)))
    }

    fn catch_up(&mut self, node: usize, group: usize) -> Result<(), String> {
        if !self.nodes[node].reachable() {
            return Ok(());
        }
        for _ in 0..self.rng.usize(1..6) {
            if self.apply_one(node, group)?.is_none() {
                return Ok(());
            }
        }
        let delay = self.rng.u64(2..100);
        self.after(delay, Happening::Apply { node, group });
        Ok(())
    }

    fn crash(&mut self, node: usize) -> Result<(), String> {
        if self.nodes[node].alive {
            self.coverage.crashes += 1;
            let forget = self.rng.bool();
            self.nodes[node].crash(forget);
            self.depose(node);
        }
        Ok(())
    }

    fn cut_off(&mut self, node: usize) -> Result<(), String> {
        if self.nodes[node].reachable() {
            self.coverage.cuts += 1;
            self.nodes[node].cut_off = true;
            self.depose(node);
        }
        Ok(())
    }

    /// Ends what this node led, and what can't keep a majority without it.
    fn depose(&mut self, node: usize) {
        let up = self.nodes.iter().filter(|n| n.reachable()).count();
        for group in 0..self.groups.len() {
            let Some(leader) = self.groups[group].proposable() else {
                continue;
            };
            if leader != node && up > NODES / 2 {
                continue;
            }
            let unknown = self.groups[group].depose(self.now, &mut self.rng);
            for proposal in unknown {
                let delay = self.rng.u64(50..500);
                let proposal = Box::new(proposal);
                self.after(
                    delay,
                    Happening::Answered {
                        proposal,
                        group,
                        reply: None,
                    },
                );
            }
            let term = self.groups[group].term;
            let delay = LEASE_MS + self.rng.u64(1..300);
            self.after(delay, Happening::Elect { group, term });
        }
    }

    fn restore(&mut self, node: usize) -> Result<(), String> {
        self.nodes[node].alive = true;
        self.nodes[node].cut_off = false;
        for group in 0..self.groups.len() {
            self.after(5, Happening::Apply { node, group });
        }
        Ok(())
    }

    fn sweep(&mut self, node: usize) -> Result<(), String> {
        self.after(SWEEP_MS, Happening::Sweep(node));
        self.wake_all(node)
    }

    fn wake_all(&mut self, node: usize) -> Result<(), String> {
        let boot = self.nodes[node].boot;
        let destinations: Vec<DestinationId> = self.tempers.keys().copied().collect();
        for destination in destinations {
            self.drive(node, boot, destination, Input::Wake)?;
        }
        Ok(())
    }

    /// Gives a lane one input and does what it says.
    fn drive(
        &mut self,
        node: usize,
        boot: u32,
        destination: DestinationId,
        input: Input,
    ) -> Result<(), String> {
        if !self.nodes[node].alive || self.nodes[node].boot != boot {
            return Ok(());
        }
        let clock = self.nodes[node].clock(self.now);
        let mut inputs = VecDeque::from([input]);
        while let Some(input) = inputs.pop_front() {
            let pace = Pace {
                window: 3,
                rate: (destination.0 == 2).then_some((20, 1000)),
            };
            let lane = self.nodes[node]
                .lanes
                .entry(destination)
                .or_insert_with(|| Lane::new(Pacer::new(pace, clock)));
            for output in lane.step(input, clock) {
                match output {
                    Output::Fetch { limit } => {
                        let found = self.nodes[node].fetch(destination, limit, clock);
                        inputs.push_back(found.map_err(|e| e.to_string())?);
                    }
                    Output::Attempt(due) => {
                        match self.launch(node, due)? {
                            Launch::Made => continue,
                            Launch::Stale => {}
                            Launch::NotOurs => inputs.push_back(Input::Lost(due.event.group())),
                        }
                        inputs.push_back(Input::NotMade(due.event));
                    }
                    Output::SleepUntil(at) => {
                        let delay = at.since_ms(clock).max(1);
                        self.after(
                            delay,
                            Happening::Wake {
                                node,
                                boot,
                                destination,
                            },
                        );
                    }
                    Output::Idle => {
                        self.nodes[node].lanes.remove(&destination);
                    }
                }
            }
        }
        Ok(())
    }

    /// Makes an attempt, if it may be made here and now.
    fn launch(&mut self, node: usize, due: Due) -> Result<Launch, String> {
        let group = usize::from(due.event.group().0) - 1;
        let Some(term) = self.nodes[node].replicas[group].led else {
            return Ok(Launch::NotOurs);
        };
        let fenced = !self.groups[group].holds(node, term, self.now);
        if fenced && self.mistake != Mistake::IgnoresTheFence {
            self.nodes[node].replicas[group].led = None;
            return Ok(Launch::NotOurs);
        }
        let rows = &self.nodes[node].replicas[group].rows;
        let event = tables::event(rows, due.event).map_err(|e| e.to_string())?;
        let Some(event) = event.filter(|event| event.due_at == Some(due.at)) else {
            // The former owner's outcome was counted while the row waited in the lane.
            self.coverage.stale_rows += 1;
            return Ok(Launch::Stale);
        };
        let body = self.body(node, group, due.event)?;
        let boot = self.nodes[node].boot;
        let number = event.attempts + 1;
        let (seen, outcome, takes) = receiver::answer(
            self.tempers[&due.destination],
            self.now >= HEAL,
            &mut self.rng,
        );
        if seen {
            let success = outcome.is_success() || outcome.response_status.is_none();
            let receipt = Receipt {
                event: due.event,
                number,
                node,
                boot,
                term,
                body,
                success,
            };
            self.ledger.received(receipt)?;
        }
        let report = Box::new(self.report_of(node, due.event, number, outcome, takes));
        self.after(
            takes,
            Happening::Finished {
                node,
                boot,
                due,
                report,
            },
        );
        Ok(Launch::Made)
    }

    fn body(&self, node: usize, group: usize, event: EventId) -> Result<Bytes, String> {
        let rows = &self.nodes[node].replicas[group].rows;
        let request = tables::request(rows, event.request()).map_err(|e| e.to_string())?;
        let payload = request
            .and_then(|request| request.body)
            .ok_or("a request lost its body")?;
        let index = usize::try_from(payload.index - 1).map_err(|e| e.to_string())?;
        let bytes = self.groups[group]
            .log
            .get(index)
            .ok_or("a payload points beyond the log")?;
        let envelope = Envelope::parse(bytes).map_err(|e| e.to_string())?;
        let body = envelope
            .bodies
            .get(usize::from(payload.sub))
            .ok_or("a payload is missing")?;
        Ok(body.clone())
    }

    fn report_of(
        &mut self,
        node: usize,
        event: EventId,
        number: u16,
        outcome: Outcome,
        takes: u64,
    ) -> AttemptReport {
        let started_at = self.nodes[node].clock(self.now);
        let finished_at = started_at.plus_ms(takes);
        let rule = RetryRule {
            strategy: Backoff::Linear,
            count: RETRIES,
            interval: 1000,
            response_status_codes: None,
        };
        let jitter = self.rng.f64();
        let next = retry::decide(
            Some(&rule),
            number,
            started_at,
            &outcome,
            finished_at,
            jitter,
        );
        AttemptReport {
            event,
            number,
            attempt: Attempt {
                trigger: Trigger::Initial,
                node: node as u64,
                requested_url: "http://receiver/".into(),
                http_method: "POST".into(),
                started_at,
                finished_at,
                outcome,
            },
            next,
        }
    }

    fn finished(
        &mut self,
        node: usize,
        boot: u32,
        due: Due,
        report: AttemptReport,
    ) -> Result<(), String> {
        if !self.nodes[node].alive || self.nodes[node].boot != boot {
            return Ok(());
        }
        let group = usize::from(due.event.group().0) - 1;
        self.nodes[node].replicas[group]
            .reports
            .insert(due.event, report);
        self.drive(node, boot, due.destination, Input::Finished(due.event))?;
        if self.mistake == Mistake::ForgetsReported {
            self.drive(node, boot, due.destination, Input::Recorded(due.event))?;
        }
        self.report(node, group);
        Ok(())
    }

    fn report(&mut self, node: usize, group: usize) {
        let clock = self.nodes[node].clock(self.now);
        let replica = &mut self.nodes[node].replicas[group];
        if replica.reporting || replica.reports.is_empty() {
            return;
        }
        replica.reporting = true;
        let events = replica.reports.keys().copied().collect();
        let reports = replica.reports.values().cloned().collect();
        let bytes = Command::RecordAttempts(RecordAttempts { reports }).envelope(clock, &[]);
        self.propose(node, group, bytes, Purpose::Record(events));
    }

    fn recorded(
        &mut self,
        node: usize,
        boot: u32,
        group: usize,
        events: &[EventId],
    ) -> Result<(), String> {
        for event in events {
            self.nodes[node].replicas[group].reports.remove(event);
            let at = usize::from(event.ordinal()) - 1;
            let asked = self
                .asked
                .iter()
                .find(|asked| asked.ids.contains(&event.request()));
            let destination = asked.and_then(|asked| asked.destinations.get(at).copied());
            let destination = destination.ok_or("an event of no request was recorded")?;
            self.drive(node, boot, destination, Input::Recorded(*event))?;
        }
        self.report(node, group);
        Ok(())
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
        }
        Ok(())
    }
}
