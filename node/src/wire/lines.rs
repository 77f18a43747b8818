//! The open connections of one listener, and what was wrong with those that were refused.

use super::line::{Line, Waits};
use crate::telemetry::Metrics;
use model::{
    door::{Address, Connections, Fault, HeadBounds, Opened},
    time::Monotone,
};
use parking_lot::Mutex;
use std::{
    collections::HashMap,
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Duration,
};

/// How often the log says that there were malformed requests or refused connections.
const TELL_EVERY_US: u64 = 60_000_000;

/// The listener that a connection came in at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    Ingest,
    Admin,
}

impl Side {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Ingest => "ingest",
            Self::Admin => "admin",
        }
    }
}

pub(crate) struct Lines {
    pub(super) side: Side,
    pub(super) bounds: Arc<HeadBounds>,
    pub(super) head_timeout: Duration,
    open: Mutex<Open>,
    told: Mutex<Told>,
    counts: Counts,
}

struct Open {
    connections: Connections,
    lines: HashMap<u64, Arc<Line>>,
    next: u64,
}

/// What the log was not told yet.
#[derive(Default)]
struct Told {
    at: Option<Monotone>,
    faults: u64,
}

/// The counters of one side.
#[derive(Clone)]
struct Counts {
    malformed: prometheus::IntCounterVec,
    refused: prometheus::IntCounter,
    closed: prometheus::IntCounter,
    open: prometheus::IntGauge,
}

impl Lines {
    pub(crate) fn new(
        side: Side,
        most: usize,
        bounds: HeadBounds,
        head_timeout: Duration,
        metrics: &Metrics,
    ) -> Arc<Self> {
        let labels = [side.name()];
        Arc::new(Self {
            side,
            bounds: Arc::new(bounds),
            head_timeout,
            open: Mutex::new(Open {
                connections: Connections::new(most),
                lines: HashMap::new(),
                next: 0,
            }),
            told: Mutex::default(),
            counts: Counts {
                malformed: metrics.malformed.clone(),
                refused: metrics.connections_refused.with_label_values(&labels),
                closed: metrics.connections_closed.with_label_values(&labels),
                open: metrics.connections.with_label_values(&labels),
            },
        })
    }

    /// Admits a new connection. None: there is no room for it.
    pub(super) fn open(&self, peer: Option<SocketAddr>) -> Option<(u64, Arc<Line>)> {
        let ip = peer.map_or(IpAddr::from([0; 4]), |peer| peer.ip());
        let address = Address::of(ip);
        let mut open = self.open.lock();
        let open = &mut *open;
        let id = open.next;
        open.next += 1;
        let (lines, connections) = (&open.lines, &mut open.connections);
        let waits = |id, whom| {
            lines
                .get(&id)
                .is_some_and(|line: &Arc<Line>| line.does_wait(whom))
        };
        let mut opened = connections.open_one(address, id, |id| waits(id, Waits::ForRequest));
        if opened == Opened::Refused {
            // Those who still send have been promised nothing either, and those who don't read have their answer.
            let either = |id| waits(id, Waits::ForBody) || waits(id, Waits::ForReader);
            opened = connections.open_one(address, id, either);
        }
        match opened {
            Opened::Beside => {}
            Opened::InsteadOf(gone) => {
                if let Some(line) = open.lines.remove(&gone) {
                    line.end();
                }
                self.counts.closed.inc();
            }
            Opened::Refused => {
                self.counts.refused.inc();
                return None;
            }
        }
        let line = Arc::new(Line::new(address));
        open.lines.insert(id, line.clone());
        self.counts.open.set(number(open.connections.open()));
        Some((id, line))
    }

    pub(super) fn close(&self, address: Address, id: u64) {
        let mut open = self.open.lock();
        open.connections.close(address, id);
        open.lines.remove(&id);
        self.counts.open.set(number(open.connections.open()));
    }

    /// Takes note of bytes that were refused. The log hears of the first, and of how many there were from time to time.
    pub(super) fn note(&self, fault: Fault, address: Address, now: Monotone) {
        let labels = [self.side.name(), fault.name()];
        self.counts.malformed.with_label_values(&labels).inc();
        let mut told = self.told.lock();
        told.faults += 1;
        if told.at.is_some_and(|at| now.since_us(at) < TELL_EVERY_US) {
            return;
        }
        let (count, side) = (told.faults, self.side.name());
        (told.at, told.faults) = (Some(now), 0);
        drop(told);
        tracing::warn!(side, count, cause = fault.name(), %address, expected = %fault, "malformed requests refused");
    }
}

fn number(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
