//! What deliveries go over: a room for each kind of destination, and one for what those that speak HTTP have in common.

mod aws;
mod cli;
mod client;
mod exchange;
#[cfg(test)]
mod faults;
mod http;
mod mock;
mod over_http;
mod request;
mod sending;
#[cfg(test)]
mod ways;

pub(crate) use http::post;
pub(crate) use request::{URL_KEPT, target};
pub(super) use sending::{Sending, Sent, Tried};

use super::gate::{Gate, Shut};
use crate::egress::Egress;
use client::KeptClient;
use model::catalog::DestinationKind;
use std::sync::Arc;

/// The connections of one destination. No other one's deliveries go over them, and they close when its actor goes.
pub(super) struct Connections {
    http: KeptClient,
}

impl Connections {
    pub(super) fn new(egress: Arc<Egress>) -> Self {
        Self {
            http: KeptClient::new(egress),
        }
    }
}

/// Makes an attempt over the transport of its destination. Each of them passes the gate and then the fence, and sends at
/// once after that.
///
/// # Errors
/// When there is no permit, or this node may not send any more.
pub(super) async fn send(sending: &Sending<'_>, gate: Gate) -> Result<Sent, Shut> {
    match &sending.destination.kind {
        DestinationKind::Http(target) => http::send(sending, target, gate).await,
        DestinationKind::Cli(target) => cli::send(sending, target, gate).await,
        DestinationKind::Mock(target) => mock::send(sending, target, gate).await,
    }
}

/// Bodies that sending one over a kind's transport takes at once.
pub(super) fn copies(kind: &DestinationKind) -> u64 {
    match kind {
        DestinationKind::Cli(_) => cli::COPIES,
        DestinationKind::Http(_) | DestinationKind::Mock(_) => 1,
    }
}
