//! Checks before a store opens: that nothing is lost that this node has acknowledged, and that every row of the log is
//! whole.

use crate::{
    columns::{Column, LAYOUT, LAYOUT_KEY, NODE, Tag, group_range, log_index, log_key, meta_key},
    engine::Engine,
    error::{Error, OpenError},
    group::Log,
    rows,
    watermark::{Found, Mark, Marks},
};
use bytes::{Buf, Bytes};
use model::ids::GroupId;
use std::{collections::BTreeMap, path::Path};

/// Bodies are checked for this many entries at the end of each log; those before them are checked when they are read.
const BODIES_CHECKED: u64 = 256;

pub(crate) struct Recovered {
    pub(crate) logs: BTreeMap<GroupId, Log>,
    pub(crate) marks: Marks,
    pub(crate) sequence: u64,
}

/// Reads and checks all groups.
pub(crate) fn recover(engine: &Engine, dir: &Path, found: Found) -> Result<Recovered, OpenError> {
    let quarantined = |reason: String| OpenError::Quarantined {
        dir: dir.to_path_buf(),
        reason,
    };
    let fresh = is_fresh(engine, dir)?;
    let (sequence, promised) = match found {
        Found::Marks { sequence, marks } => (sequence, marks),
        Found::Nothing if fresh => (0, Marks::new()),
        Found::Nothing => {
            return Err(quarantined(
                "its watermark files durable.0 and durable.1 are missing".into(),
            ));
        }
        Found::Unreadable => {
            return Err(quarantined(
                "its watermark files durable.0 and durable.1 can't be read".into(),
            ));
        }
    };
    let mut recovered = Recovered {
        logs: BTreeMap::new(),
        marks: Marks::new(),
        sequence,
    };
    let mut groups = groups(engine)?;
    groups.extend(promised.keys());
    groups.sort_unstable();
    groups.dedup();
    for group in groups {
        let (log, mark) = load(engine, group)?;
        let promise = promised.get(&group).copied().unwrap_or_default();
        if let Some(lost) = lost(group, &mark, &promise) {
            return Err(quarantined(lost));
        }
        recovered.logs.insert(group, log);
        recovered.marks.insert(group, mark);
    }
    Ok(recovered)
}

/// Whether nothing was ever written here.
fn is_fresh(engine: &Engine, dir: &Path) -> Result<bool, OpenError> {
    let Some(value) = engine.get(Column::Meta, LAYOUT_KEY)? else {
        return Ok(true);
    };
    let layout = <[u8; 4]>::try_from(&value[..]).map_or(0, u32::from_be_bytes);
    if layout == LAYOUT {
        return Ok(false);
    }
    Err(OpenError::Layout {
        dir: dir.to_path_buf(),
        found: layout,
        known: LAYOUT,
    })
}

/// What a group was promised to have on disk and has not.
fn lost(group: GroupId, mark: &Mark, promise: &Mark) -> Option<String> {
    if mark.next < promise.next {
        return Some(format!(
            "the log of group {group} ends before index {}, but was durable up to {}",
            mark.next,
            promise.next - 1
        ));
    }
    (mark.rank < promise.rank).then(|| {
        format!(
            "the vote of group {group} is of term {}, but one of term {} was durable",
            mark.rank.0, promise.rank.0
        )
    })
}

/// Every group that has a row in the log or in `meta`.
fn groups(engine: &Engine) -> Result<Vec<GroupId>, Error> {
    let mut groups = Vec::new();
    for column in [Column::Log, Column::Meta] {
        let mut rows = engine.iterate(column, &[0, 0], &NODE.0.to_be_bytes());
        rows.seek_to_first();
        while let Some(&[a, b, ..]) = rows.key() {
            let group = GroupId(u16::from_be_bytes([a, b]));
            groups.push(group);
            let (_, end) = group_range(group);
            rows.seek(end);
        }
        engine.finished(column, &rows)?;
    }
    Ok(groups)
}

fn load(engine: &Engine, group: GroupId) -> Result<(Log, Mark), Error> {
    let purged = engine
        .get(Column::Meta, &meta_key(group, Tag::Purged))?
        .map(|value| split_number(group, "the purge mark", value))
        .transpose()?;
    let first = match &purged {
        Some((index, _)) => index + 1,
        None => first_row(engine, group)?.unwrap_or(0),
    };
    let (next, needed) = check_log(engine, group, first)?;
    let rank = read_vote(engine, group)?.map_or((0, 0), |(rank, _)| rank);
    let log = Log::found(purged, (first, next), needed);
    Ok((log, Mark { next, rank }))
}

/// The index of the first row of a log, if it has any.
fn first_row(engine: &Engine, group: GroupId) -> Result<Option<u64>, Error> {
    let (_, end) = group_range(group);
    let mut rows = engine.iterate(Column::Log, &log_key(group, 0), &end);
    rows.seek_to_first();
    let index = rows.key().and_then(log_index);
    engine.finished(Column::Log, &rows)?;
    Ok(index)
}

/// Walks the log from `first`: every index must be there, every checksum must hold. Returns where it ends, and the
/// buckets that its bodies lie in with the last row of each.
fn check_log(
    engine: &Engine,
    group: GroupId,
    first: u64,
) -> Result<(u64, BTreeMap<u32, u64>), Error> {
    let (_, end) = group_range(group);
    let mut rows = engine.iterate(Column::Log, &log_key(group, first), &end);
    rows.seek_to_first();
    let mut next = first;
    let mut needed = BTreeMap::new();
    while let Some((key, value)) = rows.item() {
        if log_index(key) != Some(next) {
            return Err(Error::Damaged {
                group,
                what: "the log",
                detail: format!("index {next} is missing"),
            });
        }
        if let Some(bucket) = rows::stored(group, next, value)?.bucket() {
            needed.insert(bucket, next);
        }
        next += 1;
        rows.next();
    }
    engine.finished(Column::Log, &rows)?;
    for index in next.saturating_sub(BODIES_CHECKED).max(first)..next {
        if let Some(value) = engine.get(Column::Log, &log_key(group, index))? {
            rows::stored(group, index, &value)?.join(engine, group)?;
        }
    }
    Ok((next, needed))
}

/// Term and node of a vote, and raft's own bytes of it.
pub(crate) type Vote = ((u64, u64), Bytes);

/// The vote and its rank.
pub(crate) fn read_vote(engine: &Engine, group: GroupId) -> Result<Option<Vote>, Error> {
    let Some(value) = engine.get(Column::Meta, &meta_key(group, Tag::Vote))? else {
        return Ok(None);
    };
    let (term, rest) = split_number(group, "the vote", value)?;
    let (node, vote) = split_number(group, "the vote", rest)?;
    Ok(Some(((term, node), vote)))
}

fn split_number(
    group: GroupId,
    what: &'static str,
    mut value: Bytes,
) -> Result<(u64, Bytes), Error> {
    if value.len() < 8 {
        return Err(Error::Damaged {
            group,
            what,
            detail: "it is too short".into(),
        });
    }
    let number = value.get_u64();
    Ok((number, value))
}

/// The groups whose snapshot was being installed when the node stopped, and where the snapshot lies.
pub(crate) fn interrupted(
    engine: &Engine,
    groups: impl Iterator<Item = GroupId>,
) -> Result<Vec<(GroupId, String)>, Error> {
    let mut found = Vec::new();
    for group in groups {
        if let Some(dir) = engine.get(Column::Meta, &meta_key(group, Tag::Installing))? {
            found.push((group, String::from_utf8_lossy(&dir).into_owned()));
        }
    }
    Ok(found)
}
