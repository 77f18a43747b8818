//! Under load the node that leads most groups is killed again and again, then all at once; nothing acknowledged is lost.
//!
//! `TIDEGATE_CHAOS_RATE` and `TIDEGATE_CHAOS_SECONDS` set the load: 2000 and 20 are the full run. Without them it is
//! what two cores shared by three nodes of a development build, the senders and the receiver can carry.

use cluster_tests::{faults::Fault, scene::Scene, settings};
use std::{
    thread,
    time::{Duration, Instant},
};

const DEFAULT_RATE: u64 = 500;
const DEFAULT_SECONDS: u64 = 12;

#[test]
fn nothing_acknowledged_is_lost_while_leaders_and_then_all_nodes_are_killed() {
    let rate = settings::read("TIDEGATE_CHAOS_RATE", DEFAULT_RATE);
    let seconds = settings::read("TIDEGATE_CHAOS_SECONDS", DEFAULT_SECONDS);
    let mut scene = Scene::set(3, &[]);
    println!("{rate} events/s for {seconds} s from senders to all nodes");

    let sender = scene.send(rate, 48);
    let started = Instant::now();
    thread::sleep(Duration::from_millis(1500));
    while started.elapsed() < Duration::from_secs(seconds * 3 / 4) {
        let Some(victim) = scene.cluster.leader_of_most() else {
            thread::sleep(Duration::from_millis(200));
            continue;
        };
        scene.faults.fire(Fault::LeaderKilled);
        scene.cluster.nodes[victim].kill();
        thread::sleep(Duration::from_millis(fastrand::u64(300..1200)));
        scene.start(victim);
        scene.faults.healed();
        thread::sleep(Duration::from_millis(fastrand::u64(300..1000)));
    }
    thread::sleep(Duration::from_secs(seconds).saturating_sub(started.elapsed()));

    // The senders are still at work: what is in flight now is what a power cut would catch.
    scene.faults.fire(Fault::AllKilled);
    scene.cluster.kill_all();
    let posts = sender.finish();
    for node in &mut scene.cluster.nodes {
        node.start();
    }
    let down = Instant::now();
    scene.cluster.wait_ready(Duration::from_secs(60));
    println!(
        "all nodes ready again {:?} after the last kill",
        down.elapsed()
    );
    scene.settle(&posts, Duration::from_secs(120));
    scene.faults.healed();

    let verdict = scene.judge(&posts);
    scene
        .faults
        .report(&[Fault::LeaderKilled, Fault::AllKilled]);
    verdict.must_hold();
    assert!(
        verdict.acked > 0,
        "a run without one acknowledgement proves nothing"
    );
    scene.must_agree();
}
