//! One partition's clock: knows when each destination is next due, arms one timer, and has the dispatcher wake whoever is
//! due. It holds nothing that the due table does not say; the sweep tells it again what it missed.

use super::shared::Wake;
use crate::world;
use actix::{Actor, AsyncContext, Context, Handler, Message, Recipient, SpawnHandle};
use model::{delivery::Schedule, ids::DestinationId, time::Timestamp};
use std::time::Duration;

/// Hints that may wait. What finds no room is found by the sweep.
const MAILBOX: usize = 1024;

pub(super) struct RetryScheduler {
    schedule: Schedule,
    dispatcher: Recipient<Wake>,
    alarm: Option<(Timestamp, SpawnHandle)>,
}

impl RetryScheduler {
    pub(super) fn new(dispatcher: Recipient<Wake>) -> Self {
        Self {
            schedule: Schedule::default(),
            dispatcher,
            alarm: None,
        }
    }

    fn wake_due(&mut self, ctx: &mut Context<Self>) {
        let due = self.schedule.take_due(world::now());
        if !due.is_empty() {
            self.wake(due);
        }
        self.rearm(ctx);
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "one message for all of them, and they are out of the schedule: it must not be dropped"
    )]
    fn wake(&self, due: Vec<DestinationId>) {
        self.dispatcher.do_send(Wake(due));
    }

    /// Moves the timer to the nearest due time, if it is not there already.
    fn rearm(&mut self, ctx: &mut Context<Self>) {
        let next = self.schedule.next();
        if self.alarm.as_ref().map(|(at, _)| *at) == next {
            return;
        }
        if let Some((_, alarm)) = self.alarm.take() {
            ctx.cancel_future(alarm);
        }
        if let Some(at) = next {
            let wait = Duration::from_millis(at.since_ms(world::now()).max(1));
            let alarm = ctx.run_later(wait, |scheduler, ctx| {
                scheduler.alarm = None;
                scheduler.wake_due(ctx);
            });
            self.alarm = Some((at, alarm));
        }
    }
}

impl Actor for RetryScheduler {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Context<Self>) {
        ctx.set_mailbox_capacity(MAILBOX);
    }
}

/// These destinations have something due then.
#[derive(Message)]
#[rtype(result = "()")]
pub(super) struct Note(pub(super) Vec<(DestinationId, Timestamp)>);

impl Handler<Note> for RetryScheduler {
    type Result = ();

    fn handle(&mut self, Note(found): Note, ctx: &mut Context<Self>) {
        for (destination, due_at) in found {
            self.schedule.note(destination, due_at);
        }
        self.wake_due(ctx);
    }
}
