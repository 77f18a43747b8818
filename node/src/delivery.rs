//! Delivery: who is due is woken, what is due is attempted, what came of it is reported.

mod attempt;
mod concurrency;
mod destination_actor;
mod dispatcher;
mod gate;
mod memory;
mod pacing;
mod peer_questions;
mod receiver_signals;
mod reporter;
mod retry_scheduler;
mod shared;
mod tokens;
mod transport;
mod work;

pub(crate) use transport::{URL_KEPT, post, target};
pub(crate) use work::pinned;

use crate::gateway::Gateway;
use actix::{Actor, Addr};
use dispatcher::{Dispatcher, Leave, Stop};
use std::{sync::Arc, time::Duration};

/// The delivering side of a node.
pub struct Delivery {
    dispatcher: Addr<Dispatcher>,
    gateway: Arc<Gateway>,
}

/// How often a stopping node looks whether its attempts have ended.
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// What the delivering threads may still take to end.
const LAST_GRACE: Duration = Duration::from_secs(2);

impl Delivery {
    /// Starts the actors. Must run within an actix system.
    pub fn start(gateway: Arc<Gateway>) -> Self {
        let dispatcher = Dispatcher::new(gateway.clone()).start();
        Self {
            dispatcher,
            gateway,
        }
    }

    /// Launches nothing new, waits at most `grace` for what is in flight and its reports, and ends the threads.
    pub async fn stop(self, grace: Duration) {
        let waiting = async {
            let reporters = self.dispatcher.send(Stop).await.unwrap_or_default();
            while self.gateway.metrics.attempts_in_flight.get() > 0
                || reporters.iter().any(reporter::Reporter::is_busy)
            {
                tokio::time::sleep(LOOK_EVERY).await;
            }
        };
        if tokio::time::timeout(grace, waiting).await.is_err() {
            tracing::warn!("some attempts had not ended within the grace; they will be made again");
        }
        // They hold the store: one that outlived this would still read it while the program exits.
        let arbiters = self.dispatcher.send(Leave).await.unwrap_or_default();
        let ending = tokio::task::spawn_blocking(move || {
            for arbiter in arbiters {
                arbiter.stop();
                if arbiter.join().is_err() {
                    tracing::error!("a delivering thread ended in a panic");
                }
            }
        });
        if tokio::time::timeout(LAST_GRACE, ending).await.is_err() {
            tracing::warn!("a delivering thread has not ended");
        }
    }
}
