//! A Raft group's replica on this node.

use crate::{
    config::Config,
    effects::{EffectSink, Outlets},
    error::StartError,
    log_store::LogStore,
    network::{Factory, Peers},
    state_machine::StateMachine,
    together::Together,
    types::{Member, Raft, TypeConfig},
};
use model::ids::GroupId;
use openraft::{ServerState, SnapshotPolicy, async_runtime::watch::WatchReceiver};
use parking_lot::Mutex;
use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};
use storage::Store;
use tokio::sync::watch;

#[derive(Clone)]
pub(crate) struct Group {
    pub(crate) id: GroupId,
    pub(crate) raft: Raft,
    pub(crate) leads: Arc<AtomicBool>,
    /// The last term whose leadership this node gave up by itself.
    pub(crate) handed_over: Arc<AtomicU64>,
    /// When its leader was last heard from, where that is another node.
    heard: Arc<Mutex<Option<Instant>>>,
    /// Linearizable moments, each for all who ask together.
    pub(crate) together: Arc<Together>,
}

impl Group {
    pub(crate) async fn open(
        id: GroupId,
        node: u64,
        config: &Config,
        store: &Store,
        peers: &Arc<Peers>,
        outlets: Outlets,
    ) -> Result<Self, StartError> {
        let raft_config = openraft::Config {
            cluster_name: format!("{}/{id}", config.cluster_name),
            heartbeat_interval: config.heartbeat_ms,
            election_timeout_min: config.election_min_ms,
            election_timeout_max: config.election_max_ms,
            enable_pre_vote: Some(true),
            // Without it a partial partition can keep the majority's side from electing (openraft 2080).
            quorum_loss_probe_interval: Some(2 * config.election_max_ms),
            install_snapshot_timeout: 30_000,
            replication_lag_threshold: config.log_rows_kept.max(50_000),
            snapshot_policy: SnapshotPolicy::Never,
            max_in_snapshot_log_to_keep: config.log_rows_kept,
            // Purging in batches costs less, but not more rows may stay than were asked for.
            purge_batch_size: config.log_rows_kept.clamp(1, 256),
            ..openraft::Config::default()
        }
        .validate()
        .map_err(|error| StartError::Config(format!("raft timings: {error}")))?;
        let leads = Arc::new(AtomicBool::new(false));
        let group = store.group(id);
        let sink = EffectSink {
            group: id,
            outlets,
            leads: leads.clone(),
        };
        let snapshots = config.data_dir.join("snapshots").join(id.to_string());
        std::fs::create_dir_all(&snapshots).map_err(StartError::io("creating a directory"))?;
        let machine = StateMachine::open(id, group.clone(), sink, snapshots)
            .map_err(StartError::io("reading what was applied"))?;
        let factory = Factory {
            group: id.0,
            peers: peers.clone(),
        };
        let raft = Raft::new(
            node,
            Arc::new(raft_config),
            factory,
            LogStore::new(group),
            machine,
        )
        .await
        .map_err(|error| StartError::Raft(error.to_string()))?;
        Ok(Self {
            id,
            raft,
            leads,
            handed_over: Arc::default(),
            heard: Arc::default(),
            together: Arc::default(),
        })
    }

    /// The members as this node has them; voters first known by formation, learners too.
    pub(crate) fn members(&self) -> BTreeMap<u64, Member> {
        let metrics = self.raft.server_metrics();
        let membership = metrics.borrow_watched().membership_config.clone();
        membership
            .membership()
            .nodes()
            .map(|(id, member)| (*id, member.clone()))
            .collect()
    }

    pub(crate) fn voters(&self) -> Vec<u64> {
        let metrics = self.raft.server_metrics();
        let membership = metrics.borrow_watched().membership_config.clone();
        membership.membership().voter_ids().collect()
    }

    pub(crate) fn leader(&self) -> Option<u64> {
        self.raft.server_metrics().borrow_watched().current_leader
    }

    /// The leader as this node knows it, and its term.
    pub(crate) fn leader_and_term(&self) -> Option<(u64, u64)> {
        let metrics = self.raft.server_metrics();
        let now = metrics.borrow_watched();
        Some((now.current_leader?, now.vote.leader_id.term))
    }

    /// Notes that its leader was heard from.
    pub(crate) fn hear(&self) {
        *self.heard.lock() = Some(Instant::now());
    }

    pub(crate) fn heard_within(&self, limit: Duration) -> bool {
        let heard = *self.heard.lock();
        heard.is_some_and(|at| at.elapsed() < limit)
    }

    /// Hands leadership to another voter. It may lead before this node's lease is over, so that this node's right to act
    /// ends here, before the other is told.
    pub(crate) async fn hand_to(&self, to: u64) -> Result<(), openraft::error::Fatal<TypeConfig>> {
        if let Ok(leader) = self.raft.as_leader() {
            self.handed_over.fetch_max(leader.term(), Ordering::SeqCst);
            self.raft.trigger().transfer_leader(to).await?;
        }
        Ok(())
    }

    /// Whether openraft has ended this group, which it does when its storage fails.
    pub(crate) fn has_ended(&self) -> bool {
        let metrics = self.raft.metrics();
        metrics.borrow_watched().running_state.is_err()
    }

    pub(crate) fn why_ended(&self) -> String {
        let metrics = self.raft.metrics();
        let now = metrics.borrow_watched();
        match &now.running_state {
            Ok(()) => "its task panicked".into(),
            Err(fatal) => fatal.to_string(),
        }
    }

    /// Tells `led` of this group whenever leadership comes or goes.
    pub(crate) async fn watch_leadership(self, led: Arc<watch::Sender<BTreeMap<GroupId, u64>>>) {
        let mut metrics = self.raft.server_metrics();
        loop {
            let term = {
                let now = metrics.borrow_watched();
                (now.state == ServerState::Leader).then_some(now.vote.leader_id.term)
            };
            self.leads.store(term.is_some(), Ordering::Relaxed);
            led.send_if_modified(|led| match term {
                Some(term) => led.insert(self.id, term) != Some(term),
                None => led.remove(&self.id).is_some(),
            });
            if metrics.changed().await.is_err() {
                self.leads.store(false, Ordering::Relaxed);
                led.send_if_modified(|led| led.remove(&self.id).is_some());
                return;
            }
        }
    }
}
