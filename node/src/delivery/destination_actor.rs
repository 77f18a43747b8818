//! One destination's door on this node: it holds the lane, a timer, and addresses. Every decision is the lane's.

use super::{
    attempt::{self, Launched},
    concurrency::Seats,
    gate::Gate,
    shared::Shared,
    transport::Connections,
    work::{self, Wanted},
};
use crate::{fatal, world};
use actix::{Actor, ActorContext, AsyncContext, Context, SpawnHandle, StreamHandler};
use futures::{FutureExt, stream};
use model::{
    delivery::{Ask, Floors, Holding, Input, Lane, Output, Permit, Sign},
    ids::{DestinationId, EventId},
    machine::RunEnd,
    state::keys::Due,
};
use std::{collections::HashMap, panic::AssertUnwindSafe, rc::Rc, sync::Arc, time::Duration};
use tokio::{
    sync::{mpsc, oneshot},
    time::sleep,
};

/// Messages that may wait for one destination: twice its window and hints, which may be dropped.
pub(super) const MAILBOX: usize = 1024;
/// Idle for so long, it goes.
const LINGER: Duration = Duration::from_secs(5);
/// What an event waits for whose attempt panicked.
const PANICKED_PAUSE: Duration = Duration::from_secs(10);
/// Further off than this, the retry scheduler wakes it again.
const NEAR: Duration = Duration::from_secs(60);

pub(super) struct DestinationActor {
    id: DestinationId,
    lane: Lane,
    /// What its node was last told that it holds of the destination's pace.
    noted: Option<Holding>,
    /// Attempts that were to be made ready, and how they get their permits.
    prepared: HashMap<EventId, oneshot::Sender<Permit>>,
    shared: Arc<Shared>,
    connections: Rc<Connections>,
    messages: mpsc::Sender<Input>,
    inbox: Option<mpsc::Receiver<Input>>,
    alarm: Option<SpawnHandle>,
}

impl DestinationActor {
    /// Makes the actor at the end of a way to it.
    pub(super) fn new(
        id: DestinationId,
        shared: Arc<Shared>,
        (messages, inbox): (mpsc::Sender<Input>, mpsc::Receiver<Input>),
    ) -> Self {
        let pace = shared.pace(id).unwrap_or(shared.default_pace());
        shared.pacing.enter(id, messages.clone());
        Self {
            id,
            lane: Lane::new(pace),
            noted: None,
            prepared: HashMap::new(),
            connections: Rc::new(Connections::new(shared.egress.clone())),
            shared,
            messages,
            inbox: Some(inbox),
            alarm: None,
        }
    }

    fn drive(&mut self, input: Input, ctx: &mut Context<Self>) {
        if let Input::Finished(event, _) | Input::NotMade(event) | Input::Waits(event, _) = &input {
            // It may have ended before it was ready.
            self.prepared.remove(event);
        }
        let in_flight = self.lane.in_flight();
        let wanted = self.lane.window().saturating_sub(in_flight);
        let mut seats = self.shared.concurrency.take(self.id, in_flight, wanted);
        self.lane.allow(in_flight.saturating_add(seats.number()));
        let mut ask = None;
        for output in self.lane.step(input, world::clocks()) {
            match output {
                Output::Fetch { limit, from } => self.fetch(limit, from),
                Output::Attempt(due, permit) => self.launch(due, Gate::Open(permit), &mut seats),
                Output::Prepare(due) => self.prepare(due, &mut seats),
                Output::Send(event, permit) => self.permit(event, permit),
                Output::Discard(event) => drop(self.prepared.remove(&event)),
                Output::Ask(said) => ask = Some(said),
                Output::SleepFor(us) => self.sleep(Duration::from_micros(us), ctx),
                Output::Crowded => self.shared.concurrency.wait(self.id, self.messages.clone()),
                Output::Idle => self.linger(ctx),
            }
        }
        self.note(ask);
    }

    /// Passes on what the lane asks of the destination's home, and what it holds.
    fn note(&mut self, ask: Option<Ask>) {
        let holding = self.lane.holding();
        // An unpaced lane has nothing to say.
        if self.noted == Some(holding) && ask.is_none() {
            return;
        }
        self.noted = Some(holding);
        self.shared.pacing.note(self.id, holding, ask);
    }

    fn fetch(&self, limit: usize, from: Floors) {
        let (id, gateway, messages) = (self.id, self.shared.gateway.clone(), self.messages.clone());
        actix_rt::spawn(async move {
            let wanted = Wanted {
                from,
                until: world::now(),
                limit,
            };
            let fetched =
                tokio::task::spawn_blocking(move || work::fetch(&gateway, id, wanted)).await;
            let (due, next_due) = fetched.unwrap_or_default();
            let _ = messages.send(Input::Fetched { due, next_due }).await;
        });
    }

    /// Makes everything ready for an attempt, and sends it once there is a permit.
    fn prepare(&mut self, due: Due, seats: &mut Seats) {
        let (sender, permit) = oneshot::channel();
        self.prepared.insert(due.event, sender);
        let gate = Gate::Closed {
            event: due.event,
            messages: self.messages.clone(),
            permit,
        };
        self.launch(due, gate, seats);
    }

    fn permit(&mut self, event: EventId, permit: Permit) {
        if let Some(waiting) = self.prepared.remove(&event) {
            // It is told when it was not made.
            let _ = waiting.send(permit);
        }
    }

    fn launch(&self, due: Due, gate: Gate, seats: &mut Seats) {
        let (shared, connections) = (self.shared.clone(), self.connections.clone());
        let seat = seats.sit();
        let id = self.id;
        let mut flight = Flight {
            messages: self.messages.clone(),
            event: Some(due.event),
        };
        // A task of its own on this arbiter: a future on the actor's context is polled at every wake of it.
        actix_rt::spawn(async move {
            let _seat = seat;
            let attempt = async {
                // Waiting for room says nothing of the destination.
                let loaded = match attempt::load(&shared, due).await {
                    Ok(loaded) => loaded,
                    Err(launched) => return launched,
                };
                let attempt = attempt::make(&shared, &connections, due, loaded, gate);
                shared.concurrency.watch(id, attempt).await
            };
            // A receiver whose answer makes this panic takes one attempt along.
            let attempt = AssertUnwindSafe(fatal::contained_task(attempt)).catch_unwind();
            let Ok(launched) = attempt.await else {
                // It is made again, but not in a tight circle.
                return sleep(PANICKED_PAUSE).await;
            };
            let mut report = match launched {
                Launched::Done(report) => report,
                Launched::NotMade => return,
                Launched::Waits(pause) => return flight.waits(pause).await,
                Launched::Discarded => return flight.forgotten(),
            };
            if let RunEnd::Attempted { attempt, .. } = &report.report.end {
                let took_ms = attempt.finished_at.since_ms(attempt.started_at);
                shared.concurrency.note(id, Duration::from_millis(took_ms));
            }
            report.recorded = Some(flight.landed(Sign::from(&report.report.end)).await);
            if let Some(reporter) = shared.reporter(due.event.group()) {
                reporter.push(*report).await;
            }
        });
    }

    fn sleep(&mut self, wait: Duration, ctx: &mut Context<Self>) {
        if wait > NEAR && self.lane.is_quiet() {
            return self.linger(ctx);
        }
        self.arm(wait.min(NEAR), ctx, |actor, ctx| {
            actor.drive(Input::Wake, ctx);
        });
    }

    fn linger(&mut self, ctx: &mut Context<Self>) {
        self.arm(LINGER, ctx, |actor, ctx| {
            // What is on its way to the log would be made twice by a successor.
            if actor.lane.is_quiet() {
                ctx.stop();
            }
        });
    }

    fn arm(
        &mut self,
        after: Duration,
        ctx: &mut Context<Self>,
        then: impl FnOnce(&mut Self, &mut Context<Self>) + 'static,
    ) {
        self.disarm(ctx);
        self.alarm = Some(ctx.run_later(after, then));
    }

    fn disarm(&mut self, ctx: &mut Context<Self>) {
        if let Some(alarm) = self.alarm.take() {
            ctx.cancel_future(alarm);
        }
    }
}

/// An attempt under way. Dropped before it landed, it tells the lane that nothing was made, so that no slot of the
/// window is lost to a panic.
struct Flight {
    messages: mpsc::Sender<Input>,
    event: Option<EventId>,
}

impl Flight {
    /// The attempt has its outcome. Gives the way back to the lane.
    async fn landed(&mut self, sign: Sign) -> mpsc::Sender<Input> {
        if let Some(event) = self.event.take() {
            // Closed: the lane is gone, and its successor reads the table.
            let _ = self.messages.send(Input::Finished(event, sign)).await;
        }
        self.messages.clone()
    }

    /// The attempt can't be made before this has passed.
    async fn waits(&mut self, pause: Duration) {
        if let Some(event) = self.event.take() {
            let for_ms = u64::try_from(pause.as_millis()).unwrap_or(u64::MAX);
            let _ = self.messages.send(Input::Waits(event, for_ms)).await;
        }
    }

    /// The lane does not want to hear of it.
    fn forgotten(&mut self) {
        self.event = None;
    }
}

impl Drop for Flight {
    fn drop(&mut self) {
        if let Some(event) = self.event {
            // Full is out of the question: a lane has at most its window in flight, and hints leave room.
            let _ = self.messages.try_send(Input::NotMade(event));
        }
    }
}

impl Actor for DestinationActor {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Context<Self>) {
        if let Some(mut inbox) = self.inbox.take() {
            ctx.add_stream(stream::poll_fn(move |wake| inbox.poll_recv(wake)));
        }
        self.shared.gateway.metrics.destinations_active.inc();
        self.drive(Input::Wake, ctx);
    }

    fn stopped(&mut self, _: &mut Context<Self>) {
        self.shared.pacing.leave(self.id);
        self.shared.gateway.metrics.destinations_active.dec();
    }
}

impl StreamHandler<Input> for DestinationActor {
    fn handle(&mut self, input: Input, ctx: &mut Context<Self>) {
        self.disarm(ctx);
        if matches!(input, Input::Wake) {
            match self.shared.pace(self.id) {
                // The catalog may have changed since the last time.
                Some(pace) => self.drive(Input::Configured(pace), ctx),
                // Disabled: what is due stays queued.
                None => return self.drive(Input::Held, ctx),
            }
        }
        self.drive(input, ctx);
    }
}
