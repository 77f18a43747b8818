//! Keeps a connection whose scripts are slow from holding every slot of a destination that others share with it.

use crate::world;
use lru::LruCache;
use model::ids::ConnectionId;
use parking_lot::Mutex;
use std::{
    num::NonZeroUsize,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Scripts of one connection that run or wait for their turn; its further events stay queued. The pool runs one at a time.
const INSIDE: usize = 2;
/// A call waits so long before it gives its slot back: quick scripts are through by then.
const WAITS: Duration = Duration::from_millis(50);
/// Afterwards the connection's events are passed over for so long.
const CROWDED_MS: u64 = 500;
const CONNECTIONS_MAX: NonZeroUsize = NonZeroUsize::new(10_000).unwrap();

pub(super) struct Gates {
    by_connection: Mutex<LruCache<ConnectionId, Arc<Gate>>>,
}

impl Default for Gates {
    fn default() -> Self {
        Self {
            by_connection: Mutex::new(LruCache::new(CONNECTIONS_MAX)),
        }
    }
}

struct Gate {
    permits: Arc<Semaphore>,
    /// In milliseconds.
    crowded_until: AtomicU64,
}

impl Gates {
    /// Lets a call in; none: too many of its connection are inside, and its event may try again later.
    pub(super) async fn enter(&self, connection: ConnectionId) -> Option<OwnedSemaphorePermit> {
        let gate = self.gate(connection);
        let permit = tokio::time::timeout(WAITS, gate.permits.clone().acquire_owned()).await;
        if let Ok(Ok(permit)) = permit {
            return Some(permit);
        }
        let until = world::now().plus_ms(CROWDED_MS).0;
        gate.crowded_until.store(until, Ordering::Relaxed);
        None
    }

    /// Whether a connection's events had better stay queued for a moment.
    pub(super) fn is_crowded(&self, connection: ConnectionId) -> bool {
        let gates = self.by_connection.lock();
        let until = gates
            .peek(&connection)
            .map_or(0, |gate| gate.crowded_until.load(Ordering::Relaxed));
        world::now().0 < until
    }

    fn gate(&self, connection: ConnectionId) -> Arc<Gate> {
        let mut gates = self.by_connection.lock();
        // The one that was passed longest ago makes room. Few are inside at once, and those have just passed.
        let gate = gates.get_or_insert(connection, || {
            Arc::new(Gate {
                permits: Arc::new(Semaphore::new(INSIDE)),
                crowded_until: AtomicU64::new(0),
            })
        });
        gate.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SLOW: ConnectionId = ConnectionId(1);
    const OTHER: ConnectionId = ConnectionId(2);

    #[actix_rt::test]
    async fn who_waits_too_long_makes_its_connection_crowded_and_no_other() {
        let gates = Gates::default();
        let inside = [gates.enter(SLOW).await, gates.enter(SLOW).await];
        assert!(inside.iter().all(Option::is_some) && !gates.is_crowded(SLOW));
        assert!(gates.enter(SLOW).await.is_none());
        assert!(gates.is_crowded(SLOW) && !gates.is_crowded(OTHER));
        assert!(gates.enter(OTHER).await.is_some());
        drop(inside);
        assert!(gates.enter(SLOW).await.is_some());
    }
}
