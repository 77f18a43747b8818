//! The verification of senders, by vectors.

mod corpus;
mod generic;
mod table;
mod tampered;
mod vector;

use model::{
    policy::signature::{Finding, examine},
    traffic::{Origin, Request},
};
use vector::{Expect, Vector};

/// What is wrong with the outcome of a vector.
fn wrong(vector: &Vector) -> Option<String> {
    let source = vector.source();
    let request = Request::received(vector.record(), vector.body());
    let finding = examine(&source, request, &vector.url, vector.now(), &vector.keys());
    match (&vector.expect, finding) {
        (Expect::Word(word), Finding::Verified(request)) if word == "accept" => {
            let proven = matches!(request.record.origin, Origin::Proven { .. });
            (!proven).then(|| "nothing was proven".into())
        }
        (Expect::Word(word), Finding::Rejected(_)) if word == "reject" => None,
        (Expect::Answer { respond }, Finding::Answered(answer)) => respond.differs_from(&answer),
        (expected, Finding::Rejected(rejected)) => Some(format!(
            "expected {expected:?}: {:?}",
            rejected.record.origin
        )),
        (expected, other) => Some(format!("expected {expected:?}: {other:?}")),
    }
}

fn check(vectors: &[Vector]) {
    let failures: Vec<String> = vectors
        .iter()
        .filter_map(|vector| Some(format!("{}: {}", vector.title(), wrong(vector)?)))
        .collect();
    let shown = failures.join("\n");
    assert!(
        failures.is_empty(),
        "{} of {}:\n{shown}",
        failures.len(),
        vectors.len()
    );
}

#[test]
fn the_project_s_own_vectors_hold() {
    let vectors = vector::read(&vector::own_folder());
    assert!(vectors.len() > 700, "{} vectors", vectors.len());
    check(&vectors);
}

#[test]
fn the_shared_vectors_hold() {
    let Some(folder) = vector::shared_folder() else {
        return;
    };
    let vectors = vector::read(&folder);
    assert!(vectors.len() > 900, "{} vectors", vectors.len());
    check(&vectors);
}
