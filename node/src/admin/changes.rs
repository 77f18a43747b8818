//! Changes of the catalog: decided from one version of it, refused by the group if what they were decided from has changed
//! since, then decided anew. And how a change of anything else is proposed.

use super::{api_error::ApiError, freshness, manner::Manner};
use crate::{
    configure::{self, Decided},
    gateway::Gateway,
    world,
};
use model::{
    catalog::{Catalog, Item, Kind},
    ids::GroupId,
    machine::{Command, Reply, decode_reply},
    time::Timestamp,
};
use std::{collections::BTreeMap, str::FromStr, sync::Arc, time::Duration};
use tokio::time::Instant;

/// How long a change is decided anew when others keep changing the same.
const PATIENCE: Duration = Duration::from_secs(20);

/// What is to be written, and what is answered once it is.
#[derive(Debug)]
pub(super) struct Decision<T> {
    pub(super) put: Vec<Item>,
    pub(super) delete: Vec<(Kind, u128)>,
    pub(super) answer: T,
}

impl<T> Decision<T> {
    pub(super) fn put(put: Vec<Item>, answer: T) -> Self {
        Self {
            put,
            delete: Vec::new(),
            answer,
        }
    }

    pub(super) fn delete(kind: Kind, id: u128, answer: T) -> Self {
        Self {
            put: Vec::new(),
            delete: vec![(kind, id)],
            answer,
        }
    }
}

/// What was made of a thing that was there or not. A change that changes nothing is not written: `same_time` gives what was
/// made the time of the last change of what is kept.
pub(super) fn decided<T: Clone + PartialEq>(
    kept: Option<&T>,
    made: T,
    same_time: impl FnOnce(&mut T, &T),
    item: impl FnOnce(T) -> Item,
) -> Decision<T> {
    if let Some(kept) = kept {
        let mut dated = made.clone();
        same_time(&mut dated, kept);
        if dated == *kept {
            return Decision::put(Vec::new(), dated);
        }
    }
    Decision::put(vec![item(made.clone())], made)
}

/// What has this id among all `things`, each of which is `what`.
pub(super) fn known<'a, K: Ord + FromStr, T>(
    things: &'a BTreeMap<K, Arc<T>>,
    what: &str,
    id: &str,
) -> Result<&'a T, ApiError> {
    let found = id.parse().ok().and_then(|id| things.get(&id));
    found
        .map(AsRef::as_ref)
        .ok_or_else(|| ApiError::not_found(what, id))
}

/// Proposes a command that has no bodies. What it comes to is in the reply.
pub(super) async fn propose(
    gateway: &Gateway,
    group: GroupId,
    command: &Command<'_>,
) -> Result<Reply, ApiError> {
    let reply = gateway.propose(group, command).await?;
    Ok(decode_reply(&reply)?)
}

/// Makes one change of the catalog. `decide` may be called several times, each time with a newer catalog.
pub(super) async fn make<T>(
    gateway: &Gateway,
    decide: impl Fn(&Catalog, Timestamp) -> Result<Decision<T>, ApiError>,
) -> Result<T, ApiError> {
    // A change is always decided from the newest catalog, whatever the reader's consistency.
    let newest = Manner::default();
    let give_up = Instant::now() + PATIENCE;
    let mut turn = None;
    while Instant::now() < give_up {
        let catalog = freshness::catalog(gateway, &newest).await?;
        let now = world::now();
        let decision = decide(&catalog, now)?;
        if decision.put.is_empty() && decision.delete.is_empty() {
            return Ok(decision.answer);
        }
        let decided = Decided {
            from: &catalog,
            put: &decision.put,
            delete: &decision.delete,
        };
        if configure::propose(gateway, decided).await? {
            drop(turn);
            configure::make_known(gateway).await;
            return Ok(decision.answer);
        }
        // Others change the same. Those of this node take turns, in the order in which they came, so that only the first
        // of each node is left to be disturbed.
        if turn.is_none() {
            let waited = tokio::time::timeout_at(give_up, gateway.contended.lock()).await;
            turn = waited.ok();
        }
    }
    Err(ApiError::unavailable(
        "others keep changing the same things; nothing was changed, try again",
    ))
}
