//! A partition that lives on other nodes only: whatever an admin asks of a node without it is answered all the same.

use super::{BODY, Node};
use crate::stage::{Stage, eventually};
use futures::future::join_all;
use model::{
    ids::{ConnectionId, DestinationId, EventId, GroupId, SourceId},
    machine::{Planned, Verdict},
};
use node::world;
use serde_json::{Value, json};
use std::{str::FromStr, time::Duration};

/// Where the node that is asked has no replica.
const ELSEWHERE: GroupId = GroupId(1);
const HERE: GroupId = GroupId(2);
const PATIENCE: Duration = Duration::from_secs(20);

struct Scene {
    /// The last one is asked.
    nodes: Vec<Node>,
    source: SourceId,
    destination: DestinationId,
    connection: ConnectionId,
}

fn id<T: FromStr>(model: &Value) -> T {
    let id = model["id"].as_str().and_then(|id| id.parse().ok());
    id.unwrap_or_else(|| panic!("no id in {model}"))
}

impl Scene {
    async fn set() -> Self {
        let stages = Stage::set_three(Node::config).await;
        let nodes: Vec<_> = stages.into_iter().map(Node::on).collect();
        nodes.iter().for_each(Node::do_chores);
        let body = json!({
            "name": "c",
            "source": {"name": "s"},
            "destination": {"name": "d", "config": {"url": "https://a.example/hook"}},
        });
        let made = nodes[0].ok("POST", "/connections", Some(body)).await;
        let scene = Self {
            source: id(&made["source"]),
            destination: id(&made["destination"]),
            connection: id(&made),
            nodes,
        };
        scene.take_the_replica_away().await;
        scene
    }

    /// The asked node hears nothing of the partition any more, so that what it had of it grows old, and reads none of that.
    async fn take_the_replica_away(&self) {
        let cluster = &self.asked().gateway.cluster;
        cluster.let_go_of([ELSEWHERE].into());
        cluster.mute_groups([ELSEWHERE].into());
        let others = &self.nodes[..2];
        let led_there = async || {
            let mut leads = others
                .iter()
                .map(|node| node.gateway.cluster.leads(ELSEWHERE));
            leads.any(|leads| leads.is_some()).then_some(())
        };
        eventually(PATIENCE, "a leader among the others", led_there).await;
    }

    fn asked(&self) -> &Node {
        &self.nodes[2]
    }

    async fn ask(&self, path: &str) -> Value {
        self.asked().ok("GET", path, None).await
    }

    /// A request with one event, which a node that has the partition takes.
    async fn accept(&self, group: GroupId) -> EventId {
        let planned = Planned {
            connection: self.connection,
            destination: self.destination,
            due_at: world::now(),
        };
        let verdict = Verdict::Accepted {
            events: vec![planned],
            ignored: vec![],
        };
        let request = self.nodes[0].take(group, self.source, verdict).await;
        request.event(1)
    }

    async fn failed(&self, group: GroupId) -> EventId {
        let event = self.accept(group).await;
        self.nodes[0].fail(event, 1).await;
        event
    }

    async fn count(&self, query: &str) -> u64 {
        let list = self.ask(&format!("/events?{query}")).await;
        assert_eq!(list.get("missing"), None, "{list}");
        list["count"].as_u64().expect("a count")
    }

    async fn stop(self) {
        join_all(self.nodes.into_iter().map(Node::stop)).await;
    }
}

#[actix_web::test]
async fn lists_and_single_things_are_read_where_they_live() {
    let scene = Scene::set().await;
    let (elsewhere, here) = (scene.failed(ELSEWHERE).await, scene.failed(HERE).await);
    assert!(!scene.asked().gateway.cluster.has(ELSEWHERE));
    for (list, count) in [
        ("/requests".to_owned(), 2),
        ("/events?status=FAILED".to_owned(), 2),
        ("/events?include=data".to_owned(), 2),
        ("/attempts".to_owned(), 2),
        (format!("/events?id={elsewhere},{here}"), 2),
        (format!("/attempts?event_id={elsewhere}"), 1),
        (format!("/requests/{}/events", elsewhere.request()), 1),
    ] {
        let answer = scene.ask(&list).await;
        assert_eq!(answer["count"], count, "{list}: {answer}");
        assert_eq!(answer.get("missing"), None, "{list}: {answer}");
    }
    let event = scene.ask(&format!("/events/{elsewhere}")).await;
    assert_eq!(
        (&event["status"], &event["attempts"]),
        (&json!("FAILED"), &json!(1))
    );
    let sent: Value = serde_json::from_str(BODY).expect("JSON");
    let request = scene
        .ask(&format!("/requests/{}", elsewhere.request()))
        .await;
    assert_eq!(request["data"]["body"], sent, "{request}");
    let raw = scene
        .ask(&format!("/requests/{}/raw_body", elsewhere.request()))
        .await;
    assert_eq!(raw["body"], BODY, "{raw}");
    scene.stop().await;
}

#[actix_web::test]
async fn bulk_work_over_it_is_planned_begun_and_done() {
    let scene = Scene::set().await;
    scene.failed(ELSEWHERE).await;
    scene.failed(HERE).await;
    let plan = scene
        .ask("/bulk/events/retry/plan?query[status]=FAILED")
        .await;
    assert_eq!(plan["estimated_count"], 2, "{plan}");
    let query = json!({"query": {"status": "FAILED"}});
    let begun = scene
        .asked()
        .ok("POST", "/bulk/events/retry", Some(query))
        .await;
    let path = format!(
        "/bulk/events/retry/{}",
        begun["id"].as_str().expect("an id")
    );
    let ended = async || {
        let operation = scene.ask(&path).await;
        (!operation["completed_at"].is_null()).then_some(operation)
    };
    let ended = eventually(PATIENCE, &path, ended).await;
    assert_eq!(ended["completed_count"], 2, "{ended}");
    assert_eq!(scene.count("status=QUEUED").await, 2);
    scene.stop().await;
}

#[actix_web::test]
async fn pauses_and_retries_reach_it() {
    let scene = Scene::set().await;
    let failed = scene.failed(ELSEWHERE).await;
    let waiting = scene.accept(ELSEWHERE).await;
    let pause = format!("/connections/{}/pause", scene.connection);
    scene.asked().ok("PUT", &pause, None).await;
    let held = async || (scene.count("status=HOLD").await == 1).then_some(());
    eventually(PATIENCE, "the event on hold", held).await;
    let event = scene.ask(&format!("/events/{waiting}")).await;
    assert_eq!(event["status"], "HOLD");
    let retry = format!("/events/{failed}/retry");
    scene.asked().ok("POST", &retry, None).await;
    // Who retries one by hand wants it delivered, paused or not.
    assert_eq!(scene.count("status=QUEUED").await, 1);
    assert_eq!(scene.count("status=HOLD").await, 1);
    let unpause = format!("/connections/{}/unpause", scene.connection);
    scene.asked().ok("PUT", &unpause, None).await;
    let queued = async || (scene.count("status=QUEUED").await == 2).then_some(());
    eventually(PATIENCE, "both events queued", queued).await;
    scene.stop().await;
}

#[actix_web::test]
async fn depths_and_issues_are_told() {
    let scene = Scene::set().await;
    scene.accept(ELSEWHERE).await;
    scene.accept(HERE).await;
    let queue = scene
        .ask(&format!("/destinations/{}/queue", scene.destination))
        .await;
    assert_eq!(queue.get("missing"), None, "{queue}");
    assert_eq!(queue["depth"], 2, "{queue}");
    assert_eq!(scene.ask("/issues").await["count"], 0);
    scene.stop().await;
}
