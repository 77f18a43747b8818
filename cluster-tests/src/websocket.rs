//! A websocket client of its own (RFC 6455), as small as the tests need it: nothing of the program under test is in it.

use base64::{Engine, prelude::BASE64_STANDARD};
use serde_json::Value;
use std::{
    io::{self, Read, Write},
    net::{SocketAddr, TcpStream},
    time::{Duration, Instant},
};

const TEXT: u8 = 1;
const CLOSE: u8 = 8;
const PING: u8 = 9;
const PONG: u8 = 10;
const HEAD_WITHIN: Duration = Duration::from_secs(10);
const FINAL: u8 = 0x80;
const MASKED: u8 = 0x80;

pub struct WebSocket {
    stream: TcpStream,
    received: Vec<u8>,
    /// What the server has said of its handshake.
    pub head: String,
    /// Without it a client is as silent as one whose machine sleeps.
    pub answers_pings: bool,
}

/// What came.
#[derive(Debug, PartialEq)]
pub enum Came {
    Json(Value),
    Pong,
    Closed,
    Nothing,
}

impl WebSocket {
    /// Dials and shakes hands.
    ///
    /// # Errors
    /// The answer, where it is another than a switch of protocols; 0 where there is none.
    pub fn dial(
        address: SocketAddr,
        path: &str,
        headers: &[(&str, &str)],
    ) -> Result<Self, (u16, String)> {
        let mut socket = Self::connect(address, path, headers).map_err(|e| (0, e.to_string()))?;
        let status = socket
            .head
            .split(' ')
            .nth(1)
            .and_then(|text| text.parse().ok());
        match status {
            Some(101) => Ok(socket),
            status => {
                let _ = socket
                    .stream
                    .set_read_timeout(Some(Duration::from_millis(300)));
                // A body that does not end with the connection is read as far as it comes.
                let _ = socket.stream.read_to_end(&mut socket.received);
                let body = String::from_utf8_lossy(&socket.received).into_owned();
                Err((status.unwrap_or(0), body))
            }
        }
    }

    fn connect(address: SocketAddr, path: &str, headers: &[(&str, &str)]) -> io::Result<Self> {
        let mut stream = TcpStream::connect(address)?;
        stream.set_read_timeout(Some(HEAD_WITHIN))?;
        let key = BASE64_STANDARD.encode(fastrand::u128(..).to_be_bytes());
        let mut request = format!(
            "GET {path} HTTP/1.1\r\nHost: {address}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n"
        );
        for (name, value) in headers {
            request += &format!("{name}: {value}\r\n");
        }
        stream.write_all(format!("{request}\r\n").as_bytes())?;
        let mut received = Vec::new();
        let mut chunk = [0; 4096];
        let end = loop {
            if let Some(end) = received.windows(4).position(|four| four == b"\r\n\r\n") {
                break end;
            }
            match stream.read(&mut chunk)? {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                read => received.extend_from_slice(&chunk[..read]),
            }
        };
        let head = String::from_utf8_lossy(&received[..end]).into_owned();
        received.drain(..end + 4);
        Ok(Self {
            stream,
            received,
            head,
            answers_pings: true,
        })
    }

    /// # Panics
    /// When the line is broken.
    pub fn send(&mut self, message: &Value) {
        self.frame(TEXT, message.to_string().as_bytes());
    }

    pub fn ping(&mut self) {
        self.frame(PING, b"");
    }

    pub fn close(&mut self) {
        self.frame(CLOSE, &1000u16.to_be_bytes());
    }

    fn frame(&mut self, opcode: u8, payload: &[u8]) {
        let mut frame = vec![FINAL | opcode];
        match payload.len() {
            short @ 0..=125 => frame.push(MASKED | short as u8),
            longer if longer <= usize::from(u16::MAX) => {
                frame.push(MASKED | 126);
                frame.extend((longer as u16).to_be_bytes());
            }
            long => {
                frame.push(MASKED | 127);
                frame.extend((long as u64).to_be_bytes());
            }
        }
        let mask = fastrand::u32(..).to_be_bytes();
        frame.extend(mask);
        frame.extend(
            payload
                .iter()
                .zip(mask.iter().cycle())
                .map(|(byte, mask)| byte ^ mask),
        );
        self.stream.write_all(&frame).expect("the line stands");
    }

    /// The next thing but pings.
    ///
    /// # Panics
    /// When what came is no JSON.
    pub fn next(&mut self, within: Duration) -> Came {
        let deadline = Instant::now() + within;
        loop {
            match self.take() {
                Some((TEXT, payload)) => {
                    let text = serde_json::from_slice(&payload);
                    return Came::Json(text.expect("frames are JSON"));
                }
                Some((PING, payload)) if self.answers_pings => self.frame(PONG, &payload),
                Some((PING, _)) => {}
                Some((PONG, _)) => return Came::Pong,
                Some((CLOSE, _)) => return Came::Closed,
                Some((opcode, _)) => panic!("a frame of the kind {opcode} came"),
                None => {
                    let left = deadline.saturating_duration_since(Instant::now());
                    if left.is_zero() {
                        return Came::Nothing;
                    }
                    let _ = self.stream.set_read_timeout(Some(left));
                    let mut chunk = [0; 16 * 1024];
                    match self.stream.read(&mut chunk) {
                        Ok(0) => return Came::Closed,
                        Ok(read) => self.received.extend_from_slice(&chunk[..read]),
                        Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                        Err(_) => return Came::Closed,
                    }
                }
            }
        }
    }

    /// Takes a whole frame off what was received.
    fn take(&mut self) -> Option<(u8, Vec<u8>)> {
        let (&first, rest) = self.received.split_first()?;
        assert_eq!(first & FINAL, FINAL, "frames come whole");
        let (&short, rest) = rest.split_first()?;
        assert_eq!(short & MASKED, 0, "a server does not mask");
        let (length, rest) = match short {
            126 => {
                let (length, rest) = rest.split_first_chunk()?;
                (usize::from(u16::from_be_bytes(*length)), rest)
            }
            127 => {
                let (length, rest) = rest.split_first_chunk()?;
                (usize::try_from(u64::from_be_bytes(*length)).ok()?, rest)
            }
            short => (usize::from(short), rest),
        };
        let payload = rest.get(..length)?.to_vec();
        let taken = self.received.len() - rest.len() + length;
        self.received.drain(..taken);
        Some((first & 0x0f, payload))
    }
}
