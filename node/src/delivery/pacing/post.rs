//! The way to one partition's home: asks of lanes are gathered while a message is under way, and the answers go back to
//! the lanes. A message that is lost costs its lanes a moment, and what they held its lease.

use super::{LOOK_EVERY, Pacing};
use crate::world;
use model::{
    delivery::{Ask, Holding, Input, Outbox, Reply, Statement},
    ids::{DestinationId, GroupId},
    time::Monotone,
};
use parking_lot::Mutex;
use std::{
    collections::HashMap,
    sync::{Arc, Weak},
    time::Duration,
};
use tokio::sync::{Notify, mpsc};

/// A message without an answer for so long is lost.
pub(super) const PATIENCE: Duration = Duration::from_millis(400);

pub(super) struct Post {
    group: GroupId,
    desk: Mutex<Desk>,
    news: Notify,
}

struct Desk {
    outbox: Outbox,
    lanes: HashMap<DestinationId, mpsc::Sender<Input>>,
}

impl Post {
    pub(super) fn new(group: GroupId, boot: u64, started: Monotone) -> Self {
        Self {
            group,
            desk: Mutex::new(Desk {
                outbox: Outbox::new(boot, started),
                lanes: HashMap::new(),
            }),
            news: Notify::new(),
        }
    }

    pub(super) fn enter(&self, id: DestinationId, messages: mpsc::Sender<Input>) {
        self.desk.lock().lanes.insert(id, messages);
    }

    pub(super) fn leave(&self, id: DestinationId) {
        let mut desk = self.desk.lock();
        desk.lanes.remove(&id);
        desk.outbox.gone(id);
    }

    pub(super) fn note(&self, id: DestinationId, holding: Holding, ask: Option<Ask>) {
        let mut desk = self.desk.lock();
        desk.outbox.holds(id, holding);
        if let Some(ask) = ask {
            desk.outbox.push(id, ask);
            self.news.notify_one();
        }
    }

    /// Carries messages until the node stops delivering.
    pub(super) async fn run(self: Arc<Self>, pacing: Weak<Pacing>) {
        loop {
            // Leaders change without a word: now and then it is looked whether there is a new one to be told.
            let _ = tokio::time::timeout(LOOK_EVERY, self.news.notified()).await;
            let Some(pacing) = pacing.upgrade() else {
                return;
            };
            while let Some(statement) = self.next(&pacing) {
                let reply = pacing.carry(self.group, &statement).await;
                self.hand_out(&statement, reply);
            }
        }
    }

    fn next(&self, pacing: &Pacing) -> Option<Statement> {
        let term = pacing.home_term(self.group);
        self.desk.lock().outbox.next(term, world::steady())
    }

    fn hand_out(&self, statement: &Statement, reply: Option<Reply>) {
        let mut desk = self.desk.lock();
        let Some(reply) = reply else {
            desk.outbox.failed();
            for (id, ask) in &statement.asks {
                desk.tell(id, Input::Unanswered(ask.number));
            }
            return;
        };
        desk.outbox.replied(statement, &reply, world::steady());
        for (id, answer) in reply.answers {
            desk.tell(&id, Input::Answered(answer));
        }
    }
}

impl Desk {
    fn tell(&self, id: &DestinationId, input: Input) {
        if let Some(lane) = self.lanes.get(id) {
            // Full: the lane asks again.
            let _ = lane.try_send(input);
        }
    }
}
