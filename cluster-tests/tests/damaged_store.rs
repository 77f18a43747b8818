//! A node whose disk has changed a bit of what it stores: out of service with a reason, and nobody's event is lost for it.

use cluster_tests::{
    clock,
    faults::Fault,
    process::{Cluster, Options},
    scene::Scene,
    sender::Post,
};
use serde_json::json;
use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

const ENDS_WITHIN: Duration = Duration::from_secs(60);
const READY_WITHIN: Duration = Duration::from_secs(60);
/// What the operations page promises for a store that can't be trusted.
const EXIT_STORE: i32 = 74;
/// And for a panic of something that others depend on.
const EXIT_PANIC: i32 = 70;

/// The table files of one column of a stopped node, by what RocksDB notes of itself in each.
fn tables(data: &Path, column: &str) -> Vec<PathBuf> {
    let mark = format!("name{column}").into_bytes();
    let files = fs::read_dir(data.join("db/db")).expect("the database");
    let tables = files
        .map(|file| file.expect("a file").path())
        .filter(|path| path.extension().is_some_and(|kind| kind == "sst"));
    tables
        .filter(|path| {
            let bytes = fs::read(path).expect("read");
            bytes.windows(mark.len()).any(|window| window == mark)
        })
        .collect()
}

/// Changes a bit of the first block of each table of a column.
fn damage(data: &Path, column: &str) {
    let tables = tables(data, column);
    assert!(!tables.is_empty(), "no table of {column} on the disk");
    for table in tables {
        let mut bytes = fs::read(&table).expect("read");
        let at = (bytes.len() / 8).min(512);
        bytes[at] ^= 1;
        fs::write(&table, bytes).expect("written");
    }
}

/// Stops a node in such a way that all that it has applied lies in tables.
fn stop_with_tables(scene: &mut Scene, node: usize) {
    scene.faults.fire(Fault::NodeStopped);
    scene.cluster.nodes[node].stop();
    // What a start replays from the write-ahead log goes to tables.
    scene.cluster.nodes[node].start();
    scene.cluster.nodes[node].wait_ready(READY_WITHIN);
    scene.cluster.nodes[node].stop();
}

/// Two of three nodes stay, and deliver what all three accepted.
fn ends_for_damage_of(column: &str, settings: &[(&'static str, String)], said: &str) {
    let mut scene = Scene::set(3, settings);
    // Slow enough that events wait when the node stops.
    scene.pace(Some(1));
    let mut posts = scene.send(60, 6).finish_after(Duration::from_secs(2));
    stop_with_tables(&mut scene, 2);
    damage(&scene.cluster.nodes[2].data_dir(), column);
    scene.cluster.nodes[2].start();
    let sender = scene.send(20, 6);
    let status = scene.cluster.nodes[2].exit_within(ENDS_WITHIN);
    let log = scene.cluster.nodes[2].log();
    let code = status.and_then(|status| status.code());
    assert_eq!(code, Some(EXIT_STORE), "{log}");
    assert!(log.contains(said), "{log}");
    posts.extend(sender.finish_after(Duration::from_secs(1)));
    scene.pace(None);
    scene.settle(&posts, Duration::from_secs(60));
    scene.judge(&posts).must_hold();
    assert!(posts.iter().any(Post::is_acked));
}

#[test]
fn damage_that_the_first_look_finds_is_a_reason_not_to_start() {
    ends_for_damage_of("state", &[], "is damaged");
}

#[test]
fn damage_that_is_met_in_service_ends_the_node_with_a_reason() {
    let settings = [("store.first_look_bytes", "0".to_owned())];
    ends_for_damage_of("due", &settings, "this node ends: its store or a group");
}

/// Lets something break in a node that has served for a while.
fn ends_when(failpoint: &str, code: i32, said: &str) {
    let mut cluster = Cluster::form(
        1,
        Options {
            environment: vec![("FAILPOINTS", failpoint.to_owned())],
            ..Options::default()
        },
    );
    let node = &mut cluster.nodes[0];
    let admin = node.admin();
    let mut changes = 0;
    let ended = clock::eventually(ENDS_WITHIN, || {
        // Each change is a commit, until one is the last.
        changes += 1;
        let description = format!("change {changes}");
        let body = json!({"name": "often", "type": "WEBHOOK", "description": description});
        let _ = admin.ask("PUT", "/sources", Some(&body));
        node.exit_within(Duration::ZERO)
    });
    let log = node.log();
    assert_eq!(ended.and_then(|status| status.code()), Some(code), "{log}");
    assert!(log.contains(said), "{log}");
}

#[test]
fn a_panic_of_the_thread_that_writes_ends_the_node_with_a_reason() {
    ends_when(
        "committer::before_write=100*off->panic",
        EXIT_PANIC,
        "this node ends: something that others depend on panicked",
    );
}

#[test]
fn a_commit_of_the_state_that_fails_ends_its_group_and_the_node() {
    ends_when(
        "transaction::before_write=100*off->return",
        EXIT_STORE,
        "this node ends: its store or a group",
    );
}
