//! What every part of a running node shares.

use crate::{
    catalog_cache::CatalogCache, config::Config, script::ScriptPool, sessions::Sessions,
    telemetry::Metrics, transform::Transforms, world, wrong_tokens::WrongTokens,
};
use bytes::Bytes;
use model::{
    catalog::{Catalog, CatalogError},
    ids::GroupId,
    machine::Command,
};
use raft::{Cluster, ProposeError};
use std::sync::Arc;

pub(crate) struct Gateway {
    pub(crate) cluster: Cluster,
    pub(crate) catalog: CatalogCache,
    pub(crate) config: Config,
    pub(crate) metrics: Metrics,
    pub(crate) wrong_tokens: WrongTokens,
    pub(crate) scripts: ScriptPool,
    pub(crate) transforms: Transforms,
    /// Who listens here with the command line.
    pub(crate) sessions: Arc<Sessions>,
    /// Whose turn it is to change what others are changing too.
    pub(crate) contended: tokio::sync::Mutex<()>,
}

impl Gateway {
    /// Proposes a command without bodies, dated now, and waits until it is applied. Whoever tries again calls this again:
    /// a leader takes nothing that was dated long ago, and clocks may have been set meanwhile.
    ///
    /// # Errors
    /// Those of [`Cluster::propose`].
    pub(crate) async fn propose(
        &self,
        group: GroupId,
        command: &Command<'_>,
    ) -> Result<Bytes, ProposeError> {
        let envelope = command.envelope(world::now(), &[]);
        self.cluster.propose(group, envelope).await
    }

    /// The catalog as this node has applied it: what it acknowledged itself is in it. While it can't be read the last one
    /// stays in use, which may lack what is newer: nothing may be called unknown by it.
    pub(crate) fn catalog(&self) -> Arc<Catalog> {
        self.fresh_catalog().unwrap_or_else(|error| {
            tracing::warn!(%error, "catalog not refreshed, the last one stays in use");
            self.catalog.get()
        })
    }

    /// The catalog as this node has applied it, and nothing older.
    ///
    /// # Errors
    /// When it can't be read now: a snapshot is replacing it, or it is damaged.
    pub(crate) fn fresh_catalog(&self) -> Result<Arc<Catalog>, CatalogError> {
        self.catalog.refresh(&self.cluster.view(GroupId::CONTROL))
    }
}
