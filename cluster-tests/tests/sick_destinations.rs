//! Destinations that hang, fail or slow to death take nothing from the others, are not hammered, and get all of theirs
//! once they are well again.

use cluster_tests::{
    clock,
    sender::Outcome,
    ward::{self, Ward},
};
use std::{collections::HashSet, time::Duration};

const SICK_FOR: Duration = Duration::from_secs(20);
const PER_SECOND: u64 = 20;
/// Far from what a healthy destination needs, and from what one needs that waits for a sick one.
const SOON_MS: f64 = 3000.0;
/// Pauses of up to 16 s, and then a backlog, by single trials first.
const RECOVERS_WITHIN: Duration = Duration::from_secs(90);

#[test]
fn three_sick_destinations_of_twenty_hold_up_nobody_else() {
    let ward = Ward::set(3);
    ward.fall_ill();
    let posts = ward.scene.send(PER_SECOND, 8).finish_after(SICK_FOR);
    let acked: HashSet<&str> = posts
        .iter()
        .filter_map(|post| match &post.outcome {
            Outcome::Acked { request_id } => Some(request_id.as_str()),
            _ => None,
        })
        .collect();
    assert!(acked.len() > 200, "{} acknowledged", acked.len());
    let last = clock::eventually(Duration::from_secs(20), || {
        let last = ward.latencies_ms(&posts).last().copied()?;
        last.is_finite().then_some(last)
    });
    assert!(last.is_some_and(|ms| ms < SOON_MS), "{last:?} ms");
    let asked = ward::asked(&ward.scene.receiver.deliveries());
    // Each of them has as many events waiting as were acknowledged; the window of each node and single trials were sent.
    for (what, asked) in ["hanging", "failing"].iter().zip(asked) {
        assert!(asked < acked.len() / 2, "{what}: asked {asked} times");
    }
    ward.recover();
    let all = acked.len() * (ward::DESTINATIONS + 1);
    // A post of unknown outcome may arrive too: it stands in for none that was promised.
    let arrived = || {
        let taken = ward.scene.receiver.deliveries();
        let taken = taken
            .into_iter()
            .filter(|d| d.answered == 200 && acked.contains(d.request_id.as_str()));
        let pairs: HashSet<_> = taken.map(|d| (d.request_id, d.path)).collect();
        pairs.len()
    };
    let recovered = clock::eventually(RECOVERS_WITHIN, || (arrived() == all).then_some(()));
    assert!(recovered.is_some(), "{} of {all} arrived", arrived());
}
