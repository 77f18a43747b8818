//! What a transformation made of an event is the same at every node, and an event that one failed is not lost with any.

use cluster_tests::{
    admin::{self, Admin, id_of},
    clock,
    process::{Cluster, Options},
    receiver::{self, Answer, Delivery, Receiver},
};
use serde_json::{Value, json};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

const WAIT: Duration = Duration::from_secs(60);

/// A cluster of three with an open source, connected through a transformation to a receiver.
struct Scene {
    cluster: Cluster,
    receiver: Receiver,
    source: String,
    connection: String,
}

impl Scene {
    fn set(transformation: &Value) -> Self {
        let cluster = Cluster::form(3, Options::default());
        let receiver = Receiver::start();
        let admin = cluster.nodes[0].admin();
        let body = json!({"name": "open", "type": "WEBHOOK", "config": {}});
        let source = admin.insist("PUT", "/sources", &body).expect("a source");
        let source = id_of(&source).expect("an id");
        let destination = admin.destination("receiver", &receiver.url());
        let destination = destination.expect("a destination");
        let rules = json!([
            {"type": "retry", "strategy": "linear", "count": 30, "interval": 2_000},
            {"type": "transform", "transformation": transformation},
        ]);
        let connection = admin.connect("open-to-receiver", &source, &destination, &rules);
        Self {
            connection: connection.expect("a connection"),
            cluster,
            receiver,
            source,
        }
    }

    /// Posts until it is acknowledged; the id of its request.
    fn post(&self, first: usize, body: &Value) -> String {
        let nodes = self.cluster.ingest_addresses();
        let (path, body) = (format!("/{}", self.source), body.to_string());
        let headers = [("content-type", "application/json")];
        let mut node = first;
        let answer = clock::eventually(WAIT, || {
            node += 1;
            let to = nodes[node % nodes.len()];
            let (status, answer) =
                admin::call(to, "POST", &path, &headers, body.as_bytes()).ok()?;
            (status == 200).then_some(answer)
        });
        let answer: Value = serde_json::from_slice(&answer.expect("acknowledged")).expect("JSON");
        answer["request_id"].as_str().expect("an id").to_owned()
    }

    fn by_event(&self) -> BTreeMap<String, Vec<Delivery>> {
        let mut events: BTreeMap<String, Vec<Delivery>> = BTreeMap::new();
        for delivery in self.receiver.deliveries() {
            let of_event = events.entry(delivery.event_id.clone()).or_default();
            of_event.push(delivery);
        }
        events
    }

    /// Waits until so many events have come, and this holds for the deliveries of each.
    fn wait_for(&self, events: usize, what: &str, of_each: impl Fn(&[Delivery]) -> bool) {
        let found = clock::eventually(WAIT, || {
            let seen = self.by_event();
            (seen.len() >= events && seen.values().all(|deliveries| of_each(deliveries)))
                .then_some(())
        });
        assert!(found.is_some(), "{what}: {:?}", self.by_event());
    }

    fn save(&self, name: &str, program: &Value) -> Value {
        let mut body = program.clone();
        body["name"] = json!(name);
        let admin = self.cluster.nodes[1].admin();
        let saved = admin.insist("PUT", "/transformations", &body);
        saved.expect("the transformation is saved")
    }
}

/// A body that tells when and by which version it was made, if that ever differs.
fn stamped(format: u32) -> Value {
    let code = format!(
        "addHandler('transform', (request) => ({{ ...request, body: {{
            key: request.body.key, format: {format}, at: Date.now(), dice: [Math.random(), Math.random()],
        }} }}));"
    );
    json!({"name": "stamp", "code": code})
}

/// The versions that made each recorded attempt.
fn versions(admin: &Admin, event: &str) -> Vec<Value> {
    let attempts = admin
        .list("/attempts", &format!("?event_id={event}&limit=100"))
        .expect("attempts");
    attempts
        .iter()
        .map(|attempt| attempt["transformations"][0]["version"].clone())
        .collect()
}

fn taken(deliveries: &[Delivery]) -> bool {
    deliveries.iter().any(|delivery| delivery.answered == 200)
}

#[test]
fn retries_carry_the_same_bytes_from_another_node_and_after_the_script_was_changed() {
    const EVENTS: usize = 30;
    let mut scene = Scene::set(&stamped(1));
    let opened = Arc::new(AtomicBool::new(false));
    let asked = opened.clone();
    scene.receiver.answer_with(move |_| Answer {
        // It answers for itself: one that is sick would be left alone, and be sent few of them.
        status: if asked.load(Ordering::Relaxed) {
            200
        } else {
            409
        },
        after: Duration::ZERO,
    });
    for number in 0..EVENTS {
        scene.post(number, &json!({"key": format!("k-{number}")}));
    }
    // Each was refused, and that is on record: from now on its bytes may not change.
    let recorded = clock::eventually(WAIT, || {
        let events = scene.cluster.nodes[0].admin().list("/events", "?limit=100");
        let events = events.ok()?;
        let attempted = |event: &Value| event["attempts"].as_u64() > Some(0);
        (events.len() >= EVENTS && events.iter().all(attempted)).then_some(events.len())
    });
    let events = recorded.expect("each event is attempted once");
    scene.save("stamp", &stamped(2));

    let victim = clock::eventually(WAIT, || scene.cluster.leader_of_most()).expect("a leader");
    let view = scene.cluster.nodes[victim].admin().cluster();
    let view = view.expect("what the victim leads");
    let led: BTreeSet<u64> = view
        .groups
        .iter()
        .filter(|group| group.leader == Some(view.node_id))
        .map(|group| group.group)
        .collect();
    scene.cluster.nodes[victim].kill();
    let killed_at = clock::micros();
    // Each is sent at least once more, those of the dead node by another.
    scene.wait_for(events, "attempts after the kill", |deliveries| {
        deliveries.last().is_some_and(|last| last.at > killed_at)
    });
    scene.cluster.nodes[victim].start();
    scene.cluster.nodes[victim].wait_ready(WAIT);
    opened.store(true, Ordering::Relaxed);
    scene.wait_for(events, "what was refused is taken", taken);

    let mut made = BTreeSet::new();
    let mut moved = 0;
    for (event, deliveries) in scene.by_event() {
        let bodies: BTreeSet<&str> = deliveries.iter().map(|d| d.body_hash.as_str()).collect();
        assert_eq!(
            bodies.len(),
            1,
            "{event} changed on its way: {deliveries:?}"
        );
        made.extend(bodies.into_iter().map(ToOwned::to_owned));
        let partition = receiver::partition_of(&event).map(u64::from);
        moved += usize::from(partition.is_some_and(|partition| led.contains(&partition)));
    }
    assert_eq!(made.len(), events, "each event has dice of its own");
    assert!(moved > 0, "the victim, leader of {led:?}, had events");

    let admin = scene.cluster.nodes[victim].admin();
    for event in scene.by_event().keys() {
        let versions = versions(&admin, event);
        assert!(versions.len() > 1, "{event}: {versions:?}");
        assert!(versions.iter().all(|version| version == 1), "{versions:?}");
    }
    // A new event takes what is current.
    let request = scene.post(0, &json!({"key": "k-new"}));
    scene.wait_for(events + 1, "the new event", taken);
    let deliveries = scene.receiver.deliveries();
    let new = deliveries.iter().find(|d| d.request_id == request);
    let event = &new.expect("delivered").event_id;
    let recorded = clock::eventually(WAIT, || {
        Some(versions(&admin, event)).filter(|versions| !versions.is_empty())
    });
    assert_eq!(recorded.expect("recorded"), [2]);
}

#[test]
fn an_event_that_a_transformation_failed_outlives_all_nodes_and_is_sent_once_it_is_mended() {
    const REQUESTS: usize = 6;
    let broken = json!({"name": "reshape", "code":
        "addHandler('transform', (request) => { throw new Error('no ' + request.body.missing.field); });"});
    let mut scene = Scene::set(&broken);
    let requests: Vec<String> = (0..REQUESTS)
        .map(|number| scene.post(number, &json!({"key": format!("k-{number}")})))
        .collect();
    let ignored = |admin: &Admin, request: &String| {
        let listed = admin.get(&format!("/requests/{request}/ignored_events"));
        let listed = listed.ok()?;
        (listed["count"] == 1).then(|| listed["models"][0].clone())
    };
    let admin = scene.cluster.nodes[0].admin();
    let before: Vec<Value> = requests
        .iter()
        .map(|request| clock::eventually(WAIT, || ignored(&admin, request)).expect("ignored"))
        .collect();
    assert!(
        before
            .iter()
            .all(|event| event["cause"] == "TRANSFORMATION_FAILED"),
        "{before:?}"
    );

    scene.cluster.kill_all();
    for node in &mut scene.cluster.nodes {
        node.start();
    }
    scene.cluster.wait_ready(WAIT);
    let admin = scene.cluster.nodes[2].admin();
    for (request, before) in requests.iter().zip(&before) {
        let after = clock::eventually(WAIT, || ignored(&admin, request));
        assert_eq!(after.as_ref(), Some(before));
        let shown = admin.get(&format!("/requests/{request}")).expect("shown");
        assert_eq!(
            (&shown["events_count"], &shown["ignored_count"]),
            (&json!(0), &json!(1))
        );
    }

    let mended = json!({"steps": [{"op": "set", "field": "body.mended", "value": true}]});
    let saved = scene.save("reshape", &mended);
    for request in &requests {
        let retry = json!({"webhook_ids": [scene.connection]});
        let path = format!("/requests/{request}/retry");
        let retried = admin.insist("POST", &path, &retry).expect("retried");
        assert_eq!(
            retried["events"].as_array().map(Vec::len),
            Some(1),
            "{retried}"
        );
    }
    scene.wait_for(REQUESTS, "the mended events", taken);
    thread::sleep(Duration::from_secs(2));
    let came = scene.receiver.deliveries();
    let hashes: BTreeSet<String> = came.iter().map(|d| d.body_hash.clone()).collect();
    let expected = (0..REQUESTS).map(|number| {
        let body = json!({"key": format!("k-{number}"), "mended": true}).to_string();
        receiver::hash(body.as_bytes())
    });
    assert_eq!(hashes, expected.collect());
    assert_eq!(came.len(), REQUESTS, "each came once: {came:?}");

    // What failed is still told, with what it said.
    let transformation = id_of(&saved).expect("an id");
    let executions = admin
        .list(
            &format!("/transformations/{transformation}/executions"),
            "?limit=100",
        )
        .expect("executions");
    let failed = executions
        .iter()
        .filter(|execution| execution["log_level"] == "fatal");
    assert_eq!(failed.count(), REQUESTS, "{executions:?}");
}
