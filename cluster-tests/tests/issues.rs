//! Issues and their notifications on clusters whose nodes die.

use cluster_tests::{
    admin::{self, Admin},
    clock,
    hook::Hook,
    process::{Cluster, Options},
    receiver::{self, Answer, Receiver},
    scene::{SECRET, Scene},
    sender,
};
use serde_json::{Value, json};
use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU16, Ordering},
    },
    time::Duration,
};

const WAIT: Duration = Duration::from_secs(60);
const HOOK_SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

/// Posts to a source as its sender does, or as a forger; the answer's status and the request's id.
fn post(to: SocketAddr, source: &str, secret: &str) -> (u16, String) {
    let body = b"{}";
    let signature = sender::github_signature(secret, body);
    let headers = [
        ("x-hub-signature-256", signature.as_str()),
        ("content-type", "application/json"),
    ];
    let answer = admin::call(to, "POST", &format!("/{source}"), &headers, body);
    let (status, body) = answer.expect("the node answers");
    let body: Value = serde_json::from_slice(&body).unwrap_or_default();
    let id = body["request_id"].as_str().unwrap_or_default().to_owned();
    (status, id)
}

/// A cluster of three whose receiver is asked once for each event.
fn asked_once(settings: &[(&'static str, String)]) -> Scene {
    let options = Options {
        settings: settings.to_vec(),
        ..Options::default()
    };
    let once = json!([{"type": "retry", "strategy": "linear", "count": 0, "interval": 1000}]);
    Scene::with(Cluster::form(3, options), Receiver::start(), &once)
}

/// The issues that a query finds, when there are any.
fn issues(admin: &Admin, query: &str) -> Option<Vec<Value>> {
    let found = admin.list("/issues", query).ok()?;
    (!found.is_empty()).then_some(found)
}

/// Which process leads a group.
fn leader_of(scene: &Scene, group: u64) -> usize {
    let found = clock::eventually(WAIT, || {
        let view = scene.cluster.nodes[0].admin().cluster().ok()?;
        let leader = view.groups.iter().find(|g| g.group == group)?.leader?;
        scene.cluster.number_of(view.nodes.get(&leader)?)
    });
    found.expect("the group has a leader")
}

/// One node that is not this one.
fn other(scene: &Scene, than: usize) -> Admin {
    scene.cluster.nodes[(than + 1) % scene.cluster.nodes.len()].admin()
}

#[test]
fn forgeries_at_every_node_are_one_request_issue_that_names_some_of_them() {
    let scene = Scene::set(3, &[]);
    let nodes = scene.cluster.ingest_addresses();
    for round in 0..6 {
        for &to in &nodes {
            let (status, _) = post(to, &scene.source, &format!("a forger's secret no {round}"));
            assert_eq!(status, 403);
        }
    }
    for node in &scene.cluster.nodes {
        let admin = node.admin();
        let found = clock::eventually(WAIT, || {
            let found = issues(&admin, "?type=request&limit=100")?;
            // Counts arrive from each partition's leader in its turn.
            (found[0]["count"] == 18).then_some(found)
        });
        let [issue] = found
            .expect("the forgeries are counted")
            .try_into()
            .expect("one issue");
        assert_eq!(
            issue["aggregation_keys"]["source_id"],
            json!([scene.source])
        );
        let cause = &issue["aggregation_keys"]["rejection_cause"];
        assert_eq!(cause, &json!(["VERIFICATION_FAILED"]));
        for sample in issue["samples"].as_array().expect("samples") {
            let id = sample["request_id"].as_str().expect("a request");
            let request = admin.get(&format!("/requests/{id}")).expect("it is stored");
            assert_eq!(request["rejection_cause"], "VERIFICATION_FAILED");
        }
    }
    assert_eq!(post(nodes[0], &scene.source, SECRET).0, 200);
}

#[test]
fn a_notification_outlives_the_node_that_was_to_send_it_and_keeps_its_id() {
    let mut scene = asked_once(&[]);
    scene.receiver.answer_with(|_| Answer {
        status: 500,
        after: Duration::ZERO,
    });
    let hook = Hook::start(503);
    let channel = json!({"url": hook.url(), "signing_secret": HOOK_SECRET});
    let trigger = json!({
        "name": "all", "type": "delivery", "channels": {"webhook": channel},
        "configs": {"strategy": "final_attempt", "connections": "*"},
    });
    let admin = scene.cluster.nodes[0].admin();
    admin
        .insist("PUT", "/issue-triggers", &trigger)
        .expect("a trigger");
    let to = scene.cluster.nodes[0].ingest;
    assert_eq!(post(to, &scene.source, SECRET).0, 200);
    let first = clock::eventually(WAIT, || hook.told().into_iter().next());
    let first = first.expect("the hook is told");
    assert_eq!(first.answered, 503);

    let victim = leader_of(&scene, 0);
    scene.cluster.nodes[victim].kill();
    hook.answer_with(200);
    let taken = clock::eventually(WAIT, || {
        hook.told().into_iter().find(|told| told.answered == 200)
    });
    let taken = taken.expect("whoever leads next tells it again");
    for told in hook.told() {
        assert_eq!(told.id, first.id, "every try has the same id");
        assert!(told.is_signed_with(HOOK_SECRET), "{told:?}");
    }
    assert_eq!(taken.json()["type"], "issue.opened");
    let id = taken.json()["data"]["id"].clone();
    let found = clock::eventually(WAIT, || issues(&other(&scene, victim), "?type=delivery"));
    assert_eq!(found.expect("the issue")[0]["id"], id);
}

#[test]
fn failures_that_a_dead_node_had_not_reported_become_an_issue() {
    // So long that a node can be killed in between.
    let every = [("issues.report_every_ms", "15000".to_owned())];
    let mut scene = asked_once(&every);
    let answer = Arc::new(AtomicU16::new(500));
    let answered = answer.clone();
    scene.receiver.answer_with(move |_| Answer {
        status: answered.load(Ordering::Relaxed),
        after: Duration::ZERO,
    });
    let admin = scene.cluster.nodes[0].admin();
    let to = scene.cluster.nodes[0].ingest;
    // A report may fall just between: then it is tried with another status.
    let unreported = (500..520).find_map(|status| {
        answer.store(status, Ordering::Relaxed);
        let (accepted, request) = post(to, &scene.source, SECRET);
        assert_eq!(accepted, 200);
        let path = format!("/requests/{request}/events");
        let event = clock::eventually(WAIT, || {
            let events = admin.list(&path, "?status=FAILED").ok()?;
            events.into_iter().next()
        });
        let event = event.expect("the delivery has failed")["id"].clone();
        let query = format!("?aggregation_keys[response_status]={status}");
        issues(&admin, &query).is_none().then_some((query, event))
    });
    let (query, event) = unreported.expect("one of twenty failures is not reported at once");
    let event = event.as_str().expect("an id");
    let group = receiver::partition_of(event).expect("an event's id names its partition");
    let victim = leader_of(&scene, u64::from(group));
    scene.cluster.nodes[victim].kill();

    let admin = other(&scene, victim);
    let found = clock::eventually(WAIT, || issues(&admin, &query));
    let [issue] = found
        .expect("the issue opens all the same")
        .try_into()
        .expect("one");
    assert_eq!(
        (&issue["count"], &issue["status"]),
        (&json!(1), &json!("OPENED"))
    );
    assert_eq!(issue["reference"]["event_id"], event);
}
