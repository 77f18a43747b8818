//! Counters of what the peer listener refused.

use std::sync::atomic::{AtomicU64, Ordering};

#[derive(Debug, Default)]
pub(crate) struct Counters {
    handshakes: AtomicU64,
    frames: AtomicU64,
    identities: AtomicU64,
}

/// Counted since the node started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Refused {
    /// Connections that did not prove the cluster's secret.
    pub handshakes: u64,
    /// Frames that were foreign, replayed, too long or not readable.
    pub frames: u64,
    /// Nodes that are not who the membership says: removed, or emptied and started again.
    pub identities: u64,
}

impl Counters {
    pub(crate) fn handshake(&self) {
        self.handshakes.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn frame(&self) {
        self.frames.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn identity(&self) {
        self.identities.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn read(&self) -> Refused {
        Refused {
            handshakes: self.handshakes.load(Ordering::Relaxed),
            frames: self.frames.load(Ordering::Relaxed),
            identities: self.identities.load(Ordering::Relaxed),
        }
    }
}
