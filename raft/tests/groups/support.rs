//! Nodes in one process, on loopback ports that the system chose.

use bytes::Bytes;
use model::{
    ids::GroupId,
    machine::{Change, Command, Configure},
    state::keys,
    time::{Monotone, Now, Timestamp},
};
use raft::{Clock, Cluster, Config, Environment};
use std::{
    net::{SocketAddr, TcpListener},
    path::Path,
    sync::{
        Arc, LazyLock,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

pub(crate) const SECRET: &[u8] = b"a secret of thirty-two bytes, or more";

static DRAWN: AtomicU64 = AtomicU64::new(1);

pub(crate) fn environment() -> Environment {
    Environment {
        clock: Clock::new(|| clocks(0)),
        entropy: Arc::new(|| u128::from(DRAWN.fetch_add(1, Ordering::Relaxed)) << 64 | 0x5eed),
    }
}

pub(crate) fn now() -> Timestamp {
    clocks(0).wall
}

/// A machine's clocks, with the wall so many milliseconds ahead.
pub(crate) fn clocks(wall_ahead_ms: i64) -> Now {
    static START: LazyLock<Instant> = LazyLock::new(Instant::now);
    let steady_us = u64::try_from(START.elapsed().as_micros()).unwrap_or(u64::MAX);
    let wall = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    let wall_ms = u64::try_from(wall.as_millis()).unwrap_or(u64::MAX);
    Now {
        wall: Timestamp(wall_ms.saturating_add_signed(wall_ahead_ms)),
        steady: Monotone(steady_us),
    }
}

/// Addresses that were free a moment ago.
pub(crate) fn addresses(count: usize) -> Vec<SocketAddr> {
    let held: Vec<_> = (0..count)
        .map(|_| TcpListener::bind("127.0.0.1:0").expect("a free port"))
        .collect();
    held.iter()
        .map(|l| l.local_addr().expect("bound"))
        .collect()
}

pub(crate) fn config(dir: &Path, addresses: &[SocketAddr], position: usize) -> Config {
    let listen = addresses[position];
    let mut config = Config::new(dir.to_path_buf(), "test".into(), SECRET.to_vec(), listen);
    config.nodes = addresses.iter().map(ToString::to_string).collect();
    config.partitions = 2;
    config
}

/// A command that changes nothing but is committed like any other.
pub(crate) fn nothing() -> Bytes {
    nothing_at(now())
}

pub(crate) fn nothing_at(at: Timestamp) -> Bytes {
    let command = Command::Configure(Configure {
        seen_version: u64::MAX,
        changes: Vec::<Change<'_>>::new(),
    });
    command.envelope(at, &[])
}

/// A change of the catalog from `seen_version` to the next.
pub(crate) fn change(seen_version: u64) -> Bytes {
    let command = Command::Configure(Configure {
        seen_version,
        changes: Vec::new(),
    });
    command.envelope(now(), &[])
}

pub(crate) fn version(cluster: &Cluster, group: GroupId) -> u64 {
    keys::read_u64(&cluster.view(group), keys::META_CATALOG_VERSION).expect("readable")
}

/// Waits for something, at most half a minute.
pub(crate) async fn eventually(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    for _ in 0..300 {
        if holds().await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("not within 30 s: {what}");
}

pub(crate) async fn start_all(dirs: &[&Path], addresses: &[SocketAddr]) -> Vec<Cluster> {
    let starts = (0..addresses.len())
        .map(|position| Cluster::start(config(dirs[position], addresses, position), environment()));
    let clusters: Vec<Cluster> = futures::future::try_join_all(starts)
        .await
        .expect("all start");
    for cluster in &clusters {
        eventually("ready", async || cluster.ready()).await;
    }
    clusters
}
