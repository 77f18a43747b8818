//! Bodies, wherever in their group they are: read here, or else fetched from a member that has them, checked, and kept.

use crate::{
    cluster::{Cluster, Inner},
    network::{Answer, Call, Lane},
    state_machine::read_applied,
};
use bytes::Bytes;
use model::{envelope::PayloadRef, ids::GroupId};
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};
use tokio::sync::Semaphore;

/// Bodies that this node fetches, or gives away, at once: each may take some ten megabytes of memory.
const FETCHES_MAX: usize = 4;
/// How long one member may take to give one.
const PATIENCE: Duration = Duration::from_secs(10);
/// A body that could not be had is asked for again after so long, then after twice as long, …
const FIRST_PAUSE: Duration = Duration::from_millis(500);
/// … and at last every so often.
const LAST_PAUSE: Duration = Duration::from_secs(15);
/// What nobody has asked for in so long is not waited for any more: its event went another way.
const FORGOTTEN: Duration = Duration::from_secs(60);
/// Bodies whose back-off is remembered. Those beyond it are asked for whenever they are wanted.
const REMEMBERED_MAX: usize = 100_000;

/// The result of looking a body up, here and at the group's other members.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Body {
    Here(Bytes),
    /// It is not here, and not every member of the group has said that it has none either.
    Away {
        /// Asking earlier asks nobody.
        ask_again_in: Duration,
    },
    /// No member of the group has it.
    Lost,
}

/// Counts of bodies that this node has lacked, though its rows refer to them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BodiesStatus {
    /// Wanted here lately, and not to be had from any member that answers. More than none is an alarm.
    pub missing: usize,
    /// Fetched from other members since the start.
    pub fetched: u64,
    /// Found damaged on this node's disk since the start.
    pub damaged: u64,
    /// No member of their group had, since the start.
    pub lost: u64,
}

pub(crate) struct Bodies {
    permits: Semaphore,
    given: Semaphore,
    missing: Mutex<HashMap<(GroupId, PayloadRef), Missing>>,
    fetched: AtomicU64,
    damaged: AtomicU64,
    lost: AtomicU64,
}

/// A body that could not be had.
struct Missing {
    pause: Duration,
    next_at: Instant,
    wanted_at: Instant,
}

impl Default for Bodies {
    fn default() -> Self {
        Self {
            permits: Semaphore::new(FETCHES_MAX),
            given: Semaphore::new(FETCHES_MAX),
            missing: Mutex::default(),
            fetched: AtomicU64::default(),
            damaged: AtomicU64::default(),
            lost: AtomicU64::default(),
        }
    }
}

impl Bodies {
    pub(crate) fn status(&self) -> BodiesStatus {
        let mut missing = self.missing.lock();
        missing.retain(|_, missing| missing.wanted_at.elapsed() < FORGOTTEN);
        BodiesStatus {
            missing: missing.len(),
            fetched: self.fetched.load(Ordering::Relaxed),
            damaged: self.damaged.load(Ordering::Relaxed),
            lost: self.lost.load(Ordering::Relaxed),
        }
    }

    /// How long nobody is to be asked for it, after a try that came to nothing.
    fn pause(&self, at: (GroupId, PayloadRef)) -> Option<Duration> {
        let now = Instant::now();
        let mut missing = self.missing.lock();
        let known = missing.get_mut(&at)?;
        known.wanted_at = now;
        let left = known.next_at.saturating_duration_since(now);
        (!left.is_zero()).then_some(left)
    }

    fn is_away(&self, at: (GroupId, PayloadRef)) -> Body {
        let now = Instant::now();
        let mut missing = self.missing.lock();
        let known = missing.get(&at);
        let pause = known.map_or(FIRST_PAUSE, |known| (known.pause * 2).min(LAST_PAUSE));
        if known.is_none() {
            tracing::warn!(group = %at.0, body = ?at.1, "a body is not here, and no member that answers has it");
        }
        if known.is_some() || missing.len() < REMEMBERED_MAX {
            let next_at = now + pause;
            let wanted_at = now;
            missing.insert(
                at,
                Missing {
                    pause,
                    next_at,
                    wanted_at,
                },
            );
        }
        Body::Away {
            ask_again_in: pause,
        }
    }

    fn is_no_longer_missing(&self, at: (GroupId, PayloadRef)) {
        self.missing.lock().remove(&at);
    }
}

/// How a body stands on this node's disk.
enum Local {
    Here(Bytes),
    Missing,
    Damaged(String),
    /// The disk does not say. It may be here all the same.
    Unreadable(String),
}

impl Cluster {
    /// A body that a state row refers to: this node's own, or else that of a member of its group that has it, which is
    /// kept here then. While it is nowhere to be had, members are asked less and less often.
    pub async fn body(&self, group: GroupId, at: PayloadRef) -> Body {
        let inner = self.inner.clone();
        // On the cluster's own threads: connections that are made on the way must outlive who asks.
        let finding = self.inner.runtime.spawn(inner.find_body(group, at));
        let away = Body::Away {
            ask_again_in: FIRST_PAUSE,
        };
        finding.await.unwrap_or(away)
    }

    /// Looks a body up from a thread that may wait.
    ///
    /// # Panics
    /// Where waiting is not allowed: on a thread that carries futures.
    #[must_use]
    pub fn body_blocking(&self, group: GroupId, at: PayloadRef) -> Body {
        self.inner.runtime.block_on(self.body(group, at))
    }
}

impl Inner {
    async fn find_body(self: Arc<Self>, group: GroupId, at: PayloadRef) -> Body {
        let local = self.local_body(group, at).await;
        if let Local::Here(body) = local {
            self.bodies.is_no_longer_missing((group, at));
            return Body::Here(body);
        }
        if let Some(ask_again_in) = self.bodies.pause((group, at)) {
            return Body::Away { ask_again_in };
        }
        match &local {
            Local::Here(_) | Local::Missing => {}
            Local::Damaged(error) => {
                self.bodies.damaged.fetch_add(1, Ordering::Relaxed);
                tracing::error!(%group, body = ?at, error, "a body is damaged on this disk");
            }
            Local::Unreadable(error) => {
                tracing::error!(%group, body = ?at, error, "a body can't be read here");
            }
        }
        match self.fetch(group, at).await {
            Fetched::Body(body) => {
                self.bodies.fetched.fetch_add(1, Ordering::Relaxed);
                tracing::warn!(%group, body = ?at, "a body was not here and was fetched from another node");
                self.bodies.is_no_longer_missing((group, at));
                Body::Here(body)
            }
            Fetched::NobodyHasIt if !matches!(local, Local::Unreadable(_)) => {
                self.bodies.lost.fetch_add(1, Ordering::Relaxed);
                tracing::error!(%group, body = ?at, "no member of its group has this body");
                self.bodies.is_no_longer_missing((group, at));
                Body::Lost
            }
            Fetched::NobodyHasIt | Fetched::NotAllAnswered => self.bodies.is_away((group, at)),
        }
    }

    async fn local_body(&self, group: GroupId, at: PayloadRef) -> Local {
        let store = self.store.group(group);
        match tokio::task::spawn_blocking(move || store.payload(&at)).await {
            Ok(Ok(Some(body))) => Local::Here(body),
            Ok(Ok(None)) => Local::Missing,
            Ok(Err(error)) if error.is_damage() => Local::Damaged(error.to_string()),
            Ok(Err(error)) => Local::Unreadable(error.to_string()),
            Err(error) => Local::Unreadable(error.to_string()),
        }
    }

    /// Asks the other members of the group, one after the other, those first that are known to be up.
    async fn fetch(&self, id: GroupId, at: PayloadRef) -> Fetched {
        let Some(group) = self.group(id) else {
            return Fetched::NotAllAnswered;
        };
        let Ok(_permit) = self.bodies.permits.acquire().await else {
            return Fetched::NotAllAnswered;
        };
        let me = self.node();
        let members = group.members();
        // Who is no member yet, or no more, does not know who else is.
        let mut all_answered = members.contains_key(&me);
        let mut others: Vec<_> = members.keys().copied().filter(|node| *node != me).collect();
        others.sort_by_key(|node| !self.is_up(*node));
        for node in others {
            match self.fetch_from(node, id, at).await {
                Some(Some(body)) => return Fetched::Body(body),
                Some(None) => {}
                None => all_answered = false,
            }
        }
        match all_answered {
            true => Fetched::NobodyHasIt,
            false => Fetched::NotAllAnswered,
        }
    }

    /// What one member has. None: it did not say.
    async fn fetch_from(&self, node: u64, group: GroupId, at: PayloadRef) -> Option<Option<Bytes>> {
        // Not in the way of heartbeats and proposals.
        let peer = self.peer(node, Lane::Snapshots)?;
        let answer = peer.call(Call::Body(group.0, at), PATIENCE).await;
        let sealed = match answer {
            Ok(Answer::Body(Some(sealed))) => sealed,
            Ok(Answer::Body(None)) => return Some(None),
            Ok(_) => return None,
            Err(error) => {
                tracing::debug!(node, %group, %error, "a body was not fetched from a node");
                return None;
            }
        };
        let store = self.store.group(group);
        let mending = tokio::task::spawn_blocking(move || store.mend_payload(&at, &sealed)).await;
        match mending {
            Ok(Ok(Some(body))) => Some(Some(body)),
            // Another body, or a store that takes nothing any more: neither says that there is none.
            other => {
                tracing::error!(node, %group, ?other, "a body that was fetched is not kept");
                None
            }
        }
    }

    /// Serves a body of this node's store to a node that lacks it.
    pub(crate) async fn give_body(&self, group: GroupId, at: PayloadRef) -> Result<Answer, String> {
        let store = self.store.group(group);
        let Ok(_permit) = self.bodies.given.acquire().await else {
            return Err("this node is stopping".into());
        };
        let reading = tokio::task::spawn_blocking(move || {
            // Before its entry is applied here, another one may stand in its place.
            let applied = read_applied(&store).map_err(|error| error.to_string())?;
            if applied.last.is_none_or(|last| last.index < at.index) {
                return Err("its entry is not applied here yet".into());
            }
            match store.sealed_payload(&at) {
                Ok(sealed) => Ok(Answer::Body(sealed)),
                Err(error) if error.is_damage() => Ok(Answer::Body(None)),
                Err(error) => Err(error.to_string()),
            }
        });
        reading.await.unwrap_or_else(|error| Err(error.to_string()))
    }
}

/// What the other members had.
enum Fetched {
    Body(Bytes),
    NobodyHasIt,
    NotAllAnswered,
}
