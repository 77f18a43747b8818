//! Files of rows: `column u8 | key_len u32 | value_len u32 | key | value`, one behind the other. Keys are without
//! their group. The checksum of the whole file is in the manifest.

use super::manifest::Chunk;
use crate::{columns::Column, error::Error};
use bytes::BufMut;
use std::{
    fs::File,
    io::{BufReader, BufWriter, Read, Write},
    path::{Path, PathBuf},
};

const FRAME: usize = 9;

/// Cuts a stream of rows into files of about the same size.
pub(super) struct Writer {
    dir: PathBuf,
    chunk_bytes: u64,
    chunks: Vec<Chunk>,
    open: Option<(BufWriter<File>, Chunk)>,
    frame: Vec<u8>,
}

impl Writer {
    pub(super) fn new(dir: &Path, chunk_bytes: usize) -> Self {
        Self {
            dir: dir.to_path_buf(),
            chunk_bytes: chunk_bytes as u64,
            chunks: Vec::new(),
            open: None,
            frame: Vec::new(),
        }
    }

    pub(super) fn put(&mut self, column: Column, key: &[u8], value: &[u8]) -> Result<(), Error> {
        if self
            .open
            .as_ref()
            .is_some_and(|(_, chunk)| chunk.bytes >= self.chunk_bytes)
        {
            self.seal()?;
        }
        let (mut file, mut chunk) = match self.open.take() {
            Some(open) => open,
            None => self.next()?,
        };
        let length = |bytes: &[u8]| u32::try_from(bytes.len()).expect("a row is far below 4 GiB");
        self.frame.clear();
        self.frame.put_u8(column.number());
        self.frame.put_u32(length(key));
        self.frame.put_u32(length(value));
        self.frame.put_slice(key);
        self.frame.put_slice(value);
        file.write_all(&self.frame)
            .map_err(Error::file("writing", self.dir.join(&chunk.name)))?;
        chunk.crc32c = crc32c::crc32c_append(chunk.crc32c, &self.frame);
        chunk.bytes += self.frame.len() as u64;
        chunk.rows += 1;
        self.open = Some((file, chunk));
        Ok(())
    }

    fn next(&self) -> Result<(BufWriter<File>, Chunk), Error> {
        let name = format!("chunk-{:06}", self.chunks.len());
        let path = self.dir.join(&name);
        let file = File::create(&path).map_err(Error::file("creating", path))?;
        let chunk = Chunk {
            name,
            bytes: 0,
            rows: 0,
            crc32c: 0,
        };
        Ok((BufWriter::with_capacity(256 << 10, file), chunk))
    }

    fn seal(&mut self) -> Result<(), Error> {
        let Some((file, chunk)) = self.open.take() else {
            return Ok(());
        };
        let path = self.dir.join(&chunk.name);
        file.into_inner()
            .map_err(std::io::IntoInnerError::into_error)
            .and_then(|file| file.sync_all())
            .map_err(Error::file("writing", path))?;
        self.chunks.push(chunk);
        Ok(())
    }

    /// The finished files, all of them durable.
    pub(super) fn finish(mut self) -> Result<Vec<Chunk>, Error> {
        self.seal()?;
        Ok(self.chunks)
    }
}

fn refused(dir: &Path, chunk: &Chunk, reason: &str) -> Error {
    Error::SnapshotRefused {
        dir: dir.to_path_buf(),
        reason: format!("{}: {reason}", chunk.name),
    }
}

/// Compares a file with what the manifest says of it, and makes it durable.
pub(super) fn verify(dir: &Path, chunk: &Chunk) -> Result<(), Error> {
    let path = dir.join(&chunk.name);
    let check = || -> std::io::Result<bool> {
        let mut file = File::open(&path)?;
        let mut buffer = vec![0; 256 << 10];
        let (mut bytes, mut crc) = (0u64, 0u32);
        loop {
            match file.read(&mut buffer)? {
                0 => break,
                read => {
                    bytes += read as u64;
                    crc = crc32c::crc32c_append(crc, &buffer[..read]);
                }
            }
        }
        file.sync_all()?;
        Ok(bytes == chunk.bytes && crc == chunk.crc32c)
    };
    match check() {
        Ok(true) => Ok(()),
        Ok(false) => Err(refused(dir, chunk, "length or checksum is wrong")),
        Err(error) => Err(Error::file("reading", path)(error)),
    }
}

/// Hands every row of a verified file to `each`.
pub(super) fn rows(
    dir: &Path,
    chunk: &Chunk,
    mut each: impl FnMut(Column, &[u8], &[u8]) -> Result<(), Error>,
) -> Result<(), Error> {
    let path = dir.join(&chunk.name);
    let unreadable = |error| Error::file("reading", path.clone())(error);
    let file = File::open(&path).map_err(unreadable)?;
    let mut file = BufReader::with_capacity(256 << 10, file);
    let mut row = Vec::new();
    let mut left = chunk.bytes;
    for _ in 0..chunk.rows {
        let mut frame = [0; FRAME];
        file.read_exact(&mut frame).map_err(unreadable)?;
        let [number, k0, k1, k2, k3, v0, v1, v2, v3] = frame;
        let key = u32::from_be_bytes([k0, k1, k2, k3]) as usize;
        let value = u32::from_be_bytes([v0, v1, v2, v3]) as usize;
        let column = Column::from_number(number)
            .filter(|column| matches!(column, Column::Payload | Column::State | Column::Due))
            .ok_or_else(|| refused(dir, chunk, "a row is of an unknown column"))?;
        // Lengths are believed only as far as the file goes.
        left = left
            .checked_sub((FRAME + key + value) as u64)
            .ok_or_else(|| refused(dir, chunk, "a row is longer than the file"))?;
        row.resize(key + value, 0);
        file.read_exact(&mut row).map_err(unreadable)?;
        each(column, &row[..key], &row[key..])?;
    }
    if left == 0 {
        Ok(())
    } else {
        Err(refused(dir, chunk, "bytes are left over"))
    }
}
