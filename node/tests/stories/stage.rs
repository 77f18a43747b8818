//! Where stories are told: one node that is its own cluster, or several that are one, each on a disk that goes with it.

use node::{config::Config, gateway::Gateway, script::Program, world};
use raft::{Cluster, Environment};
use std::{
    net::{SocketAddr, TcpListener},
    sync::Arc,
    time::Duration,
};
use tempfile::TempDir;
use tokio::runtime::Runtime;

pub(crate) struct Stage {
    pub(crate) gateway: Arc<Gateway>,
    runtime: Option<Runtime>,
    _data: TempDir,
}

impl Stage {
    /// Starts the node and waits until it leads all its groups, two partitions among them.
    pub(crate) async fn set(config: Config) -> Self {
        let [peer] = addresses();
        let stage = Self::begin(config, peer, vec![peer.to_string()]).await;
        let cluster = &stage.gateway.cluster;
        let leads_all = || cluster.groups().all(|group| cluster.leads(group).is_some());
        while !(cluster.ready() && leads_all()) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        stage
    }

    /// Starts three nodes of one cluster, and waits until all are ready.
    pub(crate) async fn set_three(config: impl Fn() -> Config) -> [Self; 3] {
        let peers: [SocketAddr; 3] = addresses();
        let nodes: Vec<_> = peers.iter().map(ToString::to_string).collect();
        let starting = |peer| Self::begin(config(), peer, nodes.clone());
        let [one, two, three] = peers;
        let (one, two, three) =
            futures::future::join3(starting(one), starting(two), starting(three)).await;
        let stages = [one, two, three];
        while !stages.iter().all(|stage| stage.gateway.cluster.ready()) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        stages
    }

    async fn begin(config: Config, peer: SocketAddr, nodes: Vec<String>) -> Self {
        let data = tempfile::tempdir().expect("a directory");
        let runtime = Runtime::new().expect("threads");
        let mut told = raft::Config::new(data.path().into(), "stories".into(), vec![7; 32], peer);
        told.partitions = 2;
        told.nodes = nodes;
        // Some stories begin hours ago.
        told.max_clock_skew_ms = 24 * 3_600_000;
        let environment = Environment {
            clock: world::clock().clone(),
            entropy: Arc::new(world::entropy),
        };
        let cluster = runtime
            .spawn(Cluster::start(told, environment))
            .await
            .expect("no panic")
            .expect("a cluster");
        let engine = Program::at(env!("CARGO_BIN_EXE_tidegate").into());
        let gateway = Gateway::new(cluster, config, engine).expect("metrics and threads");
        Self {
            gateway: Arc::new(gateway),
            runtime: Some(runtime),
            _data: data,
        }
    }

    /// Runs something beside the story, on the cluster's threads.
    pub(crate) fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) {
        if let Some(runtime) = &self.runtime {
            runtime.spawn(work);
        }
    }

    /// Ends the cluster. Its disk goes with the stage, behind whatever the story still holds of the node.
    pub(crate) async fn clear(&mut self) {
        let cluster = self.gateway.cluster.clone();
        if let Some(runtime) = self.runtime.take() {
            let leaving = runtime.spawn(async move { cluster.shutdown().await });
            leaving.await.expect("no panic");
            runtime.shutdown_background();
        }
    }
}

/// Addresses that were free a moment ago.
fn addresses<const COUNT: usize>() -> [SocketAddr; COUNT] {
    let bound = [(); COUNT].map(|()| TcpListener::bind("127.0.0.1:0").expect("a port"));
    bound.map(|listener| listener.local_addr().expect("bound"))
}

/// Returns once a node has been told of this version of the catalog.
pub(crate) async fn pushed(gateway: &Gateway, version: u64) {
    let there = async || (gateway.catalog().version >= version).then_some(());
    eventually(Duration::from_secs(20), "a version of the catalog", there).await;
}

/// Asks again and again until there is something.
///
/// # Panics
/// When there is nothing within the time.
pub(crate) async fn eventually<T>(
    within: Duration,
    what: &str,
    found: impl AsyncFn() -> Option<T>,
) -> T {
    let waiting = async {
        loop {
            if let Some(found) = found().await {
                return found;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let waited = tokio::time::timeout(within, waiting).await;
    waited.unwrap_or_else(|_| panic!("{what} never came"))
}

impl Drop for Stage {
    fn drop(&mut self) {
        // A runtime that is dropped among futures would wait for its threads, which is not allowed there.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}
