//! What an attempt in HTTP leaves behind for whoever must settle a dispute: where it went, the headers that went out,
//! those that came back, and how long each part took. Kept lean: what the request or the attempt's own id tells is not
//! written again.

use super::{RequestRecord, Trigger};
use crate::{
    ids::AttemptId,
    policy::outgoing_headers::{REDACTED, is_credential},
    time::Timestamp,
};
use bytes::Bytes;
use serde::{Deserialize, Serialize};

/// Bytes of an answer's body that are kept with the attempt.
pub const ANSWER_KEPT: usize = 1024;
/// Bytes of names and values that are kept of an answer's headers, and of our own ones beyond the usual.
pub const HEADERS_KEPT: usize = 2048;

/// An HTTP request that an attempt made, and the head of its answer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HttpRecord {
    pub requested_url: String,
    pub http_method: String,
    /// None: an earlier version sent it and did not say.
    pub sent: Option<Sent>,
    /// The answer's headers in their order, lower case.
    pub answered: Vec<(String, Bytes)>,
    /// Some headers were left out of `sent` or `answered`: there was no room.
    pub is_cut: bool,
    pub timing: Timing,
}

/// How long the parts of an exchange took, in milliseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Timing {
    /// Asking for the name's addresses. None: an open connection was used again, or it never came to that.
    pub dns_ms: Option<u32>,
    /// TCP and TLS, until a request could be sent. None as above.
    pub connect_ms: Option<u32>,
    /// From the start of the exchange until the answer's head was there.
    pub first_byte_ms: Option<u32>,
    pub total_ms: u32,
}

/// The headers of a request as it went out.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sent {
    /// Places among the request's own headers of those that went on unchanged, in their order.
    pub forwarded: Vec<u8>,
    pub source_name: String,
    /// What `x-tidegate-will-retry-after` said, in seconds.
    pub will_retry_after_s: Option<u64>,
    /// The value of `webhook-signature`.
    pub signature: String,
    pub body_len: u32,
    /// All others: changed ones, the operator's, and those that prove who we are.
    pub own: Vec<(String, Bytes)>,
}

/// What the headers of an attempt are made of, beside [`Sent`].
#[derive(Clone, Copy, Debug)]
pub struct Told<'a> {
    pub id: AttemptId,
    pub trigger: Trigger,
    pub at: Timestamp,
    pub url: &'a str,
}

impl Sent {
    /// Takes the headers apart that went on from a request, perhaps changed on the way.
    pub fn forward(&mut self, headers: &[(String, Bytes)], record: &RequestRecord) {
        let mut from = 0;
        for header in headers {
            let same = record.headers[from..].iter().position(|own| own == header);
            let place = same.and_then(|behind| u8::try_from(from + behind).ok());
            match place {
                Some(place) => {
                    self.forwarded.push(place);
                    from = usize::from(place) + 1;
                }
                None => self.own.push(header.clone()),
            }
        }
    }

    /// All headers in the order in which they went out, but for `content-length` and `date`, which HTTP adds.
    ///
    /// New headers of the gateway's belong among `own`: what is made up here is told of earlier attempts too.
    #[must_use]
    pub fn headers(&self, told: &Told<'_>, record: &RequestRecord) -> Vec<(String, Bytes)> {
        let mut headers = Vec::with_capacity(self.forwarded.len() + self.own.len() + 12);
        let mut ours = |name: &str, value: String| headers.push((name.to_owned(), value.into()));
        ours("host", host(told.url).to_owned());
        let event = told.id.event.to_string();
        ours("x-tidegate-request-id", told.id.event.request().to_string());
        ours("x-tidegate-event-id", event.clone());
        ours("x-tidegate-attempt-number", told.id.number.to_string());
        ours("x-tidegate-attempt-trigger", told.trigger.name().to_owned());
        ours("x-tidegate-source-name", self.source_name.clone());
        if let Some(seconds) = self.will_retry_after_s {
            ours("x-tidegate-will-retry-after", seconds.to_string());
        }
        ours("idempotency-key", event.clone());
        ours("webhook-id", event);
        ours("webhook-timestamp", (told.at.0 / 1000).to_string());
        ours("webhook-signature", self.signature.clone());
        let forwarded = self.forwarded.iter();
        headers
            .extend(forwarded.filter_map(|&place| record.headers.get(usize::from(place)).cloned()));
        headers.extend(self.own.iter().cloned());
        headers
    }

    /// The same without the values of `secret` headers, and no longer than is kept. Says whether some had no room.
    #[must_use]
    pub fn kept(mut self, secret: &[String]) -> (Self, bool) {
        for (name, value) in &mut self.own {
            if secret.contains(name) || is_credential(name) {
                *value = Bytes::from_static(REDACTED.as_bytes());
            }
        }
        let is_cut = cut(&mut self.own);
        (self, is_cut)
    }
}

/// What is kept of an answer's headers, and whether some had no room. Cookies are a session's credentials.
#[must_use]
pub fn answered(headers: impl Iterator<Item = (String, Bytes)>) -> (Vec<(String, Bytes)>, bool) {
    let mut kept: Vec<(String, Bytes)> = headers
        .map(|(name, value)| match name.as_str() {
            "set-cookie" | "set-cookie2" => (name, Bytes::from_static(REDACTED.as_bytes())),
            _ => (name, value),
        })
        .collect();
    let is_cut = cut(&mut kept);
    (kept, is_cut)
}

fn cut(headers: &mut Vec<(String, Bytes)>) -> bool {
    let before = headers.len();
    let mut room = HEADERS_KEPT;
    headers.retain(|(name, value)| {
        let needed = name.len() + value.len();
        let fits = needed <= room;
        room -= if fits { needed } else { 0 };
        fits
    });
    headers.len() < before
}

/// Host and port as a request names them: a scheme's own port is left out.
#[must_use]
pub fn host(url: &str) -> &str {
    let (scheme, rest) = url.split_once("://").unwrap_or(("", url));
    let authority = rest.split(['/', '?']).next().unwrap_or_default();
    let own_port = match scheme {
        "http" => ":80",
        "https" => ":443",
        _ => return authority,
    };
    authority.strip_suffix(own_port).unwrap_or(authority)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ids::EventId, kit};

    fn header(name: &str, value: &'static str) -> (String, Bytes) {
        (name.to_owned(), Bytes::from_static(value.as_bytes()))
    }

    fn record() -> RequestRecord {
        RequestRecord {
            headers: vec![
                header("content-type", "text/plain"),
                header("cookie", "c"),
                header("x-a", "1"),
                header("x-a", "1"),
                header("x-b", "2"),
            ],
            ..kit::record()
        }
    }

    #[test]
    fn headers_that_went_on_unchanged_cost_a_byte_each_and_read_back() {
        let record = record();
        let went = [
            header("content-type", "text/plain"),
            header("x-a", "1"),
            header("x-a", "1"),
            header("x-b", "changed"),
        ];
        let mut sent = Sent::default();
        sent.forward(&went, &record);
        assert_eq!(sent.forwarded, [0, 2, 3]);
        assert_eq!(sent.own, [header("x-b", "changed")]);
        let told = Told {
            id: AttemptId {
                event: EventId(7),
                number: 2,
            },
            trigger: Trigger::Manual,
            at: Timestamp(5_500),
            url: "https://a.example:443/hook",
        };
        let headers = sent.headers(&told, &record);
        let of = |name: &str| headers.iter().filter(|(n, _)| n == name).count();
        assert_eq!(
            (of("content-type"), of("x-a"), of("x-b"), of("cookie")),
            (1, 2, 1, 0)
        );
        assert!(headers.contains(&header("host", "a.example")));
        assert!(headers.contains(&header("webhook-timestamp", "5")));
        assert!(headers.contains(&header("x-tidegate-attempt-trigger", "MANUAL")));
    }

    #[test]
    fn credentials_are_not_kept_and_neither_is_what_has_no_room() {
        let sent = Sent {
            own: vec![
                header("authorization", "Bearer hidden"),
                ("x-long".into(), Bytes::from(vec![b'x'; HEADERS_KEPT])),
                header("x-plain", "shown"),
            ],
            ..Sent::default()
        };
        let (kept, is_cut) = sent.kept(&["authorization".into()]);
        assert!(is_cut);
        assert_eq!(
            kept.own,
            [
                header("authorization", "[redacted]"),
                header("x-plain", "shown")
            ]
        );
        let came = vec![
            header("set-cookie", "session=hidden"),
            header("server", "s"),
        ];
        let (kept, is_cut) = answered(came.into_iter());
        assert!(!is_cut);
        assert_eq!(
            kept,
            [header("set-cookie", "[redacted]"), header("server", "s")]
        );
    }

    #[test]
    fn a_host_is_named_without_its_schemes_own_port() {
        for (url, expected) in [
            ("http://a:80/x", "a"),
            ("http://a:443?q", "a:443"),
            ("https://[::1]:443/", "[::1]"),
            ("https://a:8443", "a:8443"),
        ] {
            assert_eq!(host(url), expected);
        }
    }
}
