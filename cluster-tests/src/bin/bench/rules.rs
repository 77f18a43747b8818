//! What rules cost a node: sources whose connections have no rules, one filter, and up to ten thousand, in turns.

use crate::{
    gateway,
    run::{Helper, Run, Target},
    table::{Ratio, Row, Table},
};
use cluster_tests::{
    admin::{Admin, id_of},
    http,
    process::{Cluster, Options},
};
use serde_json::{Value, json};
use std::{fs, path::PathBuf, slice};

const CONNECTIONS: usize = 64;
/// Each source is measured so often, one after the other.
const TURNS: usize = 3;
/// Connections of a source that take the request, where there are so many.
const MATCHING: usize = 3;

const PLAIN: &str = "no rules";
const ONE: &str = "one filter";
const THREE: &str = "3 connections, 3 match";
const HUNDRED: &str = "100 connections, 3 match";
const MANY: &str = "10,000 connections, 3 match";

/// A source and the file with the request that is posted to it.
struct Contestant {
    what: &'static str,
    path: String,
    request: PathBuf,
    rows: Vec<Row>,
}

pub(crate) fn measure(run: &Run, table: &mut Table) {
    let cluster = Cluster::form(1, Options::default());
    let sink = Helper::start(&["sink"]);
    let admin = cluster.nodes[0].admin();
    let destination = admin
        .destination("sink", &format!("http://{}/", sink.address))
        .expect("a destination");
    let folder = tempfile::tempdir().expect("a directory for the requests");
    let addresses = cluster.ingest_addresses();
    let pids: Vec<u32> = cluster.nodes[0].pid().into_iter().collect();
    let body = body(run.body_bytes);

    let mut contestants: Vec<Contestant> = [
        (PLAIN, 0),
        (ONE, 1),
        (THREE, 3),
        (HUNDRED, 100),
        (MANY, 10_000),
    ]
    .into_iter()
    .map(|(what, filters)| {
        eprintln!("  {what}: its connections are made");
        let source = source(&admin, filters, &destination);
        let path = format!("/{source}");
        let headers = [("content-type", "application/json")];
        let request = folder.path().join(&source);
        let bytes = http::request("POST", &path, addresses[0], &headers, body.as_bytes());
        fs::write(&request, bytes).expect("the request is written");
        Contestant {
            what,
            path,
            request,
            rows: Vec::new(),
        }
    })
    .collect();
    for _ in 0..TURNS {
        for contestant in &mut contestants {
            let target = Target {
                kind: "given",
                request: Some(&contestant.request),
                addresses: &addresses,
                paths: slice::from_ref(&contestant.path),
                pids: &pids,
            };
            let row = run.measure(contestant.what, CONNECTIONS, &target);
            let seen = &row.seen;
            assert!(seen.acked > 0 && seen.failed == 0, "{}: {seen:?}", row.what);
            contestant.rows.push(row);
        }
    }
    for contestant in contestants {
        table.add(median(contestant.rows));
    }
    for (what, base) in [
        (ONE, PLAIN),
        (THREE, PLAIN),
        (HUNDRED, THREE),
        (MANY, THREE),
    ] {
        compare(table, what, base);
    }
}

/// A source with so many filtering connections, or with one that has none. All events wait.
fn source(admin: &Admin, filters: usize, destination: &str) -> String {
    let made = admin.insist(
        "PUT",
        "/sources",
        &json!({ "name": format!("of-{filters}") }),
    );
    let source = made.and_then(|made| id_of(&made)).expect("a source");
    for place in 0..filters.max(1) {
        let mut rules: Vec<Value> = gateway::held().as_array().cloned().unwrap_or_default();
        if filters > 0 {
            rules.insert(0, filter(place));
        }
        admin
            .connect(&format!("c-{place}"), &source, destination, &json!(rules))
            .expect("a connection");
    }
    source
}

/// Each tenant has a few connections; [`MATCHING`] are of the request's.
pub(crate) fn filter(place: usize) -> Value {
    let tenant = if place < MATCHING {
        7
    } else {
        1_000 + place / 3
    };
    json!({
        "type": "filter",
        "body": {"type": "order.paid", "tenant": format!("tenant-{tenant}"), "amount": {"$gt": 100}},
    })
}

/// An order of about so many bytes.
pub(crate) fn body(bytes: usize) -> String {
    let of = |note: String| {
        let lines: Vec<_> = (0..6)
            .map(|n| json!({"sku": format!("SKU-{n}"), "quantity": n, "price": 12.5}))
            .collect();
        json!({
            "id": "evt_1", "type": "order.paid", "tenant": "tenant-7", "amount": 10392, "lines": lines, "note": note,
        })
        .to_string()
    };
    let bare = of(String::new()).len();
    of("x".repeat(bytes.saturating_sub(bare)))
}

fn compare(table: &mut Table, what: &str, base: &str) {
    let pair = table
        .row(what, CONNECTIONS)
        .zip(table.row(base, CONNECTIONS));
    let Some((one, other)) = pair else {
        return;
    };
    let ratio = |figure: &str, value: f64| Ratio {
        what: format!("{figure}, {what} ÷ {base}, {CONNECTIONS} connections"),
        value,
        asked: String::new(),
    };
    let ratios = [
        ratio(
            "acknowledged/s",
            one.seen.per_second / other.seen.per_second,
        ),
        ratio(
            "CPU per acknowledgement",
            one.cpu_micros_per_ack / other.cpu_micros_per_ack,
        ),
    ];
    table.ratios.extend(ratios);
}

/// The turn in the middle, by what an acknowledgement cost.
fn median(mut rows: Vec<Row>) -> Row {
    rows.sort_unstable_by(|one, other| one.cpu_micros_per_ack.total_cmp(&other.cpu_micros_per_ack));
    rows.swap_remove(rows.len() / 2)
}
