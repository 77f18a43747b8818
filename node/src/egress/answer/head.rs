//! The head of an answer, read in every form that is allowed and told on in one.

use super::{Broken, extent::Body};
use bytes::{BufMut, Bytes, BytesMut};
use std::borrow::Cow;

/// Bytes of one head, and of all interim ones before an answer.
pub(super) const HEAD_MAX: usize = 127 * 1024;
/// Most heads have no more fields.
const FIELDS_USUAL: usize = 64;
const FIELDS_MAX: usize = 4096;
/// As many as the client takes; what is beyond only describes.
const FIELDS_TOLD: usize = 90;
/// Longer names are nobody's.
const NAME_MAX: usize = 256;
/// What answers begin with, up to the minor version.
const BEGINS: &[u8] = b"HTTP/1.";
/// Fields that the gateway heeds: they go on, however many stand before them.
const HEEDED: [&str; 4] = [
    "connection",
    "retry-after",
    "webhook-allowed-rate",
    "webhook-delivery",
];
/// Fields that the client takes for more than a description: how long the body is we tell it ourselves.
const FRAMING: [&str; 4] = ["content-length", "host", "transfer-encoding", "upgrade"];

#[derive(Debug)]
pub(super) struct Head {
    pub(super) status: u16,
    pub(super) is_http10: bool,
    /// Names in lower case.
    fields: Vec<(String, Bytes)>,
}

impl Head {
    /// Reads one from the beginning of what came, and says how long it is. None: it is not all there yet.
    pub(super) fn read(bytes: &[u8]) -> Result<Option<(Self, usize)>, Broken> {
        if !speaks_http(bytes) {
            return Err(Broken::Tongue);
        }
        let bytes = &*in_a_known_version(bytes);
        match Self::parse(bytes, FIELDS_USUAL) {
            Err(Broken::Head(httparse::Error::TooManyHeaders)) => Self::parse(bytes, FIELDS_MAX),
            parsed => parsed,
        }
    }

    fn parse(bytes: &[u8], fields_max: usize) -> Result<Option<(Self, usize)>, Broken> {
        let mut fields = vec![httparse::EMPTY_HEADER; fields_max];
        let mut answer = httparse::Response::new(&mut fields);
        let parsed = httparse::ParserConfig::default()
            .allow_obsolete_multiline_headers_in_responses(true)
            // Whoever forwards an answer takes such a blank away: RFC 9112, 5.1.
            .allow_spaces_after_header_name_in_responses(true)
            .allow_multiple_spaces_in_response_status_delimiters(true)
            .parse_response(&mut answer, bytes)
            .map_err(Broken::Head)?;
        let httparse::Status::Complete(length) = parsed else {
            return Ok(None);
        };
        let status = answer.code.filter(|status| *status >= 100);
        let fields = answer.headers.iter();
        let fields = fields.map(|field| (field.name.to_ascii_lowercase(), unfolded(field.value)));
        let head = Self {
            status: status.ok_or(Broken::Status)?,
            is_http10: answer.version == Some(0),
            fields: fields.collect(),
        };
        Ok(Some((head, length)))
    }

    /// The values of a field, each line's.
    pub(super) fn values(&self, name: &str) -> impl Iterator<Item = &[u8]> {
        let named = self.fields.iter().filter(move |(known, _)| known == name);
        named.map(|(_, value)| value.as_ref())
    }

    /// The elements of a field that is a list, over all its lines.
    pub(super) fn elements(&self, name: &str) -> impl Iterator<Item = &[u8]> {
        let values = self.values(name);
        let elements = values.flat_map(|value| value.split(|byte| *byte == b','));
        elements.map(<[u8]>::trim_ascii)
    }

    /// Tells it in the one form that the client can't misread: no reason, one length or none, and a version that says
    /// whether the body ends with the connection.
    pub(super) fn tell(&self, body: &Body, told: &mut BytesMut) {
        let version = if *body == Body::UntilClose { 0 } else { 1 };
        told.put_slice(format!("HTTP/1.{version} {} \r\n", self.status).as_bytes());
        match body {
            Body::Length(length) => {
                told.put_slice(format!("content-length: {length}\r\n").as_bytes());
            }
            Body::Chunked => told.put_slice(b"transfer-encoding: chunked\r\n"),
            Body::Nothing | Body::UntilClose => {}
        }
        let (heeded, described): (Vec<_>, Vec<_>) = self
            .fields
            .iter()
            .filter(|(name, _)| name.len() <= NAME_MAX && !FRAMING.contains(&name.as_str()))
            .partition(|(name, _)| HEEDED.contains(&name.as_str()));
        for (name, value) in heeded.into_iter().chain(described).take(FIELDS_TOLD) {
            told.put_slice(name.as_bytes());
            told.put_slice(b": ");
            told.put_slice(value);
            told.put_slice(b"\r\n");
        }
        told.put_slice(b"\r\n");
    }
}

/// A later minor version is read as the last one that we know: RFC 9110, 2.5.
fn in_a_known_version(bytes: &[u8]) -> Cow<'_, [u8]> {
    let minor = bytes.len() - bytes.trim_ascii_start().len() + BEGINS.len();
    match bytes.get(minor) {
        Some(b'2'..=b'9') => {
            let mut known = bytes.to_vec();
            known[minor] = b'1';
            Cow::Owned(known)
        }
        _ => Cow::Borrowed(bytes),
    }
}

/// Whether what came is the beginning of an answer, or may become one: who speaks something else must not be waited for.
fn speaks_http(bytes: &[u8]) -> bool {
    let bytes = bytes.trim_ascii_start();
    let known = bytes.len().min(BEGINS.len());
    bytes[..known] == BEGINS[..known]
}

/// A value that was folded over lines, on one.
fn unfolded(value: &[u8]) -> Bytes {
    if !value.contains(&b'\n') {
        return Bytes::copy_from_slice(value.trim_ascii());
    }
    let lines = value.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii);
    let lines: Vec<_> = lines.filter(|line| !line.is_empty()).collect();
    lines.join(&b' ').into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Head {
        let (head, length) = Head::read(text.as_bytes())
            .expect("of form")
            .expect("whole");
        assert_eq!(length, text.len());
        head
    }

    fn told(head: &Head, body: &Body) -> String {
        let mut told = BytesMut::new();
        head.tell(body, &mut told);
        String::from_utf8_lossy(&told).into_owned()
    }

    #[test]
    fn a_head_is_told_in_one_form_however_it_came() {
        let forms = [
            "HTTP/1.1 200 OK\r\nServer: s\r\nContent-Length: 5\r\nX-A: b c\r\n\r\n",
            "HTTP/1.1 200\r\nserver:s\r\ncontent-length:5\r\nx-a: b\r\n  c\r\n\r\n",
            "HTTP/1.1 200 \nSERVER: \t s  \nCONTENT-LENGTH: 5, 5\nX-A: \r\n\tb \r\n c\n\n",
            "HTTP/1.2 200 OK\r\nServer: s\r\nContent-Length: 5\r\nX-A: b c\r\n\r\n",
            "\r\nHTTP/1.9 200 OK\r\nServer: s\r\nContent-Length: 5\r\nX-A: b c\r\n\r\n",
            "\r\nHTTP/1.0  200  Fine then\r\nServer : s\r\nContent-Length: 5\r\nContent-Length: 5\r\nx-a: b c\r\n\r\n",
        ];
        for form in forms {
            let expected = "HTTP/1.1 200 \r\ncontent-length: 5\r\nserver: s\r\nx-a: b c\r\n\r\n";
            assert_eq!(told(&read(form), &Body::Length(5)), expected, "{form:?}");
        }
    }

    #[test]
    fn what_is_no_head_is_named_and_what_is_half_of_one_is_waited_for() {
        for (text, why) in [
            ("SSH-2.0", Broken::Tongue),
            ("HTTP/2.0 200 OK\r\n\r\n", Broken::Tongue),
            (
                "HTTP/1.10 200 OK\r\n\r\n",
                Broken::Head(httparse::Error::Version),
            ),
            (
                "HTTP/1.x 200 OK\r\n\r\n",
                Broken::Head(httparse::Error::Version),
            ),
            ("HTTP/1.1 099 Odd\r\n\r\n", Broken::Status),
            (
                "HTTP/1.1 20 Odd\r\n\r\n",
                Broken::Head(httparse::Error::Status),
            ),
            (
                "HTTP/1.1 200 OK\r\n x: y\r\n\r\n",
                Broken::Head(httparse::Error::HeaderName),
            ),
            (
                "HTTP/1.1 200 OK\r\nx\r\n\r\n",
                Broken::Head(httparse::Error::HeaderName),
            ),
            (
                "HTTP/1.1 200 OK\r\nx: \0\r\n\r\n",
                Broken::Head(httparse::Error::HeaderValue),
            ),
        ] {
            assert_eq!(Head::read(text.as_bytes()).err(), Some(why), "{text:?}");
        }
        for text in [
            "",
            "\r\n",
            "H",
            "HTTP/1.",
            "HTTP/1.2",
            "HTTP/1.1 200 OK\r\nx: y\r\n",
        ] {
            assert!(matches!(Head::read(text.as_bytes()), Ok(None)), "{text:?}");
        }
    }

    #[test]
    fn what_the_gateway_heeds_goes_on_behind_however_many_fields() {
        let many = "x-many: of them\r\n".repeat(1000);
        let long = "n".repeat(70_000);
        let text = format!("HTTP/1.1 429 \r\n{many}{long}: x\r\nRetry-After: 7\r\n\r\n");
        let told = told(&read(&text), &Body::Nothing);
        assert!(told.contains("\r\nretry-after: 7\r\n"));
        assert_eq!(told.lines().count(), FIELDS_TOLD + 2);
        assert!(!told.contains("nnn"));
    }

    #[test]
    fn odd_bytes_of_a_value_go_on_as_they_are() {
        let text = b"HTTP/1.1 200 \xe4\r\nx: caf\xe9\r\n\r\n";
        let (head, _) = Head::read(text).expect("of form").expect("whole");
        assert_eq!(head.values("x").next(), Some(b"caf\xe9".as_slice()));
    }
}
