//! What receivers do wrong, told against real sockets: every attempt ends in time, in bounded memory, and with a name.

use super::{
    exchange::{self, Exchanged},
    request::{Kept, Outgoing},
};
use crate::egress::{self, Client, Egress, Resolve};
use bytes::Bytes;
use cluster_tests::sink::{Authority, Sink};
use futures::future::FutureExt;
use model::{
    catalog::Tls,
    policy::egress::Reach,
    traffic::{ErrorCode, Outcome},
};
use std::{
    io::{self, Write},
    net::{SocketAddr, TcpListener},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

const PATIENCE: Duration = Duration::from_secs(10);
const LIMIT: Duration = Duration::from_millis(1000);

async fn exchange(client: &Client, url: String, limit: Duration) -> Exchanged {
    let outgoing = Outgoing {
        method: "POST".into(),
        url,
        headers: vec![("x-story".into(), Bytes::from_static(b"told"))],
        kept: Kept::default(),
    };
    exchange::send(client, &outgoing, &Bytes::from_static(b"{}"), limit).await
}

fn client() -> Client {
    egress::loopback().plain_client()
}

async fn with(sink: &Sink, limit: Duration) -> Exchanged {
    exchange(&client(), sink.url("127.0.0.1", "/"), limit).await
}

/// An exchange that must end at its limit: neither before nor much later.
async fn is_given_up(sink: &Sink) {
    let started = Instant::now();
    let exchanged = with(sink, LIMIT).await;
    let took = started.elapsed();
    assert_eq!(exchanged.outcome, Outcome::failed(ErrorCode::Timeout));
    assert!(took >= LIMIT && took < LIMIT * 11 / 10, "{took:?}");
    assert!(exchanged.timing.total_ms >= 1000, "{exchanged:?}");
    assert!(sink.has_closed(1).await, "its socket is released");
}

#[actix_rt::test]
async fn an_answer_is_taken_as_it_is_with_its_headers_and_times() {
    let sink = Sink::start(None, |line, _| {
        thread::sleep(Duration::from_millis(30));
        line.write_all(
            b"HTTP/1.1 503 Busy\r\nServer: s\r\nretry-after: 7\r\nset-cookie: session=hidden\r\n\
              content-length: 5\r\n\r\nlater",
        )
    });
    let client = client();
    let url = sink.url("localhost", "/");
    let first = exchange(&client, url.clone(), PATIENCE).await;
    let later = Outcome::answered(503, Bytes::from_static(b"later"), Some(7000));
    assert_eq!(first.outcome, later);
    let header = |name: &str, value: &'static str| (name.to_owned(), Bytes::from(value));
    assert!(first.headers.contains(&header("server", "s")));
    assert!(first.headers.contains(&header("set-cookie", "[redacted]")));
    let timing = first.timing;
    assert!(
        timing.dns_ms.is_some() && timing.connect_ms.is_some(),
        "{timing:?}"
    );
    assert!(
        timing.first_byte_ms >= Some(30) && timing.total_ms >= 30,
        "{timing:?}"
    );
    // The second one finds the connection open: no name was asked for, nothing was connected to.
    let second = exchange(&client, url, PATIENCE).await.timing;
    assert_eq!((second.dns_ms, second.connect_ms), (None, None));
    assert!(second.first_byte_ms >= Some(30), "{second:?}");
}

/// F25.
#[actix_rt::test]
async fn a_receiver_that_never_answers_is_given_up_at_the_limit() {
    // It waits for another request, which does not come.
    is_given_up(&Sink::start(None, |_, _| Ok(()))).await;
}

/// F26.
#[actix_rt::test]
async fn a_receiver_that_trickles_its_head_or_its_body_is_given_up_at_the_limit() {
    for before in [
        b"HTTP/1.1 200 OK\r\nx-slow: ".as_slice(),
        b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n",
    ] {
        let trickles = Sink::start(None, move |line, _| {
            line.write_all(before)?;
            loop {
                line.write_all(b"x")?;
                thread::sleep(Duration::from_millis(100));
            }
        });
        is_given_up(&trickles).await;
    }
}

/// F28.
#[actix_rt::test]
async fn an_answer_without_end_is_cut_and_judged_by_its_status() {
    const GIB: usize = 1 << 30;
    let chunk = [b"4000\r\n".as_slice(), &[b'x'; 0x4000], b"\r\n"].concat();
    // What a gigabyte of zeros is when it is packed; it stays packed.
    let packed = [b"\x1f\x8b\x08\x00".as_slice(), &[0; 4092]].concat();
    for (framing, part) in [
        (format!("content-length: {GIB}"), vec![b'x'; 64 * 1024]),
        ("transfer-encoding: chunked".to_owned(), chunk),
        (
            format!("content-encoding: gzip\r\ncontent-length: {GIB}"),
            packed,
        ),
    ] {
        let written = Arc::new(AtomicUsize::new(0));
        let (counter, first) = (written.clone(), Bytes::copy_from_slice(&part[..2]));
        let sink = Sink::start(None, move |line, _| {
            line.write_all(format!("HTTP/1.1 200 OK\r\n{framing}\r\n\r\n").as_bytes())?;
            while counter.load(Ordering::SeqCst) < GIB {
                line.write_all(&part)?;
                counter.fetch_add(part.len(), Ordering::SeqCst);
            }
            Ok(())
        });
        let outcome = with(&sink, PATIENCE).await.outcome;
        assert_eq!(
            (outcome.response_status(), outcome.error_code),
            (Some(200), None)
        );
        assert_eq!(outcome.text().len(), 1024);
        if first.as_ref() == b"\x1f\x8b" {
            assert!(outcome.text().starts_with(b"\x1f\x8b"), "not unpacked");
        }
        assert!(sink.has_closed(1).await, "the connection is not used again");
        // What was read and what the sockets hold: nothing near what was offered.
        let written = written.load(Ordering::SeqCst);
        assert!(written < 16 << 20, "{written} bytes were taken");
    }
}

#[actix_rt::test]
async fn a_head_without_end_or_of_no_form_is_refused() {
    let many = b"x-many: of them\r\n".repeat(200);
    for part in [many.as_slice(), b"aaaaaaaaaaaaaaaa", b"\x00\xff\r\n"] {
        let part = part.to_vec();
        let sink = Sink::start(None, move |line, _| {
            line.write_all(b"HTTP/1.1 200 OK\r\n")?;
            loop {
                line.write_all(&part)?;
            }
        });
        let outcome = with(&sink, PATIENCE).await.outcome;
        assert_eq!(outcome, Outcome::failed(ErrorCode::ProtocolError));
        assert!(sink.has_closed(1).await);
    }
}

/// Closes connections with the request unread in them, which the kernel tells the other side by a reset.
fn resets() -> SocketAddr {
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a port");
    let address = listener.local_addr().expect("an address");
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let _ = stream.peek(&mut [0]);
        }
    });
    address
}

/// F29, on the network and in HTTP.
#[actix_rt::test]
async fn what_goes_wrong_on_the_way_has_a_name() {
    let closed = TcpListener::bind("127.0.0.1:0")
        .and_then(|listener| listener.local_addr())
        .expect("a port");
    let hangs_up = Sink::start(None, |_, _| Err(io::ErrorKind::Other.into()));
    let breaks_off = Sink::start(None, |line, _| {
        line.write_all(b"HTTP/1.1 200 OK\r\ncontent-le")?;
        Err(io::ErrorKind::Other.into())
    });
    let speaks_another_tongue = Sink::saying("SSH-2.0-server\r\n\r\n");
    let cases = [
        (format!("http://{closed}/"), ErrorCode::ConnectionRefused),
        (format!("http://{}/", resets()), ErrorCode::ConnectionReset),
        (hangs_up.url("127.0.0.1", "/"), ErrorCode::SocketClosed),
        (breaks_off.url("127.0.0.1", "/"), ErrorCode::SocketClosed),
        (
            speaks_another_tongue.url("127.0.0.1", "/"),
            ErrorCode::ProtocolError,
        ),
        ("http://nowhere.invalid/".into(), ErrorCode::DnsLookupFailed),
        ("http://10.0.0.1/".into(), ErrorCode::NetworkUnreachable),
        (
            "https://127.0.0.1:25/".into(),
            ErrorCode::NetworkUnreachable,
        ),
        ("not a url".into(), ErrorCode::InvalidUrl),
    ];
    for (url, code) in cases {
        let exchanged = exchange(&client(), url.clone(), PATIENCE).await;
        assert_eq!(exchanged.outcome.error_code, Some(code), "{url}");
        assert_eq!(exchanged.outcome.response_status(), None, "{url}");
    }
}

/// Every name leads to this machine, where the sinks are.
fn here() -> Arc<Egress> {
    let resolver: Resolve = Arc::new(|_, port| {
        async move { Ok(vec![SocketAddr::from(([127, 0, 0, 1], port))]) }.boxed()
    });
    let reach = Reach {
        allowed: vec!["127.0.0.0/8".parse().expect("a network")],
        ..Reach::default()
    };
    Egress::for_tests(reach, &[], resolver)
}

/// F29, in TLS.
#[actix_rt::test]
async fn what_goes_wrong_in_tls_has_a_name() {
    let (authority, clients) = (Authority::draw(), Authority::draw());
    let says_ok = |config| {
        Sink::start(Some(config), |line, _| {
            line.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")
        })
    };
    let expired = authority.issue_with("sink.test", |params| {
        params.not_before = rcgen::date_time_ymd(2019, 1, 1);
        params.not_after = rcgen::date_time_ymd(2020, 1, 1);
    });
    let future = authority.issue_with("sink.test", |params| {
        params.not_before = rcgen::date_time_ymd(2300, 1, 1);
    });
    let itself = Authority::self_signed("sink.test");
    // A ServerHello of TLS 1.1.
    let old = {
        let mut hello = vec![0x16, 3, 2, 0, 42, 2, 0, 0, 38, 3, 2];
        hello.extend([7; 32]);
        hello.extend([0, 0xc0, 0x13, 0]);
        RawSink::saying(hello)
    };
    let plain = RawSink::saying(b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec());
    let sinks = [
        (
            says_ok(Authority::server(&expired, None)).address,
            ErrorCode::SslCertExpired,
        ),
        (
            says_ok(Authority::server(&future, None)).address,
            ErrorCode::SslCertExpired,
        ),
        (
            says_ok(Authority::server(&authority.issue("other.test"), None)).address,
            ErrorCode::ErrTlsCertAltnameInvalid,
        ),
        (
            says_ok(Authority::server(&clients.issue("sink.test"), None)).address,
            ErrorCode::SslErrorCaUnknown,
        ),
        (
            says_ok(Authority::server(&itself, None)).address,
            ErrorCode::SelfSignedCert,
        ),
        (
            says_ok(Authority::server(
                &authority.issue("sink.test"),
                Some(&clients),
            ))
            .address,
            ErrorCode::SslErrorCaUnknown,
        ),
        (old, ErrorCode::ErrSslWrongVersionNumber),
        (plain, ErrorCode::ErrSslWrongVersionNumber),
    ];
    let tls = Tls {
        ca_certificates: Some(authority.pem()),
        ..Tls::default()
    };
    let client = here().client(&tls).expect("a client");
    for (place, (address, code)) in sinks.into_iter().enumerate() {
        let url = format!("https://sink.test:{}/", address.port());
        let exchanged = exchange(&client, url, PATIENCE).await;
        assert_eq!(exchanged.outcome, Outcome::failed(code), "case {place}");
    }
}

/// Says something to whoever connects, and waits.
struct RawSink;

impl RawSink {
    fn saying(bytes: Vec<u8>) -> SocketAddr {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a port");
        let address = listener.local_addr().expect("an address");
        thread::spawn(move || {
            for mut stream in listener.incoming().flatten() {
                let _ = stream.write_all(&bytes);
                let _ = io::copy(&mut stream, &mut io::sink());
            }
        });
        address
    }
}

/// F30.
#[actix_rt::test]
async fn a_redirect_inside_is_a_failure_and_nobody_follows_it() {
    let inner = Sink::saying("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n");
    let target = inner.url("127.0.0.1", "/latest/meta-data");
    for status in [301, 302, 303, 307, 308] {
        let answer =
            format!("HTTP/1.1 {status} Moved\r\nlocation: {target}\r\ncontent-length: 0\r\n\r\n");
        let sink = Sink::start(None, move |line, _| line.write_all(answer.as_bytes()));
        let outcome = with(&sink, PATIENCE).await.outcome;
        assert_eq!(outcome.response_status(), Some(status));
        assert_eq!(outcome.error_code, Some(ErrorCode::BadResponse));
        assert_eq!(sink.requests(), 1);
    }
    assert_eq!(inner.connections(), 0);
}
