//! Lets everything minted before a moment go, as earlier versions did. Nobody proposes it any more: it takes the
//! proposer's word for the time.

use super::{Effect, NodeEffect, RetentionAdvanced, dropped, filed, tallies};
use crate::{
    state::{
        keys,
        kv::{Kv, Table},
        tables::TableError,
    },
    time::Timestamp,
    traffic::{Filing, Place},
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AdvanceRetention {
    /// Requests and events minted before the start of this moment's hour go.
    pub before: Timestamp,
    /// The log index up to which the proposer looked for events that have not ended.
    pub seen_index: u64,
}

const HOUR_MS: u64 = 3_600_000;

pub(super) fn apply(
    kv: &mut impl Kv,
    command: AdvanceRetention,
    effects: &mut Vec<Effect>,
) -> Result<bool, TableError> {
    // A proposer that names a moment within an hour must not tear the hour apart.
    let before = Timestamp(command.before.0 - command.before.0 % HOUR_MS);
    let retained_from = keys::read_u64(kv, keys::META_RETAINED_FROM)?;
    let reopened_at = keys::read_u64(kv, keys::META_REOPENED_AT)?;
    // An old event was reopened after the proposer looked: it must look again.
    if before.0 <= retained_from || reopened_at > command.seen_index {
        return Ok(false);
    }
    // So was a request accepted that had been minted long before: its events are live, and nobody looked at them.
    let (first, last) = (keys::accepted_at(0), keys::accepted_at(before.bucket()));
    let accepted = kv.scan(Table::Counts, &first, &last, usize::MAX)?;
    let unseen = |value: &[u8]| keys::read_number(value) > command.seen_index;
    let filings = filed::all(kv)?;
    let gone = |(place, _): &&(Place, Filing)| place.hour < before.bucket();
    let filed_unseen = |(_, filing): &(Place, Filing)| filing.index > command.seen_index;
    if accepted.iter().any(|(_, value)| unseen(value))
        || filings.iter().filter(gone).any(filed_unseen)
    {
        return Ok(false);
    }
    kv.delete_range(Table::Counts, &first, &last);
    filed::remove(kv, 0, before.bucket());
    dropped::minted_between(kv, Timestamp(0), before)?;
    tallies::forget(kv, before)?;
    keys::write_u64(kv, keys::META_RETAINED_FROM, before.0);
    let kept = filings.iter().filter(|place| !gone(place));
    effects.push(Effect::EveryNode(NodeEffect::RetentionAdvanced(
        RetentionAdvanced {
            before_bucket: before.bucket(),
            gone: BTreeSet::new(),
            referred: kept.map(|(place, _)| place.bucket).collect(),
        },
    )));
    Ok(true)
}
