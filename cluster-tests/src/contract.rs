//! Holds the calls of the admin side against the document that it serves: no test can go on with an answer that the
//! document does not know, nor with one to a body that the document refuses.

use crate::settings::BINARY;
use api::openapi;
use jsonschema::Validator;
use serde_json::Value;
use std::{
    collections::HashMap,
    sync::{Arc, LazyLock, Mutex},
};

/// Checks an answer at a path, and the body that it answers.
///
/// # Panics
/// At an answer that the document does not know, and where a body was taken that it refuses, with what differs.
pub fn check(method: &str, path: &str, body: &[u8], status: u16, answer: &[u8]) {
    // Another version has another contract.
    if std::env::var_os(BINARY).is_some() {
        return;
    }
    let pattern = openapi::pattern_of(path);
    let told = format!("{method} {path} {status}");
    let validator = validator(method, pattern, Part::Answer(status)).unwrap_or_else(|| {
        panic!(
            "{told}: the document knows no such answer: {}",
            String::from_utf8_lossy(answer)
        )
    });
    hold(&told, answer, &validator);
    if status == 200
        && !body.is_empty()
        && let Some(validator) = validator_of_body(method, pattern)
    {
        hold(&format!("the body of {told}"), body, &validator);
    }
}

/// What the document says that the body of a call must fit; none of a call that takes no body.
pub fn validator_of_body(method: &str, pattern: Option<&str>) -> Option<Arc<Validator>> {
    validator(method, pattern, Part::Body)
}

fn hold(told: &str, text: &[u8], validator: &Validator) {
    let value: Value = serde_json::from_slice(text)
        .unwrap_or_else(|error| panic!("{told}: {error}: {}", String::from_utf8_lossy(text)));
    let faults: Vec<String> = validator
        .iter_errors(&value)
        .map(|fault| format!("at {:?}: {fault}", fault.instance_path().as_str()))
        .collect();
    assert!(
        faults.is_empty(),
        "{told}: not as the document says:\n{}\n{value:#}",
        faults.join("\n")
    );
}

/// The part of a call that has a schema.
#[derive(Clone, Copy, Debug)]
enum Part {
    Body,
    Answer(u16),
}

/// The schema of a part of a call. What no operation stands behind is answered by a problem in any case.
fn validator(method: &str, pattern: Option<&str>, part: Part) -> Option<Arc<Validator>> {
    static KNOWN: LazyLock<Mutex<HashMap<String, Option<Arc<Validator>>>>> =
        LazyLock::new(Mutex::default);
    let mut known = KNOWN.lock().expect("nobody panics with it");
    let key = format!("{method} {pattern:?} {part:?}");
    let made = known.entry(key).or_insert_with(|| {
        let is_served = pattern.is_some_and(|pattern| openapi::serves(method, pattern));
        let schema = match (is_served, part) {
            (true, Part::Answer(status)) => openapi::answer_schema(method, pattern?, status),
            (true, Part::Body) => openapi::body_schema(method, pattern?),
            (false, Part::Answer(400..)) => Some(openapi::problem_schema()),
            (false, _) => None,
        };
        let validator = jsonschema::validator_for(&schema?).expect("a schema");
        Some(Arc::new(validator))
    });
    made.clone()
}
