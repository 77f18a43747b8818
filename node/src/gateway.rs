//! What every part of a running node shares.

use crate::{
    catalog_cache::CatalogCache,
    config::Config,
    script::{Program, ScriptPool},
    sessions::Sessions,
    telemetry::Metrics,
    transform::Transforms,
    world,
    wrong_tokens::WrongTokens,
};
use bytes::Bytes;
use model::{
    catalog::{Catalog, CatalogError},
    ids::GroupId,
    machine::Command,
};
use raft::{Cluster, ProposeError};
use std::{io, sync::Arc};

pub struct Gateway {
    pub cluster: Cluster,
    pub(crate) catalog: CatalogCache,
    pub config: Config,
    pub metrics: Metrics,
    pub(crate) wrong_tokens: WrongTokens,
    pub(crate) scripts: ScriptPool,
    pub(crate) transforms: Transforms,
    /// Who listens here with the command line.
    pub(crate) sessions: Arc<Sessions>,
    /// Whose turn it is to change what others are changing too.
    pub(crate) contended: tokio::sync::Mutex<()>,
}

/// Why a node could not be put together.
#[derive(Debug, thiserror::Error)]
pub enum GatewayError {
    #[error("starting the threads of scripts")]
    Scripts(#[source] io::Error),
    #[error("starting the metrics")]
    Metrics(#[from] prometheus::Error),
}

impl Gateway {
    /// Puts together what the parts of a node share; scripts run in processes of `engine`.
    ///
    /// # Errors
    /// When the system gives no threads, or a metric is declared twice.
    pub fn new(cluster: Cluster, config: Config, engine: Program) -> Result<Self, GatewayError> {
        Ok(Self {
            metrics: Metrics::new(Some(cluster.clone()))?,
            catalog: CatalogCache::default(),
            cluster,
            scripts: ScriptPool::of(&config, engine).map_err(GatewayError::Scripts)?,
            transforms: Transforms::default(),
            sessions: Arc::new(Sessions::new()),
            contended: tokio::sync::Mutex::default(),
            wrong_tokens: WrongTokens::new(config.admin.wrong_tokens_per_second),
            config,
        })
    }

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
    pub fn catalog(&self) -> Arc<Catalog> {
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
