//! Reads see everything that was acknowledged before them, on any node; `consistency=local` trades that for speed.

use super::{api_error::ApiError, query::Query};
use crate::gateway::Gateway;
use futures::future::try_join_all;
use model::{catalog::Catalog, ids::GroupId};
use std::{fmt::Display, sync::Arc};

/// Waits until this node's replicas of `groups` hold what was acknowledged so far.
pub(super) async fn wait(
    gateway: &Gateway,
    query: &Query,
    groups: impl IntoIterator<Item = GroupId>,
) -> Result<(), ApiError> {
    if query.one("consistency") == Some("local") {
        return Ok(());
    }
    let waiting = groups
        .into_iter()
        .map(|group| gateway.cluster.linearize(group));
    try_join_all(waiting).await?;
    Ok(())
}

/// Waits for every partition.
pub(super) async fn wait_for_partitions(gateway: &Gateway, query: &Query) -> Result<(), ApiError> {
    wait(gateway, query, gateway.cluster.data_groups()).await
}

/// Waits until this node's replica has a change of `what`. A change is made already, so a replica that lags only makes its
/// answer older.
pub(super) async fn after_change(gateway: &Gateway, group: GroupId, what: impl Display) {
    if let Err(error) = gateway.cluster.linearize(group).await {
        tracing::debug!(%error, %what, "answering from a replica that may lag");
    }
}

/// Whether this cluster has such a partition: ids come from outside.
pub(super) fn is_partition(gateway: &Gateway, group: GroupId) -> bool {
    (1..=gateway.cluster.partitions()).contains(&group.0)
}

/// The catalog as everybody who got a 200 left it.
pub(super) async fn catalog(gateway: &Gateway, query: &Query) -> Result<Arc<Catalog>, ApiError> {
    wait(gateway, query, [GroupId::CONTROL]).await?;
    stored_catalog(gateway)
}

/// The catalog as this node has it.
pub(super) fn stored_catalog(gateway: &Gateway) -> Result<Arc<Catalog>, ApiError> {
    let view = gateway.cluster.view(GroupId::CONTROL);
    Ok(gateway.catalog.refresh(&view)?)
}
