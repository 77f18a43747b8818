//! Nodes that come late, come back, come new, leave, or come back without their memory.

use cluster_tests::{clock, faults::Fault, process::Cluster, scene::Scene};
use std::{thread, time::Duration};

/// A log so short that a node misses its end within seconds.
fn short_log() -> [(&'static str, String); 2] {
    [
        ("cluster.log_entries_kept", "200".to_owned()),
        ("cluster.snapshot_after_entries", "200".to_owned()),
    ]
}

fn snapshots_installed(cluster: &Cluster, number: usize) -> bool {
    cluster.nodes[number]
        .log()
        .to_lowercase()
        .contains("snapshot installed")
}

#[test]
fn a_node_stopped_for_longer_than_the_log_is_kept_comes_back_by_snapshot() {
    let mut scene = Scene::set(3, &short_log());
    let sender = scene.send(300, 12);
    thread::sleep(Duration::from_secs(1));
    scene.faults.fire(Fault::NodeStopped);
    scene.cluster.nodes[2].stop();
    thread::sleep(Duration::from_secs(12));
    assert!(
        !snapshots_installed(&scene.cluster, 2),
        "it has not lagged yet"
    );
    scene.start(2);
    thread::sleep(Duration::from_secs(2));
    let posts = sender.finish();
    scene.settle(&posts, Duration::from_secs(60));
    scene.faults.healed();

    scene.must_agree();
    assert!(
        snapshots_installed(&scene.cluster, 2),
        "the log alone could not bring it up to date"
    );
    let verdict = scene.judge(&posts);
    scene.faults.report(&[Fault::NodeStopped]);
    verdict.must_hold();
}

#[test]
fn a_node_is_added_and_one_is_removed_under_load_and_nothing_is_lost() {
    let mut scene = Scene::set(3, &[]);
    let sender = scene.send(150, 12);
    thread::sleep(Duration::from_secs(2));

    let joiner = scene.cluster.configure_joiner();
    scene.faults.fire(Fault::NodeAdded);
    scene.start(joiner);
    let joined = clock::eventually(Duration::from_secs(60), || {
        let view = scene.cluster.nodes[0].admin().cluster().ok()?;
        let known = view.nodes.len() == 4;
        known.then_some(())
    });
    assert!(joined.is_some(), "the cluster has four nodes");

    let leaving = scene.cluster.id_of(1).expect("node 2 knows its id");
    scene.faults.fire(Fault::NodeRemoved);
    let path = format!("/cluster/nodes/{leaving}");
    let mut last = String::new();
    let removed = clock::eventually(Duration::from_secs(60), || {
        let admin = scene.cluster.nodes[0].admin();
        if let Err(error) = admin.ask("DELETE", &path, None) {
            last = error;
        }
        let view = admin.cluster().ok()?;
        (!view.nodes.contains_key(&leaving)).then_some(())
    });
    assert!(removed.is_some(), "node 2 is no longer one of them: {last}");
    scene.cluster.nodes[1].kill();
    thread::sleep(Duration::from_secs(3));

    let posts = sender.finish();
    scene.settle(&posts, Duration::from_secs(60));
    scene.faults.healed();
    let verdict = scene.judge(&posts);
    scene.faults.report(&[Fault::NodeAdded, Fault::NodeRemoved]);
    verdict.must_hold();
    scene.must_agree();
}

#[test]
fn a_wiped_node_under_its_old_id_is_refused() {
    let mut scene = Scene::set(3, &[]);
    let sender = scene.send(50, 6);
    thread::sleep(Duration::from_secs(1));
    scene.faults.fire(Fault::NodeWiped);
    scene.cluster.nodes[2].kill();
    scene.cluster.nodes[2].wipe();
    scene.cluster.nodes[2].start();

    // Refused means: it ends, or it stays outside, and in neither case is it ready to take a post.
    let wiped = &mut scene.cluster.nodes[2];
    let refused = clock::eventually(Duration::from_secs(10), || {
        assert!(
            !(wiped.is_running() && wiped.is_ready()),
            "a node without its memory takes part"
        );
        (!wiped.is_running()).then_some(())
    });
    let said = scene.cluster.nodes[2].log();
    println!(
        "the wiped node {}",
        if refused.is_some() {
            "ended"
        } else {
            "stays outside"
        }
    );
    let last = said.lines().last().unwrap_or_default().to_lowercase();
    assert!(
        said.to_lowercase().contains("refuse") || last.contains("wiped"),
        "it says why: {last}"
    );

    assert!(scene.cluster.nodes[0].is_ready() && scene.cluster.nodes[1].is_ready());
    scene.cluster.nodes[2].kill();
    let posts = sender.finish();
    scene.settle(&posts, Duration::from_secs(60));
    scene.faults.healed();
    let verdict = scene.judge(&posts);
    scene.faults.report(&[Fault::NodeWiped]);
    verdict.must_hold();
}
