//! Changes of the catalog: decided from one version of it, refused by the group if what they were decided from has changed
//! since, then decided anew. And how a change of anything else is proposed.

use super::{
    api_error::ApiError,
    freshness,
    manner::Manner,
    principal::{InProject, Scoped},
};
use crate::{
    configure::{self, Decided},
    world,
};
use model::{
    catalog::{Item, Kind, Things},
    ids::GroupId,
    machine::{Command, Reply},
    time::Timestamp,
};
use std::{str::FromStr, time::Duration};
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

    fn changes_something(&self) -> bool {
        !self.put.is_empty() || !self.delete.is_empty()
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
pub(super) fn known<'a, K: Ord + Copy + FromStr, T>(
    things: &'a Things<K, T>,
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
    gateway: &Scoped,
    group: GroupId,
    command: &Command<'_>,
) -> Result<Reply, ApiError> {
    // A body may have taken its time, and the project may have gone meanwhile.
    gateway.check_standing(&gateway.catalog())?;
    propose_anyway(gateway, group, command).await
}

/// The same whatever became of the project: for what is cleared away behind one that has gone.
pub(super) async fn propose_anyway(
    gateway: &Scoped,
    group: GroupId,
    command: &Command<'_>,
) -> Result<Reply, ApiError> {
    Ok(gateway.propose(group, command).await?)
}

/// What was decided from the catalog of this node, or from the newest one. Only the newest refuses: this node may not have
/// heard yet of what another has acknowledged.
pub(super) async fn foresee<T>(
    gateway: &Scoped,
    decide: impl Fn(&InProject) -> Result<T, ApiError>,
) -> Result<T, ApiError> {
    match decide(&gateway.catalog()) {
        Ok(decision) => Ok(decision),
        Err(_) => decide(&newest(gateway).await?),
    }
}

/// The project's catalog as everybody who got a 200 left it, whatever the reader's consistency.
async fn newest(gateway: &Scoped) -> Result<InProject, ApiError> {
    freshness::catalog(gateway, &Manner::default()).await
}

/// Makes one change of the catalog. `decide` may be called several times, each time with a newer catalog: first with that of
/// this node, for what is written is refused if it was decided from anything that has changed since. A refusal, and that
/// there is nothing to change, is said of the newest catalog only.
pub(super) async fn make<T>(
    gateway: &Scoped,
    decide: impl Fn(&InProject, Timestamp) -> Result<Decision<T>, ApiError>,
) -> Result<T, ApiError> {
    let give_up = Instant::now() + PATIENCE;
    let mut turn = None;
    let mut catalog = gateway.catalog();
    let mut is_newest = false;
    while Instant::now() < give_up {
        let standing = gateway.check_standing(&catalog);
        let decision = match standing.and_then(|()| decide(&catalog, world::now())) {
            Ok(decision) if is_newest || decision.changes_something() => decision,
            Err(refusal) if is_newest => return Err(refusal),
            Ok(_) | Err(_) => {
                catalog = newest(gateway).await?;
                is_newest = true;
                continue;
            }
        };
        if !decision.changes_something() {
            return Ok(decision.answer);
        }
        let decided = Decided {
            from: catalog.all(),
            put: &decision.put,
            delete: &decision.delete,
        };
        if let Some(position) = configure::propose(gateway, decided).await? {
            drop(turn);
            configure::make_known(gateway, position).await;
            return Ok(decision.answer);
        }
        // Others change the same. Those of this node take turns, in the order in which they came, so that only the first
        // of each node is left to be disturbed.
        if turn.is_none() {
            let waited = tokio::time::timeout_at(give_up, gateway.contended.lock()).await;
            turn = waited.ok();
        }
        catalog = newest(gateway).await?;
        is_newest = true;
    }
    Err(ApiError::unavailable(
        "others keep changing the same things; nothing was changed, try again",
    ))
}
