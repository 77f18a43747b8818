//! One HTTP exchange with a receiver, and what it came to.

use super::request::Outgoing;
use crate::{
    egress::{
        self, Client,
        marks::{Marks, Watched},
    },
    world,
};
use awc::{
    ClientResponse,
    error::{ConnectError, SendRequestError},
    http::{Method, Uri, header::HttpDate},
};
use bytes::{Bytes, BytesMut};
use futures::{FutureExt, StreamExt};
use model::{
    policy::receiver::Asked,
    time::Timestamp,
    traffic::{
        ErrorCode, Outcome,
        http_record::{self, ANSWER_KEPT, Timing},
    },
};
use rustls::AlertDescription as Alert;
use std::{
    io,
    pin::pin,
    rc::Rc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};
use tokio::time::Instant;

/// Bytes of an answer that are read so that its connection can be used again; a longer one loses its connection.
const DRAINED: usize = 64 * 1024;

/// What an exchange came to, and what is kept of it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Exchanged {
    pub(super) outcome: Outcome,
    pub(super) asked: Asked,
    pub(super) headers: Vec<(String, Bytes)>,
    /// Some headers had no room.
    pub(super) is_cut: bool,
    pub(super) timing: Timing,
}

impl Exchanged {
    /// Of an exchange that was not HTTP's.
    pub(super) fn unseen(outcome: Outcome, took: Duration) -> Self {
        Self {
            outcome,
            headers: Vec::new(),
            is_cut: false,
            asked: Asked::default(),
            timing: Timing {
                total_ms: in_ms(took),
                ..Timing::default()
            },
        }
    }
}

/// Sends one request and reads the answer. The deadline covers everything: a body that trickles is no different from one
/// that never comes.
pub(super) async fn send(
    client: &Client,
    outgoing: &Outgoing,
    body: &Bytes,
    limit: Duration,
) -> Exchanged {
    let started = Instant::now();
    let marks = Rc::new(Marks::default());
    let mut answered = Answered::default();
    let outcome = match request(client, outgoing) {
        Err(code) => Outcome::failed(code),
        Ok(request) => {
            let sending = request.send_body(Watched::new(body.clone(), &marks));
            let exchange = marks.note(async {
                match sending.await {
                    Ok(response) => {
                        answered.first_byte = Some(started.elapsed());
                        read(response, &mut answered).await
                    }
                    Err(error) => Outcome::failed(classify(&error)),
                }
            });
            let mut exchange = pin!(exchange);
            match tokio::time::timeout(limit, &mut exchange).await {
                Ok(outcome) => outcome,
                // Who has answered and still reads has answered in time. But a status alone is no answer while its body
                // may say anything.
                Err(_) => {
                    marks.end();
                    let last_look = exchange.now_or_never();
                    last_look.unwrap_or_else(|| Outcome::failed(ErrorCode::Timeout))
                }
            }
        }
    };
    // Half an answer asks for nothing.
    let asked = outcome.response_status().map(|_| answered.asked);
    Exchanged {
        outcome,
        asked: asked.unwrap_or_default(),
        headers: answered.headers,
        is_cut: answered.is_cut,
        timing: Timing {
            dns_ms: marks.dns().map(in_ms),
            connect_ms: marks.connect().map(in_ms),
            first_byte_ms: answered.first_byte.map(in_ms),
            total_ms: in_ms(started.elapsed()),
        },
    }
}

fn in_ms(time: Duration) -> u32 {
    u32::try_from(time.as_millis()).unwrap_or(u32::MAX)
}

fn request(client: &Client, outgoing: &Outgoing) -> Result<awc::ClientRequest, ErrorCode> {
    let (Ok(_), Ok(method)) = (
        outgoing.url.parse::<Uri>(),
        Method::from_bytes(outgoing.method.as_bytes()),
    ) else {
        return Err(ErrorCode::InvalidUrl);
    };
    let mut request = client.request(method, &outgoing.url).no_decompress();
    for (name, value) in &outgoing.headers {
        request = request.append_header((name.as_str(), value.as_ref()));
    }
    Ok(request)
}

/// What is there of an answer so far.
#[derive(Default)]
struct Answered {
    first_byte: Option<Duration>,
    asked: Asked,
    headers: Vec<(String, Bytes)>,
    is_cut: bool,
}

async fn read<S>(mut response: ClientResponse<S>, answered: &mut Answered) -> Outcome
where
    S: futures::Stream<Item = Result<Bytes, awc::error::PayloadError>> + Unpin,
{
    let status = response.status().as_u16();
    let retry_after_ms = response
        .headers()
        .get("retry-after")
        .and_then(|value| retry_after_ms(value.to_str().ok()?.trim(), world::now()));
    let told = response.headers();
    answered.asked = Asked::read(status, |name| told.get(name)?.to_str().ok());
    let headers = response.headers().iter().map(|(name, value)| {
        let value = Bytes::copy_from_slice(value.as_bytes());
        (name.as_str().to_owned(), value)
    });
    (answered.headers, answered.is_cut) = http_record::answered(headers);
    let mut kept = BytesMut::new();
    let mut drained = 0;
    while let Some(chunk) = response.next().await {
        // The status is the answer; a body that breaks off does not take it back.
        let Ok(chunk) = chunk else { break };
        let room = ANSWER_KEPT - kept.len();
        kept.extend_from_slice(&chunk[..chunk.len().min(room)]);
        drained += chunk.len();
        if drained > DRAINED {
            break;
        }
    }
    Outcome::answered(status, kept.freeze(), retry_after_ms)
}

/// Seconds, or a date.
fn retry_after_ms(text: &str, now: Timestamp) -> Option<u64> {
    if let Ok(seconds) = text.parse::<u64>() {
        return Some(seconds.saturating_mul(1000));
    }
    let date = SystemTime::from(text.parse::<HttpDate>().ok()?);
    let since_epoch = date.duration_since(UNIX_EPOCH).ok()?;
    let at = Timestamp(u64::try_from(since_epoch.as_millis()).ok()?);
    Some(at.since_ms(now))
}

fn classify(error: &SendRequestError) -> ErrorCode {
    use actix_http::error::ParseError;
    match error {
        SendRequestError::Url(_) => ErrorCode::InvalidUrl,
        SendRequestError::Timeout => ErrorCode::Timeout,
        // The end of the connection in the middle of the head.
        SendRequestError::Response(ParseError::Io(error))
            if error.kind() == io::ErrorKind::Other && tls_error(error).is_none() =>
        {
            ErrorCode::SocketClosed
        }
        SendRequestError::Response(ParseError::Io(error)) => classify_io(error),
        SendRequestError::Response(ParseError::Incomplete) => ErrorCode::SocketClosed,
        SendRequestError::Response(_) | SendRequestError::H2(_) => ErrorCode::ProtocolError,
        SendRequestError::Send(error) => classify_io(error),
        SendRequestError::Http(_) => ErrorCode::InvalidCharacter,
        SendRequestError::Connect(error) => match error {
            ConnectError::Timeout => ErrorCode::Timeout,
            ConnectError::Resolver(_) | ConnectError::NoRecords => ErrorCode::DnsLookupFailed,
            ConnectError::Disconnected => ErrorCode::SocketClosed,
            ConnectError::Io(error) => classify_io(error),
            _ => ErrorCode::NetworkError,
        },
        _ => ErrorCode::Unknown,
    }
}

fn tls_error(error: &io::Error) -> Option<&rustls::Error> {
    error.get_ref()?.downcast_ref()
}

/// What came is no answer.
fn is_broken(error: &io::Error) -> bool {
    error
        .get_ref()
        .is_some_and(|error| error.is::<egress::Broken>())
}

fn classify_io(error: &io::Error) -> ErrorCode {
    if let Some(tls) = tls_error(error) {
        return classify_tls(tls);
    }
    if is_broken(error) {
        return ErrorCode::ProtocolError;
    }
    match error.kind() {
        io::ErrorKind::ConnectionRefused => ErrorCode::ConnectionRefused,
        io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe => ErrorCode::ConnectionReset,
        io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionAborted => ErrorCode::SocketClosed,
        io::ErrorKind::TimedOut => ErrorCode::Timeout,
        io::ErrorKind::HostUnreachable => ErrorCode::HostUnreachable,
        io::ErrorKind::NetworkUnreachable => ErrorCode::NetworkUnreachable,
        // A host that no certificate can be for.
        io::ErrorKind::InvalidInput => ErrorCode::InvalidUrl,
        egress::REFUSED => ErrorCode::NetworkUnreachable,
        _ => ErrorCode::NetworkError,
    }
}

fn classify_tls(error: &rustls::Error) -> ErrorCode {
    use rustls::{CertificateError as Certificate, Error};
    match error {
        Error::InvalidCertificate(certificate) => match certificate {
            Certificate::Expired
            | Certificate::ExpiredContext { .. }
            | Certificate::NotValidYet
            | Certificate::NotValidYetContext { .. } => ErrorCode::SslCertExpired,
            Certificate::NotValidForName | Certificate::NotValidForNameContext { .. } => {
                ErrorCode::ErrTlsCertAltnameInvalid
            }
            Certificate::UnknownIssuer | Certificate::BadSignature | Certificate::Revoked => {
                ErrorCode::SslErrorCaUnknown
            }
            // A certificate that vouches for itself, as tools make them.
            _ => ErrorCode::SelfSignedCert,
        },
        // The other side does not know who vouches for our certificate, or got none.
        Error::AlertReceived(
            Alert::UnknownCA
            | Alert::CertificateRequired
            | Alert::BadCertificate
            | Alert::UnsupportedCertificate
            | Alert::CertificateExpired
            | Alert::CertificateUnknown
            | Alert::CertificateRevoked
            | Alert::AccessDenied,
        ) => ErrorCode::SslErrorCaUnknown,
        Error::AlertReceived(Alert::ProtocolVersion | Alert::HandshakeFailure)
        | Error::InvalidMessage(_)
        | Error::PeerIncompatible(_) => ErrorCode::ErrSslWrongVersionNumber,
        _ => ErrorCode::ProtocolError,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pause_may_be_asked_for_in_seconds_or_as_a_date() {
        let now = Timestamp(784_111_777_000);
        assert_eq!(retry_after_ms("120", now), Some(120_000));
        assert_eq!(
            retry_after_ms("Sun, 06 Nov 1994 08:50:37 GMT", now),
            Some(60_000)
        );
        assert_eq!(retry_after_ms("soon", now), None);
    }
}
