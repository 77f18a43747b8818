//! The vectors as seeds for the fuzzer: scripts/fuzz.sh names a folder in `WRITE_CORPUS`.

#![allow(
    clippy::disallowed_methods,
    reason = "seeds are files for another program"
)]

#[path = "../../fuzz/seed.rs"]
#[allow(unreachable_pub, reason = "the fuzzer's programs share this file")]
mod seed;

use crate::vector::{self, Vector};
use model::policy::signature::{Finding, examine};
use seed::Seed;
use std::{fs, path::Path};

fn seed(vector: &Vector) -> Seed {
    let published = vector.keys().0.into_values().next();
    Seed {
        verification: vector.source().verification,
        record: vector.record(),
        url: vector.url.clone(),
        body: vector.body(),
        document: published.unwrap_or_default(),
    }
}

/// How it ends, in a word.
fn ends(finding: &Finding) -> &'static str {
    match finding {
        Finding::Verified(_) => "verified",
        Finding::Rejected(_) => "rejected",
        Finding::Answered(_) => "answered",
        Finding::NeedsKey(..) => "needs a key",
    }
}

#[test]
fn a_seed_is_decided_as_its_vector_is() {
    let folder = std::env::var_os("WRITE_CORPUS");
    let vectors = vector::read(&vector::own_folder());
    for (number, vector) in vectors.iter().enumerate() {
        let text = seed(vector).write();
        let seed =
            Seed::read(&text).unwrap_or_else(|| panic!("{}", String::from_utf8_lossy(&text)));
        let ends_as = |seed: &Seed| {
            let request = model::traffic::Request::received(seed.record.clone(), seed.body.clone());
            ends(&examine(
                &seed.source(),
                request,
                &seed.url,
                vector.now(),
                &vector.keys(),
            ))
        };
        assert_eq!(
            ends_as(&seed),
            ends_as(&self::seed(vector)),
            "{}",
            vector.title()
        );
        if let Some(folder) = &folder {
            fs::write(Path::new(folder).join(format!("vector-{number:04}")), text)
                .expect("a folder");
        }
    }
}
