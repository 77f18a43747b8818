//! The two runtimes of a node, and the order in which its parts start and stop.
//!
//! Consensus and storage live on a multi-threaded tokio runtime of their own, the web and the actors in an actix
//! system: a burst of requests never delays a heartbeat.

use crate::{
    admin, bulk,
    config::{self, Config},
    delivery::Delivery,
    fatal,
    gateway::{Gateway, GatewayError},
    ingest::{self, Door, IngestActor},
    issues::Issues,
    pausing, retention,
    script::Program,
    stop_signal::StopSignal,
    wire::{self, Lines, Settings, Side},
    world,
};
use actix::{Actor, Arbiter};
use actix_web::{
    App,
    dev::{Server, ServerHandle},
    web,
};
use model::door::HeadBounds;
use raft::{Cluster, Environment, StartError};
use std::{
    io,
    net::{SocketAddr, TcpListener},
    sync::Arc,
    time::Duration,
};
use tokio::{
    net::TcpSocket,
    runtime::{Builder, Runtime},
    task::JoinHandle,
};
use tracing::{info, warn};

/// Threads for consensus where the machine has more cores than it needs.
const CLUSTER_THREADS_MAX: usize = 4;
const WORKERS_MAX: usize = 64;
/// Headers of a request; the web's parser takes no more.
const HEADERS_MAX: usize = 96;
/// How long an idle connection to the admin side stays open.
const ADMIN_KEEP_ALIVE: Duration = Duration::from_secs(5);
/// Connections that wait to be accepted; further ones are not answered.
const BACKLOG: u32 = 1024;
/// What blocking calls of the consensus side may still take when all else has ended.
const LAST_GRACE: Duration = Duration::from_secs(2);

#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    #[error("starting the threads of the cluster")]
    Threads(#[source] io::Error),
    #[error("starting the cluster's side")]
    Cluster(#[from] StartError),
    #[error("the cluster's side panicked while it started")]
    Panicked,
    #[error(transparent)]
    Gateway(#[from] GatewayError),
    #[error("listening on {address} for {side}")]
    Listen {
        side: &'static str,
        address: SocketAddr,
        #[source]
        source: io::Error,
    },
    #[error("waiting for signals")]
    Signals(#[source] io::Error),
    #[error("serving")]
    Serve(#[source] io::Error),
}

impl ServeError {
    /// Whether the configuration does not fit the data directory.
    pub(crate) fn is_misplaced(&self) -> bool {
        use StartError::{Misplaced, NotTheSameNode};
        let misplaced =
            |error: &StartError| matches!(error, Misplaced { .. } | NotTheSameNode { .. });
        matches!(self, Self::Cluster(error) if misplaced(error))
    }

    /// Whether the node's own data are why it can't take part.
    pub(crate) fn is_damage(&self) -> bool {
        use storage::OpenError::{Quarantined, Store};
        match self {
            Self::Cluster(StartError::Store(error)) => {
                matches!(error, Quarantined { .. } | Store(_))
            }
            // A row of its own that can't be read, such as its identity.
            Self::Cluster(StartError::Io { source, .. }) => {
                source.kind() == io::ErrorKind::InvalidData
            }
            Self::Cluster(StartError::Untrusted(_)) => true,
            _ => false,
        }
    }
}

/// Runs a node until it is told to stop, by a signal or by `until`.
pub(crate) fn serve(
    config: Config,
    until: impl Future<Output = ()> + 'static,
) -> Result<(), ServeError> {
    let runtime = cluster_runtime(&config)?;
    let outcome = actix::System::new().block_on(node(config, &runtime, until));
    runtime.shutdown_timeout(LAST_GRACE);
    outcome
}

fn cluster_runtime(config: &Config) -> Result<Runtime, ServeError> {
    Builder::new_multi_thread()
        .worker_threads(config::threads(config.cluster.threads, CLUSTER_THREADS_MAX))
        .thread_name("cluster")
        .enable_all()
        .build()
        .map_err(ServeError::Threads)
}

async fn node(
    config: Config,
    runtime: &Runtime,
    until: impl Future<Output = ()> + 'static,
) -> Result<(), ServeError> {
    let mut stop = StopSignal::new().map_err(ServeError::Signals)?;
    // A task of the cluster's runtime: what it spawns must live there and not on the web's threads.
    let starting = runtime.spawn(Cluster::start(cluster_config(&config), environment()));
    tokio::pin!(until);
    let cluster = tokio::select! {
        started = starting => started.map_err(|_| ServeError::Panicked)??,
        () = stop.told() => return Ok(()),
        () = &mut until => return Ok(()),
    };
    let running = Running::start(cluster, config, runtime).await?;
    tokio::select! {
        () = stop.told() => {}
        () = &mut until => {}
    }
    info!("stopping: no new requests, those in flight are finished");
    running.stop(runtime).await
}

/// A server of one side, until it has stopped.
type Serving = JoinHandle<io::Result<()>>;

/// Everything that a started node runs.
struct Running {
    cluster: Cluster,
    gateway: Arc<Gateway>,
    chores: [JoinHandle<()>; 3],
    delivery: Delivery,
    issues: Issues,
    ingest_arbiter: Arbiter,
    ingest: (ServerHandle, Serving),
    admin: (ServerHandle, Serving),
}

impl Running {
    async fn start(
        cluster: Cluster,
        config: Config,
        runtime: &Runtime,
    ) -> Result<Self, ServeError> {
        // Before anything acts: a node that can't be reached must not deliver.
        let ingest_listener = listen("ingest", config.ingest.listen)?;
        let admin_listener = listen("admin", config.admin.listen)?;
        let gateway = Gateway::new(cluster.clone(), config, Program::this())?;
        let gateway = Arc::new(gateway);
        // Nothing acts by a catalog that was never read: known sources would be unknown, and events without a destination.
        gateway.catalog.loaded().await;
        let chores = [
            runtime.spawn(retention::run(gateway.clone())),
            runtime.spawn(pausing::run(gateway.clone())),
            runtime.spawn(bulk::run(gateway.clone())),
        ];
        let delivery = Delivery::start(gateway.clone());
        let issues = Issues::start(&gateway);
        let ingest_arbiter = Arbiter::new();
        let door = door(&gateway, &ingest_arbiter);
        let admin = serve_admin(&gateway, admin_listener)?;
        let ingest = serve_ingest(&gateway, door, ingest_listener)?;
        info!(
            node = cluster.node_id(),
            ingest = %gateway.config.ingest.listen,
            admin = %gateway.config.admin.listen,
            peer = %gateway.config.peer.listen,
            "node started"
        );
        Ok(Self {
            cluster,
            gateway,
            chores,
            delivery,
            issues,
            ingest_arbiter,
            ingest: (ingest.handle(), actix_rt::spawn(ingest)),
            admin: (admin.handle(), actix_rt::spawn(admin)),
        })
    }

    async fn stop(self, runtime: &Runtime) -> Result<(), ServeError> {
        let (ingest, admin) = (self.ingest, self.admin);
        // Ingest ends first: what it acknowledges on its last breath is delivered by whoever leads next.
        ingest.0.stop(true).await;
        for chore in self.chores {
            chore.abort();
        }
        self.issues.stop();
        let grace = self.gateway.config.shutdown_grace();
        self.delivery.stop(grace).await;
        self.gateway.scripts.stop().await;
        // Those who listen here find another node; their lines would hold the admin side up.
        self.gateway.sessions.close();
        // The admin side answers until the end, so that an operator can watch.
        admin.0.stop(true).await;
        self.ingest_arbiter.stop();
        let cluster = self.cluster;
        let leaving = runtime.spawn(async move { cluster.shutdown().await });
        if tokio::time::timeout(grace, leaving).await.is_err() {
            warn!("leadership was not handed over within the grace");
        }
        for (_, server) in [ingest, admin] {
            if let Ok(ended) = server.await {
                ended.map_err(ServeError::Serve)?;
            }
        }
        info!("stopped");
        Ok(())
    }
}

fn cluster_config(config: &Config) -> raft::Config {
    let cluster = &config.cluster;
    let mut told = raft::Config::new(
        config.data_dir.clone(),
        cluster.name.clone(),
        cluster.secret.reveal().as_bytes().to_vec(),
        config.peer.listen,
    );
    let other = cluster.other_secret.reveal();
    told.other_secret = (!other.is_empty()).then(|| other.as_bytes().to_vec());
    told.encrypt_peers = config.peer.tls;
    told.advertise = config.advertise();
    told.join.clone_from(&cluster.join);
    // A node either forms a cluster or joins one.
    told.nodes = if cluster.join.is_empty() {
        cluster.nodes.clone()
    } else {
        Vec::new()
    };
    told.ingest_url.clone_from(&config.ingest.public_url);
    told.admin_url = config.admin_url();
    told.partitions = cluster.partitions;
    told.heartbeat_ms = cluster.heartbeat_ms;
    told.election_min_ms = cluster.election_min_ms;
    told.election_max_ms = cluster.election_max_ms;
    told.snapshot_log_rows = cluster.snapshot_log_rows;
    told.log_rows_kept = cluster.log_rows_kept;
    told.storage.first_look_bytes = config.store.first_look_bytes;
    told.storage.scrub_bytes_per_s = config.store.scrub_bytes_per_s;
    told.storage.scrub_interval = Duration::from_millis(config.store.scrub_every_ms);
    told.storage.on_fatal = fatal::on_damage();
    told.max_clock_skew_ms = cluster.max_clock_skew_ms;
    told.doubt_ms = config.retention.doubt_hours.saturating_mul(3_600_000);
    told
}

fn environment() -> Environment {
    Environment {
        clock: world::clock().clone(),
        entropy: Arc::new(world::entropy),
    }
}

fn door(gateway: &Arc<Gateway>, arbiter: &Arbiter) -> web::Data<Door> {
    let actor_gateway = gateway.clone();
    let actor =
        IngestActor::start_in_arbiter(&arbiter.handle(), move |_| IngestActor::new(actor_gateway));
    web::Data::new(Door::new(gateway.clone(), actor))
}

/// Takes an address. Connections wait there until somebody serves them.
fn listen(side: &'static str, address: SocketAddr) -> Result<TcpListener, ServeError> {
    let listening = || {
        let socket = match address {
            SocketAddr::V4(_) => TcpSocket::new_v4()?,
            SocketAddr::V6(_) => TcpSocket::new_v6()?,
        };
        // A node that was restarted finds connections of its former self still closing.
        socket.set_reuseaddr(true)?;
        socket.bind(address)?;
        socket.listen(BACKLOG)?.into_std()
    };
    listening().map_err(|source| ServeError::Listen {
        side,
        address,
        source,
    })
}

pub fn serve_ingest(
    gateway: &Gateway,
    door: web::Data<Door>,
    listener: TcpListener,
) -> Result<Server, ServeError> {
    let config = &gateway.config.ingest;
    let lines = lines(gateway, Side::Ingest, config.max_connections);
    let settings = Settings {
        workers: config::threads(config.workers, WORKERS_MAX),
        max_connections: config.max_connections,
        keep_alive: Duration::from_millis(config.keep_alive_ms),
        grace: gateway.config.shutdown_grace(),
    };
    wire::serve(listener, &lines, &settings, move || {
        App::new()
            .app_data(door.clone())
            .configure(ingest::configure)
    })
    .map_err(ServeError::Serve)
}

pub fn serve_admin(gateway: &Arc<Gateway>, listener: TcpListener) -> Result<Server, ServeError> {
    let config = &gateway.config.admin;
    let lines = lines(gateway, Side::Admin, config.max_connections);
    let settings = Settings {
        workers: 1,
        max_connections: config.max_connections,
        keep_alive: ADMIN_KEEP_ALIVE,
        grace: gateway.config.shutdown_grace(),
    };
    let data = web::Data::from(gateway.clone());
    wire::serve(listener, &lines, &settings, move || {
        App::new()
            .app_data(data.clone())
            .configure(admin::configure)
    })
    .map_err(ServeError::Serve)
}

/// The connections of one side. A request may name this host as senders or admins know it.
fn lines(gateway: &Gateway, side: Side, most: usize) -> Arc<Lines> {
    let config = &gateway.config;
    let (listen, url) = match side {
        Side::Ingest => (config.ingest.listen, config.ingest.public_url.clone()),
        Side::Admin => (config.admin.listen, config.admin_url()),
    };
    let public = url::Url::parse(&url).ok();
    let public = public.and_then(|url| url.host_str().map(str::to_owned));
    let mut hosts = vec!["localhost".to_owned(), host_of(listen)];
    hosts.extend(public);
    let bounds = HeadBounds {
        target_bytes: config.ingest.max_uri_bytes,
        header_bytes: config.ingest.max_head_bytes,
        headers: HEADERS_MAX,
        hosts,
        websockets: side == Side::Admin,
    };
    let head_timeout = Duration::from_millis(config.ingest.head_timeout_ms);
    Lines::new(side, most, bounds, head_timeout, &gateway.metrics)
}

/// An address as a URL names it.
fn host_of(listen: SocketAddr) -> String {
    match listen {
        SocketAddr::V4(v4) => v4.ip().to_string(),
        SocketAddr::V6(v6) => format!("[{}]", v6.ip()),
    }
}
