//! A walk over a group's bodies that steps over those that the disk can't give back: one bad block must not keep a
//! snapshot from all others.

use crate::{
    columns::{Column, PAYLOAD_KEY, group_range},
    engine::Engine,
    error::Error,
};
use model::ids::GroupId;
use rocksdb::{DBRawIterator, ErrorKind, ReadOptions, Snapshot};

/// Behind a group, a key is a number of 14 bytes.
const PLACE: usize = PAYLOAD_KEY - 2;
const LAST: u128 = (1 << (8 * PLACE)) - 1;

pub(super) struct Bodies<'a> {
    rows: DBRawIterator<'a>,
    prefix: [u8; 2],
    /// Bad stretches that were stepped over, each of one body at least.
    pub(super) skipped: u64,
}

impl<'a> Bodies<'a> {
    /// The bodies of this moment. Their files stay until the walk has ended.
    pub(super) fn of(engine: &'a Engine, snapshot: &Snapshot<'a>, group: GroupId) -> Self {
        let (prefix, to) = group_range(group);
        let mut options = ReadOptions::default();
        options.set_snapshot(snapshot);
        options.set_iterate_lower_bound(prefix);
        options.set_iterate_upper_bound(to);
        // A snapshot passes once over everything; it must not push out what others are reading.
        options.fill_cache(false);
        Self {
            rows: engine.iterate_with(Column::Payload, options),
            prefix,
            skipped: 0,
        }
    }

    /// Begins with the first body of a bucket or of a later one.
    ///
    /// # Errors
    /// When the disk can't be read, but for what is damaged on it.
    pub(super) fn begin(&mut self, bucket: u32) -> Result<(), Error> {
        let first = u128::from(bucket) << (8 * (PLACE - 4));
        self.seek(first);
        self.step_over(first)
    }

    pub(super) fn item(&self) -> Option<(&[u8], &[u8])> {
        self.rows.item()
    }

    /// # Errors
    /// When the disk can't be read, but for what is damaged on it.
    pub(super) fn next(&mut self) -> Result<(), Error> {
        let Some(place) = self.rows.key().map(place) else {
            return Ok(());
        };
        self.rows.next();
        self.step_over(place + 1)
    }

    /// Goes on behind what is damaged from this place on, if that is why the walk has stopped.
    fn step_over(&mut self, from: u128) -> Result<(), Error> {
        match self.rows.status() {
            Ok(()) => return Ok(()),
            Err(error) if error.kind() == ErrorKind::Corruption => self.skipped += 1,
            Err(_) => return self.finished(),
        }
        // Seeking to any place up to the last bad one fails, to any place behind it succeeds: double the distance, then
        // halve it.
        let (mut bad, mut distance) = (from, 1);
        let mut good = loop {
            let further = bad.saturating_add(distance).min(LAST);
            if self.seek(further) {
                break further;
            }
            if further == LAST {
                return self.finished();
            }
            (bad, distance) = (further, distance * 2);
        };
        while good - bad > 1 {
            let middle = bad + (good - bad) / 2;
            match self.seek(middle) {
                true => good = middle,
                false => bad = middle,
            }
        }
        self.seek(good);
        self.finished()
    }

    fn finished(&self) -> Result<(), Error> {
        self.rows.status().map_err(Error::engine("reading bodies"))
    }

    fn seek(&mut self, place: u128) -> bool {
        let mut key = [0; PAYLOAD_KEY];
        key[..2].copy_from_slice(&self.prefix);
        key[2..].copy_from_slice(&place.to_be_bytes()[16 - PLACE..]);
        self.rows.seek(key);
        self.rows.status().is_ok()
    }
}

fn place(key: &[u8]) -> u128 {
    let digits = key.iter().skip(2).take(PLACE);
    digits.fold(0, |place, digit| place << 8 | u128::from(*digit))
}
