//! What the nodes of a cluster share of their destinations' paces: the homes that this node is, and what its lanes have
//! to say to the homes of others. Every decision is `model`'s.

mod homes;
mod post;

use crate::{gateway::Gateway, peer::Question, world};
use homes::Homes;
use model::{
    catalog::{Catalogs, Destination},
    delivery::{ASKS_MAX, Ask, Holding, Input, Limit, Pace, Reply, Statement, home_of},
    ids::{DestinationId, GroupId, NodeId},
};
use parking_lot::Mutex;
use post::Post;
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};
use tokio::sync::mpsc;

/// How often it is looked whether leaders changed, and homes forget what is of no interest any more.
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
    catalog: Option<Arc<Catalogs>>,
    paced: BTreeSet<GroupId>,
}

impl Pacing {
    /// Starts to carry what this node has to say. Must run within an actix system.
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
        for post in pacing.posts.values() {
            actix_rt::spawn(post.clone().run(Arc::downgrade(&pacing)));
        }
        pacing.look(&pacing.gateway.catalog());
        pacing
    }

    /// This node leads these groups now, in these terms.
    pub(super) fn lead(&self, led: &BTreeMap<GroupId, u64>) {
        self.homes.lead(led, world::steady());
    }

    /// Forgets what is of no interest any more.
    pub(super) fn tidy(&self) {
        self.homes.forget(&self.gateway, world::steady());
    }

    /// Takes note of a catalog. Only one with other destinations makes a difference.
    pub(super) fn look(&self, catalog: &Arc<Catalogs>) {
        let mut seen = self.seen.lock();
        let known = seen.catalog.as_ref();
        if known.is_some_and(|known| known.has_destinations_of(catalog)) {
            return;
        }
        let partitions = self.gateway.cluster.partitions();
        let is_paced = |destination: &&Arc<Destination>| {
            pace_of(&self.gateway, Some(destination)).limit != Limit::None
        };
        let destinations = catalog
            .all()
            .flat_map(|of_one| of_one.destinations.values());
        seen.paced = destinations
            .filter(is_paced)
            .map(|destination| home_of(destination.id, partitions))
            .collect();
        seen.catalog = Some(catalog.clone());
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
        let leader = self.gateway.cluster.leader_and_term(group);
        leader.map(|(_, term)| term)
    }

    /// Answers a node as the home of a partition's destinations. None: this node is not that now.
    pub(super) fn answer(
        &self,
        group: GroupId,
        from: NodeId,
        statement: &Statement,
    ) -> Option<Reply> {
        if statement.asks.len() > ASKS_MAX {
            tracing::warn!(from, asks = statement.asks.len(), "too many asks at once");
            return None;
        }
        self.homes
            .answer(&self.gateway, group, from, statement, world::steady())
    }

    /// Carries a statement to the home of these destinations. None: no home, or no answer.
    async fn carry(&self, group: GroupId, statement: &Statement) -> Option<Reply> {
        let cluster = &self.gateway.cluster;
        let (home, from) = (cluster.leader(group)?, cluster.node_id());
        if home == from {
            return self.answer(group, from, statement);
        }
        let statement = statement.clone();
        let question = Question::Pacing {
            group,
            from,
            statement,
        };
        question.put(cluster, home, post::PATIENCE).await.ok()
    }
}

/// What a destination bears, by this node's configuration.
pub(super) fn pace_of(gateway: &Gateway, destination: Option<&Destination>) -> Pace {
    let delivery = &gateway.config.delivery;
    let own_ms = destination.and_then(|destination| destination.timeout_ms);
    let limit_ms = own_ms.map_or(delivery.timeout_ms, u64::from);
    let attempt_ms = limit_ms.saturating_add(ATTEMPT_SLACK_MS);
    let attempt_ms = u32::try_from(attempt_ms).unwrap_or(u32::MAX);
    destination.map_or(Pace::unpaced(delivery.window), |destination| {
        Pace::of(destination, delivery.window, attempt_ms)
    })
}
