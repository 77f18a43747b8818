//! Tidegate itself: acknowledged only, and posted and delivered.

use crate::{
    run::{Helper, Run, SECRET, Target},
    table::{Row, Table},
};
use cluster_tests::{
    admin::{self, Admin},
    clock,
    process::{Cluster, Options},
};
use serde_json::json;
use std::{fs, path::Path, thread, time::Duration};

/// What was posted must have been delivered within this after the load ended, or the queue only grows.
const DRAINS_WITHIN: Duration = Duration::from_secs(60);
/// The connections at which delivery is measured.
const DELIVERED_AT: usize = 64;
/// Events of the "acknowledged only" source wait this long: all of the write path, none of the delivery.
const HELD_MS: u64 = 24 * 3_600_000;

/// The rules of a connection whose events wait.
pub(crate) fn held() -> serde_json::Value {
    json!([{"type": "delay", "delay": HELD_MS}])
}

pub(crate) fn measure(run: &Run, nodes: usize, table: &mut Table) {
    let cluster = Cluster::form(nodes, Options::default());
    let sink = Helper::start(&["sink"]);
    let name = if nodes == 1 {
        "1 node".to_owned()
    } else {
        format!("{nodes} nodes")
    };
    let admin = cluster.nodes[0].admin();
    let url = format!("http://{}/", sink.address);
    let contest = Contest {
        run,
        cluster: &cluster,
        sink: &sink,
        name: &name,
    };

    let held =
        vec![source(&admin, "held", &url, &held()).expect("the node takes its configuration")];
    let mut acked = 0;
    for &connections in &run.connections {
        let row = contest.load(&name, connections, &held);
        acked += row.seen.acked;
        table.add(row);
    }
    let stored: u64 = cluster
        .nodes
        .iter()
        .map(|node| size_of(&node.data_dir()))
        .sum();
    let per_byte = stored as f64 / (acked.max(1) * (run.body_bytes * nodes) as u64) as f64;
    table.remarks.push(format!(
        "{name}: {per_byte:.2} bytes on disk per payload byte and node after {acked} × {} bytes, logs not yet purged",
        run.body_bytes
    ));
    let destinations: &[usize] = if nodes == 1 { &[1] } else { &[1, 100] };
    for &destinations in destinations {
        contest.delivered(&admin, &url, destinations, table);
    }
}

struct Contest<'a> {
    run: &'a Run,
    cluster: &'a Cluster,
    sink: &'a Helper,
    name: &'a str,
}

impl Contest<'_> {
    fn load(&self, what: &str, connections: usize, paths: &[String]) -> Row {
        load(self.run, self.cluster, what, connections, paths)
    }

    fn delivered(&self, admin: &Admin, url: &str, destinations: usize, table: &mut Table) {
        let paths: Result<Vec<_>, _> = (0..destinations)
            .map(|number| {
                source(
                    admin,
                    &format!("of-{destinations}-{number}"),
                    url,
                    &json!([]),
                )
            })
            .collect();
        let paths = paths.expect("the node takes its configuration");
        let what = match destinations {
            1 => format!("{}, delivered", self.name),
            more => format!("{}, delivered to {more}", self.name),
        };
        let before = count(self.sink);
        let start = clock::micros();
        let mut row = self.load(&what, DELIVERED_AT, &paths);
        let loaded = (clock::micros() - start) as f64 / 1e6;
        let at_end = count(self.sink) - before;
        let acked = row.seen.acked;
        let drained = clock::eventually(DRAINS_WITHIN, || {
            (count(self.sink) - before >= acked).then_some(())
        });
        let all = (clock::micros() - start) as f64 / 1e6;
        let delivered = count(self.sink) - before;
        table.remarks.push(format!(
            "{what}: {:.0}/s acknowledged under delivery, {at_end} of {acked} delivered when the load ended after {loaded:.1} s, {} {all:.1} s",
            row.seen.per_second,
            if drained.is_some() { "all after".to_owned() } else { format!("{delivered} after") },
        ));
        // The rate at which events went all the way.
        row.seen.per_second = delivered as f64 / all;
        table.add(row);
        thread::sleep(Duration::from_secs(1));
    }
}

/// GitHub's webhooks posted over all nodes of a cluster.
pub(crate) fn load(
    run: &Run,
    cluster: &Cluster,
    what: &str,
    connections: usize,
    paths: &[String],
) -> Row {
    let pids: Vec<_> = cluster.nodes.iter().filter_map(|node| node.pid()).collect();
    let addresses = cluster.ingest_addresses();
    let target = Target {
        kind: "github",
        request: None,
        addresses: &addresses,
        paths,
        pids: &pids,
    };
    run.measure(what, connections, &target)
}

/// What a sink has received so far.
pub(crate) fn count(sink: &Helper) -> u64 {
    let answer = admin::call(sink.address, "GET", "/count", &[], b"");
    let text = answer.map(|(_, body)| String::from_utf8_lossy(&body).into_owned());
    text.ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or_default()
}

/// A source connected to a destination of its own; the path to post to.
pub(crate) fn source(
    admin: &Admin,
    name: &str,
    url: &str,
    rules: &serde_json::Value,
) -> Result<String, String> {
    let source = admin.github_source(name, SECRET)?;
    let destination = admin.destination(name, url)?;
    admin.connect(name, &source, &destination, rules)?;
    Ok(format!("/{source}"))
}

fn size_of(path: &Path) -> u64 {
    let entries = fs::read_dir(path).into_iter().flatten().flatten();
    let sizes = entries.map(|entry| match entry.metadata() {
        Ok(data) if data.is_dir() => size_of(&entry.path()),
        // Files may be gone before they are looked at; blocks are what the disk has really given.
        Ok(data) => std::os::unix::fs::MetadataExt::blocks(&data) * 512,
        Err(_) => 0,
    });
    sizes.sum()
}
