//! Reads see everything that was acknowledged before them, on any node; `consistency=local` trades that for speed.

use super::{
    api_error::ApiError,
    manner::Manner,
    principal::{InProject, Scoped},
};
use crate::gateway::Gateway;
use api::view::list::Gap;
use futures::future::{join_all, try_join_all};
use model::{catalog::Catalogs, ids::GroupId};
use raft::View;
use std::{fmt::Display, sync::Arc, time::Duration};

/// So long a list waits for the leader of a partition before it answers without it.
const PART_PATIENCE: Duration = Duration::from_secs(2);

/// Waits until this node's replicas of `groups` hold what was acknowledged so far.
pub(super) async fn wait(
    gateway: &Gateway,
    manner: &Manner,
    groups: impl IntoIterator<Item = GroupId>,
) -> Result<(), ApiError> {
    if manner.is_local {
        return Ok(());
    }
    let waiting = groups
        .into_iter()
        .map(|group| gateway.cluster.linearize(group));
    try_join_all(waiting).await?;
    Ok(())
}

/// The partitions that a list, or a count, can answer for.
pub(super) struct Reached {
    groups: Vec<GroupId>,
    missing: Vec<GroupId>,
}

impl Reached {
    pub(super) fn has(&self, group: GroupId) -> bool {
        self.groups.contains(&group)
    }

    pub(super) fn groups(&self) -> &[GroupId] {
        &self.groups
    }

    pub(super) fn views(&self, gateway: &Gateway) -> Vec<View> {
        let groups = self.groups.iter();
        groups.map(|group| gateway.cluster.view(*group)).collect()
    }

    /// What an answer lacks; none where it is whole.
    pub(super) fn gaps(&self) -> Option<Vec<Gap>> {
        let missing = self.missing.iter().map(|group| Gap::of(group.0));
        (!self.missing.is_empty()).then(|| missing.collect())
    }
}

/// Waits for every partition, and goes on without those that have no leader: they cost a list their part and not the whole.
pub(super) async fn reach_partitions(
    gateway: &Gateway,
    manner: &Manner,
) -> Result<Reached, ApiError> {
    reach(gateway, manner, gateway.cluster.data_groups()).await
}

/// The same for some of them.
pub(super) async fn reach(
    gateway: &Gateway,
    manner: &Manner,
    groups: impl IntoIterator<Item = GroupId>,
) -> Result<Reached, ApiError> {
    let asked = groups.into_iter().map(|group| async move {
        let waited = async {
            manner.is_local
                || tokio::time::timeout(PART_PATIENCE, gateway.cluster.linearize(group))
                    .await
                    .is_ok_and(|fresh| fresh.is_ok())
        };
        (group, waited.await)
    });
    let (there, gone): (Vec<_>, Vec<_>) = join_all(asked)
        .await
        .into_iter()
        .partition(|(_, is_fresh)| *is_fresh);
    let groups = |found: Vec<(GroupId, bool)>| found.into_iter().map(|(group, _)| group).collect();
    let reached = Reached {
        groups: groups(there),
        missing: groups(gone),
    };
    if reached.groups.is_empty() && !reached.missing.is_empty() {
        return Err(raft::Unavailable.into());
    }
    Ok(reached)
}

/// Waits for every partition.
pub(super) async fn wait_for_partitions(
    gateway: &Gateway,
    manner: &Manner,
) -> Result<(), ApiError> {
    wait(gateway, manner, gateway.cluster.data_groups()).await
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

/// The catalog of the principal's project as everybody who got a 200 left it.
pub(super) async fn catalog(gateway: &Scoped, manner: &Manner) -> Result<InProject, ApiError> {
    wait(gateway, manner, [GroupId::CONTROL]).await?;
    Ok(gateway.applied_catalog().await?)
}

/// All projects' catalogs, whatever the reader's consistency.
pub(super) async fn newest(gateway: &Gateway) -> Result<Arc<Catalogs>, ApiError> {
    wait(gateway, &Manner::default(), [GroupId::CONTROL]).await?;
    Ok(gateway.applied_catalog().await?)
}
