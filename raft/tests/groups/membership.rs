//! Clusters in one process: forming, agreeing, losing a node, joining, leaving, being refused.

use crate::support::{
    self, addresses, change, config, environment, eventually, nothing, start_all, version,
};
use futures::future::FutureExt;
use model::ids::GroupId;
use raft::{ChangeError, Cluster, StartError};
use std::{sync::Arc, time::Duration};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

fn directories(count: usize) -> Vec<TempDir> {
    (0..count)
        .map(|_| TempDir::new().expect("a temporary directory"))
        .collect()
}

fn paths(dirs: &[TempDir]) -> Vec<&std::path::Path> {
    dirs.iter().map(TempDir::path).collect()
}

/// A node without peers to form with or to join.
fn waiting(dir: &TempDir, addresses: &[std::net::SocketAddr], position: usize) -> raft::Config {
    let mut config = config(dir.path(), addresses, position);
    config.nodes = Vec::new();
    config
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_node_forms_a_cluster_and_remembers_after_a_restart() {
    let dirs = directories(1);
    let addresses = addresses(1);
    let group = GroupId(1);
    let cluster = start_all(&paths(&dirs), &addresses).await.remove(0);
    cluster.propose(group, change(0)).await.expect("accepted");
    assert_eq!(version(&cluster, group), 1);
    cluster.shutdown().await;
    drop(cluster);

    let cluster = start_all(&paths(&dirs), &addresses).await.remove(0);
    cluster.linearize(group).await.expect("a leader");
    assert_eq!(version(&cluster, group), 1);
    cluster.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_nodes_agree_and_go_on_without_one() {
    let dirs = directories(3);
    let addresses = addresses(3);
    let mut clusters = start_all(&paths(&dirs), &addresses).await;

    // Whoever is asked, the change is made once and seen everywhere.
    for (seen, cluster) in clusters.iter().enumerate() {
        let reply = cluster.propose(GroupId::CONTROL, change(seen as u64)).await;
        reply.expect("accepted at any node");
    }
    for cluster in &clusters {
        cluster.linearize(GroupId::CONTROL).await.expect("a leader");
        assert_eq!(version(cluster, GroupId::CONTROL), 3);
    }
    // Each group has exactly one node that may act for it.
    for group in clusters[0].groups() {
        eventually("one owner", async || {
            clusters.iter().filter(|c| c.leads(group).is_some()).count() == 1
        })
        .await;
    }

    let gone = clusters.remove(0);
    gone.shutdown().await;
    drop(gone);
    for group in clusters[0].groups() {
        eventually("goes on with two of three", async || {
            clusters[1].propose(group, nothing()).await.is_ok()
        })
        .await;
    }
    for cluster in &clusters {
        cluster.shutdown().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_answers_what_another_one_asks() {
    const LIMIT: Duration = Duration::from_secs(5);
    let dirs = directories(2);
    let clusters = start_all(&paths(&dirs), &addresses(2)).await;
    let other = clusters[1].node_id();
    let ask = |question: &'static str| clusters[0].ask(other, question.into(), LIMIT);
    assert!(ask("early").await.is_err(), "nobody answers yet");
    clusters[1].answer_with(Arc::new(|question| {
        async move { (question != "secret").then(|| [b"to ", question.as_ref()].concat().into()) }.boxed()
    }));
    assert_eq!(ask("late").await.expect("an answer"), "to late");
    assert!(ask("secret").await.is_err(), "there is no answer");
    assert!(clusters[0].ask(99, "anyone".into(), LIMIT).await.is_err());
    for cluster in &clusters {
        assert_eq!(cluster.members().len(), 2);
        assert!(cluster.leader(GroupId(1)).is_some());
        cluster.shutdown().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_emptied_node_is_refused_under_its_old_id() {
    let dirs = directories(3);
    let addresses = addresses(3);
    let mut clusters = start_all(&paths(&dirs), &addresses).await;
    let gone = clusters.remove(2);
    gone.shutdown().await;
    drop(gone);

    let empty = TempDir::new().expect("a temporary directory");
    let again = Cluster::start(config(empty.path(), &addresses, 2), environment()).await;
    assert!(matches!(
        again,
        Err(StartError::NotTheSameNode { node: 3, .. })
    ));
    for cluster in &clusters {
        cluster.shutdown().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_joins_and_another_leaves_and_nothing_is_lost() {
    let dirs = directories(4);
    let addresses = addresses(4);
    let clusters = start_all(&paths(&dirs[..3]), &addresses[..3]).await;
    clusters[0]
        .propose(GroupId(1), change(0))
        .await
        .expect("accepted");

    let mut joining = waiting(&dirs[3], &addresses, 3);
    joining.join = vec![addresses[1].to_string()];
    let fourth = Cluster::start(joining, environment())
        .await
        .expect("admitted");
    assert!(fourth.node_id() > 3, "an id that was never used");
    let id = fourth.node_id();
    eventually("votes in every group", async || {
        let status = fourth.status();
        status.groups.iter().all(|group| group.voters.contains(&id))
    })
    .await;
    fourth.linearize(GroupId(1)).await.expect("a leader");
    assert_eq!(version(&fourth, GroupId(1)), 1);

    fourth.remove_node(1).await.expect("removed");
    for group in fourth.groups() {
        let voters = fourth.status().groups[usize::from(group.0)].voters.clone();
        assert!(!voters.contains(&1), "{group}: {voters:?}");
        eventually("goes on", async || {
            fourth.propose(group, nothing()).await.is_ok()
        })
        .await;
    }
    for cluster in clusters.iter().chain([&fourth]) {
        cluster.shutdown().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_waiting_node_is_added_by_its_address_and_removed_for_good() {
    let dirs = directories(2);
    let addresses = addresses(2);
    let first = start_all(&paths(&dirs[..1]), &addresses[..1])
        .await
        .remove(0);
    let there = addresses[1].to_string();
    let nobody = first.add_node(&there).await;
    assert!(
        matches!(nobody, Err(ChangeError::NotInvited { .. })),
        "{nobody:?}"
    );

    let waiting_config = waiting(&dirs[1], &addresses, 1);
    let starting = tokio::spawn(Cluster::start(waiting_config.clone(), environment()));
    let mut added = first.add_node(&there).await;
    while matches!(added, Err(ChangeError::NotInvited { .. })) {
        // It does not listen yet.
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        added = first.add_node(&there).await;
    }
    let id = added.expect("added");
    assert_eq!(first.add_node(&there).await.expect("a member"), id);
    let second = starting.await.expect("no panic").expect("joined");
    assert_eq!(second.node_id(), id);
    eventually("votes in every group", async || {
        let status = second.status();
        status.groups.iter().all(|group| group.voters.contains(&id))
    })
    .await;

    eventually("removed", async || first.remove_node(id).await.is_ok()).await;
    second.shutdown().await;
    drop(second);
    first.shutdown().await;
    drop(first);
    // Nobody who saw it leave is left, but what they saw is on disk.
    let first = start_all(&paths(&dirs[..1]), &addresses[..1])
        .await
        .remove(0);
    let mut back = waiting_config;
    back.join = vec![addresses[0].to_string()];
    let back = Cluster::start(back, environment()).await.expect("it tries");
    tokio::time::sleep(std::time::Duration::from_secs(7)).await;
    let voters = first.status().groups[0].voters.clone();
    assert_eq!(voters, [first.node_id()], "a removed id never comes back");
    back.shutdown().await;
    first.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_secret_is_rolled_through_a_cluster_that_goes_on() {
    let next = b"the next secret of thirty-two bytes".to_vec();
    let old = support::SECRET.to_vec();
    let dirs = directories(3);
    let addresses = addresses(3);
    let mut clusters = start_all(&paths(&dirs), &addresses).await;
    let mut seen = 0;
    // First each node takes both and proves the old one, then the new one, then there is only that.
    for (secret, other) in [
        (&old, Some(next.clone())),
        (&next, Some(old.clone())),
        (&next, None),
    ] {
        for (position, dir) in dirs.iter().enumerate() {
            let stopped = clusters.remove(0);
            stopped.shutdown().await;
            drop(stopped);
            let mut config = config(dir.path(), &addresses, position);
            config.secret.clone_from(secret);
            config.other_secret.clone_from(&other);
            let back = Cluster::start(config, environment()).await.expect("back");
            eventually("up to date", async || {
                back.linearize(GroupId(1)).await.is_ok()
            })
            .await;
            clusters.push(back);
            let mut made = false;
            eventually("the cluster goes on", async || {
                made |= clusters[0].propose(GroupId(1), change(seen)).await.is_ok();
                made
            })
            .await;
            seen += 1;
        }
    }
    for cluster in &clusters {
        cluster.linearize(GroupId(1)).await.expect("a leader");
        assert_eq!(version(cluster, GroupId(1)), seen);
    }
    for cluster in &clusters {
        cluster.shutdown().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nodes_that_disagree_on_who_forms_the_cluster_say_so() {
    let dirs = directories(2);
    let addresses = addresses(2);
    let one = config(dirs[0].path(), &addresses, 0);
    let mut other = config(dirs[1].path(), &addresses, 1);
    other.nodes.push("127.0.0.1:1".into());
    // Whoever sees it first ends, and leaves the other one to wait.
    let ended = tokio::select! {
        ended = Cluster::start(one, environment()) => ended,
        ended = Cluster::start(other, environment()) => ended,
    };
    let Err(StartError::Config(why)) = ended else {
        panic!("it formed a cluster alone");
    };
    assert!(why.contains("cluster.nodes must be the same"), "{why}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_was_away_too_long_comes_back_by_snapshot() {
    comes_back_by_snapshot(|_| {}).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_snapshot_that_is_damaged_where_it_lies_is_built_again_and_harms_nobody() {
    comes_back_by_snapshot(|dir| {
        let chunk = dir.join("snapshots/1/current/chunk-000000");
        let mut bytes = std::fs::read(&chunk).expect("a snapshot");
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        std::fs::write(&chunk, bytes).expect("written");
    })
    .await;
}

/// Harms the directories of those that stayed before the third comes back.
async fn comes_back_by_snapshot(harm: impl Fn(&std::path::Path)) {
    let dirs = directories(3);
    let addresses = addresses(3);
    let start = |position: usize| {
        let mut config = config(dirs[position].path(), &addresses, position);
        // One snapshot while it is away, so that what is harmed is what it would get.
        config.snapshot_log_rows = 150;
        config.log_rows_kept = 10;
        Cluster::start(config, environment())
    };
    let (a, b, c) = tokio::try_join!(start(0), start(1), start(2)).expect("all start");
    for cluster in [&a, &b, &c] {
        eventually("ready", async || cluster.ready()).await;
    }
    c.shutdown().await;
    drop(c);
    let group = GroupId(1);
    eventually("goes on", async || {
        a.propose(group, change(0)).await.is_ok()
    })
    .await;
    for seen in 1..200 {
        a.propose(group, change(seen)).await.expect("accepted");
    }
    eventually("the log behind is purged", async || {
        [&a, &b]
            .iter()
            .all(|cluster| cluster.status().groups[1].purged > 60)
    })
    .await;

    for dir in &dirs[..2] {
        harm(dir.path());
    }
    let c = start(2).await.expect("comes back");
    eventually("caught up", async || {
        version(&c, group) == version(&a, group)
    })
    .await;
    assert!(version(&c, group) >= 200);
    for cluster in [&a, &b, &c] {
        cluster.shutdown().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stranger_is_refused_and_counted() {
    let dirs = directories(1);
    let addresses = addresses(1);
    let cluster = start_all(&paths(&dirs), &addresses).await.remove(0);
    let before = cluster.refused().handshakes;

    // Garbage, then a length that would take gigabytes if it were believed.
    for bytes in [b"GET / HTTP/1.1\r\n\r\n".as_slice(), &[0xff; 64]] {
        let mut stream = tokio::net::TcpStream::connect(addresses[0])
            .await
            .expect("listening");
        stream.write_all(bytes).await.expect("sent");
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer).await;
    }
    eventually("both counted", async || {
        cluster.refused().handshakes >= before + 2
    })
    .await;
    cluster
        .propose(GroupId(1), nothing())
        .await
        .expect("unharmed");
    cluster.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_leader_that_lost_its_majority_may_not_send() {
    let dirs = directories(3);
    let addresses = addresses(3);
    let mut clusters = start_all(&paths(&dirs), &addresses).await;
    let group = GroupId(1);
    eventually("an owner", async || {
        clusters
            .iter()
            .any(|cluster| cluster.leads(group).is_some())
    })
    .await;
    let owner = clusters
        .iter()
        .position(|cluster| cluster.leads(group).is_some())
        .expect("an owner");
    let owner = clusters.remove(owner);
    let term = owner.leads(group).expect("its lease holds").term;
    assert!(owner.may_send(group, term));
    assert!(!owner.may_send(group, term + 1), "only in its own term");

    for other in clusters {
        other.shutdown().await;
    }
    // Nobody tells it: its lease must run out by itself.
    eventually("the fence closes", async || !owner.may_send(group, term)).await;
    assert_eq!(owner.leads(group), None);
    owner.shutdown().await;
}

/// Both sides stay up and believe what they believed; only their words no longer arrive.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cut_off_owner_gives_up_before_its_successor_starts_and_there_is_one_history() {
    let dirs = directories(3);
    let addresses = addresses(3);
    let mut clusters = start_all(&paths(&dirs), &addresses).await;
    let group = GroupId(1);
    let owns = |cluster: &Cluster| cluster.leads(group).is_some();
    eventually("an owner", async || clusters.iter().any(owns)).await;
    let position = clusters.iter().position(owns).expect("an owner");
    let old = clusters.remove(position);
    let block = |blocked: bool| {
        let others = clusters.iter().map(Cluster::node_id);
        old.block_peers(others.filter(|_| blocked).collect());
        for other in &clusters {
            other.block_peers([old.node_id()].into_iter().filter(|_| blocked).collect());
        }
    };
    block(true);

    let started = std::time::Instant::now();
    while !clusters.iter().any(owns) {
        let waited = started.elapsed();
        assert!(waited.as_secs() < 30, "the majority elects nobody");
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    assert!(!owns(&old), "two owners at once");
    let promised = old.propose(group, change(0)).await;
    assert!(promised.is_err(), "a minority can't promise: {promised:?}");
    let promised = clusters[0].propose(group, change(0)).await;
    promised.expect("the majority goes on");

    block(false);
    eventually("one history", async || {
        old.linearize(group).await.is_ok() && version(&old, group) == version(&clusters[0], group)
    })
    .await;
    for cluster in clusters.iter().chain([&old]) {
        cluster.shutdown().await;
    }
}

/// Starts a node on a directory, and expects to be told that it belongs elsewhere.
async fn must_be_misplaced(config: raft::Config, names: &[&str]) {
    let refused = Cluster::start(config, environment()).await;
    let why = match refused.map(drop) {
        Err(why @ StartError::Misplaced { .. }) => why.to_string(),
        other => panic!("{other:?}"),
    };
    assert!(names.iter().all(|name| why.contains(name)), "{why}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_directory_of_another_member_or_of_another_cluster_is_refused_with_both_names() {
    let (dirs, foreign) = (directories(3), directories(1));
    let (addresses, other) = (addresses(3), support::addresses(1));
    for cluster in start_all(&paths(&foreign), &other).await {
        cluster.shutdown().await;
    }
    let mut clusters = start_all(&paths(&dirs), &addresses).await;
    for stopped in clusters.drain(1..) {
        stopped.shutdown().await;
    }
    let names: Vec<String> = addresses.iter().map(ToString::to_string).collect();
    // Swapped, and a copy of one that runs at its own address is the same.
    let swapped = config(dirs[1].path(), &addresses, 2);
    must_be_misplaced(swapped, &[&names[1], &names[2], "node 2", "node 3"]).await;
    let another = config(foreign[0].path(), &addresses, 2);
    must_be_misplaced(another, &["node 1", &other[0].to_string(), &names[2]]).await;
    // Nobody looks for it at an address that no member knows.
    let fresh = support::addresses(1);
    let mut moved = config(dirs[2].path(), &fresh, 0);
    moved.nodes = vec![names[0].clone(), names[1].clone(), fresh[0].to_string()];
    must_be_misplaced(moved, &[&names[2], &fresh[0].to_string()]).await;

    // In its place it is taken, by another name of the same address too.
    let mut renamed = config(dirs[2].path(), &addresses, 2);
    renamed.advertise = format!("localhost:{}", addresses[2].port());
    renamed.nodes[2] = renamed.advertise.clone();
    for config in [renamed, config(dirs[1].path(), &addresses, 1)] {
        clusters.push(Cluster::start(config, environment()).await.expect("taken"));
    }
    for cluster in &clusters {
        eventually("ready", async || cluster.ready()).await;
    }
    for cluster in &clusters {
        cluster.shutdown().await;
    }
}
