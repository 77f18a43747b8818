//! One attempt: load, fence, send, classify, report.

use super::{
    client,
    reporter::Report,
    request::{self, Outgoing},
    work::{self, Work},
};
use crate::{gateway::Gateway, world};
use awc::{
    Client, ClientResponse,
    error::{ConnectError, SendRequestError},
    http::{Method, Uri, header::HttpDate},
};
use bytes::{Bytes, BytesMut};
use futures::StreamExt;
use model::{
    machine::{AttemptReport, Next},
    policy::retry,
    state::keys::Due,
    time::Timestamp,
    traffic::{Attempt, ErrorCode, Outcome},
};
use std::{
    io,
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

/// Bytes of an answer that are kept with the attempt.
const KEPT: usize = 1024;
/// Bytes of an answer that are read so that its connection can be used again; a longer one loses its connection.
const DRAINED: usize = 64 * 1024;
/// A URL longer than this is kept cut.
const URL_KEPT: usize = 2048;
const UNREADABLE_PAUSE: Duration = Duration::from_secs(1);

/// What came of launching an event.
pub(super) enum Launched {
    Done(Report),
    /// The event is not due any more, or this node may not send for its partition.
    NotMade,
}

/// Makes one attempt for a due event.
pub(super) async fn make(gateway: &Arc<Gateway>, client: &Client, due: Due) -> Launched {
    let Some(leadership) = gateway.cluster.leads(due.event.group()) else {
        return Launched::NotMade;
    };
    let loading = gateway.clone();
    let loaded = tokio::task::spawn_blocking(move || work::load(&loading, due)).await;
    let work = match loaded.map_err(|error| error.to_string()) {
        Ok(Ok(Some(work))) => work,
        Ok(Ok(None)) => return Launched::NotMade,
        Ok(Err(error)) => return unreadable(due, &error.to_string()).await,
        Err(error) => return unreadable(due, &error).await,
    };
    let number = work.event.attempts.saturating_add(1);
    let started_at = world::now();
    let (outcome, sent) = match (&work.destination, &work.body) {
        (None, _) => (Outcome::failed(ErrorCode::MissingUrl), None),
        (_, None) => (Outcome::failed(ErrorCode::PayloadMissing), None),
        (Some(destination), Some(body)) => {
            let after = will_retry_after(&work, number, started_at);
            let outgoing = request::outgoing(&work, destination, body, number, started_at, after);
            // The fence: right before each send, and not a moment earlier.
            if !gateway.cluster.may_send(due.event.group(), leadership.term) {
                return Launched::NotMade;
            }
            (send(gateway, client, &outgoing, body).await, Some(outgoing))
        }
    };
    let finished_at = world::now();
    Launched::Done(report(
        gateway,
        &work,
        number,
        started_at,
        finished_at,
        outcome,
        sent,
    ))
}

/// A row that can't be read is looked at again, but not in a tight circle.
async fn unreadable(due: Due, error: &str) -> Launched {
    tracing::error!(event = %due.event, error, "event not read");
    tokio::time::sleep(UNREADABLE_PAUSE).await;
    Launched::NotMade
}

fn will_retry_after(work: &Work, number: u16, now: Timestamp) -> Option<u64> {
    let rule = work.connection.as_ref()?.retry();
    let failed = Outcome::failed(ErrorCode::Unknown);
    match retry::decide(rule, number, work.event.created_at, &failed, now, 0.5) {
        Next::RetryAt(at) => Some(at.since_ms(now).div_ceil(1000)),
        Next::Delivered | Next::GiveUp => None,
    }
}

fn report(
    gateway: &Gateway,
    work: &Work,
    number: u16,
    started_at: Timestamp,
    finished_at: Timestamp,
    outcome: Outcome,
    sent: Option<Outgoing>,
) -> Report {
    let rule = work
        .connection
        .as_ref()
        .and_then(|connection| connection.retry());
    let next = retry::decide(
        rule,
        number,
        work.event.created_at,
        &outcome,
        finished_at,
        world::fraction(),
    );
    let metrics = &gateway.metrics;
    let status = if outcome.is_success() {
        "SUCCESSFUL"
    } else {
        "FAILED"
    };
    metrics.deliveries.with_label_values(&[status]).inc();
    metrics
        .attempt_seconds
        .observe(finished_at.since_ms(started_at) as f64 / 1000.0);
    let (mut requested_url, http_method) =
        sent.map_or_else(Default::default, |s| (s.url, s.method));
    if requested_url.len() > URL_KEPT {
        let end = requested_url.floor_char_boundary(URL_KEPT);
        requested_url.truncate(end);
    }
    Report {
        report: AttemptReport {
            event: work.due.event,
            number,
            attempt: Attempt {
                trigger: work.event.next_trigger,
                node: gateway.cluster.node_id(),
                requested_url,
                http_method,
                started_at,
                finished_at,
                outcome,
            },
            next,
        },
        recorded: None,
    }
}

async fn send(gateway: &Gateway, client: &Client, outgoing: &Outgoing, body: &Bytes) -> Outcome {
    let (Ok(uri), Ok(method)) = (
        outgoing.url.parse::<Uri>(),
        Method::from_bytes(outgoing.method.as_bytes()),
    ) else {
        return Outcome::failed(ErrorCode::InvalidUrl);
    };
    let mut request = client.request(method, uri).no_decompress();
    for (name, value) in &outgoing.headers {
        request = request.append_header((name.as_str(), value.as_ref()));
    }
    // The deadline covers everything: a body that trickles is no different from one that never comes.
    let limit = Duration::from_millis(gateway.config.delivery.timeout_ms);
    let exchange = async {
        match request.send_body(body.clone()).await {
            Ok(response) => read(response).await,
            Err(error) => Outcome::failed(classify(&error)),
        }
    };
    tokio::time::timeout(limit, exchange)
        .await
        .unwrap_or_else(|_| Outcome::failed(ErrorCode::Timeout))
}

async fn read<S>(mut response: ClientResponse<S>) -> Outcome
where
    S: futures::Stream<Item = Result<Bytes, awc::error::PayloadError>> + Unpin,
{
    let status = response.status().as_u16();
    let retry_after_ms = response
        .headers()
        .get("retry-after")
        .and_then(|value| retry_after_ms(value.to_str().ok()?.trim(), world::now()));
    let mut kept = BytesMut::new();
    let mut drained = 0;
    while let Some(chunk) = response.next().await {
        // The status is the answer; a body that breaks off does not take it back.
        let Ok(chunk) = chunk else { break };
        let room = KEPT - kept.len();
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
    match error {
        SendRequestError::Url(_) => ErrorCode::InvalidUrl,
        SendRequestError::Timeout => ErrorCode::Timeout,
        SendRequestError::Response(_) | SendRequestError::H2(_) => ErrorCode::ProtocolError,
        SendRequestError::Send(error) => classify_io(error),
        SendRequestError::Connect(error) => match error {
            ConnectError::Timeout => ErrorCode::Timeout,
            ConnectError::Resolver(_) | ConnectError::NoRecords => ErrorCode::DnsLookupFailed,
            ConnectError::Io(error) => classify_io(error),
            _ => ErrorCode::NetworkError,
        },
        _ => ErrorCode::Unknown,
    }
}

fn classify_io(error: &io::Error) -> ErrorCode {
    if let Some(tls) = error
        .get_ref()
        .and_then(|inner| inner.downcast_ref::<rustls::Error>())
    {
        return classify_tls(tls);
    }
    match error.kind() {
        io::ErrorKind::ConnectionRefused => ErrorCode::ConnectionRefused,
        io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe => ErrorCode::ConnectionReset,
        io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionAborted => ErrorCode::SocketClosed,
        io::ErrorKind::TimedOut => ErrorCode::Timeout,
        io::ErrorKind::HostUnreachable => ErrorCode::HostUnreachable,
        io::ErrorKind::NetworkUnreachable => ErrorCode::NetworkUnreachable,
        client::REFUSED => ErrorCode::NetworkUnreachable,
        _ => ErrorCode::NetworkError,
    }
}

fn classify_tls(error: &rustls::Error) -> ErrorCode {
    use rustls::{CertificateError as Certificate, Error};
    match error {
        Error::InvalidCertificate(Certificate::Expired | Certificate::ExpiredContext { .. }) => {
            ErrorCode::SslCertExpired
        }
        Error::InvalidCertificate(
            Certificate::NotValidForName | Certificate::NotValidForNameContext { .. },
        ) => ErrorCode::ErrTlsCertAltnameInvalid,
        Error::InvalidCertificate(Certificate::UnknownIssuer) => ErrorCode::SslErrorCaUnknown,
        Error::InvalidCertificate(_) => ErrorCode::SelfSignedCert,
        _ => ErrorCode::ErrSslWrongVersionNumber,
    }
}
