//! Holds answers of the admin side against the document that it serves: no test can go on with one that the document does
//! not know.

use crate::settings::BINARY;
use api::openapi;
use jsonschema::Validator;
use serde_json::Value;
use std::{
    collections::HashMap,
    sync::{Arc, LazyLock, Mutex},
};

/// Checks an answer at a path.
///
/// # Panics
/// At an answer that the document does not know, with what differs.
pub fn check(method: &str, path: &str, status: u16, body: &[u8]) {
    // Another version has another contract.
    if std::env::var_os(BINARY).is_some() {
        return;
    }
    let pattern = openapi::pattern_of(path);
    let told = format!("{method} {path} {status}");
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
