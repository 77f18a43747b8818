//! Deliveries to nobody: they are made as for a server, and accepted at once.

use super::{
    exchange::Exchanged,
    over_http,
    request::Outgoing,
    sending::{Sending, Sent},
};
use crate::delivery::gate::{Gate, Shut};
use bytes::Bytes;
use model::{catalog::MockTarget, traffic::Outcome};
use std::time::Duration;

/// The status of every answer.
const ACCEPTED: u16 = 200;

/// Makes an attempt that nothing is sent for.
///
/// # Errors
/// When there is no permit, or this node may not send any more.
pub(super) async fn send(
    sending: &Sending<'_>,
    target: &MockTarget,
    gate: Gate,
) -> Result<Sent, Shut> {
    let accept = async |_: &Outgoing, _| {
        let outcome = Outcome::answered(ACCEPTED, Bytes::new(), None);
        Exchanged::unseen(outcome, Duration::ZERO)
    };
    let base_url = MockTarget::BASE_URL;
    let tried = over_http::attempt(sending, base_url, &target.request, gate, accept).await?;
    Ok(tried.into())
}
