//! Changes the catalog: create, replace or delete one thing, all of a command's changes or none.

use super::Effect;
use crate::{
    catalog::{Item, Kind},
    state::{
        codec::{self, Stored},
        keys,
        kv::{Kv, Read, Table},
        tables::TableError,
    },
};
use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Configure<'a> {
    /// The catalog version that the proposer decided from. Another version: refused, and the proposer decides anew.
    pub seen_version: u64,
    #[serde(borrow)]
    pub changes: Vec<Change<'a>>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Change<'a> {
    /// An [`Item`] in JSON behind its version byte (`codec::encode_json`).
    #[serde(borrow)]
    Put(&'a [u8]),
    Delete(Kind, u128),
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
    for (key, value) in changes {
        match value {
            Some(value) => kv.put(Table::Catalog, &key, value),
            None => kv.delete(Table::Catalog, &key),
        }
    }
    let version = version + 1;
    keys::write_u64(kv, keys::META_CATALOG_VERSION, version);
    effects.push(Effect::CatalogChanged { version });
    Ok(Ok(version))
}

type Write<'a> = (Vec<u8>, Option<&'a [u8]>);

fn read<'a>(changes: &[Change<'a>]) -> Option<Vec<Write<'a>>> {
    changes
        .iter()
        .map(|change| match *change {
            Change::Put(bytes) => {
                let item: Item = codec::decode_json(bytes).ok()?;
                Some((item_key(item.kind(), item.id()), Some(bytes)))
            }
            Change::Delete(kind, id) => Some((item_key(kind, id), None)),
        })
        .collect()
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
