//! HTTP/1 framing: where the requests of a connection begin and end, read so strictly that nobody behind can read them
//! otherwise (request smuggling). Heads pass whole or not at all.

use super::{
    chunks::Chunks,
    head::{self, Framed, HeadBounds},
};
use std::{fmt, ops::Range, sync::Arc};

/// A protocol violation in a stranger's bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Fault {
    /// Lines do not end with CR LF.
    LineEnd,
    /// A header goes on in the next line.
    Folded,
    /// Method, target and version.
    RequestLine,
    /// The target holds what must be percent-encoded, or is of a form that nobody serves.
    Target,
    TargetTooLong,
    /// The target names another host.
    ForeignAuthority,
    Host,
    Header,
    HeadTooLarge,
    HeadTooSlow,
    /// The body's length is not told, or in several ways.
    Length,
    Chunk,
    ChunkExtension,
}

impl Fault {
    pub const ALL: [Self; 13] = [
        Self::LineEnd,
        Self::Folded,
        Self::RequestLine,
        Self::Target,
        Self::TargetTooLong,
        Self::ForeignAuthority,
        Self::Host,
        Self::Header,
        Self::HeadTooLarge,
        Self::HeadTooSlow,
        Self::Length,
        Self::Chunk,
        Self::ChunkExtension,
    ];

    /// The label of this fault in the metrics.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::LineEnd => "line_end",
            Self::Folded => "folded_header",
            Self::RequestLine => "request_line",
            Self::Target => "target",
            Self::TargetTooLong => "uri_too_long",
            Self::ForeignAuthority => "foreign_authority",
            Self::Host => "host",
            Self::Header => "header",
            Self::HeadTooLarge => "head_too_large",
            Self::HeadTooSlow => "head_too_slow",
            Self::Length => "length",
            Self::Chunk => "chunk",
            Self::ChunkExtension => "chunk_extension",
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::LineEnd => "expected lines that end with CR LF",
            Self::Folded => "expected each header on one line",
            Self::RequestLine => "expected a method, a target and HTTP/1.1",
            Self::Target => {
                "expected a path that starts with a slash, with blanks, quotes, angle brackets and everything beyond \
                 ASCII percent-encoded, and no CONNECT"
            }
            Self::TargetTooLong => "the URL is too long",
            Self::ForeignAuthority => "expected a URL of this host",
            Self::Host => "expected one Host header that names a host",
            Self::Header => "expected headers of the form name: value",
            Self::HeadTooLarge => "the headers are too large",
            Self::HeadTooSlow => "the head of the request took too long",
            Self::Length => "expected one content-length, or transfer-encoding: chunked",
            Self::Chunk => "expected chunks with their sizes",
            Self::ChunkExtension => "the chunk extensions are too large",
        })
    }
}

/// The decision about the bytes that were looked at: pass, wait for more, or refuse.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Look {
    /// So many may pass.
    Pass(usize),
    /// So many may pass, but for these parts of them, of which nobody behind may hear. Ascending.
    PassWithout(usize, Vec<Range<usize>>),
    /// None before more are there.
    More,
    /// None of these, nor anything behind them.
    Refuse(Fault),
}

/// The phase of a connection: the part of a request that it waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// The next request.
    Between,
    /// The rest of a head.
    Head,
    /// The rest of a body.
    Body,
    /// Nothing: all that comes passes. A websocket was asked for; whether there is one, who answers knows.
    Open,
}

#[derive(Clone, Copy, Debug)]
enum At {
    /// In a head of which so many bytes have been looked at.
    Head {
        seen: usize,
    },
    Sized {
        left: u64,
    },
    Chunked(Chunks),
    Open,
}

/// The reader of one connection.
#[derive(Clone, Debug)]
pub struct Framing {
    at: At,
    bounds: Arc<HeadBounds>,
}

impl Framing {
    #[must_use]
    pub fn new(bounds: Arc<HeadBounds>) -> Self {
        Self {
            at: At::Head { seen: 0 },
            bounds,
        }
    }

    #[must_use]
    pub fn phase(&self) -> Phase {
        match self.at {
            At::Head { seen: 0 } => Phase::Between,
            At::Head { .. } => Phase::Head,
            At::Sized { .. } | At::Chunked(_) => Phase::Body,
            At::Open => Phase::Open,
        }
    }

    /// Bytes that may pass without being looked at; they are to be told by [`Self::passed`].
    #[must_use]
    pub fn unread(&self) -> u64 {
        match self.at {
            At::Sized { left } => left,
            At::Open => u64::MAX,
            At::Head { .. } | At::Chunked(_) => 0,
        }
    }

    /// Notes that so many bytes passed without being looked at.
    pub fn passed(&mut self, bytes: u64) {
        if let At::Sized { left } = self.at {
            self.at = match left.saturating_sub(bytes) {
                0 => At::Head { seen: 0 },
                left => At::Sized { left },
            };
        }
    }

    /// Looks at the bytes that have come and have not passed.
    pub fn look(&mut self, bytes: &[u8]) -> Look {
        if bytes.is_empty() {
            return Look::More;
        }
        match self.at {
            At::Head { seen } => self.look_at_head(bytes, seen),
            At::Sized { left } => {
                let here = usize::try_from(left).unwrap_or(usize::MAX).min(bytes.len());
                self.passed(here as u64);
                Look::Pass(here)
            }
            At::Chunked(mut chunks) => match chunks.look(bytes) {
                Ok((here, ends)) => {
                    self.at = match ends {
                        true => At::Head { seen: 0 },
                        false => At::Chunked(chunks),
                    };
                    Look::Pass(here)
                }
                Err(fault) => Look::Refuse(fault),
            },
            At::Open => Look::Pass(bytes.len()),
        }
    }

    fn look_at_head(&mut self, bytes: &[u8], seen: usize) -> Look {
        // Empty lines in front of a request are passed over, as all readers do.
        let empty = bytes.chunks(2).take_while(|pair| *pair == b"\r\n").count() * 2;
        if empty > 0 && bytes.len() > empty && bytes[empty..] != *b"\r" {
            self.at = At::Head { seen: 0 };
            return Look::Pass(empty);
        }
        let scanned = match scan(bytes, seen.max(empty)) {
            Ok(scanned) => scanned,
            Err(fault) => return Look::Refuse(fault),
        };
        let end = match scanned {
            Scanned::End(end) => end,
            Scanned::Until(seen) => {
                self.at = At::Head { seen };
                return self.incomplete(bytes);
            }
        };
        match head::read(&bytes[..end], &self.bounds) {
            Err(fault) => Look::Refuse(fault),
            Ok(head::Read { framed, unheard }) => {
                self.at = match framed {
                    Framed::Sized(0) => At::Head { seen: 0 },
                    Framed::Sized(left) => At::Sized { left },
                    Framed::Chunked => At::Chunked(Chunks::new()),
                    Framed::Open => At::Open,
                };
                match unheard.is_empty() {
                    true => Look::Pass(end),
                    false => Look::PassWithout(end, unheard),
                }
            }
        }
    }

    /// What may happen with a head that has not ended.
    fn incomplete(&self, bytes: &[u8]) -> Look {
        let most = self.bounds.target_bytes + self.bounds.header_bytes + HEAD_SLACK;
        if bytes.len() <= most {
            return Look::More;
        }
        let line_ended = bytes.contains(&b'\n');
        Look::Refuse(match line_ended {
            true => Fault::HeadTooLarge,
            false => Fault::TargetTooLong,
        })
    }
}

/// Method, version and line ends.
const HEAD_SLACK: usize = 1024;

enum Scanned {
    /// The head ends before this place.
    End(usize),
    /// So far nothing is wrong.
    Until(usize),
}

/// Finds the end of a head, looking from a place on before which nothing is wrong.
fn scan(bytes: &[u8], from: usize) -> Result<Scanned, Fault> {
    let mut place = from;
    while let Some(found) = bytes[place..].iter().position(|byte| is_control(*byte)) {
        let here = place + found;
        match (bytes[here], bytes.get(here + 1)) {
            (b'\r', Some(b'\n')) => {
                if bytes[..here].ends_with(b"\r\n") {
                    return Ok(Scanned::End(here + 2));
                }
                place = here + 2;
            }
            // It may yet be followed by its LF.
            (b'\r', None) => return Ok(Scanned::Until(here)),
            (b'\r' | b'\n', _) => return Err(Fault::LineEnd),
            _ => return Err(Fault::Header),
        }
    }
    Ok(Scanned::Until(bytes.len()))
}

fn is_control(byte: u8) -> bool {
    (byte < b' ' && byte != b'\t') || byte == 0x7f
}

#[cfg(test)]
mod tests;
