//! One wrong clock moves nothing (F15, F16): whatever node has it, whenever it comes and however far off it is, what is due
//! stays due, what is a duplicate is one for its window only, and the node says what is wrong and comes back by itself.

use cluster_tests::{
    admin::{self, Admin},
    clock,
    process::{Cluster, Node, Options},
    receiver::{Answer, Delivery, Receiver},
    wall_clock::WallClock,
};
use serde_json::{Value, json};
use std::{
    collections::BTreeSet,
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

const WAIT: Duration = Duration::from_secs(60);
/// What is due at once on a cluster whose nodes share two cores with much else.
const AT_ONCE: Duration = Duration::from_secs(10);
const WINDOW_MS: u64 = 2_000;
const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);
const FORTY_DAYS: Duration = Duration::from_secs(40 * 86_400);

struct Scene {
    cluster: Cluster,
    receiver: Receiver,
    clocks: Vec<Arc<WallClock>>,
    source: String,
}

impl Scene {
    /// Three nodes, each with a wall clock of its own, and a connection with these rules. None where no clock can be moved.
    fn set(rules: &Value) -> Option<Self> {
        let clocks: Option<Vec<_>> = (0..3).map(|_| WallClock::here()).collect();
        Self::set_by(clocks?, rules)
    }

    fn set_by(clocks: Vec<Arc<WallClock>>, rules: &Value) -> Option<Self> {
        let options = Options {
            wall_clocks: clocks.clone(),
            ..Options::default()
        };
        let cluster = Cluster::form(3, options);
        let receiver = Receiver::start();
        let admin = cluster.nodes[0].admin();
        let body = json!({"name": "open", "type": "WEBHOOK"});
        let source = admin.insist("PUT", "/sources", &body).expect("a source");
        let source = admin::id_of(&source).expect("an id");
        let destination = admin.destination("receiver", &receiver.url());
        let destination = destination.expect("a destination");
        admin
            .connect("open-to-receiver", &source, &destination, rules)
            .expect("a connection");
        Some(Self {
            cluster,
            receiver,
            clocks,
            source,
        })
    }

    /// Posts once to a node: the status of its answer.
    fn post(&self, node: usize, body: &str) -> u16 {
        let path = format!("/{}", self.source);
        let headers = [("content-type", "application/json")];
        let to = self.cluster.nodes[node].ingest;
        admin::call(to, "POST", &path, &headers, body.as_bytes()).map_or(0, |(status, _)| status)
    }

    /// Posts until some other node than `but` takes it.
    fn insist(&self, but: Option<usize>, body: &str) {
        let nodes = (0..3).filter(|node| Some(*node) != but);
        let mut turns = nodes.cycle();
        clock::eventually(WAIT, || {
            (self.post(turns.next()?, body) == 200).then_some(())
        })
        .unwrap_or_else(|| panic!("nobody took {body}"));
    }

    /// Waits until a node is ready, or is not and says this.
    fn must_say(&self, node: usize, ready: bool, reason: &str) {
        let node = &self.cluster.nodes[node];
        let mut last = None;
        let said = clock::eventually(WAIT, || {
            let answer = admin::call(node.ingest, "GET", "/readyz", &[], b"").ok()?;
            let text = String::from_utf8_lossy(&answer.1).into_owned();
            let fits = (answer.0 == 200) == ready && text.contains(reason);
            last = Some((answer.0, text));
            fits.then_some(())
        });
        assert!(said.is_some(), "{}: {last:?}", node.name);
    }

    fn state(&self, node: usize) -> Value {
        let status = self.cluster.nodes[node].admin().get("/cluster");
        status.expect("a status")["clock"].clone()
    }

    /// Waits for this many events of a key.
    fn must_arrive(&self, key: &str, events: usize, within: Duration) {
        let mut seen = BTreeSet::new();
        clock::eventually(within, || {
            let deliveries = self.receiver.deliveries();
            let of_key = deliveries.into_iter().filter(|d| d.key == key);
            seen = of_key.map(|delivery| delivery.event_id).collect();
            (seen.len() >= events).then_some(())
        });
        assert_eq!(seen.len(), events, "{key} within {within:?}");
    }

    fn attempts(&self, key: &str) -> Vec<Delivery> {
        let deliveries = self.receiver.deliveries();
        deliveries.into_iter().filter(|d| d.key == key).collect()
    }

    /// How many groups a node leads, as another says.
    fn leads(&self, node: usize, asked: usize) -> Option<usize> {
        let id = self.cluster.id_of(node).ok()?;
        let view = self.cluster.nodes[asked].admin().cluster().ok()?;
        Some(view.leads().get(&id).copied().unwrap_or(0))
    }
}

fn body(key: &str) -> String {
    format!("{{\"key\":\"{key}\"}}")
}

fn metric(node: &Node, name: &str) -> f64 {
    let metrics = node.admin().metrics().expect("the figures");
    let line = metrics.lines().find_map(|line| line.strip_prefix(name));
    line.and_then(|value| value.trim().parse().ok())
        .unwrap_or_else(|| panic!("no {name}"))
}

/// Waits until there are events in a state; their ids.
fn events(admin: &Admin, status: &str) -> Vec<String> {
    let id = |event: &Value| event["id"].as_str().map(ToOwned::to_owned);
    let listed = clock::eventually(WAIT, || {
        let listed = admin.list("/events", &format!("?limit=100&status={status}"));
        let ids: Vec<String> = listed.ok()?.iter().filter_map(id).collect();
        (!ids.is_empty()).then_some(ids)
    });
    listed.unwrap_or_else(|| panic!("none became {status}"))
}

/// An open source whose events go to a receiver.
fn open_to_receiver(admin: &Admin) -> (String, Receiver) {
    let source = json!({"name": "open", "type": "WEBHOOK"});
    let source = admin.insist("PUT", "/sources", &source).expect("a source");
    let source = admin::id_of(&source).expect("an id");
    let receiver = Receiver::start();
    let destination = admin.destination("receiver", &receiver.url());
    let destination = destination.expect("a destination");
    admin
        .connect("open-to-receiver", &source, &destination, &json!([]))
        .expect("a connection");
    (source, receiver)
}

#[test]
fn a_wall_that_is_two_minutes_ahead_for_seconds_moves_no_window_and_is_told() {
    let rules = json!([{"type": "deduplicate", "window": WINDOW_MS}]);
    let Some(scene) = Scene::set(&rules) else {
        return;
    };
    scene.clocks[0].set_ahead(2 * MINUTE);
    let since = Instant::now();
    let mut taken = 0;
    for number in 0..40 {
        taken += usize::from(scene.post(0, &body(&format!("from-ahead-{number}"))) == 200);
        thread::sleep(Duration::from_millis(50));
    }
    println!("{taken} of 40 were taken");
    scene.must_say(0, false, "wall clock was set");
    assert_eq!(scene.state(0)["state"], "stepped");
    let ahead = metric(
        &scene.cluster.nodes[0],
        "tidegate_wall_clock_ahead_milliseconds ",
    );
    assert!((119_000.0..121_000.0).contains(&ahead), "{ahead}");
    assert!(scene.cluster.nodes[0].log().contains("wall clock was set"));
    thread::sleep(Duration::from_secs(3).saturating_sub(since.elapsed()));
    scene.clocks[0].set_ahead(Duration::ZERO);
    scene.must_say(0, true, "ready");

    // The same again after more than a window is no duplicate, wherever it is posted.
    for round in 1..=2 {
        for number in 0..9 {
            scene.insist(None, &body(&format!("k-{number}")));
        }
        for number in 0..9 {
            scene.must_arrive(&format!("k-{number}"), round, WAIT);
        }
        thread::sleep(Duration::from_millis(WINDOW_MS + 500));
    }
}

#[test]
fn a_node_that_starts_with_a_clock_forty_days_off_is_out_of_it_until_it_is_right() {
    // What fails twice is retried by hand. The receiver answers for itself: it is not left alone.
    let rules = json!([{"type": "retry", "strategy": "linear", "count": 1, "interval": 1000}]);
    let Some(mut scene) = Scene::set(&rules) else {
        return;
    };
    scene.receiver.answer_with(|_| Answer {
        status: 400,
        after: Duration::ZERO,
    });
    scene.insist(None, &body("by-hand"));
    scene.must_arrive("by-hand", 1, WAIT);

    for (off_by, ahead) in [(FORTY_DAYS, true), (Duration::from_secs(90), false)] {
        scene.cluster.nodes[2].stop();
        if ahead {
            scene.clocks[2].set_ahead(off_by);
        } else {
            scene.clocks[2].set_behind(off_by);
        }
        scene.cluster.nodes[2].start();
        scene.must_say(2, false, "clock is");
        assert_eq!(scene.state(2)["state"], "off");
        let since = Instant::now();
        assert_eq!(scene.post(2, &body("never")), 503);
        assert!(since.elapsed() < AT_ONCE, "{:?}", since.elapsed());
        clock::eventually(WAIT, || (scene.leads(2, 0)? == 0).then_some(()))
            .expect("it leads nothing");

        // The others go on in their own time.
        let admin = scene.cluster.nodes[0].admin();
        let failed = events(&admin, "FAILED");
        let before = scene.attempts("by-hand").len();
        for event in failed {
            admin
                .insist("POST", &format!("/events/{event}/retry"), &json!({}))
                .expect("retried");
        }
        clock::eventually(AT_ONCE, || {
            (scene.attempts("by-hand").len() > before).then_some(())
        })
        .expect("a retry by hand is due at once");

        scene.clocks[2].set_ahead(Duration::ZERO);
        scene.must_say(2, true, "ready");
        assert_eq!(scene.state(2)["state"], "right");
    }
    assert!(scene.attempts("never").is_empty());
}

#[test]
fn retries_come_when_they_are_due_with_clocks_an_hour_off_and_through_a_failover() {
    const INTERVAL: Duration = Duration::from_secs(3);
    /// For attempts, an election, and a busy machine.
    const SLACK: Duration = Duration::from_secs(12);
    let interval = INTERVAL.as_millis() as u64;
    let rules = json!([{"type": "retry", "strategy": "linear", "count": 8, "interval": interval}]);
    let Some(mut scene) = Scene::set(&rules) else {
        return;
    };
    scene.receiver.answer_with(|_| Answer {
        status: 400,
        after: Duration::ZERO,
    });
    let keys: Vec<String> = (0..6).map(|number| format!("k-{number}")).collect();
    for key in &keys {
        scene.insist(None, &body(key));
    }
    let attempted = |scene: &Scene, times: usize| {
        let all = clock::eventually(WAIT, || {
            let all = keys.iter().all(|key| scene.attempts(key).len() >= times);
            all.then_some(())
        });
        all.unwrap_or_else(|| panic!("not all were attempted {times} times"));
    };
    attempted(&scene, 1);
    scene.clocks[0].set_ahead(HOUR);
    scene.clocks[1].set_behind(HOUR);
    attempted(&scene, 3);
    let victim = scene.cluster.leader_of_most().expect("somebody leads");
    scene.cluster.nodes[victim].kill();
    attempted(&scene, 5);
    for key in &keys {
        let attempts = scene.attempts(key);
        for pair in attempts.windows(2) {
            let waited = Duration::from_micros(pair[1].at - pair[0].at);
            // Who died before it recorded leaves its attempt to be made again.
            let again = pair[1].attempt_number == pair[0].attempt_number;
            let early = waited + Duration::from_secs(2) < INTERVAL;
            assert!(again || !early, "{key} after {waited:?}");
            assert!(waited < INTERVAL + SLACK, "{key} after {waited:?}");
        }
    }
}

#[test]
fn without_a_majority_a_node_says_so_and_refuses_at_once() {
    let mut cluster = Cluster::form(3, Options::default());
    let admin = cluster.nodes[0].admin();
    let (source, _receiver) = open_to_receiver(&admin);
    let path = format!("/{source}");
    let _ = cluster.nodes[0].post(&path, "{}");

    cluster.nodes[1].kill();
    cluster.nodes[2].kill();
    let killed = Instant::now();
    let to = cluster.nodes[0].ingest;
    let mut slowest = Duration::ZERO;
    // From the first moment on: those that find out and those that come later.
    while killed.elapsed() < Duration::from_secs(4) {
        let since = Instant::now();
        let answer = admin::call(to, "POST", &path, &[], b"{}").expect("an answer");
        slowest = slowest.max(since.elapsed());
        assert_eq!(answer.0, 503);
        thread::sleep(Duration::from_millis(50));
    }
    println!("the slowest refusal took {slowest:?}");
    // Two seconds, and as much again for a machine that does much else.
    assert!(slowest < Duration::from_secs(4), "{slowest:?}");
    assert!(!cluster.nodes[0].is_ready(), "ready without a majority");
    let on_admin = admin::call(cluster.nodes[0].admin, "GET", "/readyz", &[], b"");
    assert_eq!(on_admin.map(|(status, _)| status), Ok(503));
    let since = Instant::now();
    let nobody = cluster.nodes[0].admin().get("/sources");
    assert!(nobody.is_err() && since.elapsed() < Duration::from_secs(4));

    cluster.nodes[1].start();
    cluster.nodes[2].start();
    cluster.wait_ready(WAIT);
    for node in &cluster.nodes {
        let _ = node.post(&path, "{}");
    }
}

#[test]
fn clocks_that_differ_by_less_than_the_bound_hold_no_post_up_and_shorten_no_delay() {
    const NEARLY: Duration = Duration::from_millis(1_900);
    const DELAY: Duration = Duration::from_secs(10);
    /// Two seconds are promised; beside that there are attempts, an election, and a busy machine.
    const EARLY: Duration = Duration::from_secs(2);
    const LATE: Duration = Duration::from_secs(12);
    let clocks: Option<Vec<_>> = (0..3).map(|_| WallClock::here()).collect();
    let Some(clocks) = clocks else {
        return;
    };
    clocks[0].set_ahead(NEARLY);
    clocks[2].set_behind(NEARLY);
    let rules = json!([{"type": "delay", "delay": DELAY.as_millis() as u64}]);
    let Some(mut scene) = Scene::set_by(clocks, &rules) else {
        return;
    };
    let mut posted = Vec::new();
    for number in 0..18 {
        let (key, since) = (format!("k-{number}"), Instant::now());
        // Those of the last node are due by the clock that is furthest behind.
        assert_eq!(
            scene.post(if number < 9 { number % 3 } else { 2 }, &body(&key)),
            200
        );
        assert!(
            since.elapsed() < Duration::from_secs(5),
            "{:?}",
            since.elapsed()
        );
        posted.push((key, clock::micros()));
    }
    for node in 0..3 {
        let source = json!({"name": format!("by-{node}"), "type": "WEBHOOK"});
        let made = scene.cluster.nodes[node]
            .admin()
            .ask("PUT", "/sources", Some(&source));
        made.expect("every node may change the configuration");
        assert_eq!(scene.state(node)["untimely_proposals"], 0);
    }
    scene.cluster.nodes[2].kill();
    for (key, posted_at) in posted {
        scene.must_arrive(&key, 1, DELAY + LATE);
        let at = scene.attempts(&key)[0].at;
        let waited = Duration::from_micros(at.saturating_sub(posted_at));
        assert!(
            waited + EARLY > DELAY && waited < DELAY + LATE,
            "{key} after {waited:?}"
        );
    }
}

#[test]
fn with_a_node_down_a_set_wall_is_told_and_clocks_that_differ_in_pairs_stop_nobody_who_was_right() {
    let Some(mut scene) = Scene::set(&json!([])) else {
        return;
    };
    scene.cluster.nodes[2].stop();
    scene.clocks[0].set_ahead(3 * HOUR);
    scene.must_say(0, false, "wall clock was set");
    assert_eq!(scene.state(0)["state"], "stepped");
    scene.clocks[0].set_ahead(Duration::ZERO);
    scene.must_say(0, true, "ready");

    scene.cluster.nodes[1].stop();
    scene.clocks[1].set_behind(3 * HOUR);
    scene.clocks[2].set_ahead(3 * HOUR);
    scene.cluster.nodes[1].start();
    scene.cluster.nodes[2].start();
    scene.must_say(1, false, "no majority has vouched");
    scene.must_say(2, false, "no majority has vouched");
    scene.must_say(0, true, "ready");
    for number in 0..6 {
        let key = format!("pairs-{number}");
        assert_eq!(scene.post(0, &body(&key)), 200);
        scene.must_arrive(&key, 1, AT_ONCE);
    }
    scene.clocks[1].set_ahead(Duration::ZERO);
    scene.must_say(1, true, "ready");
    scene.must_say(2, false, "ahead of the others");
}

#[test]
fn a_node_alone_that_starts_days_ahead_lets_nothing_go_and_says_so() {
    let Some(clock) = WallClock::here() else {
        return;
    };
    let options = Options {
        wall_clocks: vec![clock.clone()],
        settings: vec![("retention.every_ms", "300".to_owned())],
        ..Options::default()
    };
    let mut cluster = Cluster::form(1, options);
    let admin = cluster.nodes[0].admin();
    let (source, _receiver) = open_to_receiver(&admin);
    let posted: Vec<String> = (0..12)
        .map(|_| cluster.nodes[0].post(&format!("/{source}"), "{}"))
        .collect();
    // What may go is asked for twice, a minute apart: each start is a minute later.
    let mut ahead = Duration::from_secs(8 * 86_400);
    for _ in 0..3 {
        cluster.nodes[0].stop();
        clock.set_ahead(ahead);
        cluster.nodes[0].start();
        cluster.nodes[0].wait_ready(WAIT);
        thread::sleep(Duration::from_secs(1));
        ahead += Duration::from_secs(61);
    }
    for request in &posted {
        let kept = admin.get(&format!("/requests/{request}"));
        assert!(kept.is_ok(), "{kept:?}");
    }
    let doubted = metric(&cluster.nodes[0], "tidegate_time_doubted_by_milliseconds ");
    assert!(doubted > 7.9 * 86_400_000.0, "{doubted}");
    assert!(
        cluster.nodes[0]
            .log()
            .contains("it was away for long, or its clock is wrong")
    );
}
