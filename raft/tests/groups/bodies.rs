//! Bodies that a node's disk has lost: they come from another node, and are given up only when every member was asked.

use crate::support::{addresses, config, environment, eventually, now};
use bytes::Bytes;
use model::{
    envelope::PayloadRef,
    ids::{GroupId, RequestId, SourceId},
    machine::{AcceptRequests, Command, Incoming, Verdict},
    state::tables,
    time::Timestamp,
};
use raft::{Body, Cluster};
use std::{fs, net::SocketAddr, path::Path, sync::LazyLock};
use tempfile::TempDir;

const GROUP: GroupId = GroupId(1);
/// So many that the log is purged behind the first ones: a log that can't be read back keeps a node from starting.
const POSTS: u64 = 150;

/// What no compression makes shorter, so that it is found in a file as it is.
fn noise(seed: u64) -> Bytes {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let bytes = (0..2048).map(|_| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 32) as u8
    });
    bytes.collect()
}

/// The same at each call, and not long ago: a leader takes nothing that is dated otherwise.
fn id(number: u64) -> RequestId {
    static BEGUN: LazyLock<Timestamp> = LazyLock::new(now);
    RequestId::mint(BEGUN.plus_ms(number), GROUP, number.into())
}

async fn post(cluster: &Cluster, number: u64) {
    let command = Command::AcceptRequests(AcceptRequests {
        requests: vec![Incoming {
            id: id(number),
            source: SourceId(1),
            record: b"record",
            body: Some(0),
            verdict: Verdict::Routed {
                events: vec![],
                ignored: vec![],
                more_ignored: 0,
            },
        }],
    });
    let envelope = command.envelope(now(), &[noise(number)]);
    cluster.propose(GROUP, envelope).await.expect("accepted");
}

fn body_of(cluster: &Cluster, number: u64) -> Option<PayloadRef> {
    let request = tables::request(&cluster.view(GROUP), id(number));
    request.expect("readable")?.body
}

/// Flips one bit of a body on the disk of a stopped node.
fn damage(dir: &Path, number: u64) {
    // What is only in the write-ahead log is written out when the store is opened.
    let store = storage::Store::open(&dir.join("db"), storage::Options::default());
    store.expect("the store opens").close();
    let wanted = noise(number);
    for entry in fs::read_dir(dir.join("db/db")).expect("a directory") {
        let path = entry.expect("an entry").path();
        if path.extension().is_none_or(|name| name != "blob") {
            continue;
        }
        let mut bytes = fs::read(&path).expect("read");
        let found = bytes.windows(wanted.len()).position(|part| part == wanted);
        if let Some(at) = found {
            bytes[at + 100] ^= 1;
            return fs::write(&path, bytes).expect("written");
        }
    }
    panic!("the body {number} is in no file");
}

async fn stop(cluster: Cluster) {
    cluster.shutdown().await;
}

async fn start(dirs: &[TempDir], addresses: &[SocketAddr], position: usize) -> Cluster {
    let mut config = config(dirs[position].path(), addresses, position);
    (config.snapshot_log_rows, config.log_rows_kept) = (50, 5);
    let started = Cluster::start(config, environment()).await;
    started.expect("it starts")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_that_is_damaged_here_comes_from_another_node_and_is_lost_only_when_all_say_so() {
    let dirs: Vec<_> = (0..3)
        .map(|_| TempDir::new().expect("a temporary directory"))
        .collect();
    let addresses = addresses(3);
    let paths: Vec<_> = dirs.iter().map(TempDir::path).collect();
    let starts = (0..3).map(|position| start(&dirs, &addresses, position));
    let clusters = futures::future::join_all(starts).await;
    eventually("all are ready", async || {
        clusters.iter().all(Cluster::ready)
    })
    .await;
    for first in (0..POSTS).step_by(50) {
        let posts = (first..first + 50).map(|number| post(&clusters[0], number));
        futures::future::join_all(posts).await;
    }
    for cluster in &clusters {
        eventually("it has all bodies", async || {
            (0..POSTS).all(|number| body_of(cluster, number).is_some())
        })
        .await;
    }
    // Posted side by side, they have any order in the log.
    let mut by_index: Vec<_> = (0..POSTS)
        .filter_map(|number| Some((body_of(&clusters[0], number)?, number)))
        .collect();
    by_index.sort_by_key(|(at, _)| at.index);
    let [(one, first), (two, second), (three, third)] = by_index[..3] else {
        panic!("{by_index:?}");
    };
    for cluster in clusters {
        eventually("its log is purged", async || {
            let groups = cluster.status().groups;
            let purged = groups.iter().find(|group| group.group == GROUP.0);
            purged.is_some_and(|group| group.purged > three.index)
        })
        .await;
        stop(cluster).await;
    }
    damage(paths[2], first);
    for path in &paths[1..] {
        damage(path, second);
    }
    for path in &paths {
        damage(path, third);
    }

    let cluster = start(&dirs, &addresses, 2).await;
    let other = start(&dirs, &addresses, 1).await;
    eventually("two of three agree", async || {
        cluster.ready() && other.ready()
    })
    .await;
    cluster.linearize(GROUP).await.expect("a leader");
    other.linearize(GROUP).await.expect("a leader");
    let told = cluster
        .payload(GROUP, &one)
        .expect_err("it is damaged here");
    assert!(told.is_damage(), "{told}");
    assert_eq!(cluster.body(GROUP, one).await, Body::Here(noise(first)));
    let kept = cluster.payload(GROUP, &one).expect("mended");
    assert_eq!(kept, Some(noise(first)));
    let status = cluster.status().bodies;
    assert_eq!((status.fetched, status.damaged, status.missing), (1, 1, 0));

    for at in [two, three] {
        let away = cluster.body(GROUP, at).await;
        assert!(
            matches!(away, Body::Away { .. }),
            "{away:?}: one did not say"
        );
    }
    assert_eq!(cluster.status().bodies.missing, 2);

    let last = start(&dirs, &addresses, 0).await;
    eventually("the last one has what it alone has", async || {
        cluster.body(GROUP, two).await == Body::Here(noise(second))
    })
    .await;
    eventually("nobody has the third", async || {
        cluster.body(GROUP, three).await == Body::Lost
    })
    .await;
    let status = cluster.status().bodies;
    assert_eq!((status.fetched, status.lost, status.missing), (2, 1, 0));
    for cluster in [cluster, other, last] {
        stop(cluster).await;
    }
}
