//! Who listens to notifications: keeps each whole, checks its signature by the specification, and answers as it is told.

use crate::served::Served;
use actix_web::{HttpRequest, HttpResponse, web};
use base64::{Engine, prelude::BASE64_STANDARD};
use hmac::{Hmac, KeyInit, Mac};
use parking_lot::Mutex;
use serde_json::Value;
use sha2::Sha256;
use std::{
    net::IpAddr,
    sync::{
        Arc,
        atomic::{AtomicU16, Ordering},
    },
    time::{SystemTime, UNIX_EPOCH},
};

/// Seconds that a signature may be old.
const TOLERANCE_S: u64 = 300;

/// Seconds since the epoch by the wall clock, which is what is signed.
fn now_s() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| since.as_secs())
}

/// One notification as it arrived.
#[derive(Clone, Debug)]
pub struct Told {
    pub id: String,
    pub timestamp: String,
    pub signatures: String,
    pub body: Vec<u8>,
    pub answered: u16,
}

impl Told {
    /// Whether one of its signatures is that of Standard Webhooks under this secret, and fresh.
    #[must_use]
    pub fn is_signed_with(&self, secret: &str) -> bool {
        let Some(key) = secret.strip_prefix("whsec_") else {
            return false;
        };
        let Ok(key) = BASE64_STANDARD.decode(key) else {
            return false;
        };
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(&key) else {
            return false;
        };
        mac.update(format!("{}.{}.", self.id, self.timestamp).as_bytes());
        mac.update(&self.body);
        let expected = BASE64_STANDARD.encode(mac.finalize().into_bytes());
        let is_fresh = self
            .timestamp
            .parse()
            .is_ok_and(|at: u64| now_s().abs_diff(at) <= TOLERANCE_S);
        let mut signatures = self.signatures.split(' ');
        is_fresh && signatures.any(|one| one.strip_prefix("v1,") == Some(&expected))
    }

    /// Its body, or null when it is no JSON.
    #[must_use]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }
}

#[derive(Default)]
struct State {
    told: Mutex<Vec<Told>>,
    answer: AtomicU16,
}

/// A running listener; stops when it is dropped.
pub struct Hook {
    state: Arc<State>,
    served: Served,
}

async fn listen(request: HttpRequest, body: web::Bytes, state: web::Data<State>) -> HttpResponse {
    let header = |name: &str| {
        let value = request.headers().get(name);
        let value = value.and_then(|value| value.to_str().ok());
        value.unwrap_or_default().to_owned()
    };
    let answered = state.answer.load(Ordering::Relaxed);
    state.told.lock().push(Told {
        id: header("webhook-id"),
        timestamp: header("webhook-timestamp"),
        signatures: header("webhook-signature"),
        body: body.to_vec(),
        answered,
    });
    let status = actix_web::http::StatusCode::from_u16(answered);
    HttpResponse::build(status.unwrap_or_default()).finish()
}

impl Hook {
    /// Starts one on the loopback address that answers with this status.
    ///
    /// # Panics
    /// When there is no port for it.
    #[must_use]
    pub fn start(answer: u16) -> Self {
        let state = Arc::new(State::default());
        state.answer.store(answer, Ordering::Relaxed);
        let data = web::Data::from(state.clone());
        let served = Served::start(IpAddr::from([127, 0, 0, 1]), move |config| {
            let service = web::to(listen);
            config.app_data(data.clone()).default_service(service);
        });
        Self { state, served }
    }

    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}/", self.served.address)
    }

    /// From now on answers with this status.
    pub fn answer_with(&self, status: u16) {
        self.state.answer.store(status, Ordering::Relaxed);
    }

    #[must_use]
    pub fn told(&self) -> Vec<Told> {
        self.state.told.lock().clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_right_secret_and_a_fresh_time_will_do() {
        let told = |timestamp: u64, secret: &str| {
            let key = BASE64_STANDARD.decode(&secret[6..]).expect("base64");
            let mut mac = Hmac::<Sha256>::new_from_slice(&key).expect("any length");
            mac.update(format!("ntf_1.{timestamp}.{{}}").as_bytes());
            let signature = BASE64_STANDARD.encode(mac.finalize().into_bytes());
            Told {
                id: "ntf_1".into(),
                timestamp: timestamp.to_string(),
                signatures: format!("v1a,x v1,{signature}"),
                body: b"{}".to_vec(),
                answered: 200,
            }
        };
        let secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
        assert!(told(now_s(), secret).is_signed_with(secret));
        assert!(!told(now_s() - 2 * TOLERANCE_S, secret).is_signed_with(secret));
        let other = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";
        assert!(!told(now_s(), other).is_signed_with(secret));
        let changed = Told {
            body: b"{ }".to_vec(),
            ..told(now_s(), secret)
        };
        assert!(!changed.is_signed_with(secret));
    }
}
