//! The handle that everyone else sees, and what stands behind it.

use crate::{
    Clock, Entropy,
    belief::Believing,
    bodies::Bodies,
    config::{Config, Environment},
    effects::{Hint, News, Outlets},
    error::StartError,
    fate::Fate,
    formation,
    group::Group,
    identity,
    network::{self, Dialler, Identity, Peers, Refused},
    pulse::{Peer, Regard},
    reading::View,
    state_machine::read_applied,
    types::Member,
};
use bytes::Bytes;
use futures::future::BoxFuture;
use model::{envelope::PayloadRef, ids::GroupId, machine::LeaderEffect};
use parking_lot::{Mutex, RwLock};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, OnceLock, atomic::AtomicU64},
    time::Duration,
};
use storage::{PinnedView, Store};
use tokio::{
    sync::{Notify, broadcast, mpsc, watch},
    task::JoinSet,
};

/// A term of leadership: this node may act for a group while its lease of this term holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Leadership {
    pub term: u64,
}

/// Answers a question of another node, in bytes that both sides' actors understand. None: it can't.
pub type Answering = Arc<dyn Fn(Bytes) -> BoxFuture<'static, Option<Bytes>> + Send + Sync>;

#[derive(Clone)]
pub struct Cluster {
    pub(crate) inner: Arc<Inner>,
}

pub(crate) struct Inner {
    pub(crate) config: Config,
    pub(crate) store: Store,
    pub(crate) peers: Arc<Peers>,
    pub(crate) me: Arc<RwLock<Identity>>,
    pub(crate) entropy: Entropy,
    pub(crate) clock: Arc<Clock>,
    pub(crate) counters: Arc<network::Counters>,
    /// Set once this node has its id.
    pub(crate) groups: OnceLock<Vec<Group>>,
    /// The control group's membership as this node has it.
    pub(crate) members: RwLock<BTreeMap<u64, Member>>,
    /// Members through which an admin asked this node to join, while it waited.
    pub(crate) invited: watch::Sender<Vec<String>>,
    /// What the other members answered lately.
    pub(crate) peers_known: RwLock<BTreeMap<u64, Peer>>,
    /// The voters as of the last round of asking: they are looked for with every proposal.
    pub(crate) voters_known: RwLock<Vec<u64>>,
    /// What they make of this node's time.
    pub(crate) regard: RwLock<Regard>,
    /// What is believed of it when it is about forgetting.
    pub(crate) believing: Mutex<Option<Believing>>,
    /// Rounds of asking the others, and a wish for one at once.
    pub(crate) rounds: watch::Sender<u64>,
    pub(crate) nudge: Notify,
    /// Proposals that were refused here for a time in them that was not this leader's.
    pub(crate) untimely: AtomicU64,
    pub(crate) led: Arc<watch::Sender<BTreeMap<GroupId, u64>>>,
    pub(crate) progress: watch::Sender<String>,
    pub(crate) draining: std::sync::atomic::AtomicBool,
    /// Who answers what other nodes ask of this one's actors.
    pub(crate) answering: RwLock<Option<Answering>>,
    pub(crate) bodies: Bodies,
    /// Groups whose members hear nothing of each other, for tests.
    pub(crate) muted: RwLock<BTreeSet<GroupId>>,
    /// Groups that live on other nodes only, for tests, and the members that are read instead.
    pub(crate) elsewhere: RwLock<BTreeSet<GroupId>>,
    pub(crate) readers: RwLock<BTreeMap<GroupId, u64>>,
    /// The threads that carry Raft.
    pub(crate) runtime: tokio::runtime::Handle,
    hints: Mutex<Option<mpsc::Receiver<Hint>>>,
    outlets: Outlets,
    pub(crate) tasks: Mutex<JoinSet<()>>,
    pub(crate) fate: Arc<Fate>,
}

impl Inner {
    /// The parts of a node that are there before it takes part in anything.
    fn new(
        config: Config,
        environment: Environment,
        store: Store,
        stored: &identity::Stored,
        fate: Arc<Fate>,
    ) -> Result<Arc<Self>, StartError> {
        let me = Arc::new(RwLock::new(Identity {
            cluster: stored.cluster.clone(),
            node: stored.node,
            incarnation: stored.incarnation,
        }));
        let wrapping = network::Wrapping::new(config.encrypt_peers)
            .map_err(StartError::io("preparing TLS"))?;
        let peers = Arc::new(Peers::new(Arc::new(Dialler {
            wrapping,
            secret: config.secret.clone(),
            me: me.clone(),
            entropy: environment.entropy.clone(),
            blocked: RwLock::default(),
        })));
        let (outlets, hints) = Outlets::new();
        Ok(Arc::new(Self {
            config,
            store,
            peers,
            me,
            entropy: environment.entropy,
            clock: environment.clock,
            counters: Arc::default(),
            groups: OnceLock::new(),
            members: RwLock::default(),
            invited: watch::channel(Vec::new()).0,
            peers_known: RwLock::default(),
            voters_known: RwLock::default(),
            regard: RwLock::default(),
            believing: Mutex::default(),
            rounds: watch::channel(0).0,
            nudge: Notify::new(),
            untimely: AtomicU64::new(0),
            led: Arc::new(watch::channel(BTreeMap::new()).0),
            progress: watch::channel("starting".to_owned()).0,
            draining: false.into(),
            answering: RwLock::default(),
            bodies: Bodies::default(),
            muted: RwLock::default(),
            elsewhere: RwLock::default(),
            readers: RwLock::default(),
            runtime: tokio::runtime::Handle::current(),
            hints: Mutex::new(Some(hints)),
            outlets,
            tasks: Mutex::default(),
            fate,
        }))
    }
}

impl Cluster {
    /// Opens the store, listens for peers, and forms, joins or rejoins the cluster. Must run on the runtime that is to
    /// carry Raft.
    ///
    /// # Errors
    /// When the node can't or must not take part.
    pub async fn start(config: Config, environment: Environment) -> Result<Self, StartError> {
        let path = config.data_dir.join("db");
        std::fs::create_dir_all(&path).map_err(StartError::io("creating the data directory"))?;
        let fate = Fate::new(config.storage.on_fatal.clone());
        let told = fate.clone();
        let options = storage::Options {
            on_fatal: Arc::new(move |reason: &str| told.end(reason)),
            ..config.storage.clone()
        };
        let store = Store::open(&path, options)?;
        let stored = identity::load(&store, &config.cluster_name, (environment.entropy)())?;
        let listener = tokio::net::TcpListener::bind(config.listen)
            .await
            .map_err(StartError::io("listening for peers"))?;
        let inner = Inner::new(config, environment, store, &stored, fate)?;
        inner.fate.of(&inner);
        inner.clock.set_bound_ms(inner.config.max_clock_skew_ms);
        inner.listen(listener);
        let part = formation::take_part(&inner, stored).await;
        match (part, inner.fate.why()) {
            (Err(_), Some(why)) => return Err(StartError::Untrusted(why.to_owned())),
            (Err(error), None) => {
                // Its place, its port and its directory are for whoever tries again.
                let mut tasks = std::mem::take(&mut *inner.tasks.lock());
                tasks.shutdown().await;
                inner.close().await;
                return Err(error);
            }
            (Ok(()), _) => {}
        }
        let cluster = Self { inner };
        let mending = cluster.clone().keep_time_mended();
        cluster.inner.spawn(mending);
        Ok(cluster)
    }

    #[must_use]
    pub fn node_id(&self) -> u64 {
        self.inner.node()
    }

    /// Data groups.
    #[must_use]
    pub fn partitions(&self) -> u16 {
        u16::try_from(self.inner.groups().len().saturating_sub(1)).unwrap_or(u16::MAX)
    }

    /// The control group and all data groups.
    pub fn groups(&self) -> impl Iterator<Item = GroupId> + use<> {
        (0..=self.partitions()).map(GroupId)
    }

    /// All data groups.
    pub fn data_groups(&self) -> impl Iterator<Item = GroupId> + use<> {
        (1..=self.partitions()).map(GroupId)
    }

    /// The data groups that this node may act for right now. Each is asked when its turn comes, so a long walk leaves out
    /// what was lost on the way.
    pub fn led(&self) -> impl Iterator<Item = GroupId> {
        self.data_groups()
            .filter(|group| self.leads(*group).is_some())
    }

    /// Lets `read` see one moment of this node's replica of a group.
    ///
    /// # Panics
    /// When the cluster has no such group.
    pub fn pinned<T>(&self, group: GroupId, read: impl FnOnce(&PinnedView<'_>) -> T) -> T {
        self.inner.store.group(group).pinned(read)
    }

    /// A body that a state row refers to, if it is on this node's disk. [`Self::body`] finds it elsewhere, too. Of a group
    /// that lives on other nodes only, a member is asked, which blocks.
    ///
    /// # Errors
    /// When the disk can't be read or the body is damaged.
    pub fn payload(
        &self,
        group: GroupId,
        at: &PayloadRef,
    ) -> Result<Option<Bytes>, storage::Error> {
        match self.view(group) {
            View::Here(_) => self.inner.store.group(group).payload(at),
            View::There(remote) => Ok(remote.body(*at)),
        }
    }

    /// The index up to which this node has applied a group's log.
    #[must_use]
    pub fn applied_index(&self, group: GroupId) -> u64 {
        read_applied(&self.inner.store.group(group))
            .ok()
            .and_then(|applied| applied.last)
            .map_or(0, |last| last.index)
    }

    /// The leadership of a group, if this node may act by it: it leads, its lease holds, it has applied everything of
    /// earlier terms, and a majority vouches for its time.
    #[must_use]
    pub fn leads(&self, group: GroupId) -> Option<Leadership> {
        if self.inner.fate.ended() {
            return None;
        }
        let leadership = self.inner.group(group)?.leadership(self.inner.lease())?;
        self.inner.time_is_vouched().then_some(leadership)
    }

    /// The fence: asked right before each send.
    #[must_use]
    pub fn may_send(&self, group: GroupId, term: u64) -> bool {
        self.leads(group) == Some(Leadership { term })
    }

    /// The groups led here and their terms, as they change. Leading is not yet the right to act: ask [`Self::leads`].
    #[must_use]
    pub fn leadership(&self) -> watch::Receiver<BTreeMap<GroupId, u64>> {
        self.inner.led.subscribe()
    }

    /// The leader of a group, as far as this node knows.
    #[must_use]
    pub fn leader(&self, group: GroupId) -> Option<u64> {
        self.inner.group(group)?.leader()
    }

    /// The leader of a group and its term, as far as this node knows.
    #[must_use]
    pub fn leader_and_term(&self, group: GroupId) -> Option<(u64, u64)> {
        self.inner.group(group)?.leader_and_term()
    }

    /// The members of the cluster as this node knows them.
    #[must_use]
    pub fn members(&self) -> BTreeMap<u64, Member> {
        self.inner.members.read().clone()
    }

    /// The stream of hints from applied commands to the leader's actors. There is one receiver; who comes later gets
    /// none.
    #[must_use]
    pub fn effects(&self) -> Option<mpsc::Receiver<(GroupId, LeaderEffect)>> {
        self.inner.hints.lock().take()
    }

    /// A subscription to what this node hears of its replicas from now on, whether it leads or not. Who falls far
    /// behind is told so and has to read the state anew, and so has everybody after a snapshot.
    #[must_use]
    pub fn news(&self) -> broadcast::Receiver<News> {
        self.inner.outlets.news()
    }

    /// Runs something on the threads that carry Raft, until the cluster is shut down.
    pub fn run(&self, task: impl Future<Output = ()> + Send + 'static) {
        let mut tasks = self.inner.tasks.lock();
        tasks.spawn_on(task, &self.inner.runtime);
    }

    /// The progress of the start, in words: what the node is waiting for.
    #[must_use]
    pub fn progress(&self) -> watch::Receiver<String> {
        self.inner.progress.subscribe()
    }

    /// Counts of what the peer listener refused.
    #[must_use]
    pub fn refused(&self) -> Refused {
        self.inner.counters.read()
    }

    /// Bytes that the store takes on disk.
    #[must_use]
    pub fn disk_usage(&self) -> u64 {
        self.inner.store.disk_usage().unwrap_or(0)
    }

    /// The result of scrubbing: looking for damage in the store.
    #[must_use]
    pub fn scrubbed(&self) -> storage::Scrubbed {
        self.inner.store.scrubbed()
    }

    /// Drops all traffic to and from these nodes: a partition, for tests. Release builds don't have it.
    #[cfg(debug_assertions)]
    pub fn block_peers(&self, nodes: BTreeSet<u64>) {
        *self.inner.peers.dialler.blocked.write() = nodes;
    }

    /// This node takes no part in these groups as long as they are named: it hears neither their leaders nor their
    /// candidates. Where a majority does so, they have no leader while all others have one. For tests, as above.
    #[cfg(debug_assertions)]
    pub fn mute_groups(&self, groups: BTreeSet<GroupId>) {
        *self.inner.muted.write() = groups;
    }

    /// Hands leadership over where it can, stops Raft and closes the store.
    pub async fn shutdown(&self) {
        self.inner.hand_over(Duration::from_secs(3)).await;
        self.inner.keep_time();
        self.inner.tasks.lock().abort_all();
        self.inner.close().await;
    }
}

impl Inner {
    pub(crate) fn node(&self) -> u64 {
        self.me.read().node
    }

    /// Stops Raft and closes the store.
    async fn close(&self) {
        for group in self.groups() {
            if let Err(error) = group.raft.shutdown().await {
                tracing::warn!(group = %group.id, %error, "group not shut down cleanly");
            }
        }
        let store = self.store.clone();
        let closed = tokio::task::spawn_blocking(move || store.close()).await;
        if let Err(error) = closed {
            tracing::error!(%error, "store not closed cleanly");
        }
    }

    pub(crate) fn groups(&self) -> &[Group] {
        self.groups.get().map_or(&[], Vec::as_slice)
    }

    pub(crate) fn group(&self, id: GroupId) -> Option<&Group> {
        self.groups().get(usize::from(id.0))
    }

    pub(crate) fn lease(&self) -> Duration {
        Duration::from_millis(self.config.election_max_ms)
    }

    pub(crate) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        self.tasks.lock().spawn(task);
    }

    pub(crate) fn report(&self, progress: String) {
        tracing::info!("{progress}");
        self.progress.send_replace(progress);
    }

    /// Opens every group once this node knows its id.
    pub(crate) async fn open_groups(self: &Arc<Self>, partitions: u16) -> Result<(), StartError> {
        let node = self.node();
        let mut groups = Vec::new();
        for id in 0..=partitions {
            groups.push(
                Group::open(
                    GroupId(id),
                    node,
                    &self.config,
                    &self.store,
                    &self.peers,
                    self.outlets.clone(),
                )
                .await?,
            );
        }
        for group in &groups {
            let (group, led) = (group.clone(), self.led.clone());
            self.spawn(self.clone().watch(group, led));
        }
        if let Some(control) = groups.first() {
            // What it tells of itself before it has answered once is nothing: a node that takes that for "never formed"
            // waits for all others, who may be waiting for it.
            let answered = control.raft.is_initialized().await;
            answered.map_err(|error| StartError::Raft(error.to_string()))?;
            *self.members.write() = control.members();
        }
        if self.groups.set(groups).is_err() {
            return Err(StartError::Raft("the groups were opened twice".into()));
        }
        self.begin_to_believe()?;
        self.spawn(self.clone().watch_members());
        self.spawn(self.clone().watch_peers());
        self.spawn(self.clone().keep_snapshots());
        self.spawn(self.clone().keep_leaders_spread());
        Ok(())
    }

    /// Follows a group's leadership. A group that ended while the node did not stop takes the node with it: nothing of it
    /// would be accepted, applied or delivered here any more.
    async fn watch(self: Arc<Self>, group: Group, led: Arc<watch::Sender<BTreeMap<GroupId, u64>>>) {
        group.clone().watch_leadership(led).await;
        if !self.draining.load(std::sync::atomic::Ordering::Relaxed) {
            self.fate
                .end(&format!("group {} ended: {}", group.id, group.why_ended()));
        }
    }

    async fn watch_members(self: Arc<Self>) {
        let Some(control) = self.groups().first() else {
            return;
        };
        let mut metrics = control.raft.server_metrics();
        loop {
            let members = control.members();
            if *self.members.read() != members {
                *self.members.write() = members;
            }
            use openraft::async_runtime::watch::WatchReceiver;
            if metrics.changed().await.is_err() {
                return;
            }
        }
    }

    fn listen(self: &Arc<Self>, listener: tokio::net::TcpListener) {
        let shared = network::Listener {
            wrapping: self.peers.dialler.wrapping.clone(),
            secret: self.config.secret.clone(),
            other_secret: self.config.other_secret.clone(),
            me: self.me.clone(),
            entropy: self.entropy.clone(),
            counters: self.counters.clone(),
            handler: self.clone(),
        };
        self.spawn(network::serve(listener, Arc::new(shared)));
    }
}
