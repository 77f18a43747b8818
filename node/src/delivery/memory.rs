//! The memory that bodies under delivery take on a node: asked for before a body is read, given back when nothing of the
//! attempt is left.

use model::{
    delivery::{BodyBudget, Ticket, Want},
    ids::DestinationId,
};
use parking_lot::Mutex;
use prometheus::IntGauge;
use std::{collections::HashMap, sync::Arc};
use tokio::sync::{Semaphore, oneshot};

/// Large bodies that are read at once. Each thread keeps some of the memory that it had: a few threads keep little.
const READS_MAX: usize = 2;

pub(super) struct BodyMemory {
    rooms: Mutex<Rooms>,
    small: u64,
    taken: IntGauge,
    pub(super) reads: Semaphore,
}

struct Rooms {
    budget: BodyBudget,
    waiting: HashMap<Ticket, oneshot::Sender<()>>,
}

impl BodyMemory {
    pub(super) fn new(bytes: usize, attempts: usize, taken: IntGauge) -> Self {
        let budget = BodyBudget::new(bytes as u64, attempts as u64);
        Self {
            small: budget.small(),
            rooms: Mutex::new(Rooms {
                budget,
                waiting: HashMap::new(),
            }),
            taken,
            reads: Semaphore::new(READS_MAX),
        }
    }

    /// Whether so little is taken without asking.
    pub(super) fn is_small(&self, bytes: u64) -> bool {
        bytes <= self.small
    }

    /// Waits for room, as long as it takes. Nobody who gives up waiting leaves anything behind.
    pub(super) async fn take(self: &Arc<Self>, want: Want) -> Held {
        let (sender, granted) = oneshot::channel();
        let held = {
            let mut rooms = self.rooms.lock();
            let ticket = rooms.budget.ask(want);
            rooms.waiting.insert(ticket, sender);
            self.settle(&mut rooms);
            Held {
                memory: self.clone(),
                ticket,
            }
        };
        // The sender goes only with the ticket, which is held here.
        let _ = granted.await;
        held
    }

    fn settle(&self, rooms: &mut Rooms) {
        for ticket in rooms.budget.grant() {
            if let Some(waiting) = rooms.waiting.remove(&ticket) {
                let _ = waiting.send(());
            }
        }
        let taken = i64::try_from(rooms.budget.taken());
        self.taken.set(taken.unwrap_or(i64::MAX));
    }
}

/// Room for the bodies of one attempt, for as long as this lives.
pub(super) struct Held {
    memory: Arc<BodyMemory>,
    ticket: Ticket,
}

impl Held {
    /// The attempt has so many bytes in memory now.
    pub(super) fn resize(&self, bytes: usize) {
        let mut rooms = self.memory.rooms.lock();
        rooms.budget.resize(self.ticket, bytes as u64);
        self.memory.settle(&mut rooms);
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let mut rooms = self.memory.rooms.lock();
        rooms.waiting.remove(&self.ticket);
        rooms.budget.leave(self.ticket);
        self.memory.settle(&mut rooms);
    }
}

/// What one attempt wants: its body, and the copies that are made of it on the way.
pub(super) fn want(destination: DestinationId, body: u32, copies: u64, is_slow: bool) -> Want {
    Want {
        destination,
        bytes: u64::from(body).saturating_mul(copies),
        is_slow,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;
    use tokio::time::timeout;

    const MIB: u32 = 1024 * 1024;

    fn memory() -> Arc<BodyMemory> {
        let taken = IntGauge::new("taken", "for a story").expect("a gauge");
        Arc::new(BodyMemory::new(64 << 20, 16, taken))
    }

    async fn soon<T>(taking: impl Future<Output = T>) -> Option<T> {
        timeout(Duration::from_millis(50), taking).await.ok()
    }

    #[actix_rt::test]
    async fn who_finds_no_room_waits_until_there_is_some() {
        let memory = memory();
        let take = |id, mib| memory.take(want(DestinationId(id), mib * MIB, 1, false));
        let first = soon(take(1, 24)).await.expect("room");
        let second = soon(take(2, 24)).await.expect("room");
        let waiting = actix_rt::spawn({
            let memory = memory.clone();
            async move {
                memory
                    .take(want(DestinationId(3), 20 * MIB, 1, false))
                    .await
            }
        });
        tokio::task::yield_now().await;
        assert!(!waiting.is_finished());
        first.resize(10 << 20);
        drop(second);
        let third = timeout(Duration::from_secs(5), waiting).await;
        drop(third.expect("in time").expect("no panic"));
        drop(first);
        assert_eq!(memory.taken.get(), 0);
    }

    #[actix_rt::test]
    async fn who_gives_up_waiting_leaves_nothing_behind() {
        let memory = memory();
        let take = |id, mib| memory.take(want(DestinationId(id), mib * MIB, 1, false));
        let first = soon(take(1, 24)).await.expect("room");
        let _second = soon(take(2, 24)).await.expect("room");
        assert!(soon(take(3, 20)).await.is_none());
        drop(first);
        assert!(soon(take(4, 24)).await.is_some());
        assert!(memory.rooms.lock().waiting.is_empty());
    }
}
