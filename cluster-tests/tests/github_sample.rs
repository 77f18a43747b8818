//! GitHub's documented sample is accepted, a forged one is not, and forgeries cannot fill the disk.

use cluster_tests::{
    admin, clock, http,
    process::Node,
    scene::{SECRET, Scene},
    sender,
};
use serde_json::Value;
use std::time::Duration;

const BODY: &[u8] = b"Hello, World!";
const SIGNATURE: &str = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17";
const KEPT: usize = 20;

fn post(scene: &Scene, signature: &str, body: &[u8]) -> (u16, Value) {
    let headers = [
        ("content-type", "text/plain"),
        ("x-github-event", "ping"),
        ("x-hub-signature-256", signature),
    ];
    let path = format!("/{}", scene.source);
    let (status, body) = admin::call(scene.cluster.nodes[0].ingest, "POST", &path, &headers, body)
        .expect("the node answers");
    (status, serde_json::from_slice(&body).unwrap_or(Value::Null))
}

fn rejected(node: &Node) -> Vec<Value> {
    node.admin()
        .list("/requests", "?status=rejected&limit=100")
        .expect("rejected requests are listed")
}

#[test]
fn the_documented_sample_is_accepted_and_delivered_as_it_came() {
    let scene = Scene::set(1, &[]);
    let (status, answer) = post(&scene, SIGNATURE, BODY);
    assert_eq!(status, 200, "{answer}");
    assert_eq!(answer["status"], "SUCCESS");
    let request_id = answer["request_id"].as_str().expect("a request id");
    assert!(request_id.starts_with("req_"), "{request_id}");

    let arrived = clock::eventually(Duration::from_secs(20), || {
        scene.receiver.deliveries().pop()
    });
    let delivery = arrived.expect("the sample is delivered");
    assert_eq!(delivery.request_id, request_id);
    assert_eq!(delivery.body_hash, cluster_tests::receiver::hash(BODY));
    assert_eq!(delivery.attempt_number, 1);
    assert_eq!(delivery.idempotency_key, delivery.event_id);
}

#[test]
fn a_flipped_bit_is_answered_403_and_listed_as_rejected() {
    let scene = Scene::set(1, &[]);
    let mut forged = BODY.to_vec();
    forged[0] ^= 1;
    let (status, answer) = post(&scene, SIGNATURE, &forged);
    assert_eq!(status, 403, "{answer}");
    assert!(
        answer["request_id"].is_null(),
        "a forger learns nothing: {answer}"
    );

    let node = &scene.cluster.nodes[0];
    let listed = clock::eventually(Duration::from_secs(10), || rejected(node).pop());
    let request = listed.expect("the forgery is listed");
    assert_eq!(
        request["rejection_cause"], "VERIFICATION_FAILED",
        "{request}"
    );
    assert_eq!(request["verified"], false, "{request}");
    assert_eq!(scene.receiver.count(), 0);
}

#[test]
fn a_flood_of_forgeries_stays_within_its_bounds_and_genuine_ones_pass() {
    let settings = [("ingest.rejected_kept_per_source", KEPT.to_string())];
    let scene = Scene::set(1, &settings);
    let to = scene.cluster.nodes[0].ingest;
    let path = format!("/{}", scene.source);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let forgeries = runtime.expect("a runtime").block_on(async {
        let mut connection = http::Connection::open(to).await.expect("the node listens");
        let mut refused = 0;
        for number in 0..1000 {
            let key = format!("forged-{number}");
            let body = sender::body_with(&key, 512);
            let bytes = sender::signed_post(&path, to, "not the secret", &key, &body);
            let answer = connection.exchange(&bytes).await.expect("the node answers");
            assert!(
                answer.status == 403 || answer.status == 429,
                "{}",
                answer.status
            );
            refused += 1;
        }
        refused
    });
    assert_eq!(forgeries, 1000);
    let (status, answer) = post(
        &scene,
        &sender::github_signature(SECRET, b"genuine"),
        b"genuine",
    );
    assert_eq!(status, 200, "{answer}");
    clock::eventually(Duration::from_secs(20), || {
        (scene.receiver.count() == 1).then_some(())
    })
    .expect("the genuine one is delivered");
    let kept = rejected(&scene.cluster.nodes[0]).len();
    // The bound holds for each partition's leader; what all of them keep is within their sum.
    assert!((1..=KEPT * 6).contains(&kept), "{kept} forgeries are kept");
}
