//! What healthy destinations feel of sick ones: the time from a post to its arrival, with all well and with three of
//! twenty hanging, failing and slowing to death.

use crate::{run::Run, table::Table};
use cluster_tests::ward::{self, Ward};
use std::{thread, time::Duration};

const PER_SECOND: u64 = 40;
const ROUNDS: usize = 3;

pub(crate) fn measure(run: &Run, table: &mut Table) {
    let ward = Ward::set(3);
    let (mut well, mut sick) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        ward.recover();
        // What waited for the sick ones is delivered first.
        thread::sleep(Duration::from_secs(20));
        well.extend(latencies(run, &ward));
        ward.fall_ill();
        sick.extend(latencies(run, &ward));
    }
    let [well, sick] = [&mut well, &mut sick].map(|all| {
        all.sort_by(f64::total_cmp);
        [0.5, 0.99].map(|part| all[((all.len() - 1) as f64 * part) as usize])
    });
    table.remarks.push(format!(
        "20 destinations at {PER_SECOND} posts/s on 3 nodes, {ROUNDS} turns, from post to arrival at the healthy 17: p50 {:.1} ms, p99 {:.1} ms; \
         with 3 sick ones p50 {:.1} ms, p99 {:.1} ms: {:.2} times the p99 (asked: at most 2)",
        well[0], well[1], sick[0], sick[1], sick[1] / well[1]
    ));
    let asked = ward::asked(&ward.scene.receiver.deliveries());
    table.remarks.push(format!(
        "requests to the hanging, the failing and the slow one in all: {asked:?}"
    ));
}

fn latencies(run: &Run, ward: &Ward) -> Vec<f64> {
    let posts = ward.scene.send(PER_SECOND, 8);
    let posts = posts.finish_after(Duration::from_secs(run.seconds));
    // What has not arrived by then counts as endless.
    thread::sleep(Duration::from_secs(3));
    ward.latencies_ms(&posts)
}
