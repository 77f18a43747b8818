//! The proposal that changes the catalog, and who hears of it before it is acknowledged.

use crate::{
    gateway::{CommandFailed, Gateway},
    peer::Question,
};
use futures::future;
use model::{
    catalog::{Catalogs, Item, Kind, Position, Ties},
    ids::{GroupId, NodeId},
    machine::{Change, Command, ConfigureTied, Refusal, Reply},
    state::codec,
};
use raft::Cluster;
use std::{io, time::Duration};
use tokio::time::{sleep, timeout};

/// So long a change waits for a node that does not answer. That one hears of it from Raft, once it is reached.
pub(crate) const KNOWN_WITHIN: Duration = Duration::from_millis(500);
const TOLD_AGAIN_AFTER: Duration = Duration::from_millis(50);

#[derive(Debug, thiserror::Error)]
pub(crate) enum ConfigureError {
    #[error("changing the catalog")]
    Command(#[from] CommandFailed),
    /// The group runs an older version of the program that can't read this.
    #[error("the cluster does not understand this change yet; are all nodes upgraded?")]
    NotUnderstood,
}

/// A change of the catalog, and the version that it was decided from.
#[derive(Clone, Copy)]
pub(crate) struct Decided<'a> {
    pub(crate) from: &'a Catalogs,
    pub(crate) put: &'a [Item],
    pub(crate) delete: &'a [(Kind, u128)],
}

/// Writes it. How far the catalog has come with it; none: something that it was decided from has changed, and it is to be
/// decided anew.
pub(crate) async fn propose(
    gateway: &Gateway,
    decided: Decided<'_>,
) -> Result<Option<Position>, ConfigureError> {
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
    match gateway.propose(GroupId::CONTROL, &command).await? {
        Reply::Configured(Ok(version)) => Ok(Some(Position {
            version,
            observed: 0,
        })),
        Reply::Configured(Err(Refusal::Stale { .. })) => Ok(None),
        _ => Err(ConfigureError::NotUnderstood),
    }
}

/// Asks a node until its catalog has come so far, or it is down.
async fn tell(cluster: &Cluster, node: NodeId, position: Position) {
    let question = Question::Catalog(position).encode();
    while let Err(error) = cluster.ask(node, question.clone(), KNOWN_WITHIN).await {
        if error.kind() == io::ErrorKind::ConnectionRefused {
            return;
        }
        sleep(TOLD_AGAIN_AFTER).await;
    }
}

/// Best effort: whichever node a request reaches next, it is routed by what was just written. Each waits until what Raft
/// brings it anyway is there; nobody asks a leader.
pub(crate) async fn make_known(gateway: &Gateway, position: Position) {
    let cluster = &gateway.cluster;
    let others = cluster.members().into_keys();
    let others = others.filter(|node| *node != cluster.node_id());
    let told = others.map(|node| timeout(KNOWN_WITHIN, tell(cluster, node, position)));
    let own = gateway.catalog.reaching(position, KNOWN_WITHIN);
    let (_, own) = future::join(future::join_all(told), own).await;
    if own.is_none() {
        tracing::info!("this node hears later of the change that it made");
    }
}
