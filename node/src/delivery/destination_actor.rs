//! One destination's door on this node: it holds the lane, a timer, and addresses. Every decision is the lane's.

use super::{
    attempt::{self, Launched},
    dispatcher::Shared,
    work,
};
use crate::world;
use actix::{Actor, ActorContext, AsyncContext, Context, SpawnHandle, StreamHandler};
use awc::Client;
use futures::stream;
use model::{
    delivery::{Input, Lane, Output, Pace},
    ids::DestinationId,
    state::keys::Due,
    time::Timestamp,
};
use std::{sync::Arc, time::Duration};
use tokio::sync::mpsc;

/// Messages that may wait for one destination: twice its window and hints, which may be dropped.
const MAILBOX: usize = 1024;
/// Idle for so long, it goes.
const LINGER: Duration = Duration::from_secs(5);
/// Further off than this, the sweep wakes it again.
const NEAR_MS: u64 = 60_000;

pub(super) struct DestinationActor {
    id: DestinationId,
    lane: Lane,
    shared: Arc<Shared>,
    client: Client,
    messages: mpsc::Sender<Input>,
    inbox: Option<mpsc::Receiver<Input>>,
    alarm: Option<SpawnHandle>,
}

impl DestinationActor {
    /// Makes the actor and the way to it.
    pub(super) fn new(
        id: DestinationId,
        shared: Arc<Shared>,
        client: Client,
    ) -> (Self, mpsc::Sender<Input>) {
        let (messages, inbox) = mpsc::channel(MAILBOX);
        let pace = shared.pace(id);
        let actor = Self {
            id,
            lane: Lane::new(pace.unwrap_or(shared.default_pace()), world::now()),
            shared,
            client,
            messages: messages.clone(),
            inbox: Some(inbox),
            alarm: None,
        };
        (actor, messages)
    }

    fn drive(&mut self, input: Input, ctx: &mut Context<Self>) {
        for output in self.lane.step(input, world::now()) {
            match output {
                Output::Fetch { limit } => self.fetch(limit),
                Output::Attempt(due) => self.launch(due),
                Output::SleepUntil(at) => self.sleep(at, ctx),
                Output::Idle => self.linger(ctx),
            }
        }
    }

    fn fetch(&self, limit: usize) {
        let (id, gateway, messages) = (self.id, self.shared.gateway.clone(), self.messages.clone());
        actix_rt::spawn(async move {
            let now = world::now();
            let fetched =
                tokio::task::spawn_blocking(move || work::fetch(&gateway, id, now, limit)).await;
            let (due, next_due) = fetched.unwrap_or_default();
            let _ = messages.send(Input::Fetched { due, next_due }).await;
        });
    }

    fn launch(&self, due: Due) {
        let (shared, client, messages) = (
            self.shared.clone(),
            self.client.clone(),
            self.messages.clone(),
        );
        // A task of its own on this arbiter: a future on the actor's context is polled at every wake of it.
        actix_rt::spawn(async move {
            // Bounds the sockets of the whole node, whatever the destinations' windows add up to.
            let Ok(_permit) = shared.permits.acquire().await else {
                return;
            };
            shared.gateway.metrics.attempts_in_flight.inc();
            let launched = attempt::make(&shared.gateway, &client, due).await;
            match launched {
                Launched::NotMade => {
                    let _ = messages.send(Input::NotMade(due.event)).await;
                }
                Launched::Done(mut report) => {
                    let _ = messages.send(Input::Finished(due.event)).await;
                    report.recorded = Some(messages);
                    if let Some(reporter) = shared.reporter(due.event.group()) {
                        reporter.push(report).await;
                    }
                }
            }
            shared.gateway.metrics.attempts_in_flight.dec();
        });
    }

    fn sleep(&mut self, at: Timestamp, ctx: &mut Context<Self>) {
        let wait = at.since_ms(world::now());
        if wait > NEAR_MS {
            return self.linger(ctx);
        }
        self.arm(Duration::from_millis(wait.max(1)), ctx, |actor, ctx| {
            actor.drive(Input::Wake, ctx);
        });
    }

    fn linger(&mut self, ctx: &mut Context<Self>) {
        self.arm(LINGER, ctx, |actor, ctx| {
            if actor.lane.in_flight() == 0 {
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
                // Disabled: what is due stays queued, and this door closes.
                None => {
                    self.drive(Input::Stop, ctx);
                    return self.linger(ctx);
                }
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
