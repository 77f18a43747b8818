//! Strict parsing of request heads: the form that one must have before anybody acts on it, and how its body is framed.
//! Whatever two readers could read in two ways is refused.

use super::framing::Fault;
use std::ops::Range;

/// The bounds on a request's head, and the names by which this listener is known.
#[derive(Clone, Debug)]
pub struct HeadBounds {
    /// The target, path and query together.
    pub target_bytes: usize,
    /// All headers.
    pub header_bytes: usize,
    pub headers: usize,
    /// Hosts that an absolute target may name.
    pub hosts: Vec<String>,
    /// Whether websockets are opened here. Elsewhere nobody who asks for one is heard: it would end the rules of HTTP.
    pub websockets: bool,
}

/// The result of parsing a head: the framing of the body behind it, and lines to leave out.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Read {
    pub(super) framed: Framed,
    /// The lines that ask for a websocket where none is opened, with their ends: a reader behind us may obey them.
    pub(super) unheard: Vec<Range<usize>>,
}

/// The framing of a request's body: how its end is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Framed {
    Sized(u64),
    Chunked,
    /// With its connection: it may speak another protocol from here on.
    Open,
}

/// Reads a whole head, from the first byte of its first line to the empty line that ends it.
pub(super) fn read(head: &[u8], bounds: &HeadBounds) -> Result<Read, Fault> {
    let mut lines = Lines(head);
    let line = lines.next().unwrap_or_default();
    let (method, target, is_1_1) = request_line(line)?;
    if target.len() > bounds.target_bytes {
        return Err(Fault::TargetTooLong);
    }
    let mut fields = Fields::default();
    let mut count = 0;
    loop {
        let start = head.len() - lines.0.len();
        let Some(line) = lines.next() else { break };
        if line.is_empty() {
            continue;
        }
        count += 1;
        if count > bounds.headers {
            return Err(Fault::HeadTooLarge);
        }
        fields.take(line, start..head.len() - lines.0.len())?;
    }
    if fields.bytes > bounds.header_bytes {
        return Err(Fault::HeadTooLarge);
    }
    let host = fields.host(is_1_1)?;
    check_target(target, method, host, &bounds.hosts)?;
    let framed = fields.framed(method, is_1_1)?;
    let upgrades = bounds.websockets && method == b"GET" && is_1_1 && framed == Framed::Sized(0);
    if upgrades && !fields.websockets.is_empty() {
        return Ok(Read {
            framed: Framed::Open,
            unheard: Vec::new(),
        });
    }
    Ok(Read {
        framed,
        unheard: fields.websockets,
    })
}

/// Lines that end with CR LF, without it.
struct Lines<'a>(&'a [u8]);

impl<'a> Iterator for Lines<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let end = self.0.iter().position(|byte| *byte == b'\n')?;
        let (line, rest) = self.0.split_at(end + 1);
        self.0 = rest;
        Some(line.strip_suffix(b"\r\n").unwrap_or(line))
    }
}

fn request_line(line: &[u8]) -> Result<(&[u8], &[u8], bool), Fault> {
    let mut words = line.split(|byte| *byte == b' ');
    let (method, target) = (words.next(), words.next());
    let (Some(method), Some(target)) = (method, target) else {
        return Err(Fault::RequestLine);
    };
    if method.is_empty() || !method.iter().copied().all(is_token) {
        return Err(Fault::RequestLine);
    }
    let version = words.next();
    if words.next().is_some() {
        // A blank that should have been percent-encoded.
        return Err(Fault::Target);
    }
    match version {
        Some(b"HTTP/1.1") => Ok((method, target, true)),
        Some(b"HTTP/1.0") => Ok((method, target, false)),
        _ => Err(Fault::RequestLine),
    }
}

fn check_target(
    target: &[u8],
    method: &[u8],
    host: Option<&[u8]>,
    hosts: &[String],
) -> Result<(), Fault> {
    // It asks for a tunnel, whatever its target: nothing behind it would be a request.
    if method == b"CONNECT" {
        return Err(Fault::Target);
    }
    if target == b"*" && method == b"OPTIONS" {
        return Ok(());
    }
    if target.starts_with(b"/") {
        return check_path(target);
    }
    let (scheme, rest) = split_at(target, b"://").ok_or(Fault::Target)?;
    if !scheme.eq_ignore_ascii_case(b"http") && !scheme.eq_ignore_ascii_case(b"https") {
        return Err(Fault::Target);
    }
    let end = rest
        .iter()
        .position(|byte| matches!(byte, b'/' | b'?' | b'#'));
    let (authority, path) = rest.split_at(end.unwrap_or(rest.len()));
    // Who is asked for another host is taken for a proxy, and who names two is taken for two.
    let named = host.is_some_and(|host| host.eq_ignore_ascii_case(authority));
    let known = hosts.iter().any(|host| {
        host.as_bytes()
            .eq_ignore_ascii_case(without_port(authority))
    });
    if !named || !known {
        return Err(Fault::ForeignAuthority);
    }
    check_path(path)
}

/// The bytes that need no percent-encoding, and those that senders leave as they are all the same.
fn check_path(target: &[u8]) -> Result<(), Fault> {
    let end = target.iter().position(|byte| *byte == b'?');
    let (path, query) = target.split_at(end.unwrap_or(target.len()));
    let in_path = |byte: &u8| byte.is_ascii_graphic() && !matches!(byte, b'<' | b'>' | b'`');
    let in_query = |byte: &u8| byte.is_ascii_graphic() && !matches!(byte, b'<' | b'>' | b'"');
    if path.iter().all(in_path) && query.iter().all(in_query) {
        Ok(())
    } else {
        Err(Fault::Target)
    }
}

fn without_port(authority: &[u8]) -> &[u8] {
    let colon = authority.iter().rposition(|byte| *byte == b':');
    match colon {
        Some(colon) if authority[colon + 1..].iter().all(u8::is_ascii_digit) => &authority[..colon],
        _ => authority,
    }
}

fn split_at<'a>(text: &'a [u8], between: &[u8]) -> Option<(&'a [u8], &'a [u8])> {
    let place = text
        .windows(between.len())
        .position(|window| window == between)?;
    Some((&text[..place], &text[place + between.len()..]))
}

/// The fields that say where a request goes and where it ends.
#[derive(Default)]
struct Fields<'a> {
    bytes: usize,
    hosts: Vec<&'a [u8]>,
    lengths: Vec<&'a [u8]>,
    encodings: Vec<&'a [u8]>,
    /// Where the lines are that ask for a websocket.
    websockets: Vec<Range<usize>>,
}

impl<'a> Fields<'a> {
    fn take(&mut self, line: &'a [u8], place: Range<usize>) -> Result<(), Fault> {
        if matches!(line.first(), Some(b' ' | b'\t')) {
            return Err(Fault::Folded);
        }
        let colon = line.iter().position(|byte| *byte == b':');
        let (name, value) = line.split_at(colon.ok_or(Fault::Header)?);
        if name.is_empty() || !name.iter().copied().all(is_token) {
            return Err(Fault::Header);
        }
        let value = value[1..].trim_ascii();
        if !value
            .iter()
            .all(|byte| *byte == b'\t' || (*byte >= b' ' && *byte != 0x7f))
        {
            return Err(Fault::Header);
        }
        self.bytes += name.len() + value.len() + 4;
        if name.eq_ignore_ascii_case(b"host") {
            self.hosts.push(value);
        } else if name.eq_ignore_ascii_case(b"content-length") {
            self.lengths.push(value);
        } else if name.eq_ignore_ascii_case(b"transfer-encoding") {
            self.encodings.push(value);
        } else if name.eq_ignore_ascii_case(b"upgrade") && value.eq_ignore_ascii_case(b"websocket")
        {
            self.websockets.push(place);
        }
        Ok(())
    }

    /// The host that the request is for. Only the old version may leave it out.
    fn host(&self, is_1_1: bool) -> Result<Option<&'a [u8]>, Fault> {
        match self.hosts.as_slice() {
            [] if !is_1_1 => Ok(None),
            [host] if host.iter().copied().all(is_in_host) => Ok(Some(host)),
            _ => Err(Fault::Host),
        }
    }

    fn framed(&self, method: &[u8], is_1_1: bool) -> Result<Framed, Fault> {
        match (self.encodings.as_slice(), self.lengths.as_slice()) {
            ([], []) if !is_1_1 && method == b"POST" => Err(Fault::Length),
            ([], []) => Ok(Framed::Sized(0)),
            ([], [length]) => length_of(length).map(Framed::Sized).ok_or(Fault::Length),
            ([encoding], []) if is_1_1 && encoding.eq_ignore_ascii_case(b"chunked") => {
                Ok(Framed::Chunked)
            }
            _ => Err(Fault::Length),
        }
    }
}

fn length_of(text: &[u8]) -> Option<u64> {
    let digits = !text.is_empty() && text.iter().all(u8::is_ascii_digit);
    digits
        .then(|| std::str::from_utf8(text).ok()?.parse().ok())
        .flatten()
}

fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

/// What a name, an address and a port are made of.
fn is_in_host(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~%!$&'()*+;=:[]".contains(&byte)
}
