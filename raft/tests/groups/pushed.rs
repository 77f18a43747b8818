//! What applied commands tell every node: the changes of the catalog, and that a snapshot took the state's place.

use crate::support::{addresses, change, config, environment, eventually, now, start_all};
use bytes::Bytes;
use model::{
    catalog::{Catalogs, Item, Source},
    ids::{GroupId, SourceId},
    kit,
    machine::{Change, Command, Configure, NodeEffect},
    state::codec,
};
use raft::{Cluster, News};
use std::{collections::BTreeSet, path::Path, time::Duration};
use tempfile::TempDir;
use tokio::{
    sync::broadcast::{Receiver, error::RecvError},
    time::timeout,
};

const CONTROL: GroupId = GroupId::CONTROL;
const PATIENCE: Duration = Duration::from_secs(30);

fn source(seen_version: u64, name: &str) -> Bytes {
    let source = codec::encode_json(&Item::Source(Source {
        name: name.into(),
        ..kit::source()
    }));
    let command = Command::Configure(Configure {
        seen_version,
        changes: vec![Change::Put(&source)],
    });
    command.envelope(now(), &[])
}

fn loaded(cluster: &Cluster) -> Catalogs {
    cluster.pinned(CONTROL, |view| Catalogs::load(view).expect("readable"))
}

/// Takes in what is told until a source has this name. Whether a snapshot came on the way.
async fn follows(
    cluster: &Cluster,
    news: &mut Receiver<News>,
    catalog: &mut Catalogs,
    name: &str,
) -> bool {
    let mut was_replaced = false;
    let following = async {
        while catalog.default_project().source_named(name).is_none() {
            match news.recv().await {
                Ok(News::Applied(CONTROL, effect)) => {
                    if let NodeEffect::CatalogChanged(change) = effect.as_ref() {
                        catalog.fold(change).expect("nothing was missed");
                    }
                }
                Ok(News::Replaced(CONTROL)) | Err(RecvError::Lagged(_)) => {
                    was_replaced = true;
                    *catalog = loaded(cluster);
                }
                Ok(News::Applied(..) | News::Replaced(_)) => {}
                Err(RecvError::Closed) => panic!("the cluster is gone"),
            }
        }
    };
    timeout(PATIENCE, following).await.expect("it is told");
    was_replaced
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_node_is_told_what_changed_whoever_leads() {
    let dirs = [(); 3].map(|()| TempDir::new().expect("a directory"));
    let paths: Vec<&Path> = dirs.iter().map(TempDir::path).collect();
    let clusters = start_all(&paths, &addresses(3)).await;
    let mut listeners: Vec<_> = clusters.iter().map(Cluster::news).collect();
    let mut catalogs: Vec<_> = clusters.iter().map(loaded).collect();
    for (version, name) in (0..).zip(["first", "second", "third"]) {
        let proposed = clusters[version as usize].propose(CONTROL, source(version, name));
        proposed.await.expect("accepted at any node");
        for (cluster, (news, catalog)) in
            clusters.iter().zip(listeners.iter_mut().zip(&mut catalogs))
        {
            let was_replaced = follows(cluster, news, catalog, name).await;
            assert!(!was_replaced, "one change is told as one change");
            assert_eq!(catalog.version, version + 1);
            assert_eq!(catalog.default_project().sources[&SourceId(1)].name, name);
        }
    }
    for cluster in &clusters {
        cluster.shutdown().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_was_cut_off_is_told_of_the_snapshot_and_of_what_came_after() {
    let dirs = [(); 3].map(|()| TempDir::new().expect("a directory"));
    let addresses = addresses(3);
    let start = |position: usize| {
        let mut config = config(dirs[position].path(), &addresses, position);
        config.snapshot_log_rows = 150;
        config.log_rows_kept = 10;
        Cluster::start(config, environment())
    };
    let (a, b, c) = tokio::try_join!(start(0), start(1), start(2)).expect("all start");
    for cluster in [&a, &b, &c] {
        eventually("ready", async || cluster.ready()).await;
    }
    let mut news = c.news();
    let mut catalog = loaded(&c);
    c.block_peers(BTreeSet::from([a.node_id(), b.node_id()]));
    eventually("goes on", async || {
        a.propose(CONTROL, change(0)).await.is_ok()
    })
    .await;
    for seen in 1..200 {
        a.propose(CONTROL, change(seen)).await.expect("accepted");
    }
    a.propose(CONTROL, source(200, "meanwhile"))
        .await
        .expect("accepted");
    eventually("the log behind is purged", async || {
        let purged = |cluster: &Cluster| cluster.status().groups[0].purged > 60;
        purged(&a) && purged(&b)
    })
    .await;
    c.block_peers(BTreeSet::new());
    assert!(follows(&c, &mut news, &mut catalog, "meanwhile").await);
    a.propose(CONTROL, source(201, "afterwards"))
        .await
        .expect("accepted");
    follows(&c, &mut news, &mut catalog, "afterwards").await;
    assert_eq!(catalog.version, 202);
    for cluster in [&a, &b, &c] {
        cluster.shutdown().await;
    }
}
