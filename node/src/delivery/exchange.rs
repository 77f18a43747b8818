//! One HTTP exchange with a receiver, and what it came to.

use super::{client, request::Outgoing};
use crate::world;
use awc::{
    Client, ClientResponse,
    error::{ConnectError, SendRequestError},
    http::{Method, Uri, header::HttpDate},
};
use bytes::{Bytes, BytesMut};
use futures::StreamExt;
use model::{
    time::Timestamp,
    traffic::{ErrorCode, Outcome},
};
use std::{
    io,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

/// Bytes of an answer that are kept with the attempt.
const KEPT: usize = 1024;
/// Bytes of an answer that are read so that its connection can be used again; a longer one loses its connection.
const DRAINED: usize = 64 * 1024;
/// Sends one request and reads the answer. The deadline covers everything: a body that trickles is no different from one
/// that never comes.
pub(super) async fn send(
    client: &Client,
    outgoing: &Outgoing,
    body: &Bytes,
    limit: Duration,
) -> Outcome {
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

#[cfg(test)]
mod tests {
    use super::*;
    use actix_web::{App, HttpResponse, HttpServer, web};
    use futures::stream;
    use std::sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    };

    const PATIENCE: Duration = Duration::from_secs(10);

    /// A receiver that misbehaves in as many ways as it has paths, and counts who comes.
    struct Receiver {
        port: u16,
        seen: Arc<AtomicUsize>,
    }

    impl Receiver {
        fn start() -> Self {
            let seen = Arc::new(AtomicUsize::new(0));
            let counter = web::Data::from(seen.clone());
            let server = HttpServer::new(move || {
                App::new()
                    .app_data(counter.clone())
                    .default_service(web::to(receive))
            })
            .workers(1)
            .disable_signals()
            .bind("127.0.0.1:0")
            .expect("a port");
            let port = server.addrs()[0].port();
            actix_rt::spawn(server.run());
            Self { port, seen }
        }

        fn seen(&self) -> usize {
            self.seen.load(Ordering::Relaxed)
        }
    }

    async fn receive(
        request: actix_web::HttpRequest,
        seen: web::Data<AtomicUsize>,
    ) -> HttpResponse {
        seen.fetch_add(1, Ordering::Relaxed);
        match request.path() {
            "/moved" => HttpResponse::TemporaryRedirect()
                .insert_header(("location", "/ok"))
                .finish(),
            "/long" => HttpResponse::Ok().body(vec![b'x'; 1 << 20]),
            "/endless" => {
                let chunk = Bytes::from_static(&[b'x'; 4096]);
                HttpResponse::Ok().streaming(stream::repeat(chunk).map(Ok::<_, io::Error>))
            }
            "/silent" => {
                tokio::time::sleep(PATIENCE).await;
                HttpResponse::Ok().finish()
            }
            "/busy" => HttpResponse::ServiceUnavailable()
                .insert_header(("retry-after", "7"))
                .finish(),
            _ => HttpResponse::Ok().body("thanks"),
        }
    }

    fn guarded(allowed: &[&str]) -> Client {
        let allowed: Vec<ipnet::IpNet> = allowed
            .iter()
            .map(|network| network.parse().expect("a network"))
            .collect();
        client::guarded(allowed.into(), PATIENCE)
    }

    async fn exchange(client: &Client, url: String, limit: Duration) -> Outcome {
        let outgoing = Outgoing {
            method: "POST".into(),
            url,
            headers: vec![("x-story".into(), Bytes::from_static(b"told"))],
        };
        send(client, &outgoing, &Bytes::from_static(b"{}"), limit).await
    }

    #[actix_web::test]
    async fn answers_are_taken_as_they_are_and_capped() {
        let receiver = Receiver::start();
        let client = guarded(&["127.0.0.0/8"]);
        let url = |path: &str| format!("http://127.0.0.1:{}{path}", receiver.port);
        let thanked = exchange(&client, url("/ok"), PATIENCE).await;
        assert_eq!(
            thanked,
            Outcome::answered(200, Bytes::from_static(b"thanks"), None)
        );
        let busy = exchange(&client, url("/busy"), PATIENCE).await;
        assert_eq!(busy, Outcome::answered(503, Bytes::new(), Some(7000)));
        for path in ["/long", "/endless"] {
            let answer = exchange(&client, url(path), PATIENCE).await;
            assert_eq!(answer.response_status, Some(200), "{path}");
            assert_eq!(answer.response_body.len(), KEPT, "{path}");
        }
        let silent = exchange(&client, url("/silent"), Duration::from_millis(200)).await;
        assert_eq!(silent, Outcome::failed(ErrorCode::Timeout));
    }

    #[actix_web::test]
    async fn a_redirect_is_a_failure_and_nobody_follows_it() {
        let receiver = Receiver::start();
        let url = format!("http://127.0.0.1:{}/moved", receiver.port);
        let outcome = exchange(&guarded(&["127.0.0.0/8"]), url, PATIENCE).await;
        assert_eq!(outcome.response_status, Some(307));
        assert_eq!(outcome.error_code, Some(ErrorCode::BadResponse));
        assert_eq!(receiver.seen(), 1);
    }

    #[actix_web::test]
    async fn an_inner_address_is_refused_however_it_is_written() {
        let receiver = Receiver::start();
        let client = guarded(&["10.0.0.0/8"]);
        for host in [
            "127.0.0.1",
            "localhost",
            "127.1",
            "2130706433",
            "0x7f000001",
            "0.0.0.0",
            "[::1]",
            "[::ffff:127.0.0.1]",
        ] {
            let url = format!("http://{host}:{}/ok", receiver.port);
            let outcome = exchange(&client, url, PATIENCE).await;
            assert!(!outcome.is_success(), "{host}");
            assert_eq!(outcome.response_status, None, "{host}");
        }
        assert_eq!(receiver.seen(), 0);
    }

    #[actix_web::test]
    async fn a_name_with_several_addresses_is_tried_at_each() {
        // `localhost` is often `::1` first, where nobody listens.
        let receiver = Receiver::start();
        let client = guarded(&["127.0.0.0/8", "::1/128"]);
        let url = format!("http://localhost:{}/ok", receiver.port);
        assert!(exchange(&client, url, PATIENCE).await.is_success());
    }

    #[actix_web::test]
    async fn what_went_wrong_has_a_name() {
        let client = guarded(&["127.0.0.0/8"]);
        let closed = std::net::TcpListener::bind("127.0.0.1:0")
            .and_then(|listener| listener.local_addr())
            .expect("a port");
        let cases = [
            (format!("http://{closed}/"), ErrorCode::ConnectionRefused),
            ("http://nowhere.invalid/".into(), ErrorCode::DnsLookupFailed),
            ("http://10.0.0.1/".into(), ErrorCode::NetworkUnreachable),
            ("not a url".into(), ErrorCode::InvalidUrl),
        ];
        for (url, code) in cases {
            let outcome = exchange(&client, url.clone(), PATIENCE).await;
            assert_eq!(outcome.error_code, Some(code), "{url}");
        }
    }

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
