//! A node that can't be trusted any more leaves: it is not ready, acts for nobody, hands over, and its owner is told why.

use crate::support::{addresses, change, config, environment, eventually};
use model::{
    ids::GroupId,
    state::{
        codec::CodecError,
        kv::{Read, Table},
    },
};
use parking_lot::Mutex;
use raft::Cluster;
use std::sync::Arc;
use tempfile::TempDir;

type Said = Arc<Mutex<Vec<String>>>;

/// Nodes in one process, and what each says when it ends.
async fn start(count: usize) -> (Vec<TempDir>, Vec<Cluster>, Vec<Said>) {
    let addresses = addresses(count);
    let dirs: Vec<_> = (0..count)
        .map(|_| TempDir::new().expect("a temporary directory"))
        .collect();
    let said: Vec<Said> = (0..count).map(|_| Said::default()).collect();
    let starts = (0..count).map(|position| {
        let mut config = config(dirs[position].path(), &addresses, position);
        let heard = said[position].clone();
        config.storage.on_fatal = Arc::new(move |reason| heard.lock().push(reason.to_owned()));
        Cluster::start(config, environment())
    });
    let clusters = futures::future::try_join_all(starts).await;
    let clusters = clusters.expect("all start");
    for cluster in &clusters {
        eventually("ready", async || cluster.ready()).await;
    }
    (dirs, clusters, said)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_group_that_ended_takes_its_node_out_of_service() {
    let _scenario = fail::FailScenario::setup();
    let (_dirs, clusters, said) = start(1).await;
    let cluster = &clusters[0];
    let group = GroupId(1);
    eventually("leads", async || cluster.leads(group).is_some()).await;
    fail::cfg("transaction::before_write", "return").expect("a failpoint");
    assert!(cluster.propose(group, change(0)).await.is_err());
    eventually("told", async || !said[0].lock().is_empty()).await;
    assert!(said[0].lock()[0].starts_with("group 1 ended: "), "{said:?}");
    assert!(!cluster.ready());
    assert!(cluster.led().next().is_none());
    fail::remove("transaction::before_write");
    cluster.shutdown().await;
    assert_eq!(said[0].lock().len(), 1, "said once, and not for a stop");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_with_a_damaged_row_hands_over_what_it_led() {
    let (_dirs, clusters, said) = start(3).await;
    let damaged = &clusters[0];
    eventually("leads something", async || {
        damaged.groups().any(|group| damaged.leads(group).is_some())
    })
    .await;
    let error = CodecError::Empty { what: "event" };
    damaged.view(GroupId(1)).distrust(Table::Events, &error);
    assert!(!damaged.ready());
    assert!(damaged.groups().all(|group| damaged.leads(group).is_none()));
    eventually("told", async || !said[0].lock().is_empty()).await;
    assert!(said[0].lock()[0].contains("table Events"), "{said:?}");
    // Its process would be gone by now; alive, it would be given back what it is preferred for.
    damaged.shutdown().await;
    for group in damaged.groups() {
        eventually("another one leads", async || {
            clusters[1..]
                .iter()
                .any(|other| other.leads(group).is_some())
        })
        .await;
    }
    for cluster in &clusters[1..] {
        cluster.shutdown().await;
    }
    assert!(said[1].lock().is_empty() && said[2].lock().is_empty());
}
