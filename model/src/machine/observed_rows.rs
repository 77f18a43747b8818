//! The rows of what was observed of configured things: read, written and let go in one place.

use super::Context;
use crate::{
    catalog::{DestinationObserved, Item, Kind, Overruled, Overruling, Source, SourceObserved},
    ids::{DestinationId, SourceId},
    state::{
        codec, keys,
        kv::{Kv, Table},
        tables::{self, TableError},
    },
};
use serde::{Deserialize, Serialize};

/// What became of an observation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ObserveReply {
    /// It is kept, or was already. Who has everything that was observed up to this log index has it.
    Kept { index: u64 },
    /// What is configured leaves no room for it, or is gone.
    Refused,
}

/// Everything that was observed up to now.
pub(super) fn kept(kv: &impl Kv) -> Result<ObserveReply, TableError> {
    let index = keys::read_u64(kv, keys::META_OBSERVED)?;
    Ok(ObserveReply::Kept { index })
}

/// Writes what is observed of a source from now on.
pub(super) fn keep_of_source(
    kv: &mut impl Kv,
    context: &Context<'_>,
    id: SourceId,
    observed: &SourceObserved,
) -> ObserveReply {
    write_of_source(kv, id, observed);
    keys::write_u64(kv, keys::META_OBSERVED, context.index);
    ObserveReply::Kept {
        index: context.index,
    }
}

/// Writes what is observed of a destination from now on.
pub(super) fn keep_of_destination(
    kv: &mut impl Kv,
    context: &Context<'_>,
    id: DestinationId,
    observed: &DestinationObserved,
) -> ObserveReply {
    write_of_destination(kv, id, observed);
    keys::write_u64(kv, keys::META_OBSERVED, context.index);
    ObserveReply::Kept {
        index: context.index,
    }
}

fn write_of_source(kv: &mut impl Kv, id: SourceId, observed: &SourceObserved) {
    let key = keys::source_observed(id);
    match observed.is_empty() {
        true => kv.delete(Table::Index, &key),
        false => kv.put(Table::Index, &key, &codec::encode(observed)),
    }
}

fn write_of_destination(kv: &mut impl Kv, id: DestinationId, observed: &DestinationObserved) {
    let key = keys::destination_observed(id);
    match observed.is_empty() {
        true => kv.delete(Table::Index, &key),
        false => kv.put(Table::Index, &key, &codec::encode(observed)),
    }
}

/// Lets what was observed of a thing go with it.
pub(super) fn forget(kv: &mut impl Kv, kind: Kind, id: u128) {
    match kind {
        Kind::Source => kv.delete(Table::Index, &keys::source_observed(SourceId(id))),
        Kind::Destination => {
            let key = keys::destination_observed(DestinationId(id));
            kv.delete(Table::Index, &key);
        }
        Kind::Connection
        | Kind::Transformation
        | Kind::TransformationVersion
        | Kind::IssueTrigger
        | Kind::Notifications => {}
    }
}

/// Lets go what a thing has no use for as it is written now.
pub(super) fn settle(kv: &mut impl Kv, item: &Item) -> Result<(), TableError> {
    let Item::Source(source) = item else {
        return Ok(());
    };
    change_of_source(kv, source.id, |observed| observed.settle(source))
}

/// Takes back what an admin overruled.
pub(super) fn overrule(kv: &mut impl Kv, overruling: Overruling) -> Result<(), TableError> {
    let Overruling { what, up_to } = overruling;
    match what {
        Overruled::Handshake(id) => {
            change_of_source(kv, id, |observed| observed.forget_handshakes(up_to))
        }
        Overruled::Disabled(id) => change_of_destination(kv, id, |observed| {
            observed.disabled.take_if(|it| it.index <= up_to);
        }),
        Overruled::Rate(id) => change_of_destination(kv, id, |observed| {
            observed.rate.take_if(|it| it.index <= up_to);
        }),
    }
}

fn change_of_source(
    kv: &mut impl Kv,
    id: SourceId,
    change: impl FnOnce(&mut SourceObserved),
) -> Result<(), TableError> {
    if let Some(known) = tables::source_observed(kv, id)? {
        let mut observed = known.clone();
        change(&mut observed);
        if observed != known {
            write_of_source(kv, id, &observed);
        }
    }
    Ok(())
}

fn change_of_destination(
    kv: &mut impl Kv,
    id: DestinationId,
    change: impl FnOnce(&mut DestinationObserved),
) -> Result<(), TableError> {
    if let Some(known) = tables::destination_observed(kv, id)? {
        let mut observed = known.clone();
        change(&mut observed);
        if observed != known {
            write_of_destination(kv, id, &observed);
        }
    }
    Ok(())
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
