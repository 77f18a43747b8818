//! The row format of the log and of bodies: split, checksummed, and joined again to the very same bytes.
//!
//! Log row: `layout u8 = 1 | form u8 | header_len u32 | header | command part | crc32c u32`. Form 0 holds the whole
//! command; form 1 holds it up to the end of its head, and its bodies are rows of the payload column.
//! Body row: `body | crc32c u32`. A checksum covers the key too, so that a row in the wrong place is noticed.

use crate::{
    columns::{Column, log_key, payload_key},
    engine::Engine,
    error::Error,
};
use bytes::{BufMut, Bytes, BytesMut};
use model::{
    envelope::{Envelope, PayloadRef},
    ids::GroupId,
};
use rocksdb::WriteBatch;

const LAYOUT: u8 = 1;
const WHOLE: u8 = 0;
const SPLIT: u8 = 1;
const FIXED: usize = 6;
const CRC: usize = 4;

/// An entry of a group's log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogRow {
    pub index: u64,
    /// Raft's own encoding of the log id, the kind and the membership.
    pub header: Bytes,
    /// The whole envelope; empty for a blank entry or a membership.
    pub command: Bytes,
}

impl LogRow {
    /// The weight of the row in queues and caches, in bytes.
    pub(crate) fn weight(&self) -> usize {
        self.header.len() + self.command.len() + 64
    }
}

/// A log row as it lies in the log column: the bodies may be elsewhere.
pub(crate) struct Stored {
    pub(crate) index: u64,
    pub(crate) header: Bytes,
    part: Bytes,
    split: bool,
}

/// Adds a log row and its bodies to a batch. `scratch` only saves allocations.
pub(crate) fn put(
    engine: &Engine,
    batch: &mut WriteBatch,
    scratch: &mut Vec<u8>,
    group: GroupId,
    row: &LogRow,
) {
    // Whatever does not read as an envelope is kept whole: the log remembers, it does not judge.
    let envelope = (!row.command.is_empty())
        .then(|| Envelope::parse(&row.command).ok())
        .flatten()
        .filter(|envelope| !envelope.bodies.is_empty());
    let bodies_len: usize = envelope
        .iter()
        .flat_map(|envelope| &envelope.bodies)
        .map(Bytes::len)
        .sum();
    let key = log_key(group, row.index);
    scratch.clear();
    scratch.put_u8(LAYOUT);
    scratch.put_u8(if envelope.is_some() { SPLIT } else { WHOLE });
    scratch.put_u32(u32::try_from(row.header.len()).expect("a raft header is far below 4 GiB"));
    scratch.put_slice(&row.header);
    scratch.put_slice(&row.command[..row.command.len() - bodies_len]);
    seal(&key, scratch);
    batch.put_cf(engine.column(Column::Log), key, &scratch[..]);
    let Some(envelope) = envelope else { return };
    for (body, at) in envelope.bodies.iter().zip(references(&envelope, row.index)) {
        let key = payload_key(group, &at);
        scratch.clear();
        scratch.put_slice(body);
        seal(&key, scratch);
        batch.put_cf(engine.column(Column::Payload), key, &scratch[..]);
    }
}

fn references(envelope: &Envelope, index: u64) -> impl Iterator<Item = PayloadRef> + '_ {
    let bucket = envelope.at.bucket();
    (0u16..)
        .zip(&envelope.bodies)
        .map(move |(sub, body)| PayloadRef {
            bucket,
            index,
            sub,
            len: u32::try_from(body.len()).unwrap_or(u32::MAX),
        })
}

/// The bucket of a command's bodies, from the envelope's first bytes; none when it has no bodies.
pub(crate) fn bucket_of(command: &[u8]) -> Option<u32> {
    let at = u64::from_be_bytes(command.get(1..9)?.try_into().ok()?);
    let count = u16::from_be_bytes(command.get(13..15)?.try_into().ok()?);
    (count > 0).then(|| model::time::Timestamp(at).bucket())
}

/// Reads a row of the log column.
pub(crate) fn stored(group: GroupId, index: u64, value: &[u8]) -> Result<Stored, Error> {
    let damaged = |detail: &str| Error::Damaged {
        group,
        what: "a log row",
        detail: format!("index {index}: {detail}"),
    };
    let sealed =
        unseal(&log_key(group, index), value).ok_or_else(|| damaged("the checksum is wrong"))?;
    if sealed.len() < FIXED || sealed[0] != LAYOUT || sealed[1] > SPLIT {
        return Err(damaged("the layout is unknown"));
    }
    let header_len = u32::from_be_bytes([sealed[2], sealed[3], sealed[4], sealed[5]]) as usize;
    let rest = Bytes::copy_from_slice(&sealed[FIXED..]);
    if header_len > rest.len() {
        return Err(damaged("it ends too early"));
    }
    Ok(Stored {
        index,
        header: rest.slice(..header_len),
        part: rest.slice(header_len..),
        split: sealed[1] == SPLIT,
    })
}

impl Stored {
    /// The references to the bodies of the entry, without reading them.
    pub(crate) fn bodies(&self, group: GroupId) -> Result<Vec<PayloadRef>, Error> {
        if !self.split {
            return Ok(Vec::new());
        }
        self.lengths().ok_or_else(|| Error::Damaged {
            group,
            what: "a log row",
            detail: format!("index {}: the command's lengths can't be read", self.index),
        })
    }

    fn lengths(&self) -> Option<Vec<PayloadRef>> {
        // The part is an envelope without its bodies: `version u8 | at u64 | head_len u32 | count u16 | len u32 × n | head`.
        let at = u64::from_be_bytes(self.part.get(1..9)?.try_into().ok()?);
        let count = u16::from_be_bytes(self.part.get(13..15)?.try_into().ok()?);
        let lengths = self.part.get(15..15 + usize::from(count) * 4)?;
        let bucket = model::time::Timestamp(at).bucket();
        Some(
            (0u16..)
                .zip(lengths.chunks_exact(4))
                .map(|(sub, len)| PayloadRef {
                    bucket,
                    index: self.index,
                    sub,
                    len: u32::from_be_bytes([len[0], len[1], len[2], len[3]]),
                })
                .collect(),
        )
    }

    /// Joins the row with its bodies.
    pub(crate) fn join(self, engine: &Engine, group: GroupId) -> Result<LogRow, Error> {
        if !self.split {
            return Ok(LogRow {
                index: self.index,
                header: self.header,
                command: self.part,
            });
        }
        let bodies = self.bodies(group)?;
        let total: usize = bodies.iter().map(|at| at.len as usize).sum();
        let mut command = BytesMut::with_capacity(self.part.len() + total);
        command.put_slice(&self.part);
        for at in bodies {
            let body = body(engine, group, &at)?.ok_or_else(|| Error::Damaged {
                group,
                what: "a log row",
                detail: format!("index {}: body {} is missing", at.index, at.sub),
            })?;
            command.put_slice(&body);
        }
        Ok(LogRow {
            index: self.index,
            header: self.header,
            command: command.freeze(),
        })
    }

    /// The bucket of its bodies; none when it holds all that it has.
    pub(crate) fn bucket(&self) -> Option<u32> {
        self.split.then(|| bucket_of(&self.part)).flatten()
    }
}

/// Reads one body and checks it.
pub(crate) fn body(
    engine: &Engine,
    group: GroupId,
    at: &PayloadRef,
) -> Result<Option<Bytes>, Error> {
    let key = payload_key(group, at);
    let Some(value) = engine.get_pinned(Column::Payload, &key)? else {
        return Ok(None);
    };
    match unseal(&key, &value) {
        Some(body) if body.len() == at.len as usize => Ok(Some(Bytes::copy_from_slice(body))),
        Some(body) => Err(Error::Damaged {
            group,
            what: "a payload",
            detail: format!("{at:?}: it has {} bytes", body.len()),
        }),
        None => Err(Error::Damaged {
            group,
            what: "a payload",
            detail: format!("{at:?}: the checksum is wrong"),
        }),
    }
}

fn checksum(key: &[u8], value: &[u8]) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c(key), value)
}

fn seal(key: &[u8], value: &mut Vec<u8>) {
    let crc = checksum(key, value);
    value.put_u32(crc);
}

fn unseal<'a>(key: &[u8], sealed: &'a [u8]) -> Option<&'a [u8]> {
    let (value, crc) = sealed.split_at_checked(sealed.len().checked_sub(CRC)?)?;
    (crc == checksum(key, value).to_be_bytes()).then_some(value)
}

/// A body with the checksum that it carries under its key.
pub(crate) fn sealed(group: GroupId, at: &PayloadRef, body: &[u8]) -> Bytes {
    let mut value = Vec::with_capacity(body.len() + CRC);
    value.extend_from_slice(body);
    seal(&payload_key(group, at), &mut value);
    value.into()
}

/// The body of a sealed row, if it is the one that belongs there.
pub(crate) fn unsealed(group: GroupId, at: &PayloadRef, sealed: &Bytes) -> Option<Bytes> {
    let body = unseal(&payload_key(group, at), sealed)?;
    (body.len() == at.len as usize).then(|| sealed.slice_ref(body))
}

/// Whether a sealed row carries the checksum of its key and value.
pub(crate) fn is_whole(key: &[u8], sealed: &[u8]) -> bool {
    unseal(key, sealed).is_some()
}
