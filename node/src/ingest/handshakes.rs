//! Keeps what a sender's handshake leaves, before the sender is told that it went well.

use super::refused::Refused;
use crate::{configure, gateway::Gateway, observations};
use model::{
    catalog::{Handshaken, Position, Source},
    machine::{Command, KeepHandshake, ObserveReply},
};

/// Keeps it. False: the source knows a secret already, or is gone.
///
/// # Errors
/// When it is not sure to be kept: the sender is told to try again.
pub(super) async fn keep(
    gateway: &Gateway,
    source: &Source,
    left: &Handshaken,
) -> Result<bool, Refused> {
    let known = source.verification.handshake.as_ref();
    if known.is_some_and(|known| known.kind == left.kind && known.value == left.value) {
        // The sender asked twice.
        return Ok(true);
    }
    let command = Command::KeepHandshake(KeepHandshake {
        source: source.id,
        scheme: source.verification.scheme.clone(),
        kind: left.kind,
        value: left.value.clone(),
    });
    match observations::propose(gateway, &command).await {
        Ok(ObserveReply::Kept { index }) => {
            let position = Position {
                version: 0,
                observed: index,
            };
            configure::make_known(gateway, position).await;
            Ok(true)
        }
        Ok(ObserveReply::Refused) => Ok(false),
        Err(error) => {
            tracing::info!(source = %source.id, %error, "handshake not kept");
            Err(Refused::Unavailable)
        }
    }
}
