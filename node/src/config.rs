//! A node's configuration: one structure whose doc comments are the manual. `docs/node.toml` is generated from it.

mod load;
mod manual;
mod networks;
mod ports;
mod validate;

#[cfg(test)]
pub(crate) use load::load;
pub(crate) use load::load_file;
pub(crate) use manual::sample;
pub(crate) use validate::problems;

use ipnet::IpNet;
use manual::{Entry, Section, section};
use model::{
    catalog::Secret,
    policy::{egress::Reach, ports::Ports},
};
use serde::{Deserialize, Serialize};
use std::{net::SocketAddr, ops::RangeInclusive, path::PathBuf, time::Duration};

const AT_LEAST_ONE: RangeInclusive<u64> = 1..=u64::MAX;
/// As many as keep an idle node idle.
const PARTITIONS: RangeInclusive<u64> = 1..=64;
/// Less is what a busy machine takes to answer; more would shift what is due by more than a minute.
const CLOCK_SKEW_MS: RangeInclusive<u64> = 500..=60_000;
/// A batch's bodies are counted by 16 bits.
const BATCH: RangeInclusive<u64> = 1..=60_000;
/// Less than this holds no engine; more no machine.
const SCRIPT_MEMORY: RangeInclusive<u64> = 1024 * 1024..=1024 * 1024 * 1024;
/// Logs are stored with each execution.
const LOG_LINES: RangeInclusive<u64> = 1..=10_000;
const LOG_BYTES: RangeInclusive<u64> = 1..=1024 * 1024;
/// What a page does is one command, and every node applies it in one go.
const PAGE: RangeInclusive<u64> = 1..=1_000;
/// The copy is part of a proposal and of every snapshot of the control group.
const BOOKMARK: RangeInclusive<u64> = 1..=16 * 1024 * 1024;

section! {
    /// One node.
    Config {
        /// Where the node keeps everything. Never copy it, and never share it between nodes.
        data_dir: PathBuf = "/var/lib/tidegate".into(),
        /// How long requests and attempts in flight may take to end when the node is told to stop.
        shutdown_grace_ms: u64 = 20_000,
        /// The public side: where senders post.
        ingest: Ingest = Ingest::default(),
        /// The private side: admin API and metrics.
        admin: Admin = Admin::default(),
        /// Node to node.
        peer: Peer = Peer::default(),
        /// Which cluster, and who is in it.
        cluster: Cluster = Cluster::default(),
        /// How events reach their destinations.
        delivery: Delivery = Delivery::default(),
        /// Transformations' scripts. Each runs in a process beside the node, with nothing but the request and its environment.
        script: Script = Script::default(),
        /// Transformations.
        transform: Transform = Transform::default(),
        /// What becomes an issue of failures, and how it is told.
        issues: Issues = Issues::default(),
        /// Retries and cancellations of many things at once, and bookmarks.
        replay: Replay = Replay::default(),
        /// How a node looks after what it stores.
        store: Store = Store::default(),
        /// How long things are kept. The stricter of both bounds holds; what has not been delivered yet stays.
        retention: Retention = Retention::default(),
        /// What the node says on standard error. `RUST_LOG` goes before `filter`.
        log: Log = Log::default(),
    }
}

section! {
    /// The public side.
    Ingest {
        /// Address and port for senders and load balancers.
        listen: SocketAddr = ([0, 0, 0, 0], 8080).into(),
        /// What senders see: the start of every source's URL, as `https://events.example.com`. Empty: `listen` itself, or
        /// its port at the host of `peer.advertise` where that is every address of this machine.
        public_url: String = String::new(),
        /// Bearer tokens of programs of the operator's own that publish (POST /v1/publish), each at least 16 bytes. Without
        /// one nobody can: the admin token does not open this side.
        publish_tokens: Vec<Secret> = Vec::new(),
        /// Networks of load balancers, as `10.1.0.0/16`, whose `X-Forwarded-For` is believed: shares are then those of the
        /// addresses that it names. Connections are counted by whom they come from all the same.
        #[serde(with = "networks")]
        trusted_proxies: Vec<IpNet> = Vec::new(),
        /// Threads that serve senders. 0: one a core, and one where there are no more than two.
        workers: usize = 0,
        /// Connections open at once. Beyond them a new one takes the place of an idle one of the address that has the most,
        /// and is closed with 503 where its own address is that one.
        max_connections: usize = 10_000 => AT_LEAST_ONE,
        /// The head of a request must be there within this.
        head_timeout_ms: u64 = 5_000 => AT_LEAST_ONE,
        /// How long an idle connection stays open.
        keep_alive_ms: u64 = 75_000,
        /// A request's target, path and query together. More is answered 414.
        max_uri_bytes: usize = 8 * 1024,
        /// A request's headers together. More is answered 431; so are more than 96 of them.
        max_head_bytes: usize = 32 * 1024,
        /// A request's body. More is answered 413.
        max_body_bytes: usize = 10 * 1024 * 1024 => 1..=32 * 1024 * 1024,
        /// The whole body must be there within this.
        body_timeout_ms: u64 = 15_000 => AT_LEAST_ONE,
        /// A body may be slow for this long before its rate counts.
        body_grace_ms: u64 = 3_000,
        /// Slower bodies are cut off with 408.
        body_min_rate_bytes_per_s: u64 = 1_024,
        /// Requests that are read or wait for their commit, from the first byte of their bodies on. Further ones are answered
        /// 429. One address (an IPv6 /64) may have four times what is left to others, one source eight times.
        max_in_flight_requests: usize = 4_096 => AT_LEAST_ONE,
        /// The bodies of those requests together, shared in the same way. Further ones are answered 429.
        max_in_flight_bytes: usize = 128 * 1024 * 1024,
        /// A request must be committed within this, or it is answered 503: its outcome is then unknown.
        accept_timeout_ms: u64 = 10_000 => AT_LEAST_ONE,
        /// Requests in one proposal.
        max_batch_requests: usize = 512 => BATCH,
        /// Their bodies together; a larger body goes alone.
        max_batch_bytes: usize = 1024 * 1024,
        /// Proposals under way at once, at most: how many within that follows from how far away the other nodes are and
        /// how long a proposal takes. Not counted are those for partitions that are led elsewhere, or by nobody, and must
        /// take requests of theirs.
        max_batches_in_flight: usize = 32 => AT_LEAST_ONE,
        /// How long a busy node waits for more requests before it proposes, at most: how long within that follows from how
        /// busy it is. A quiet one never waits.
        max_linger_us: u64 = 10_000,
        /// Ignored events that are kept for each request; further connections that did not take it are only counted.
        ignored_kept_per_request: usize = 100 => 0..=1_000,
        /// Rejected requests that are kept for each source; older ones make room.
        rejected_kept_per_source: u32 = 1_000,
        /// Rejected requests that are stored for each source and second; further ones are only counted.
        rejected_per_second_per_source: u32 = 10,
        /// Bytes that a source's secret needs at least. Only for senders that give out shorter ones.
        min_secret_bytes: usize = 16,
        /// Bodies of rejected requests are kept up to this size.
        rejected_max_body_bytes: usize = 64 * 1024,
    }
}

section! {
    /// The private side.
    Admin {
        /// Address and port of the admin API.
        listen: SocketAddr = ([127, 0, 0, 1], 8081).into(),
        /// The bearer token of the admin API, at least 16 bytes; or TIDEGATE_ADMIN_TOKEN. Without one the node refuses to start.
        token: Secret = Secret::new(String::new()),
        /// Connections open at once, shared as in `ingest.max_connections`.
        max_connections: usize = 2_000 => AT_LEAST_ONE,
        /// Wrong tokens that one address (an IPv6 /64) may offer, here and to publish; four seconds' worth at once. Further
        /// ones are answered 429 without a look.
        wrong_tokens_per_second: u32 = 5 => AT_LEAST_ONE,
    }
}

section! {
    /// Node to node.
    Peer {
        /// Address and port for the other nodes.
        listen: SocketAddr = ([127, 0, 0, 1], 8082).into(),
        /// How the others reach this node, as it stands in `cluster.nodes`. Empty: the address it listens on.
        advertise: String = String::new(),
        /// Encrypts what nodes say to one another, with TLS 1.3; the same on each node. There are no certificates to
        /// make: `cluster.secret` proves who is who. Without it, `serve` demands `--insecure-peer` unless `listen` is a
        /// loopback address.
        tls: bool = true,
    }
}

section! {
    /// The cluster.
    Cluster {
        /// Nodes of clusters of other names are refused.
        name: String = "tidegate".into(),
        /// What all nodes share, at least 32 bytes; or TIDEGATE_CLUSTER_SECRET.
        secret: Secret = Secret::new(String::new()),
        /// Accepted from the other nodes too, while the secret is changed node by node; empty: none.
        other_secret: Secret = Secret::new(String::new()),
        /// The peer addresses of the nodes that form the cluster, this one among them; the same on each. With an empty
        /// list and no `join` a node waits until an admin adds it: POST /cluster/nodes.
        nodes: Vec<String> = vec!["127.0.0.1:8082".into()],
        /// Instead of `nodes`: peer addresses of a standing cluster that this node joins.
        join: Vec<String> = Vec::new(),
        /// Raft groups that share the traffic. Fixed when the cluster is formed.
        partitions: u16 = 6 => PARTITIONS,
        /// Threads for consensus and storage. 0: one a core but at most four, and one where there are no more than two.
        threads: usize = 0,
        /// How often a leader is heard.
        heartbeat_ms: u64 = 300,
        /// A silent leader is replaced after a time between this …
        election_min_ms: u64 = 1_500,
        /// … and this.
        election_max_ms: u64 = 3_000,
        /// Log entries of a group after which its state is snapshotted and the log behind it goes.
        snapshot_log_rows: u64 = 20_000,
        /// Log entries kept behind a snapshot, so that a node that was briefly away catches up from the log.
        log_rows_kept: u64 = 5_000,
        /// How far a node's time may be from the others'. One that is further off is not ready, proposes nothing and leads
        /// nothing until its clock is right; proposals with such a time in them are refused.
        max_clock_skew_ms: u64 = 2_000 => CLOCK_SKEW_MS,
    }
}

section! {
    /// Delivery.
    Delivery {
        /// Private networks that destinations may lie in, as `10.1.0.0/16`. Every other address that is not global is refused.
        #[serde(with = "networks")]
        allow_private_networks: Vec<IpNet> = Vec::new(),
        /// Ports that destinations may listen on, one by one or as ranges.
        #[serde(with = "ports")]
        allow_ports: Ports = Ports::default(),
        /// Whether destinations may be reached over http without TLS. Those in `allow_private_networks` always may.
        allow_http: bool = false,
        /// Attempts that one destination may have in flight on one node.
        window: u16 = 16 => AT_LEAST_ONE,
        /// A destination must have answered within this, unless it has a timeout of its own.
        timeout_ms: u64 = 60_000 => 1..=120_000,
        /// Attempts in flight on this node together.
        max_attempts_in_flight: usize = 1_024 => AT_LEAST_ONE,
        /// The bodies of those attempts together, with the copies that are made of them. An attempt whose body has no room
        /// waits; one destination alone may take a quarter. At least four times `ingest.max_body_bytes`.
        max_in_flight_bytes: usize = 256 * 1024 * 1024,
        /// Threads that deliver. 0: one a core, and one where there are no more than two.
        arbiters: usize = 0,
    }
}

section! {
    /// Scripts.
    Script {
        /// Scripts that run at once, each in a process of its own, which starts when it is needed. 0: one a core and one
        /// more. One connection never takes them all, and slow ones together no more than half.
        threads: usize = 0 => 0..=64,
        /// Scripts that wait for their turn. Further ones wait with their event, which is attempted a little later.
        queue: usize = 256 => AT_LEAST_ONE,
        /// A script must have ended within this.
        timeout_ms: u64 = 1_000 => 1..=60_000,
        /// What a script may hold in memory at once. A structured body takes about ten times its size.
        max_memory_bytes: usize = 64 * 1024 * 1024 => SCRIPT_MEMORY,
        /// How deep its calls, and the bodies that it reads and returns, may be nested.
        max_stack_bytes: usize = 1024 * 1024 => 64 * 1024..=4 * 1024 * 1024,
        /// A transformation's code.
        max_code_bytes: usize = 1024 * 1024 => 1..=5 * 1024 * 1024,
        /// Lines that are kept of what one run writes to the console.
        max_log_lines: usize = 100 => LOG_LINES,
        /// Those lines together.
        max_log_bytes: usize = 32 * 1024 => LOG_BYTES,
        /// Scripts run even where the system does not confine their processes (seccomp, resource limits, no new
        /// privileges). Without this they wait there, and the log says what is missing. Landlock is used where the kernel
        /// has it.
        allow_unconfined: bool = false,
    }
}

section! {
    /// Transformations.
    Transform {
        /// Versions of a transformation that are kept. An older one stays for as long as an event may still need it for a
        /// retry; beyond 1000 nothing more is saved.
        versions_kept: usize = 100 => AT_LEAST_ONE,
    }
}

section! {
    /// Issues.
    Issues {
        /// How often a node reports what has gone wrong in the partitions that it leads.
        report_every_ms: u64 = 1_000 => AT_LEAST_ONE,
        /// Reports in one proposal; further ones go with the next.
        max_reports: usize = 256 => AT_LEAST_ONE,
        /// How often a node looks for what waits too long and for what is over.
        sweep_every_ms: u64 = 10_000 => AT_LEAST_ONE,
        /// An issue of a delivery or a transformation is resolved by itself when it has gone well since and has not come
        /// again for this long.
        quiet_ms: u64 = 60_000,
        /// Issues that are kept; those that were settled longest ago make room.
        kept: u32 = 10_000,
        /// Issues of a type that are not settled. Further ones are not opened.
        open_per_type: u32 = 1_000 => AT_LEAST_ONE,
        /// Events or requests that an issue names, the newest ones.
        samples: u16 = 10 => AT_LEAST_ONE,
        /// Notifications that wait; the oldest make room.
        max_notifications: u32 = 1_000 => AT_LEAST_ONE,
        /// Notifications that are sent at once.
        notifications_in_flight: usize = 8 => AT_LEAST_ONE,
    }
}

section! {
    /// Replay.
    Replay {
        /// Bulk operations in progress at once. Further ones are refused.
        max_in_progress: u16 = 8 => AT_LEAST_ONE,
        /// Bulk operations that are kept; the oldest that has ended makes room.
        max_kept: u16 = 200 => AT_LEAST_ONE,
        /// Events, requests or ignored events that a partition works off in one commit.
        batch: usize = 250 => PAGE,
        /// Rows that a plan looks at. Of more it says that they are too many to be counted.
        max_counted_rows: usize = 2_000_000,
        /// Bookmarks that there may be.
        max_bookmarks: u32 = 1_000 => AT_LEAST_ONE,
        /// A bookmark's copy of a request, headers and body together.
        max_bookmark_bytes: usize = 1024 * 1024 => BOOKMARK,
    }
}

section! {
    /// The store.
    Store {
        /// What is read of the state before the node takes part, so that damage is a reason not to: the queues and the
        /// catalog first.
        first_look_bytes: u64 = 256 * 1024 * 1024,
        /// How fast the whole store is read again and again, bodies too, for damage that nothing else meets. 0: not at all.
        scrub_bytes_per_s: u64 = 2 * 1024 * 1024,
        /// One round of that takes this long at least.
        scrub_every_ms: u64 = 3_600_000,
    }
}

section! {
    /// Retention.
    Retention {
        /// Requests, events and attempts older than this go.
        max_age_hours: u64 = 168 => AT_LEAST_ONE,
        /// The data directory of a node; the oldest hour goes when it is larger.
        max_bytes: u64 = 50 * 1024 * 1024 * 1024 => AT_LEAST_ONE,
        /// How often each partition looks whether something may go.
        every_ms: u64 = 60_000 => AT_LEAST_ONE,
        /// A node that starts more than an hour away from the time that it last kept was off for long, or has a wrong clock;
        /// so it is when the time of the cluster was set while it ran. By the new time nothing is too old until it has stood
        /// for so long. 0 believes every time at once.
        doubt_hours: u64 = 24,
    }
}

section! {
    /// Logs.
    Log {
        /// `text` or `json`.
        format: LogFormat = LogFormat::Text,
        /// What is said, in the syntax of tracing's `EnvFilter`.
        filter: String = "info,openraft=warn".into(),
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    Text,
    Json,
}

impl Peer {
    /// Whether nobody on a network can read what nodes say.
    pub(crate) fn is_private(&self) -> bool {
        self.tls || self.listen.ip().is_loopback()
    }
}

impl Delivery {
    /// The egress policy: where deliveries may go.
    pub(crate) fn reach(&self) -> Reach {
        Reach {
            allowed: self.allow_private_networks.clone(),
            ports: self.allow_ports.clone(),
            allow_http: self.allow_http,
        }
    }
}

impl Config {
    pub(crate) fn shutdown_grace(&self) -> Duration {
        Duration::from_millis(self.shutdown_grace_ms)
    }

    /// The advertised address, by which the other nodes reach this one.
    pub(crate) fn advertise(&self) -> String {
        if self.peer.advertise.is_empty() {
            self.peer.listen.to_string()
        } else {
            self.peer.advertise.clone()
        }
    }

    /// The admin API as other nodes may name it to an operator.
    pub(crate) fn admin_url(&self) -> String {
        self.url_of(self.admin.listen)
    }

    /// Gives what was left to be derived.
    fn derived(mut self) -> Self {
        if self.ingest.public_url.is_empty() {
            self.ingest.public_url = self.url_of(self.ingest.listen);
        }
        self
    }

    /// Where a listener is found. One on all addresses is at none of its own name: then the name is the one by which the
    /// other nodes reach this one.
    fn url_of(&self, listen: SocketAddr) -> String {
        let peer = self.advertise();
        match peer.rsplit_once(':') {
            Some((host, _)) if listen.ip().is_unspecified() => {
                format!("http://{host}:{}", listen.port())
            }
            _ => format!("http://{listen}"),
        }
    }
}

impl Script {
    /// Scripts that run at once.
    pub(crate) fn threads(&self) -> usize {
        match self.threads {
            0 => std::thread::available_parallelism().map_or(1, usize::from) + 1,
            threads => threads,
        }
    }
}

/// A number of threads: as configured, or by the machine. Two cores are too few to give each part its own pair.
pub(crate) fn threads(configured: usize, most: usize) -> usize {
    if configured > 0 {
        return configured;
    }
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    if cores <= 2 { 1 } else { cores.min(most) }
}
