//! The encoding of Raft's own values: one version byte, then bincode 2. openraft's serde layout is no storage format,
//! so a changed layout of theirs means a new version byte here.

use serde::{Serialize, de::DeserializeOwned};
use std::io;

const VERSION: u8 = 1;

/// The most that any encoded value may take, decoded or not: 64 MiB.
const LIMIT: usize = 64 * 1024 * 1024;

fn config() -> impl bincode::config::Config {
    bincode::config::standard().with_limit::<LIMIT>()
}

/// Appends a value to `out`.
pub(crate) fn write(value: &impl Serialize, out: &mut Vec<u8>) -> io::Result<()> {
    out.push(VERSION);
    bincode::serde::encode_into_std_write(value, out, config())
        .map(|_| ())
        .map_err(|error| io::Error::other(format!("encoding: {error}")))
}

pub(crate) fn encode(value: &impl Serialize) -> io::Result<Vec<u8>> {
    let mut out = Vec::new();
    write(value, &mut out)?;
    Ok(out)
}

/// Reads exactly one value.
pub(crate) fn decode<T: DeserializeOwned>(bytes: &[u8]) -> io::Result<T> {
    let malformed = |why: String| io::Error::new(io::ErrorKind::InvalidData, why);
    let Some((&VERSION, body)) = bytes.split_first() else {
        return Err(malformed("decoding: unknown version".into()));
    };
    let (value, read) = bincode::serde::decode_from_slice(body, config())
        .map_err(|error| malformed(format!("decoding: {error}")))?;
    if read != body.len() {
        return Err(malformed("decoding: bytes are left over".into()));
    }
    Ok(value)
}
