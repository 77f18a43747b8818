//! The heart of one destination on one node: what to fetch, what to attempt, when to sleep. It does no I/O.

use super::{
    Answer, Ask, Demand, Floors, Holding, Pace, Permit,
    bookmark::Bookmark,
    circuit::{Circuit, Sign},
    taker::Taker,
};
use crate::{
    ids::{EventId, GroupId},
    state::keys::{Due, DueClass},
    time::{Monotone, Now, Timestamp},
};
use std::collections::{BTreeMap, VecDeque};

/// What happened.
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

/// What to do.
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
    bookmark: Bookmark,
    /// Nothing was found, but only from the bookmark on: look again then.
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
            bookmark: Bookmark::default(),
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

    /// From now on the node lets it have so many in flight.
    pub fn allow(&mut self, in_flight: u16) {
        self.allowed = in_flight;
    }

    /// Attempts that the destination and this node's settings allow to be in flight.
    #[must_use]
    pub fn window(&self) -> u16 {
        self.taker.window()
    }

    /// What it has of the destination's pace.
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
        outputs
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
            Input::NotMade(event) => {
                self.done_with(event);
                self.parked.insert(event, now.steady.plus_ms(PARKED_MS));
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
                self.discard_ready(|_, _| true);
            }
            Input::Stop => {
                self.stopped = true;
                self.discard_ready(|_, _| true);
                self.taker.leave();
            }
        }
        self.circuit.look(now.steady);
        let is_open = self.circuit.open_until().is_some();
        self.discard_ready(|_, since| is_open || now.steady.since_us(since) >= READY_US_MAX);
        let parked = self.parked.len();
        self.parked.retain(|_, until| *until > now.steady);
        self.more |= self.parked.len() < parked;
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
        if self.stopped || self.held {
            self.discard_ready(|ready, _| ready == event);
        }
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
        self.bookmark.found(&due);
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
            self.unsure_until = self.bookmark.unsure_until();
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
            let from = self.bookmark.look(now.steady);
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
mod tests {
    use super::*;
    use crate::{
        delivery::{Limit, Rate, Share},
        ids::{DestinationId, RequestId},
    };
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    const PACE: Pace = Pace {
        window: 2,
        limit: Limit::None,
    };
    const NOW: Now = Now {
        wall: Timestamp(5000),
        steady: Monotone(77_000),
    };

    fn after_ms(now: Now, ms: u64) -> Now {
        Now {
            wall: now.wall.plus_ms(ms),
            steady: now.steady.plus_ms(ms),
        }
    }

    fn due(number: u128, class: DueClass) -> Due {
        Due {
            destination: DestinationId(1),
            class,
            at: Timestamp(1),
            event: RequestId::mint(Timestamp(1), GroupId(1), number).event(1),
        }
    }

    /// From the front: the first look, or the first for a second.
    fn fetch(limit: usize) -> Output {
        Output::Fetch {
            limit,
            from: Floors::default(),
        }
    }

    fn fetched(due: Vec<Due>) -> Input {
        Input::Fetched {
            due,
            next_due: None,
        }
    }

    fn attempts(outputs: &[Output]) -> Vec<Due> {
        outputs
            .iter()
            .filter_map(|output| match output {
                Output::Attempt(due, _) => Some(*due),
                _ => None,
            })
            .collect()
    }

    #[test]
    fn a_wake_fetches_once() {
        let mut lane = Lane::new(PACE);
        assert_eq!(lane.step(Input::Wake, NOW), [fetch(4)]);
        assert_eq!(lane.step(Input::Wake, NOW), []);
    }

    #[test]
    fn no_more_than_the_window_is_in_flight() {
        let mut lane = Lane::new(PACE);
        lane.step(Input::Wake, NOW);
        let rows: Vec<Due> = (0..5).map(|n| due(n, DueClass::Fresh)).collect();
        let launched = attempts(&lane.step(fetched(rows.clone()), NOW));
        assert_eq!(launched, rows[..2]);
        let next = attempts(&lane.step(Input::Finished(rows[0].event, Sign::Healthy), NOW));
        assert_eq!(next, rows[2..3]);
    }

    #[test]
    fn a_reported_event_is_not_launched_again_before_it_is_recorded() {
        let mut lane = Lane::new(PACE);
        lane.step(Input::Wake, NOW);
        let row = due(1, DueClass::Fresh);
        lane.step(fetched(vec![row]), NOW);
        lane.step(Input::Finished(row.event, Sign::Healthy), NOW);
        lane.step(Input::Wake, NOW);
        // Its due row still stands, so a fetch finds it.
        assert_eq!(attempts(&lane.step(fetched(vec![row]), NOW)), []);
        lane.step(Input::Recorded(row.event), NOW);
        assert_eq!(attempts(&lane.step(fetched(vec![row]), NOW)), [row]);
    }

    #[test]
    fn fresh_events_and_retries_take_turns() {
        let mut lane = Lane::new(PACE);
        let retries = (0..4).map(|n| due(n, DueClass::Retry));
        let fresh = (10..14).map(|n| due(n, DueClass::Fresh));
        let launched = attempts(&lane.step(fetched(retries.chain(fresh).collect()), NOW));
        let classes: Vec<DueClass> = launched.iter().map(|due| due.class).collect();
        assert_eq!(classes, [DueClass::Fresh, DueClass::Retry]);
    }

    #[test]
    fn it_sleeps_until_the_next_is_due_and_goes_when_nothing_is() {
        let mut lane = Lane::new(PACE);
        lane.step(Input::Wake, NOW);
        let later = after_ms(NOW, 700);
        let none = Input::Fetched {
            due: vec![],
            next_due: Some(later.wall),
        };
        assert_eq!(lane.step(none, NOW), [Output::SleepFor(700_000)]);
        assert_eq!(lane.step(Input::Wake, later), [fetch(4)]);
        assert_eq!(lane.step(fetched(vec![]), later), [Output::Idle]);
    }

    #[test]
    fn a_lost_partition_takes_its_waiting_events_along() {
        let mut lane = Lane::new(Pace { window: 1, ..PACE });
        let rows = vec![due(1, DueClass::Fresh), due(2, DueClass::Fresh)];
        lane.step(fetched(rows.clone()), NOW);
        lane.step(Input::Lost(GroupId(1)), NOW);
        assert_eq!(
            attempts(&lane.step(Input::Finished(rows[0].event, Sign::Healthy), NOW)),
            []
        );
    }

    #[test]
    fn a_stopped_lane_launches_nothing() {
        let mut lane = Lane::new(PACE);
        lane.step(Input::Stop, NOW);
        assert_eq!(lane.step(fetched(vec![due(1, DueClass::Fresh)]), NOW), []);
    }

    #[test]
    fn a_disabled_destination_keeps_its_events_and_goes_on_when_it_is_enabled() {
        let mut lane = Lane::new(PACE);
        lane.step(Input::Held, NOW);
        let row = due(1, DueClass::Fresh);
        assert_eq!(lane.step(fetched(vec![row]), NOW), [Output::Idle]);
        assert_eq!(lane.step(Input::Wake, NOW), [Output::Idle]);
        let enabled = lane.step(Input::Configured(PACE), NOW);
        assert_eq!(enabled, [fetch(4)]);
        assert_eq!(attempts(&lane.step(fetched(vec![row]), NOW)), [row]);
    }

    #[test]
    fn an_attempt_that_was_not_made_is_left_alone_for_a_moment() {
        let mut lane = Lane::new(PACE);
        let row = due(1, DueClass::Fresh);
        lane.step(fetched(vec![row]), NOW);
        let outputs = lane.step(Input::NotMade(row.event), NOW);
        assert_eq!(outputs, [fetch(5)]);
        let until = after_ms(NOW, PARKED_MS);
        // Its row is found again, and it is not launched in a circle.
        let found = lane.step(fetched(vec![row]), NOW);
        assert_eq!(found, [Output::SleepFor(PARKED_MS * 1000)]);
        assert_eq!(lane.step(Input::Wake, until), [fetch(4)]);
        assert_eq!(attempts(&lane.step(fetched(vec![row]), until)), [row]);
    }

    #[test]
    fn a_lane_that_waits_for_its_pace_is_not_quiet() {
        let slow = Pace {
            window: 2,
            limit: Limit::Rate(Rate {
                limit: 1,
                period_ms: 3_600_000,
            }),
        };
        let mut lane = Lane::new(slow);
        let outputs = lane.step(fetched(vec![due(1, DueClass::Fresh)]), NOW);
        assert!(
            matches!(outputs[..], [Output::Ask(_), Output::SleepFor(_)]),
            "{outputs:?}"
        );
        assert!(!lane.is_quiet());
    }

    const TEN_A_SECOND: Rate = Rate {
        limit: 10,
        period_ms: 1000,
    };

    /// A lane with this much to do, that was given the whole of ten a second, and what it did.
    fn with_tokens(rows: &[Due], level: u64) -> (Lane, Vec<Output>) {
        let mut lane = Lane::new(Pace {
            window: 9,
            limit: Limit::Rate(TEN_A_SECOND),
        });
        let outputs = lane.step(fetched(rows.to_vec()), NOW);
        let ask = outputs.iter().find_map(|output| match output {
            Output::Ask(ask) => Some(*ask),
            _ => None,
        });
        let answer = Answer {
            number: ask.expect("it asks").number,
            share: Share::Rate {
                tokens: TEN_A_SECOND.limit,
                cost: TEN_A_SECOND.cost(),
                room: TEN_A_SECOND.budget(),
            },
            level: Some(level),
            turn: None,
            lease_ms: 60_000,
            again_ms: 60_000,
        };
        let outputs = lane.step(Input::Answered(answer), NOW);
        (lane, outputs)
    }

    fn sent(outputs: &[Output]) -> Vec<EventId> {
        let sent = outputs.iter().filter_map(|output| match output {
            Output::Send(event, _) => Some(*event),
            _ => None,
        });
        sent.collect()
    }

    #[test]
    fn of_a_rate_attempts_are_made_ready_ahead_and_sent_when_their_permits_come() {
        let rows: Vec<Due> = (0..5).map(|n| due(n, DueClass::Fresh)).collect();
        let (mut lane, outputs) = with_tokens(&rows, 0);
        // The first token comes in 104 ms, attempts are made ready 100 ms before.
        assert_eq!(outputs, [Output::SleepFor(4_000)]);
        let near = after_ms(NOW, 5);
        let outputs = lane.step(Input::Wake, near);
        assert_eq!(outputs[0], Output::Prepare(rows[0]));
        let ready = lane.step(Input::Prepared(rows[0].event), after_ms(NOW, 20));
        assert_eq!(sent(&ready), []);
        assert_eq!(lane.in_flight(), 1);
        let outputs = lane.step(Input::Wake, after_ms(NOW, 104));
        assert_eq!(sent(&outputs), [rows[0].event]);
        let outputs = lane.step(Input::Wake, after_ms(NOW, 110));
        // It is not sent twice, and the next is on its way to be ready.
        assert_eq!(outputs[0], Output::Prepare(rows[1]));
        let late = lane.step(Input::Prepared(rows[1].event), after_ms(NOW, 300));
        assert_eq!(sent(&late), [rows[1].event]);
    }

    #[test]
    fn what_comes_to_nothing_before_it_is_ready_costs_no_permit() {
        let rows: Vec<Due> = (0..3).map(|n| due(n, DueClass::Fresh)).collect();
        let (mut lane, outputs) = with_tokens(&rows, TEN_A_SECOND.cost());
        assert!(outputs.contains(&Output::Prepare(rows[0])), "{outputs:?}");
        lane.step(Input::Finished(rows[0].event, Sign::Healthy), NOW);
        let next = lane.step(Input::Prepared(rows[1].event), NOW);
        assert_eq!(sent(&next), [rows[1].event]);
    }

    #[test]
    fn what_is_ready_is_let_go_when_it_may_not_be_sent_or_has_waited_too_long() {
        let row = due(1, DueClass::Fresh);
        let discard = [Output::Discard(row.event)];
        let lost = Input::Lost(GroupId(1));
        for (input, after) in [(lost, 21), (Input::Held, 21), (Input::Wake, 4_000)] {
            let (mut lane, _) = with_tokens(&[row], 0);
            lane.step(Input::Wake, after_ms(NOW, 5));
            // Its home takes the share back, so that no token comes.
            lane.taker = Taker::new(Pace {
                window: 9,
                limit: Limit::Rate(TEN_A_SECOND),
            });
            lane.step(Input::Prepared(row.event), after_ms(NOW, 20));
            let outputs = lane.step(input, after_ms(NOW, after));
            assert_eq!(outputs[..1], discard);
            assert_eq!(lane.in_flight(), 0);
            // Somebody else may have it in hand by now: only the table knows.
            assert_eq!(
                sent(&lane.step(Input::Prepared(row.event), after_ms(NOW, 5_000))),
                []
            );
        }
    }

    #[test]
    fn a_destination_that_keeps_failing_is_tried_one_by_one_and_loses_nothing() {
        let mut lane = Lane::new(Pace { window: 8, ..PACE });
        let rows: Vec<Due> = (0..20).map(|n| due(n, DueClass::Fresh)).collect();
        let mut flying: VecDeque<Due> = attempts(&lane.step(fetched(rows), NOW)).into();
        assert_eq!(flying.len(), 8);
        let mut now = NOW;
        let mut trials = 0;
        while let Some(row) = flying.pop_front() {
            flying.extend(attempts(
                &lane.step(Input::Finished(row.event, Sign::Sick), now),
            ));
            if trials == 3 {
                break;
            }
            if flying.is_empty() {
                let until = lane.circuit.open_until().expect("a pause");
                assert!(!lane.is_quiet());
                assert_eq!(attempts(&lane.step(Input::Wake, now)), []);
                now.steady = until;
                flying.extend(attempts(&lane.step(Input::Wake, now)));
                assert_eq!(flying.len(), 1, "one trial");
                trials += 1;
            }
        }
        // Twelve of the first window and what followed it, and a trial after each of three pauses; the others wait.
        let launched = 20 - lane.waiting();
        assert!((8..=16).contains(&launched), "{launched}");
        now.steady = lane.circuit.open_until().expect("a pause");
        let mut flying = attempts(&lane.step(Input::Wake, now));
        let mut later = Vec::new();
        while let Some(row) = flying.pop() {
            later.push(row);
            flying.extend(attempts(
                &lane.step(Input::Finished(row.event, Sign::Healthy), now),
            ));
        }
        assert_eq!(launched + later.len(), 20);
    }

    #[test]
    fn what_is_ready_is_let_go_when_the_receiver_asks_for_rest() {
        let rows: Vec<Due> = (0..2).map(|n| due(n, DueClass::Fresh)).collect();
        let (mut lane, _) = with_tokens(&rows, 0);
        let near = after_ms(NOW, 5);
        lane.step(Input::Wake, near);
        lane.step(Input::Prepared(rows[0].event), near);
        let other = due(9, DueClass::Fresh).event;
        let rest = Input::Finished(other, Sign::Rest { ms: 5000 });
        let outputs = lane.step(rest, near);
        assert!(
            outputs.contains(&Output::Discard(rows[0].event)),
            "{outputs:?}"
        );
        assert_eq!(sent(&lane.step(Input::Wake, after_ms(near, 4999))), []);
        assert_eq!(lane.demand().waiting, 0, "it asks its home for nothing");
        assert!(!lane.is_quiet());
    }

    proptest! {
        #[test]
        fn every_fetched_event_is_launched_in_the_end(
            numbers in prop::collection::vec(0u128..40, 1..60),
        ) {
            let mut lane = Lane::new(PACE);
            let wanted: BTreeSet<EventId> =
                numbers.iter().map(|n| due(*n, DueClass::Fresh).event).collect();
            let rows = numbers.iter().map(|n| due(*n, DueClass::Fresh)).collect();
            let mut flying = attempts(&lane.step(fetched(rows), NOW));
            let mut launched = BTreeSet::new();
            while let Some(row) = flying.pop() {
                prop_assert!(launched.insert(row.event));
                flying.extend(attempts(&lane.step(Input::Finished(row.event, Sign::Healthy), NOW)));
            }
            prop_assert_eq!(launched, wanted);
        }

        #[test]
        fn whatever_happens_nothing_is_launched_twice_or_beyond_the_window(
            script in prop::collection::vec((0u8..5, 0u128..12), 1..300),
        ) {
            let mut lane = Lane::new(PACE);
            let mut busy: BTreeSet<EventId> = BTreeSet::new();
            let mut flying: BTreeSet<EventId> = BTreeSet::new();
            let mut now = NOW;
            for (what, number) in script {
                now = after_ms(now, 300);
                let row = due(number, if number % 2 == 0 { DueClass::Fresh } else { DueClass::Retry });
                let input = match what {
                    0 => Input::Wake,
                    1 => fetched(vec![row]),
                    2 if flying.remove(&row.event) => Input::Finished(row.event, Sign::Healthy),
                    3 if busy.contains(&row.event) && !flying.contains(&row.event) => {
                        busy.remove(&row.event);
                        Input::Recorded(row.event)
                    }
                    4 if flying.remove(&row.event) => {
                        busy.remove(&row.event);
                        Input::NotMade(row.event)
                    }
                    _ => continue,
                };
                for launched in attempts(&lane.step(input, now)) {
                    prop_assert!(busy.insert(launched.event), "launched twice: {:?}", launched);
                    flying.insert(launched.event);
                }
                prop_assert!(flying.len() <= 2);
                prop_assert_eq!(flying.len(), usize::from(lane.in_flight()));
            }
        }
    }
}
