//! The load, as a process of its own: connections that post the same bytes again and again, each as soon as the last
//! one is answered, and the times of the answers.

use base64::{Engine, engine::general_purpose::STANDARD};
use clap::{Args, ValueEnum};
use cluster_tests::{
    clock,
    http::{self, Connection},
    sender,
};
use serde::{Deserialize, Serialize};
use std::{cell::RefCell, fs, net::SocketAddr, path::PathBuf, time::Duration};
use tokio::{runtime, time};

/// Posted before the clock starts: connections, caches and leaders are warm then.
const WARM_UP: u64 = 1_000_000;

#[derive(Clone, Copy, ValueEnum)]
pub(crate) enum Kind {
    /// A signed GitHub webhook
    Github,
    /// A put through etcd's HTTP gateway
    Etcd,
    /// The whole request stands in a file
    Given,
}

#[derive(Args)]
pub(crate) struct Load {
    #[arg(long, value_delimiter = ',')]
    to: Vec<SocketAddr>,
    #[arg(long, value_delimiter = ',')]
    path: Vec<String>,
    #[arg(long)]
    kind: Kind,
    /// For the kind `given`
    #[arg(long)]
    request: Option<PathBuf>,
    #[arg(long)]
    connections: usize,
    #[arg(long)]
    seconds: u64,
    #[arg(long)]
    body_bytes: usize,
}

/// What one load has seen.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Seen {
    /// Acknowledged while the clock ran, a second.
    pub(crate) per_second: f64,
    pub(crate) p50_ms: f64,
    pub(crate) p99_ms: f64,
    /// Acknowledged in all, the warm-up too.
    pub(crate) acked: u64,
    /// Answered with anything but 200, or not at all.
    pub(crate) failed: u64,
}

#[derive(Default)]
struct Tally {
    latencies: Vec<u64>,
    acked: u64,
    failed: u64,
}

impl Load {
    fn request(&self, to: SocketAddr, path: &str) -> Vec<u8> {
        let body = sender::body_with("bench", self.body_bytes);
        match self.kind {
            Kind::Github => sender::signed_post(path, to, crate::run::SECRET, "bench", &body),
            Kind::Etcd => {
                let (key, value) = (STANDARD.encode("bench"), STANDARD.encode(&body));
                let body = format!(r#"{{"key":"{key}","value":"{value}"}}"#);
                http::request("POST", path, to, &[], body.as_bytes())
            }
            Kind::Given => {
                let file = self.request.as_ref().expect("--request names a file");
                fs::read(file).expect("the request can be read")
            }
        }
    }

    pub(crate) fn execute(self) {
        let runtime = runtime::Builder::new_current_thread().enable_all().build();
        let tally = RefCell::new(Tally::default());
        let from = clock::micros() + WARM_UP;
        let until = from + self.seconds * 1_000_000;
        runtime.expect("a runtime for the load").block_on(async {
            let workers = (0..self.connections).map(|n| self.work(n, from, until, &tally));
            futures::future::join_all(workers).await;
        });
        let seen = tally.into_inner().sum_up(self.seconds);
        println!(
            "{}",
            serde_json::to_string(&seen).expect("figures are JSON")
        );
    }

    async fn work(&self, number: usize, from: u64, until: u64, tally: &RefCell<Tally>) {
        let to = self.to[number % self.to.len()];
        let requests: Vec<_> = self
            .path
            .iter()
            .map(|path| self.request(to, path))
            .collect();
        let mut connection = None;
        for bytes in requests.iter().cycle().skip(number) {
            let at = clock::micros();
            if at >= until {
                return;
            }
            let answered = post(&mut connection, to, bytes).await;
            let now = clock::micros();
            tally
                .borrow_mut()
                .count(answered, (at >= from && now < until).then_some(now - at));
            if !answered {
                connection = None;
                time::sleep(Duration::from_millis(10)).await;
            }
        }
    }
}

async fn post(connection: &mut Option<Connection>, to: SocketAddr, bytes: &[u8]) -> bool {
    if connection.is_none() {
        *connection = Connection::open(to).await.ok();
    }
    let Some(open) = connection else { return false };
    matches!(open.exchange(bytes).await, Ok(answer) if answer.status == 200)
}

impl Tally {
    fn count(&mut self, answered: bool, latency: Option<u64>) {
        if answered {
            self.acked += 1;
            self.latencies.extend(latency);
        } else {
            self.failed += 1;
        }
    }

    fn sum_up(mut self, seconds: u64) -> Seen {
        self.latencies.sort_unstable();
        let at = |share: f64| {
            let index = (self.latencies.len() as f64 * share) as usize;
            let micros = self.latencies.get(index).copied().unwrap_or_default();
            micros as f64 / 1000.0
        };
        Seen {
            per_second: self.latencies.len() as f64 / seconds.max(1) as f64,
            p50_ms: at(0.50),
            p99_ms: at(0.99),
            acked: self.acked,
            failed: self.failed,
        }
    }
}
