//! What every part of a running node shares.

use crate::{
    catalog_cache::CatalogCache, config::Config, script::ScriptPool, sessions::Sessions,
    telemetry::Metrics, transform::Transforms, wrong_tokens::WrongTokens,
};
use model::{catalog::Catalog, ids::GroupId};
use raft::Cluster;
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
}

impl Gateway {
    /// The catalog as this node has applied it: what it acknowledged itself is in it.
    pub(crate) fn catalog(&self) -> Arc<Catalog> {
        let view = self.cluster.view(GroupId::CONTROL);
        self.catalog.refresh(&view).unwrap_or_else(|error| {
            tracing::error!(%error, "catalog not refreshed, the last one stays in use");
            self.catalog.get()
        })
    }
}
