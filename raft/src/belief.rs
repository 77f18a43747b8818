//! This node's believed time: the shell around `model::clock::Belief`, and the record of it on disk.

use crate::{
    cluster::{Cluster, Inner},
    codec,
    error::StartError,
};
use model::{
    clock::{Belief, Change, Kept, Look},
    state::keys,
    time::{Now, Timestamp},
};
use std::{
    io,
    time::{Duration, Instant},
};

const KEY: &[u8] = b"time";
/// So much of the time may be missing after a crash: it is doubted an hour away.
const KEPT_EVERY: Duration = Duration::from_secs(10);

/// Believes and keeps.
#[derive(Debug)]
pub(crate) struct Believing {
    pub(crate) belief: Belief,
    kept_at: Instant,
}

impl Cluster {
    /// The latest time by which anything may be taken for old. It is this node's time, unless that is further away than an
    /// hour from where the time that the node kept has gone on to: then it is doubted for long.
    #[must_use]
    pub fn time_believed(&self) -> Timestamp {
        self.inner.time_believed()
    }
}

impl Inner {
    /// Reads what this node kept of the time, or takes the latest of its groups for it.
    pub(crate) fn begin_to_believe(&self) -> Result<(), StartError> {
        let failed = StartError::io("reading the time that was kept");
        let kept = match self.store.meta_get(KEY) {
            Ok(Some(bytes)) => codec::decode(&bytes).map_err(failed)?,
            Ok(None) => Kept {
                believed: self.latest_of_groups(),
                ..Kept::default()
            },
            Err(error) => return Err(failed(io::Error::other(error))),
        };
        let belief = Belief::new(kept, self.config.doubt_ms, self.clock.look().steady);
        *self.believing.lock() = Some(Believing {
            belief,
            kept_at: Instant::now(),
        });
        Ok(())
    }

    fn latest_of_groups(&self) -> Timestamp {
        let groups = self.groups().iter();
        let times = groups.filter_map(|group| {
            let view = self.store.group(group.id).view();
            keys::read_u64(&view, keys::META_NOW).ok()
        });
        Timestamp(times.max().unwrap_or(0))
    }

    /// Holds a time that a majority vouches for against what is believed. `assured`: so does a voter that is sure of it.
    pub(crate) fn believe(&self, look: &Look, assured: bool) {
        let now = both(look);
        let kept = {
            let mut believing = self.believing.lock();
            let Some(believing) = believing.as_mut() else {
                return;
            };
            let change = believing.belief.look(now, assured);
            match change {
                Change::None => {}
                Change::Doubted(ahead_ms) => tracing::warn!(
                    ahead_ms,
                    stands_for_ms = self.config.doubt_ms,
                    "this node's time is not where the time that it kept has gone on to: it was away for long, or its clock is wrong; by the new time nothing is too old to be kept until it has stood for long"
                ),
                Change::Believed => tracing::info!("this node's time is believed"),
            }
            if change == Change::None && believing.kept_at.elapsed() < KEPT_EVERY {
                return;
            }
            believing.kept_at = Instant::now();
            believing.belief.kept(look.steady)
        };
        self.keep(kept);
    }

    /// Keeps what is believed, before this node stops.
    pub(crate) fn keep_time(&self) {
        let look = self.clock.look();
        let believing = self.believing.lock();
        let kept = believing
            .as_ref()
            .map(|believing| believing.belief.kept(look.steady));
        drop(believing);
        if let Some(kept) = kept {
            self.keep(kept);
        }
    }

    fn keep(&self, kept: Kept) {
        // Nothing was ever believed: the next start looks at the groups again.
        if kept.believed == Timestamp::ZERO {
            return;
        }
        let written = codec::encode(&kept).and_then(|bytes| {
            self.store
                .meta_put(KEY, &bytes, false)
                .map_err(io::Error::other)
        });
        if let Err(error) = written {
            tracing::warn!(%error, "the time could not be kept");
        }
    }

    pub(crate) fn time_believed(&self) -> Timestamp {
        let look = self.clock.look();
        let believing = self.believing.lock();
        let belief = believing.as_ref().map(|believing| believing.belief);
        belief.map_or(Timestamp::ZERO, |belief| belief.of(both(&look)))
    }

    /// The lead, in milliseconds, of this node's time over the believed one, while it is doubted.
    pub(crate) fn doubted_by_ms(&self, look: &Look) -> Option<i64> {
        let believing = self.believing.lock();
        believing.as_ref()?.belief.doubted_by_ms(both(look))
    }

    /// Whether other nodes may go by this one's time.
    pub(crate) fn is_sure_of_time(&self) -> bool {
        let believing = self.believing.lock();
        believing
            .as_ref()
            .is_some_and(|believing| believing.belief.is_sure())
    }
}

fn both(look: &Look) -> Now {
    Now {
        wall: look.time,
        steady: look.steady,
    }
}
