//! What a destination bears holds for the whole cluster, at the receiver, over real sockets: with a backlog on every
//! node, while nodes are killed and added and clocks are set.
//!
//! `TIDEGATE_PACING_SECONDS=60` is the full run; without it the calm stretches are shorter.

use cluster_tests::{
    clock,
    faults::Fault,
    pace::{self, Promise},
    receiver::Answer,
    scene::Scene,
    sender::Outcome,
    settings,
};
use std::{
    collections::HashMap,
    thread,
    time::{Duration, Instant},
};

const DEFAULT_SECONDS: u64 = 24;
const FIFTY: Promise = Promise {
    limit: 50,
    period_us: 1_000_000,
};
const HOUR_MS: i64 = 3_600_000;
/// A node that is ready again does not have its partitions back yet.
const SETTLES: Duration = Duration::from_secs(4);

fn seconds() -> u64 {
    settings::read("TIDEGATE_PACING_SECONDS", DEFAULT_SECONDS)
}

/// Fills the cluster with work for so long, spread over all nodes, and lets nothing go meanwhile.
fn fill(scene: &Scene, events: u64) {
    let per_second = 400;
    let time = Duration::from_millis(events * 1000 / per_second);
    let posts = scene.send(per_second, 24).finish_after(time);
    let acked = posts.iter().filter(|post| matches!(post.outcome, Outcome::Acked { .. }));
    println!("{} events wait", acked.count());
}

/// Kills the node that leads most and brings it back; the span in which it was gone.
fn kill_a_leader(scene: &mut Scene) -> (u64, u64) {
    let victim = clock::eventually(Duration::from_secs(10), || scene.cluster.leader_of_most());
    let victim = victim.expect("somebody leads");
    let from = clock::micros();
    scene.faults.fire(Fault::LeaderKilled);
    scene.cluster.nodes[victim].kill();
    thread::sleep(Duration::from_secs(2));
    scene.start(victim);
    thread::sleep(SETTLES);
    scene.faults.healed();
    (from, clock::micros())
}

fn arrivals(scene: &Scene) -> Vec<u64> {
    let deliveries = scene.receiver.deliveries();
    deliveries.iter().map(|delivery| delivery.at).collect()
}

/// Waits through a calm stretch; its span.
fn calm(length: Duration) -> (u64, u64) {
    let from = clock::micros();
    thread::sleep(length);
    (from, clock::micros())
}

#[test]
fn fifty_a_second_hold_through_kills_a_new_node_and_moved_clocks() {
    let stretch = Duration::from_millis(seconds() * 1000 / 4);
    let mut scene = Scene::set(3, &[]);
    // A pace so slow that next to nothing goes while the work comes in.
    scene.pace_per(Some(60), "hour");
    fill(&scene, 50 * (seconds() + 60));
    let began = clock::micros();
    scene.pace(Some(50));
    thread::sleep(Duration::from_secs(1));

    let mut calms = vec![calm(stretch)];
    kill_a_leader(&mut scene);
    calms.push(calm(stretch));
    kill_a_leader(&mut scene);
    scene.faults.fire(Fault::NodeAdded);
    scene.add_node();
    thread::sleep(SETTLES);
    scene.faults.healed();
    calms.push(calm(stretch));
    scene.faults.fire(Fault::ClockMoved);
    let moved = clock::micros();
    scene.cluster.nodes[0].move_wall_clock(HOUR_MS);
    scene.cluster.nodes[1].move_wall_clock(-HOUR_MS);
    thread::sleep(stretch);
    scene.cluster.nodes[0].move_wall_clock(0);
    scene.cluster.nodes[1].move_wall_clock(0);
    scene.faults.healed();
    calms.push((moved, clock::micros()));

    let arrivals: Vec<u64> = arrivals(&scene).into_iter().filter(|at| *at >= began).collect();
    let left = scene.cluster.nodes[0].admin().get("/metrics/queue-depth");
    let left = left.expect("the depth of the queue")["data"][0]["metrics"]["max_depth"]
        .as_u64()
        .unwrap_or(0);
    scene
        .faults
        .report(&[Fault::LeaderKilled, Fault::NodeAdded, Fault::ClockMoved]);
    let worst = FIFTY.worst(&arrivals).expect("something arrived");
    println!("{} arrived, {left} wait; the fullest window: {worst:?}", arrivals.len());
    let achieved: Vec<f64> = calms
        .iter()
        .map(|(from, to)| FIFTY.achieved(&arrivals, *from, *to))
        .collect();
    println!("achieved while all were up: {achieved:.3?}");
    assert!(left > 0, "without a backlog to the end the rate says nothing");
    assert!(worst.over_thousandths <= 0, "{worst:?}");
    assert!(achieved.iter().all(|part| *part >= 0.9), "{achieved:?}");
}

#[test]
fn five_at_once_are_never_six_and_nearly_always_five() {
    const SLOTS: usize = 5;
    const TAKES: Duration = Duration::from_millis(200);
    let stretch = Duration::from_millis(seconds() * 1000 / 4);
    let mut scene = Scene::set(3, &[]);
    scene.receiver.answer_with(|_| Answer {
        status: 200,
        after: TAKES,
    });
    scene.pace_per(Some(60), "hour");
    fill(&scene, 25 * (seconds() + 30));
    scene.pace_per(Some(SLOTS as u32), "concurrent");
    thread::sleep(Duration::from_secs(2));
    let began = clock::micros();
    let mut calms = vec![calm(stretch)];
    kill_a_leader(&mut scene);
    calms.push(calm(stretch));

    let takes = TAKES.as_micros() as u64;
    let spans: Vec<(u64, u64)> = arrivals(&scene).iter().map(|at| (*at, at + takes)).collect();
    let after: Vec<(u64, u64)> = spans.iter().copied().filter(|(at, _)| *at >= began).collect();
    let most = pace::most_at_once(&after);
    let used: Vec<f64> = calms
        .iter()
        .map(|(from, to)| {
            pace::in_use(&spans, *from, *to) as f64 / ((to - from) as f64 * SLOTS as f64)
        })
        .collect();
    scene.faults.report(&[Fault::LeaderKilled]);
    println!("{most} at once, in use while all were up: {used:.3?}");
    assert!(most <= SLOTS, "{most} at once");
    assert!(used.iter().all(|part| *part >= 0.9), "{used:?}");
}

#[test]
fn thirty_a_minute_come_two_seconds_apart_through_a_kill() {
    let promise = Promise {
        limit: 30,
        period_us: 60_000_000,
    };
    let mut scene = Scene::set(3, &[]);
    scene.pace_per(Some(60), "hour");
    fill(&scene, 120);
    scene.pace_per(Some(30), "minute");
    thread::sleep(Duration::from_secs(3));
    let began = clock::micros();
    let (from, to) = calm(Duration::from_millis(seconds() * 1000));
    kill_a_leader(&mut scene);
    let arrivals: Vec<u64> = arrivals(&scene).into_iter().filter(|at| *at >= began).collect();
    let worst = promise.worst(&arrivals).expect("something arrived");
    let calm: Vec<u64> = arrivals.iter().copied().filter(|at| (from..to).contains(at)).collect();
    let gaps: Vec<u64> = calm.windows(2).map(|pair| pair[1] - pair[0]).collect();
    scene.faults.report(&[Fault::LeaderKilled]);
    println!("{} arrived, gaps {gaps:?}, the fullest window: {worst:?}", arrivals.len());
    assert!(worst.over_thousandths <= 0, "{worst:?}");
    assert!(arrivals.len() > calm.len(), "it went on after the kill");
    // Nine tenths of the rate, by the gaps: so few arrivals can't be counted.
    let mean = gaps.iter().sum::<u64>() as f64 / gaps.len().max(1) as f64;
    assert!(mean <= 2_000_000.0 / 0.9, "a gap of {mean} µs in the mean");
}

#[test]
fn a_changed_rate_is_in_force_within_a_second() {
    let scene = Scene::set(3, &[]);
    scene.pace_per(Some(60), "hour");
    fill(&scene, 1500);
    for (limit, lasts) in [(20, 4), (100, 4), (10, 4)] {
        scene.pace(Some(limit));
        thread::sleep(Duration::from_secs(1));
        let (from, to) = calm(Duration::from_secs(lasts));
        let promise = Promise {
            limit: limit.into(),
            period_us: 1_000_000,
        };
        let arrivals: Vec<u64> = arrivals(&scene)
            .into_iter()
            .filter(|at| (from..to).contains(at))
            .collect();
        let worst = promise.worst(&arrivals).expect("something arrived");
        let achieved = promise.achieved(&arrivals, from, to);
        println!("{limit}/s: {achieved:.3}, {worst:?}");
        assert!(worst.over_thousandths <= 0, "{limit}/s: {worst:?}");
        assert!(achieved >= 0.85, "{limit}/s: {achieved}");
    }
}

/// The healthy destinations' time from the post to the arrival, in microseconds.
fn latencies(scene: &Scene, seconds: u64) -> Vec<u64> {
    let before = scene.receiver.count();
    let posts = scene.send(15, 6).finish_after(Duration::from_secs(seconds));
    let healthy = HEALTHY * posts.len();
    clock::eventually(Duration::from_secs(20), || {
        let arrived = scene.receiver.deliveries();
        let of_healthy = arrived[before..].iter().filter(|d| !d.path.contains("sick"));
        (of_healthy.count() >= healthy).then_some(())
    });
    let sent: HashMap<String, u64> = posts.into_iter().map(|post| (post.key, post.at)).collect();
    let arrived = scene.receiver.deliveries();
    arrived[before..]
        .iter()
        .filter(|delivery| !delivery.path.contains("sick"))
        .filter_map(|delivery| Some(delivery.at.saturating_sub(*sent.get(&delivery.key)?)))
        .collect()
}

const HEALTHY: usize = 17;

#[test]
fn three_sick_destinations_slow_none_of_seventeen_healthy_ones() {
    let scene = Scene::set(3, &[]);
    let born = Instant::now();
    scene.receiver.answer_with(move |delivery| match delivery.path.as_str() {
        "/sick-hangs" => Answer {
            status: 200,
            after: Duration::from_secs(300),
        },
        "/sick-fails" => Answer {
            status: 500,
            after: Duration::ZERO,
        },
        // Slow to death: each answer takes longer than the one before.
        "/sick-slows" => Answer {
            status: 200,
            after: born.elapsed() / 4,
        },
        _ => Answer::OK,
    });
    let retries = serde_json::json!([{"type": "retry", "strategy": "linear", "count": 20, "interval": 1000}]);
    // The scene's own destination is one of the seventeen.
    for number in 1..HEALTHY {
        scene.connect_to(&format!("healthy-{number}"), &retries);
    }
    let without = latencies(&scene, seconds() / 3);
    for name in ["sick-hangs", "sick-fails", "sick-slows"] {
        scene.connect_to(name, &retries);
    }
    // Until the sick ones have all that they can take.
    let _ = latencies(&scene, 5);
    let with = latencies(&scene, seconds() / 3);
    let (before, after) = (pace::p99(&without), pace::p99(&with));
    println!(
        "p99 of the healthy ones: {before} µs alone ({}), {after} µs beside the sick ({})",
        without.len(),
        with.len()
    );
    assert!(without.len() > 500 && with.len() > 500);
    // On a machine with nothing else to do both are a few milliseconds, where one hiccup would decide.
    assert!(after <= 2 * before.max(20_000), "{before} µs became {after} µs");
}
