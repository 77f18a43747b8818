//! What admins are promised of issues, told against one real node, a real receiver and the admin API.

mod scene;

use crate::stage::eventually;
use base64::{Engine, prelude::BASE64_STANDARD};
use hmac::{Hmac, KeyInit, Mac};
use model::{ids::RequestId, machine::Verdict, traffic::RejectionCause};
use node::world;
use scene::{GROUP, PATIENCE, SECRET, Seen, World, read};
use serde_json::{Value, json};
use sha2::Sha256;
use std::{sync::atomic::Ordering, time::Duration};

/// Checks a Standard Webhooks signature as a receiver would, by the specification and not by our own code.
fn is_signed(seen: &Seen, secret: &str) -> bool {
    let key = secret.strip_prefix("whsec_").expect("the prefix");
    let key = BASE64_STANDARD.decode(key).expect("base64");
    let mut mac = Hmac::<Sha256>::new_from_slice(&key).expect("any length");
    for part in [
        seen.header("webhook-id").as_bytes(),
        b".",
        seen.header("webhook-timestamp").as_bytes(),
        b".",
        &seen.body,
    ] {
        mac.update(part);
    }
    let expected = format!("v1,{}", BASE64_STANDARD.encode(mac.finalize().into_bytes()));
    let sent_at: u64 = seen.header("webhook-timestamp").parse().expect("seconds");
    let age_s = (world::now().0 / 1000).abs_diff(sent_at);
    seen.header("webhook-signature")
        .split(' ')
        .any(|signature| signature == expected)
        && age_s < 300
}

fn turns(seen: &[Seen]) -> Vec<String> {
    let turns = seen.iter().map(|seen| seen.json()["data"]["turn"].clone());
    turns
        .filter_map(|turn| turn.as_str().map(str::to_owned))
        .collect()
}

#[actix_rt::test]
async fn a_failing_destination_is_told_of_three_ways_and_so_is_its_recovery() {
    let world = World::start().await;
    let orders = world.connect("orders", "/hook", json!({})).await;
    let alerts = world.connect("alerts", "/alerts", json!({})).await;
    let channels = json!({
        "webhook": {"url": format!("{}/told", world.url), "signing_secret": SECRET},
        "slack": {"channel_name": "ops", "webhook_url": format!("{}/slack", world.url)},
    });
    let trigger = json!({
        "name": "deliveries", "type": "delivery", "channels": channels,
        "configs": {"strategy": "final_attempt", "connections": ["orders"]},
    });
    let trigger = world.ok("PUT", "/issue-triggers", Some(trigger)).await;
    let source_id = &alerts["source"]["id"];
    let told = json!({"enabled": true, "topics": null, "source_id": source_id});
    world
        .ok("PUT", "/notifications/webhooks", Some(told.clone()))
        .await;
    assert_eq!(world.ok("GET", "/notifications/webhooks", None).await, told);

    world.receiver.sick.store(true, Ordering::Relaxed);
    let request = world.accept(&orders, 0).await;
    let issue = world.issue("type=delivery", |_| true).await;
    assert_eq!(issue["status"], "OPENED");
    assert_eq!(issue["issue_trigger_id"], trigger["id"]);
    assert_eq!(
        issue["aggregation_keys"]["webhook_id"],
        json!([orders["id"]])
    );
    assert_eq!(issue["aggregation_keys"]["response_status"], json!([500]));
    let event = request.event(1).to_string();
    assert_eq!(issue["reference"]["event_id"], event);
    assert_eq!(issue["data"]["trigger_event"]["id"], event);
    assert_eq!(issue["data"]["trigger_attempt"]["response_status"], 500);

    // The program, the channel, and whoever is connected to the source.
    let hooks = world.seen("/told", 1).await;
    assert!(is_signed(&hooks[0], SECRET), "{hooks:?}");
    assert_eq!(hooks[0].header("x-tidegate-topic"), "issue.opened");
    assert_eq!(hooks[0].json()["data"]["id"], issue["id"]);
    let summary = hooks[0].json()["data"]["summary"].clone();
    assert_eq!(summary, "orders -> orders is answered 500");
    let slack = world.seen("/slack", 1).await;
    let text = slack[0].json()["text"].as_str().expect("text").to_owned();
    assert!(
        text.contains("orders -&gt; orders is answered 500"),
        "{text}"
    );
    let events = world.seen("/alerts", 1).await;
    assert!(events[0].header("x-tidegate-event-id").starts_with("evt_"));
    assert_eq!(events[0].json()["data"]["id"], issue["id"]);

    // The events of an issue, and the issue of an event.
    let id = issue["id"].as_str().expect("an id");
    let of_issue = world
        .ok("GET", &format!("/events?issue_id={id}"), None)
        .await;
    assert_eq!(of_issue["count"], 1);
    assert_eq!(of_issue["models"][0]["id"], event);
    assert_eq!(of_issue["models"][0]["issue_id"], id);

    // It recovers.
    world.receiver.sick.store(false, Ordering::Relaxed);
    world.accept(&orders, 0).await;
    let resolved = world.issue("type=delivery&status=RESOLVED", |_| true).await;
    assert_eq!(resolved["id"], id);
    assert!(resolved["auto_resolved_at"].is_string());
    assert_eq!(turns(&world.seen("/told", 2).await), ["opened", "resolved"]);
    world.seen("/slack", 2).await;
    assert_eq!(
        turns(&world.seen("/alerts", 2).await),
        ["opened", "resolved"]
    );

    // And fails again: the same issue.
    world.receiver.sick.store(true, Ordering::Relaxed);
    world.accept(&orders, 0).await;
    let again = world.issue("type=delivery&status=OPENED", |_| true).await;
    assert_eq!(
        (&again["id"], &again["opened_count"]),
        (&issue["id"], &json!(2))
    );
    let hooks = world.seen("/told", 3).await;
    assert_eq!(turns(&hooks), ["opened", "resolved", "reopened"]);
    let mut ids: Vec<_> = hooks.iter().map(|seen| seen.header("webhook-id")).collect();
    ids.dedup();
    assert_eq!(ids.len(), 3, "each has an id of its own");
    world.stop().await;
}

#[actix_rt::test]
async fn people_acknowledge_ignore_resolve_and_dismiss() {
    let world = World::start().await;
    let shop = world.connect("shop", "/hook", json!({})).await;
    let forge = || async {
        // What is seen in the millisecond of a verdict counts as seen before it.
        tokio::time::sleep(Duration::from_millis(2)).await;
        let id = RequestId::mint(world::now(), GROUP, world::entropy());
        let rejected = Verdict::Rejected {
            cause: RejectionCause::VerificationFailed,
            keep: 100,
        };
        world
            .propose(id, read(&shop["source"]["id"]), rejected)
            .await;
        id
    };
    let forged = forge().await;
    let issue = world.issue("type=request", |_| true).await;
    assert_eq!(
        issue["issue_trigger_id"],
        Value::Null,
        "the default opens it"
    );
    assert_eq!(
        issue["aggregation_keys"]["rejection_cause"],
        json!(["VERIFICATION_FAILED"])
    );
    assert_eq!(issue["reference"]["request_id"], forged.to_string());
    assert_eq!(
        issue["data"]["request"]["rejection_cause"],
        "VERIFICATION_FAILED"
    );
    let path = format!("/issues/{}", issue["id"].as_str().expect("an id"));

    let say = |status: &str| Some(json!({ "status": status }));
    let said = world.ok("PUT", &path, say("ACKNOWLEDGED")).await;
    assert_eq!(
        (&said["status"], &said["id"]),
        (&json!("ACKNOWLEDGED"), &issue["id"])
    );
    let counted = |query: &'static str| world.ok("GET", query, None);
    assert_eq!(
        counted("/issues/count?status=ACKNOWLEDGED").await,
        json!({"count": 1})
    );
    forge().await;
    world
        .issue("status=ACKNOWLEDGED", |issue| issue["count"] == 2)
        .await;

    world.ok("PUT", &path, say("RESOLVED")).await;
    forge().await;
    world
        .issue("status=OPENED", |issue| issue["count"] == 3)
        .await;

    world.ok("PUT", &path, say("IGNORED")).await;
    forge().await;
    let ignored = world.issue("", |issue| issue["count"] == 4).await;
    assert_eq!(ignored["status"], "IGNORED");
    world.ok("PUT", &path, say("OPENED")).await;

    let dismissed = world.ok("DELETE", &path, None).await;
    assert!(dismissed["dismissed_at"].is_string());
    assert_eq!(counted("/issues/count").await, json!({"count": 0}));
    assert_eq!(
        counted("/issues/count?dismissed_at[any]=true").await,
        json!({"count": 1})
    );
    let shown = world.ok("GET", &path, None).await;
    assert_eq!(shown["dismissed_at"], dismissed["dismissed_at"]);
    forge().await;
    world
        .issue("status=OPENED", |issue| issue["dismissed_at"].is_null())
        .await;

    let lost = world
        .refused("PUT", &path, json!({"status": "LOST"}), 422)
        .await;
    assert!(lost.starts_with("status: expected one of OPENED"), "{lost}");
    world.refused("PUT", &path, json!({}), 422).await;
    world
        .refused("PUT", "/issues/iss_x", json!({"status": "OPENED"}), 404)
        .await;
    let never = model::ids::IssueId::mint(model::ids::ProjectNumber::DEFAULT, world::now(), 1);
    world
        .refused("DELETE", &format!("/issues/{never}"), json!({}), 404)
        .await;
    world
        .refused("GET", "/issues?order_by=color", json!({}), 422)
        .await;
    world.stop().await;
}

#[actix_rt::test]
async fn a_destination_that_can_not_keep_up_is_an_issue_until_it_has_caught_up() {
    let world = World::start().await;
    let slow = json!({"rate_limit": 1, "rate_limit_period": "hour"});
    let paced = world.connect("slow", "/hook", slow).await;
    let trigger = json!({
        "type": "backpressure", "channels": {"webhook": {"url": format!("{}/told", world.url)}},
        "configs": {"delay": 60_000, "destinations": "s*"},
    });
    world.ok("POST", "/issue-triggers", Some(trigger)).await;
    // A bucket that starts full lets the first one through, and the second one waits.
    let first = world.accept(&paced, 180_000).await;
    let second = world.accept(&paced, 120_000).await;
    let issue = world.issue("type=backpressure", |_| true).await;
    let destination = paced["destination"]["id"].clone();
    assert_eq!(
        issue["aggregation_keys"],
        json!({"destination_id": [destination], "delay": [60_000]})
    );
    assert_eq!(issue["data"]["destination"]["name"], "slow");
    let both = [first, second].map(|request| json!(request.event(1)));
    assert!(both.contains(&issue["samples"][0]["event_id"]), "{issue}");
    let id = issue["id"].as_str().expect("an id");
    let of_issue = world
        .ok("GET", &format!("/events?issue_id={id}"), None)
        .await;
    let models = of_issue["models"].as_array().expect("models");
    assert!(
        models.iter().any(|event| event["id"] == both[1]),
        "{of_issue}"
    );

    let path = format!("/destinations/{}", destination.as_str().expect("an id"));
    let free = json!({"config": {"rate_limit": null}});
    world.ok("PUT", &path, Some(free)).await;
    world
        .issue("type=backpressure&status=RESOLVED", |_| true)
        .await;
    assert_eq!(turns(&world.seen("/told", 2).await), ["opened", "resolved"]);
    world.stop().await;
}

#[actix_rt::test]
async fn a_receiver_that_is_gone_is_an_issue_and_its_destination_is_disabled() {
    let world = World::start().await;
    let again = json!([{"type": "retry", "strategy": "linear", "count": 5, "interval": 60_000}]);
    let left = world.connect_with("left", "/gone", json!({}), again).await;
    let request = world.accept(&left, 0).await;
    let issue = world.issue("type=delivery", |_| true).await;
    let keys = &issue["aggregation_keys"];
    assert_eq!(keys["response_status"], json!([410]));
    let event = request.event(1).to_string();
    assert_eq!(issue["reference"]["event_id"], event);
    let destination = left["destination"]["id"].as_str().expect("an id");
    let path = format!("/destinations/{destination}");
    let shown = world.ok("GET", &path, None).await;
    assert!(shown["disabled_at"].is_string(), "{shown}");
    world.stop().await;
}

#[actix_rt::test]
async fn a_transformation_that_fails_is_an_issue_until_its_new_version_does_well() {
    let world = World::start().await;
    // What comes has no such field.
    let demanding =
        json!([{"op": "move", "from": "body.total", "to": "body.sum", "required": true}]);
    let made = json!({"name": "sums", "steps": demanding});
    let sums = world.ok("POST", "/transformations", Some(made)).await;
    let id = sums["id"].as_str().expect("an id");
    let rules = json!([{"type": "transform", "transformation_id": id}]);
    let shop = world.connect_with("shop", "/hook", json!({}), rules).await;
    let channels = json!({"webhook": {"url": format!("{}/told", world.url)}});
    let trigger = json!({
        "type": "transformation", "channels": channels,
        "configs": {"log_level": "error", "transformations": ["sums"]},
    });
    world.ok("POST", "/issue-triggers", Some(trigger)).await;

    let request = world.accept(&shop, 0).await;
    let issue = world.issue("type=transformation", |_| true).await;
    let keys = json!({"transformation_id": [id], "log_level": ["fatal"]});
    assert_eq!(issue["aggregation_keys"], keys);
    let execution = issue["reference"]["transformation_execution_id"].clone();
    let data = &issue["data"]["transformation_execution"];
    assert_eq!(data["id"], execution);
    assert_eq!(data["event_id"], request.event(1).to_string());
    assert_eq!(
        (&data["failed"], &data["issue_id"]),
        (&json!(true), &issue["id"])
    );
    let told = world.seen("/told", 1).await;
    assert_eq!(told[0].json()["data"]["summary"], "sums says fatal");
    let of = async |issue: &str| {
        let path = format!("/transformations/{id}/executions?issue_id={issue}");
        let found = world.ok("GET", &path, None).await;
        found["models"].as_array().map(Vec::len)
    };
    assert_eq!(of(issue["id"].as_str().expect("an id")).await, Some(1));
    assert_eq!(of("iss_00000000000000000000000000").await, Some(0));

    let mended = json!({"steps": [{"op": "wrap", "field": "body"}]});
    let path = format!("/transformations/{id}");
    world.ok("PUT", &path, Some(mended)).await;
    world.accept(&shop, 0).await;
    let over = "type=transformation&status=RESOLVED";
    let resolved = world.issue(over, |_| true).await;
    assert!(resolved["auto_resolved_at"].is_string());
    assert_eq!(turns(&world.seen("/told", 2).await), ["opened", "resolved"]);
    world.stop().await;
}

#[actix_rt::test]
async fn issue_triggers_live_from_their_making_to_their_end() {
    let world = World::start().await;
    let body = json!({
        "name": "rejections", "type": "request",
        "configs": {"rejection_causes": ["VERIFICATION_FAILED"], "sources": "*"},
        "channels": {"slack": {"channel_name": "ops", "webhook_url": "https://hooks.slack.example/x"}},
    });
    let made = world
        .ok("POST", "/issue-triggers", Some(body.clone()))
        .await;
    let path = format!("/issue-triggers/{}", made["id"].as_str().expect("an id"));
    assert_eq!(made["channels"], json!({"slack": {"channel_name": "ops"}}));
    let taken = world
        .refused("POST", "/issue-triggers", body.clone(), 422)
        .await;
    assert!(taken.starts_with("name: "), "{taken}");
    let same = world.ok("PUT", "/issue-triggers", Some(body)).await;
    assert_eq!(
        same, made,
        "an upsert that says nothing new changes nothing"
    );

    let renamed = world
        .ok("PUT", &path, Some(json!({"name": "forgeries"})))
        .await;
    assert_eq!(renamed["configs"], made["configs"]);
    let shown = world
        .ok("GET", &format!("{path}?include=config.auth"), None)
        .await;
    assert_eq!(
        shown["channels"]["slack"]["webhook_url"],
        "https://hooks.slack.example/x"
    );
    let other = world
        .refused("PUT", &path, json!({"type": "delivery"}), 422)
        .await;
    assert!(other.starts_with("type: "), "{other}");

    let disabled = world
        .ok("PUT", &format!("{path}/disable"), Some(json!({})))
        .await;
    assert!(disabled["disabled_at"].is_string());
    let listed = |query: &'static str| world.ok("GET", query, None);
    assert_eq!(
        listed("/issue-triggers?disabled_at[any]=true").await["count"],
        1
    );
    assert_eq!(listed("/issue-triggers?type=delivery").await["count"], 0);
    assert_eq!(
        listed("/issue-triggers?name=forgeries&order_by=type").await["count"],
        1
    );
    let enabled = world.ok("PUT", &format!("{path}/enable"), None).await;
    assert_eq!(enabled["disabled_at"], Value::Null);

    let gone = world.ok("DELETE", &path, None).await;
    assert_eq!(gone, json!({"id": made["id"]}));
    world.refused("GET", &path, json!({}), 404).await;
    let nameless = world
        .refused("PUT", "/issue-triggers", json!({"type": "request"}), 422)
        .await;
    assert!(nameless.starts_with("name: "), "{nameless}");
    let nowhere = json!({"enabled": true, "source_id": "src_x"});
    world
        .refused("PUT", "/notifications/webhooks", nowhere, 422)
        .await;
    world.stop().await;
}

#[actix_rt::test]
async fn a_source_that_leads_nowhere_is_told_nothing_and_makes_no_issue_of_it() {
    let world = World::start().await;
    let shop = world.connect("shop", "/hook", json!({})).await;
    let lonely = world
        .ok("POST", "/sources", Some(json!({"name": "lonely"})))
        .await;
    let told = json!({"enabled": true, "source_id": lonely["id"]});
    world.ok("PUT", "/notifications/webhooks", Some(told)).await;
    world.receiver.sick.store(true, Ordering::Relaxed);
    world.accept(&shop, 0).await;
    world.issue("type=delivery", |_| true).await;
    let given_up = || {
        let labels = ["GIVEN_UP"];
        let count = world
            .gateway
            .metrics
            .notifications
            .with_label_values(&labels)
            .get();
        (count == 1).then_some(())
    };
    let what = "the end of the notification";
    eventually(PATIENCE, what, async || given_up()).await;
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert_eq!(
        world.ok("GET", "/issues/count?type=request", None).await["count"],
        0
    );
    assert_eq!(given_up(), Some(()), "once, and not again");
    world.stop().await;
}

#[actix_web::test]
async fn all_of_an_issue_is_sent_once_more_by_one_call() {
    let world = World::start().await;
    world.stage.spawn(node::bulk::run(world.gateway.clone()));
    world.receiver.sick.store(true, Ordering::Relaxed);
    let (orders, others) = (
        world.connect("orders", "/hook", json!({})).await,
        world.connect("others", "/hook", json!({})).await,
    );
    let wanted = world.accept(&orders, 0).await.event(1).to_string();
    let issue = world.issue("type=delivery", |_| true).await;
    let stranger = world.accept(&others, 0).await.event(1).to_string();
    world.seen("/hook", 2).await;
    world.receiver.sick.store(false, Ordering::Relaxed);

    let query = json!({"query": {"issue_id": issue["id"]}});
    let begun = world.ok("POST", "/bulk/events/retry", Some(query)).await;
    assert_eq!(begun["estimated_count"], 1, "{begun}");
    let seen = world.seen("/hook", 3).await;
    assert_eq!(seen[2].header("x-tidegate-event-id"), wanted);
    let untouched = world.ok("GET", &format!("/events/{stranger}"), None).await;
    assert_eq!(
        (&untouched["status"], &untouched["attempts"]),
        (&json!("FAILED"), &json!(1))
    );
    let unknown = json!({"query": {"issue_id": "iss_nonsense"}});
    let nothing = world.ok("POST", "/bulk/events/retry", Some(unknown)).await;
    assert_eq!(nothing["estimated_count"], 0, "{nothing}");
    world.stop().await;
}
