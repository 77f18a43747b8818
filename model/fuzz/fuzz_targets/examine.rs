//! Any request to any type of source is decided: no panic, and no way from "nothing is checked" to "proven".

#![no_main]

#[path = "../seed.rs"]
mod seed;

use libfuzzer_sys::fuzz_target;
use model::{
    policy::signature::{
        Diagnosis, Document, Finding, KeyRequest, Keys, check_options, examine, is_handshake,
        lacks, proves_origin,
    },
    time::Timestamp,
    traffic::{Origin, Request},
};
use seed::Seed;

/// The time of the project's own vectors.
const NOW: Timestamp = Timestamp(1_700_000_000_000);

/// The same document at every URL.
struct Everywhere<'a>(&'a Seed);

impl Keys for Everywhere<'_> {
    fn document(&self, _: &KeyRequest) -> Document {
        if self.0.document.is_empty() {
            Document::Failed
        } else {
            Document::Known(self.0.document.clone())
        }
    }
}

fuzz_target!(|input: &[u8]| {
    let Some(seed) = Seed::read(input) else {
        return;
    };
    let source = seed.source();
    let request = || Request::received(seed.record.clone(), seed.body.clone());
    let handshake = is_handshake(&source, &request(), &seed.url, NOW);
    let finding = examine(&source, request(), &seed.url, NOW, &Everywhere(&seed));
    let auth = &source.verification;
    match finding {
        Finding::Verified(request) => {
            assert_eq!(request.body, seed.body, "the body stays as received");
            let proven = matches!(request.record.origin, Origin::Proven { .. });
            assert_eq!(proven, proves_origin(auth), "{}", auth.scheme);
        }
        Finding::Rejected(rejected) => {
            let Origin::Refused(diagnosis) = &rejected.record.origin else {
                panic!("rejected without a diagnosis");
            };
            let unfinished = matches!(diagnosis, Diagnosis::Unfinished(_));
            let unfinished = unfinished && lacks(auth, NOW).is_none();
            assert!(
                !(unfinished && auth.scheme == "HMAC" && check_options(auth).is_ok()),
                "options that the admin API takes must do: {diagnosis:?}"
            );
        }
        Finding::Answered(_) => assert!(handshake, "only a handshake is answered"),
        Finding::NeedsKey(..) => panic!("every key is there"),
    }
});
