//! One proposal that changes the catalog, and who hears of it before it is acknowledged.

use crate::{gateway::Gateway, peer::Question};
use futures::future;
use model::{
    catalog::{Catalog, Item, Kind, Ties},
    ids::{GroupId, NodeId},
    machine::{Change, Command, CommandError, ConfigureTied, Refusal, Reply, decode_reply},
    state::codec,
};
use raft::Cluster;
use std::{io, time::Duration};
use tokio::time::{sleep, timeout};

/// So long a change waits for a node that does not answer. That one hears of it from Raft, once it is reached.
const KNOWN_WITHIN: Duration = Duration::from_millis(500);
const TOLD_AGAIN_AFTER: Duration = Duration::from_millis(50);

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
#[derive(Clone, Copy)]
pub(crate) struct Decided<'a> {
    pub(crate) from: &'a Catalog,
    pub(crate) put: &'a [Item],
    pub(crate) delete: &'a [(Kind, u128)],
}

/// Writes it. False: something that it was decided from has changed, and it is to be decided anew.
pub(crate) async fn propose(
    gateway: &Gateway,
    decided: Decided<'_>,
) -> Result<bool, ConfigureError> {
    let written = decided.put.iter().cloned();
    let written = written.map(|made| decided.from.written(made));
    let (put, overruled): (Vec<_>, Vec<_>) = written.unzip();
    let encoded: Vec<_> = put.iter().map(codec::encode_json).collect();
    let puts = encoded.iter().map(|item| Change::Put(item));
    let deletes = decided.delete.iter();
    let deletes = deletes.map(|&(kind, id)| Change::Delete(kind, id));
    let overruled = overruled.into_iter().flatten().map(Change::Overrule);
    let ties = Ties::of(decided.from, &put, decided.delete);
    let command = Command::ConfigureTied(ConfigureTied {
        seen_version: decided.from.version,
        checked: ties.checked.into_iter().collect(),
        marked: ties.marked.into_iter().collect(),
        changes: puts.chain(deletes).chain(overruled).collect(),
    });
    let reply = gateway.propose(GroupId::CONTROL, &command).await?;
    match decode_reply(&reply)? {
        Reply::Configured(Ok(_)) => Ok(true),
        Reply::Configured(Err(Refusal::Stale { .. })) => Ok(false),
        _ => Err(ConfigureError::NotUnderstood),
    }
}

/// Waits until this node routes by everything that was acknowledged before the call.
///
/// # Errors
/// When no leader with a majority answered in time, or the catalog can't be read.
pub(crate) async fn catch_up(gateway: &Gateway) -> Result<(), raft::Unavailable> {
    gateway.cluster.linearize(GroupId::CONTROL).await?;
    // A catalog that can't be read is no fresher for the leader's answer.
    let read = gateway.fresh_catalog();
    read.map(drop).map_err(|_| raft::Unavailable)
}

/// Tells a node that there is something new until it has it, or is down.
async fn tell(cluster: &Cluster, node: NodeId) {
    let question = Question::Catalog.encode();
    while let Err(error) = cluster.ask(node, question.clone(), KNOWN_WITHIN).await {
        if error.kind() == io::ErrorKind::ConnectionRefused {
            return;
        }
        sleep(TOLD_AGAIN_AFTER).await;
    }
}

/// Best effort: whichever node a request reaches next, it is routed by what was just written.
pub(crate) async fn make_known(gateway: &Gateway) {
    let cluster = &gateway.cluster;
    let others = cluster.members().into_keys();
    let others = others.filter(|node| *node != cluster.node_id());
    let told = others.map(|node| timeout(KNOWN_WITHIN, tell(cluster, node)));
    let (_, own) = future::join(future::join_all(told), catch_up(gateway)).await;
    if let Err(error) = own {
        tracing::info!(%error, "this node hears later of the change that it made");
    }
}
