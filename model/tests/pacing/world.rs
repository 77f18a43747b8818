//! The run: a heap of happenings in true time, and nodes whose clocks start anywhere and are not equally fast.

use crate::receiver::Receiver;
use model::{
    delivery::{Home, Input, Lane, Limit, Outbox, Output, Pace, Reply, Sign, Statement},
    ids::{DestinationId, EventId, NodeId},
    state::keys::{Due, DueClass},
    time::{Monotone, Now, Timestamp},
};
use std::{
    cmp::Reverse,
    collections::{BTreeMap, BinaryHeap, VecDeque},
};

const DESTINATION: DestinationId = DestinationId(7);
const SECOND: u64 = 1_000_000;
const WINDOW: u16 = 16;
/// A message without an answer is given up.
const MESSAGE_PATIENCE: u64 = 400_000;
/// How often a node looks who leads.
const LOOK_EVERY: u64 = 250_000;

/// A mistake that a run makes on purpose, to show that it would be noticed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mistake {
    None,
    /// A new home gives at once what its predecessor may have given.
    DoesNotWait,
    /// A node tells a new home that it has nothing.
    HidesWhatItHas,
    /// The former home goes on giving for a while.
    TwoHomes,
}

#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) mistake: Mistake,
    pub(crate) limit: Limit,
    /// From when on which limit holds, besides the first.
    pub(crate) changes: Vec<(u64, Limit)>,
    pub(crate) nodes: usize,
    pub(crate) lasts_us: u64,
    pub(crate) quiet_until_us: u64,
    /// The home moves to another node that lives.
    pub(crate) handovers: Vec<u64>,
    /// The home's node dies, and comes back after so long.
    pub(crate) crashes: Vec<(u64, u64)>,
    /// A node that is not the home is cut off, for so long.
    pub(crate) cuts: Vec<(u64, u64)>,
    /// The wall clock of some node is set, by so many milliseconds.
    pub(crate) jumps: Vec<(u64, i64)>,
    /// Of a thousand messages so many are lost, and so many come twice.
    pub(crate) lost: u16,
    pub(crate) doubled: u16,
    pub(crate) delay_us_max: u64,
    /// Nodes that always have work; the others have some now and then.
    pub(crate) busy: usize,
    /// Clocks are off by so many millionths.
    pub(crate) drift: i64,
    pub(crate) attempt_us: (u64, u64),
    /// How long it takes at most to make an attempt ready.
    pub(crate) prepare_us_max: u64,
}

impl Plan {
    pub(crate) fn calm(limit: Limit, nodes: usize, rng: &mut fastrand::Rng) -> Self {
        Self {
            mistake: Mistake::None,
            limit,
            changes: Vec::new(),
            nodes,
            lasts_us: 20 * SECOND,
            quiet_until_us: 0,
            handovers: Vec::new(),
            crashes: Vec::new(),
            cuts: Vec::new(),
            jumps: Vec::new(),
            lost: 0,
            doubled: 0,
            delay_us_max: rng.u64(500..5_000),
            busy: nodes,
            drift: 100,
            attempt_us: (1_000, 60_000),
            prepare_us_max: 5_000,
        }
    }

    pub(crate) fn troubled(limit: Limit, rng: &mut fastrand::Rng) -> Self {
        let lasts_us = 30 * SECOND;
        let nodes = rng.usize(1..=5);
        let times = |rng: &mut fastrand::Rng, most: usize| -> Vec<u64> {
            (0..rng.usize(0..=most))
                .map(|_| rng.u64(0..lasts_us))
                .collect()
        };
        let spans = |rng: &mut fastrand::Rng, most: usize| -> Vec<(u64, u64)> {
            times(rng, most)
                .into_iter()
                .map(|at| (at, rng.u64(100_000..6 * SECOND)))
                .collect()
        };
        Self {
            changes: Vec::new(),
            handovers: times(rng, 6),
            crashes: spans(rng, 4),
            cuts: spans(rng, 4),
            jumps: times(rng, 4)
                .into_iter()
                .map(|at| (at, rng.i64(-3_600_000..3_600_000)))
                .collect(),
            lost: rng.u16(0..150),
            doubled: rng.u16(0..100),
            delay_us_max: rng.u64(500..200_000),
            busy: rng.usize(0..=nodes),
            drift: 5_000,
            attempt_us: (1_000, rng.u64(2_000..2_000_000)),
            prepare_us_max: rng.u64(1_000..800_000),
            lasts_us,
            ..Self::calm(limit, nodes, rng)
        }
    }
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Coverage {
    pub(crate) sends: usize,
    /// Those of the second half of the run.
    pub(crate) late_sends: usize,
    /// How long slots were in use in it, all together.
    pub(crate) late_busy_us: u64,
    pub(crate) sends_of_node: Vec<usize>,
    handovers: usize,
    crashes: usize,
    resumed: usize,
    cuts: usize,
    jumps: usize,
    lost: usize,
    doubled: usize,
    adopted: usize,
    expired: usize,
}

impl Coverage {
    pub(crate) fn add(&mut self, other: &Self) {
        self.sends += other.sends;
        self.handovers += other.handovers;
        self.crashes += other.crashes;
        self.resumed += other.resumed;
        self.cuts += other.cuts;
        self.jumps += other.jumps;
        self.lost += other.lost;
        self.doubled += other.doubled;
        self.adopted += other.adopted;
        self.expired += other.expired;
    }

    pub(crate) fn must_have_resumed(&self) {
        assert!(self.resumed > 0, "no home was restarted within its term");
    }

    /// A fault that never fired has shown nothing.
    pub(crate) fn must_have_seen_everything(&self) {
        for (what, count) in [
            ("sends", self.sends),
            ("handovers", self.handovers),
            ("crashes", self.crashes),
            ("homes of a term's second process", self.resumed),
            ("cuts", self.cuts),
            ("clock jumps", self.jumps),
            ("lost messages", self.lost),
            ("doubled messages", self.doubled),
            ("claims", self.adopted),
        ] {
            assert!(count > 0, "no {what} in the whole run");
        }
    }
}

#[derive(Clone, Debug)]
enum Happening {
    Wake {
        node: usize,
        mark: u64,
    },
    Look {
        node: usize,
    },
    Arrives {
        statement: Statement,
        mail: Mail,
    },
    Returns {
        reply: Option<Reply>,
        mail: Mail,
    },
    GivenUp(Mail),
    Prepared {
        node: usize,
        boot: u64,
        event: EventId,
    },
    Ends {
        node: usize,
        boot: u64,
        event: EventId,
    },
    More {
        node: usize,
    },
    Handover,
    Elected {
        term: u64,
    },
    Crash {
        lasts: u64,
    },
    Start {
        node: usize,
    },
    Cut {
        lasts: u64,
    },
    Healed {
        node: usize,
    },
    Jump {
        ms: i64,
    },
    Change(Limit),
    Seen {
        node: usize,
        limit: Limit,
    },
}

/// One message under way.
#[derive(Clone, Copy, Debug)]
struct Mail {
    node: usize,
    boot: u64,
    number: u64,
    term: u64,
}

struct Node {
    alive: bool,
    cut: bool,
    boot: u64,
    /// What its clock showed when the run began, and its pace in millionths.
    base: u64,
    drift: i64,
    wall_skew_ms: i64,
    limit: Limit,
    lane: Lane,
    outbox: Outbox,
    sent: Option<(Mail, Statement)>,
    mark: u64,
    backlog: u64,
    in_flight: u32,
}

pub(crate) struct World {
    plan: Plan,
    rng: fastrand::Rng,
    now: u64,
    heap: BinaryHeap<Reverse<(u64, u64)>>,
    happenings: BTreeMap<u64, Happening>,
    sequence: u64,
    nodes: Vec<Node>,
    home: Option<(usize, Home)>,
    /// The home before, where it does not know that it was.
    former: Option<(usize, Home)>,
    term: u64,
    /// The node whose home died with it. If it is back before another is elected, it may lead on in its term.
    resumes: Option<usize>,
    limit: Limit,
    since: u64,
    receiver: Receiver,
    busy_at: u64,
    events: u128,
    coverage: Coverage,
}

impl World {
    pub(crate) fn new(plan: Plan, mut rng: fastrand::Rng) -> Self {
        let nodes = (0..plan.nodes)
            .map(|_| Node {
                alive: true,
                cut: false,
                boot: rng.u64(..),
                base: rng.u64(0..1_000 * SECOND),
                drift: rng.i64(-plan.drift..=plan.drift),
                wall_skew_ms: rng.i64(-30_000..30_000),
                limit: plan.limit,
                lane: Lane::new(pace(plan.limit)),
                outbox: Outbox::new(0, Monotone(0)),
                sent: None,
                mark: 0,
                backlog: 0,
                in_flight: 0,
            })
            .collect();
        let mut world = Self {
            now: 0,
            heap: BinaryHeap::new(),
            happenings: BTreeMap::new(),
            sequence: 0,
            nodes,
            home: None,
            former: None,
            term: 0,
            resumes: None,
            limit: plan.limit,
            since: 0,
            receiver: Receiver::default(),
            busy_at: 0,
            events: 0,
            coverage: Coverage {
                sends_of_node: vec![0; plan.nodes],
                ..Coverage::default()
            },
            plan,
            rng,
        };
        world.set_up();
        world
    }

    fn set_up(&mut self) {
        for node in 0..self.nodes.len() {
            let clock = self.clock(node).steady;
            let boot = self.nodes[node].boot;
            self.nodes[node].outbox = Outbox::new(boot, clock);
            self.at(0, Happening::Look { node });
            self.at(self.plan.quiet_until_us, Happening::More { node });
        }
        self.elect();
        for at in self.plan.handovers.clone() {
            self.at(at, Happening::Handover);
        }
        for (at, lasts) in self.plan.crashes.clone() {
            self.at(at, Happening::Crash { lasts });
        }
        for (at, lasts) in self.plan.cuts.clone() {
            self.at(at, Happening::Cut { lasts });
        }
        for (at, ms) in self.plan.jumps.clone() {
            self.at(at, Happening::Jump { ms });
        }
        for (at, limit) in self.plan.changes.clone() {
            self.at(at, Happening::Change(limit));
        }
    }

    fn at(&mut self, at: u64, happening: Happening) {
        self.sequence += 1;
        self.heap.push(Reverse((at.max(self.now), self.sequence)));
        self.happenings.insert(self.sequence, happening);
    }

    fn after(&mut self, delay: u64, happening: Happening) {
        self.at(self.now + delay, happening);
    }

    fn clock(&self, node: usize) -> Now {
        let node = &self.nodes[node];
        let passed = i128::from(self.now) * i128::from(1_000_000 + node.drift) / 1_000_000;
        let wall_ms = 1_700_000_000_000 + self.now / 1000;
        Now {
            wall: Timestamp(wall_ms.saturating_add_signed(node.wall_skew_ms)),
            steady: Monotone(node.base + passed as u64),
        }
    }

    pub(crate) fn run(mut self) -> Result<Coverage, String> {
        while let Some(Reverse((at, sequence))) = self.heap.pop() {
            if at > self.plan.lasts_us {
                break;
            }
            self.now = at;
            if let Some(happening) = self.happenings.remove(&sequence) {
                self.happen(happening)?;
            }
        }
        self.receiver.keeps(self.limit, self.since, u64::MAX)?;
        Ok(self.coverage)
    }

    fn happen(&mut self, happening: Happening) -> Result<(), String> {
        match happening {
            Happening::Wake { node, mark } => {
                if self.nodes[node].mark == mark {
                    self.drive(node, Input::Wake)?;
                }
            }
            Happening::Look { node } => {
                self.after(LOOK_EVERY, Happening::Look { node });
                self.send(node);
            }
            Happening::Arrives { statement, mail } => self.arrives(&statement, mail),
            Happening::Returns { reply, mail } => self.returns(reply, mail)?,
            Happening::GivenUp(mail) => self.given_up(mail)?,
            Happening::Prepared { node, boot, event } => {
                if self.nodes[node].boot == boot {
                    self.drive(node, Input::Prepared(event))?;
                }
            }
            Happening::Ends { node, boot, event } => self.ends(node, boot, event)?,
            Happening::More { node } => self.more(node)?,
            Happening::Handover => self.hand_over(),
            Happening::Elected { term } => {
                if self.home.is_none() && self.term == term {
                    self.elect();
                }
            }
            Happening::Crash { lasts } => self.crash(lasts),
            Happening::Start { node } => self.start(node)?,
            Happening::Cut { lasts } => self.cut(lasts),
            Happening::Healed { node } => self.nodes[node].cut = false,
            Happening::Jump { ms } => {
                let node = self.rng.usize(0..self.nodes.len());
                self.nodes[node].wall_skew_ms += ms;
                self.coverage.jumps += 1;
            }
            Happening::Change(limit) => self.change(limit)?,
            Happening::Seen { node, limit } => {
                self.nodes[node].limit = limit;
                self.drive(node, Input::Configured(pace(limit)))?;
            }
        }
        Ok(())
    }

    /// Work comes: without end to those that are always busy, now and then to the others.
    fn more(&mut self, node: usize) -> Result<(), String> {
        if node < self.plan.busy {
            self.nodes[node].backlog = u64::MAX / 2;
        } else {
            self.nodes[node].backlog += self.rng.u64(1..20);
            let delay = self.rng.u64(10_000..3 * SECOND);
            self.after(delay, Happening::More { node });
        }
        self.drive(node, Input::Wake)
    }

    fn drive(&mut self, node: usize, input: Input) -> Result<(), String> {
        if !self.nodes[node].alive {
            return Ok(());
        }
        let clock = self.clock(node);
        let mut inputs = VecDeque::from([input]);
        self.nodes[node].mark += 1;
        while let Some(input) = inputs.pop_front() {
            for output in self.nodes[node].lane.step(input, clock) {
                match output {
                    Output::Fetch { limit, .. } => inputs.push_back(self.fetch(node, limit, clock)),
                    Output::Attempt(due, permit) => {
                        if permit.use_by.is_some_and(|by| clock.steady >= by) {
                            return Err("a permit was out of date when it was given".into());
                        }
                        self.attempt(node, due.event)?;
                    }
                    Output::Prepare(due) => {
                        let takes = self.rng.u64(0..self.plan.prepare_us_max);
                        let boot = self.nodes[node].boot;
                        let event = due.event;
                        self.after(takes, Happening::Prepared { node, boot, event });
                    }
                    Output::Send(event, permit) => {
                        if permit.use_by.is_some_and(|by| clock.steady >= by) {
                            return Err("a permit was out of date when it was given".into());
                        }
                        self.attempt(node, event)?;
                    }
                    Output::Discard(_) => {}
                    Output::Ask(ask) => self.nodes[node].outbox.push(DESTINATION, ask),
                    Output::SleepFor(us) => {
                        let mark = self.nodes[node].mark;
                        self.after(us, Happening::Wake { node, mark });
                    }
                    Output::Crowded => return Err("nobody bounds this lane".into()),
                    Output::Idle => {}
                }
            }
        }
        let holding = self.nodes[node].lane.holding();
        self.nodes[node].outbox.holds(DESTINATION, holding);
        self.send(node);
        Ok(())
    }

    fn fetch(&mut self, node: usize, limit: usize, clock: Now) -> Input {
        let found = self.nodes[node].backlog.min(limit as u64);
        self.nodes[node].backlog -= found;
        let due = (0..found).map(|number| {
            self.events += 1;
            Due {
                destination: DESTINATION,
                class: if number % 2 == 0 {
                    DueClass::Fresh
                } else {
                    DueClass::Retry
                },
                at: clock.wall,
                event: EventId(self.events),
            }
        });
        Input::Fetched {
            due: due.collect(),
            next_due: None,
        }
    }

    fn note_busy(&mut self) {
        let half = self.plan.lasts_us / 2;
        let from = self.busy_at.max(half);
        self.coverage.late_busy_us +=
            self.now.saturating_sub(from) * u64::from(self.receiver.in_flight());
        self.busy_at = self.now;
    }

    fn attempt(&mut self, node: usize, event: EventId) -> Result<(), String> {
        self.note_busy();
        self.receiver.begins(self.now);
        self.nodes[node].in_flight += 1;
        self.coverage.sends += 1;
        self.coverage.sends_of_node[node] += 1;
        self.coverage.late_sends += usize::from(self.now >= self.plan.lasts_us / 2);
        let settled = self.now >= self.since + SECOND || self.since == 0;
        if let Limit::Slots { slots, .. } = self.limit
            && settled
            && self.receiver.in_flight() > slots
        {
            return Err(format!(
                "I6: {} in flight at {}",
                self.receiver.in_flight(),
                self.now
            ));
        }
        let takes = self.rng.u64(self.plan.attempt_us.0..self.plan.attempt_us.1);
        let boot = self.nodes[node].boot;
        self.after(takes, Happening::Ends { node, boot, event });
        Ok(())
    }

    fn ends(&mut self, node: usize, boot: u64, event: EventId) -> Result<(), String> {
        if self.nodes[node].boot != boot {
            return Ok(());
        }
        self.note_busy();
        self.receiver.ends();
        self.nodes[node].in_flight -= 1;
        self.drive(node, Input::Finished(event, Sign::Healthy))?;
        self.drive(node, Input::Recorded(event))
    }

    fn reaches(&self, node: usize) -> bool {
        self.nodes[node].alive && !self.nodes[node].cut
    }

    fn delay(&mut self) -> u64 {
        // Most messages are quick, some are not.
        let most = if self.rng.u8(0..10) == 0 {
            self.plan.delay_us_max
        } else {
            (self.plan.delay_us_max / 5).max(2)
        };
        self.rng.u64(1..most)
    }

    fn is_lost(&mut self) -> bool {
        let lost = self.rng.u16(0..1000) < self.plan.lost;
        self.coverage.lost += usize::from(lost);
        lost
    }

    fn copies(&mut self) -> usize {
        let doubled = self.rng.u16(0..1000) < self.plan.doubled;
        self.coverage.doubled += usize::from(doubled);
        1 + usize::from(doubled)
    }

    fn send(&mut self, node: usize) {
        if !self.nodes[node].alive {
            return;
        }
        let now = self.clock(node).steady;
        let target = self.home.as_ref().map(|(at, home)| (*at, home.term()));
        let term = target.map(|(_, term)| term);
        let Some(mut statement) = self.nodes[node].outbox.next(term, now) else {
            return;
        };
        if self.plan.mistake == Mistake::HidesWhatItHas {
            statement.claims = statement.claims.map(|_| Vec::new());
        }
        if statement
            .claims
            .as_ref()
            .is_some_and(|claims| !claims.is_empty())
        {
            self.coverage.adopted += 1;
        }
        self.sequence += 1;
        let mail = Mail {
            node,
            boot: self.nodes[node].boot,
            number: self.sequence,
            term: term.unwrap_or(0),
        };
        self.nodes[node].sent = Some((mail, statement.clone()));
        self.after(MESSAGE_PATIENCE, Happening::GivenUp(mail));
        let local = target.is_some_and(|(at, _)| at == node);
        if !local && self.is_lost() {
            return;
        }
        for _ in 0..self.copies() {
            let delay = if local { 0 } else { self.delay() };
            let statement = statement.clone();
            self.after(delay, Happening::Arrives { statement, mail });
        }
    }

    fn arrives(&mut self, statement: &Statement, mail: Mail) {
        let members: Vec<NodeId> = (0..self.nodes.len() as u64).collect();
        let at = self.home.as_ref().map(|(at, _)| *at);
        let local = at == Some(mail.node);
        let reachable = at.is_some_and(|at| local || self.reaches(at) && self.reaches(mail.node));
        let mut reply = None;
        if let Some(at) = at.filter(|_| reachable) {
            let now = self.clock(at).steady;
            let limit = self.nodes[at].limit;
            // Half of the nodes still believe in the former one.
            let deceived = self.former.is_some() && mail.node.is_multiple_of(2);
            let home = if deceived {
                &mut self.former
            } else {
                &mut self.home
            };
            if let Some((_, home)) = home
                && (deceived || home.term() == mail.term)
            {
                let node = mail.node as u64;
                reply = Some(home.answer(node, statement, |_| limit, &members, now));
            }
        }
        if !reachable || !local && self.is_lost() {
            return;
        }
        for _ in 0..self.copies() {
            let delay = if local { 0 } else { self.delay() };
            let reply = reply.clone();
            self.after(delay, Happening::Returns { reply, mail });
        }
    }

    fn returns(&mut self, reply: Option<Reply>, mail: Mail) -> Result<(), String> {
        let sent = self.take_sent(mail);
        let (Some(statement), Some(reply)) = (sent.clone(), reply) else {
            return sent.map_or(Ok(()), |statement| self.fail(mail, &statement));
        };
        let now = self.clock(mail.node).steady;
        self.nodes[mail.node]
            .outbox
            .replied(&statement, &reply, now);
        for (_, answer) in reply.answers {
            self.drive(mail.node, Input::Answered(answer))?;
        }
        self.send(mail.node);
        Ok(())
    }

    fn take_sent(&mut self, mail: Mail) -> Option<Statement> {
        let node = &mut self.nodes[mail.node];
        let is_it = node
            .sent
            .as_ref()
            .is_some_and(|(sent, _)| sent.number == mail.number && node.boot == mail.boot);
        is_it.then(|| node.sent.take().map(|(_, statement)| statement))?
    }

    fn given_up(&mut self, mail: Mail) -> Result<(), String> {
        match self.take_sent(mail) {
            Some(statement) => self.fail(mail, &statement),
            None => Ok(()),
        }
    }

    fn fail(&mut self, mail: Mail, statement: &Statement) -> Result<(), String> {
        self.nodes[mail.node].outbox.failed();
        for (_, ask) in &statement.asks {
            self.drive(mail.node, Input::Unanswered(ask.number))?;
        }
        Ok(())
    }

    fn elect(&mut self) {
        let up: Vec<usize> = (0..self.nodes.len()).filter(|&n| self.reaches(n)).collect();
        let term = self.term;
        if up.is_empty() {
            self.after(200_000, Happening::Elected { term });
            return;
        }
        self.term += 1;
        let node = up[self.rng.usize(0..up.len())];
        let since = match self.plan.mistake {
            Mistake::DoesNotWait => Monotone(0),
            _ => self.clock(node).steady,
        };
        self.home = Some((node, Home::new(self.term, self.rng.u64(..), since)));
        self.resumes = None;
    }

    fn hand_over(&mut self) {
        if let Some(former) = self.home.take() {
            self.former = (self.plan.mistake == Mistake::TwoHomes).then_some(former);
            self.coverage.handovers += 1;
            let delay = self.rng.u64(1_000..200_000);
            let term = self.term;
            self.after(delay, Happening::Elected { term });
        }
    }

    fn crash(&mut self, lasts: u64) {
        let node = match &self.home {
            Some((node, _)) => *node,
            None => self.rng.usize(0..self.nodes.len()),
        };
        if !self.nodes[node].alive {
            return;
        }
        self.note_busy();
        let gone = &mut self.nodes[node];
        gone.alive = false;
        gone.boot = self.rng.u64(..);
        gone.sent = None;
        for _ in 0..std::mem::take(&mut gone.in_flight) {
            self.receiver.ends();
        }
        self.coverage.crashes += 1;
        if self.home.as_ref().is_some_and(|(at, _)| *at == node) {
            self.home = None;
            self.resumes = Some(node);
            let delay = self.rng.u64(1_000..3 * SECOND);
            let term = self.term;
            self.after(delay, Happening::Elected { term });
        }
        self.after(lasts, Happening::Start { node });
    }

    fn start(&mut self, node: usize) -> Result<(), String> {
        let base = self.rng.u64(0..1000 * SECOND);
        let started = &mut self.nodes[node];
        started.alive = true;
        started.base = base;
        started.lane = Lane::new(pace(self.limit));
        started.limit = self.limit;
        let boot = started.boot;
        let now = self.clock(node).steady;
        self.nodes[node].outbox = Outbox::new(boot, now);
        if self.resumes.take() == Some(node) && self.home.is_none() {
            self.coverage.resumed += 1;
            self.home = Some((node, Home::new(self.term, self.rng.u64(..), now)));
        }
        self.drive(node, Input::Wake)
    }

    fn cut(&mut self, lasts: u64) {
        let node = self.rng.usize(0..self.nodes.len());
        if self.home.as_ref().is_some_and(|(at, _)| *at == node) {
            return;
        }
        self.coverage.cuts += 1;
        self.nodes[node].cut = true;
        self.after(lasts, Happening::Healed { node });
    }

    /// The catalog changes; each node sees it a little later.
    fn change(&mut self, limit: Limit) -> Result<(), String> {
        self.receiver.keeps(self.limit, self.since, self.now)?;
        self.limit = limit;
        // From a second later on the new one must hold.
        self.since = self.now + SECOND;
        for node in 0..self.nodes.len() {
            let delay = self.rng.u64(1_000..300_000);
            self.after(delay, Happening::Seen { node, limit });
        }
        Ok(())
    }
}

fn pace(limit: Limit) -> Pace {
    Pace {
        window: WINDOW,
        limit,
    }
}
