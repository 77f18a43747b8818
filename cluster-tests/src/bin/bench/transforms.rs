//! What transformations cost a node: events that go all the way as they came, by steps, and by a script.

use crate::{
    gateway,
    rules::body,
    run::{Helper, Run, Target},
    table::{Row, Table},
};
use cluster_tests::{
    admin::{Admin, id_of},
    clock, http,
    process::{Cluster, Options},
};
use serde_json::{Value, json};
use std::{fs, slice, time::Duration};

/// Few, so that the queue stays short: what is measured is how fast events go all the way.
const CONNECTIONS: usize = 8;
const DRAINS_WITHIN: Duration = Duration::from_secs(120);

const PLAIN: &str = "delivered as it came";
const STEPS: &str = "delivered by steps";
const SCRIPT: &str = "delivered by a script";

/// An order as it came, and the same other form of it made in two ways.
fn contestants() -> [(&'static str, Value); 3] {
    let steps = json!([{"type": "transform", "transformation": {"name": "steps", "steps": [
        {"op": "move", "from": "body.amount", "to": "body.total.cents"},
        {"op": "rename", "field": "body.tenant", "to": "customer"},
        {"op": "map", "field": "body.type", "values": {"order.paid": "paid"}, "otherwise": "unknown"},
        {"op": "drop", "fields": ["body.note"]},
    ]}}]);
    let code = "addHandler('transform', (request) => {
        const { amount, tenant, type, note, ...rest } = request.body;
        const kind = type === 'order.paid' ? 'paid' : 'unknown';
        return { ...request, body: { ...rest, type: kind, customer: tenant, total: { cents: amount } } };
    });";
    let script = json!([{"type": "transform", "transformation": {"name": "script", "code": code}}]);
    [(PLAIN, json!([])), (STEPS, steps), (SCRIPT, script)]
}

pub(crate) fn measure(run: &Run, table: &mut Table) {
    let cluster = Cluster::form(1, Options::default());
    let sink = Helper::start(&["sink"]);
    let admin = cluster.nodes[0].admin();
    let url = format!("http://{}/", sink.address);
    let pids: Vec<u32> = cluster.nodes[0].pid().into_iter().collect();
    let addresses = cluster.ingest_addresses();
    let folder = tempfile::tempdir().expect("a directory for the requests");
    let body = body(run.body_bytes);
    for (what, rules) in contestants() {
        let path = format!("/{}", source(&admin, what, &url, &rules));
        let headers = [("content-type", "application/json")];
        let file = folder.path().join(&path[1..]);
        let bytes = http::request("POST", &path, addresses[0], &headers, body.as_bytes());
        fs::write(&file, bytes).expect("the request is written");
        let target = Target {
            kind: "given",
            request: Some(&file),
            addresses: &addresses,
            paths: slice::from_ref(&path),
            pids: &pids,
        };
        table.add(delivered(run, what, &target, &sink));
    }
    for what in [STEPS, SCRIPT] {
        let rate: fn(&Row) -> f64 = |row| row.seen.per_second;
        table.compare((what, PLAIN), CONNECTIONS, ("events/s", rate), "");
    }
}

fn source(admin: &Admin, name: &str, url: &str, rules: &Value) -> String {
    let name = name.replace(' ', "-");
    let made = admin.insist("PUT", "/sources", &json!({ "name": name }));
    let source = made.and_then(|made| id_of(&made)).expect("a source");
    let destination = admin.destination(&name, url).expect("a destination");
    admin
        .connect(&name, &source, &destination, rules)
        .expect("a connection");
    source
}

/// The rate at which events went all the way, from the first post to the last delivery.
fn delivered(run: &Run, what: &str, target: &Target<'_>, sink: &Helper) -> Row {
    let before = gateway::count(sink);
    let start = clock::micros();
    let mut row = run.measure(what, CONNECTIONS, target);
    let drained = clock::eventually(DRAINS_WITHIN, || {
        (gateway::count(sink) - before >= row.seen.acked).then_some(())
    });
    assert!(drained.is_some(), "{what}: not all was delivered");
    row.seen.per_second = row.seen.acked as f64 * 1e6 / (clock::micros() - start) as f64;
    row
}
