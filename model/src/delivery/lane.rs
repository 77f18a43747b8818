//! The heart of one destination on one node: what to fetch, what to attempt, when to sleep. It does no I/O.

use super::{
    Answer, Ask, Demand, Floors, Holding, Pace, Permit,
    circuit::{Circuit, Sign},
    cursor::Cursor,
    taker::Taker,
};
use crate::{
    ids::{EventId, GroupId},
    state::keys::{Due, DueClass},
    time::{Monotone, Now, Timestamp},
};
use std::collections::{BTreeMap, VecDeque};

/// An input of the lane's state machine: something that happened.
#[derive(Clone, Debug)]
pub enum Input {
    /// There may be something due.
    Wake,
    /// What a [`Output::Fetch`] found: due rows of both queues, and when the next one after them is due.
    Fetched {
        due: Vec<Due>,
        next_due: Option<Timestamp>,
    },
    /// An attempt has its outcome, which is on its way to the log. Its due row still stands.
    /// It says something of the destination, too.
    Finished(EventId, Sign),
    /// The outcome was applied, or will never be: the due row says what is next.
    Recorded(EventId),
    /// An attempt that was to be made ready is, and waits for its permit.
    Prepared(EventId),
    /// An attempt was not made; its event is left alone for a moment and may then be fetched again.
    NotMade(EventId),
    /// An attempt can't be made before so many milliseconds have passed; its event is left alone for so long.
    Waits(EventId, u64),
    /// This node leads the partition no more.
    Lost(GroupId),
    /// The destination takes deliveries at this pace.
    Configured(Pace),
    /// The destination's home has answered.
    Answered(Answer),
    /// The ask of this number reached no home.
    Unanswered(u64),
    /// The destination is disabled: what is due stays queued until it is configured again.
    Held,
    /// Launch nothing new, for good.
    Stop,
}

/// An output of the lane's state machine: something to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// Read at most so many rows of each queue that are due by now, from here on.
    Fetch { limit: usize, from: Floors },
    /// Make an attempt.
    Attempt(Due, Permit),
    /// Make everything ready for an attempt, but for its permit, and say when it is. Making ready takes as long as it
    /// takes; what is paced is the sending.
    Prepare(Due),
    /// Send what was made ready, now.
    Send(EventId, Permit),
    /// What was made ready is not to be sent.
    Discard(EventId),
    /// Says something to the destination's home.
    Ask(Ask),
    /// Wake it after so many microseconds, or earlier if something happens.
    SleepFor(u64),
    /// There is work, but the node lets it have no more in flight: wake it when that changes.
    Crowded,
    /// Nothing is waiting, in flight or due soon.
    Idle,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Busy {
    /// Being made ready, since then.
    Preparing(Monotone),
    /// Ready, without its permit.
    Ready,
    InFlight,
    /// Its outcome is known but not applied yet: launching it again would deliver it twice.
    Reported,
}

/// How long an event whose attempt was not made is left alone, so that a row that can't be worked on makes no circle.
const PARKED_MS: u64 = 1000;
/// How often a lane that found no room on its node looks again.
const CROWDED_MS: u64 = 100;
/// Attempts are made ready so long before their permits come, or twice as long as that took lately.
const AHEAD_US: u64 = 100_000;
const AHEAD_US_MAX: u64 = 2_000_000;
/// What has been ready for so long is made ready anew when its permit is near: meanwhile it may have been cancelled.
const READY_US_MAX: u64 = 3_000_000;

#[derive(Clone, Debug)]
pub struct Lane {
    taker: Taker,
    circuit: Circuit,
    /// Attempts that the node lets it have in flight.
    allowed: u16,
    fresh: VecDeque<Due>,
    retries: VecDeque<Due>,
    busy: BTreeMap<EventId, Busy>,
    /// Events left alone, and until when.
    parked: BTreeMap<EventId, Monotone>,
    /// Attempts that are under way, ready or being made ready.
    in_flight: u16,
    preparing: u16,
    /// What is ready, and since when.
    ready: VecDeque<(EventId, Monotone)>,
    /// How long it took lately to make one ready.
    prepare_us: u64,
    discarded: Vec<EventId>,
    /// Which queue goes first next time.
    retry_next: bool,
    fetching: bool,
    /// The due table may hold more than was fetched.
    more: bool,
    next_due: Option<Timestamp>,
    cursor: Cursor,
    /// Nothing was found, but only from the cursor on: look again then.
    unsure_until: Option<Monotone>,
    held: bool,
    stopped: bool,
}

impl Lane {
    #[must_use]
    pub fn new(pace: Pace) -> Self {
        Self {
            taker: Taker::new(pace),
            circuit: Circuit::default(),
            allowed: u16::MAX,
            fresh: VecDeque::new(),
            retries: VecDeque::new(),
            busy: BTreeMap::new(),
            parked: BTreeMap::new(),
            in_flight: 0,
            preparing: 0,
            ready: VecDeque::new(),
            prepare_us: 0,
            discarded: Vec::new(),
            retry_next: false,
            fetching: false,
            more: false,
            next_due: None,
            cursor: Cursor::default(),
            unsure_until: None,
            held: false,
            stopped: false,
        }
    }

    /// Attempts in flight, and those that are made ready for it.
    #[must_use]
    pub fn in_flight(&self) -> u16 {
        self.in_flight
    }

    /// Whether nothing would be forgotten if it went now: a successor reads the rest from the table.
    #[must_use]
    pub fn is_quiet(&self) -> bool {
        self.waiting() == 0
            && self.busy.is_empty()
            && self.parked.is_empty()
            && self.unsure_until.is_none()
            && self.taker.is_empty()
            && self.circuit.open_until().is_none()
    }

    /// Sets the number of attempts that the node lets the lane have in flight from now on.
    pub fn allow(&mut self, in_flight: u16) {
        self.allowed = in_flight;
    }

    /// Attempts that the destination and this node's settings allow to be in flight.
    #[must_use]
    pub fn window(&self) -> u16 {
        self.taker.window()
    }

    /// The lane's share of the destination's pace.
    #[must_use]
    pub fn holding(&self) -> Holding {
        self.taker.holding(self.in_flight.into())
    }

    fn demand(&self) -> Demand {
        let room = self
            .circuit
            .allowed(self.window())
            .min(self.allowed)
            .saturating_sub(self.in_flight);
        let waiting = if self.stopped || self.held {
            0
        } else {
            self.waiting().min(room.into()) + usize::from(self.ahead())
        };
        Demand {
            waiting: u32::try_from(waiting).unwrap_or(u32::MAX),
            in_flight: (self.in_flight - self.ahead()).into(),
        }
    }

    /// Attempts without a permit.
    fn ahead(&self) -> u16 {
        let ready = u16::try_from(self.ready.len()).unwrap_or(u16::MAX);
        self.preparing.saturating_add(ready)
    }

    fn ahead_us(&self) -> u64 {
        (self.prepare_us * 2).clamp(AHEAD_US, AHEAD_US_MAX)
    }

    fn waiting(&self) -> usize {
        self.fresh.len() + self.retries.len()
    }

    /// Takes in what happened and says what to do.
    pub fn step(&mut self, input: Input, now: Now) -> Vec<Output> {
        self.take_in(input, now);
        let discarded = std::mem::take(&mut self.discarded);
        let mut outputs: Vec<Output> = discarded.into_iter().map(Output::Discard).collect();
        let crowded = self.launch(now.steady, &mut outputs);
        if let Some(ask) = self.taker.ask(self.demand(), now.steady) {
            outputs.push(Output::Ask(ask));
        }
        self.fetch_or_sleep(crowded, now, &mut outputs);
        debug_assert!(self.adds_up(), "{self:?}");
        outputs
    }

    /// Whether the counters say what the attempts say.
    fn adds_up(&self) -> bool {
        let count = |is: fn(&Busy) -> bool| self.busy.values().filter(|busy| is(busy)).count();
        usize::from(self.in_flight) == count(|busy| *busy != Busy::Reported)
            && usize::from(self.preparing) == count(|busy| matches!(busy, Busy::Preparing(_)))
            && self.ready.len() == count(|busy| *busy == Busy::Ready)
    }

    fn take_in(&mut self, input: Input, now: Now) {
        match input {
            Input::Wake => self.more = true,
            Input::Fetched { due, next_due } => self.fetched(due, next_due),
            Input::Answered(answer) => self.taker.answered(&answer, now.steady),
            Input::Unanswered(number) => self.taker.unanswered(number, now.steady),
            Input::Finished(event, sign) => {
                let was = self.busy.insert(event, Busy::Reported);
                self.landed(event, was);
                self.circuit.heard(sign, self.window(), now.steady);
            }
            Input::Prepared(event) => self.prepared(event, now.steady),
            Input::Recorded(event) => self.done_with(event),
            Input::NotMade(event) => self.park(event, now.steady.plus_ms(PARKED_MS)),
            Input::Waits(event, for_ms) => {
                let for_ms = for_ms.max(PARKED_MS);
                self.park(event, now.steady.plus_ms(for_ms));
            }
            Input::Lost(group) => {
                self.fresh.retain(|due| due.event.group() != group);
                self.retries.retain(|due| due.event.group() != group);
                self.parked.retain(|event, _| event.group() != group);
                self.discard_ready(|event, _| event.group() == group);
            }
            Input::Configured(pace) => {
                self.held = false;
                self.taker.set(pace, now.steady);
            }
            Input::Held => {
                self.held = true;
                self.fresh.clear();
                self.retries.clear();
                self.parked.clear();
            }
            Input::Stop => {
                self.stopped = true;
                self.taker.leave();
            }
        }
        self.circuit.look(now.steady);
        let may_send = !self.stopped && !self.held && self.circuit.open_until().is_none();
        self.discard_ready(|_, since| !may_send || now.steady.since_us(since) >= READY_US_MAX);
        let parked = self.parked.len();
        self.parked.retain(|_, until| *until > now.steady);
        self.more |= self.parked.len() < parked;
    }

    fn park(&mut self, event: EventId, until: Monotone) {
        self.done_with(event);
        self.parked.insert(event, until);
    }

    fn done_with(&mut self, event: EventId) {
        let was = self.busy.remove(&event);
        self.landed(event, was);
        self.more = true;
    }

    /// An attempt takes no room any more.
    fn landed(&mut self, event: EventId, was: Option<Busy>) {
        match was {
            None | Some(Busy::Reported) => return,
            Some(Busy::Preparing(_)) => self.preparing -= 1,
            Some(Busy::Ready) => self.ready.retain(|(ready, _)| *ready != event),
            Some(Busy::InFlight) => {}
        }
        self.in_flight -= 1;
    }

    fn prepared(&mut self, event: EventId, now: Monotone) {
        let Some(Busy::Preparing(since)) = self.busy.get(&event).copied() else {
            return;
        };
        let took = now.since_us(since);
        self.prepare_us = took.max(self.prepare_us - self.prepare_us / 8);
        self.preparing -= 1;
        self.busy.insert(event, Busy::Ready);
        self.ready.push_back((event, now));
    }

    /// Lets go of what is ready, by its event and since when it is.
    fn discard_ready(&mut self, which: impl Fn(EventId, Monotone) -> bool) {
        let ready = self.ready.iter().copied();
        let discarded: Vec<_> = ready
            .filter(|(event, since)| which(*event, *since))
            .collect();
        for (event, _) in discarded {
            self.done_with(event);
            self.discarded.push(event);
        }
    }

    fn fetched(&mut self, due: Vec<Due>, next_due: Option<Timestamp>) {
        self.fetching = false;
        self.next_due = next_due;
        if self.held {
            return;
        }
        self.cursor.found(&due);
        for row in due {
            let queue = match row.class {
                DueClass::Fresh => &mut self.fresh,
                DueClass::Retry => &mut self.retries,
            };
            let known = self.busy.contains_key(&row.event)
                || self.parked.contains_key(&row.event)
                || queue.iter().any(|waiting| waiting.event == row.event);
            if !known {
                queue.push_back(row);
            }
        }
        if self.waiting() == 0 {
            self.unsure_until = self.cursor.unsure_until();
        }
    }

    /// Launches what the window and the pace allow. Whether the node allowed less.
    fn launch(&mut self, now: Monotone, outputs: &mut Vec<Output>) -> bool {
        self.send(now, outputs);
        let window = self.circuit.allowed(self.window());
        while !self.stopped && !self.held && self.in_flight < window {
            let first_is_retry = match (self.fresh.is_empty(), self.retries.is_empty()) {
                (true, true) => return false,
                (true, false) => true,
                (false, true) => false,
                // Both wait: they take turns, so that a backlog of one does not starve the other.
                (false, false) => self.retry_next,
            };
            if self.in_flight >= self.allowed {
                outputs.push(Output::Crowded);
                return true;
            }
            let permit = if self.taker.is_by_rate() {
                let soon = self.taker.permits_by(now.plus_us(self.ahead_us()));
                if u32::from(self.ahead()) >= soon {
                    return false;
                }
                None
            } else {
                let Some(permit) = self.taker.take(self.demand().in_flight, now) else {
                    return false;
                };
                Some(permit)
            };
            let queue = if first_is_retry {
                &mut self.retries
            } else {
                &mut self.fresh
            };
            let Some(due) = queue.pop_front() else {
                return false;
            };
            self.retry_next = !first_is_retry;
            self.in_flight += 1;
            if let Some(permit) = permit {
                self.busy.insert(due.event, Busy::InFlight);
                outputs.push(Output::Attempt(due, permit));
            } else {
                self.preparing += 1;
                self.busy.insert(due.event, Busy::Preparing(now));
                outputs.push(Output::Prepare(due));
            }
        }
        false
    }

    /// Sends what is ready as far as there are permits.
    fn send(&mut self, now: Monotone, outputs: &mut Vec<Output>) {
        while let Some((event, _)) = self.ready.front().copied() {
            let Some(permit) = self.taker.take(self.demand().in_flight, now) else {
                return;
            };
            self.ready.pop_front();
            self.busy.insert(event, Busy::InFlight);
            outputs.push(Output::Send(event, permit));
        }
    }

    fn fetch_or_sleep(&mut self, crowded: bool, now: Now, outputs: &mut Vec<Output>) {
        let demand = self.demand();
        let taker_at = self.taker.next(demand, now.steady);
        let prepare_at = self.taker.token_at().filter(|_| demand.waiting > 0);
        let prepare_at = prepare_at.map(|at| at.minus_us(self.ahead_us()));
        let prepare_at = prepare_at.filter(|at| *at > now.steady);
        let taker_at = taker_at.into_iter().chain(prepare_at).min();
        let sleep = |at: Monotone| Output::SleepFor(at.since_us(now.steady).max(1));
        if self.stopped {
            outputs.extend(taker_at.map(sleep));
            return;
        }
        if self.held {
            self.unsure_until = None;
            match taker_at {
                Some(at) => outputs.push(sleep(at)),
                None if self.busy.is_empty() => outputs.push(Output::Idle),
                None => {}
            }
            return;
        }
        let is_due = self.next_due.is_some_and(|at| at <= now.wall);
        if is_due || self.unsure_until.is_some_and(|at| at <= now.steady) {
            self.more = true;
        }
        let waiting = self.waiting();
        if waiting == 0 && self.more && !self.fetching && self.in_flight < self.window() {
            self.fetching = true;
            self.more = false;
            self.next_due = None;
            self.unsure_until = None;
            // Rows of busy and parked events still stand in the table, in front of those that are wanted.
            let known = self.busy.len() + self.parked.len();
            let limit = usize::from(self.window()) * 2 + known;
            let from = self.cursor.look(now.steady);
            outputs.push(Output::Fetch { limit, from });
        }
        let next_due = self.next_due.filter(|_| waiting == 0);
        let next_due = next_due.map(|at| now.steady.plus_ms(at.since_ms(now.wall)));
        let unparked_at = self.parked.values().min().copied();
        // What a fetch will find says when to look again.
        let look_at = [next_due, unparked_at, self.unsure_until];
        let look_at = look_at.into_iter().flatten().filter(|_| !self.fetching);
        let look_at = look_at.chain(self.circuit.open_until());
        // It is woken when there is room; should that be lost, it looks again.
        let room_at = crowded.then(|| now.steady.plus_ms(CROWDED_MS));
        let wake_at = look_at.chain(taker_at).chain(room_at).min();
        if let Some(at) = wake_at {
            outputs.push(sleep(at));
        } else if self.is_quiet() && !self.fetching && !self.more {
            outputs.push(Output::Idle);
        }
    }
}

#[cfg(test)]
mod tests;
