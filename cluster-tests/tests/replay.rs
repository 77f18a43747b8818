//! Holding back and sending again in a running cluster, while a node that leads is killed: what is paused waits and comes
//! through once, and a window of what a destination failed is sent once more by one call.

use cluster_tests::{
    admin::Admin,
    clock,
    faults::Fault,
    pace::Promise,
    process::{Cluster, Options},
    receiver::{Answer, Receiver},
    scene::Scene,
    sender::Post,
};
use serde_json::{Value, json};
use std::{
    collections::{BTreeMap, BTreeSet},
    thread,
    time::Duration,
};

const WAIT: Duration = Duration::from_secs(60);

/// A node that runs.
fn admin(scene: &mut Scene) -> Admin {
    let mut nodes = scene.cluster.nodes.iter_mut();
    let running = nodes.find_map(|node| node.is_running().then(|| node.admin()));
    running.expect("a node runs")
}

/// Asks whichever node runs, again and again while leaders change.
fn ask(scene: &mut Scene, method: &str, path: &str, body: &Value) -> Value {
    let mut last = String::new();
    let answer = clock::eventually(WAIT, || {
        let asked = admin(scene).ask(method, path, Some(body));
        asked.map_err(|error| last = error).ok()
    });
    answer.unwrap_or_else(|| panic!("{method} {path}: {last}"))
}

fn events(scene: &mut Scene, query: &str) -> BTreeMap<String, Value> {
    let mut last = String::new();
    let listed = clock::eventually(WAIT, || {
        let listed = admin(scene).list("/events", &format!("?limit=200{query}"));
        listed.map_err(|error| last = error).ok()
    });
    let listed = listed.unwrap_or_else(|| panic!("events{query}: {last}"));
    let id = |event: &Value| event["id"].as_str().expect("an id").to_owned();
    listed
        .into_iter()
        .map(|event| (id(&event), event))
        .collect()
}

/// Waits until so many events are in a state.
fn wait_for(scene: &mut Scene, status: &str, count: usize) {
    let mut seen = 0;
    let there = clock::eventually(WAIT, || {
        thread::sleep(Duration::from_millis(200));
        seen = events(scene, &format!("&status={status}")).len();
        (seen == count).then_some(())
    });
    assert!(
        there.is_some(),
        "{seen} events are {status}, expected {count}"
    );
}

fn acked(posts: &[Post]) -> usize {
    posts.iter().filter(|post| post.is_acked()).count()
}

#[test]
fn a_window_of_what_a_destination_failed_is_sent_once_more_by_one_call() {
    /// Of the whole cluster.
    const PER_SECOND: u32 = 30;
    // A page an event, so that the operation takes long enough to be hit.
    let options = Options {
        settings: vec![("replay.batch", "1".to_owned())],
        ..Options::default()
    };
    let rules = json!([{"type": "retry", "strategy": "linear", "count": 1, "interval": 1_000}]);
    let mut scene = Scene::with(Cluster::form(3, options), Receiver::start(), &rules);
    scene.receiver.answer_with(|_| Answer {
        // Its front answers: events fail. Without any answer they would wait for it.
        status: 404,
        after: Duration::ZERO,
    });
    // An outage that is longer than the retry rule has patience.
    let posts = scene.send(32, 8).finish_after(Duration::from_secs(20));
    wait_for(&mut scene, "FAILED", acked(&posts));
    let before = events(&mut scene, "");
    let mut times: Vec<&str> = before
        .values()
        .map(|event| event["created_at"].as_str().expect("a time"))
        .collect();
    times.sort_unstable();
    let (from, to) = (times[times.len() / 4], times[times.len() * 3 / 4]);
    let wanted: BTreeSet<String> = before
        .iter()
        .filter(|(_, event)| (from..to).contains(&event["created_at"].as_str().expect("a time")))
        .map(|(id, _)| id.clone())
        .collect();
    assert!(wanted.len() > 150, "{} events in the window", wanted.len());

    scene.receiver.answer_with(|_| Answer::OK);
    scene.pace(Some(PER_SECOND));
    let seen_before = scene.receiver.count();
    let destination = before.values().next().expect("events")["destination_id"].clone();
    let query = json!({
        "destination_id": destination, "status": "FAILED", "created_at": {"gte": from, "lt": to},
    });
    let path = "/bulk/events/retry";
    let plan = format!(
        "{path}/plan?query[destination_id]={}&query[status]=FAILED&query[created_at][gte]={from}&query[created_at][lt]={to}",
        destination.as_str().expect("an id"),
    );
    let planned = ask(&mut scene, "GET", &plan, &json!({}));
    assert_eq!(planned["estimated_count"], wanted.len());
    let begun = admin(&mut scene).ask("POST", path, Some(&json!({"query": query})));
    let begun = begun.expect("the one call");
    let path = format!("{path}/{}", begun["id"].as_str().expect("an id"));

    // Fresh events keep coming, and in the middle of it the leader of most falls.
    let sender = scene.send(10, 4);
    let halfway = clock::eventually(WAIT, || {
        let seen = admin(&mut scene).get(&path).ok()?;
        (seen["completed_count"].as_u64()? > 0).then_some(seen)
    });
    let halfway = halfway.expect("it makes progress");
    let victim = scene.kill_leader();
    assert_eq!(halfway["in_progress"], true, "{halfway}");
    let mut operation = Value::Null;
    clock::eventually(WAIT, || {
        operation = admin(&mut scene).get(&path).ok()?;
        operation["completed_at"].is_string().then_some(())
    })
    .unwrap_or_else(|| panic!("not over: {operation}"));
    assert_eq!(operation["completed_count"], wanted.len(), "{operation}");
    assert_eq!(
        (&operation["failed_count"], &operation["progress"]),
        (&json!(0), &json!(1.0))
    );
    scene.start(victim);
    scene.faults.healed();
    thread::sleep(Duration::from_secs(2));
    let fresh = sender.finish();
    let left = before.len() - wanted.len();
    wait_for(&mut scene, "QUEUED", 0);
    wait_for(&mut scene, "FAILED", left);
    scene.settle(&fresh, WAIT);

    // The exact set, each once more, nothing else.
    let after = events(&mut scene, "");
    for (id, was) in &before {
        let is = &after[id];
        if wanted.contains(id) {
            assert_eq!(is["status"], "SUCCESSFUL", "{is}");
            assert_eq!(is["attempts"], 3, "{is}");
        } else {
            assert_eq!(is, was, "none of its business");
        }
    }
    let deliveries = scene.receiver.deliveries().split_off(seen_before);
    let replayed = deliveries
        .iter()
        .filter(|delivery| delivery.trigger == "BULK_RETRY");
    let mut times_sent: BTreeMap<String, usize> = BTreeMap::new();
    for delivery in replayed {
        assert_eq!(delivery.attempt_number, 3, "{delivery:?}");
        *times_sent.entry(delivery.event_id.clone()).or_default() += 1;
    }
    let sent: BTreeSet<String> = times_sent.keys().cloned().collect();
    assert_eq!(sent, wanted);
    // What the killed node had sent and not recorded is sent again under the same number.
    let twice = times_sent.values().filter(|times| **times > 1).count();
    assert!(
        twice <= 16,
        "{twice} came twice, more than one node has in flight"
    );
    assert!(
        times_sent.values().all(|times| *times <= 2),
        "{times_sent:?}"
    );
    let strange = deliveries.iter().find(|delivery| {
        before.contains_key(&delivery.event_id) && !wanted.contains(&delivery.event_id)
    });
    assert!(strange.is_none(), "{strange:?}");
    let promise = Promise {
        limit: PER_SECOND.into(),
        period_us: 1_000_000,
    };
    let arrivals: Vec<u64> = deliveries.iter().map(|delivery| delivery.at).collect();
    let worst = promise.worst(&arrivals).expect("something arrived");
    // Two that were held up on their way.
    assert!(worst.over_thousandths <= 2_000, "{worst:?}");
    println!(
        "{} of {} events replayed, {twice} of them sent twice; the fullest window: {worst:?}",
        wanted.len(),
        before.len(),
    );
    scene.faults.report(&[Fault::LeaderKilled]);
    scene.must_agree();
}

#[test]
fn what_a_paused_connection_holds_outlives_its_leader_and_comes_through_once() {
    let mut scene = Scene::set(3, &[]);
    let connections = ask(&mut scene, "GET", "/connections", &json!({}));
    let connection = connections["models"][0]["id"]
        .as_str()
        .expect("an id")
        .to_owned();
    // A backlog that waits for its pace when the pause begins.
    scene.pace(Some(2));
    let mut posts = scene.send(40, 6).finish_after(Duration::from_secs(2));
    let paused = ask(
        &mut scene,
        "PUT",
        &format!("/connections/{connection}/pause"),
        &json!({}),
    );
    assert!(paused["paused_at"].is_string(), "{paused}");
    posts.extend(scene.send(40, 6).finish_after(Duration::from_secs(2)));
    wait_for(&mut scene, "QUEUED", 0);
    // What was in flight has come to its end.
    thread::sleep(Duration::from_secs(1));
    let taken = scene.receiver.delivered_requests().len();
    let held = acked(&posts) - taken;
    assert!(held > 80, "{held} held");
    wait_for(&mut scene, "HOLD", held);

    let victim = scene.kill_leader();
    posts.extend(scene.send(40, 6).finish_after(Duration::from_secs(3)));
    scene.start(victim);
    scene.faults.healed();
    scene.pace(None);
    thread::sleep(Duration::from_secs(3));
    assert_eq!(
        scene.receiver.delivered_requests().len(),
        taken,
        "it is still paused"
    );
    // A post of unknown outcome may have become an event, or may not.
    let held = events(&mut scene, "&status=HOLD").len();
    assert!(held >= acked(&posts) - taken, "{held} held");

    ask(
        &mut scene,
        "PUT",
        &format!("/connections/{connection}/unpause"),
        &json!({}),
    );
    wait_for(&mut scene, "HOLD", 0);
    scene.settle(&posts, WAIT);
    let unpaused = scene.receiver.deliveries();
    let unpaused = unpaused
        .iter()
        .filter(|delivery| delivery.trigger == "UNPAUSE");
    assert_eq!(unpaused.count(), held);
    scene.judge(&posts).must_hold();
    scene.faults.report(&[Fault::LeaderKilled]);
    scene.must_agree();
}
