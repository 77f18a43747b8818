//! The manifest of a snapshot, which lists its files. The manifest is written last, so a directory without one is no
//! snapshot.

use super::chunk;
use crate::{error::Error, watermark::sync_dir};
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use std::{
    fs::{self, File},
    io::Write,
    path::Path,
};

pub(super) const LAYOUT: u32 = 1;
const NAME: &str = "MANIFEST";

/// A chunk of a snapshot: one file of rows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Chunk {
    pub name: String,
    pub bytes: u64,
    pub rows: u64,
    pub crc32c: u32,
}

/// The list of a snapshot's files, with their checksums.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    pub layout: u32,
    pub group: u16,
    /// Raft's own bytes: the last entry that the state holds, and the membership of that moment.
    pub applied: Bytes,
    /// Bodies of hours before this one are gone by decision.
    pub payload_floor: u32,
    pub chunks: Vec<Chunk>,
}

impl Manifest {
    /// Every file of the snapshot, the manifest last: the order in which they should be sent.
    pub fn files(&self) -> impl Iterator<Item = &str> {
        self.chunks
            .iter()
            .map(|chunk| chunk.name.as_str())
            .chain([NAME])
    }

    /// Bytes of all chunks.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.chunks.iter().map(|chunk| chunk.bytes).sum()
    }

    /// Reads the manifest of a snapshot.
    ///
    /// # Errors
    /// When there is none, or it is damaged or of an unknown layout.
    pub fn read(dir: &Path) -> Result<Self, Error> {
        let refused = |reason: &str| Error::SnapshotRefused {
            dir: dir.to_path_buf(),
            reason: reason.into(),
        };
        let path = dir.join(NAME);
        let bytes = fs::read(&path).map_err(Error::file("reading", path))?;
        let (body, crc) = bytes
            .len()
            .checked_sub(4)
            .and_then(|at| bytes.split_at_checked(at))
            .ok_or_else(|| refused("its manifest is too short"))?;
        if crc != crc32c::crc32c(body).to_be_bytes() {
            return Err(refused("the checksum of its manifest is wrong"));
        }
        let (manifest, read): (Self, usize) =
            bincode::serde::decode_from_slice(body, bincode::config::standard())
                .map_err(|error| refused(&format!("its manifest can't be read: {error}")))?;
        if read != body.len() || manifest.layout != LAYOUT {
            return Err(refused("the layout of its manifest is unknown"));
        }
        // Names come over the network: none may lead out of the directory.
        if manifest.chunks.iter().any(|chunk| {
            !chunk
                .name
                .bytes()
                .all(|c| c.is_ascii_alphanumeric() || c == b'-')
        }) {
            return Err(refused("a file name in its manifest is not allowed"));
        }
        Ok(manifest)
    }

    /// Compares every file of a snapshot with what its manifest says of it, and makes it durable.
    ///
    /// # Errors
    /// When one is missing or damaged.
    pub fn verify(dir: &Path) -> Result<Self, Error> {
        let manifest = Self::read(dir)?;
        for chunk in &manifest.chunks {
            chunk::verify(dir, chunk)?;
        }
        Ok(manifest)
    }

    pub(super) fn write(&self, dir: &Path) -> Result<(), Error> {
        let mut bytes = bincode::serde::encode_to_vec(self, bincode::config::standard())
            .expect("a manifest encodes into memory");
        bytes.extend_from_slice(&crc32c::crc32c(&bytes).to_be_bytes());
        let path = dir.join(NAME);
        let unfinished = dir.join("manifest-unfinished");
        File::create(&unfinished)
            .and_then(|mut file| {
                file.write_all(&bytes)?;
                file.sync_all()
            })
            .and_then(|()| fs::rename(&unfinished, &path))
            .map_err(Error::file("writing", path))?;
        sync_dir(dir)
    }

    pub(super) fn remove(dir: &Path) -> Result<(), Error> {
        let path = dir.join(NAME);
        match fs::remove_file(&path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(Error::file("removing", path)(error))
            }
            _ => Ok(()),
        }
    }
}
