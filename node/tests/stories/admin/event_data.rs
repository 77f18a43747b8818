//! What an event shows before anything was sent of it, and what it costs to look.

use super::{
    BASE, Node,
    transformations::{accept, connected, propose, run, text},
};
use model::{
    ids::EventId,
    kit,
    machine::{Command, Next, RecordRuns, RunEnd, RunReport},
    traffic::{Attempt, HttpRecord, TransformationUse, TransportRecord, http_record::Sent},
};
use node::world;
use serde_json::{Value, json};

#[actix_web::test]
async fn before_its_first_attempt_an_event_shows_what_would_be_sent() {
    let node = Node::start().await;
    let steps = json!([{"op": "rename", "field": "body.n", "to": "amount"}]);
    let (connection, id) = connected(&node, steps).await;
    let event = accept(&node, &connection, r#"{"n": 12.30}"#).await;
    let path = format!("/events/{event}");
    let told = node.ok("GET", &path, None).await;
    let data = &told["data"];
    assert_eq!(data["body"], json!({"amount": 12.30}));
    assert_eq!(data["url"], "https://a.example/hook/paid?n=1");
    assert_eq!(data["headers"], json!({"content-type": "application/json"}));
    assert_eq!(data["appended_headers"], json!([]));
    assert_eq!(
        (&told["attempts"], &told["data_attempt_id"]),
        (&json!(0), &Value::Null)
    );
    let raw = node.ok("GET", &format!("{path}/raw_body"), None).await;
    assert_eq!(raw, json!({"body": r#"{"amount":12.30}"#}));
    let request = format!("/requests/{}", event.request());
    let came = node.ok("GET", &request, None).await;
    assert_eq!(came["data"]["body"], json!({"n": 12.30}));

    // As the connection is now: the next attempt goes by that.
    let transformation = format!("/transformations/{id}");
    let other = json!({"steps": [{"op": "set", "field": "body", "value": 7}]});
    node.ok("PUT", &transformation, Some(other)).await;
    assert_eq!(node.ok("GET", &path, None).await["data"]["body"], 7);

    // A transformation that fails comes to nothing that could be shown.
    let failing = r#"addHandler("transform", () => { throw new Error("no"); });"#;
    let failing = json!({ "code": failing });
    node.ok("PUT", &transformation, Some(failing)).await;
    let told = node.ok("GET", &path, None).await;
    assert_eq!(told["data"], Value::Null);
    let why = text(&told, "data_unknown_because");
    assert!(why.starts_with("nothing was sent yet"), "{why}");
    let raw = format!("{BASE}{path}/raw_body");
    assert_eq!(node.refused("GET", &raw, None, 404).await, why);
    let listed = node.ok("GET", "/events?include=data", None).await;
    assert_eq!(listed["models"][0]["data_unknown_because"], why.as_str());
    node.stop().await;
}

#[actix_web::test]
async fn a_list_transforms_no_long_requests_and_waits_for_no_slow_script() {
    let node = Node::start().await;
    let steps = json!([{"op": "set_header", "name": "x-a", "value": "1"}]);
    let (connection, id) = connected(&node, steps).await;
    let long: &'static str = Box::leak(format!("{:?}", "x".repeat(20_000)).into_boxed_str());
    let event = accept(&node, &connection, long).await;
    let listed = node.ok("GET", "/events?include=data", None).await;
    let why = text(&listed["models"][0], "data_unknown_because");
    assert!(why.ends_with("ask for the event itself"), "{why}");
    let alone = node.ok("GET", &format!("/events/{event}"), None).await;
    assert_eq!(alone["data"]["headers"]["x-a"], "1");
    assert_eq!(alone["data"]["body"], json!("x".repeat(20_000)));

    // One that runs into its limit, many times.
    let busy = json!({"code": r#"addHandler("transform", (request) => { for (;;) {} });"#});
    node.ok("PUT", &format!("/transformations/{id}"), Some(busy))
        .await;
    for _ in 0..8 {
        accept(&node, &connection, "{}").await;
    }
    let began = std::time::Instant::now();
    let listed = node.ok("GET", "/events?include=data", None).await;
    assert!(began.elapsed().as_millis() < 4_000, "{:?}", began.elapsed());
    let models = listed["models"].as_array().expect("models");
    assert_eq!(models.len(), 9);
    for model in models {
        assert_eq!(model["data"], Value::Null);
        text(model, "data_unknown_because");
    }
    node.stop().await;
}

/// Tells of an attempt that sent so many bytes, made by a version.
async fn sent(node: &Node, event: EventId, used: TransformationUse, body_len: u32) {
    let now = world::now();
    let report = RunReport {
        event,
        number: 1,
        runs: vec![run(used, false)],
        end: RunEnd::Attempted {
            attempt: Attempt {
                started_at: now,
                finished_at: now,
                transport: TransportRecord::Http(Box::new(HttpRecord {
                    requested_url: "https://a.example/hook/paid?n=1".into(),
                    http_method: "POST".into(),
                    sent: Some(Sent {
                        // Its content type.
                        forwarded: vec![0],
                        body_len,
                        ..Sent::default()
                    }),
                    ..HttpRecord::default()
                })),
                ..kit::attempt()
            },
            next: Next::Delivered,
        },
    };
    let reports = vec![report];
    propose(node, &Command::RecordRuns(RecordRuns { reports }), &[]).await;
}

#[actix_web::test]
async fn what_is_not_as_long_as_what_was_sent_is_not_told_for_it() {
    let node = Node::start().await;
    let steps = json!([{"op": "set", "field": "body", "value": {"n": 1}}]);
    let (connection, id) = connected(&node, steps).await;
    let used = TransformationUse { id, version: 1 };
    let event = accept(&node, &connection, "{}").await;
    sent(&node, event, used, 7).await;
    let told = node.ok("GET", &format!("/events/{event}"), None).await;
    assert_eq!(told["data"]["body"], json!({"n": 1}));
    let other = accept(&node, &connection, "{}").await;
    sent(&node, other, used, 8).await;
    let told = node.ok("GET", &format!("/events/{other}"), None).await;
    assert_eq!(told["data"], Value::Null);
    let why = text(&told, "data_unknown_because");
    assert!(why.starts_with("the request can't be made again"), "{why}");
    assert!(told["data_attempt_id"].is_string(), "{told}");
    let raw = format!("{BASE}/events/{other}/raw_body");
    assert_eq!(node.refused("GET", &raw, None, 404).await, why);
    node.stop().await;
}
