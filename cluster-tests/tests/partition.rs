//! A node that is cut off, or frozen, loses its work to the others and never does it beside them.

use cluster_tests::{
    clock,
    faults::Fault,
    network::Network,
    ownership,
    scene::{SECRET, Scene},
    sender,
};
use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
    thread,
    time::Duration,
};

/// Slower than the senders are fast: every owner has a backlog that it would go on delivering if nothing stopped it. So
/// slow that its window of attempts lasts until well after a successor is there: an owner that can't record outcomes
/// must not seem to stop by itself.
const PACE: u32 = 2;
/// To the node that will be cut off only: its successors must come to its backlog at once.
const RATE: u64 = 30;
/// Three elections and what a loaded machine adds to them.
const NEW_OWNERS_WITHIN: Duration = Duration::from_secs(30);
/// So long after it wakes, a frozen node can't yet have been given its partitions back: it must look well for eight
/// seconds first.
const TOO_SOON_TO_LEAD_AGAIN: u64 = 2_000_000;

/// The namespaces, or why there are none. Without them the frozen node on the loopback address stands in.
fn network() -> Option<Arc<Network>> {
    match Network::create(3) {
        Ok(network) => Some(Arc::new(network)),
        Err(error) => {
            println!("SKIPPED: no network namespaces here ({error}); see the paused owner instead");
            None
        }
    }
}

fn post(scene: &Scene, to: SocketAddr) -> Result<u16, String> {
    sender::probe(to, &format!("/{}", scene.source), SECRET, 64)
}

/// Cuts a node's links to both others.
fn cut_off(network: &Network, node: usize) {
    for other in (0..3).filter(|&other| other != node) {
        network.cut(node, other).expect("the link is cut");
    }
}

fn heal(network: &Network, node: usize) {
    for other in (0..3).filter(|&other| other != node) {
        network.heal(node, other).expect("the link is healed");
    }
}

/// Waits until somebody else delivered for one of this node's partitions.
fn wait_for_successor(scene: &Scene, old: IpAddr, since: u64) -> u64 {
    let before = since.saturating_sub(3_000_000);
    let found = clock::eventually(NEW_OWNERS_WITHIN, || {
        let deliveries = scene.receiver.deliveries();
        let its = ownership::delivered_by(&deliveries, old, before, since);
        let handovers = ownership::handovers(&deliveries, old, &its, since, u64::MAX);
        handovers
            .iter()
            .filter_map(|handover| handover.first_of_new)
            .min()
    });
    found.expect("the majority's new owners go on with the cut-off node's partitions")
}

fn assert_clean(scene: &Scene, old: IpAddr, from: u64, to: u64) {
    let deliveries = scene.receiver.deliveries();
    let its = ownership::delivered_by(&deliveries, old, from.saturating_sub(3_000_000), from);
    assert!(
        !its.is_empty(),
        "the node delivered for no partition before the fault"
    );
    let handovers = ownership::handovers(&deliveries, old, &its, from, to);
    for handover in &handovers {
        println!("{handover:?}");
    }
    let unclean: Vec<_> = handovers
        .iter()
        .filter(|handover| !handover.is_clean())
        .collect();
    assert!(
        unclean.is_empty(),
        "old and new owner delivered side by side: {unclean:?}"
    );
}

#[test]
fn a_minority_answers_503_and_stops_delivering_before_the_new_owner_starts() {
    let Some(network) = network() else { return };
    let mut scene = Scene::set_in(&network, 3);
    scene.pace(Some(PACE));
    let minority = scene.cluster.leader_of_most().expect("a leader");
    let alone = scene.cluster.nodes[minority].ingest;
    let sender = scene.send_to(vec![alone], RATE, 8);
    thread::sleep(Duration::from_secs(4));

    let address = network.address(minority);
    let from = clock::micros();
    scene.faults.fire(Fault::NodePartitioned);
    cut_off(&network, minority);
    wait_for_successor(&scene, address, from);
    let answer = clock::eventually(Duration::from_secs(20), || {
        post(&scene, alone).ok().filter(|&status| status == 503)
    });
    assert_eq!(
        answer,
        Some(503),
        "the minority says that it can't promise anything"
    );
    let others = scene.cluster.nodes[(minority + 1) % 3].ingest;
    assert_eq!(post(&scene, others), Ok(200), "the majority goes on");
    thread::sleep(Duration::from_secs(2));

    let to = clock::micros();
    heal(&network, minority);
    assert_clean(&scene, address, from, to);
    scene.pace(None);
    scene.cluster.wait_ready(Duration::from_secs(30));
    let posts = sender.finish();
    scene.settle(&posts, Duration::from_secs(60));
    scene.faults.healed();
    let mut verdict = scene.judge(&posts);
    // The probes were not in the senders' history.
    verdict
        .uncalled_for
        .retain(|what| !what.ends_with("was never sent"));
    scene.faults.report(&[Fault::NodePartitioned]);
    verdict.must_hold();
    scene.must_agree();
}

#[test]
fn a_paused_owner_delivers_nothing_stale_when_it_wakes() {
    let network = network();
    let mut scene = match &network {
        Some(network) => Scene::set_in(network, 3),
        None => Scene::set(3, &[]),
    };
    scene.pace(Some(PACE));
    let paused = scene.cluster.leader_of_most().expect("a leader");
    let sender = scene.send_to(vec![scene.cluster.nodes[paused].ingest], RATE, 8);
    thread::sleep(Duration::from_secs(4));

    let from = clock::micros();
    scene.faults.fire(Fault::NodePaused);
    scene.cluster.nodes[paused].pause();
    match &network {
        Some(network) => drop(wait_for_successor(&scene, network.address(paused), from)),
        None => thread::sleep(Duration::from_secs(8)),
    }
    thread::sleep(Duration::from_secs(1));
    scene.cluster.nodes[paused].resume();
    let awake = clock::micros();
    thread::sleep(Duration::from_secs(2));
    if let Some(network) = &network {
        // Without an address of its own the node's deliveries can't be told from the others'.
        assert_clean(
            &scene,
            network.address(paused),
            from,
            awake + TOO_SOON_TO_LEAD_AGAIN,
        );
    }

    scene.pace(None);
    let posts = sender.finish();
    scene.settle(&posts, Duration::from_secs(60));
    scene.faults.healed();
    let verdict = scene.judge(&posts);
    scene.faults.report(&[Fault::NodePaused]);
    verdict.must_hold();
    scene.must_agree();
}

/// A kernel that resends into the void doubles its pauses: after half a minute it would try again half a minute later.
#[test]
fn a_link_that_was_cut_for_long_is_used_as_soon_as_it_is_healed() {
    let Some(network) = network() else { return };
    let mut scene = Scene::set_in(&network, 3);
    let alone = scene.cluster.leader_of_most().expect("a leader");
    scene.faults.fire(Fault::NodePartitioned);
    cut_off(&network, alone);
    thread::sleep(Duration::from_secs(28));
    heal(&network, alone);
    let back = clock::eventually(Duration::from_secs(8), || {
        let admin = scene.cluster.nodes[alone].admin();
        admin.get(&format!("/sources/{}", scene.source)).ok()
    });
    assert!(back.is_some(), "the healed node reads what the others have");
    scene.must_agree();
    scene.faults.report(&[Fault::NodePartitioned]);
}
