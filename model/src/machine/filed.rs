//! Files where requests have their bodies, so that no body goes while a row refers to it, whatever the clocks said.

use super::Context;
use crate::{
    ids::RequestId,
    state::{
        codec, keys,
        kv::{Kv, Read, Table},
        tables::{self, TableError},
    },
    time::Timestamp,
    traffic::{Filing, Place, StoredRequest},
};
use std::collections::{BTreeMap, BTreeSet};

/// Rows that are read at once where everything is filed anew.
const PAGE: usize = 1024;

/// Files the requests that one entry brought: it has one stamp, and its ids nearly always one hour.
pub(super) fn add(
    kv: &mut impl Kv,
    context: &Context<'_>,
    hours: &BTreeSet<u32>,
) -> Result<(), TableError> {
    for &hour in hours {
        let place = Place {
            hour,
            bucket: context.stamped.bucket(),
        };
        let known = tables::filing(kv, place)?.unwrap_or_default();
        let filing = Filing {
            index: context.index,
            accepted_at: context.now,
            stamped_at: context.stamped.max(known.stamped_at),
        };
        put(kv, place, &filing);
    }
    Ok(())
}

/// Before the first request of a group: from now on all are filed, so that nothing need ever be filed anew.
pub(super) fn begin(kv: &mut impl Kv) -> Result<(), TableError> {
    if keys::read_u64(kv, keys::META_BODIES_FILED)? == 0 && is_empty(kv)? {
        keys::write_u64(kv, keys::META_BODIES_FILED, 1);
    }
    Ok(())
}

fn is_empty(kv: &impl Read) -> Result<bool, TableError> {
    let (from, to) = (RequestId(0).key(), RequestId(u128::MAX).key());
    Ok(kv.scan(Table::Requests, &from, &to, 1)?.is_empty())
}

/// Reads the whole index of bodies. A state that was written before there was one is indexed now, all of it, once.
pub(super) fn all(kv: &mut impl Kv) -> Result<Vec<(Place, Filing)>, TableError> {
    if keys::read_u64(kv, keys::META_BODIES_FILED)? == 0 {
        file_anew(kv)?;
    }
    tables::filings(kv)
}

fn file_anew(kv: &mut impl Kv) -> Result<(), TableError> {
    let mut filed: BTreeMap<Place, Filing> = tables::filings(kv)?.into_iter().collect();
    let (mut from, to) = (RequestId(0).key().to_vec(), RequestId(u128::MAX).key());
    loop {
        let rows = kv.scan(Table::Requests, &from, &to, PAGE)?;
        for (key, value) in &rows {
            let Some(id) = RequestId::from_key(key) else {
                continue;
            };
            let request: StoredRequest = codec::decode(value)?;
            let hour = id.minted_at().bucket();
            let bucket = request.body.map_or(hour, |at| at.bucket);
            let filing = filed.entry(Place { hour, bucket }).or_default();
            filing.accepted_at = filing.accepted_at.max(request.ingested_at);
            filing.stamped_at = filing.stamped_at.max(id.minted_at());
        }
        let Some((last, _)) = rows.last().filter(|_| rows.len() == PAGE) else {
            break;
        };
        from = [last, [0].as_slice()].concat();
    }
    for (place, filing) in &filed {
        put(kv, *place, filing);
    }
    keys::write_u64(kv, keys::META_BODIES_FILED, 1);
    Ok(())
}

/// Forgets the places of all hours from one to before another.
pub(super) fn remove(kv: &mut impl Kv, from: u32, to: u32) {
    let (first, last) = keys::filed_between(from, to);
    kv.delete_range(Table::Counts, &first, &last);
}

fn put(kv: &mut impl Kv, place: Place, filing: &Filing) {
    kv.put(Table::Counts, &keys::filed(place), &codec::encode(filing));
}

/// The first moment of an hour.
pub(super) fn start(hour: u32) -> Timestamp {
    Timestamp(u64::from(hour) * 3_600_000)
}
