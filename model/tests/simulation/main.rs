//! Whole clusters in one thread: replicas, leases, lanes, crashes, cuts and skewed clocks, all drawn from one seed.
//!
//! `SEEDS=20000 cargo test -p model --test simulation` runs more of them, `SEED=123 …` replays one.

mod invariants;
mod network;
mod node;
mod receiver;
mod reshaped;
mod world;

use world::{Coverage, Mistake, World};

const SEEDS: u64 = 1_500;
/// A planted mistake must be found within so many seeds.
const SEEDS_TO_FIND: u64 = 3000;

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

fn run(seed: u64) -> Coverage {
    match World::new(seed, Mistake::None).run() {
        Ok(coverage) => coverage,
        Err(broken) => panic!(
            "seed {seed}: {broken}\nreplay: SEED={seed} cargo test -p model --test simulation"
        ),
    }
}

#[test]
fn every_promise_holds_through_crashes_cuts_and_failovers() {
    if let Some(seed) = number("SEED") {
        println!("seed {seed}: {:?}", run(seed));
        return;
    }
    let mut total = Coverage::default();
    let seeds = number("SEEDS").unwrap_or(SEEDS);
    for seed in 0..seeds {
        let one = run(seed);
        total.crashes += one.crashes;
        total.cuts += one.cuts;
        total.elections += one.elections;
        total.unknown += one.unknown;
        total.delivered += one.delivered;
        total.failed += one.failed;
        total.cancelled += one.cancelled;
        total.extra_receipts += one.extra_receipts;
        total.stale_rows += one.stale_rows;
        total.duplicates += one.duplicates;
        total.in_order += one.in_order;
        total.ignored += one.ignored;
        total.revived += one.revived;
        total.pinned += one.pinned;
        total.held += one.held;
        total.released += one.released;
        total.walls_set += one.walls_set;
        total.off += one.off;
        total.stepped += one.stepped;
        total.came_back += one.came_back;
        total.untimely += one.untimely;
        total.not_made += one.not_made;
    }
    println!("{total:?}");
    // A fault that never fired has shown nothing.
    for (what, count) in [
        ("crashes", total.crashes),
        ("cuts", total.cuts),
        ("unknown outcomes", total.unknown),
        ("deliveries", total.delivered),
        ("failed events", total.failed),
        ("cancelled events", total.cancelled),
        ("extra receipts", total.extra_receipts),
        ("duplicates", total.duplicates),
        ("events in order", total.in_order),
        ("ignored events", total.ignored),
        ("events that live again", total.revived),
        ("retries with their version", total.pinned),
        ("held events", total.held),
        ("releases", total.released),
        ("set walls", total.walls_set),
        ("nodes that are off", total.off),
        ("nodes whose wall alone is off", total.stepped),
        ("nodes that come back", total.came_back),
        ("proposals that were not made", total.not_made),
    ] {
        assert!(count > 0, "no {what} in the whole run");
    }
    // Two groups elect their first leaders in every run.
    assert!(total.elections as u64 > 2 * seeds, "no leader ever fell");
}

#[test]
fn a_seed_replays_exactly() {
    let runs = [run(7), run(7)].map(|coverage| format!("{coverage:?}"));
    assert_eq!(runs[0], runs[1]);
}

/// The first promise that falls to a planted mistake.
fn broken_by(mistake: Mistake) -> String {
    (0..SEEDS_TO_FIND)
        .find_map(|seed| World::new(seed, mistake).run().err())
        .unwrap_or_else(|| panic!("{mistake:?} was not noticed in {SEEDS_TO_FIND} seeds"))
}

#[test]
fn an_answer_before_the_commit_is_noticed() {
    let broken = broken_by(Mistake::AcksBeforeCommit);
    assert!(broken.starts_with("I1"), "{broken}");
}

#[test]
fn a_lane_that_forgets_what_it_has_sent_is_noticed() {
    let broken = broken_by(Mistake::ForgetsReported);
    assert!(broken.starts_with("I5"), "{broken}");
}

#[test]
fn a_sender_that_ignores_its_lease_is_noticed() {
    let broken = broken_by(Mistake::IgnoresTheFence);
    assert!(
        broken.starts_with("I7") || broken.starts_with("I5"),
        "{broken}"
    );
}

#[test]
fn a_retry_under_a_new_id_is_noticed() {
    let broken = broken_by(Mistake::MintsAnew);
    assert!(broken.starts_with("I4"), "{broken}");
}

#[test]
fn a_machine_that_reads_its_clock_is_noticed() {
    let broken = broken_by(Mistake::ReadsTheClock);
    assert!(
        broken.starts_with("I9") || broken.starts_with("T1"),
        "{broken}"
    );
}

/// Seeds within which a mistake with clocks must be found.
const SEEDS_TO_FIND_A_CLOCK: u64 = 200;

fn broken_in_time_by(mistake: Mistake) -> String {
    (0..SEEDS_TO_FIND_A_CLOCK)
        .find_map(|seed| World::new(seed, mistake).run().err())
        .unwrap_or_else(|| panic!("{mistake:?} was not noticed in {SEEDS_TO_FIND_A_CLOCK} seeds"))
}

#[test]
fn a_cluster_that_takes_any_time_is_noticed() {
    let broken = broken_in_time_by(Mistake::TakesAnyTime);
    assert!(broken.starts_with('T'), "{broken}");
}

#[test]
fn a_time_that_jumps_with_the_wall_is_noticed() {
    let broken = broken_in_time_by(Mistake::JumpsWithTheWall);
    assert!(broken.starts_with('T'), "{broken}");
}

#[test]
fn a_home_that_gives_twice_is_noticed() {
    let broken = broken_by(Mistake::GivesTwice);
    assert!(broken.starts_with("I6"), "{broken}");
}

#[test]
fn a_reporter_that_forgets_is_noticed() {
    let broken = broken_by(Mistake::DropsReports);
    assert!(
        broken.starts_with("I12") || broken.starts_with("I5"),
        "{broken}"
    );
}

#[test]
fn a_door_that_looks_for_duplicates_before_it_proposes_is_noticed() {
    let broken = broken_by(Mistake::DedupsAtTheDoor);
    assert!(broken.starts_with("I4"), "{broken}");
}

#[test]
fn duplicates_in_two_partitions_are_noticed() {
    let broken = broken_by(Mistake::SpreadsKinds);
    assert!(broken.starts_with("I4"), "{broken}");
}

#[test]
fn an_order_that_is_forgotten_is_noticed() {
    let broken = broken_by(Mistake::ForgetsTheOrder);
    assert!(broken.starts_with("I10"), "{broken}");
}

#[test]
fn a_retry_with_the_version_of_the_day_is_noticed() {
    let broken = broken_by(Mistake::ForgetsTheVersion);
    assert!(broken.starts_with("I13"), "{broken}");
}
