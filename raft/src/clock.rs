//! The time of this process, as everybody in it reads it: the shell around `model::clock::Keeper`.

use model::{
    clock::{Keeper, Look, MAX_SKEW_MS, Verdict},
    time::{Now, Timestamp},
};
use parking_lot::Mutex;
use std::{fmt, sync::Arc};

/// Goes on with the steady clock, whatever happens to the wall. Several clusters of a process may share it.
pub struct Clock {
    read: Box<dyn Fn() -> Now + Send + Sync>,
    keeper: Mutex<Keeper>,
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.keeper.lock().fmt(f)
    }
}

impl Clock {
    /// `read` looks at both clocks of the machine; it is given by the node, which alone owns them.
    #[must_use]
    pub fn new(read: impl Fn() -> Now + Send + Sync + 'static) -> Arc<Self> {
        let keeper = Keeper::new(read(), MAX_SKEW_MS);
        Arc::new(Self {
            read: Box::new(read),
            keeper: Mutex::new(keeper),
        })
    }

    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.look().time
    }

    pub(crate) fn look(&self) -> Look {
        let mut keeper = self.keeper.lock();
        // Read under the lock: looks come in the order of their readings.
        keeper.look((self.read)())
    }

    /// Does what a round of asking came to.
    pub(crate) fn heed(&self, verdict: &Verdict) {
        let mut keeper = self.keeper.lock();
        if let Some(by_ms) = verdict.sets_by_ms {
            keeper.set_by_ms((self.read)(), by_ms);
        }
        keeper.aim(verdict.middle_ahead_of_wall_ms);
    }

    pub(crate) fn set_bound_ms(&self, bound_ms: u64) {
        self.keeper.lock().set_bound_ms(bound_ms);
    }
}
