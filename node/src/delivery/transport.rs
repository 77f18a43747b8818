//! What deliveries go over: servers, developers' machines, and what those that speak HTTP have in common.

mod aws;
mod cli;
mod client;
mod exchange;
#[cfg(test)]
mod faults;
mod request;
mod sending;
#[cfg(test)]
mod ways;

pub(crate) use request::url;
pub(super) use client::KeptClient;
pub(super) use sending::{Sending, Sent, Tried};

use crate::egress::Client;
use bytes::Bytes;
use model::{
    policy::{destination_url, egress::Reach},
    traffic::{ErrorCode, Outcome},
};
use std::time::Duration;

/// Posts something of the gateway's own, by the same way as every delivery.
pub(crate) async fn post(
    client: &Client,
    reach: &Reach,
    url: &str,
    headers: Vec<(String, Bytes)>,
    body: &Bytes,
    limit: Duration,
) -> Outcome {
    if destination_url::check(url, reach).is_err() {
        return Outcome::failed(ErrorCode::InvalidUrl);
    }
    let outgoing = request::Outgoing {
        method: "POST".into(),
        url: destination_url::normalised(url),
        headers,
        kept: request::Kept::default(),
    };
    exchange::send(client, &outgoing, body, limit).await.outcome
}
