//! Nodes that come late, come back, come new, leave, or come back without their memory.

use cluster_tests::{
    admin::GroupView,
    clock,
    faults::{Fault, Faults},
    process::{Cluster, Options},
    scene::Scene,
};
use serde_json::json;
use std::{thread, time::Duration};

/// A log so short that a node misses its end within seconds.
fn short_log() -> [(&'static str, String); 2] {
    [
        ("cluster.snapshot_log_rows", "100".to_owned()),
        ("cluster.log_rows_kept", "50".to_owned()),
    ]
}

/// The groups of which `asked` has purged log rows that a node whose log ended like this would need.
fn beyond_the_log(scene: &Scene, asked: usize, ended: &[GroupView]) -> Option<usize> {
    let view = scene.cluster.nodes[asked].admin().cluster().ok()?;
    let gone = |group: &&GroupView| {
        let its_end = ended.iter().find(|end| end.group == group.group);
        its_end.is_some_and(|end| group.purged > end.last_log)
    };
    Some(view.groups.iter().filter(gone).count())
}

#[test]
fn a_node_stopped_for_longer_than_the_log_is_kept_comes_back_by_snapshot() {
    let mut scene = Scene::set(3, &short_log());
    let sender = scene.send(300, 12);
    thread::sleep(Duration::from_secs(1));
    scene.faults.fire(Fault::NodeStopped);
    scene.cluster.nodes[2].stop();
    let ended = scene.cluster.nodes[0]
        .admin()
        .cluster()
        .expect("a status")
        .groups;
    let purged = clock::eventually(Duration::from_secs(40), || {
        // All that the node could have is before what the others had when it stopped.
        let of_first = beyond_the_log(&scene, 0, &ended)?;
        let of_second = beyond_the_log(&scene, 1, &ended)?;
        (of_first.min(of_second) > 0).then_some(of_first.min(of_second))
    });
    let purged = purged.expect("the others purge their logs while it is away");
    println!("{purged} groups can bring it back by snapshot only");
    scene.start(2);
    thread::sleep(Duration::from_secs(2));
    let posts = sender.finish();
    scene.settle(&posts, Duration::from_secs(60));
    scene.faults.healed();

    scene.must_agree();
    let verdict = scene.judge(&posts);
    scene.faults.report(&[Fault::NodeStopped]);
    verdict.must_hold();
}

#[test]
fn a_node_is_added_and_one_is_removed_under_load_and_nothing_is_lost() {
    let mut scene = Scene::set(3, &[]);
    let sender = scene.send(150, 12);
    thread::sleep(Duration::from_secs(2));

    let newcomer = scene.cluster.configure_waiting();
    scene.faults.fire(Fault::NodeAdded);
    scene.cluster.nodes[newcomer].start();
    let address = json!({"address": scene.cluster.nodes[newcomer].peer.to_string()});
    let mut last = String::new();
    let added = clock::eventually(Duration::from_secs(30), || {
        let admin = scene.cluster.nodes[0].admin();
        let answer = admin.ask("POST", "/cluster/nodes", Some(&address));
        answer.map_err(|error| last = error).ok()
    });
    assert!(added.is_some(), "the waiting node is added: {last}");
    let joined = clock::eventually(Duration::from_secs(60), || {
        let view = scene.cluster.nodes[0].admin().cluster().ok()?;
        let votes = view.groups.iter().all(|group| group.voters == 4);
        (view.nodes.len() == 4 && votes).then_some(())
    });
    assert!(joined.is_some(), "the new node votes in every group");

    let leaving = scene.cluster.id_of(1).expect("node 2 knows its id");
    scene.faults.fire(Fault::NodeRemoved);
    let path = format!("/cluster/nodes/{leaving}");
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
    let mut cluster = Cluster::form(3, Options::default());
    let mut faults = Faults::default();
    faults.fire(Fault::NodeWiped);
    cluster.nodes[2].kill();
    cluster.nodes[2].wipe();
    cluster.nodes[2].start();

    // Refused means: it ends, or it stays outside, and in neither case is it ready to take a post.
    let wiped = &mut cluster.nodes[2];
    let ended = clock::eventually(Duration::from_secs(10), || {
        let takes_part = wiped.is_running() && wiped.is_ready();
        assert!(!takes_part, "a node without its memory takes part");
        (!wiped.is_running()).then_some(())
    });
    println!(
        "the wiped node {}",
        if ended.is_some() {
            "ended"
        } else {
            "stays outside"
        }
    );
    assert!(
        cluster.nodes[2].log().contains("under its old id"),
        "it says why"
    );
    assert!(
        cluster.nodes[0].is_ready() && cluster.nodes[1].is_ready(),
        "the others go on"
    );
    faults.report(&[Fault::NodeWiped]);
}
