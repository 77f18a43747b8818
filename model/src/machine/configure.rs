//! Changes the catalog: create, replace or delete one thing, all of a command's changes or none. A change conflicts with
//! what it was decided from and with nothing else.

use super::{Effect, NodeEffect, observed_rows};
use crate::{
    catalog::{CatalogChange, CatalogRow, Item, Kind, Overruling, Position},
    fingerprint::Fingerprint,
    state::{
        codec::{self, Stored},
        keys,
        kv::{Kv, Read, Table},
        tables::TableError,
    },
};
use serde::{Deserialize, Serialize};

/// Keys that are remembered. Beyond that all are forgotten, and what was decided before that is decided anew.
const TIES_MAX: u64 = 20_000;

/// The earlier command that changed the catalog, from before changes told what they were decided from: it conflicts
/// with every other.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Configure<'a> {
    /// The catalog version that the proposer decided from. Another version: refused, and the proposer decides anew.
    pub seen_version: u64,
    #[serde(borrow)]
    pub changes: Vec<Change<'a>>,
}

/// A change with what it was decided from: see [`Ties`](crate::catalog::Ties).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ConfigureTied<'a> {
    /// The catalog version that the proposer decided from.
    pub seen_version: u64,
    /// One of these marked at a later version: refused, and the proposer decides anew.
    pub checked: Vec<Fingerprint>,
    pub marked: Vec<Fingerprint>,
    #[serde(borrow)]
    pub changes: Vec<Change<'a>>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Change<'a> {
    /// An [`Item`] in JSON behind its version byte (`codec::encode_json`).
    #[serde(borrow)]
    Put(&'a [u8]),
    Delete(Kind, u128),
    /// Takes back what was observed of a thing.
    Overrule(Overruling),
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Refusal {
    /// The catalog changed meanwhile.
    Stale { version: u64 },
    /// An item could not be read.
    Malformed,
}

pub(super) fn apply(
    kv: &mut impl Kv,
    command: &Configure<'_>,
    effects: &mut Vec<Effect>,
) -> Result<Result<u64, Refusal>, TableError> {
    let version = keys::read_u64(kv, keys::META_CATALOG_VERSION)?;
    if version != command.seen_version {
        return Ok(Err(Refusal::Stale { version }));
    }
    let Some(changes) = read(&command.changes) else {
        return Ok(Err(Refusal::Malformed));
    };
    // It does not say what it was decided from, so it stands against all, what was observed included.
    let mut rows = Vec::new();
    for change in &changes {
        if let Write::Put(item, _) = change {
            rows.extend(observed_rows::forget(kv, item.kind(), item.id())?);
        }
    }
    let version = write(kv, version, changes, rows, effects)?;
    forget_ties(kv, version);
    Ok(Ok(version))
}

pub(super) fn apply_tied(
    kv: &mut impl Kv,
    command: &ConfigureTied<'_>,
    effects: &mut Vec<Effect>,
) -> Result<Result<u64, Refusal>, TableError> {
    let version = keys::read_u64(kv, keys::META_CATALOG_VERSION)?;
    let stale = Ok(Err(Refusal::Stale { version }));
    let forgotten = keys::read_u64(kv, keys::META_TIES_FROM)?;
    if command.seen_version > version || command.seen_version < forgotten {
        return stale;
    }
    for tie in &command.checked {
        if keys::number(kv, Table::Index, &keys::tie(*tie))? > command.seen_version {
            return stale;
        }
    }
    let Some(changes) = read(&command.changes) else {
        return Ok(Err(Refusal::Malformed));
    };
    let version = write(kv, version, changes, Vec::new(), effects)?;
    mark(kv, version, &command.marked)?;
    Ok(Ok(version))
}

/// Remembers the version at which each key was last marked.
fn mark(kv: &mut impl Kv, version: u64, marked: &[Fingerprint]) -> Result<(), TableError> {
    let mut count = keys::read_u64(kv, keys::META_TIES)?;
    for tie in marked {
        let key = keys::tie(*tie);
        if kv.get(Table::Index, &key)?.is_none() {
            count += 1;
        }
        kv.put(Table::Index, &key, &version.to_be_bytes());
    }
    if count > TIES_MAX {
        forget_ties(kv, version);
    } else {
        keys::write_u64(kv, keys::META_TIES, count);
    }
    Ok(())
}

/// From here on, only what is decided from `version` or a later one is taken.
fn forget_ties(kv: &mut impl Kv, version: u64) {
    let (first, last) = keys::TIES_ALL;
    kv.delete_range(Table::Index, &first, &last);
    keys::write_u64(kv, keys::META_TIES, 0);
    keys::write_u64(kv, keys::META_TIES_FROM, version);
}

/// A change that could be read.
enum Write<'a> {
    Put(Box<Item>, &'a [u8]),
    Delete(Kind, u128),
    Overrule(Overruling),
}

fn read<'a>(changes: &[Change<'a>]) -> Option<Vec<Write<'a>>> {
    changes
        .iter()
        .map(|change| match *change {
            Change::Put(bytes) => {
                let item = codec::decode_json(bytes).ok()?;
                Some(Write::Put(Box::new(item), bytes))
            }
            Change::Delete(kind, id) => Some(Write::Delete(kind, id)),
            Change::Overrule(overruling) => Some(Write::Overrule(overruling)),
        })
        .collect()
}

/// Writes it, and tells every node; `rows` changed with it.
fn write(
    kv: &mut impl Kv,
    version: u64,
    changes: Vec<Write<'_>>,
    mut rows: Vec<CatalogRow>,
    effects: &mut Vec<Effect>,
) -> Result<u64, TableError> {
    for change in changes {
        match change {
            Write::Put(item, bytes) => {
                kv.put(Table::Catalog, &item_key(item.kind(), item.id()), bytes);
                rows.extend(observed_rows::settle(kv, &item)?);
                // Versions of transformations may be large, and nobody keeps them in memory.
                if item.kind() != Kind::TransformationVersion {
                    rows.push(CatalogRow::Configured(item));
                }
            }
            Write::Delete(kind, id) => {
                kv.delete(Table::Catalog, &item_key(kind, id));
                observed_rows::forget(kv, kind, id)?;
                rows.push(CatalogRow::Deleted(kind, id));
            }
            Write::Overrule(overruling) => rows.extend(observed_rows::overrule(kv, overruling)?),
        }
    }
    let version = version + 1;
    keys::write_u64(kv, keys::META_CATALOG_VERSION, version);
    let change = CatalogChange {
        position: Position::stored(kv)?,
        rows,
    };
    effects.push(Effect::EveryNode(NodeEffect::CatalogChanged(change)));
    Ok(version)
}

fn item_key(kind: Kind, id: u128) -> Vec<u8> {
    let mut key = vec![kind as u8];
    key.extend_from_slice(&id.to_be_bytes());
    key
}

/// Reads one item.
///
/// # Errors
/// When the store can't be read or the row is damaged.
pub fn item(kv: &impl Read, kind: Kind, id: u128) -> Result<Option<Item>, TableError> {
    match kv.get(Table::Catalog, &item_key(kind, id))? {
        None => Ok(None),
        Some(bytes) => {
            debug_assert_eq!(bytes.first(), Some(&Item::VERSION));
            Ok(Some(codec::decode_json_row(kv, Table::Catalog, &bytes)?))
        }
    }
}
