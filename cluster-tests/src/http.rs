//! A keep-alive HTTP/1.1 client that costs next to nothing, so that on a small machine the load is not what is measured.

use std::{
    io::{self, ErrorKind},
    net::SocketAddr,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

/// The largest answer that the harness reads.
const MAX_ANSWER_BYTES: usize = 64 << 20;

pub struct Connection {
    stream: TcpStream,
    received: Vec<u8>,
}

/// An answer: its status and its body, still in the connection's buffer.
pub struct Answer<'a> {
    pub status: u16,
    pub body: &'a [u8],
}

/// What the head of an answer says about its body.
struct Head {
    status: u16,
    length: usize,
    body_bytes: Option<usize>,
    chunked: bool,
}

impl Connection {
    /// Dials. A failure here means that nothing was sent.
    pub async fn open(address: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Self {
            stream,
            received: Vec::with_capacity(4096),
        })
    }

    /// Sends one whole request and reads its answer. After an error the connection is of no more use, and whether the
    /// request was taken is unknown.
    pub async fn exchange(&mut self, request: &[u8]) -> io::Result<Answer<'_>> {
        self.received.clear();
        self.stream.write_all(request).await?;
        let head = self.head().await?;
        if head.chunked {
            let body = self.chunks(head.length).await?;
            self.received.truncate(head.length);
            self.received.extend_from_slice(&body);
        } else if let Some(bytes) = head.body_bytes {
            self.at_least(head.length + bytes).await?;
            self.received.truncate(head.length + bytes);
        } else {
            // Neither a length nor chunks: the body ends with the connection.
            while self.more().await? > 0 {}
        }
        Ok(Answer {
            status: head.status,
            body: &self.received[head.length..],
        })
    }

    async fn head(&mut self) -> io::Result<Head> {
        let mut searched = 0;
        loop {
            if let Some(found) = find(&self.received[searched..], b"\r\n\r\n") {
                return parse_head(&self.received[..searched + found + 4]);
            }
            searched = self.received.len().saturating_sub(3);
            if self.more().await? == 0 {
                return Err(ErrorKind::UnexpectedEof.into());
            }
        }
    }

    async fn chunks(&mut self, mut at: usize) -> io::Result<Vec<u8>> {
        let mut body = Vec::new();
        loop {
            let line_end = loop {
                if let Some(found) = find(&self.received[at..], b"\r\n") {
                    break at + found;
                }
                self.at_least(self.received.len() + 1).await?;
            };
            let text = std::str::from_utf8(&self.received[at..line_end]).map_err(invalid)?;
            let digits = text.split(';').next().unwrap_or_default().trim();
            let size = usize::from_str_radix(digits, 16).map_err(invalid)?;
            self.at_least(line_end + 2 + size + 2).await?;
            body.extend_from_slice(&self.received[line_end + 2..line_end + 2 + size]);
            at = line_end + 2 + size + 2;
            if size == 0 {
                return Ok(body);
            }
        }
    }

    async fn at_least(&mut self, bytes: usize) -> io::Result<()> {
        while self.received.len() < bytes {
            if self.more().await? == 0 {
                return Err(ErrorKind::UnexpectedEof.into());
            }
        }
        Ok(())
    }

    async fn more(&mut self) -> io::Result<usize> {
        if self.received.len() > MAX_ANSWER_BYTES {
            return Err(io::Error::other(
                "the answer is larger than the harness reads",
            ));
        }
        self.stream.read_buf(&mut self.received).await
    }
}

fn invalid(error: impl std::error::Error + Send + Sync + 'static) -> io::Error {
    io::Error::new(ErrorKind::InvalidData, error)
}

fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack
        .windows(needle.len())
        .position(|window| window == needle)
}

fn parse_head(bytes: &[u8]) -> io::Result<Head> {
    let text = std::str::from_utf8(bytes).map_err(invalid)?;
    let mut lines = text.split("\r\n");
    let status = lines
        .next()
        .and_then(|line| line.split(' ').nth(1))
        .and_then(|status| status.parse().ok())
        .ok_or_else(|| io::Error::new(ErrorKind::InvalidData, "no status line"))?;
    let mut head = Head {
        status,
        length: bytes.len(),
        body_bytes: (status == 204 || status == 304).then_some(0),
        chunked: false,
    };
    for (name, value) in lines.filter_map(|line| line.split_once(':')) {
        if name.eq_ignore_ascii_case("content-length") {
            head.body_bytes = Some(value.trim().parse().map_err(invalid)?);
        } else if name.eq_ignore_ascii_case("transfer-encoding") {
            head.chunked = value.trim().eq_ignore_ascii_case("chunked");
        }
    }
    Ok(head)
}

/// One request as it goes over the wire.
#[must_use]
pub fn request(
    method: &str,
    path: &str,
    host: SocketAddr,
    headers: &[(&str, &str)],
    body: &[u8],
) -> Vec<u8> {
    let mut text = format!("{method} {path} HTTP/1.1\r\nhost: {host}\r\n");
    for (name, value) in headers {
        text.push_str(name);
        text.push_str(": ");
        text.push_str(value);
        text.push_str("\r\n");
    }
    text.push_str(&format!("content-length: {}\r\n\r\n", body.len()));
    let mut bytes = text.into_bytes();
    bytes.extend_from_slice(body);
    bytes
}
