//! Senders that post signed webhooks with unique keys to all nodes at a set pace, and remember what came of each.

use crate::{
    admin, clock,
    http::{self, Connection},
    receiver,
};
use hmac::{Hmac, KeyInit, Mac};
use parking_lot::Mutex;
use serde::Serialize;
use sha2::Sha256;
use std::{
    fs::File,
    io::{BufWriter, Write},
    net::SocketAddr,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread::{self, JoinHandle},
    time::Duration,
};
use tokio::{runtime, time};

/// A sender gives up on an answer after this long; what became of the request is then unknown.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub enum Outcome {
    /// A 200 with this request id: from here on the event may not be lost.
    Acked { request_id: String },
    /// A 5xx, no answer or half of one: taken or not, either may be.
    Unknown { because: String },
    /// Never sent, or answered by a 4xx: may not be delivered.
    Refused { because: String },
}

/// One post as the sender saw it.
#[derive(Clone, Debug, Serialize)]
pub struct Post {
    pub key: String,
    pub body_hash: String,
    pub to: SocketAddr,
    pub at: u64,
    pub answered_at: u64,
    pub outcome: Outcome,
}

impl Post {
    /// Whether it was promised to the sender.
    #[must_use]
    pub fn is_acked(&self) -> bool {
        matches!(self.outcome, Outcome::Acked { .. })
    }
}

/// What to send, where, and how fast.
#[derive(Clone, Debug)]
pub struct Plan {
    pub targets: Vec<SocketAddr>,
    pub path: String,
    pub secret: String,
    pub per_second: u64,
    pub connections: usize,
    pub body_bytes: usize,
    /// The history is also written here, a JSON object a line.
    pub history: Option<PathBuf>,
}

struct Shared {
    plan: Plan,
    run: u32,
    started: u64,
    next: AtomicU64,
    stop: AtomicBool,
    posts: Mutex<Vec<Post>>,
    file: Mutex<Option<BufWriter<File>>>,
}

/// Senders at work, on a thread of their own.
pub struct Sender {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

/// GitHub's signature of a body: `sha256=` and the HMAC in hex.
///
/// # Panics
/// Never: an HMAC takes a key of any length.
#[must_use]
pub fn github_signature(secret: &str, body: &[u8]) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).expect("any length will do");
    mac.update(body);
    format!("sha256={}", hex::encode(mac.finalize().into_bytes()))
}

/// A signed GitHub webhook as it goes over the wire.
#[must_use]
pub fn signed_post(path: &str, to: SocketAddr, secret: &str, key: &str, body: &[u8]) -> Vec<u8> {
    let signature = github_signature(secret, body);
    let headers = [
        ("content-type", "application/json"),
        ("user-agent", "GitHub-Hookshot/0000000"),
        ("x-github-event", "push"),
        ("x-github-delivery", key),
        ("x-hub-signature-256", signature.as_str()),
    ];
    http::request("POST", path, to, &headers, body)
}

/// Posts one signed webhook; the status of the answer.
///
/// # Errors
/// When there is no answer.
pub fn probe(to: SocketAddr, path: &str, secret: &str, bytes: usize) -> Result<u16, String> {
    let body = body_with("probe", bytes);
    let signature = github_signature(secret, &body);
    let headers = [("x-hub-signature-256", signature.as_str())];
    admin::call(to, "POST", path, &headers, &body).map(|(status, _)| status)
}

/// A JSON body of about this size that opens with the key. The rest is random, so that no disk makes it smaller.
#[must_use]
pub fn body_with(key: &str, bytes: usize) -> Vec<u8> {
    let frame = key.len() + r#"{"key":"","pad":""}"#.len();
    let pad: String = (frame..bytes).map(|_| fastrand::alphanumeric()).collect();
    format!(r#"{{"key":"{key}","pad":"{pad}"}}"#).into_bytes()
}

impl Sender {
    /// Starts sending.
    ///
    /// # Panics
    /// When the history file cannot be made.
    #[must_use]
    pub fn start(plan: Plan) -> Self {
        let file = plan.history.as_ref().map(|path| {
            let file = File::create(path).expect("the history file can be made");
            BufWriter::new(file)
        });
        let shared = Arc::new(Shared {
            plan,
            run: fastrand::u32(..),
            started: clock::micros(),
            next: AtomicU64::new(0),
            stop: AtomicBool::new(false),
            posts: Mutex::default(),
            file: Mutex::new(file),
        });
        let thread = thread::spawn({
            let shared = shared.clone();
            move || drive(&shared)
        });
        Self {
            shared,
            thread: Some(thread),
        }
    }

    /// Sends for this long, then stops.
    #[must_use]
    pub fn finish_after(self, duration: Duration) -> Vec<Post> {
        thread::sleep(duration);
        self.finish()
    }

    /// Sends nothing more, waits for what is in flight, and gives the history.
    #[must_use]
    pub fn finish(mut self) -> Vec<Post> {
        self.join();
        std::mem::take(&mut self.shared.posts.lock())
    }

    fn join(&mut self) {
        self.shared.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
        if let Some(mut file) = self.shared.file.lock().take() {
            let _ = file.flush();
        }
    }
}

impl Drop for Sender {
    fn drop(&mut self) {
        self.join();
    }
}

fn drive(shared: &Arc<Shared>) {
    let runtime = runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.expect("a runtime for the senders");
    runtime.block_on(async {
        let workers = (0..shared.plan.connections).map(|n| work(shared.clone(), n));
        futures::future::join_all(workers).await;
    });
}

/// One keep-alive connection. Turns to the next node when its own cannot be reached, as a load balancer would.
async fn work(shared: Arc<Shared>, number: usize) {
    let plan = &shared.plan;
    let mut target = number % plan.targets.len();
    let mut connection = None;
    while !shared.stop.load(Ordering::Relaxed) {
        let turn = shared.next.fetch_add(1, Ordering::Relaxed);
        let due = shared.started + turn * 1_000_000 / plan.per_second.max(1);
        time::sleep(Duration::from_micros(due.saturating_sub(clock::micros()))).await;
        let to = plan.targets[target];
        let key = format!("{:08x}-{turn}", shared.run);
        let body = body_with(&key, plan.body_bytes);
        let at = clock::micros();
        let outcome = post(&mut connection, to, plan, &key, &body).await;
        let came_through = matches!(outcome, Outcome::Acked { .. });
        shared.remember(Post {
            key,
            body_hash: receiver::hash(&body),
            to,
            at,
            answered_at: clock::micros(),
            outcome,
        });
        if !came_through {
            target = (target + 1) % plan.targets.len();
            connection = None;
            time::sleep(Duration::from_millis(20)).await;
        }
    }
}

async fn post(
    connection: &mut Option<Connection>,
    to: SocketAddr,
    plan: &Plan,
    key: &str,
    body: &[u8],
) -> Outcome {
    if connection.is_none() {
        match time::timeout(ANSWER_WITHIN, Connection::open(to)).await {
            Ok(Ok(fresh)) => *connection = Some(fresh),
            Ok(Err(error)) => {
                return Outcome::Refused {
                    because: error.to_string(),
                };
            }
            Err(_) => {
                return Outcome::Refused {
                    because: "no connection in time".to_owned(),
                };
            }
        }
    }
    let Some(open) = connection else {
        return Outcome::Refused {
            because: "no connection".to_owned(),
        };
    };
    let bytes = signed_post(&plan.path, to, &plan.secret, key, body);
    match time::timeout(ANSWER_WITHIN, open.exchange(&bytes)).await {
        Ok(Ok(answer)) => judge(answer.status, answer.body),
        Ok(Err(error)) => Outcome::Unknown {
            because: error.to_string(),
        },
        Err(_) => Outcome::Unknown {
            because: "no answer in time".to_owned(),
        },
    }
}

fn judge(status: u16, body: &[u8]) -> Outcome {
    let because = format!("{status} {}", String::from_utf8_lossy(body));
    match status {
        200 => serde_json::from_slice::<serde_json::Value>(body)
            .ok()
            .and_then(|answer| answer["request_id"].as_str().map(ToOwned::to_owned))
            .map_or(Outcome::Unknown { because }, |request_id| Outcome::Acked {
                request_id,
            }),
        400..500 => Outcome::Refused { because },
        _ => Outcome::Unknown { because },
    }
}

impl Shared {
    fn remember(&self, post: Post) {
        if let Some(file) = self.file.lock().as_mut() {
            // The file is for people to read later; the verdict stands on what is in memory.
            let _ = serde_json::to_writer(&mut *file, &post);
            let _ = file.write_all(b"\n");
        }
        self.posts.lock().push(post);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_signature_is_github_s_documented_one() {
        assert_eq!(
            github_signature("It's a Secret to Everybody", b"Hello, World!"),
            "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"
        );
    }

    #[test]
    fn only_a_200_with_a_request_id_counts_as_acknowledged() {
        let acked = judge(200, br#"{"status":"SUCCESS","request_id":"req_1"}"#);
        assert_eq!(
            acked,
            Outcome::Acked {
                request_id: "req_1".to_owned()
            }
        );
        assert!(matches!(judge(200, b"{}"), Outcome::Unknown { .. }));
        assert!(matches!(judge(503, b""), Outcome::Unknown { .. }));
        assert!(matches!(judge(403, b""), Outcome::Refused { .. }));
    }
}
