//! Real `tidegate serve` processes with their own disks, ports and logs, which can be killed, paused, stopped, wiped
//! and started again.

use crate::{
    admin::{self, Admin},
    clock,
    network::Network,
    settings,
    wall_clock::WallClock,
};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use parking_lot::Mutex;
use serde_json::Value;
use std::{
    collections::{BTreeMap, BTreeSet},
    fs::{self, File},
    net::{IpAddr, SocketAddr, TcpListener},
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    sync::Arc,
    thread,
    time::Duration,
};
use tempfile::TempDir;

pub const TOKEN: &str = "token-of-the-cluster-tests";
const SECRET: &str = "a-secret-of-the-cluster-tests-0123456789abcdef";
/// How much of each node's log a failed test shows.
const LOG_LINES_SHOWN: usize = 60;
const ACCEPTS_WITHIN: Duration = Duration::from_secs(30);
const STOPS_WITHIN: Duration = Duration::from_secs(20);

/// What the nodes of one cluster have in common.
#[derive(Clone, Default)]
pub struct Options {
    /// Keys of `node.toml` as `section.key`, with their values in TOML.
    pub settings: Vec<(&'static str, String)>,
    /// Variables of every node's environment.
    pub environment: Vec<(&'static str, String)>,
    /// Each node in a namespace of its own, instead of all on the loopback address.
    pub network: Option<Arc<Network>>,
    /// The wall clocks that nodes read instead of the machine's, one after the other; the last is that of all others.
    pub wall_clocks: Vec<Arc<WallClock>>,
}

pub struct Node {
    pub name: String,
    pub ingest: SocketAddr,
    pub admin: SocketAddr,
    pub peer: SocketAddr,
    dir: PathBuf,
    environment: Vec<(&'static str, String)>,
    namespace: Option<String>,
    wall_clock: Option<Arc<WallClock>>,
    child: Option<Child>,
    starts: usize,
}

/// A cluster whose processes end with this value. The logs of a failed test are printed and its files are kept.
pub struct Cluster {
    pub nodes: Vec<Node>,
    options: Options,
    dir: Option<TempDir>,
}

/// Ports below the range that the kernel gives to outgoing connections: a node that is down for a moment must find its
/// own still free. Each is given once: nobody listens there yet when the next one is drawn.
fn free_port(address: IpAddr) -> u16 {
    static GIVEN: Mutex<BTreeSet<u16>> = Mutex::new(BTreeSet::new());
    let mut given = GIVEN.lock();
    let free = |port: &u16| {
        address
            .is_loopback()
            .then(|| TcpListener::bind((address, *port)).ok())
            .is_none_or(|l| l.is_some())
    };
    (0..1000)
        .map(|_| fastrand::u16(10_000..30_000))
        .find(|port| free(port) && given.insert(*port))
        .expect("one of a thousand ports is free")
}

impl Node {
    fn new(number: usize, root: &Path, options: &Options) -> Self {
        let loopback = IpAddr::from([127, 0, 0, 1]);
        let network = options.network.as_ref();
        let address = network.map_or(loopback, |network| network.address(number));
        let socket = || SocketAddr::from((address, free_port(address)));
        Self {
            name: format!("node-{}", number + 1),
            ingest: socket(),
            admin: socket(),
            peer: socket(),
            dir: root.join(format!("node-{}", number + 1)),
            environment: options.environment.clone(),
            namespace: network.map(|network| network.namespace(number)),
            wall_clock: {
                let clocks = &options.wall_clocks;
                clocks.get(number).or(clocks.last()).cloned()
            },
            child: None,
            starts: 0,
        }
    }

    /// Where this node keeps everything that it must not lose.
    #[must_use]
    pub fn data_dir(&self) -> PathBuf {
        self.dir.join("data")
    }

    fn log_path(&self) -> PathBuf {
        self.dir.join("log.txt")
    }

    #[must_use]
    pub fn admin(&self) -> Admin {
        Admin::new(self.admin, TOKEN)
    }

    /// Posts until it is accepted; the id of the request.
    ///
    /// # Panics
    /// When it is not accepted in time.
    #[must_use]
    pub fn post(&self, target: &str, body: impl AsRef<[u8]>) -> String {
        let (to, body) = (self.ingest, body.as_ref());
        let headers = [("content-type", "application/json"), ("x-mine", "kept")];
        let posted = clock::eventually(ACCEPTS_WITHIN, || {
            let (status, answer) = admin::call(to, "POST", target, &headers, body).ok()?;
            (status == 200).then_some(answer)
        });
        let answer: Value = serde_json::from_slice(&posted.expect("accepted")).expect("JSON");
        answer["request_id"].as_str().expect("an id").to_owned()
    }

    #[must_use]
    pub fn pid(&self) -> Option<u32> {
        self.child.as_ref().map(Child::id)
    }

    fn write_config(&self, peers: &str, options: &Options) {
        let quoted = |text: &str| format!("{text:?}");
        let mut keys: BTreeMap<&str, String> = BTreeMap::from([
            ("data_dir", quoted(&self.data_dir().to_string_lossy())),
            ("ingest.listen", quoted(&self.ingest.to_string())),
            (
                "ingest.public_url",
                quoted(&format!("http://{}", self.ingest)),
            ),
            ("admin.listen", quoted(&self.admin.to_string())),
            ("admin.token", quoted(TOKEN)),
            ("peer.listen", quoted(&self.peer.to_string())),
            ("cluster.name", quoted("cluster-tests")),
            ("cluster.secret", quoted(SECRET)),
            (
                "delivery.allow_private_networks",
                r#"["127.0.0.0/8", "10.0.0.0/8"]"#.to_owned(),
            ),
        ]);
        keys.extend(options.settings.iter().cloned());
        let mut sections: BTreeMap<&str, String> = BTreeMap::new();
        for (path, value) in &keys {
            let (section, key) = path.split_once('.').unwrap_or(("", path));
            *sections.entry(section).or_default() += &format!("{key} = {value}\n");
        }
        *sections.entry("cluster").or_default() += peers;
        let mut text = String::new();
        for (section, lines) in &sections {
            // The keys before any section sort first, as TOML wants them.
            if !section.is_empty() {
                text += &format!("[{section}]\n");
            }
            text += lines;
        }
        fs::create_dir_all(&self.dir).expect("the node's directory can be made");
        fs::write(self.dir.join("node.toml"), text).expect("the config can be written");
    }

    /// Starts the process. It may take a while until it is ready.
    ///
    /// # Panics
    /// When it runs already or cannot be started.
    pub fn start(&mut self) {
        assert!(!self.is_running(), "{} runs already", self.name);
        self.starts += 1;
        let log = File::options()
            .create(true)
            .append(true)
            .open(self.log_path());
        let log = log.expect("the log can be opened");
        let errors = log.try_clone().expect("the log can be opened twice");
        let mut command = match &self.namespace {
            // `ip netns exec` becomes the process that it starts: the pid is the node's own.
            Some(namespace) => {
                let mut command = Command::new("ip");
                command
                    .args(["netns", "exec", namespace])
                    .arg(settings::binary());
                command
            }
            None => Command::new(settings::binary()),
        };
        if let Some(clock) = &self.wall_clock {
            command.envs(clock.environment());
        }
        let child = command
            .arg("serve")
            .arg("--config")
            .arg(self.dir.join("node.toml"))
            .envs(self.environment.iter().map(|(name, value)| (*name, value)))
            .stdin(Stdio::null())
            .stdout(log)
            .stderr(errors)
            .spawn();
        self.child = Some(child.expect("tidegate can be started"));
    }

    fn signal(&self, signal: Signal) {
        let pid = self.pid().and_then(|pid| i32::try_from(pid).ok());
        if let Some(pid) = pid {
            // A process that is gone already needs no signal.
            let _ = kill(Pid::from_raw(pid), signal);
        }
    }

    /// `kill -9`, and waits until the kernel has taken the process away.
    pub fn kill(&mut self) {
        self.signal(Signal::SIGKILL);
        if let Some(mut child) = self.child.take() {
            let _ = child.wait();
        }
    }

    /// Asks it to end in good order. A node that does not is killed and the test fails.
    ///
    /// # Panics
    /// When it does not end in time.
    pub fn stop(&mut self) -> ExitStatus {
        self.signal(Signal::SIGTERM);
        let status = self.exit_within(STOPS_WITHIN);
        if status.is_none() {
            self.kill();
        }
        status.unwrap_or_else(|| panic!("{} did not stop within {STOPS_WITHIN:?}", self.name))
    }

    /// Freezes the process: it keeps its sockets and its beliefs, and does nothing.
    pub fn pause(&self) {
        self.signal(Signal::SIGSTOP);
    }

    pub fn resume(&self) {
        self.signal(Signal::SIGCONT);
    }

    /// Takes the disk of a stopped node away.
    ///
    /// # Panics
    /// When the node runs.
    pub fn wipe(&mut self) {
        assert!(!self.is_running(), "{} runs", self.name);
        fs::remove_dir_all(self.data_dir()).expect("the data can be removed");
    }

    #[must_use]
    pub fn is_running(&mut self) -> bool {
        self.child
            .as_mut()
            .is_some_and(|child| matches!(child.try_wait(), Ok(None)))
    }

    /// Waits for the process to end by itself.
    pub fn exit_within(&mut self, bound: Duration) -> Option<ExitStatus> {
        let child = self.child.as_mut()?;
        let status = clock::eventually(bound, || child.try_wait().ok().flatten());
        if status.is_some() {
            self.child = None;
        }
        status
    }

    /// Asks what a load balancer asks.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        matches!(
            admin::call(self.ingest, "GET", "/readyz", &[], b""),
            Ok((200, _))
        )
    }

    /// # Panics
    /// When it is not ready in time.
    pub fn wait_ready(&mut self, bound: Duration) {
        let ready = clock::eventually(bound, || {
            let ended = !self.is_running();
            assert!(!ended, "{} ended before it was ready", self.name);
            self.is_ready().then_some(())
        });
        assert!(
            ready.is_some(),
            "{} was not ready within {bound:?}",
            self.name
        );
    }

    /// All that this node has said so far, through all its starts.
    #[must_use]
    pub fn log(&self) -> String {
        let bytes = fs::read(self.log_path()).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// CPU time of the process, user and system, in microseconds.
    #[must_use]
    pub fn cpu_micros(&self) -> u64 {
        self.pid().map_or(0, cpu_micros)
    }
}

/// Memory that a process holds, in bytes. 0 when it is gone.
#[must_use]
pub fn resident_bytes(pid: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let held = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = held.and_then(|held| held.split_ascii_whitespace().next()?.parse::<u64>().ok());
    kib.unwrap_or(0) * 1024
}

/// CPU time of a process, user and system, in microseconds. 0 when it is gone.
#[must_use]
pub fn cpu_micros(pid: u32) -> u64 {
    /// The unit of `/proc/PID/stat` on every Linux: a hundredth of a second.
    const MICROS_PER_TICK: u64 = 10_000;
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    // The name in parentheses may hold spaces; user and system time are the 12th and 13th field behind it.
    let behind_name = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
    let fields = behind_name.split_ascii_whitespace().skip(11).take(2);
    fields
        .filter_map(|ticks| ticks.parse::<u64>().ok())
        .sum::<u64>()
        * MICROS_PER_TICK
}

impl Cluster {
    /// Configures and starts this many nodes that form a cluster, and waits until each is ready.
    #[must_use]
    pub fn form(nodes: usize, options: Options) -> Self {
        let mut cluster = Self::configure(nodes, options);
        for node in &mut cluster.nodes {
            node.start();
        }
        cluster.wait_ready(Duration::from_secs(60));
        cluster
    }

    /// Writes the configs and starts nothing.
    ///
    /// # Panics
    /// When the directory cannot be made.
    #[must_use]
    pub fn configure(nodes: usize, options: Options) -> Self {
        let dir = tempfile::Builder::new().prefix("tidegate-").tempdir();
        let dir = dir.expect("a directory for the cluster");
        let numbers = 0..nodes;
        let nodes: Vec<Node> = numbers
            .map(|n| Node::new(n, dir.path(), &options))
            .collect();
        let peers: Vec<String> = nodes
            .iter()
            .map(|node| format!("\"{}\"", node.peer))
            .collect();
        for node in &nodes {
            node.write_config(&format!("nodes = [{}]\n", peers.join(", ")), &options);
        }
        Self {
            nodes,
            options,
            dir: Some(dir),
        }
    }

    /// Configures one more node, which waits until it is added; its number. It is not started.
    pub fn configure_waiting(&mut self) -> usize {
        let number = self.nodes.len();
        let node = Node::new(number, self.path(), &self.options);
        node.write_config("nodes = []\n", &self.options);
        self.nodes.push(node);
        number
    }

    /// The cluster's directory, for a history or a report beside the nodes' own files.
    ///
    /// # Panics
    /// Never: the directory lives as long as the cluster.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.dir
            .as_ref()
            .expect("the directory is there until the end")
            .path()
    }

    pub fn wait_ready(&mut self, bound: Duration) {
        for node in &mut self.nodes {
            if node.child.is_some() {
                node.wait_ready(bound);
            }
        }
    }

    #[must_use]
    pub fn ingest_addresses(&self) -> Vec<SocketAddr> {
        self.nodes.iter().map(|node| node.ingest).collect()
    }

    /// The number of the running node that leads most groups, by what the running nodes say.
    pub fn leader_of_most(&mut self) -> Option<usize> {
        for asked in 0..self.nodes.len() {
            if !self.nodes[asked].is_running() {
                continue;
            }
            let Ok(view) = self.nodes[asked].admin().cluster() else {
                continue;
            };
            let mut leads: Vec<(usize, u64)> = view
                .leads()
                .into_iter()
                .map(|(node, groups)| (groups, node))
                .collect();
            leads.sort_unstable_by(|a, b| b.cmp(a));
            for (_, id) in leads {
                let number = view.nodes.get(&id).and_then(|node| self.number_of(node));
                if let Some(number) = number.filter(|&n| self.nodes[n].is_running()) {
                    return Some(number);
                }
            }
        }
        None
    }

    /// Which process a node of the cluster's status is: the one whose peer address it names.
    #[must_use]
    pub fn number_of(&self, node: &Value) -> Option<usize> {
        let text = node.to_string();
        self.nodes
            .iter()
            .position(|node| text.contains(&format!("{}\"", node.peer)))
    }

    /// The cluster's own id of one of its processes.
    pub fn id_of(&self, number: usize) -> Result<u64, String> {
        self.nodes[number]
            .admin()
            .cluster()
            .map(|view| view.node_id)
    }

    /// `kill -9` for all, as close to at once as one process can.
    pub fn kill_all(&mut self) {
        for node in &self.nodes {
            node.signal(Signal::SIGKILL);
        }
        for node in &mut self.nodes {
            node.kill();
        }
    }

    fn show_logs(&self) {
        for node in &self.nodes {
            let log = node.log();
            let lines: Vec<&str> = log.lines().collect();
            let shown = &lines[lines.len().saturating_sub(LOG_LINES_SHOWN)..];
            println!(
                "--- {} ({} starts), last lines of {}",
                node.name,
                node.starts,
                node.log_path().display()
            );
            println!("{}", shown.join("\n"));
        }
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        self.kill_all();
        if thread::panicking() {
            self.show_logs();
            if let Some(dir) = self.dir.take() {
                println!("the cluster's files are kept in {}", dir.keep().display());
            }
        }
    }
}
