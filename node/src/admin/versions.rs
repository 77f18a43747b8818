//! Lets old versions of a transformation go: those beyond the number that is kept, which no open event can still use.

use super::{
    api_error::ApiError,
    changes::{self, Decision},
    principal::Scoped,
};
use crate::world;
use actix_web::web;
use model::{
    catalog::{Catalog, Item, Kind, Transformation},
    ids::TransformationId,
    state::{kv::KvError, tables},
    time::Timestamp,
};

/// A node that lags may still use a version for so long after another became current.
const MARGIN_MS: u64 = 10 * 60_000;

/// Best effort: what does not go now goes after the next change.
pub(super) async fn prune(gateway: &Scoped, id: TransformationId) {
    let kept = gateway.config.transform.versions_kept;
    let surplus = |catalog: &Catalog| {
        let known = catalog.transformations.get(&id);
        known.is_some_and(|known| known.versions.len() > kept)
    };
    if !surplus(&gateway.catalog()) {
        return;
    }
    if let Err(error) = let_go(gateway, id, kept).await {
        tracing::warn!(transformation = %id, %error, "old versions were not let go");
    }
}

async fn let_go(gateway: &Scoped, id: TransformationId, kept: usize) -> Result<(), ApiError> {
    let looking = gateway.clone();
    let oldest = web::block(move || oldest_open(&looking)).await??;
    let now = world::now();
    // An event minted later ran its transformations later too, so with a later version.
    let since = oldest.unwrap_or(now).min(now).minus_ms(MARGIN_MS);
    changes::make(gateway, |catalog, _| {
        let Some(known) = catalog.transformations.get(&id) else {
            return Ok(Decision::put(Vec::new(), ()));
        };
        let gone = known.surplus(kept, since);
        if gone.is_empty() {
            return Ok(Decision::put(Vec::new(), ()));
        }
        let mut left = Transformation::clone(known);
        left.versions.retain(|mark| !gone.contains(&mark.version));
        let rows = gone.iter();
        Ok(Decision {
            put: vec![Item::Transformation(left)],
            delete: rows
                .map(|version| (Kind::TransformationVersion, id.version(*version)))
                .collect(),
            answer: (),
        })
    })
    .await
}

/// When the oldest event was minted that still wants an attempt, in any partition.
fn oldest_open(gateway: &Scoped) -> Result<Option<Timestamp>, KvError> {
    let mut oldest = None;
    for group in gateway.cluster.data_groups() {
        let here = tables::oldest_open(&gateway.cluster.view(group))?;
        oldest = oldest.into_iter().chain(here).min();
    }
    Ok(oldest)
}
