//! Deliveries to servers.

use super::{
    exchange, over_http, request,
    sending::{Sending, Sent, Tried},
};
use crate::{
    delivery::gate::{Gate, Shut},
    egress::Client,
};
use bytes::Bytes;
use model::{
    catalog::HttpTarget,
    policy::{destination_url, egress::Reach},
    traffic::{ErrorCode, Outcome},
};
use std::time::Duration;

/// Makes an attempt at a server.
///
/// # Errors
/// When there is no permit, or this node may not send any more.
pub(super) async fn send(
    sending: &Sending<'_>,
    target: &HttpTarget,
    gate: Gate,
) -> Result<Sent, Shut> {
    let destination = sending.destination;
    if destination_url::check(&target.url, &sending.shared.egress.reach).is_err() {
        return Ok(Tried::not_sent(ErrorCode::InvalidUrl).into());
    }
    let kept = &sending.connections.http;
    let client = match kept.get(destination.updated_at, &target.request.tls) {
        Ok(client) => client,
        Err(error) => {
            tracing::error!(destination = %destination.id, %error, "attempt not made");
            return Ok(Tried::not_sent(ErrorCode::InternalError).into());
        }
    };
    let body = &sending.message.body;
    let exchange = async |outgoing: &request::Outgoing, left| {
        exchange::send(&client, outgoing, body, left).await
    };
    let tried = over_http::attempt(sending, &target.url, &target.request, gate, exchange).await?;
    Ok(tried.into())
}

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
