//! The rows of what was observed of configured things: read, written and let go in one place.

use super::{Context, Effect, NodeEffect};
use crate::{
    catalog::{
        CatalogChange, CatalogRow, DestinationObserved, Item, Kind, Overruled, Overruling,
        Position, Source, SourceObserved,
    },
    ids::{DestinationId, SourceId},
    state::{
        codec::{self, Stored},
        keys,
        kv::{Kv, Table},
        tables::{self, TableError},
    },
};
use serde::{Deserialize, Serialize};

/// The reply to an observation: kept, or refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ObserveReply {
    /// It is kept, or was already. Who has everything that was observed up to this log index has it.
    Kept { index: u64 },
    /// What is configured leaves no room for it, or is gone.
    Refused,
}

/// The reply of an observation that is kept: the log index up to which everything was.
pub(super) fn kept(kv: &impl Kv) -> Result<ObserveReply, TableError> {
    let index = keys::read_u64(kv, keys::META_OBSERVED)?;
    Ok(ObserveReply::Kept { index })
}

/// Writes what is observed from now on, and tells every node.
pub(super) fn keep(
    kv: &mut impl Kv,
    context: &Context<'_>,
    row: CatalogRow,
    effects: &mut Vec<Effect>,
) -> Result<ObserveReply, TableError> {
    match &row {
        CatalogRow::OfSource(id, observed) => write(kv, &keys::source_observed(*id), observed),
        CatalogRow::OfDestination(id, observed) => {
            write(kv, &keys::destination_observed(*id), observed);
        }
        CatalogRow::Configured(_) | CatalogRow::Deleted(..) => return Ok(ObserveReply::Refused),
    }
    let index = context.index;
    keys::write_u64(kv, keys::META_OBSERVED, index);
    let change = CatalogChange {
        position: Position::stored(kv)?,
        rows: vec![row],
    };
    effects.push(Effect::EveryNode(NodeEffect::CatalogChanged(change)));
    Ok(ObserveReply::Kept { index })
}

fn write<T: Stored>(kv: &mut impl Kv, key: &[u8], observed: &Option<T>) {
    match observed {
        None => kv.delete(Table::Index, key),
        Some(observed) => kv.put(Table::Index, key, &codec::encode(observed)),
    }
}

/// Lets go whatever was observed of a thing.
pub(super) fn forget(
    kv: &mut impl Kv,
    kind: Kind,
    id: u128,
) -> Result<Option<CatalogRow>, TableError> {
    match kind {
        Kind::Source => change_of_source(kv, SourceId(id), |_| None),
        Kind::Destination => change_of_destination(kv, DestinationId(id), |_| None),
        Kind::Connection
        | Kind::Transformation
        | Kind::TransformationVersion
        | Kind::IssueTrigger
        | Kind::Notifications
        | Kind::Project => Ok(None),
    }
}

/// Lets go what a thing has no use for as it is written now.
pub(super) fn settle(kv: &mut impl Kv, item: &Item) -> Result<Option<CatalogRow>, TableError> {
    let Item::Source(source) = item else {
        return Ok(None);
    };
    change_of_source(kv, source.id, |mut observed| {
        observed.settle(source);
        Some(observed).filter(|left| !left.is_empty())
    })
}

/// Takes back what an admin overruled.
pub(super) fn overrule(
    kv: &mut impl Kv,
    overruling: Overruling,
) -> Result<Option<CatalogRow>, TableError> {
    let Overruling { what, up_to } = overruling;
    match what {
        Overruled::Handshake(id) => change_of_source(kv, id, |mut observed| {
            observed.forget_handshakes(up_to);
            Some(observed).filter(|left| !left.is_empty())
        }),
        Overruled::Disabled(id) => change_of_destination(kv, id, |mut observed| {
            observed.disabled.take_if(|it| it.index <= up_to);
            Some(observed).filter(|left| !left.is_empty())
        }),
        Overruled::Rate(id) => change_of_destination(kv, id, |mut observed| {
            observed.rate.take_if(|it| it.index <= up_to);
            Some(observed).filter(|left| !left.is_empty())
        }),
    }
}

/// The row as it is then, if there was one and it is another.
fn change_of_source(
    kv: &mut impl Kv,
    id: SourceId,
    change: impl FnOnce(SourceObserved) -> Option<SourceObserved>,
) -> Result<Option<CatalogRow>, TableError> {
    let Some(known) = tables::source_observed(kv, id)? else {
        return Ok(None);
    };
    let left = change(known.clone());
    if left.as_ref() == Some(&known) {
        return Ok(None);
    }
    write(kv, &keys::source_observed(id), &left);
    Ok(Some(CatalogRow::OfSource(id, left)))
}

/// The row as it is then, if there was one and it is another.
fn change_of_destination(
    kv: &mut impl Kv,
    id: DestinationId,
    change: impl FnOnce(DestinationObserved) -> Option<DestinationObserved>,
) -> Result<Option<CatalogRow>, TableError> {
    let Some(known) = tables::destination_observed(kv, id)? else {
        return Ok(None);
    };
    let left = change(known.clone());
    if left.as_ref() == Some(&known) {
        return Ok(None);
    }
    write(kv, &keys::destination_observed(id), &left);
    Ok(Some(CatalogRow::OfDestination(id, left)))
}

/// A source as it is configured, and what was observed of senders of its scheme.
pub(super) fn source(
    kv: &impl Kv,
    id: SourceId,
) -> Result<Option<(Source, SourceObserved)>, TableError> {
    let Some(Item::Source(source)) = super::item(kv, Kind::Source, id.0)? else {
        return Ok(None);
    };
    let mut observed = tables::source_observed(kv, id)?;
    observed.take_if(|observed| observed.scheme != source.verification.scheme);
    let observed = observed.unwrap_or_else(|| SourceObserved::of(&source));
    Ok(Some((source, observed)))
}
