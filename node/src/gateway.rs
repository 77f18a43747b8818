//! The gateway: what every part of a running node shares.

use crate::{
    catalog_watch::{BehindError, CatalogWatch},
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
    catalog::Catalogs,
    ids::GroupId,
    machine::{Command, CommandError, Reply, decode_reply},
    time::Timestamp,
};
use raft::{Cluster, ProposeError};
use std::{io, sync::Arc};

/// The error of a command that was proposed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CommandFailed {
    #[error(transparent)]
    Propose(#[from] ProposeError),
    /// It was made, and what came of it can't be read.
    #[error("reading the reply to a command")]
    Reply(#[from] CommandError),
}

pub struct Gateway {
    pub cluster: Cluster,
    pub(crate) catalog: CatalogWatch,
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

/// The reason why a node could not be put together.
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
            catalog: CatalogWatch::follow(&cluster),
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
    /// Those of [`Cluster::propose`], and a reply that is none.
    pub(crate) async fn propose(
        &self,
        group: GroupId,
        command: &Command<'_>,
    ) -> Result<Reply, CommandFailed> {
        self.propose_with(group, command, world::now(), &[]).await
    }

    /// The same with bodies, and dated as what is in it.
    ///
    /// # Errors
    /// Those of [`Self::propose`].
    pub(crate) async fn propose_with(
        &self,
        group: GroupId,
        command: &Command<'_>,
        at: Timestamp,
        bodies: &[Bytes],
    ) -> Result<Reply, CommandFailed> {
        let envelope = command.envelope(at, bodies);
        let reply = self.cluster.propose(group, envelope).await?;
        Ok(decode_reply(&reply)?)
    }

    /// The same for what looks again in its next round, whatever came of this: why it was not made is in the log.
    pub(crate) async fn attempt(
        &self,
        group: GroupId,
        command: &Command<'_>,
        what: &str,
    ) -> Option<Reply> {
        let proposed = self.propose(group, command).await;
        proposed
            .inspect_err(|error| tracing::debug!(%group, %error, "{what} not made yet"))
            .ok()
    }

    /// All projects' catalogs as they were last pushed here. What was applied in this very moment may be missing: nothing may be called
    /// unknown by it.
    pub fn catalog(&self) -> Arc<Catalogs> {
        self.catalog.get()
    }

    /// All projects' catalogs with everything that this node has applied by now.
    ///
    /// # Errors
    /// When it can't be told how far that is, or the catalog does not get there: a snapshot is replacing it.
    pub(crate) async fn applied_catalog(&self) -> Result<Arc<Catalogs>, BehindError> {
        self.catalog.applied(&self.cluster).await
    }

    /// Waits until this node routes by everything that was acknowledged before the call.
    ///
    /// # Errors
    /// When no leader with a majority answered in time, or the catalog does not get there.
    pub(crate) async fn catch_up(&self) -> Result<(), raft::Unavailable> {
        self.cluster.linearize(GroupId::CONTROL).await?;
        let applied = self.applied_catalog().await;
        applied.map(drop).map_err(|_| raft::Unavailable)
    }
}
