//! The webhook receiver that the cluster delivers to: it records every delivery and answers as it is told.

use crate::{clock, served::Served};
use actix_web::{HttpRequest, HttpResponse, web};
use parking_lot::{Mutex, RwLock};
use serde::Serialize;
use sha2::{Digest, Sha256};
use std::{collections::HashSet, net::IpAddr, sync::Arc, time::Duration};

/// The largest delivery that the receiver reads.
const MAX_BODY_BYTES: usize = 32 << 20;

/// One delivery as it arrived.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Delivery {
    pub request_id: String,
    pub event_id: String,
    pub attempt_number: u64,
    pub trigger: String,
    pub idempotency_key: String,
    pub path: String,
    /// The sender's own name for what it sent, out of the body.
    pub key: String,
    pub body_hash: String,
    pub at: u64,
    /// The address of the node that delivered: tells nodes apart where each has its own.
    pub from: Option<IpAddr>,
    pub answered: u16,
}

/// What to answer, and after how long.
#[derive(Clone, Copy, Debug)]
pub struct Answer {
    pub status: u16,
    pub after: Duration,
}

impl Answer {
    pub const OK: Self = Self {
        status: 200,
        after: Duration::ZERO,
    };
}

type Policy = Arc<dyn Fn(&Delivery) -> Answer + Send + Sync>;

struct State {
    deliveries: Mutex<Vec<Delivery>>,
    policy: RwLock<Policy>,
}

/// A running receiver; stops when it is dropped.
pub struct Receiver {
    state: Arc<State>,
    served: Served,
}

/// The hash by which a body is compared with what was sent.
#[must_use]
pub fn hash(body: &[u8]) -> String {
    hex::encode(&Sha256::digest(body)[..16])
}

/// The partition that an event's id names: its bits 64 to 79, written in base 32.
#[must_use]
pub fn partition_of(event_id: &str) -> Option<u16> {
    const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
    let digits = event_id.strip_prefix("evt_")?;
    let mut value: u128 = 0;
    for byte in digits.bytes() {
        let digit = ALPHABET.iter().position(|&known| known == byte)?;
        value = (value << 5) | digit as u128;
    }
    Some((value >> 64) as u16)
}

async fn receive(request: HttpRequest, body: web::Bytes, state: web::Data<State>) -> HttpResponse {
    let header = |name: &str| {
        let value = request
            .headers()
            .get(name)
            .and_then(|value| value.to_str().ok());
        value.unwrap_or_default().to_owned()
    };
    let mut delivery = Delivery {
        request_id: header("x-tidegate-request-id"),
        event_id: header("x-tidegate-event-id"),
        attempt_number: header("x-tidegate-attempt-number").parse().unwrap_or(0),
        trigger: header("x-tidegate-attempt-trigger"),
        idempotency_key: header("idempotency-key"),
        path: request.path().to_owned(),
        key: key_of(&body),
        body_hash: hash(&body),
        at: clock::micros(),
        from: request.peer_addr().map(|address| address.ip()),
        answered: 0,
    };
    let policy = state.policy.read().clone();
    let answer = policy(&delivery);
    delivery.answered = answer.status;
    state.deliveries.lock().push(delivery);
    if !answer.after.is_zero() {
        actix_rt::time::sleep(answer.after).await;
    }
    let status = actix_web::http::StatusCode::from_u16(answer.status);
    HttpResponse::build(status.unwrap_or_default()).finish()
}

/// The sender puts its key first: `{"key":"…"`.
fn key_of(body: &[u8]) -> String {
    let rest = body.strip_prefix(br#"{"key":""#).unwrap_or_default();
    let end = rest.iter().position(|&byte| byte == b'"').unwrap_or(0);
    String::from_utf8_lossy(&rest[..end]).into_owned()
}

impl Receiver {
    /// Starts one on the loopback address.
    #[must_use]
    pub fn start() -> Self {
        Self::start_at(IpAddr::from([127, 0, 0, 1]))
    }

    /// Starts one at this address, on any free port, on a thread of its own.
    ///
    /// # Panics
    /// When the address cannot be listened on.
    #[must_use]
    pub fn start_at(address: IpAddr) -> Self {
        let policy: Policy = Arc::new(|_| Answer::OK);
        let state = Arc::new(State {
            deliveries: Mutex::default(),
            policy: RwLock::new(policy),
        });
        let data = web::Data::from(state.clone());
        let served = Served::start(address, move |config| {
            config
                .app_data(data.clone())
                .app_data(web::PayloadConfig::new(MAX_BODY_BYTES))
                .default_service(web::to(receive));
        });
        Self { state, served }
    }

    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}/", self.served.address)
    }

    /// From now on answers what `policy` says.
    pub fn answer_with(&self, policy: impl Fn(&Delivery) -> Answer + Send + Sync + 'static) {
        *self.state.policy.write() = Arc::new(policy);
    }

    #[must_use]
    pub fn deliveries(&self) -> Vec<Delivery> {
        self.state.deliveries.lock().clone()
    }

    #[must_use]
    pub fn count(&self) -> usize {
        self.state.deliveries.lock().len()
    }

    /// The requests that were delivered at least once with a 2xx for an answer.
    #[must_use]
    pub fn delivered_requests(&self) -> HashSet<String> {
        let deliveries = self.state.deliveries.lock();
        let taken = deliveries
            .iter()
            .filter(|d| (200..300).contains(&d.answered));
        taken.map(|delivery| delivery.request_id.clone()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_is_read_from_the_front_of_the_body() {
        assert_eq!(key_of(br#"{"key":"a-7","pad":"x"}"#), "a-7");
        assert_eq!(key_of(b"Hello, World!"), "");
    }

    #[test]
    fn the_partition_is_read_from_the_id() {
        // The digit with 12 behind it holds bits 60 to 64, the one before it 65 to 69.
        let id =
            |digit: &str, behind: usize| format!("evt_{digit:0>0$}{1:0>behind$}", 26 - behind, "");
        assert_eq!(partition_of(&id("g", 12)), Some(1));
        assert_eq!(partition_of(&id("1", 13)), Some(2));
        assert_eq!(partition_of("req_00000000000000000000000000"), None);
    }

    #[test]
    fn what_a_sender_posts_is_what_a_receiver_records() {
        use crate::sender::{Plan, Sender};
        let receiver = Receiver::start();
        let sender = Sender::start(Plan {
            targets: vec![receiver.served.address],
            path: "/".to_owned(),
            secret: "secret".to_owned(),
            per_second: 200,
            connections: 4,
            body_bytes: 300,
            history: None,
        });
        let posts = sender.finish_after(Duration::from_millis(300));
        let mut posted: Vec<_> = posts
            .iter()
            .map(|p| (p.key.clone(), p.body_hash.clone()))
            .collect();
        let mut arrived: Vec<_> = receiver
            .deliveries()
            .into_iter()
            .map(|d| (d.key, d.body_hash))
            .collect();
        posted.sort_unstable();
        arrived.sort_unstable();
        assert!(posted.len() > 10, "{posted:?}");
        assert_eq!(posted, arrived);
    }
}
