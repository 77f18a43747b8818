//! A body in chunks: taken apart to its end, and told on in chunks without extensions and trailers.

use super::Broken;
use bytes::{BufMut, BytesMut};

/// Bytes of one line before a chunk, with its extensions.
const LINE_MAX: usize = 4 * 1024;
/// Bytes of the lines behind the last chunk.
pub(super) const TRAILERS_MAX: usize = 32 * 1024;

#[derive(Debug, Default)]
pub(super) struct Chunks {
    stage: Stage,
    /// What is there of a line.
    line: Vec<u8>,
    trailers: usize,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Stage {
    #[default]
    Size,
    Data(u64),
    /// Behind the data of a chunk.
    Between,
    Trailers,
    Ended,
}

impl Chunks {
    pub(super) fn have_ended(&self) -> bool {
        self.stage == Stage::Ended
    }

    /// Takes what is there of the body, tells its data, and gives what is behind its end.
    pub(super) fn read<'a>(
        &mut self,
        mut bytes: &'a [u8],
        told: &mut BytesMut,
    ) -> Result<&'a [u8], Broken> {
        while !bytes.is_empty() && !self.have_ended() {
            bytes = match self.stage {
                Stage::Data(left) => self.data(left, bytes, told),
                _ => self.line(bytes, told)?,
            };
        }
        Ok(bytes)
    }

    fn data<'a>(&mut self, left: u64, bytes: &'a [u8], told: &mut BytesMut) -> &'a [u8] {
        let here = usize::try_from(left).map_or(bytes.len(), |left| left.min(bytes.len()));
        let (data, rest) = bytes.split_at(here);
        told.put_slice(format!("{here:x}\r\n").as_bytes());
        told.put_slice(data);
        told.put_slice(b"\r\n");
        self.stage = match left - here as u64 {
            0 => Stage::Between,
            left => Stage::Data(left),
        };
        rest
    }

    fn line<'a>(&mut self, bytes: &'a [u8], told: &mut BytesMut) -> Result<&'a [u8], Broken> {
        let end = bytes.iter().position(|byte| *byte == b'\n');
        let (part, rest) = bytes.split_at(end.map_or(bytes.len(), |end| end + 1));
        self.line.extend_from_slice(part);
        let is_possible = match self.stage {
            Stage::Size => self.line[0].is_ascii_hexdigit() && self.line.len() <= LINE_MAX,
            Stage::Between => b"\r\n".starts_with(&self.line),
            _ => true,
        };
        if !is_possible {
            return Err(Broken::Chunk);
        }
        if self.trailers + self.line.len() > TRAILERS_MAX {
            return Err(Broken::Trailers);
        }
        if end.is_some() {
            self.stage = self.after_line(told)?;
            self.line.clear();
        }
        Ok(rest)
    }

    fn after_line(&mut self, told: &mut BytesMut) -> Result<Stage, Broken> {
        let line = self.line.as_slice();
        match self.stage {
            Stage::Between if line == b"\r\n" => Ok(Stage::Size),
            Stage::Size => match size(line)? {
                0 => Ok(Stage::Trailers),
                size => Ok(Stage::Data(size)),
            },
            Stage::Trailers if line.trim_ascii().is_empty() => {
                told.put_slice(b"0\r\n\r\n");
                Ok(Stage::Ended)
            }
            Stage::Trailers => {
                self.trailers += line.len();
                Ok(Stage::Trailers)
            }
            _ => Err(Broken::Chunk),
        }
    }
}

fn size(line: &[u8]) -> Result<u64, Broken> {
    debug_assert!(line[0].is_ascii_hexdigit(), "httparse takes none for zero");
    match httparse::parse_chunk_size(line) {
        Ok(httparse::Status::Complete((length, size))) if length == line.len() => Ok(size),
        _ => Err(Broken::Chunk),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The data of a body and how much was behind it; none while it has not ended.
    fn read(body: &[u8]) -> Result<Option<(String, usize)>, Broken> {
        let (mut chunks, mut told) = (Chunks::default(), BytesMut::new());
        let rest = chunks.read(body, &mut told)?.len();
        let told = String::from_utf8_lossy(&told).into_owned();
        Ok(chunks.have_ended().then_some((told, rest)))
    }

    #[test]
    fn chunks_are_told_without_what_only_their_way_needed() {
        for (body, told, rest) in [
            ("0\r\n\r\n", "0\r\n\r\n", 0),
            ("5\r\nhello\r\n0\r\n\r\nHTTP", "5\r\nhello\r\n0\r\n\r\n", 4),
            (
                "005;a=\"b\"\r\nhello\r\n0;c\r\nx-t: 1\r\nx-u: 2\r\n\r\n",
                "5\r\nhello\r\n0\r\n\r\n",
                0,
            ),
            (
                "A \r\n0123456789\r\n00\r\n\r\n",
                "a\r\n0123456789\r\n0\r\n\r\n",
                0,
            ),
            ("2\r\n\r\n\r\n0\r\n\r\n", "2\r\n\r\n\r\n0\r\n\r\n", 0),
        ] {
            assert_eq!(
                read(body.as_bytes()),
                Ok(Some((told.into(), rest))),
                "{body:?}"
            );
        }
    }

    #[test]
    fn what_is_no_chunk_is_refused() {
        let (long, endless) = (
            format!("5;{}", "x".repeat(5000)),
            format!("0\r\n{}", "x: y\r\n".repeat(9000)),
        );
        for body in [
            "\r\n",
            ";a\r\n",
            "x\r\n",
            "5\nhello",
            "5\r\nhello!",
            "5\r\nhelloworld\r\n",
            "-5\r\n",
            "11111111111111111\r\n",
            "5 5\r\n",
            &long,
        ] {
            assert_eq!(read(body.as_bytes()), Err(Broken::Chunk), "{body:?}");
        }
        assert_eq!(read(endless.as_bytes()), Err(Broken::Trailers));
        for half in [
            "",
            "5",
            "5\r\nhell",
            "5\r\nhello\r\n",
            "0\r\n",
            "0\r\nx: y\r\n",
        ] {
            assert_eq!(read(half.as_bytes()), Ok(None), "{half:?}");
        }
    }
}
