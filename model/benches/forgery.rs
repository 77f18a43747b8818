//! What a forgery costs: for each type of source, the largest body that a stranger may send, with all the rest as in a
//! request that proves itself, beside a wrong HMAC over the same bytes in turns. See docs/benchmarks.md for the command.

#![allow(clippy::disallowed_methods, reason = "a benchmark reads a clock")]

#[path = "../tests/signature/vector.rs"]
mod vector;

use bytes::Bytes;
use model::{
    catalog::{LiveSecret, Secret, Source, Verification},
    kit,
    policy::signature::{NoKeys, examine},
    time::Timestamp,
    traffic::{Request, RequestRecord},
};
use std::{
    collections::BTreeMap,
    hint::black_box,
    time::{Duration, Instant},
};
use vector::{Expect, Vector};

/// As `ingest.max_body_bytes` may be set where large events are expected.
const BODY_BYTES: usize = 5 * 1024 * 1024;
/// The fastest turn counts: whatever else runs on the machine only adds.
const TURNS: usize = 5;

/// What a forger may fill a body with.
const FILLINGS: [&str; 3] = ["one long value", "many small values", "deep values"];

fn main() {
    let mut vectors = vector::read(&vector::own_folder());
    vectors.extend(
        vector::shared_folder()
            .map(|folder| vector::read(&folder))
            .unwrap_or_default(),
    );
    let mut worst: BTreeMap<String, (f64, String)> = BTreeMap::new();
    let mut tried = 0;
    for vector in vectors.iter().filter(|vector| is_proof(vector)) {
        for filling in FILLINGS {
            let Some(body) = forged(vector, filling) else {
                continue;
            };
            tried += 1;
            let ratio = ratio(vector, &body);
            let what = format!("{}, {filling}", vector.name);
            let known = worst.entry(vector.source_type()).or_default();
            if ratio > known.0 {
                *known = (ratio, what);
            }
        }
    }
    assert!(tried > 0, "no vector is a proof");
    let mut rows: Vec<_> = worst.into_iter().collect();
    rows.sort_by(|(_, a), (_, b)| b.0.total_cmp(&a.0));
    println!(
        "{tried} forgeries of {} types, times a wrong HMAC of that size",
        rows.len()
    );
    for (name, (ratio, what)) in rows.iter().take(20) {
        println!("{ratio:6.1}  {name}: {what}");
    }
}

fn is_proof(vector: &Vector) -> bool {
    matches!(&vector.expect, Expect::Word(word) if word == "accept")
}

/// The body of a proof, filled up; none where it is neither JSON nor a form.
fn forged(vector: &Vector, filling: &str) -> Option<Bytes> {
    let body = vector.body();
    let text = std::str::from_utf8(&body).ok()?;
    let room = BODY_BYTES.checked_sub(text.len() + 64)?;
    if let Some(rest) = text.trim_start().strip_prefix('{') {
        let filler = match filling {
            "one long value" => format!("\"{}\"", "a".repeat(room)),
            "many small values" => format!("[{}0]", "0,".repeat(room / 2)),
            _ => {
                let one = format!("{}{},", "[".repeat(30), "]".repeat(30));
                format!("[{}0]", one.repeat(room / one.len()))
            }
        };
        // In front, so that what is looked for stands behind it.
        return Some(format!("{{\"filler\":{filler},{rest}").into());
    }
    if text.contains('=') && !text.contains(['<', '\n']) {
        let filler = match filling {
            "one long value" => format!("filler={}", "a".repeat(room)),
            "many small values" => "a=b&".repeat(room / 4),
            _ => "%5B%5D=%41&".repeat(room / 11),
        };
        return Some(format!("{}&{text}", filler.trim_end_matches('&')).into());
    }
    None
}

fn ratio(vector: &Vector, body: &Bytes) -> f64 {
    let keys = vector.keys();
    let forgery = |source: &Source| {
        let request = Request::received(vector.record(), body.clone());
        let found = examine(source, request, &vector.url, vector.now(), &keys);
        drop(black_box(found));
    };
    let source = vector.source();
    let plain = wrong_hmac();
    let record = RequestRecord {
        headers: vec![("x-signature".into(), Bytes::from("00".repeat(32)))],
        ..kit::record()
    };
    let hmac = || {
        let request = Request::received(record.clone(), body.clone());
        drop(black_box(examine(
            &plain,
            request,
            "",
            Timestamp(0),
            &NoKeys,
        )));
    };
    let (mut ours, mut theirs) = (Duration::MAX, Duration::MAX);
    for _ in 0..TURNS {
        ours = ours.min(timed(|| forgery(&source)));
        theirs = theirs.min(timed(hmac));
    }
    ours.as_secs_f64() / theirs.as_secs_f64()
}

fn wrong_hmac() -> Source {
    let mut verification = Verification::of("HMAC");
    let header = Secret::new("x-signature".to_owned());
    verification.fields.insert("header_key".to_owned(), header);
    let secret = Secret::new("a secret of thirty-two characters".to_owned());
    verification.secrets = vec![LiveSecret::new(secret)];
    Source {
        verification,
        ..kit::source()
    }
}

fn timed(run: impl FnOnce()) -> Duration {
    let began = Instant::now();
    run();
    began.elapsed()
}
