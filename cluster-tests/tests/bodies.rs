//! Bodies outlive what happens to one node: a clock that is wrong by a month, and a disk that gives back something else.

use base64::{Engine, prelude::BASE64_STANDARD};
use cluster_tests::{admin::Admin, clock, receiver::Answer, scene::Scene, wall_clock::WallClock};
use serde_json::{Value, json};
use std::{
    fs,
    path::Path,
    thread,
    time::{Duration, Instant},
};

const DAY: Duration = Duration::from_secs(24 * 3600);
const WAIT: Duration = Duration::from_secs(30);
/// The next try by itself comes long after the test, or soon.
const LATER: u64 = 3_600_000;
const SOON: u64 = 2_000;

const REFUSED: Answer = Answer {
    status: 500,
    after: Duration::ZERO,
};

/// An acknowledged request and what it carried.
struct Kept {
    request: String,
    body: String,
}

/// What no compression makes shorter, and what lies in a file of its own.
fn noise(name: &str) -> String {
    let noise: Vec<u8> = (0..1500).map(|_| fastrand::u8(..)).collect();
    let noise = BASE64_STANDARD.encode(noise);
    format!(r#"{{"key":"{name}","noise":"{noise}"}}"#)
}

fn post(scene: &Scene, node: usize, name: &str) -> Kept {
    let body = noise(name);
    let request = scene.post(node, body.as_bytes());
    Kept { request, body }
}

/// What the node says of the bodies that it lacked: missing, fetched, damaged, lost.
fn lacked(admin: &Admin) -> [u64; 4] {
    let status = admin.get("/cluster").expect("a status");
    ["missing", "fetched", "damaged", "lost"]
        .map(|name| status["bodies"][name].as_u64().expect("a number"))
}

/// A node must have every request and its body on its own disk.
fn must_have(admin: &Admin, kept: &[Kept]) {
    for Kept { request, body } in kept {
        let path = format!("/requests/{request}/raw_body?consistency=local");
        let mut last = Value::Null;
        let has = clock::eventually(WAIT, || match admin.get(&path) {
            Ok(answer) => (answer["body"] == body.as_str()).then_some(()),
            Err(why) => {
                last = why.into();
                None
            }
        });
        assert!(has.is_some(), "{request}: {last}");
    }
    assert_eq!(lacked(admin), [0; 4], "nothing was asked of others");
}

/// The event of a request.
fn event_of(admin: &Admin, request: &str) -> String {
    let found = clock::eventually(WAIT, || {
        let events = admin.get(&format!("/requests/{request}/events")).ok()?;
        let id = events["models"][0]["id"].as_str();
        id.map(ToOwned::to_owned)
    });
    found.expect("it has an event")
}

fn retry(admin: &Admin, event: &str) {
    let path = format!("/events/{event}/retry");
    let answer = clock::eventually(WAIT, || admin.ask("POST", &path, None).ok());
    answer.expect("it is retried");
}

fn must_arrive(scene: &Scene, kept: &[&Kept]) {
    let arrived = clock::eventually(WAIT, || {
        let delivered = scene.receiver.delivered_requests();
        let all = kept.iter().all(|kept| delivered.contains(&kept.request));
        all.then_some(())
    });
    assert!(arrived.is_some(), "all are delivered in the end");
}

/// A1 and F16: one node thirty days ahead for five seconds.
#[test]
fn one_clock_a_month_ahead_takes_no_data_from_anybody() {
    let clocks: Option<Vec<_>> = (0..3).map(|_| WallClock::here()).collect();
    let Some(clocks) = clocks else { return };
    let settings = [
        ("retention.every_ms", "500".to_owned()),
        ("cluster.partitions", "3".to_owned()),
        ("cluster.snapshot_log_rows", "40".to_owned()),
        ("cluster.log_rows_kept", "10".to_owned()),
        // The days that the test lets go by in the end are meant.
        ("retention.doubt_hours", "0".to_owned()),
        (
            "log.filter",
            "\"info,openraft=warn,tidegate::retention=debug\"".to_owned(),
        ),
    ];
    let rules = json!([{"type": "retry", "strategy": "linear", "count": 50, "interval": SOON}]);
    let mut scene = Scene::set_by(&clocks, 3, &settings, &rules);
    let mut kept: Vec<_> = (0..90)
        .map(|number| post(&scene, number % 3, &format!("before {number}")))
        .collect();
    must_arrive(&scene, &kept.iter().collect::<Vec<_>>());

    let leader = clock::eventually(WAIT, || scene.cluster.leader_of_most());
    let leader = leader.expect("somebody leads");
    for victim in [leader, (leader + 1) % 3] {
        clocks[victim].set_ahead(30 * DAY);
        let until = Instant::now() + Duration::from_secs(5);
        let mut number = 0;
        while Instant::now() < until {
            let body = noise(&format!("during {victim} {number}"));
            // Who is wrong may refuse; what is acknowledged counts.
            if let Some(request) = scene.try_post(number % 3, body.as_bytes()) {
                kept.push(Kept { request, body });
            }
            number += 1;
            thread::sleep(Duration::from_millis(50));
        }
        clocks[victim].set_ahead(Duration::ZERO);
        scene.cluster.wait_ready(Duration::from_secs(60));
    }
    println!("{} requests were acknowledged", kept.len());
    scene.receiver.answer_with(|_| REFUSED);
    let waiting = kept.len();
    kept.extend((0..60).map(|number| post(&scene, number % 3, &format!("after {number}"))));
    // Retention looks twice a second.
    thread::sleep(Duration::from_secs(3));
    for node in &scene.cluster.nodes {
        must_have(&node.admin(), &kept);
    }

    let purged = clock::eventually(WAIT, || {
        let view = scene.cluster.nodes[0].admin().cluster().ok()?;
        let groups = view.groups.iter().skip(1);
        groups
            .into_iter()
            .all(|group| group.purged > 0)
            .then_some(())
    });
    purged.expect("a new node can't come by the log alone");
    let newcomer = scene.add_node();
    let admin = scene.cluster.nodes[newcomer].admin();
    must_have(&admin, &kept);

    // It has all that it takes to deliver by itself.
    for gone in 0..3 {
        let id = scene.cluster.id_of(gone).expect("it knows its id");
        let removed = clock::eventually(Duration::from_secs(60), || {
            let _ = admin.ask("DELETE", &format!("/cluster/nodes/{id}"), None);
            let view = admin.cluster().ok()?;
            (!view.nodes.contains_key(&id)).then_some(())
        });
        removed.expect("it leaves");
        scene.cluster.nodes[gone].kill();
    }
    scene.receiver.answer_with(|_| Answer::OK);
    must_arrive(&scene, &kept[waiting..].iter().collect::<Vec<_>>());
    assert_eq!(lacked(&admin), [0; 4]);

    // Once the time has really passed, all of it goes.
    let mut ahead = 8 * DAY;
    let first = format!("/requests/{}?consistency=local", kept[0].request);
    let last = kept.last().map(|kept| kept.request.clone());
    let last = format!("/requests/{}?consistency=local", last.expect("one"));
    let is_gone = |path: &str| admin.get(path).is_err_and(|why| why.contains(": 404 "));
    let node = &mut scene.cluster.nodes[newcomer];
    let all_gone = clock::eventually(2 * WAIT, || {
        ahead += Duration::from_secs(61);
        // Alone it follows a wall that was set only after a minute, but begins with what it finds.
        node.stop();
        clocks[2].set_ahead(ahead);
        node.start();
        node.wait_ready(WAIT);
        thread::sleep(Duration::from_millis(1200));
        (is_gone(&first) && is_gone(&last)).then_some(())
    });
    assert!(all_gone.is_some(), "retention goes on");
}

/// The number of the node that leads a group.
fn leader_of(scene: &Scene, group: u64) -> Option<usize> {
    let view = scene.cluster.nodes[0].admin().cluster().ok()?;
    let leader = view
        .groups
        .iter()
        .find(|known| known.group == group)?
        .leader?;
    (0..scene.cluster.nodes.len()).find(|number| scene.cluster.id_of(*number) == Ok(leader))
}

/// Flips a bit of a body in the files of a stopped node.
fn damage(data: &Path, body: &str) {
    let (from, to) = (body.len() / 2, body.len() / 2 + 64);
    let wanted = &body.as_bytes()[from..to];
    for entry in fs::read_dir(data.join("db/db")).expect("a directory") {
        let path = entry.expect("an entry").path();
        if path.extension().is_none_or(|name| name != "blob") {
            continue;
        }
        let mut bytes = fs::read(&path).expect("read");
        let found = bytes.windows(wanted.len()).position(|part| part == wanted);
        if let Some(at) = found {
            bytes[at + 10] ^= 1;
            return fs::write(&path, bytes).expect("written");
        }
    }
    panic!("the body is in no file of {}", data.display());
}

/// Also of A4: bodies that are in the log no more are not looked at when a node starts.
#[test]
fn a_body_that_a_disk_has_lost_is_delivered_from_another_nodes() {
    // A log that can't be read back keeps a node from starting: this one is behind it.
    let settings = [
        ("cluster.partitions", "1".to_owned()),
        ("cluster.snapshot_log_rows", "60".to_owned()),
        ("cluster.log_rows_kept", "5".to_owned()),
    ];
    let rules = json!([{"type": "retry", "strategy": "linear", "count": 5, "interval": LATER}]);
    let mut scene = Scene::set_by(&[], 3, &settings, &rules);
    scene.receiver.answer_with(|_| REFUSED);
    let lost = post(&scene, 0, "lost");
    let event = event_of(&scene.cluster.nodes[0].admin(), &lost.request);
    scene.receiver.answer_with(|_| Answer::OK);
    // One after the other, each an entry of its own.
    for number in 0..150 {
        let _ = scene.post(number % 3, b"one of many");
    }
    scene.must_agree();
    for node in &scene.cluster.nodes {
        let purged = clock::eventually(WAIT, || {
            let view = node.admin().cluster().ok()?;
            view.groups
                .iter()
                .find(|group| group.group == 1 && group.purged > 60)?;
            Some(())
        });
        purged.expect("its log is purged");
    }
    // The node that leads is one of the two that lose it, and leads again in the end.
    let leader = clock::eventually(WAIT, || leader_of(&scene, 1)).expect("somebody leads");
    let [other, healthy] = [(leader + 1) % 3, (leader + 2) % 3];
    let damaged = [leader, other];
    for number in damaged {
        scene.cluster.nodes[number].stop();
        // What is only in its write-ahead log is written out when it starts.
        scene.start(number);
        scene.cluster.nodes[number].stop();
        damage(&scene.cluster.nodes[number].data_dir(), &lost.body);
        scene.start(number);
    }
    scene.must_agree();

    // The one that has it is away: the event waits, and an alarm is up.
    scene.cluster.nodes[healthy].stop();
    let admins = damaged.map(|number| scene.cluster.nodes[number].admin());
    retry(&admins[0], &event);
    let alarmed = clock::eventually(WAIT, || {
        let told = admins
            .iter()
            .map(lacked)
            .find(|[missing, ..]| *missing == 1);
        let metrics = admins.iter().filter_map(|admin| admin.metrics().ok());
        let measured = metrics
            .into_iter()
            .any(|all| all.contains("tidegate_bodies_missing 1"));
        told.filter(|_| measured)
    });
    let [_, fetched, damaged, lost_for_good] = alarmed.expect("the node says what it lacks");
    assert_eq!((fetched, lost_for_good), (0, 0));
    assert!(damaged >= 1);
    thread::sleep(Duration::from_secs(2));
    let status = admins[0].get(&format!("/events/{event}")).expect("there");
    assert_eq!(
        (&status["status"], &status["attempts"]),
        (&json!("QUEUED"), &json!(1)),
        "{status}"
    );
    let why = admins[0].get(&format!("/requests/{}/raw_body", lost.request));
    assert!(
        why.is_err_and(|why| why.contains(": 503 ")),
        "nobody made it up"
    );

    scene.start(healthy);
    must_arrive(&scene, &[&lost]);
    for admin in &admins {
        let path = format!("/requests/{}/raw_body?consistency=local", lost.request);
        let read = clock::eventually(WAIT, || admin.get(&path).ok());
        assert_eq!(read.expect("read")["body"], lost.body.as_str());
    }
    let told = admins.iter().map(lacked);
    for [missing, fetched, _, lost] in told {
        assert_eq!((missing, lost), (0, 0));
        // Who asks at the same time fetches side by side.
        assert!(fetched >= 1, "{fetched}");
    }
}
