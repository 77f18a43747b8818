//! Observations of configured things that this node makes and tells to the control group: senders' handshakes, the use
//! of secrets, receivers' wishes. None of it changes the catalog.

use crate::{configure::ConfigureError, gateway::Gateway};
use model::{
    ids::GroupId,
    machine::{Command, ObserveReply, Reply},
};

/// Proposes one observation.
///
/// # Errors
/// When it is not sure to be kept.
pub(crate) async fn propose(
    gateway: &Gateway,
    command: &Command<'_>,
) -> Result<ObserveReply, ConfigureError> {
    match gateway.propose(GroupId::CONTROL, command).await? {
        Reply::Observed(reply) => Ok(reply),
        _ => Err(ConfigureError::NotUnderstood),
    }
}
