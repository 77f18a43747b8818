//! Equal requests make one event, whichever nodes they reach in the same instant and whoever dies meanwhile; events of a
//! key arrive in their order, and one that fails holds back its own key alone.

use cluster_tests::{
    admin::{self, Admin},
    clock,
    faults::{Fault, Faults},
    process::{Cluster, Options},
    receiver::{Answer, Delivery, Receiver},
};
use parking_lot::Mutex;
use serde_json::{Value, json};
use std::{
    collections::{BTreeMap, BTreeSet},
    net::SocketAddr,
    sync::{
        Barrier,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

const INSISTS_FOR: Duration = Duration::from_secs(60);
const WINDOW_MS: u64 = 3_600_000;

/// A cluster with an open source of this configuration, connected to a receiver.
struct Scene {
    cluster: Cluster,
    receiver: Receiver,
    source: String,
}

impl Scene {
    fn set(config: &Value, rules: &Value) -> Self {
        let cluster = Cluster::form(3, Options::default());
        let receiver = Receiver::start();
        let admin = cluster.nodes[0].admin();
        let body = json!({"name": "open", "type": "WEBHOOK", "config": config});
        let source = admin.insist("PUT", "/sources", &body).expect("a source");
        let source = admin::id_of(&source).expect("an id");
        let destination = admin.destination("receiver", &receiver.url());
        let destination = destination.expect("a destination");
        let connected = admin.connect("open-to-receiver", &source, &destination, rules);
        connected.expect("a connection");
        Self {
            cluster,
            receiver,
            source,
        }
    }

    /// The event ids that the receiver saw of each key.
    fn events(&self) -> BTreeMap<String, BTreeSet<String>> {
        let mut events: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for delivery in self.receiver.deliveries() {
            let of_key = events.entry(delivery.key).or_default();
            of_key.insert(delivery.event_id);
        }
        events
    }
}

/// Posts once; the request's id where it was accepted.
fn post(to: SocketAddr, path: &str, body: &str) -> Option<String> {
    let headers = [("content-type", "application/json")];
    let (status, answer) = admin::call(to, "POST", path, &headers, body.as_bytes()).ok()?;
    let answer: Value = serde_json::from_slice(&answer).ok()?;
    (status == 200).then(|| answer["request_id"].as_str().map(ToOwned::to_owned))?
}

/// Posts the same again, to one node after the other, until it is accepted, as senders do.
fn insist(targets: &[SocketAddr], first: usize, path: &str, body: &str) -> String {
    let mut turn = first;
    let accepted = clock::eventually(INSISTS_FOR, || {
        turn += 1;
        post(targets[(turn - 1) % targets.len()], path, body)
    });
    accepted.unwrap_or_else(|| panic!("nobody accepted {body}"))
}

/// Two requests of one key, at two nodes in the same instant. Both are accepted in the end.
fn post_two(targets: &[SocketAddr], path: &str, number: usize) -> [String; 2] {
    let start = Barrier::new(2);
    let one = |place: usize| {
        let body = format!("{{\"key\":\"k-{number}\",\"sent_by\":{place}}}");
        start.wait();
        insist(targets, number + place, path, &body)
    };
    thread::scope(|scope| {
        let other = scope.spawn(|| one(1));
        [one(0), other.join().expect("a sender")]
    })
}

/// Of two accepted requests one has the event and the other is listed as its duplicate.
fn assert_one_of(admin: &Admin, pair: &[String; 2]) {
    let read = |id: &String| admin.get(&format!("/requests/{id}")).expect("a request");
    let events = pair.each_ref().map(|id| read(id)["events_count"].clone());
    let (first, second) = match (events[0].as_u64(), events[1].as_u64()) {
        (Some(1), Some(0)) => (&pair[0], &pair[1]),
        (Some(0), Some(1)) => (&pair[1], &pair[0]),
        other => panic!("{pair:?} have {other:?} events"),
    };
    let ignored = admin.get(&format!("/requests/{second}/ignored_events"));
    let ignored = ignored.expect("ignored events");
    assert_eq!(ignored["count"], 1, "{ignored}");
    let ignored = &ignored["models"][0];
    assert_eq!(ignored["cause"], "DUPLICATE");
    assert_eq!(ignored["meta"]["duplicate_of"]["request_id"], **first);
}

#[test]
fn two_equal_requests_at_two_nodes_in_the_same_instant_make_one_event() {
    const PAIRS: usize = 150;
    let rule = json!({"window": WINDOW_MS, "include_fields": ["body.key"]});
    let scene = Scene::set(&json!({"deduplicate": rule}), &json!([]));
    let targets = scene.cluster.ingest_addresses();
    let path = format!("/{}", scene.source);
    let pairs: Vec<_> = (0..PAIRS).map(|n| post_two(&targets, &path, n)).collect();

    let delivered = clock::eventually(Duration::from_secs(30), || {
        (scene.receiver.count() >= PAIRS).then_some(())
    });
    assert!(delivered.is_some(), "one event of each pair is delivered");
    thread::sleep(Duration::from_secs(1));
    assert_eq!(scene.receiver.count(), PAIRS, "and no other");
    let admin = scene.cluster.nodes[2].admin();
    for pair in &pairs {
        assert_one_of(&admin, pair);
    }
    let partitions: BTreeSet<_> = scene
        .receiver
        .deliveries()
        .iter()
        .filter_map(|delivery| cluster_tests::receiver::partition_of(&delivery.event_id))
        .collect();
    assert!(partitions.len() > 1, "keys spread over the partitions");
}

#[test]
fn equal_requests_make_one_event_while_leaders_are_killed() {
    const SENDERS: usize = 4;
    const KILLS: usize = 3;
    let rule =
        json!([{"type": "deduplicate", "window": WINDOW_MS, "include_fields": ["body.key"]}]);
    let mut scene = Scene::set(&json!({}), &rule);
    let targets = scene.cluster.ingest_addresses();
    let path = format!("/{}", scene.source);
    let done = AtomicBool::new(false);
    let mut faults = Faults::default();
    let pairs: Vec<[String; 2]> = thread::scope(|scope| {
        let senders: Vec<_> = (0..SENDERS)
            .map(|sender| {
                let (done, targets, path) = (&done, &targets, &path);
                scope.spawn(move || {
                    let numbers = (sender..).step_by(SENDERS);
                    let numbers = numbers.take_while(|_| !done.load(Ordering::Relaxed));
                    numbers
                        .map(|n| post_two(targets, path, n))
                        .collect::<Vec<_>>()
                })
            })
            .collect();
        thread::sleep(Duration::from_secs(1));
        for _ in 0..KILLS {
            kill_the_leader(&mut scene.cluster, &mut faults);
        }
        done.store(true, Ordering::Relaxed);
        let sent = senders
            .into_iter()
            .map(|sender| sender.join().expect("a sender"));
        sent.flatten().collect()
    });
    faults.report(&[Fault::LeaderKilled]);
    println!("{} pairs", pairs.len());
    assert!(pairs.len() > 20, "too few to show anything");

    let complete = clock::eventually(Duration::from_secs(60), || {
        (scene.events().len() >= pairs.len()).then_some(())
    });
    assert!(complete.is_some(), "one event of each pair is delivered");
    thread::sleep(Duration::from_secs(2));
    let events = scene.events();
    // An attempt may be repeated when its outcome dies with its node; a second event may not be.
    let twice: Vec<_> = events
        .iter()
        .filter(|(_, events)| events.len() > 1)
        .collect();
    assert!(twice.is_empty(), "made more than one event: {twice:?}");
    assert_eq!(events.len(), pairs.len());
}

/// The node that leads most is killed, and started again a little later.
fn kill_the_leader(cluster: &mut Cluster, faults: &mut Faults) {
    let victim = clock::eventually(Duration::from_secs(20), || cluster.leader_of_most());
    let victim = victim.expect("a leader");
    faults.fire(Fault::LeaderKilled);
    cluster.nodes[victim].kill();
    thread::sleep(Duration::from_millis(fastrand::u64(500..2_000)));
    cluster.nodes[victim].start();
    cluster.nodes[victim].wait_ready(Duration::from_secs(60));
    faults.healed();
    thread::sleep(Duration::from_secs(1));
}

/// The number in a key of the form `name-number`.
fn number(delivery: &Delivery) -> (String, u32) {
    let (name, number) = delivery.key.rsplit_once('-').expect("a numbered key");
    (name.to_owned(), number.parse().expect("a number"))
}

/// In the order of arrival, no number is behind one that came before it, and none begins before the one in front of it
/// was taken or given up.
fn assert_in_order(deliveries: &[Delivery]) {
    let mut taken: BTreeMap<String, BTreeSet<u32>> = BTreeMap::new();
    for delivery in deliveries {
        let (name, number) = number(delivery);
        let taken = taken.entry(name).or_default();
        if number > 0 {
            assert!(taken.contains(&(number - 1)), "{delivery:?} came too early");
        }
        let last = taken.last().copied().unwrap_or(0);
        assert!(number >= last, "{delivery:?} came after {last}");
        if delivery.answered == 200 {
            taken.insert(number);
        }
    }
}

#[test]
fn keys_keep_their_order_and_one_that_fails_holds_back_its_own_alone() {
    const GOOD: usize = 5;
    const OF_GOOD: u32 = 25;
    const OF_BAD: u32 = 6;
    let retry = json!([{"type": "retry", "strategy": "linear", "count": 10, "interval": 1_000}]);
    let mut scene = Scene::set(&json!({"ordering_key": "query.key"}), &retry);
    // Each event of one key is refused twice before it is taken.
    scene.receiver.answer_with(|delivery| {
        let refused = delivery.key.starts_with("bad-") && delivery.attempt_number < 3;
        Answer {
            status: if refused { 500 } else { 200 },
            after: Duration::ZERO,
        }
    });
    let targets = scene.cluster.ingest_addresses();
    let sent = Mutex::new(Vec::new());
    let send = |name: &str, count: u32, pause: Duration| {
        let path = format!("/{}?key={name}", scene.source);
        for n in 0..count {
            let body = format!("{{\"key\":\"{name}-{n}\"}}");
            let request = insist(&targets, n as usize, &path, &body);
            sent.lock().push((body, request));
            thread::sleep(pause);
        }
    };
    let all = |name: &str, count: u32| {
        let last = format!("{name}-{}", count - 1);
        let is_last = |delivery: &Delivery| delivery.key == last && delivery.answered == 200;
        scene.receiver.deliveries().iter().any(is_last)
    };
    thread::scope(|scope| {
        scope.spawn(|| send("bad", OF_BAD, Duration::ZERO));
        for key in 0..GOOD {
            let send = &send;
            scope.spawn(move || send(&format!("good{key}"), OF_GOOD, Duration::ZERO));
        }
    });
    for (body, request) in sent.lock().drain(..) {
        let request = scene.cluster.nodes[0]
            .admin()
            .get(&format!("/requests/{request}"));
        let request = request.expect("a request");
        assert_eq!(request["events_count"], 1, "{body}: {request}");
    }
    let good = clock::eventually(Duration::from_secs(30), || {
        (0..GOOD)
            .all(|key| all(&format!("good{key}"), OF_GOOD))
            .then_some(())
    });
    assert!(good.is_some(), "the keys that don't fail are delivered");
    assert!(!all("bad", OF_BAD), "while the one that fails is held back");
    let bad = clock::eventually(Duration::from_secs(60), || all("bad", OF_BAD).then_some(()));
    assert!(bad.is_some(), "the key that fails goes on");
    assert_in_order(&scene.receiver.deliveries());

    // The same while the node that leads most is killed.
    let before = scene.receiver.deliveries().len();
    let mut faults = Faults::default();
    thread::scope(|scope| {
        for key in 0..GOOD {
            let send = &send;
            let pause = Duration::from_millis(150);
            scope.spawn(move || send(&format!("later{key}"), OF_GOOD, pause));
        }
        thread::sleep(Duration::from_secs(1));
        kill_the_leader(&mut scene.cluster, &mut faults);
    });
    faults.report(&[Fault::LeaderKilled]);
    let later = clock::eventually(Duration::from_secs(60), || {
        (0..GOOD)
            .all(|key| all(&format!("later{key}"), OF_GOOD))
            .then_some(())
    });
    assert!(later.is_some(), "no key hangs after a failover");
    assert_in_order(&scene.receiver.deliveries()[before..]);
}
