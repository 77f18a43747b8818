//! How much memory a node takes for what it delivers, at the whole process.

use cluster_tests::{
    admin::id_of,
    clock,
    endpoint::{Endpoint, Reply},
    process::{Cluster, Options, resident_bytes},
};
use serde_json::json;
use std::{
    net::TcpListener,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};

const MIB: u64 = 1024 * 1024;
const BUDGET: u64 = 128 * MIB;
const BODIES: usize = 8;
const WAIT: Duration = Duration::from_secs(120);

/// A receiver that takes connections and nothing else. Gives its address and how many came.
fn hanging() -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    let count = Arc::new(AtomicUsize::new(0));
    let counter = count.clone();
    thread::spawn(move || {
        let mut open = Vec::new();
        for stream in listener.incoming().flatten() {
            counter.fetch_add(1, Ordering::SeqCst);
            open.push(stream);
        }
    });
    (format!("http://{address}/"), count)
}

/// The most that a process has held since this was made.
struct Peak {
    most: Arc<AtomicU64>,
    over: Arc<AtomicBool>,
}

impl Peak {
    fn watch(pid: u32) -> Self {
        let (most, over) = (Arc::<AtomicU64>::default(), Arc::<AtomicBool>::default());
        let peak = Self {
            most: most.clone(),
            over: over.clone(),
        };
        thread::spawn(move || {
            while !over.load(Ordering::SeqCst) {
                most.fetch_max(resident_bytes(pid), Ordering::SeqCst);
                thread::sleep(Duration::from_millis(20));
            }
        });
        peak
    }
}

impl Drop for Peak {
    fn drop(&mut self) {
        self.over.store(true, Ordering::SeqCst);
    }
}

#[test]
fn large_bodies_to_destinations_that_hang_stay_within_the_budget_and_starve_nobody() {
    let cluster = Cluster::form(
        1,
        Options {
            settings: vec![
                ("delivery.max_in_flight_bytes", BUDGET.to_string()),
                ("delivery.timeout_ms", "120000".into()),
            ],
            ..Options::default()
        },
    );
    let admin = cluster.nodes[0].admin();
    let healthy = Endpoint::start(None, |_| Reply::of(200, ""));
    let hanging: Vec<_> = (0..6).map(|_| hanging()).collect();
    let urls = hanging.iter().map(|(url, _)| url.clone());
    let urls = urls.chain([format!("http://{}/", healthy.address)]);
    let (mut source, mut destinations) = (String::new(), Vec::new());
    for (number, url) in urls.enumerate() {
        let made = admin.insist(
            "POST",
            "/connections",
            &json!({
                "name": format!("to-{number}"),
                "source": {"name": "in"},
                "destination": {"name": format!("out-{number}"), "type": "HTTP", "config": {"url": url}},
            }),
        );
        let made = made.expect("a connection");
        source = id_of(&made["source"]).expect("a source");
        let destination = id_of(&made["destination"]).expect("a destination");
        let path = format!("/destinations/{destination}/disable");
        admin.insist("PUT", &path, &json!({})).expect("disabled");
        destinations.push(destination);
    }
    let body = vec![b'a'; 10 * MIB as usize];
    let path = format!("/{source}");
    let posts = (0..BODIES).map(|_| cluster.nodes[0].post(&path, &body));
    assert_eq!(posts.count(), BODIES);
    let pid = cluster.nodes[0].pid().expect("it runs");
    let before = resident_bytes(pid);
    let peak = Peak::watch(pid);
    for destination in &destinations {
        let path = format!("/destinations/{destination}/enable");
        admin.insist("PUT", &path, &json!({})).expect("enabled");
    }
    let delivered = clock::eventually(WAIT, || (healthy.count() >= BODIES).then_some(()));
    assert!(delivered.is_some(), "{} came", healthy.count());
    for (url, count) in &hanging {
        let tried = clock::eventually(WAIT, || (count.load(Ordering::SeqCst) > 0).then_some(()));
        assert!(tried.is_some(), "{url} was never tried");
    }
    let metrics = admin.metrics().expect("metrics");
    let gauge = metrics
        .lines()
        .find_map(|line| line.strip_prefix("tidegate_attempt_bytes_in_flight "));
    let taken: u64 = gauge.expect("a gauge").parse().expect("a number");
    assert!((60 * MIB..=BUDGET).contains(&taken), "{taken}");
    // Without a bound these would be 56 bodies, each twice.
    let grown = peak.most.load(Ordering::SeqCst).saturating_sub(before);
    assert!(grown < 2 * BUDGET + 64 * MIB, "{} MiB more", grown / MIB);
}
