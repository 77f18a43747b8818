//! HTTP responses, put right before the client sees them: an answer belongs to the request that it was given to, and
//! ends where RFC 9112 says. The one place where that is decided, whoever asked.

mod chunks;
mod extent;
mod framing;
mod head;
mod line;
mod reader;

pub(crate) use line::{Line, Stream};

/// A protocol violation by a receiver: why what came is no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Broken {
    #[error("reading an answer's head: {0}")]
    Head(httparse::Error),
    #[error("reading an answer's head: expected HTTP/1.0 or HTTP/1.1")]
    Tongue,
    #[error("reading an answer's head: expected at most {} bytes", head::HEAD_MAX)]
    LongHead,
    #[error("reading an answer's head: expected a status from 100 on")]
    Status,
    #[error("reading an answer's head: expected one content-length")]
    Length,
    #[error(
        "reading an answer: expected at most {} interim ones before it",
        reader::INTERIM_MAX
    )]
    Interim,
    #[error("reading an answer: the protocol was changed, which nobody asked for")]
    Switched,
    #[error("reading an answer's body: expected the size of a chunk and its data")]
    Chunk,
    #[error(
        "reading an answer's trailers: expected at most {} bytes",
        chunks::TRAILERS_MAX
    )]
    Trailers,
    #[error("reading an answer: it came before anything was asked")]
    Unasked,
}

impl From<Broken> for std::io::Error {
    fn from(broken: Broken) -> Self {
        Self::new(std::io::ErrorKind::InvalidData, broken)
    }
}
