//! What the nodes of a cluster share of their destinations' paces: the homes that this node is, and what its lanes have
//! to say to the homes of others. Every decision is `model`'s.

mod homes;
mod post;

use crate::{gateway::Gateway, world};
use bytes::Bytes;
use homes::Homes;
use model::{
    catalog::{Catalog, Destination},
    delivery::{Ask, Holding, Input, Pace, Reply, Statement, home_of},
    ids::{DestinationId, GroupId},
};
use parking_lot::Mutex;
use post::Post;
use raft::Asked;
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};
use tokio::sync::mpsc;

/// Registry of what nodes ask each other through `raft::Cluster::ask`. Append only.
const TOPIC_PACING: u16 = 1;
/// How often it is looked whether leaders or the catalog changed.
pub(super) const LOOK_EVERY: Duration = Duration::from_millis(250);
/// An attempt may outlive its timeout by so much, where the machine is busy.
const ATTEMPT_SLACK_MS: u64 = 2_000;

pub(super) struct Pacing {
    gateway: Arc<Gateway>,
    homes: Homes,
    posts: BTreeMap<GroupId, Arc<Post>>,
    seen: Mutex<Seen>,
}

/// The catalog as it was last looked at, and the partitions that are homes of paced destinations in it.
#[derive(Default)]
struct Seen {
    catalog: Option<Arc<Catalog>>,
    paced: BTreeSet<GroupId>,
}

impl Pacing {
    /// Starts to answer other nodes and to carry what this one has to say. Must run within an actix system.
    pub(super) fn start(gateway: Arc<Gateway>) -> Arc<Self> {
        let (boot, started) = (world::entropy() as u64, world::steady());
        let groups = gateway.cluster.groups();
        let posts = groups
            .filter(|group| *group != GroupId::CONTROL)
            .map(|group| (group, Arc::new(Post::new(group, boot, started))))
            .collect();
        let pacing = Arc::new(Self {
            homes: Homes::default(),
            posts,
            seen: Mutex::default(),
            gateway,
        });
        // It must not keep alive what it hangs on.
        let weak = Arc::downgrade(&pacing);
        pacing.gateway.cluster.answer_with(Arc::new(move |asked| {
            let pacing = weak.upgrade()?;
            pacing.asked(&asked)
        }));
        for post in pacing.posts.values() {
            actix_rt::spawn(post.clone().run(Arc::downgrade(&pacing)));
        }
        pacing.look();
        pacing
    }

    /// This node leads these groups now, in these terms.
    pub(super) fn lead(&self, led: &BTreeMap<GroupId, u64>) {
        self.homes.lead(led, world::steady());
    }

    /// Looks whether the catalog changed since the last time.
    pub(super) fn look(&self) -> bool {
        let catalog = self.gateway.catalog();
        self.homes.forget(&self.gateway, world::steady());
        let mut seen = self.seen.lock();
        if seen
            .catalog
            .as_ref()
            .is_some_and(|last| Arc::ptr_eq(last, &catalog))
        {
            return false;
        }
        let partitions = self.gateway.cluster.partitions();
        let paced = catalog.destinations.values();
        seen.paced = paced
            .filter(|destination| destination.rate_limit.is_some())
            .map(|destination| home_of(destination.id, partitions))
            .collect();
        seen.catalog = Some(catalog);
        true
    }

    /// A lane comes up and hears its answers here.
    pub(super) fn enter(&self, id: DestinationId, messages: mpsc::Sender<Input>) {
        if let Some(post) = self.post_of(id) {
            post.enter(id, messages);
        }
    }

    /// A lane goes.
    pub(super) fn leave(&self, id: DestinationId) {
        if let Some(post) = self.post_of(id) {
            post.leave(id);
        }
    }

    /// What a lane has, whenever that changes, and what it asks, if it does.
    pub(super) fn note(&self, id: DestinationId, holding: Holding, ask: Option<Ask>) {
        if let Some(post) = self.post_of(id) {
            post.note(id, holding, ask);
        }
    }

    fn post_of(&self, id: DestinationId) -> Option<&Arc<Post>> {
        self.posts
            .get(&home_of(id, self.gateway.cluster.partitions()))
    }

    /// The term of the home of a partition's destinations, where that has any that are paced.
    fn home_term(&self, group: GroupId) -> Option<u64> {
        if !self.seen.lock().paced.contains(&group) {
            return None;
        }
        self.gateway.cluster.leader(group).map(|(_, term)| term)
    }

    fn asked(&self, asked: &Asked) -> Option<Bytes> {
        if asked.topic != TOPIC_PACING {
            return None;
        }
        let statement = Statement::decode(&asked.bytes)
            .inspect_err(|error| tracing::warn!(from = asked.from, %error, "not understood"))
            .ok()?;
        let now = world::steady();
        let reply = self
            .homes
            .answer(&self.gateway, asked.group, asked.from, &statement, now)?;
        Some(reply.encode().into())
    }

    /// Carries a statement to the home of these destinations. None: no home, or no answer.
    async fn carry(&self, group: GroupId, statement: &Statement) -> Option<Reply> {
        let cluster = &self.gateway.cluster;
        let me = cluster.node_id();
        if cluster
            .leader(group)
            .is_some_and(|(leader, _)| leader == me)
        {
            let now = world::steady();
            return self.homes.answer(&self.gateway, group, me, statement, now);
        }
        let bytes = Bytes::from(statement.encode());
        let told = cluster
            .ask(group, TOPIC_PACING, bytes, post::PATIENCE)
            .await;
        Reply::decode(&told.ok()?).ok()
    }
}

/// What a destination bears, by this node's configuration.
pub(super) fn pace_of(gateway: &Gateway, destination: Option<&Destination>) -> Pace {
    let delivery = &gateway.config.delivery;
    let attempt_ms = delivery.timeout_ms.saturating_add(ATTEMPT_SLACK_MS);
    let attempt_ms = u32::try_from(attempt_ms).unwrap_or(u32::MAX);
    destination.map_or(Pace::unpaced(delivery.window), |destination| {
        Pace::of(destination, delivery.window, attempt_ms)
    })
}
