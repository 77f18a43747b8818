//! A replay after an outage, with a clock that runs as fast as the machine: a destination is down for an hour, and 20
//! minutes of what it missed are sent once more while new events keep coming and leaders fall.
//!
//! `SEED=123 cargo test -p model --test replay` runs one run of it.

mod world;

use model::traffic::{EventStatus, Trigger};
use std::collections::BTreeMap;
use world::{Ending, Fault, PER_SECOND, World};

const SEEDS: u64 = 25;
/// A fresh event may wait for so long while the replay goes on: what a lane has fetched of the backlog goes first, twice
/// its window of each partition.
const PATIENCE_MS: u64 = 12_000;

fn seeds() -> Vec<u64> {
    let one = std::env::var("SEED")
        .ok()
        .and_then(|seed| seed.parse().ok());
    one.map_or_else(|| (0..SEEDS).collect(), |seed| vec![seed])
}

/// Everything that the replay promises of one run.
fn must_hold(seed: u64, fault: Fault) -> Ending {
    let ending = World::new(seed, fault).run();
    let Ending {
        wanted,
        before,
        after,
        received,
        ..
    } = &ending;
    assert!(
        wanted.len() > 400,
        "seed {seed}: {} events in the window",
        wanted.len()
    );
    let mut sent: BTreeMap<_, usize> = BTreeMap::new();
    for receipt in received
        .iter()
        .filter(|receipt| receipt.at >= ending.asked_at)
    {
        if receipt.trigger == Trigger::BulkRetry {
            *sent.entry(receipt.event).or_default() += 1;
        }
    }
    // The exact set, each once more, and nothing else. A leader that falls may have sent what it could not record.
    let exactly: Vec<_> = sent.keys().copied().collect();
    assert_eq!(&exactly, wanted, "seed {seed}");
    let twice = sent.values().filter(|times| **times > 1).count();
    assert!(
        twice <= ending.lost_outcomes,
        "seed {seed}: {twice} came twice"
    );
    for (id, was) in before {
        let is = &after[id];
        match (wanted.contains(id), was.status.is_ended()) {
            (true, _) => {
                assert_eq!(is.status, EventStatus::Successful, "seed {seed}: {id}");
                assert_eq!(is.attempts, was.attempts + 1, "seed {seed}: {id}");
            }
            (false, true) => assert_eq!(is, was, "seed {seed}: {id} was none of its business"),
            (false, false) => assert!(is.status.is_ended(), "seed {seed}: {id} is left"),
        }
    }
    assert_eq!(ending.operation.estimated_count, Some(wanted.len() as u64));
    let report = ending.operation.report();
    assert!(
        ending.operation.completed_at.is_some(),
        "seed {seed}: not over"
    );
    assert_eq!((report.completed, report.failed), (wanted.len() as u64, 0));
    paced(seed, &ending);
    ending
}

/// No window holds more than the destination's pace allows.
fn paced(seed: u64, ending: &Ending) {
    let per_second = u64::from(PER_SECOND);
    let times: Vec<u64> = ending.received.iter().map(|receipt| receipt.at.0).collect();
    for (place, from) in times.iter().enumerate() {
        for (more, to) in times.iter().enumerate().skip(place).take(200) {
            let allowed = (to - from) * per_second / 1000 + 2;
            let count = (more - place + 1) as u64;
            assert!(
                count <= allowed,
                "seed {seed}: {count} between {from} and {to}"
            );
        }
    }
}

#[test]
fn twenty_minutes_of_an_hour_are_sent_once_more_at_the_destinations_pace() {
    for seed in seeds() {
        let ending = must_hold(seed, Fault::None);
        assert_eq!(ending.lost_outcomes, 0);
        // The replay has its share and the fresh events theirs.
        let slowest = ending.slowest_fresh_ms;
        assert!(
            slowest < PATIENCE_MS,
            "seed {seed}: a fresh event waited {slowest} ms"
        );
        let took = ending.took_ms;
        let at_pace = ending.wanted.len() as u64 * 1000 / u64::from(PER_SECOND);
        assert!(
            took > at_pace,
            "seed {seed}: {took} ms are too fast for its pace"
        );
    }
}

#[test]
fn it_goes_on_where_it_was_when_leaders_fall_in_the_middle() {
    let mut pages_lost = 0;
    let mut outcomes_lost = 0;
    for seed in seeds() {
        let ending = must_hold(seed, Fault::Falls);
        assert!(ending.falls > 2, "seed {seed}: nobody fell");
        pages_lost += ending.late_pages;
        outcomes_lost += ending.lost_outcomes;
    }
    // A fault that never fired has shown nothing.
    if seeds().len() > 1 {
        assert!(pages_lost > 0, "no page ever came late");
        assert!(outcomes_lost > 0, "no outcome was ever lost");
    }
}

#[test]
#[should_panic(expected = "came twice")]
fn a_leader_that_starts_from_the_front_would_be_noticed() {
    for seed in seeds() {
        must_hold(seed, Fault::ForgetsWhereItWas);
    }
}
