//! The configuration that a cluster is started with.

use std::{net::SocketAddr, path::PathBuf, sync::Arc};

/// The configuration of this node's part in the cluster. It holds the cluster's secret: it is not to be printed.
#[derive(Clone)]
pub struct Config {
    pub data_dir: PathBuf,
    pub cluster_name: String,
    /// Shared by all nodes, at least 32 bytes.
    pub secret: Vec<u8>,
    /// Accepted from peers too, while the secret is changed node by node.
    pub other_secret: Option<Vec<u8>>,
    /// Whether peer connections are wrapped in TLS; the same on all nodes.
    pub encrypt_peers: bool,
    /// Where peers are listened for.
    pub listen: SocketAddr,
    /// The address by which peers reach this node; one of `nodes` when the cluster forms.
    pub advertise: String,
    /// All nodes of a cluster that is to form, in the same order everywhere. Empty when joining.
    pub nodes: Vec<String>,
    /// Nodes of a standing cluster to join. Empty when forming; with `nodes` empty too, the node waits to be added.
    pub join: Vec<String>,
    pub ingest_url: String,
    pub admin_url: String,
    /// Data groups, fixed when the cluster is formed.
    pub partitions: u16,
    pub heartbeat_ms: u64,
    pub election_min_ms: u64,
    /// Also the length of a leader's lease.
    pub election_max_ms: u64,
    /// Log rows of a group after which its state is snapshotted and the log behind purged.
    pub snapshot_log_rows: u64,
    /// Log rows kept behind a snapshot, so that a node that was briefly away catches up from the log.
    pub log_rows_kept: u64,
    /// How far a node's time may be from the others' before it neither proposes nor leads.
    pub max_clock_skew_ms: u64,
    /// For how long a time that does not go on from the one that this node kept must stand before anything is old by it.
    pub doubt_ms: u64,
    pub storage: storage::Options,
}

impl Config {
    /// Timings that fit a small machine with three nodes on it, and a log of some minutes.
    #[must_use]
    pub fn new(
        data_dir: PathBuf,
        cluster_name: String,
        secret: Vec<u8>,
        listen: SocketAddr,
    ) -> Self {
        Self {
            data_dir,
            cluster_name,
            secret,
            other_secret: None,
            encrypt_peers: true,
            listen,
            advertise: listen.to_string(),
            nodes: vec![listen.to_string()],
            join: Vec::new(),
            ingest_url: String::new(),
            admin_url: String::new(),
            partitions: 6,
            heartbeat_ms: 300,
            election_min_ms: 1200,
            election_max_ms: 2400,
            snapshot_log_rows: 20_000,
            log_rows_kept: 5_000,
            max_clock_skew_ms: model::clock::MAX_SKEW_MS,
            doubt_ms: model::clock::DOUBT_MS,
            storage: storage::Options::default(),
        }
    }
}

/// The clock and the dice, given by the node, which alone owns them.
#[derive(Clone)]
pub struct Environment {
    pub clock: Arc<crate::Clock>,
    pub entropy: crate::Entropy,
}
