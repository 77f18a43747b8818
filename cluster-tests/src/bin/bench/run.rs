//! The whole run: each contestant alone, one after the other, with the same load.

use crate::{
    catalog, etcd, gateway,
    load::Seen,
    reads, rules, scale, schemes, scripts, sick,
    table::{Row, Table},
    transforms,
};
use clap::{Args, ValueEnum};
use cluster_tests::process::cpu_micros;
use std::{
    env,
    io::{BufRead, BufReader},
    net::SocketAddr,
    path::Path,
    process::{Child, Command, Stdio},
};

pub(crate) const SECRET: &str = "a secret of the bench";
const BODY_BYTES: usize = 1024;
pub(crate) const BARE: &str = "bare handler";

#[derive(Args, Clone)]
pub(crate) struct Run {
    /// How long each figure is measured, after a second of warm-up
    #[arg(long, default_value_t = 5)]
    pub(crate) seconds: u64,
    /// Connections, as many figures as numbers
    #[arg(long, value_delimiter = ',', default_values_t = [1, 64, 256])]
    pub(crate) connections: Vec<usize>,
    /// Bytes of a posted body
    #[arg(long, default_value_t = BODY_BYTES)]
    pub(crate) body_bytes: usize,
    /// Only these contestants, in this order
    #[arg(long, value_enum, value_delimiter = ',', default_values_t = Contestant::USUAL)]
    pub(crate) only: Vec<Contestant>,
}

#[derive(Clone, Copy, ValueEnum)]
pub(crate) enum Contestant {
    Bare,
    One,
    Three,
    Etcd,
    /// How long posts fail when a leader dies
    Failover,
    /// A million events stored and a million waiting: minutes
    Events,
    /// Ten thousand destinations, idle: minutes
    Destinations,
    /// Each kind of verification beside none: minutes
    Schemes,
    /// Scripts of transformations beside the least that reshaping takes
    Scripts,
    /// Connections with and without filters, up to ten thousand: minutes
    Rules,
    /// Events that go all the way as they came, by steps and by a script
    Transforms,
    /// Healthy destinations beside sick ones: two minutes
    Sick,
    /// A list and a get
    Reads,
    /// A change of the catalog with ten connections and with ten thousand: minutes
    Catalog,
}

impl Contestant {
    const USUAL: [Self; 5] = [
        Self::Bare,
        Self::One,
        Self::Three,
        Self::Etcd,
        Self::Failover,
    ];
}

impl Default for Run {
    fn default() -> Self {
        Self {
            seconds: 5,
            connections: vec![1, 64, 256],
            body_bytes: BODY_BYTES,
            only: Contestant::USUAL.to_vec(),
        }
    }
}

/// A process of the bench's own, killed when it is dropped.
pub(crate) struct Helper {
    child: Child,
    pub(crate) address: SocketAddr,
}

impl Helper {
    /// Starts one of this program's subcommands that says on its first line where it listens.
    pub(crate) fn start(arguments: &[&str]) -> Self {
        let mut child = this_program()
            .args(arguments)
            .stdout(Stdio::piped())
            .spawn()
            .expect("the bench starts itself");
        let mut line = String::new();
        let output = child.stdout.take().expect("its output is piped");
        BufReader::new(output)
            .read_line(&mut line)
            .expect("it says where it listens");
        let address = line.trim().parse().expect("an address");
        Self { child, address }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Helper {
    fn drop(&mut self) {
        // Already gone is as good.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn this_program() -> Command {
    Command::new(env::current_exe().expect("this program has a path"))
}

/// What a load is aimed at.
pub(crate) struct Target<'a> {
    pub(crate) kind: &'a str,
    /// The file with the request, where that is of no kind.
    pub(crate) request: Option<&'a Path>,
    pub(crate) addresses: &'a [SocketAddr],
    pub(crate) paths: &'a [String],
    /// The processes whose CPU time counts.
    pub(crate) pids: &'a [u32],
}

impl Run {
    /// One load against one target.
    pub(crate) fn measure(&self, what: &str, connections: usize, target: &Target) -> Row {
        let addresses: Vec<_> = target.addresses.iter().map(ToString::to_string).collect();
        let before: u64 = target.pids.iter().map(|&pid| cpu_micros(pid)).sum();
        let output = this_program()
            .args(["load", "--kind", target.kind, "--to", &addresses.join(",")])
            .args(["--path", &target.paths.join(",")])
            .args(["--connections", &connections.to_string()])
            .args(["--seconds", &self.seconds.to_string()])
            .args(["--body-bytes", &self.body_bytes.to_string()])
            .args(
                target
                    .request
                    .map(|file| format!("--request={}", file.display())),
            )
            .stderr(Stdio::inherit())
            .output()
            .expect("the load starts");
        let after: u64 = target.pids.iter().map(|&pid| cpu_micros(pid)).sum();
        let seen: Seen = serde_json::from_slice(&output.stdout).expect("the load says what it saw");
        let cpu_micros_per_ack = (after - before) as f64 / seen.acked.max(1) as f64;
        Row {
            what: what.to_owned(),
            connections,
            seen,
            cpu_micros_per_ack,
        }
    }

    pub(crate) fn execute(self) {
        let mut table = Table::default();
        for contestant in &self.only {
            match contestant {
                Contestant::Bare => self.bare(&mut table),
                Contestant::One => gateway::measure(&self, 1, &mut table),
                Contestant::Three => gateway::measure(&self, 3, &mut table),
                Contestant::Etcd => etcd::measure(&self, &mut table),
                Contestant::Failover => scale::failover(&mut table),
                Contestant::Events => scale::events(&self, &mut table),
                Contestant::Destinations => scale::destinations(&mut table),
                Contestant::Schemes => schemes::measure(&self, &mut table),
                Contestant::Scripts => scripts::measure(&mut table),
                Contestant::Rules => rules::measure(&self, &mut table),
                Contestant::Transforms => transforms::measure(&self, &mut table),
                Contestant::Sick => sick::measure(&self, &mut table),
                Contestant::Reads => reads::measure(&self, &mut table),
                Contestant::Catalog => catalog::measure(&self, &mut table),
            }
        }
        compare(&mut table);
        table.print();
    }

    fn bare(&self, table: &mut Table) {
        let dir = tempfile::tempdir().expect("a directory for the bare handler");
        let path = dir.path().to_string_lossy().into_owned();
        let bare = Helper::start(&["bare", "--dir", &path]);
        for &connections in &self.connections {
            let target = Target {
                kind: "github",
                request: None,
                addresses: &[bare.address],
                paths: &["/".to_owned()],
                pids: &[bare.pid()],
            };
            table.add(self.measure(BARE, connections, &target));
        }
    }
}

fn compare(table: &mut Table) {
    let rate: (&str, fn(&Row) -> f64) = ("acknowledged/s", |row| row.seen.per_second);
    let cpu: (&str, fn(&Row) -> f64) = ("CPU per acknowledgement", |row| row.cpu_micros_per_ack);
    let p50: (&str, fn(&Row) -> f64) = ("p50", |row| row.seen.p50_ms);
    let p99: (&str, fn(&Row) -> f64) = ("p99", |row| row.seen.p99_ms);
    table.compare(("3 nodes, full", "3 nodes, empty"), 64, p99, "≤ 2");
    table.compare(("1 node", BARE), 64, rate, "≥ 0.6");
    table.compare(("1 node", BARE), 256, rate, "");
    table.compare(("3 nodes", BARE), 64, rate, "");
    for connections in [64, 256] {
        table.compare(("3 nodes", etcd::NAME), connections, rate, "≥ 4");
        table.compare(("3 nodes", etcd::NAME), connections, cpu, "≤ 0.25");
    }
    table.compare(("3 nodes", etcd::NAME), 1, p50, "≤ 0.7");
    for delivered in ["3 nodes, delivered", "3 nodes, delivered to 100"] {
        table.compare((delivered, "3 nodes"), 64, rate, "≥ 0.45");
    }
}
