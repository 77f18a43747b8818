//! What admins are promised of holding back and sending again, told against one real node.

use super::{BASE, BODY, Node, shown_time};
use crate::stage::eventually;
use model::{
    ids::{ConnectionId, DestinationId, EventId, GroupId, RequestId, SourceId},
    machine::{Planned, PlannedIgnored, Verdict},
    traffic::IgnoreCause,
};
use node::world;
use serde_json::{Value, json};
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(20);

/// A source connected to a destination that nobody delivers to.
struct Scene {
    node: Node,
    source: SourceId,
    destination: DestinationId,
    connection: ConnectionId,
}

fn id<T: std::str::FromStr>(model: &Value) -> T {
    let id = model["id"].as_str().and_then(|id| id.parse().ok());
    id.unwrap_or_else(|| panic!("no id in {model}"))
}

impl Scene {
    async fn set(node: Node) -> Self {
        node.do_chores();
        let body = json!({
            "name": "c",
            "source": {"name": "s"},
            "destination": {"name": "d", "config": {"url": "https://a.example/hook"}},
        });
        let made = node.ok("POST", "/connections", Some(body)).await;
        Self {
            source: id(&made["source"]),
            destination: id(&made["destination"]),
            connection: id(&made),
            node,
        }
    }

    fn path(&self, verb: &str) -> String {
        format!("/connections/{}/{verb}", self.connection)
    }

    async fn take(&self, group: u16, verdict: Verdict) -> RequestId {
        self.node.take(GroupId(group), self.source, verdict).await
    }

    /// A request as ingest takes it, with one event.
    async fn accept(&self, group: u16) -> EventId {
        let planned = Planned {
            connection: self.connection,
            destination: self.destination,
            due_at: world::now(),
        };
        let verdict = Verdict::Accepted {
            events: vec![planned],
            ignored: vec![],
        };
        self.take(group, verdict).await.event(1)
    }

    async fn failed(&self, group: u16) -> EventId {
        let event = self.accept(group).await;
        self.node.fail(event, 1).await;
        event
    }

    async fn count(&self, query: &str) -> u64 {
        let list = self.node.ok("GET", &format!("/events?{query}"), None).await;
        list["count"].as_u64().expect("a count")
    }

    /// Waits until so many events are as the query says.
    async fn wait_for(&self, query: &str, count: u64) {
        let counted = async || (self.count(query).await == count).then_some(());
        eventually(PATIENCE, query, counted).await;
    }

    async fn ended(&self, path: &str) -> Value {
        let ended = async || {
            let operation = self.node.ok("GET", path, None).await;
            (!operation["completed_at"].is_null()).then_some(operation)
        };
        eventually(PATIENCE, path, ended).await
    }
}

#[actix_web::test]
async fn a_paused_connection_holds_what_waits_and_what_comes_until_it_is_unpaused() {
    let scene = Scene::set(Node::start().await).await;
    let before = scene.accept(1).await;
    let paused = scene
        .node
        .ok("PUT", &scene.path("pause"), Some(json!({})))
        .await;
    assert!(paused["paused_at"].is_string(), "{paused}");
    let again = scene.node.ok("PUT", &scene.path("pause"), None).await;
    assert_eq!(
        again["paused_at"], paused["paused_at"],
        "since the first time"
    );
    assert_eq!(again["disabled_at"], Value::Null);

    // At once, in whichever partition.
    let after = [scene.accept(1).await, scene.accept(2).await];
    for event in after {
        let model = scene
            .node
            .ok("GET", &format!("/events/{event}"), None)
            .await;
        assert_eq!(
            (&model["status"], &model["next_attempt_at"]),
            (&json!("HOLD"), &Value::Null)
        );
    }
    scene.wait_for("status=HOLD", 3).await;
    let connections = |query: &str| format!("/connections?{query}");
    let listed = scene
        .node
        .ok("GET", &connections("paused_at[any]=true"), None)
        .await;
    assert_eq!(listed["count"], 1);
    let listed = scene
        .node
        .ok("GET", &connections("paused_at[any]=false"), None)
        .await;
    assert_eq!(listed["count"], 0);

    let retried = format!("/events/{before}/retry");
    assert_eq!(
        scene.node.ok("POST", &retried, None).await["status"],
        "QUEUED"
    );
    let cancelled = format!("/events/{}/cancel", after[0]);
    assert_eq!(
        scene.node.ok("PUT", &cancelled, None).await["status"],
        "CANCELLED"
    );

    let update = json!({"description": "still paused"});
    let path = format!("/connections/{}", scene.connection);
    assert!(scene.node.ok("PUT", &path, Some(update)).await["paused_at"].is_string());
    let unpaused = scene
        .node
        .ok("PUT", &scene.path("unpause"), Some(json!({})))
        .await;
    assert_eq!(unpaused["paused_at"], Value::Null);
    scene.wait_for("status=HOLD", 0).await;
    assert_eq!(scene.count("status=QUEUED").await, 2);
    scene.accept(1).await;
    assert_eq!(scene.count("status=QUEUED").await, 3);
    scene.node.stop().await;
}

#[actix_web::test]
async fn what_is_switched_twice_stays_as_it_was_and_unknown_ones_are_not_found() {
    let scene = Scene::set(Node::start().await).await;
    let things = [
        format!("/sources/{}", scene.source),
        format!("/destinations/{}", scene.destination),
        format!("/connections/{}", scene.connection),
    ];
    for thing in &things {
        for (off, on) in [("disable", "enable"), ("archive", "unarchive")] {
            let first = scene
                .node
                .ok("PUT", &format!("{thing}/{off}"), Some(json!({})))
                .await;
            let second = scene.node.ok("PUT", &format!("{thing}/{off}"), None).await;
            assert!(first["disabled_at"].is_string(), "{thing}/{off}");
            assert_eq!(first["disabled_at"], second["disabled_at"], "{thing}/{off}");
            for _ in 0..2 {
                let enabled = scene.node.ok("PUT", &format!("{thing}/{on}"), None).await;
                assert_eq!(enabled["disabled_at"], Value::Null, "{thing}/{on}");
            }
        }
    }
    for verb in ["pause", "unpause", "disable", "enable"] {
        let path = format!("{BASE}/connections/{}/{verb}", ConnectionId(77));
        scene.node.refused("PUT", &path, None, 404).await;
    }
    scene.node.stop().await;
}

#[actix_web::test]
async fn what_failed_in_a_window_is_planned_counted_and_retried_once() {
    let scene = Scene::set(Node::start_with(|config| config.replay.batch = 2).await).await;
    let mut wanted = Vec::new();
    scene.failed(1).await;
    tokio::time::sleep(Duration::from_millis(20)).await;
    let from = world::now();
    for group in [1, 2, 1, 2, 1, 2, 1] {
        wanted.push(scene.failed(group).await);
    }
    let waiting = scene.accept(1).await;
    let created_at = json!({"gte": shown_time(from)});
    let query =
        json!({"destination_id": scene.destination, "status": "FAILED", "created_at": created_at});
    let asked = format!(
        "query[destination_id]={}&query[status][0]=FAILED&query[created_at][gte]={}",
        scene.destination,
        shown_time(from)
    );
    let plan = format!("/bulk/events/retry/plan?{asked}");
    let planned = scene.node.ok("GET", &plan, None).await;
    assert_eq!(
        planned,
        json!({"estimated_batch": 4, "estimated_count": 7, "progress": null})
    );

    let body = json!({"query": query});
    let begun = scene
        .node
        .ok("POST", "/bulk/events/retry", Some(body))
        .await;
    assert_eq!(
        (&begun["estimated_count"], &begun["type"]),
        (&json!(7), &json!("EVENT_RETRY"))
    );
    assert_eq!(begun["query"], query);
    let path = format!(
        "/bulk/events/retry/{}",
        begun["id"].as_str().expect("an id")
    );
    let ended = scene.ended(&path).await;
    assert_eq!(
        (
            &ended["completed_count"],
            &ended["failed_count"],
            &ended["in_progress"]
        ),
        (&json!(7), &json!(0), &json!(false))
    );
    assert_eq!(
        (&ended["progress"], &ended["number"]),
        (&json!(1.0), &Value::Null)
    );
    assert!(ended["processed_batch"].as_u64() >= Some(4), "{ended}");

    let operation = ended["id"].as_str().expect("an id");
    let of_it = format!("bulk_retry_id={operation}");
    assert_eq!(scene.count(&format!("{of_it}&status=QUEUED")).await, 7);
    assert_eq!(scene.count("status=FAILED").await, 1);
    scene.node.fail(wanted[0], 2).await;
    let attempts = format!("/attempts?event_id={}&dir=asc", wanted[0]);
    let attempts = scene.node.ok("GET", &attempts, None).await;
    let asked_by = |place: usize| attempts["models"][place]["bulk_retry_id"].clone();
    assert_eq!((asked_by(0), asked_by(1)), (Value::Null, json!(operation)));
    let requests = scene
        .node
        .ok("GET", &format!("/requests?{of_it}"), None)
        .await;
    assert_eq!(requests["count"], 7);
    let data = format!("event_data_id={}", waiting.request());
    assert_eq!(scene.count(&data).await, 1);

    let listed = scene
        .node
        .ok("GET", "/bulk/events/retry?in_progress=false", None)
        .await;
    assert_eq!(listed["models"][0]["id"], operation);
    let others = scene.node.ok("GET", "/bulk/events/cancel", None).await;
    assert_eq!(others["count"], 0);
    scene.node.stop().await;
}

#[actix_web::test]
async fn operations_that_can_not_be_are_refused_in_words() {
    let node = Node::start_with(|config| config.replay.max_in_progress = 1).await;
    let base = |path: &str| format!("{BASE}{path}");
    // Nobody works here, so what begins does not end.
    let begun = node
        .ok("POST", "/bulk/events/cancel", Some(json!({})))
        .await;
    assert_eq!(begun["in_progress"], true);
    let path = base("/bulk/events/retry");
    let message = node.refused("POST", &path, Some(json!({})), 422).await;
    assert!(message.contains("replay.max_in_progress"), "{message}");
    for (query, field) in [
        (json!({"colour": "red"}), "query.colour: "),
        (json!({"status": "LOST"}), "query.status: "),
        (
            json!({"created_at": {"gte": "yesterday"}}),
            "query.created_at[gte]: ",
        ),
        (json!({"attempts": {"about": 3}}), "query.attempts[about]: "),
        (json!({"search_term": "abc"}), "query.search_term: "),
    ] {
        let message = node
            .refused("POST", &path, Some(json!({"query": query})), 422)
            .await;
        assert!(message.starts_with(field), "{message}");
    }
    let plan = base("/bulk/requests/retry/plan?query[status]=lost");
    assert!(
        node.refused("GET", &plan, None, 422)
            .await
            .starts_with("query.status: ")
    );

    let id = begun["id"].as_str().expect("an id");
    node.refused("GET", &base(&format!("/bulk/events/retry/{id}")), None, 404)
        .await;
    node.refused("GET", &base("/bulk/events/cancel/x"), None, 404)
        .await;
    node.refused("POST", &base("/bulk/events/cancel/x/cancel"), None, 404)
        .await;
    node.refused("DELETE", &base("/bulk/events/cancel"), None, 405)
        .await;
    node.refused("GET", &base("/bulk/nothing"), None, 404).await;
    let cancelled = node
        .ok("POST", &format!("/bulk/events/cancel/{id}/cancel"), None)
        .await;
    assert!(cancelled["cancelled_at"].is_string());
    assert_eq!(
        (&cancelled["in_progress"], &cancelled["completed_at"]),
        (&json!(false), &Value::Null)
    );
    node.ok("POST", "/bulk/events/retry", None).await;
    node.stop().await;
}

#[actix_web::test]
async fn what_a_connection_ignored_is_asked_anew_when_it_is_mended() {
    let scene = Scene::set(Node::start().await).await;
    scene.node.ok("PUT", &scene.path("disable"), None).await;
    let ignored = |cause| Verdict::Accepted {
        events: vec![],
        ignored: vec![PlannedIgnored {
            connection: scene.connection,
            cause,
        }],
    };
    let [one, other] = [
        scene.take(1, ignored(IgnoreCause::Disabled)).await,
        scene.take(2, ignored(IgnoreCause::Filtered)).await,
    ];
    // Still disabled: asked, and ignored again.
    let body = json!({"query": {"cause": "DISABLED", "webhook_id": scene.connection}});
    let path = "/bulk/ignored-events/retry";
    let begun = scene.node.ok("POST", path, Some(body.clone())).await;
    let id = begun["id"].as_str().expect("an id");
    let ended = scene.ended(&format!("{path}/{id}")).await;
    assert_eq!(
        (&ended["completed_count"], &ended["failed_count"]),
        (&json!(0), &json!(1))
    );

    scene.node.ok("PUT", &scene.path("enable"), None).await;
    let planned = scene
        .node
        .ok("GET", &format!("{path}/plan?query[cause]=DISABLED"), None)
        .await;
    assert_eq!(planned["estimated_count"], 1);
    scene.node.ok("POST", path, Some(body)).await;
    scene.wait_for("status=QUEUED", 1).await;
    let request = scene
        .node
        .ok("GET", &format!("/requests/{one}"), None)
        .await;
    assert_eq!(
        (&request["events_count"], &request["ignored_count"]),
        (&json!(1), &json!(0))
    );
    let left = scene
        .node
        .ok("GET", &format!("/requests/{other}/ignored_events"), None)
        .await;
    assert_eq!(left["count"], 1);

    // By hand, for one request.
    let retried = format!("/requests/{other}/retry");
    let retried = scene.node.ok("POST", &retried, Some(json!({}))).await;
    assert_eq!(retried["events"][0]["status"], "QUEUED");
    assert_eq!(
        retried["events"][0]["webhook_id"],
        scene.connection.to_string()
    );
    scene.node.stop().await;
}

#[actix_web::test]
async fn requests_are_retried_in_bulk_with_what_failed_of_them() {
    let scene = Scene::set(Node::start().await).await;
    let failed = scene.failed(1).await;
    let waiting = scene.accept(2).await;
    let body = json!({"query": {"status": "accepted", "source_id": scene.source}});
    let path = "/bulk/requests/retry";
    let begun = scene.node.ok("POST", path, Some(body)).await;
    assert_eq!(begun["estimated_count"], 2);
    let ended = format!("{path}/{}", begun["id"].as_str().expect("an id"));
    assert_eq!(scene.ended(&ended).await["completed_count"], 2);
    for event in [failed, waiting] {
        let model = scene
            .node
            .ok("GET", &format!("/events/{event}"), None)
            .await;
        assert_eq!(model["status"], "QUEUED");
    }
    let of_it = format!("bulk_retry_id={}", begun["id"].as_str().expect("an id"));
    assert_eq!(scene.count(&of_it).await, 1, "only one had failed");
    scene.node.stop().await;
}

#[actix_web::test]
async fn a_bookmark_keeps_a_request_and_sends_it_again() {
    let scene = Scene::set(
        Node::start_with(|config| {
            config.replay.max_bookmarks = 1;
            config.replay.max_bookmark_bytes = 400;
        })
        .await,
    )
    .await;
    let event = scene.accept(1).await;
    let body = json!({
        "event_data_id": event.request(), "webhook_id": scene.connection,
        "label": "a paid order", "name": "paid",
    });
    let mut stray = body.clone();
    stray["webhook_id"] = json!(ConnectionId(77));
    let path = format!("{BASE}/bookmarks");
    let message = scene.node.refused("POST", &path, Some(stray), 422).await;
    assert!(
        message.starts_with("webhook_id: there is no connection"),
        "{message}"
    );
    let made = scene
        .node
        .ok("POST", "/bookmarks", Some(body.clone()))
        .await;
    assert_eq!(
        (&made["label"], &made["alias"]),
        (&json!("a paid order"), &json!("paid"))
    );
    assert_eq!(made["event_data_id"], event.request().to_string());
    assert_eq!(made["data"]["body"], json!({"paid": true}));
    assert_eq!(
        (&made["data"]["path"], &made["last_used_at"]),
        (&json!("/paid"), &Value::Null)
    );
    let id = made["id"].as_str().expect("an id");
    assert!(id.starts_with("bmk_"), "{id}");
    let path = format!("/bookmarks/{id}");
    let raw = scene
        .node
        .ok("GET", &format!("{path}/raw_body"), None)
        .await;
    assert_eq!(raw, json!({"body": BODY}));
    for (query, count) in [
        ("name=paid", 1),
        ("label=other", 0),
        ("last_used_at[any]=true", 0),
    ] {
        let listed = scene
            .node
            .ok("GET", &format!("/bookmarks?{query}"), None)
            .await;
        assert_eq!(listed["count"], count, "{query}");
    }
    let full = scene
        .node
        .refused("POST", &format!("{BASE}/bookmarks"), Some(body), 422)
        .await;
    assert!(full.contains("replay.max_bookmarks"), "{full}");

    let events = scene
        .node
        .ok("POST", &format!("{path}/trigger"), Some(json!({})))
        .await;
    assert_eq!(events.as_array().map(Vec::len), Some(1), "{events}");
    assert_eq!(events[0]["webhook_id"], scene.connection.to_string());
    assert_ne!(events[0]["request_id"], event.request().to_string());
    let sent = events[0]["id"].as_str().expect("an id");
    let raw = scene
        .node
        .ok("GET", &format!("/events/{sent}/raw_body"), None)
        .await;
    assert_eq!(raw, json!({"body": BODY}));
    assert!(scene.node.ok("GET", &path, None).await["last_used_at"].is_string());

    scene.node.ok("PUT", &scene.path("disable"), None).await;
    let events = scene
        .node
        .ok("POST", &format!("{path}/trigger"), None)
        .await;
    assert_eq!(events, json!([]), "a disabled connection ignores it");

    let renamed = json!({"label": "new words"});
    let renamed = scene.node.ok("PUT", &path, Some(renamed)).await;
    assert_eq!(
        (&renamed["label"], &renamed["alias"]),
        (&json!("new words"), &json!("paid"))
    );
    assert_eq!(
        scene.node.ok("DELETE", &path, None).await,
        json!({"id": id})
    );
    for (method, path) in [
        ("GET", path.clone()),
        ("DELETE", path.clone()),
        ("POST", format!("{path}/trigger")),
        ("GET", "/bookmarks/x".to_owned()),
    ] {
        scene
            .node
            .refused(method, &format!("{BASE}{path}"), None, 404)
            .await;
    }
    scene.node.stop().await;
}

#[actix_web::test]
async fn a_bookmark_that_can_not_be_names_its_field() {
    let scene =
        Scene::set(Node::start_with(|config| config.replay.max_bookmark_bytes = 10).await).await;
    let event = scene.accept(1).await;
    let gone = RequestId::mint(world::now(), GroupId(1), 7);
    let elsewhere = RequestId::mint(world::now(), GroupId(77), 7);
    for (data, field) in [
        (event.to_string(), "event_data_id: its request has"),
        (gone.to_string(), "event_data_id: "),
        (elsewhere.to_string(), "event_data_id: "),
        ("x".into(), "event_data_id: "),
    ] {
        let body = json!({"event_data_id": data, "webhook_id": scene.connection, "label": "l"});
        let path = format!("{BASE}/bookmarks");
        let message = scene.node.refused("POST", &path, Some(body), 422).await;
        assert!(message.starts_with(field), "{message}");
    }
    scene.node.stop().await;
}
