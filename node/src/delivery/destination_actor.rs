//! One destination's door on this node: it holds the lane, a timer, and addresses. Every decision is the lane's.

use super::{
    attempt::{self, Launched},
    dispatcher::Shared,
    outlet::Outlet,
    work::{self, Wanted},
};
use crate::world;
use actix::{Actor, ActorContext, AsyncContext, Context, SpawnHandle, StreamHandler};
use futures::stream;
use model::{
    delivery::{Floors, Input, Lane, Output, Pace},
    ids::{DestinationId, EventId},
    state::keys::Due,
    time::Timestamp,
};
use prometheus::IntGauge;
use std::{rc::Rc, sync::Arc, time::Duration};
use tokio::sync::mpsc;

/// Messages that may wait for one destination: twice its window and hints, which may be dropped.
pub(super) const MAILBOX: usize = 1024;
/// Idle for so long, it goes.
const LINGER: Duration = Duration::from_secs(5);
/// Further off than this, the retry scheduler wakes it again.
const NEAR_MS: u64 = 60_000;

pub(super) struct DestinationActor {
    id: DestinationId,
    lane: Lane,
    shared: Arc<Shared>,
    outlet: Rc<Outlet>,
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
        let pacer = shared.pacers.take(id, pace, world::now());
        Self {
            id,
            lane: Lane::new(pacer),
            outlet: Rc::new(Outlet::new(shared.egress.clone())),
            shared,
            messages,
            inbox: Some(inbox),
            alarm: None,
        }
    }

    fn drive(&mut self, input: Input, ctx: &mut Context<Self>) {
        for output in self.lane.step(input, world::now()) {
            match output {
                Output::Fetch { limit, from } => self.fetch(limit, from),
                Output::Attempt(due) => self.launch(due),
                Output::SleepUntil(at) => self.sleep(at, ctx),
                Output::Idle => self.linger(ctx),
            }
        }
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

    fn launch(&self, due: Due) {
        let (shared, outlet) = (self.shared.clone(), self.outlet.clone());
        let mut flight = Flight {
            messages: self.messages.clone(),
            event: Some(due.event),
        };
        // A task of its own on this arbiter: a future on the actor's context is polled at every wake of it.
        actix_rt::spawn(async move {
            // Bounds the sockets of the whole node, whatever the destinations' windows add up to.
            let Ok(_permit) = shared.permits.acquire().await else {
                return;
            };
            let _counted = Counted::new(&shared.gateway.metrics.attempts_in_flight);
            let Launched::Done(mut report) = attempt::make(&shared, &outlet, due).await else {
                return;
            };
            report.recorded = Some(flight.landed().await);
            if let Some(reporter) = shared.reporter(due.event.group()) {
                reporter.push(*report).await;
            }
        });
    }

    fn sleep(&mut self, at: Timestamp, ctx: &mut Context<Self>) {
        let wait = at.since_ms(world::now());
        if wait > NEAR_MS && self.lane.is_quiet() {
            return self.linger(ctx);
        }
        let wait = Duration::from_millis(wait.clamp(1, NEAR_MS));
        self.arm(wait, ctx, |actor, ctx| actor.drive(Input::Wake, ctx));
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
    async fn landed(&mut self) -> mpsc::Sender<Input> {
        if let Some(event) = self.event.take() {
            // Closed: the lane is gone, and its successor reads the table.
            let _ = self.messages.send(Input::Finished(event)).await;
        }
        self.messages.clone()
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

/// One more in a gauge for as long as it lives.
struct Counted(IntGauge);

impl Counted {
    fn new(gauge: &IntGauge) -> Self {
        gauge.inc();
        Self(gauge.clone())
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.dec();
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
        self.shared
            .pacers
            .keep(self.id, self.lane.pacer(), world::now());
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

impl Shared {
    /// The pace of a destination now; none while it is disabled. One that was deleted gets the default: its events end.
    fn pace(&self, id: DestinationId) -> Option<Pace> {
        let catalog = self.gateway.catalog();
        let Some(destination) = catalog.destinations.get(&id) else {
            return Some(self.default_pace());
        };
        destination
            .disabled_at
            .is_none()
            .then(|| Pace::of(destination, self.window()))
    }

    fn window(&self) -> u16 {
        self.gateway.config.delivery.window
    }

    fn default_pace(&self) -> Pace {
        Pace {
            window: self.window(),
            rate: None,
        }
    }
}
