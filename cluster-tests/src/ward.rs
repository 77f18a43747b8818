//! Twenty destinations behind one source, of which three can fall ill: one hangs, one fails, one gets slower with every
//! request.

use crate::{
    receiver::{Answer, Delivery},
    scene::Scene,
    sender::Post,
};
use serde_json::json;
use std::{
    collections::HashMap,
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

pub const DESTINATIONS: usize = 20;
const HANGS: &str = "/destination-17";
const FAILS: &str = "/destination-18";
const SLOWS: &str = "/destination-19";
const SICK: [&str; 3] = [HANGS, FAILS, SLOWS];
/// How long a node waits for an answer of each destination.
const TIMEOUT: Duration = Duration::from_secs(5);
/// The receiver answers no hanging request within the time of a test.
const NEVER: Duration = Duration::from_secs(600);
/// Each request to the third takes so much longer than the one before.
const SLOWER_BY: Duration = Duration::from_millis(50);

fn is_sick(path: &str) -> bool {
    SICK.contains(&path)
}

/// Requests to the three, in the order in which they were named above.
#[must_use]
pub fn asked(deliveries: &[Delivery]) -> [usize; 3] {
    SICK.map(|path| deliveries.iter().filter(|d| d.path == path).count())
}

pub struct Ward {
    pub scene: Scene,
}

impl Ward {
    /// # Panics
    /// When the cluster does not take its configuration.
    #[must_use]
    pub fn set(nodes: usize) -> Self {
        let scene = Scene::set(nodes, &[]);
        let rules = json!([{"type": "retry", "strategy": "linear", "interval": 1000, "count": 50}]);
        let admin = scene.cluster.nodes[0].admin();
        for number in 0..DESTINATIONS {
            let id = scene.connect_to(&format!("destination-{number}"), &rules);
            let config = json!({"config": {"timeout_ms": TIMEOUT.as_millis() as u64}});
            let path = format!("/destinations/{id}");
            admin.insist("PUT", &path, &config).expect("a timeout");
        }
        Self { scene }
    }

    /// From now on three of them are sick. The receiver records an answer before it gives it: one that comes too late for
    /// any node is a refusal, so that nothing counts as taken which was not.
    pub fn fall_ill(&self) {
        let slow = AtomicU64::new(0);
        self.scene
            .receiver
            .answer_with(move |delivery| match delivery.path.as_str() {
                HANGS => Answer {
                    status: 503,
                    after: NEVER,
                },
                FAILS => Answer {
                    status: 500,
                    ..Answer::OK
                },
                SLOWS => {
                    let before = slow.fetch_add(1, Ordering::Relaxed);
                    let after = SLOWER_BY.saturating_mul(u32::try_from(before).unwrap_or(u32::MAX));
                    Answer {
                        status: if after < TIMEOUT { 200 } else { 503 },
                        after: after.min(NEVER),
                    }
                }
                _ => Answer::OK,
            });
    }

    /// From now on all of them are well.
    pub fn recover(&self) {
        self.scene.receiver.answer_with(|_| Answer::OK);
    }

    /// From posting to arrival at each healthy destination, in milliseconds, shortest first. What has not arrived counts
    /// as endless.
    #[must_use]
    pub fn latencies_ms(&self, posts: &[Post]) -> Vec<f64> {
        let mut arrived: HashMap<(String, String), u64> = HashMap::new();
        for delivery in self.scene.receiver.deliveries() {
            if !is_sick(&delivery.path) {
                let first = arrived.entry((delivery.key, delivery.path));
                first.or_insert(delivery.at);
            }
        }
        let healthy: Vec<String> = (0..DESTINATIONS)
            .map(|number| format!("/destination-{number}"))
            .filter(|path| !is_sick(path))
            .collect();
        let acked = posts.iter().filter(|post| post.is_acked());
        let mut latencies: Vec<f64> = acked
            .flat_map(|post| {
                let arrived = &arrived;
                healthy.iter().map(move |path| {
                    let at = arrived.get(&(post.key.clone(), path.clone()));
                    at.map_or(f64::INFINITY, |at| {
                        at.saturating_sub(post.at) as f64 / 1000.0
                    })
                })
            })
            .collect();
        latencies.sort_by(f64::total_cmp);
        latencies
    }
}
