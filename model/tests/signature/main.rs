//! The verification of senders, by vectors.

mod corpus;
mod generic;
mod multipart;
mod probes;
mod replays;
mod table;
mod tampered;
mod vector;

use model::{
    policy::signature::{Document, Finding, KeyRequest, Keys, examine},
    traffic::{Origin, Request},
};
use std::collections::HashMap;
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

/// Key sets as they were before the sender's newest key.
struct Outdated {
    known: vector::Published,
    may_be_outdated: bool,
}

impl Keys for Outdated {
    fn document(&self, request: &KeyRequest) -> Document {
        self.known.document(request)
    }

    fn may_be_outdated(&self, _: &KeyRequest) -> bool {
        self.may_be_outdated
    }
}

#[test]
fn a_key_that_a_known_set_lacks_is_asked_for_before_it_is_refused() {
    let vectors = vector::read(&vector::own_folder());
    let fetched = |vector: &&Vector| {
        let set = |document: &bytes::Bytes| document.starts_with(br#"{"keys""#);
        let request = Request::received(vector.record(), vector.body());
        let nothing = vector::Published(HashMap::new());
        let finding = examine(
            &vector.source(),
            request,
            &vector.url,
            vector.now(),
            &nothing,
        );
        matches!(&vector.expect, Expect::Word(word) if word == "accept")
            && matches!(finding, Finding::NeedsKey(..))
            && vector.keys().0.values().any(set)
    };
    let vectors: Vec<&Vector> = vectors.iter().filter(fetched).collect();
    assert!(vectors.len() >= 3, "{} vectors", vectors.len());
    for vector in vectors {
        let finding = |may_be_outdated| {
            let mut known = vector.keys();
            for document in known.0.values_mut() {
                *document = bytes::Bytes::from_static(br#"{"keys":[]}"#);
            }
            let keys = Outdated {
                known,
                may_be_outdated,
            };
            let request = Request::received(vector.record(), vector.body());
            examine(&vector.source(), request, &vector.url, vector.now(), &keys)
        };
        let title = vector.title();
        assert!(matches!(finding(true), Finding::NeedsKey(..)), "{title}");
        assert!(matches!(finding(false), Finding::Rejected(_)), "{title}");
    }
}
