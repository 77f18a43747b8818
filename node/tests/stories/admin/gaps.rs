//! What is still told while one partition has no leader: everything else, and that it is not everything.

use super::{BASE, Node};
use crate::stage::{Stage, eventually};
use futures::future::join_all;
use model::ids::{AttemptId, EventId, GroupId, SourceId};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

const SILENT: GroupId = GroupId(1);
const LED: GroupId = GroupId(2);
/// A list waits two seconds for a partition, and a machine that does much else takes a while. One thing of it takes five.
const ANSWERED_WITHIN: Duration = Duration::from_secs(4);
const PATIENCE: Duration = Duration::from_secs(20);

struct Scene {
    nodes: Vec<Node>,
}

impl Scene {
    /// Three nodes, and in each of two partitions a request with an event that failed once.
    async fn set() -> (Self, [EventId; 2]) {
        let stages = Stage::set_three(Node::config).await;
        let nodes: Vec<_> = stages.into_iter().map(Node::on).collect();
        let mut events = [EventId(0); 2];
        for (event, group) in events.iter_mut().zip([SILENT, LED]) {
            *event = nodes[0].accept(group, SourceId(9)).await.event(1);
            nodes[0].fail(*event, 1).await;
        }
        (Self { nodes }, events)
    }

    fn mute(&self, groups: &[GroupId]) {
        for node in &self.nodes {
            node.gateway
                .cluster
                .mute_groups(groups.iter().copied().collect());
        }
    }

    /// Takes a partition its leader, as the loss of a majority does.
    async fn silence(&self) {
        self.mute(&[SILENT]);
        let nobody_leads = async || {
            let mut clusters = self.nodes.iter().map(|node| &node.gateway.cluster);
            clusters.all(|it| it.leads(SILENT).is_none()).then_some(())
        };
        eventually(PATIENCE, "the end of a leadership", nobody_leads).await;
    }

    async fn stop(self) {
        join_all(self.nodes.into_iter().map(Node::stop)).await;
    }
}

/// The partitions that an answer says it lacks.
fn missing(answer: &Value) -> Vec<u64> {
    let Some(gaps) = answer.get("missing") else {
        return Vec::new();
    };
    let gaps = gaps.as_array().expect("a list").iter();
    gaps.map(|gap| {
        assert!(gap["message"].is_string(), "{gap}");
        gap["partition"].as_u64().expect("a number")
    })
    .collect()
}

#[actix_web::test]
async fn lists_and_counts_answer_without_a_partition_that_has_no_leader_and_name_it() {
    let (scene, [silent, led]) = Scene::set().await;
    let body = json!({"name": "d", "config": {"url": "https://a.example/hook"}});
    let made = scene.nodes[0].ok("POST", "/destinations", Some(body)).await;
    let destination = made["id"].as_str().expect("an id");
    let (of_silent, of_led) = (silent.request(), led.request());
    let lists = [
        "/requests".to_owned(),
        format!("/requests?id={of_silent},{of_led}"),
        "/events".to_owned(),
        "/events?include=data".to_owned(),
        "/events?status=FAILED".to_owned(),
        format!("/events?id={silent},{led}"),
        "/attempts".to_owned(),
        format!("/attempts?event_id={silent},{led}"),
    ];
    let counts = [
        "/bulk/events/retry/plan?query[status]=FAILED".to_owned(),
        "/metrics/queue-depth".to_owned(),
        format!("/destinations/{destination}/queue"),
    ];
    let whole = [
        "/issues".to_owned(),
        "/issues/count".to_owned(),
        "/issue-triggers".to_owned(),
        "/bulk/events/retry".to_owned(),
        "/bulk/requests/retry".to_owned(),
        "/bookmarks".to_owned(),
        "/destinations".to_owned(),
        format!("/requests/{of_led}/events"),
        format!("/attempts?event_id={led}"),
        format!("/events/{led}"),
    ];
    let plan = &counts[0];
    for node in &scene.nodes {
        for list in &lists {
            let answer = node.ok("GET", list, None).await;
            assert_eq!(
                (&answer["count"], missing(&answer)),
                (&json!(2), vec![]),
                "{list}"
            );
        }
        assert_eq!(node.ok("GET", plan, None).await["estimated_count"], 2);
    }

    scene.silence().await;
    let asked = scene.nodes.iter().map(async |node| {
        let began = Instant::now();
        let asking = lists.iter().map(async |list| {
            let answer = node.ok("GET", list, None).await;
            assert_eq!(missing(&answer), [u64::from(SILENT.0)], "{list}: {answer}");
            assert_eq!(answer["count"], 1, "{list}: {answer}");
            let only = &answer["models"][0];
            let names = [&only["id"], &only["event_id"]];
            let is_there = names.contains(&&json!(led)) || names.contains(&&json!(of_led));
            assert!(is_there, "{list}: {answer}");
        });
        let counting = counts.iter().map(async |count| {
            let answer = node.ok("GET", count, None).await;
            assert_eq!(missing(&answer), [u64::from(SILENT.0)], "{count}: {answer}");
            if count == plan {
                assert_eq!(answer["estimated_count"], 1);
            }
        });
        let others = whole.iter().map(async |path| {
            let answer = node.ok("GET", path, None).await;
            assert!(missing(&answer).is_empty(), "{path}: {answer}");
        });
        futures::join!(join_all(asking), join_all(counting), join_all(others));
        assert!(began.elapsed() < ANSWERED_WITHIN, "{:?}", began.elapsed());
        // Whoever wants what this node has, however old, is not kept waiting.
        let local = node.ok("GET", "/events?consistency=local", None).await;
        assert_eq!((&local["count"], missing(&local)), (&json!(2), vec![]));
    });
    join_all(asked).await;

    scene.mute(&[]);
    let node = &scene.nodes[0];
    let healed = async || {
        let answer = node.ok("GET", "/events", None).await;
        (answer["count"] == 2 && missing(&answer).is_empty()).then_some(())
    };
    eventually(PATIENCE, "a whole list", healed).await;
    scene.stop().await;
}

#[actix_web::test]
async fn one_thing_of_a_partition_without_a_leader_is_503_and_says_why() {
    let (scene, [silent, _]) = Scene::set().await;
    scene.silence().await;
    let request = silent.request();
    let attempt = AttemptId {
        event: silent,
        number: 1,
    };
    let asked = scene.nodes.iter().flat_map(|node| {
        let paths = [
            format!("/events/{silent}"),
            format!("/events/{silent}/raw_body"),
            format!("/requests/{request}"),
            format!("/requests/{request}/events"),
            format!("/attempts/{attempt}"),
            // All that this list could be of is there.
            format!("/attempts?event_id={silent}"),
        ];
        paths.into_iter().map(async move |path| {
            let why = node
                .refused("GET", &format!("{BASE}{path}"), None, 503)
                .await;
            assert!(why.contains("no leader"), "{path}: {why}");
        })
    });
    join_all(asked).await;
    scene.mute(&[]);
    let node = &scene.nodes[0];
    let there = async || {
        let path = format!("{BASE}/events/{silent}");
        let (status, _) = node.call("GET", &path, None).await;
        (status == 200).then_some(())
    };
    eventually(PATIENCE, "the event", there).await;
    scene.stop().await;
}
