//! An HTTP server for destinations and their token URLs that keeps what it was asked, with or without TLS, and checks
//! what a test wants to check. Plain threads: a test's check may take its time.

use crate::sink::{Line, Sink};
use parking_lot::Mutex;
use rustls::ServerConfig;
use std::{io, net::SocketAddr, sync::Arc};

/// One request as it arrived.
#[derive(Clone, Debug, Default)]
pub struct Asked {
    pub method: String,
    /// Path and query as they were sent.
    pub target: String,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
    /// The certificate that the other side proved to have, in DER.
    pub certificate: Option<Vec<u8>>,
}

impl Asked {
    /// The only header of this name.
    ///
    /// # Panics
    /// When there are several.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut found = self.headers.iter().filter(|(n, _)| n == name);
        let first = found.next().map(|(_, value)| value.as_str());
        assert!(
            found.next().is_none(),
            "{name} came twice: {:?}",
            self.headers
        );
        first
    }
}

/// What is answered.
#[derive(Clone, Debug)]
pub struct Reply {
    pub status: u16,
    pub body: String,
}

impl Reply {
    #[must_use]
    pub fn of(status: u16, body: impl Into<String>) -> Self {
        Self {
            status,
            body: body.into(),
        }
    }
}

/// A running server. Its thread ends with the test's process.
pub struct Endpoint {
    pub address: SocketAddr,
    asked: Arc<Mutex<Vec<Asked>>>,
    sink: Sink,
}

impl Endpoint {
    /// Starts one on the loopback address.
    ///
    /// # Panics
    /// When there is no free port.
    #[must_use]
    pub fn start(
        tls: Option<ServerConfig>,
        answer: impl Fn(&Asked) -> Reply + Send + Sync + 'static,
    ) -> Self {
        let asked: Arc<Mutex<Vec<Asked>>> = Arc::default();
        let kept = asked.clone();
        // What a broken line leaves undone, the test sees in what was asked.
        let sink = Sink::start_raw(tls, move |line| {
            while let Some(mut request) = read(line)? {
                request.certificate = line.certificate();
                let reply = answer(&request);
                kept.lock().push(request);
                say(&reply, line)?;
            }
            Ok(())
        });
        Self {
            address: sink.address,
            asked,
            sink,
        }
    }

    #[must_use]
    pub fn asked(&self) -> Vec<Asked> {
        self.asked.lock().clone()
    }

    #[must_use]
    pub fn count(&self) -> usize {
        self.asked.lock().len()
    }

    #[must_use]
    pub fn connections(&self) -> usize {
        self.sink.connections()
    }
}

fn say(reply: &Reply, line: &mut dyn Line) -> io::Result<()> {
    let (status, length) = (reply.status, reply.body.len());
    let head =
        format!("HTTP/1.1 {status} .\r\nserver: endpoint\r\ncontent-length: {length}\r\n\r\n");
    line.write_all(format!("{head}{}", reply.body).as_bytes())?;
    line.flush()
}

/// Reads one request. None: the other side has closed.
fn read(line: &mut dyn Line) -> io::Result<Option<Asked>> {
    let mut bytes = Vec::new();
    let mut chunk = [0; 16 * 1024];
    loop {
        if let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            let mut request = parse(&String::from_utf8_lossy(&bytes[..end]));
            let length = request.header("content-length");
            let length = length.and_then(|length| length.parse().ok()).unwrap_or(0);
            if bytes.len() >= end + 4 + length {
                request.body = bytes[end + 4..end + 4 + length].to_vec();
                return Ok(Some(request));
            }
        }
        match line.read(&mut chunk)? {
            0 => return Ok(None),
            read => bytes.extend_from_slice(&chunk[..read]),
        }
    }
}

fn parse(head: &str) -> Asked {
    let mut lines = head.split("\r\n");
    let mut first = lines.next().unwrap_or_default().split(' ');
    let headers = lines.filter_map(|line| {
        let (name, value) = line.split_once(':')?;
        Some((name.to_ascii_lowercase(), value.trim().to_owned()))
    });
    Asked {
        method: first.next().unwrap_or_default().to_owned(),
        target: first.next().unwrap_or_default().to_owned(),
        headers: headers.collect(),
        ..Asked::default()
    }
}
