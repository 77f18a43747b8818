//! Holds every answer of the admin side against the document that it serves: no story can be told with an answer that the
//! document does not know.

use actix_web::{
    Error,
    body::{BoxBody, MessageBody, to_bytes},
    dev::{ServiceRequest, ServiceResponse},
    http::StatusCode,
    middleware::Next,
};
use api::openapi;
use jsonschema::Validator;
use serde_json::Value;
use std::{
    collections::HashMap,
    sync::{Arc, LazyLock, Mutex},
};

/// What is served that is no JSON: what programs scrape, and sockets.
const BESIDE: [&str; 3] = ["/metrics", "/", "/2025-07-01/cli-sessions/connect"];

/// Lets an answer through that the document knows.
///
/// # Panics
/// At any other one, with what differs.
pub(crate) async fn held<B: MessageBody + 'static>(
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let method = request.method().to_string();
    let answered = next.call(request).await?;
    let pattern = answered.request().match_pattern();
    let status = answered.status();
    let is_beside = pattern
        .as_deref()
        .is_some_and(|pattern| BESIDE.contains(&pattern));
    if status == StatusCode::SWITCHING_PROTOCOLS || is_beside && status == StatusCode::OK {
        return Ok(answered.map_into_boxed_body());
    }
    let (request, response) = answered.into_parts();
    let (head, body) = response.into_parts();
    let body = to_bytes(body).await.map_err(|_| ()).expect("a whole body");
    check(&method, pattern.as_deref(), status.as_u16(), &body);
    let response = head.set_body(body).map_into_boxed_body();
    Ok(ServiceResponse::new(request, response))
}

fn check(method: &str, pattern: Option<&str>, status: u16, body: &[u8]) {
    let told = format!("{method} {} {status}", pattern.unwrap_or("of no path"));
    let answer: Value = serde_json::from_slice(body)
        .unwrap_or_else(|error| panic!("{told}: {error}: {}", String::from_utf8_lossy(body)));
    let validator = validator(method, pattern, status)
        .unwrap_or_else(|| panic!("{told}: the document knows no such answer: {answer}"));
    let faults: Vec<String> = validator
        .iter_errors(&answer)
        .map(|fault| format!("at {:?}: {fault}", fault.instance_path().as_str()))
        .collect();
    assert!(
        faults.is_empty(),
        "{told}: not as the document says:\n{}\n{answer:#}",
        faults.join("\n")
    );
}

/// What an answer must fit. What no operation stands behind is a problem in any case.
fn validator(method: &str, pattern: Option<&str>, status: u16) -> Option<Arc<Validator>> {
    static KNOWN: LazyLock<Mutex<HashMap<String, Option<Arc<Validator>>>>> =
        LazyLock::new(Mutex::default);
    let mut known = KNOWN.lock().expect("nobody panics with it");
    let key = format!("{method} {pattern:?} {status}");
    let made = known.entry(key).or_insert_with(|| {
        let is_served = pattern.is_some_and(|pattern| openapi::serves(method, pattern));
        let schema = match (is_served, status) {
            (true, status) => openapi::answer_schema(method, pattern?, status),
            (false, 400..) => Some(openapi::problem_schema()),
            (false, _) => None,
        };
        let validator = jsonschema::validator_for(&schema?).expect("a schema");
        Some(Arc::new(validator))
    });
    made.clone()
}
