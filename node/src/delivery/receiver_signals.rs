//! Does what receivers ask for in their answers: that a destination wants no more, or at what rate, is told to the control
//! group, so that all nodes and those that come after keep to it. The catalog's own version stays.

use crate::{gateway::Gateway, observations, world};
use lru::LruCache;
use model::{
    ids::DestinationId,
    machine::{Command, ObserveReply, ObserveWishes},
    policy::receiver::Asked,
};
use parking_lot::Mutex;
use std::{
    num::NonZeroUsize,
    sync::Arc,
    time::{Duration, Instant},
};

/// A receiver that changes its mind with every answer is followed no faster.
const EVERY: Duration = Duration::from_secs(5);
/// How often a wish is proposed, and the pause before each further time: in all longer than a new leader takes.
const TRIES: usize = 40;
const PAUSE: Duration = Duration::from_millis(500);
/// Destinations that are remembered; the one that was changed longest ago makes room.
const REMEMBERED: NonZeroUsize = NonZeroUsize::new(1024).unwrap();

pub(super) struct ReceiverSignals {
    gateway: Arc<Gateway>,
    /// When a destination was last changed from here, and whether that was to disable it.
    changed: Mutex<LruCache<(DestinationId, bool), Instant>>,
}

impl ReceiverSignals {
    pub(super) fn new(gateway: Arc<Gateway>) -> Self {
        Self {
            gateway,
            changed: Mutex::new(LruCache::new(REMEMBERED)),
        }
    }

    /// Takes in what an answer asked for. Must run within an actix system; waits for nothing.
    pub(super) fn honour(&self, id: DestinationId, asked: Asked) {
        if asked == Asked::default() {
            return;
        }
        let catalog = self.gateway.catalog();
        let destination = catalog.destination(id);
        let changes = destination.is_some_and(|known| asked.change(known, world::now()).is_some());
        if !changes || !self.may_change(id, asked, Instant::now()) {
            return;
        }
        actix_rt::spawn(store(self.gateway.clone(), id, asked));
    }

    fn may_change(&self, id: DestinationId, asked: Asked, now: Instant) -> bool {
        let mut changed = self.changed.lock();
        let key = (id, asked.disable.is_some());
        let last = changed.peek(&key);
        if last.is_some_and(|at| now.duration_since(*at) < EVERY) {
            return false;
        }
        changed.put(key, now);
        true
    }
}

async fn store(gateway: Arc<Gateway>, id: DestinationId, asked: Asked) {
    let command = Command::ObserveWishes(ObserveWishes {
        destination: id,
        disable: asked.disable,
        rate: asked.rate,
    });
    for _ in 0..TRIES {
        match observations::propose(&gateway, &command).await {
            Ok(ObserveReply::Kept { .. }) => {
                if let Some(by) = asked.disable {
                    tracing::warn!(destination = %id, ?by, "destination disabled by its receiver");
                }
                return;
            }
            // The destination is gone.
            Ok(ObserveReply::Refused) => return,
            Err(error) => {
                tracing::warn!(destination = %id, %error, "receiver's wish not stored yet");
            }
        }
        tokio::time::sleep(PAUSE).await;
    }
    tracing::error!(destination = %id, ?asked, "receiver's wish not stored; the next answer may repeat it");
}
