//! What reading through the admin API takes: a list and a get, of traffic and of the catalog, on three nodes with nothing
//! else to do.

use crate::{
    gateway,
    run::{Helper, Run},
    table::Table,
};
use cluster_tests::{
    admin::{Admin, id_of},
    clock,
    process::{Cluster, Node, Options},
};
use serde_json::json;

const NODES: usize = 3;
/// Connections to read from; their events are held.
const CONNECTIONS: usize = 1_000;
/// Calls of each kind, spread over the nodes.
const CALLS: usize = 600;

pub(crate) fn measure(run: &Run, table: &mut Table) {
    let cluster = Cluster::form(NODES, Options::default());
    let sink = Helper::start(&["sink"]);
    let url = format!("http://{}/", sink.address);
    let admin = cluster.nodes[0].admin();
    let held = gateway::source(&admin, "held", &url, &gateway::held());
    let held = [held.expect("the node takes its configuration")];
    let source = admin.insist("PUT", "/sources", &json!({"name": "other"}));
    let source = source.and_then(|made| id_of(&made)).expect("a source");
    let destination = admin.destination("other", &url).expect("a destination");
    for place in 0..CONNECTIONS {
        let body = json!({"name": format!("c-{place}"), "source_id": source, "destination_id": destination});
        let made = admin.insist("PUT", "/connections", &body);
        made.expect("a connection");
    }
    gateway::load(run, &cluster, "3 nodes, before they are read", 16, &held);
    let first = |path: &str| {
        let listed = admin.get(path).expect("a list");
        id_of(&listed["models"][0]).expect("one of them")
    };
    let (event, connection) = (first("/events?limit=1"), first("/connections?limit=1"));
    let admins: Vec<Admin> = cluster.nodes.iter().map(Node::admin).collect();
    for (what, path) in [
        ("100 events", "/events?limit=100".to_owned()),
        ("an event", format!("/events/{event}")),
        ("100 connections", "/connections?limit=100".to_owned()),
        ("a connection", format!("/connections/{connection}")),
    ] {
        let mut times: Vec<f64> = (0..CALLS)
            .map(|call| {
                let began = clock::micros();
                admins[call % NODES].get(&path).expect("an answer");
                (clock::micros() - began) as f64 / 1e3
            })
            .collect();
        times.sort_unstable_by(f64::total_cmp);
        let at = |share: f64| times[(CALLS as f64 * share) as usize];
        table.remarks.push(format!(
            "{what} read on {NODES} nodes: {:.2} ms (median of {CALLS}), p99 {:.2} ms",
            at(0.5),
            at(0.99)
        ));
    }
}
