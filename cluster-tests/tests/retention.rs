//! Retention fires in a running cluster: what is older than its bound goes on every node, what is not delivered stays.

use cluster_tests::{admin::Admin, clock, receiver::Answer, scene::Scene, wall_clock::WallClock};
use serde_json::{Value, json};
use std::{slice, thread, time::Duration};

const HOUR: Duration = Duration::from_secs(3600);
const WAIT: Duration = Duration::from_secs(30);
/// What may go is asked for twice, a minute apart, and then it is an hour a minute.
const STEP: Duration = Duration::from_secs(61);

/// Between two looks a node has looked, too.
const LOOKS: Duration = Duration::from_millis(700);

/// Whether a node still has the request, its body and its event.
fn has(admin: &Admin, request: &str) -> Result<[bool; 3], String> {
    let there = |answer: Result<Value, String>| match answer {
        Ok(_) => Ok(true),
        Err(why) if why.contains(": 404 ") => Ok(false),
        Err(why) => Err(why),
    };
    let events = admin.list("/events", "?limit=100")?;
    Ok([
        there(admin.get(&format!("/requests/{request}")))?,
        there(admin.get(&format!("/requests/{request}/raw_body")))?,
        events.iter().any(|event| event["request_id"] == request),
    ])
}

fn must_be(scene: &Scene, request: &str, there: bool, why: &str) {
    for node in &scene.cluster.nodes {
        let admin = node.admin();
        let mut last = Err("not asked".to_owned());
        clock::eventually(WAIT, || {
            last = has(&admin, request);
            (last == Ok([there; 3])).then_some(())
        });
        assert_eq!(last, Ok([there; 3]), "{}: {request} {why}", node.name);
    }
}

/// Lets the wall clocks go on from here, a minute at a time, until all nodes have let these requests go.
fn must_go(scene: &Scene, wall_clock: &WallClock, from: Duration, requests: &[String], why: &str) {
    let admin = scene.cluster.nodes[0].admin();
    let mut ahead = from;
    let gone = clock::eventually(WAIT, || {
        ahead += STEP;
        wall_clock.set_ahead(ahead);
        thread::sleep(LOOKS);
        let is_gone = |request: &String| has(&admin, request) == Ok([false; 3]);
        requests.iter().all(is_gone).then_some(())
    });
    assert!(gone.is_some(), "{requests:?} {why}");
    for request in requests {
        must_be(scene, request, false, why);
    }
}

#[test]
fn what_is_old_goes_on_every_node_and_what_is_not_delivered_stays_until_it_ends() {
    let Some(wall_clock) = WallClock::here() else {
        return;
    };
    let settings = [
        ("retention.max_age_hours", "2".to_owned()),
        ("retention.every_ms", "500".to_owned()),
        // The hours that the test lets go by are meant.
        ("retention.doubt_hours", "0".to_owned()),
        (
            "log.filter",
            "\"info,openraft=warn,tidegate::retention=debug\"".to_owned(),
        ),
    ];
    let rules =
        json!([{"type": "retry", "strategy": "linear", "count": 50, "interval": 3_600_000}]);
    let scene = Scene::set_by(slice::from_ref(&wall_clock), 3, &settings, &rules);
    let delivered: Vec<String> = (0..6)
        .map(|number| scene.post(number % 3, format!("delivered {number}").as_bytes()))
        .collect();
    clock::eventually(WAIT, || {
        (scene.receiver.delivered_requests().len() == delivered.len()).then_some(())
    })
    .expect("all are delivered");
    for request in &delivered {
        must_be(&scene, request, true, "is young and must be there");
    }

    // Three hours later the receiver is down.
    wall_clock.set_ahead(3 * HOUR);
    scene.receiver.answer_with(|_| Answer {
        status: 500,
        after: Duration::ZERO,
    });
    let open = scene.post(0, b"not delivered for long");
    let why = "are older than two hours and must go";
    must_go(&scene, &wall_clock, 3 * HOUR, &delivered, why);

    // Long after its bound, what was never delivered is still tried.
    let before = scene.receiver.count();
    wall_clock.set_ahead(9 * HOUR);
    clock::eventually(WAIT, || (scene.receiver.count() > before).then_some(()))
        .expect("its next try is made");
    must_be(&scene, &open, true, "is not delivered and must stay");

    scene.receiver.answer_with(|_| Answer::OK);
    wall_clock.set_ahead(11 * HOUR);
    clock::eventually(WAIT, || {
        scene
            .receiver
            .delivered_requests()
            .contains(&open)
            .then_some(())
    })
    .expect("it is delivered in the end");
    must_go(
        &scene,
        &wall_clock,
        11 * HOUR,
        &[open],
        "has ended and must go",
    );
}
