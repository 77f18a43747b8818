//! Notes when a secret of a source last proved a request. It only moves on, and only for secrets that the source has.

use super::{
    Context, Effect,
    observed_rows::{self, ObserveReply},
};
use crate::{
    catalog::{CatalogRow, secret_fingerprint},
    fingerprint::Fingerprint,
    ids::SourceId,
    state::{kv::Kv, tables::TableError},
};
use serde::{Deserialize, Serialize};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ObserveSecretUse {
    pub source: SourceId,
    /// That of the secret.
    pub secret: Fingerprint,
}

pub(super) fn apply(
    kv: &mut impl Kv,
    context: &Context<'_>,
    command: ObserveSecretUse,
    effects: &mut Vec<Effect>,
) -> Result<ObserveReply, TableError> {
    let Some((source, mut observed)) = observed_rows::source(kv, command.source)? else {
        return Ok(ObserveReply::Refused);
    };
    let in_force = observed.over(&source).verification;
    let mut secrets = in_force.secrets.iter();
    let Some(used) = secrets.find(|live| secret_fingerprint(&live.secret) == command.secret) else {
        return Ok(ObserveReply::Refused);
    };
    if used.last_verified_at >= Some(context.now) {
        return observed_rows::kept(kv);
    }
    observed.last_uses.insert(command.secret, context.now);
    let row = CatalogRow::OfSource(source.id, Some(observed));
    observed_rows::keep(kv, context, row, effects)
}
