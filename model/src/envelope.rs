//! A command as it is logged, sent and cached: one contiguous run of bytes, encoded once at the door.
//!
//! `version 1 | at_ms u64 | head_len u32 | body_count u16 | body_len u32 × n | head | bodies…`, integers big-endian.

use crate::time::Timestamp;
use bytes::{BufMut, Bytes, BytesMut};
use serde::{Deserialize, Serialize};

pub const VERSION: u8 = 1;
const FIXED: usize = 1 + 8 + 4 + 2;

/// A reference to a payload in the log: a pure function of its entry, the same on every node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct PayloadRef {
    /// Hours since the epoch of the entry's time.
    pub bucket: u32,
    /// The entry's index in its group's log.
    pub index: u64,
    /// The body's position among the entry's bodies.
    pub sub: u16,
    /// Bytes.
    pub len: u32,
}

/// The parts of a command, sliced out of it without a copy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Envelope {
    pub at: Timestamp,
    pub head: Bytes,
    pub bodies: Vec<Bytes>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EnvelopeError {
    #[error("reading a command: it ends too early")]
    Truncated,
    #[error("reading a command: version {0} is unknown")]
    Version(u8),
    #[error("reading a command: bytes are left over")]
    TrailingBytes,
}

impl Envelope {
    /// Puts a command into one run of bytes. At most 65,535 bodies of less than 4 GiB each.
    ///
    /// # Panics
    /// When a length does not fit; the callers' bounds are far below.
    #[must_use]
    pub fn encode(at: Timestamp, head: &[u8], bodies: &[Bytes]) -> Bytes {
        let total: usize = bodies.iter().map(Bytes::len).sum();
        let mut out = BytesMut::with_capacity(FIXED + bodies.len() * 4 + head.len() + total);
        out.put_u8(VERSION);
        out.put_u64(at.0);
        out.put_u32(u32::try_from(head.len()).expect("a head is far below 4 GiB"));
        out.put_u16(u16::try_from(bodies.len()).expect("a batch holds far fewer bodies"));
        for body in bodies {
            out.put_u32(u32::try_from(body.len()).expect("a body is far below 4 GiB"));
        }
        out.put_slice(head);
        for body in bodies {
            out.put_slice(body);
        }
        out.freeze()
    }

    /// Slices a command into its parts.
    ///
    /// # Errors
    /// When the bytes are not exactly one command of a known version.
    pub fn parse(bytes: &Bytes) -> Result<Self, EnvelopeError> {
        let fixed = bytes.get(..FIXED).ok_or(EnvelopeError::Truncated)?;
        if fixed[0] != VERSION {
            return Err(EnvelopeError::Version(fixed[0]));
        }
        let at = u64::from_be_bytes(
            fixed[1..9]
                .try_into()
                .map_err(|_| EnvelopeError::Truncated)?,
        );
        let head_len = read_u32(&fixed[9..13]);
        let count = usize::from(u16::from_be_bytes([fixed[13], fixed[14]]));
        let lengths = bytes
            .get(FIXED..FIXED + count * 4)
            .ok_or(EnvelopeError::Truncated)?;
        let mut from = FIXED + count * 4;
        let mut take = |len: usize| {
            let end = from.checked_add(len).filter(|&end| end <= bytes.len())?;
            let part = bytes.slice(from..end);
            from = end;
            Some(part)
        };
        let head = take(head_len).ok_or(EnvelopeError::Truncated)?;
        let mut bodies = Vec::with_capacity(count);
        for length in lengths.chunks_exact(4) {
            bodies.push(take(read_u32(length)).ok_or(EnvelopeError::Truncated)?);
        }
        if from != bytes.len() {
            return Err(EnvelopeError::TrailingBytes);
        }
        Ok(Self {
            at: Timestamp(at),
            head,
            bodies,
        })
    }
}

fn read_u32(bytes: &[u8]) -> usize {
    u32::from_be_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]) as usize
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_was_encoded_is_parsed(at: u64, head: Vec<u8>, bodies: Vec<Vec<u8>>) {
            let bodies: Vec<Bytes> = bodies.into_iter().map(Bytes::from).collect();
            let bytes = Envelope::encode(Timestamp(at), &head, &bodies);
            let parsed = Envelope::parse(&bytes).expect("own encoding");
            prop_assert_eq!(parsed, Envelope { at: Timestamp(at), head: head.into(), bodies });
        }

        #[test]
        fn every_cut_is_noticed(head: Vec<u8>, body: Vec<u8>, cut in 0usize..1000) {
            let bytes = Envelope::encode(Timestamp(1), &head, &[body.into()]);
            let cut = cut % bytes.len();
            prop_assert!(Envelope::parse(&bytes.slice(..cut)).is_err());
        }

        #[test]
        fn no_bytes_make_the_parser_panic(bytes: Vec<u8>) {
            let _ = Envelope::parse(&bytes.into());
        }
    }
}
