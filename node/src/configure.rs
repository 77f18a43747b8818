//! One proposal that changes the catalog.

use crate::gateway::Gateway;
use model::{
    catalog::{Item, Kind},
    ids::GroupId,
    machine::{Change, Command, CommandError, Configure, Refusal, Reply, decode_reply},
    state::codec,
    time::Timestamp,
};

#[derive(Debug, thiserror::Error)]
pub(crate) enum ConfigureError {
    #[error("proposing a change of the catalog")]
    Propose(#[from] raft::ProposeError),
    #[error("reading the answer to a change of the catalog")]
    Reply(#[from] CommandError),
    /// The group runs an older version of the program that can't read this.
    #[error("the cluster does not understand this change yet; are all nodes upgraded?")]
    NotUnderstood,
}

/// What was decided from one version of the catalog.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Decided<'a> {
    pub(crate) seen_version: u64,
    pub(crate) put: &'a [Item],
    pub(crate) delete: &'a [(Kind, u128)],
    pub(crate) at: Timestamp,
}

/// Writes it. False: another change came between, and it is to be decided anew.
pub(crate) async fn propose(
    gateway: &Gateway,
    decided: Decided<'_>,
) -> Result<bool, ConfigureError> {
    let encoded: Vec<_> = decided.put.iter().map(codec::encode_json).collect();
    let puts = encoded.iter().map(|item| Change::Put(item));
    let deletes = decided.delete.iter();
    let deletes = deletes.map(|&(kind, id)| Change::Delete(kind, id));
    let command = Command::Configure(Configure {
        seen_version: decided.seen_version,
        changes: puts.chain(deletes).collect(),
    });
    let envelope = command.envelope(decided.at, &[]);
    let reply = gateway.cluster.propose(GroupId::CONTROL, envelope).await?;
    match decode_reply(&reply)? {
        Reply::Configured(Ok(_)) => Ok(true),
        Reply::Configured(Err(Refusal::Stale { .. })) => Ok(false),
        _ => Err(ConfigureError::NotUnderstood),
    }
}
