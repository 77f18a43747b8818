//! What a cluster costs when much is stored, much is configured, or a node has just died.

use crate::{
    gateway,
    run::{Run, SECRET, Target},
    table::Table,
};
use cluster_tests::{
    admin::Admin,
    clock,
    process::{Cluster, Node, Options},
    sender,
};
use serde_json::json;
use std::{fs, thread, time::Duration};

const NODES: usize = 3;
const MANY_EVENTS: u64 = 1_000_000;
const MANY_DESTINATIONS: usize = 10_000;
const FEW_DESTINATIONS: usize = 10;
const IDLE: Duration = Duration::from_secs(10);
/// Nobody listens there.
const DEAD: &str = "http://127.0.0.1:1024/";
const LATENCY_AT: usize = 64;
const KILLS: usize = 5;

/// The acknowledgement's latency and the nodes' memory, empty and with a million events stored and a million waiting.
pub(crate) fn events(run: &Run, table: &mut Table) {
    let cluster = Cluster::form(NODES, Options::default());
    let admin = cluster.nodes[0].admin();
    let held = gateway::held();
    let patient =
        json!([{"type": "retry", "strategy": "linear", "interval": 3_600_000, "count": 5}]);
    let paths = [("stored", &held), ("waiting", &patient)].map(|(name, rules)| {
        gateway::source(&admin, name, DEAD, rules).expect("the cluster takes its configuration")
    });
    let filling = Run {
        seconds: 20,
        ..run.clone()
    };
    let load = |run: &Run, name: &str, path: &String| {
        let pids: Vec<_> = cluster.nodes.iter().filter_map(|node| node.pid()).collect();
        let target = Target {
            kind: "github",
            request: None,
            addresses: &cluster.ingest_addresses(),
            paths: std::slice::from_ref(path),
            pids: &pids,
        };
        run.measure(name, LATENCY_AT, &target)
    };
    table.add(load(run, "3 nodes, empty", &paths[0]));
    table
        .remarks
        .push(format!("3 nodes, empty: {}", memory(&cluster)));
    for path in &paths {
        let mut acked = 0;
        while acked < MANY_EVENTS {
            acked += load(&filling, "filling", path).seen.acked;
        }
    }
    table.add(load(run, "3 nodes, full", &paths[0]));
    table.remarks.push(format!(
        "3 nodes with {MANY_EVENTS} events stored and {MANY_EVENTS} waiting for a dead destination: {}",
        memory(&cluster)
    ));
}

/// What idle nodes cost with few and with many destinations.
pub(crate) fn destinations(table: &mut Table) {
    let cluster = Cluster::form(NODES, Options::default());
    let admin = cluster.nodes[0].admin();
    let source = admin.github_source("many", SECRET).expect("a source");
    let mut made = 0;
    for wanted in [FEW_DESTINATIONS, MANY_DESTINATIONS] {
        while made < wanted {
            connect(&admin, &source, made);
            made += 1;
        }
        // What the configuring left to do is not idling.
        thread::sleep(Duration::from_secs(10));
        let cpu = || cluster.nodes.iter().map(Node::cpu_micros).sum::<u64>();
        let before = cpu();
        thread::sleep(IDLE);
        let share = (cpu() - before) as f64 / IDLE.as_micros() as f64 / NODES as f64 * 100.0;
        table.remarks.push(format!(
            "3 nodes, {wanted} destinations, idle: {share:.1} % of a core a node, {}",
            memory(&cluster)
        ));
    }
}

fn connect(admin: &Admin, source: &str, number: usize) {
    let body = json!({
        "name": format!("connection-{number}"),
        "source_id": source,
        "destination": {"name": format!("destination-{number}"), "type": "HTTP", "config": {"url": DEAD}},
    });
    admin
        .insist("PUT", "/connections", &body)
        .expect("a connection");
}

/// How long posts fail when the node that leads most groups is killed: until each of the others takes one again.
pub(crate) fn failover(table: &mut Table) {
    let mut cluster = Cluster::form(NODES, Options::default());
    let admin = cluster.nodes[0].admin();
    let held = gateway::held();
    let path = gateway::source(&admin, "held", DEAD, &held).expect("a source");
    let mut gaps = Vec::new();
    for _ in 0..KILLS {
        let victim = cluster.leader_of_most().expect("a leader");
        cluster.nodes[victim].kill();
        let killed = clock::micros();
        for other in (0..NODES).filter(|&other| other != victim) {
            let address = cluster.nodes[other].ingest;
            clock::eventually(Duration::from_secs(30), || {
                let answered = sender::probe(address, &path, SECRET, 256);
                (answered == Ok(200)).then_some(())
            })
            .expect("two of three go on");
        }
        gaps.push((clock::micros() - killed) as f64 / 1e6);
        cluster.nodes[victim].start();
        cluster.wait_ready(Duration::from_secs(30));
        // Leaders move back when the node has looked well for a while.
        thread::sleep(Duration::from_secs(12));
    }
    let shown: Vec<String> = gaps.iter().map(|gap| format!("{gap:.2}")).collect();
    table.remarks.push(format!(
        "leader of most groups killed {KILLS} times: posts through each other node succeed again after {} s (election timeout 1.5 to 3 s)",
        shown.join(", ")
    ));
}

fn memory(cluster: &Cluster) -> String {
    let of = |node: &Node| node.pid().map_or(0, resident_mib).to_string();
    let each: Vec<String> = cluster.nodes.iter().map(of).collect();
    format!("{} MiB resident", each.join(", "))
}

fn resident_mib(pid: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| {
        line.trim()
            .trim_end_matches("kB")
            .trim()
            .parse::<u64>()
            .ok()
    });
    kib.unwrap_or_default() / 1024
}
