//! What one change of the catalog costs, with few connections and with many: how long until it is in force on every node,
//! and what senders notice meanwhile.

use crate::{
    gateway,
    rules::{body, filter},
    run::{Run, Target},
    table::{Ratio, Row, Table},
};
use cluster_tests::{
    admin::{Admin, id_of},
    clock, http,
    process::{Cluster, Node, Options},
};
use serde_json::{Value, json};
use std::{
    fs,
    path::PathBuf,
    slice,
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
    thread,
    time::Duration,
};

const NODES: usize = 3;
const FEW: usize = 10;
const MANY: usize = 10_000;
/// Who make the connections, beside each other.
const MAKERS: usize = 6;
/// Changes that are timed, one after the other.
const CHANGES: usize = 200;
/// What senders post over while changes are made: far from as much as the nodes take.
const SENDERS: usize = 4;
/// With and without changes in turns, so often.
const TURNS: usize = 3;
const CHANGE_EVERY: Duration = Duration::from_millis(100);
/// Nobody listens there.
const NOWHERE: &str = "http://127.0.0.1:1024/";

/// A cluster with so many connections, all of one source and to one destination.
struct Contestant {
    connections: usize,
    cluster: Cluster,
    source: String,
    destination: String,
    folder: tempfile::TempDir,
}

impl Contestant {
    fn new(run: &Run, connections: usize) -> Self {
        let cluster = Cluster::form(NODES, Options::default());
        let admin = cluster.nodes[0].admin();
        let made = admin.insist("PUT", "/sources", &json!({"name": "busy"}));
        let source = made.and_then(|made| id_of(&made)).expect("a source");
        let destination = admin
            .destination("nowhere", NOWHERE)
            .expect("a destination");
        let contestant = Self {
            connections,
            cluster,
            source,
            destination,
            folder: tempfile::tempdir().expect("a directory for the request"),
        };
        contestant.connect();
        let path = contestant.path();
        let headers = [("content-type", "application/json")];
        let to = contestant.cluster.ingest_addresses()[0];
        let body = body(run.body_bytes);
        let bytes = http::request("POST", &path, to, &headers, body.as_bytes());
        fs::write(contestant.request(), bytes).expect("the request is written");
        contestant
    }

    fn path(&self) -> String {
        format!("/{}", self.source)
    }

    fn request(&self) -> PathBuf {
        self.folder.path().join("request")
    }

    fn connect(&self) {
        let next = AtomicUsize::new(0);
        thread::scope(|scope| {
            for maker in 0..MAKERS {
                let next = &next;
                let admin = self.cluster.nodes[maker % NODES].admin();
                scope.spawn(move || {
                    loop {
                        let place = next.fetch_add(1, Ordering::Relaxed);
                        if place >= self.connections {
                            return;
                        }
                        self.put(&admin, place, 0);
                    }
                });
            }
        });
    }

    /// Writes a connection as it is in this round, by its name.
    fn put(&self, admin: &Admin, place: usize, round: usize) -> Value {
        let mut rules: Vec<Value> = gateway::held().as_array().cloned().unwrap_or_default();
        rules.insert(0, filter(place));
        let body = json!({
            "name": format!("c-{place}"),
            "description": format!("round {round}"),
            "source_id": self.source,
            "destination_id": self.destination,
            "rules": rules,
        });
        admin
            .insist("PUT", "/connections", &body)
            .expect("a connection")
    }

    /// How long each of some changes takes until every node shows it, in milliseconds, in order.
    fn time_changes(&self) -> Vec<f64> {
        let admins: Vec<Admin> = self.cluster.nodes.iter().map(Node::admin).collect();
        let mut times: Vec<f64> = (1..=CHANGES)
            .map(|round| {
                let began = clock::micros();
                let place = round * 37 % self.connections;
                let made = self.put(&admins[round % NODES], place, round);
                let took = (clock::micros() - began) as f64 / 1e3;
                // It is answered once every node has it; each is asked what it has, without waiting for anything.
                let path = format!(
                    "/connections/{}?consistency=local",
                    id_of(&made).expect("an id")
                );
                for admin in &admins {
                    let shown = admin.get(&path).expect("the connection");
                    assert_eq!(shown["description"], made["description"], "{path}");
                }
                took
            })
            .collect();
        times.sort_unstable_by(f64::total_cmp);
        times
    }

    fn load(&self, run: &Run, what: &str) -> Row {
        let pids: Vec<u32> = self.cluster.nodes.iter().filter_map(Node::pid).collect();
        let (request, path) = (self.request(), self.path());
        let target = Target {
            kind: "given",
            request: Some(&request),
            addresses: &self.cluster.ingest_addresses(),
            paths: slice::from_ref(&path),
            pids: &pids,
        };
        run.measure(what, SENDERS, &target)
    }

    /// The same load while one connection after the other is changed.
    fn load_among_changes(&self, run: &Run, what: &str) -> Row {
        let is_over = AtomicBool::new(false);
        thread::scope(|scope| {
            scope.spawn(|| {
                let admins: Vec<Admin> = self.cluster.nodes.iter().map(Node::admin).collect();
                let mut round = CHANGES;
                while !is_over.load(Ordering::Relaxed) {
                    round += 1;
                    self.put(&admins[round % NODES], round * 37 % self.connections, round);
                    thread::sleep(CHANGE_EVERY);
                }
            });
            let row = self.load(run, what);
            is_over.store(true, Ordering::Relaxed);
            row
        })
    }
}

pub(crate) fn measure(run: &Run, table: &mut Table) {
    let [few, many] = [FEW, MANY].map(|connections| {
        eprintln!("  {connections} connections are made");
        let contestant = Contestant::new(run, connections);
        let times = contestant.time_changes();
        let (p50, p99) = (at(&times, 0.5), at(&times, 0.99));
        table.remarks.push(format!(
            "{connections} connections, one changed: in force on all {NODES} nodes after {p50:.1} ms (median of {CHANGES}), p99 {p99:.1} ms"
        ));
        senders(run, &contestant, table);
        p50
    });
    table.ratios.push(Ratio {
        what: format!("time until a change is in force, {MANY} connections ÷ {FEW}"),
        value: many / few,
        asked: "≤ 2".into(),
    });
}

/// What senders notice of changes.
fn senders(run: &Run, contestant: &Contestant, table: &mut Table) {
    let connections = contestant.connections;
    let quiet = format!("{connections} connections, none changed");
    let changing = format!("{connections} connections, one changed all the time");
    let (mut without, mut with) = (Vec::new(), Vec::new());
    for _ in 0..TURNS {
        without.push(contestant.load(run, &quiet));
        with.push(contestant.load_among_changes(run, &changing));
    }
    let (without, with) = (median(without), median(with));
    table.ratios.push(Ratio {
        what: format!(
            "p99 of ingest while connections are changed ÷ its own, {connections} connections"
        ),
        value: with.seen.p99_ms / without.seen.p99_ms,
        asked: "≤ 1.2".into(),
    });
    table.add(without);
    table.add(with);
}

fn at(sorted: &[f64], share: f64) -> f64 {
    let index = (sorted.len() as f64 * share) as usize;
    sorted.get(index).copied().unwrap_or_default()
}

/// The turn in the middle, by its p99.
fn median(mut rows: Vec<Row>) -> Row {
    rows.sort_unstable_by(|one, other| one.seen.p99_ms.total_cmp(&other.seen.p99_ms));
    rows.swap_remove(rows.len() / 2)
}
