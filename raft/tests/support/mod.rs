//! Nodes in one process, on loopback ports that the system chose.

use bytes::Bytes;
use model::{
    ids::GroupId,
    machine::{Change, Command, Configure},
    state::keys,
    time::Timestamp,
};
use raft::{Cluster, Config, Environment};
use std::{
    net::{SocketAddr, TcpListener},
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, SystemTime, UNIX_EPOCH},
};

pub(crate) const SECRET: &[u8] = b"a secret of thirty-two bytes, or more";

static DRAWN: AtomicU64 = AtomicU64::new(1);

pub(crate) fn environment() -> Environment {
    Environment {
        clock: Arc::new(|| {
            let now = SystemTime::now()
                .duration_since(UNIX_EPOCH)
                .unwrap_or_default();
            Timestamp(u64::try_from(now.as_millis()).unwrap_or(u64::MAX))
        }),
        entropy: Arc::new(|| u128::from(DRAWN.fetch_add(1, Ordering::Relaxed)) << 64 | 0x5eed),
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
    let command = Command::Configure(Configure {
        seen_version: u64::MAX,
        changes: Vec::<Change<'_>>::new(),
    });
    command.envelope(Timestamp(1), &[])
}

/// A change of the catalog from `seen_version` to the next.
pub(crate) fn change(seen_version: u64) -> Bytes {
    let command = Command::Configure(Configure {
        seen_version,
        changes: Vec::new(),
    });
    command.envelope(Timestamp(1), &[])
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
