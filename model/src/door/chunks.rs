//! A chunked body, byte by byte: what of it may pass, and where it ends.

use super::framing::Fault;

/// Digits of a chunk's size.
const DIGITS_MAX: u32 = 16;
/// Bytes of a chunk that are neither its size nor its content.
const EXTENSION_MAX: u32 = 256;
/// The same of all chunks of a body together.
const EXTENSIONS_MAX: u32 = 8 * 1024;
/// The fields behind the last chunk together.
const TRAILERS_MAX: u32 = 8 * 1024;

/// The parser state of a chunked body: where in it the reader is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Chunks {
    at: At,
    extensions: u32,
    trailers: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum At {
    Size {
        size: u64,
        digits: u32,
    },
    Extension {
        size: u64,
        bytes: u32,
    },
    SizeEnd {
        size: u64,
    },
    Data {
        left: u64,
    },
    DataCr,
    DataLf,
    /// At the start of a line behind the last chunk.
    Trailer,
    TrailerLine,
    TrailerLf,
    EndLf,
}

const FIRST: At = At::Size { size: 0, digits: 0 };

impl Chunks {
    pub(super) fn new() -> Self {
        Self {
            at: FIRST,
            extensions: 0,
            trailers: 0,
        }
    }

    /// Looks at the next bytes. Gives how many belong to the body and whether it ends behind them.
    pub(super) fn look(&mut self, bytes: &[u8]) -> Result<(usize, bool), Fault> {
        let mut place = 0;
        while place < bytes.len() {
            if let At::Data { left } = self.at {
                let here = usize::try_from(left).unwrap_or(usize::MAX);
                let here = here.min(bytes.len() - place);
                place += here;
                self.at = match left - here as u64 {
                    0 => At::DataCr,
                    left => At::Data { left },
                };
                continue;
            }
            let (byte, ends) = (bytes[place], self.at == At::EndLf);
            self.at = self.next(byte)?;
            place += 1;
            if ends {
                return Ok((place, true));
            }
        }
        Ok((place, false))
    }

    fn next(&mut self, byte: u8) -> Result<At, Fault> {
        Ok(match (self.at, byte) {
            (At::Size { size, digits }, _) if byte.is_ascii_hexdigit() => {
                let digit = (byte as char).to_digit(16).map_or(0, u64::from);
                if digits == DIGITS_MAX {
                    return Err(Fault::Chunk);
                }
                At::Size {
                    size: size << 4 | digit,
                    digits: digits + 1,
                }
            }
            (At::Size { digits: 0, .. }, _) => return Err(Fault::Chunk),
            (At::Size { size, .. } | At::Extension { size, .. }, b'\r') => At::SizeEnd { size },
            (At::Size { size, .. }, b';' | b' ' | b'\t') => self.extension(size, 1)?,
            (At::Extension { .. }, 0..=8 | 10..=31 | 127) => return Err(Fault::Chunk),
            (At::Extension { size, bytes }, _) => self.extension(size, bytes + 1)?,
            (At::SizeEnd { size: 0 }, b'\n') => At::Trailer,
            (At::SizeEnd { size }, b'\n') => At::Data { left: size },
            (At::DataCr, b'\r') => At::DataLf,
            (At::DataLf, b'\n') => FIRST,
            (At::Trailer, b'\r') => At::EndLf,
            (At::Trailer, b' ' | b'\t') => return Err(Fault::Folded),
            (At::TrailerLine, b'\r') => At::TrailerLf,
            (At::Trailer | At::TrailerLine, 0..=8 | 10..=31 | 127) => return Err(Fault::Chunk),
            (At::Trailer | At::TrailerLine, _) => self.trailer()?,
            (At::TrailerLf, b'\n') => At::Trailer,
            (At::EndLf, b'\n') => FIRST,
            _ => return Err(Fault::Chunk),
        })
    }

    fn extension(&mut self, size: u64, bytes: u32) -> Result<At, Fault> {
        self.extensions += 1;
        if bytes > EXTENSION_MAX || self.extensions > EXTENSIONS_MAX {
            return Err(Fault::ChunkExtension);
        }
        Ok(At::Extension { size, bytes })
    }

    fn trailer(&mut self) -> Result<At, Fault> {
        self.trailers += 1;
        if self.trailers > TRAILERS_MAX {
            return Err(Fault::ChunkExtension);
        }
        Ok(At::TrailerLine)
    }
}
