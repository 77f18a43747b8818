//! Lets one hour's requests go, with their events, attempts and bodies. The proposer has seen that all of it has ended;
//! that it is old enough is decided here, by the group's own time, and twice.

use super::{Context, Effect, NodeEffect, RetentionAdvanced, dropped, filed, tallies};
use crate::{
    policy::retention::{Clocks, Turn, hour_end},
    state::{
        keys,
        kv::{Kv, KvError, Read, Table},
        tables::TableError,
    },
    time::Timestamp,
    traffic::{Filing, Place},
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LetGo {
    /// Requests and events that were minted in this hour (since the epoch) go.
    pub hour: u32,
    /// The log index up to which the proposer looked for events that have not ended.
    pub seen_index: u64,
    /// How long everything is kept at least.
    pub min_age_ms: u64,
}

/// `before`: the group's time without this entry. No single clock lets anything go, not even its proposer's.
pub(super) fn apply(
    kv: &mut impl Kv,
    context: &Context<'_>,
    before: Timestamp,
    command: LetGo,
    effects: &mut Vec<Effect>,
) -> Result<bool, TableError> {
    let clocks = Clocks {
        now: if cfg!(feature = "bug-own-clock") {
            context.stamped
        } else {
            before
        },
        stamped: context.stamped,
    };
    let all = filed::all(kv)?;
    let of_hour = |(place, _): &&(Place, Filing)| place.hour == command.hour;
    let reopened_at = keys::read_u64(kv, keys::META_REOPENED_AT)?;
    let accepted_at = keys::number(kv, Table::Counts, &keys::accepted_at(command.hour))?;
    let filed_at = all.iter().filter(of_hour).map(|(_, filing)| filing.index);
    let changed_at = filed_at.chain([reopened_at, accepted_at]).max();
    // An event was reopened, or one of that hour accepted, after the proposer looked: it must look again.
    if changed_at > Some(command.seen_index) || !is_old(&clocks, &all, command) {
        return Ok(false);
    }
    let turn = turn(kv, &clocks)?;
    if turn != Turn::Wait {
        keys::write_u64(kv, keys::META_LET_GO_AT, clocks.now.0);
        keys::write_u64(kv, keys::META_LET_GO_STAMP, clocks.stamped.0);
    }
    if turn != Turn::LetGo {
        return Ok(false);
    }
    // From behind the last hour that is kept, so that nothing stays behind of hours that went long ago.
    let earlier = all.iter().map(|(place, _)| place.hour);
    let kept_before = earlier.filter(|hour| *hour < command.hour).max();
    let first = kept_before.map_or(0, |hour| hour + 1);
    let end = command.hour.saturating_add(1);
    filed::remove(kv, first, end);
    let (from, to) = (keys::accepted_at(first), keys::accepted_at(end));
    kv.delete_range(Table::Counts, &from, &to);
    dropped::minted_between(kv, filed::start(first), filed::start(end))?;
    tallies::forget(kv, filed::start(end))?;
    let goes = |(place, _): &&(Place, Filing)| (first..end).contains(&place.hour);
    let (gone, kept): (Vec<_>, Vec<_>) = all.iter().partition(goes);
    let buckets = |places: Vec<&(Place, Filing)>| -> BTreeSet<u32> {
        places.iter().map(|(place, _)| place.bucket).collect()
    };
    effects.push(Effect::EveryNode(NodeEffect::RetentionAdvanced(
        RetentionAdvanced {
            before_bucket: end,
            gone: buckets(gone),
            referred: buckets(kept),
        },
    )));
    Ok(true)
}

fn is_old(clocks: &Clocks, all: &[(Place, Filing)], command: LetGo) -> bool {
    if cfg!(feature = "bug-own-clock") {
        let until = clocks.stamped.minus_ms(command.min_age_ms);
        return hour_end(command.hour) <= until;
    }
    let mut places = all.iter().filter(|(place, _)| place.hour == command.hour);
    let is_filed = places.clone().next().is_some();
    is_filed && places.all(|(place, filing)| clocks.are_past(*place, filing, command.min_age_ms))
}

fn turn(kv: &impl Read, clocks: &Clocks) -> Result<Turn, KvError> {
    if cfg!(feature = "bug-own-clock") {
        return Ok(Turn::LetGo);
    }
    let asked = Clocks {
        now: Timestamp(keys::read_u64(kv, keys::META_LET_GO_AT)?),
        stamped: Timestamp(keys::read_u64(kv, keys::META_LET_GO_STAMP)?),
    };
    Ok(clocks.turn_after(asked))
}
