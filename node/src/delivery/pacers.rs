//! What is left of the buckets of destinations that have gone quiet, so that one that comes back need not start empty.

use model::{
    delivery::{Pace, Pacer},
    ids::DestinationId,
    time::Timestamp,
};
use parking_lot::Mutex;
use std::collections::HashMap;

pub(super) struct Pacers(Mutex<Kept>);

struct Kept {
    /// Since when this node leads what it leads. Who led before may have sent until then.
    since: Timestamp,
    buckets: HashMap<DestinationId, Pacer>,
}

impl Pacers {
    pub(super) fn new(now: Timestamp) -> Self {
        Self(Mutex::new(Kept {
            since: now,
            buckets: HashMap::new(),
        }))
    }

    /// The bucket of a destination that comes up.
    pub(super) fn take(&self, id: DestinationId, pace: Pace, now: Timestamp) -> Pacer {
        let mut kept = self.0.lock();
        let Some(mut pacer) = kept.buckets.remove(&id) else {
            return Pacer::new(pace, kept.since);
        };
        pacer.set(pace, now);
        pacer
    }

    /// Keeps the bucket of a destination that goes.
    pub(super) fn keep(&self, id: DestinationId, pacer: &Pacer, now: Timestamp) {
        let mut pacer = pacer.clone();
        if !pacer.is_full(now) {
            self.0.lock().buckets.insert(id, pacer);
        }
    }

    /// Forgets the buckets that have filled up meanwhile.
    pub(super) fn forget_full(&self, now: Timestamp) {
        let mut kept = self.0.lock();
        kept.buckets.retain(|_, pacer| !pacer.is_full(now));
    }

    /// Another node led something until now and may have used its share.
    pub(super) fn start_anew(&self, now: Timestamp) {
        let mut kept = self.0.lock();
        kept.since = now;
        kept.buckets.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE_A_MINUTE: Pace = Pace {
        window: 16,
        rate: Some((1, 60_000)),
    };
    const ID: DestinationId = DestinationId(1);

    #[test]
    fn a_bucket_survives_the_actor_but_not_a_change_of_leaders() {
        let start = Timestamp(0);
        let pacers = Pacers::new(start);
        let later = start.plus_ms(60_000);
        let mut first = pacers.take(ID, ONE_A_MINUTE, later);
        // Nobody has sent for a minute, so the first one need not wait …
        assert_eq!(first.take(later), Ok(()));
        pacers.keep(ID, &first, later);
        // … and a new actor does not get a second one.
        let mut second = pacers.take(ID, ONE_A_MINUTE, later);
        assert_eq!(second.take(later), Err(later.plus_ms(60_000)));

        let much_later = later.plus_ms(600_000);
        pacers.start_anew(much_later);
        let mut third = pacers.take(ID, ONE_A_MINUTE, much_later);
        assert_eq!(third.take(much_later), Err(much_later.plus_ms(60_000)));
    }
}
