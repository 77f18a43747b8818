//! A data directory of the version that landed before: it opens, serves, and keeps what it had promised.
//!
//! `landed/data.tar.gz` was written by `tidegate serve` of commit 4d3ade4, a node of two partitions that was killed in the
//! middle of a bulk operation; without RocksDB's own log file.

use cluster_tests::{
    admin::Admin,
    clock,
    process::{Cluster, Options},
    receiver::Receiver,
};
use serde_json::{Value, json};
use std::{path::Path, process::Command, time::Duration};

const WAIT: Duration = Duration::from_secs(30);

/// One node over a copy of that directory.
fn upgraded() -> Cluster {
    let settings = vec![
        ("cluster.name", "\"upgraded\"".to_owned()),
        ("cluster.partitions", "2".to_owned()),
        // A century: whenever this runs, nothing is too old to be kept.
        ("retention.max_age_hours", "876000".to_owned()),
    ];
    let mut cluster = Cluster::configure(
        1,
        Options {
            settings,
            ..Options::default()
        },
    );
    let archive = Path::new(env!("CARGO_MANIFEST_DIR")).join("landed/data.tar.gz");
    let beside = cluster.nodes[0].data_dir();
    let unpacked = Command::new("tar")
        .arg("-xzf")
        .arg(archive)
        .arg("-C")
        .arg(beside.parent().expect("a node's directory"))
        .status();
    assert!(unpacked.expect("tar can be run").success());
    cluster.nodes[0].start();
    cluster.wait_ready(WAIT);
    cluster
}

fn by_name(admin: &Admin, noun: &str, name: &str) -> Value {
    let all = admin.list(noun, "?limit=100").expect("a list");
    let found = all.into_iter().find(|thing| thing["name"] == name);
    found.unwrap_or_else(|| panic!("no {name} among {noun}"))
}

fn count(admin: &Admin, query: &str) -> usize {
    let events = admin.list("/events", &format!("?limit=100&{query}"));
    events.expect("a list").len()
}

#[test]
fn what_the_landed_version_wrote_opens_and_is_kept() {
    let cluster = upgraded();
    let admin = cluster.nodes[0].admin();
    for (query, expected) in [
        ("status=SUCCESSFUL", 9),
        ("status=FAILED", 1),
        ("status=SCHEDULED", 3),
    ] {
        assert_eq!(count(&admin, query), expected, "{query}");
    }
    let requests = admin.list("/requests", "?limit=100").expect("a list");
    assert_eq!(requests.len(), 10);
    for request in &requests {
        let id = request["id"].as_str().expect("an id");
        let shown = admin.get(&format!("/requests/{id}")).expect("a request");
        assert!(shown["data"]["body"].is_object(), "{shown}");
    }
    let events = admin.list("/events", "?limit=100").expect("a list");
    for event in &events {
        let id = event["id"].as_str().expect("an id");
        let attempts = admin.list("/attempts", &format!("?event_id={id}"));
        let attempts = attempts.expect("a list").len() as u64;
        assert_eq!(event["attempts"], attempts, "{event}");
    }
    assert_eq!(admin.list("/bookmarks", "").expect("a list").len(), 1);
    assert_eq!(admin.list("/issues", "").expect("a list").len(), 1);
}

#[test]
fn what_was_observed_before_is_known_after() {
    let cluster = upgraded();
    let admin = cluster.nodes[0].admin();
    let gone = by_name(&admin, "/destinations", "rude-gone");
    assert_eq!(gone["disabled_by"], "GONE");
    assert!(gone["disabled_at"].is_string(), "{gone}");
    let slow = by_name(&admin, "/destinations", "calm-slow");
    assert_eq!(slow["allowed_rate_per_minute"], 60);
    let learned = by_name(&admin, "/sources", "asana");
    assert_eq!(learned["config"]["handshake"]["kind"], "SECRET_LEARNED");
    assert_eq!(learned["authenticated"], true, "{learned}");
    let rotated = by_name(&admin, "/sources", "gh");
    let secrets = rotated["config"]["secrets"].as_array().expect("a list");
    let used: Vec<bool> = secrets
        .iter()
        .map(|secret| secret["last_verified_at"].is_string())
        .collect();
    assert_eq!(used, [true, false]);
}

#[test]
fn a_bulk_operation_goes_on_and_those_that_ended_are_shown() {
    let cluster = upgraded();
    let admin = cluster.nodes[0].admin();
    let cancelled = || {
        let operations = admin
            .list("/bulk/events/cancel", "?in_progress=false")
            .ok()?;
        operations
            .into_iter()
            .find(|operation| operation["query"]["status"] == json!(["HOLD"]))
    };
    let operation = clock::eventually(WAIT, cancelled).expect("it ends");
    assert_eq!(
        (&operation["completed_count"], &operation["estimated_count"]),
        (&json!(6), &json!(6)),
        "{operation}"
    );
    assert_eq!(count(&admin, "status=CANCELLED"), 6);
    assert_eq!(count(&admin, "status=HOLD"), 0);
    let ended = admin.list("/bulk/events/retry", "").expect("a list");
    let query = json!({"status": "FAILED", "response_status": {"gte": 500}});
    assert_eq!(ended.len(), 1);
    assert_eq!(ended[0]["query"], query);
}

#[test]
fn its_catalog_routes_new_events() {
    let receiver = Receiver::start();
    let cluster = upgraded();
    let node = &cluster.nodes[0];
    let admin = node.admin();
    let crm = by_name(&admin, "/destinations", "shop-crm");
    let moved = json!({"config": {"url": receiver.url()}});
    let id = crm["id"].as_str().expect("an id");
    admin
        .insist("PUT", &format!("/destinations/{id}"), &moved)
        .expect("a change");
    let shop = by_name(&admin, "/sources", "shop");
    let request = node.post(&format!("/{}", shop["id"].as_str().expect("an id")), b"{}");
    let delivered = clock::eventually(WAIT, || {
        let events = admin.list(&format!("/requests/{request}/events"), "?status=SUCCESSFUL");
        (events.ok()?.len() == 1).then_some(())
    });
    assert!(delivered.is_some(), "{request} was not delivered");
}
