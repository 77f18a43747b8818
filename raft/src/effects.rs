//! The ways out of effects of applied commands: hints to the leader's actors, and what every node hears.

use model::{
    ids::GroupId,
    machine::{LeaderEffect, NodeEffect},
};
use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};
use tokio::sync::{broadcast, mpsc};

/// Hints that may wait for the node's actors; what is beyond is found by the sweep.
const HINTS: usize = 8192;
/// News that a listener may fall behind by. One that falls further is told so, and reads the state anew.
const NEWS: usize = 1024;

/// An event of this node's own replica of a group, which every node hears, leader or not.
#[derive(Clone, Debug)]
pub enum News {
    /// A command was applied that has this to tell.
    Applied(GroupId, Arc<NodeEffect>),
    /// A snapshot took the place of the group's state.
    Replaced(GroupId),
}

pub(crate) type Hint = (GroupId, LeaderEffect);

/// The ways out of all groups of this node.
#[derive(Clone)]
pub(crate) struct Outlets {
    hints: mpsc::Sender<Hint>,
    news: broadcast::Sender<News>,
}

impl Outlets {
    pub(crate) fn new() -> (Self, mpsc::Receiver<Hint>) {
        let (hints, receiver) = mpsc::channel(HINTS);
        let (news, _) = broadcast::channel(NEWS);
        (Self { hints, news }, receiver)
    }

    pub(crate) fn news(&self) -> broadcast::Receiver<News> {
        self.news.subscribe()
    }
}

/// The way out of one group.
#[derive(Clone)]
pub(crate) struct EffectSink {
    pub(crate) group: GroupId,
    pub(crate) outlets: Outlets,
    pub(crate) leads: Arc<AtomicBool>,
}

impl EffectSink {
    /// Only a leader's hints are sent, and a full channel drops them.
    pub(crate) fn hint(&self, hints: impl IntoIterator<Item = LeaderEffect>) {
        if !self.leads.load(Ordering::Relaxed) {
            return;
        }
        for hint in hints {
            if self.outlets.hints.try_send((self.group, hint)).is_err() {
                return;
            }
        }
    }

    /// Tells whoever listens on this node. Nobody may.
    pub(crate) fn tell(&self, effect: NodeEffect) {
        let news = News::Applied(self.group, Arc::new(effect));
        let _ = self.outlets.news.send(news);
    }

    /// Tells that the state is another one.
    pub(crate) fn replaced(&self) {
        let _ = self.outlets.news.send(News::Replaced(self.group));
    }
}
