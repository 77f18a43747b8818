//! Two partitions, their leader, a destination with a pace and an outage, and the operator who asks for the replay.

use bytes::Bytes;
use model::{
    catalog::{Backoff, RetryRule},
    delivery::{Floors, Home, Input, Lane, Limit, Output, Pace, Rate, Sign, Statement},
    envelope::Envelope,
    ids::{ConnectionId, DestinationId, EventId, GroupId, OperationId, RequestId, SourceId},
    kit,
    machine::{
        self, AcceptRequests, Act, AttemptReport, Command, Entry, Incoming, OpenPart,
        PlanOperation, Planned, RecordRuns, ReportPart, Verdict, WorkPart,
    },
    policy::{
        bulk::{self, Bounds, Step},
        retry,
    },
    query::Asked,
    state::{
        keys::{Due, DueClass},
        kv::{Read, Table},
        memory::Memory,
        tables::{self, TableError},
    },
    time::{Monotone, Now, Timestamp},
    traffic::{
        Attempt, Event, EventStatus, Operation, OperationKind, OperationPart, Outcome, PartReport,
        Trigger,
    },
};
use std::{
    cmp::Reverse,
    collections::{BTreeMap, BinaryHeap, VecDeque},
};

const MINUTE: u64 = 60_000;
/// Half past one: all times of the story are of one day.
const START: Timestamp = Timestamp(1_700_000_000_000);
const DOWN_FROM: u64 = 30 * MINUTE;
const DOWN_UNTIL: u64 = 90 * MINUTE;
/// Which 20 minutes are wanted back, and when somebody asks for them.
const WINDOW: (u64, u64) = (30 * MINUTE, 50 * MINUTE);
const ASKED_AT: u64 = 95 * MINUTE;
const LAST_POST: u64 = 100 * MINUTE;
const ENDS: u64 = 115 * MINUTE;
const EVERY_MS: u64 = 2_500;
pub(crate) const PER_SECOND: u32 = 4;
const GROUPS: u16 = 2;
const DESTINATION: DestinationId = DestinationId(1);
const OPERATION: OperationId = OperationId(7);
const TEND_MS: u64 = 250;
const SWEEP_MS: u64 = 2_000;
const BOUNDS: Bounds = Bounds {
    rows: 400,
    found: 20,
};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    None,
    /// Leaders fall while the replay runs.
    Falls,
    /// A mistake: the page that is worked off is not the part's next one.
    ForgetsWhereItWas,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Receipt {
    pub(crate) event: EventId,
    pub(crate) at: Timestamp,
    pub(crate) trigger: Trigger,
}

#[derive(Debug)]
pub(crate) struct Ending {
    pub(crate) asked_at: Timestamp,
    /// The window's failed events when the replay was asked for.
    pub(crate) wanted: Vec<EventId>,
    pub(crate) before: BTreeMap<EventId, Event>,
    pub(crate) after: BTreeMap<EventId, Event>,
    pub(crate) received: Vec<Receipt>,
    pub(crate) operation: Operation,
    pub(crate) slowest_fresh_ms: u64,
    pub(crate) took_ms: u64,
    pub(crate) falls: usize,
    pub(crate) late_pages: usize,
    pub(crate) lost_outcomes: usize,
}

#[derive(Clone, Debug)]
enum Happening {
    Post,
    Wake,
    Sweep,
    Tend,
    Ask,
    Fall,
    /// A page of a leader that has fallen reaches the log after all.
    Late(usize, Bytes),
    Finished {
        due: Due,
        life: u32,
        report: Box<AttemptReport>,
    },
}

#[derive(Debug, Default)]
struct Group {
    rows: Memory,
    index: u64,
}

pub(crate) struct World {
    fault: Fault,
    rng: fastrand::Rng,
    now: Timestamp,
    heap: BinaryHeap<Reverse<(u64, u64)>>,
    happenings: BTreeMap<u64, Happening>,
    sequence: u64,
    control: Group,
    groups: Vec<Group>,
    lane: Lane,
    home: Home,
    /// The home knows what this node has.
    introduced: bool,
    /// What is ready to be sent.
    prepared: BTreeMap<EventId, Due>,
    alarm: Option<Timestamp>,
    /// Counts the owners: what an earlier one had in flight is nobody's any more.
    life: u32,
    /// Nobody leads until then.
    leaderless_until: Timestamp,
    ending: Ending,
}

const RATE: Rate = Rate {
    limit: PER_SECOND,
    period_ms: 1000,
};

fn pace() -> Pace {
    Pace {
        window: 8,
        limit: Limit::Rate(RATE),
    }
}

/// The clock that nobody sets.
fn steady(at: Timestamp) -> Monotone {
    Monotone(at.since_ms(START).saturating_add(1000) * 1000)
}

fn keep(event: &Event) -> bool {
    let since_start = event.created_at.since_ms(START);
    event.destination_id == DESTINATION
        && event.status == EventStatus::Failed
        && (WINDOW.0..WINDOW.1).contains(&since_start)
}

impl World {
    pub(crate) fn new(seed: u64, fault: Fault) -> Self {
        let mut world = Self {
            fault,
            rng: fastrand::Rng::with_seed(seed),
            now: START,
            heap: BinaryHeap::new(),
            happenings: BTreeMap::new(),
            sequence: 0,
            control: Group::default(),
            groups: (0..GROUPS).map(|_| Group::default()).collect(),
            lane: Lane::new(pace()),
            home: Home::new(0, 0, steady(START)),
            introduced: false,
            prepared: BTreeMap::new(),
            alarm: None,
            life: 0,
            leaderless_until: START,
            ending: Ending {
                asked_at: START.plus_ms(ASKED_AT),
                wanted: Vec::new(),
                before: BTreeMap::new(),
                after: BTreeMap::new(),
                received: Vec::new(),
                operation: operation(None),
                slowest_fresh_ms: 0,
                took_ms: 0,
                falls: 0,
                late_pages: 0,
                lost_outcomes: 0,
            },
        };
        world.after(0, Happening::Post);
        world.after(SWEEP_MS, Happening::Sweep);
        world.after(ASKED_AT, Happening::Ask);
        if fault == Fault::Falls {
            for _ in 0..6 {
                // Some while the pages are worked off, some while their events are delivered.
                let within = if world.rng.bool() { 3_000 } else { 90_000 };
                let delay = ASKED_AT + world.rng.u64(0..within);
                world.after(delay, Happening::Fall);
            }
        }
        world
    }

    fn after(&mut self, delay: u64, happening: Happening) {
        self.sequence += 1;
        self.heap.push(Reverse((self.now.0 + delay, self.sequence)));
        self.happenings.insert(self.sequence, happening);
    }

    pub(crate) fn run(mut self) -> Ending {
        while let Some(Reverse((at, sequence))) = self.heap.pop() {
            if at > START.0 + ENDS {
                break;
            }
            self.now = Timestamp(at);
            let Some(happening) = self.happenings.remove(&sequence) else {
                continue;
            };
            self.happen(happening);
        }
        self.ending.after = self.events();
        let operation = tables::operation(&self.control.rows, OPERATION);
        self.ending.operation = operation.expect("readable").expect("planned");
        self.ending
    }

    fn happen(&mut self, happening: Happening) {
        match happening {
            Happening::Post => self.post(),
            Happening::Wake => self.drive(Input::Wake),
            Happening::Sweep => {
                self.after(SWEEP_MS, Happening::Sweep);
                self.drive(Input::Wake);
            }
            Happening::Tend => self.tend(),
            Happening::Ask => self.ask(),
            Happening::Fall => self.fall(),
            Happening::Late(group, bytes) => {
                self.ending.late_pages += 1;
                self.apply(group, &bytes);
            }
            Happening::Finished { due, life, report } => self.finished(due, life, *report),
        }
    }

    /// One timer, moved to whatever comes first.
    fn wake_at(&mut self, at: Timestamp) {
        let at = at.max(self.now.plus_ms(1));
        let armed = self.alarm.filter(|alarm| *alarm > self.now);
        if armed.is_none_or(|alarm| at < alarm) {
            self.alarm = Some(at);
            self.after(at.since_ms(self.now), Happening::Wake);
        }
    }

    fn leads(&self) -> bool {
        self.now >= self.leaderless_until
    }

    fn apply(&mut self, group: usize, bytes: &Bytes) {
        apply(&mut self.groups[group], group as u16 + 1, bytes);
        self.wake_at(self.now);
    }

    fn apply_control(&mut self, command: &Command<'_>) {
        apply(&mut self.control, 0, &command.envelope(self.now, &[]));
    }

    fn post(&mut self) {
        if self.now.since_ms(START) >= LAST_POST {
            return;
        }
        let pause = self.rng.u64(1..2 * EVERY_MS);
        self.after(pause, Happening::Post);
        let group = self.rng.u16(0..GROUPS);
        let id = RequestId::mint(self.now, GroupId(group + 1), self.rng.u128(..));
        let command = Command::AcceptRequests(AcceptRequests {
            requests: vec![Incoming {
                id,
                source: SourceId(1),
                record: b"record",
                body: None,
                verdict: Verdict::Accepted {
                    events: vec![Planned {
                        connection: ConnectionId(1),
                        destination: DESTINATION,
                        due_at: self.now,
                    }],
                    ignored: vec![],
                },
            }],
        });
        self.apply(usize::from(group), &command.envelope(self.now, &[]));
    }

    fn events(&self) -> BTreeMap<EventId, Event> {
        let mut events = BTreeMap::new();
        for group in &self.groups {
            let rows = group
                .rows
                .scan(Table::Events, &[], &[u8::MAX; 17], usize::MAX);
            for (key, _) in rows.expect("readable") {
                let id = EventId::from_key(&key).expect("an event's key");
                let event = tables::event(&group.rows, id).expect("readable");
                events.insert(id, event.expect("there"));
            }
        }
        events
    }

    /// The one call: plan, count, begin.
    fn ask(&mut self) {
        self.ending.before = self.events();
        let wanted = self.ending.before.iter();
        let wanted = wanted.filter(|(_, event)| keep(event));
        self.ending.wanted = wanted.map(|(id, _)| *id).collect();
        let all = OperationPart {
            opened_at: Timestamp(u64::MAX),
            remembers: false,
            next: 0,
            to: u128::MAX,
            report: PartReport::default(),
        };
        let everything = Bounds {
            rows: usize::MAX,
            found: usize::MAX,
        };
        let count = |group: &Group| {
            let page = bulk::events(&group.rows, OPERATION, &all, everything, |_, event| {
                Ok::<_, TableError>(keep(event))
            });
            page.expect("readable").found.len() as u64
        };
        let estimated = self.groups.iter().map(count).sum();
        self.apply_control(&Command::PlanOperation(PlanOperation {
            id: OPERATION,
            operation: operation(Some(estimated)),
            in_progress_max: 8,
            kept_max: 100,
        }));
        self.after(0, Happening::Tend);
    }

    /// What the leaders do about bulk operations, again and again.
    fn tend(&mut self) {
        self.after(TEND_MS, Happening::Tend);
        if !self.leads() {
            return;
        }
        for group in 0..self.groups.len() {
            let operation = tables::operation(&self.control.rows, OPERATION);
            let operation = operation.expect("readable").expect("planned");
            let part = tables::part(&self.groups[group].rows, OPERATION).expect("readable");
            let id = GroupId(group as u16 + 1);
            match bulk::step(&operation, id, part) {
                Step::Open => {
                    let command = Command::OpenPart(OpenPart {
                        operation: OPERATION,
                        remembers: true,
                        from: 0,
                        to: u128::MAX,
                    });
                    self.apply(group, &command.envelope(self.now, &[]));
                }
                Step::Work(part) => self.work(group, part),
                Step::Report(report) => self.apply_control(&Command::ReportPart(ReportPart {
                    id: OPERATION,
                    group: id,
                    report,
                })),
                Step::Close | Step::Nothing => {}
            }
        }
    }

    fn work(&mut self, group: usize, part: OperationPart) {
        let page = bulk::events(
            &self.groups[group].rows,
            OPERATION,
            &part,
            BOUNDS,
            |_, event| Ok::<_, TableError>(keep(event)),
        );
        let page = page.expect("readable");
        let mut acts: Vec<Act> = page.found.iter().copied().map(Act::Retry).collect();
        if self.fault == Fault::ForgetsWhereItWas {
            // As if memory and not the part said what had been done.
            let done = self.ending.received.iter();
            let done = done.filter(|receipt| receipt.trigger == Trigger::BulkRetry);
            let again: Vec<EventId> = done.map(|receipt| receipt.event).take(3).collect();
            for event in again {
                acts.push(Act::Retry(event));
            }
        }
        let command = Command::WorkPart(WorkPart {
            operation: OPERATION,
            page: part.report.page + 1,
            next: page.next,
            acts,
            unable: 0,
            last: page.last,
        });
        let bytes = command.envelope(self.now, &[]);
        // The leader may fall with its page on the way: it arrives late, or twice.
        if self.fault == Fault::Falls && self.rng.u8(0..4) == 0 {
            let delay = self.rng.u64(1..4_000);
            self.after(delay, Happening::Late(group, bytes.clone()));
            if self.rng.bool() {
                return;
            }
        }
        self.apply(group, &bytes);
    }

    fn fall(&mut self) {
        self.ending.falls += 1;
        self.life += 1;
        self.leaderless_until = self.now.plus_ms(self.rng.u64(500..3_000));
        // The successor's home gives as if its predecessor had sent until now.
        self.lane = Lane::new(pace());
        let life = u64::from(self.life);
        self.home = Home::new(life, life, steady(self.leaderless_until));
        self.introduced = false;
        self.prepared.clear();
        let delay = self.leaderless_until.since_ms(self.now);
        self.alarm = None;
        self.after(delay, Happening::Wake);
    }

    fn drive(&mut self, input: Input) {
        if !self.leads() {
            return;
        }
        let mut inputs = VecDeque::from([input]);
        while let Some(input) = inputs.pop_front() {
            let now = Now {
                wall: self.now,
                steady: steady(self.now),
            };
            for output in self.lane.step(input, now) {
                match output {
                    Output::Fetch { limit, from } => inputs.push_back(self.fetch(limit, from)),
                    Output::Prepare(due) => {
                        self.prepared.insert(due.event, due);
                        inputs.push_back(Input::Prepared(due.event));
                    }
                    Output::Send(event, _) => {
                        let due = self.prepared.remove(&event).expect("it was made ready");
                        if !self.launch(due) {
                            inputs.push_back(Input::NotMade(event));
                        }
                    }
                    Output::Discard(event) => {
                        self.prepared.remove(&event);
                    }
                    Output::Ask(ask) => {
                        let statement = Statement {
                            boot: u64::from(self.life),
                            up_us: steady(self.now).0,
                            claims: (!self.introduced).then(Vec::new),
                            asks: vec![(DESTINATION, ask)],
                        };
                        self.introduced = true;
                        let limit = |_| Limit::Rate(RATE);
                        let reply = self.home.answer(1, &statement, limit, &[1], now.steady);
                        inputs.extend(reply.answers.iter().map(|(_, a)| Input::Answered(*a)));
                        if reply.answers.is_empty() {
                            inputs.push_back(Input::Unanswered(ask.number));
                        }
                    }
                    Output::SleepFor(us) => self.wake_at(self.now.plus_ms(us.div_ceil(1000))),
                    Output::Attempt(..) => panic!("a rate's attempts are made ready first"),
                    Output::Crowded | Output::Idle => {}
                }
            }
        }
    }

    fn fetch(&self, limit: usize, from: Floors) -> Input {
        let (mut found, mut next_due) = (Vec::new(), None);
        for group in &self.groups {
            for class in [DueClass::Fresh, DueClass::Retry] {
                let range = (from.of(class), self.now);
                let queue = tables::queue(&group.rows, DESTINATION, class, range, limit);
                let (due, next) = queue.expect("readable");
                next_due = next_due.into_iter().chain(next).min();
                found.extend(due);
            }
        }
        found.sort_by_key(|due| (due.at, due.event));
        Input::Fetched {
            due: found,
            next_due,
        }
    }

    fn launch(&mut self, due: Due) -> bool {
        let group = usize::from(due.event.group().0) - 1;
        let event = tables::event(&self.groups[group].rows, due.event).expect("readable");
        let Some(event) = event.filter(|event| event.due_at == Some(due.at)) else {
            return false;
        };
        let since_start = self.now.since_ms(START);
        let is_down = (DOWN_FROM..DOWN_UNTIL).contains(&since_start);
        // Whatever stands in front of it answers: events fail. Without any answer they would wait.
        let outcome = Outcome::answered(if is_down { 404 } else { 200 }, Bytes::new(), None);
        let is_fresh = event.next_trigger == Trigger::Initial;
        self.ending.received.push(Receipt {
            event: due.event,
            at: self.now,
            trigger: event.next_trigger,
        });
        if since_start >= ASKED_AT {
            if is_fresh {
                let waited = self.now.since_ms(event.created_at);
                self.ending.slowest_fresh_ms = self.ending.slowest_fresh_ms.max(waited);
            } else if event.next_trigger == Trigger::BulkRetry {
                self.ending.took_ms = since_start - ASKED_AT;
            }
        }
        let rule = RetryRule {
            strategy: Backoff::Linear,
            count: 2,
            interval: MINUTE,
            schedule: Vec::new(),
            response_status_codes: None,
        };
        let number = event.attempts + 1;
        let takes = self.rng.u64(5..300);
        let finished_at = self.now.plus_ms(takes);
        let jitter = self.rng.f64();
        let next = retry::decide(
            Some(&rule),
            number,
            event.created_at,
            &outcome,
            finished_at,
            jitter,
        );
        let report = Box::new(AttemptReport {
            event: due.event,
            number,
            attempt: Attempt {
                trigger: event.next_trigger,
                node: u64::from(self.life),
                started_at: self.now,
                finished_at,
                outcome,
                ..kit::attempt()
            },
            next,
        });
        let life = self.life;
        self.after(takes, Happening::Finished { due, life, report });
        true
    }

    fn finished(&mut self, due: Due, life: u32, report: AttemptReport) {
        if life != self.life {
            self.ending.lost_outcomes += 1;
            return;
        }
        let event = report.event;
        let group = usize::from(event.group().0) - 1;
        let sign = Sign::of(&report.attempt.outcome);
        let reports = vec![report.into()];
        let command = Command::RecordRuns(RecordRuns { reports });
        self.apply(group, &command.envelope(self.now, &[]));
        self.drive(Input::Finished(due.event, sign));
        self.drive(Input::Recorded(due.event));
    }
}

fn operation(estimated_count: Option<u64>) -> Operation {
    Operation {
        kind: OperationKind::RetryEvents,
        query: Asked::Words(String::new()),
        shown: "{}".into(),
        estimated_count,
        created_at: Timestamp(0),
        updated_at: Timestamp(0),
        cancelled_at: None,
        completed_at: None,
        parts: vec![PartReport::default(); usize::from(GROUPS)],
    }
}

fn apply(group: &mut Group, number: u16, bytes: &Bytes) {
    let envelope = Envelope::parse(bytes).expect("own encoding");
    group.index += 1;
    let entry = Entry {
        group: GroupId(number),
        index: group.index,
        at: envelope.at,
        head: &envelope.head,
        bodies: &envelope.bodies,
    };
    machine::apply(&mut group.rows, entry).expect("memory can be read");
}
