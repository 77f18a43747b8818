//! Three processes form a cluster by themselves; what one is told, all know.

use cluster_tests::{
    checker, clock,
    process::{Cluster, Options},
    scene::{self, Scene},
    sender::{Outcome, Post},
};
use serde_json::json;
use std::{
    collections::BTreeSet,
    fs,
    net::TcpListener,
    time::{Duration, Instant},
};

#[test]
fn a_node_whose_port_is_taken_says_which() {
    let mut cluster = Cluster::form(1, Options::default());
    let node = &mut cluster.nodes[0];
    for address in [node.ingest, node.admin] {
        node.stop();
        let taken = TcpListener::bind(address).expect("its own place");
        node.start();
        let status = node.exit_within(Duration::from_secs(20));
        assert!(status.is_some_and(|status| !status.success()));
        let log = node.log();
        assert!(log.contains(&format!("listening on {address}")), "{log}");
        assert!(!log.contains("panicked"), "{log}");
        drop(taken);
        node.start();
        node.wait_ready(Duration::from_secs(60));
    }
}

#[test]
fn a_change_that_was_acknowledged_is_in_force_at_every_node() {
    const CHANGES: usize = 300;
    let cluster = Cluster::form(3, Options::default());
    let behind: Vec<_> = (0..CHANGES)
        .flat_map(|change| {
            let description = format!("change {change}");
            let body = json!({"name": "often", "type": "WEBHOOK", "description": description});
            let made = cluster.nodes[change % 3]
                .admin()
                .insist("PUT", "/sources", &body);
            let id = made.expect("a source")["id"].clone();
            let id = id.as_str().expect("an id").to_owned();
            let reads = cluster.nodes.iter().map(move |node| {
                // What this node routes by, without asking its leader.
                let path = format!("/sources/{id}?consistency=local");
                (node.name.clone(), node.admin().get(&path))
            });
            let is_known = |read: &Result<serde_json::Value, String>| {
                read.as_ref()
                    .is_ok_and(|read| read["description"] == description.as_str())
            };
            reads
                .filter(|(_, read)| !is_known(read))
                .map(|(name, read)| format!("{name} at {change}: {read:?}"))
                .collect::<Vec<_>>()
        })
        .collect();
    assert!(behind.is_empty(), "{behind:#?}");
}

#[test]
fn three_nodes_form_a_cluster_that_takes_and_delivers_at_each_and_is_read_from_any() {
    let mut scene = Scene::set(3, &[]);
    let view = scene.cluster.nodes[2]
        .admin()
        .cluster()
        .expect("a cluster status");
    assert_eq!(view.nodes.len(), 3, "{view:?}");
    assert!(
        view.groups.iter().all(|group| group.leader.is_some()),
        "{view:?}"
    );

    for node in &scene.cluster.nodes {
        let source = node.admin().get(&format!("/sources/{}", scene.source));
        assert_eq!(
            source.expect("every node knows the source")["name"],
            "github"
        );
    }

    let posts = scene.send(50, 6).finish_after(Duration::from_secs(3));
    let reached: BTreeSet<_> = posts.iter().map(|post| post.to).collect();
    assert_eq!(reached.len(), 3, "every node was posted to");
    assert!(posts.iter().all(Post::is_acked), "{posts:?}");

    scene.settle(&posts, Duration::from_secs(30));
    let verdict = scene.judge(&posts);
    verdict.must_hold();
    assert_eq!(
        verdict.deliveries, verdict.acked,
        "without faults nothing comes twice"
    );

    let Outcome::Acked { request_id } = &posts[0].outcome else {
        panic!("the first post was acknowledged");
    };
    for node in &scene.cluster.nodes {
        let request = node.admin().get(&format!("/requests/{request_id}"));
        assert_eq!(
            request.expect("any node reads the request")["id"],
            *request_id
        );
    }
    assert!(checker::duplicated(&scene.receiver.deliveries()).is_empty());
}

#[test]
fn what_a_2xx_promised_is_in_the_next_answer_of_any_node() {
    let scene = Scene::set(3, &[]);
    let (writer, reader) = (
        scene.cluster.nodes[0].admin(),
        scene.cluster.nodes[1].admin(),
    );
    for number in 0..20 {
        let name = format!("source-{number}");
        let id = writer
            .github_source(&name, scene::SECRET)
            .expect("a source is made");
        let found = reader
            .get(&format!("/sources/{id}"))
            .expect("the other node knows it at once");
        assert_eq!(found["name"], *name);
    }
}

#[test]
fn one_node_of_three_stopped_in_good_order_costs_no_duplicate() {
    let mut scene = Scene::set(3, &[]);
    let sender = scene.send(50, 6);
    std::thread::sleep(Duration::from_secs(2));
    scene.cluster.nodes[1].stop();
    std::thread::sleep(Duration::from_secs(2));
    let posts = sender.finish();
    scene.settle(&posts, Duration::from_secs(30));
    let verdict = scene.judge(&posts);
    verdict.must_hold();
    assert_eq!(
        verdict.duplicates_by_fault, 0,
        "a stop hands over, it does not drop"
    );
    clock::eventually(Duration::from_secs(10), || {
        scene.cluster.nodes[0].is_ready().then_some(())
    })
    .expect("the others go on");
}

#[test]
fn a_cluster_whose_nodes_were_all_killed_at_once_is_ready_again_by_itself() {
    let mut cluster = Cluster::form(3, Options::default());
    for _ in 0..3 {
        cluster.kill_all();
        for node in &mut cluster.nodes {
            node.start();
        }
        cluster.wait_ready(Duration::from_secs(30));
    }
}

#[test]
fn two_of_three_go_on_while_the_third_is_killed_and_comes_back() {
    let mut cluster = Cluster::form(3, Options::default());
    for victim in 0..3 {
        cluster.nodes[victim].kill();
        let others = clock::eventually(Duration::from_secs(20), || {
            let mut others = (0..3).filter(|&other| other != victim);
            others
                .all(|other| cluster.nodes[other].is_ready())
                .then_some(())
        });
        assert!(others.is_some(), "two of three are a majority");
        cluster.nodes[victim].start();
        cluster.wait_ready(Duration::from_secs(30));
    }
}

#[test]
fn the_admin_side_answers_while_the_leader_of_the_configuration_is_frozen() {
    let cluster = Cluster::form(3, Options::default());
    let source = |name: &str| json!({"name": name, "type": "WEBHOOK"});
    let admin = cluster.nodes[0].admin();
    admin
        .insist("PUT", "/sources", &source("before"))
        .expect("made");
    let leader = clock::eventually(Duration::from_secs(20), || {
        let leader = admin
            .cluster()
            .ok()?
            .groups
            .iter()
            .find(|group| group.group == 0)?
            .leader;
        (0..3).find(|number| cluster.id_of(*number).ok() == leader)
    });
    let leader = leader.expect("somebody leads");
    let other = cluster.nodes[(leader + 1) % 3].admin();
    cluster.nodes[leader].pause();
    let asked = Instant::now();
    let read = other.get("/sources");
    let read_after = asked.elapsed();
    let changed = other.ask("PUT", "/sources", Some(&source("meanwhile")));
    cluster.nodes[leader].resume();
    assert!(read.is_ok(), "after {read_after:?}: {read:?}");
    assert!(changed.is_ok(), "{changed:?}");
}

#[test]
fn a_node_on_the_directory_of_another_ends_and_names_both() {
    let mut cluster = Cluster::form(3, Options::default());
    for number in [1, 2] {
        cluster.nodes[number].stop();
    }
    let [own, other] = [1, 2].map(|number| cluster.nodes[number].data_dir());
    let aside = own.with_extension("aside");
    let swap = || {
        fs::rename(&own, &aside).expect("moved");
        fs::rename(&other, &own).expect("moved");
        fs::rename(&aside, &other).expect("moved");
    };
    swap();
    let addresses = [1, 2].map(|number| cluster.nodes[number].peer.to_string());
    for number in [1, 2] {
        let node = &mut cluster.nodes[number];
        node.start();
        let status = node.exit_within(Duration::from_secs(20));
        // As for a configuration that is wrong.
        assert_eq!(status.and_then(|status| status.code()), Some(78));
        let log = node.log();
        let said = log.lines().last().unwrap_or_default();
        assert!(
            addresses.iter().all(|address| said.contains(address)),
            "{said}"
        );
    }
    swap();
    for number in [1, 2] {
        cluster.nodes[number].start();
    }
    cluster.wait_ready(Duration::from_secs(60));
}
