//! Every way to answer that RFC 9110 and 9112 allow, and some that they don't, over real sockets: what is recorded is the
//! event's own answer, and the events before and behind it, over the same connections, have theirs.

use super::{
    exchange::{self, Exchanged},
    request::{Kept, Outgoing},
};
use crate::egress::{self, Client};
use bytes::Bytes;
use cluster_tests::sink::{Authority, Line, Sink};
use model::{
    catalog::Tls,
    traffic::{ErrorCode, Outcome},
};
use rustls::ServerConfig;
use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

const PATIENCE: Duration = Duration::from_secs(20);
/// More than the sockets between us and a receiver hold.
const LARGE: usize = 32 << 20;

async fn exchange(client: &Client, method: &str, url: String, body: &Bytes) -> Exchanged {
    exchange_within(PATIENCE, client, method, url, body).await
}

async fn exchange_within(
    limit: Duration,
    client: &Client,
    method: &str,
    url: String,
    body: &Bytes,
) -> Exchanged {
    let outgoing = Outgoing {
        method: method.into(),
        url,
        headers: Vec::new(),
        kept: Kept::default(),
    };
    exchange::send(client, &outgoing, body, limit).await
}

/// A receiver's end of TLS, and a client that trusts it; or both without.
struct Ends {
    server: Option<ServerConfig>,
    client: Client,
    scheme: &'static str,
}

impl Ends {
    fn plain() -> Self {
        Self {
            server: None,
            client: egress::loopback().plain_client(),
            scheme: "http",
        }
    }

    fn secured() -> Self {
        let authority = Authority::draw();
        let tls = Tls {
            ca_certificates: Some(authority.pem()),
            ..Tls::default()
        };
        Self {
            server: Some(Authority::server(&authority.issue("localhost"), None)),
            client: egress::loopback().client(&tls).expect("a client"),
            scheme: "https",
        }
    }

    fn receiver(
        &mut self,
        behaviour: impl Fn(&mut dyn Line, &str) -> io::Result<()> + Send + Sync + 'static,
    ) -> Sink {
        Sink::start(self.server.take(), behaviour)
    }

    fn url(&self, sink: &Sink, path: &str) -> String {
        format!("{}://localhost:{}{path}", self.scheme, sink.address.port())
    }

    async fn post(&self, sink: &Sink, path: &str) -> Outcome {
        self.send(sink, path, &Bytes::from_static(b"{}"))
            .await
            .outcome
    }

    async fn send(&self, sink: &Sink, path: &str, body: &Bytes) -> Exchanged {
        exchange(&self.client, "POST", self.url(sink, path), body).await
    }
}

fn both() -> [Ends; 2] {
    [Ends::plain(), Ends::secured()]
}

fn answered(status: u16, body: &'static str) -> Outcome {
    Outcome::answered(status, Bytes::from_static(body.as_bytes()), None)
}

/// What a receiver does behind its answer.
#[derive(Clone, Copy, PartialEq)]
enum Then {
    Keeps,
    Closes,
}

struct Way {
    answer: String,
    then: Then,
    recorded: Outcome,
    /// Whether the next event may come over the same connection.
    reused: bool,
}

fn way(answer: impl Into<String>, then: Then, recorded: Outcome, reused: bool) -> Way {
    Way {
        answer: answer.into(),
        then,
        recorded,
        reused,
    }
}

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
const CHUNKED: &str = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n";

/// The table of ways, as docs/destinations.md has it.
fn ways() -> Vec<Way> {
    use Then::{Closes, Keeps};
    let ok = || answered(200, "ok");
    let failed = |code| Outcome::failed(code);
    let head = |fields: &str, body: &str| format!("HTTP/1.1 200 OK\r\n{fields}\r\n\r\n{body}");
    vec![
        // Before the answer.
        way(
            format!("HTTP/1.1 100 Continue\r\n\r\n{OK}"),
            Keeps,
            ok(),
            true,
        ),
        way(
            format!(
                "HTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n{OK}"
            ),
            Keeps,
            ok(),
            true,
        ),
        way(
            format!("HTTP/1.1 199 Odd\r\nContent-Length: 5\r\n\r\n{OK}"),
            Keeps,
            ok(),
            true,
        ),
        way(format!("HTTP/1.0 100 Old\n\n{OK}"), Keeps, ok(), true),
        way(
            "HTTP/1.1 103 Early Hints\r\n\r\n",
            Closes,
            failed(ErrorCode::SocketClosed),
            false,
        ),
        way(
            "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n",
            Keeps,
            failed(ErrorCode::ProtocolError),
            false,
        ),
        way(format!("\r\n\r\n{OK}"), Keeps, ok(), true),
        // Without a body, whatever is said of one.
        way(
            "HTTP/1.1 204 No Content\r\n\r\n",
            Keeps,
            answered(204, ""),
            true,
        ),
        way(
            "HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n",
            Keeps,
            answered(204, ""),
            true,
        ),
        way(
            "HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n",
            Keeps,
            answered(204, ""),
            false,
        ),
        way(
            "HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\nhello",
            Keeps,
            answered(204, ""),
            false,
        ),
        way(
            "HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n",
            Keeps,
            answered(204, ""),
            false,
        ),
        way(
            "HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            Keeps,
            answered(204, ""),
            false,
        ),
        way(
            "HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n",
            Keeps,
            answered(304, ""),
            false,
        ),
        way(
            "HTTP/1.1 205 Reset Content\r\nContent-Length: 0\r\n\r\n",
            Keeps,
            answered(205, ""),
            true,
        ),
        // With a length.
        way(
            head("Content-Length: 2\r\nContent-Length: 2", "ok"),
            Keeps,
            ok(),
            true,
        ),
        way(head("Content-Length: 2, 2", "ok"), Keeps, ok(), true),
        way(head("Content-Length:\r\n 2", "ok"), Keeps, ok(), true),
        way(head("content-LENGTH :2", "ok"), Keeps, ok(), true),
        way(
            head("Content-Length: 2\r\nContent-Length: 3", "ok"),
            Keeps,
            failed(ErrorCode::ProtocolError),
            false,
        ),
        way(
            head("Content-Length: two", "ok"),
            Keeps,
            failed(ErrorCode::ProtocolError),
            false,
        ),
        way(
            head(
                "Content-Length: 2",
                "okHTTP/1.1 500 Forged\r\nContent-Length: 6\r\n\r\nforged",
            ),
            Keeps,
            ok(),
            false,
        ),
        way(head("Content-Length: 2", "ok\r\n"), Keeps, ok(), false),
        way(
            head("Content-Length: 9", "cut"),
            Closes,
            answered(200, "cut"),
            false,
        ),
        way(
            head("Content-Length: 2\r\nConnection: close", "ok"),
            Keeps,
            ok(),
            false,
        ),
        way(
            head("Content-Length: 2\r\nUpgrade: websocket", "ok"),
            Keeps,
            ok(),
            true,
        ),
        way(
            "HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok",
            Keeps,
            ok(),
            false,
        ),
        way(
            "HTTP/1.0 200 OK\r\nContent-Length: 2\r\nConnection: keep-alive\r\n\r\nok",
            Keeps,
            ok(),
            true,
        ),
        // In chunks.
        way(
            format!("{CHUNKED}\r\n1\r\no\r\n01;x=\"y\"\r\nk\r\n0\r\nX-Trailer: t\r\n\r\n"),
            Keeps,
            ok(),
            true,
        ),
        way(
            format!("{CHUNKED}\r\n0\r\n\r\n"),
            Keeps,
            answered(200, ""),
            true,
        ),
        way(
            format!("{CHUNKED}Content-Length: 7\r\n\r\n2\r\nok\r\n0\r\n\r\n"),
            Keeps,
            ok(),
            false,
        ),
        way(
            head("Transfer-Encoding: gzip, chunked", "2\r\nok\r\n0\r\n\r\n"),
            Keeps,
            ok(),
            false,
        ),
        way(
            head(
                "Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked",
                "2\r\nok\r\n0\r\n\r\n",
            ),
            Keeps,
            ok(),
            false,
        ),
        way(
            "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
            Keeps,
            ok(),
            false,
        ),
        way(
            format!("{CHUNKED}\r\n3\r\ncut\r\n"),
            Closes,
            answered(200, "cut"),
            false,
        ),
        way(
            format!("{CHUNKED}\r\n3\r\ncut\r\nno chunk\r\n"),
            Keeps,
            answered(200, "cut"),
            false,
        ),
        // To the end of the connection.
        way("HTTP/1.1 200 OK\r\n\r\nok", Closes, ok(), false),
        way(
            "HTTP/1.1 500 Oops\r\nConnection: close\r\n\r\nno",
            Closes,
            answered(500, "no"),
            false,
        ),
        way("HTTP/1.0 200 OK\r\n\r\nok", Closes, ok(), false),
        way("HTTP/1.1 200 OK\r\n\r\n", Closes, answered(200, ""), false),
        way(
            head("Transfer-Encoding: gzip\r\nContent-Length: 1", "ok"),
            Closes,
            ok(),
            false,
        ),
        // Heads of every kind.
        way(
            "HTTP/1.1 200\r\nContent-Length: 2\r\n\r\nok",
            Keeps,
            ok(),
            true,
        ),
        way(
            "HTTP/1.1 200 OK\nContent-Length: 2\n\nok",
            Keeps,
            ok(),
            true,
        ),
        way(
            head("X-Folded: a\r\n\tb\r\n  c\r\nContent-Length: 2", "ok"),
            Keeps,
            ok(),
            true,
        ),
        way(
            head("Host: a\r\nHost: b\r\nContent-Length: 2", "ok"),
            Keeps,
            ok(),
            true,
        ),
        way(
            head(
                &format!("{}Content-Length: 2", "X-Many: of them\r\n".repeat(300)),
                "ok",
            ),
            Keeps,
            ok(),
            true,
        ),
        way(
            head(
                &format!("{}: x\r\nContent-Length: 2", "n".repeat(70_000)),
                "ok",
            ),
            Keeps,
            ok(),
            true,
        ),
        way(
            head(
                &format!("X-Long: {}\r\nContent-Length: 2", "v".repeat(100_000)),
                "ok",
            ),
            Keeps,
            ok(),
            true,
        ),
        way(
            head(
                &format!("X-Long: {}\r\nContent-Length: 2", "v".repeat(200_000)),
                "ok",
            ),
            Keeps,
            failed(ErrorCode::ProtocolError),
            false,
        ),
        way(
            "HTTP/1.1 999 Odd\r\nContent-Length: 3\r\n\r\nodd",
            Keeps,
            answered(999, "odd"),
            true,
        ),
        way(
            "HTTP/1.1 042 Odd\r\nContent-Length: 3\r\n\r\nodd",
            Keeps,
            failed(ErrorCode::ProtocolError),
            false,
        ),
        way(
            "HTTP/2 200 OK\r\nContent-Length: 2\r\n\r\nok",
            Keeps,
            failed(ErrorCode::ProtocolError),
            false,
        ),
        way(
            head(" X-Begins: with a blank\r\nContent-Length: 2", "ok"),
            Keeps,
            failed(ErrorCode::ProtocolError),
            false,
        ),
        way(
            head("no field\r\nContent-Length: 2", "ok"),
            Keeps,
            failed(ErrorCode::ProtocolError),
            false,
        ),
        way("", Closes, failed(ErrorCode::SocketClosed), false),
        way(
            "HTTP/1.1 200 OK\r\nContent-Le",
            Closes,
            failed(ErrorCode::SocketClosed),
            false,
        ),
    ]
}

/// Three events in turn: one before, one that is answered in the way, and one that is refused.
async fn in_turn(mut ends: Ends, way: Way) {
    let Way {
        answer,
        then,
        recorded,
        reused,
    } = way;
    let shown = format!("{}: {:.200?}", ends.scheme, answer);
    let sink = ends.receiver(move |line, head| {
        if head.starts_with("POST /way ") {
            line.write_all(answer.as_bytes())?;
            line.flush()?;
            return match then {
                Then::Keeps => Ok(()),
                Then::Closes => Err(io::ErrorKind::Other.into()),
            };
        }
        let status = if head.starts_with("POST /before ") {
            201
        } else {
            500
        };
        let own = format!("HTTP/1.1 {status} Own\r\nContent-Length: 3\r\n\r\nown");
        line.write_all(own.as_bytes())
    });
    assert_eq!(
        ends.post(&sink, "/before").await,
        answered(201, "own"),
        "before {shown}"
    );
    assert_eq!(ends.post(&sink, "/way").await, recorded, "{shown}");
    assert_eq!(sink.connections(), 1, "{shown}");
    for _ in 0..2 {
        assert_eq!(
            ends.post(&sink, "/behind").await,
            answered(500, "own"),
            "behind {shown}"
        );
    }
    assert_eq!(sink.requests(), 4, "one attempt per try, {shown}");
    assert_eq!(sink.connections(), if reused { 1 } else { 2 }, "{shown}");
}

#[actix_rt::test]
async fn each_way_to_answer_is_recorded_for_its_own_event() {
    for way in ways() {
        in_turn(Ends::plain(), way).await;
    }
}

#[actix_rt::test]
async fn each_way_to_answer_is_recorded_for_its_own_event_over_tls() {
    for way in ways() {
        in_turn(Ends::secured(), way).await;
    }
}

/// A3 of the faults that were found: B goes out while A has got nothing but an interim answer.
#[actix_rt::test]
async fn an_interim_answer_is_neither_the_events_nor_does_it_give_its_connection_to_another() {
    for mut ends in both() {
        let b_is_there = Arc::new(AtomicBool::new(false));
        let there = b_is_there.clone();
        let sink = ends.receiver(move |line, head| {
            if head.starts_with("POST /b ") {
                there.store(true, Ordering::SeqCst);
                return line.write_all(b"HTTP/1.1 500 No\r\nContent-Length: 3\r\n\r\nofB");
            }
            line.write_all(b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n")?;
            line.flush()?;
            // Over the same connection it would not be seen until A has its answer.
            let began = Instant::now();
            while !there.load(Ordering::SeqCst) && began.elapsed() < Duration::from_secs(1) {
                thread::sleep(Duration::from_millis(5));
            }
            line.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nofA")
        });
        let late = async {
            while sink.requests() == 0 {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
            ends.post(&sink, "/b").await
        };
        let (a, b) = futures::join!(ends.post(&sink, "/a"), late);
        assert_eq!(
            (a, b),
            (answered(200, "ofA"), answered(500, "ofB")),
            "{}",
            ends.scheme
        );
        assert_eq!((sink.requests(), sink.connections()), (2, 2));
    }
}

#[actix_rt::test]
async fn an_answer_to_head_has_no_body_whatever_its_length() {
    for mut ends in both() {
        let sink = ends
            .receiver(|line, _| line.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n"));
        for _ in 0..3 {
            let url = ends.url(&sink, "/");
            let exchanged = exchange(&ends.client, "HEAD", url, &Bytes::new()).await;
            assert_eq!(exchanged.outcome, answered(200, ""));
        }
        assert_eq!(sink.connections(), 1);
    }
}

#[actix_rt::test]
async fn what_comes_over_an_idle_connection_is_nobodys_answer() {
    for mut ends in both() {
        let said = Arc::new(AtomicUsize::new(0));
        let saying = said.clone();
        let sink = ends.receiver(move |line, head| {
            if !head.starts_with("POST /first ") {
                return line.write_all(b"HTTP/1.1 500 Own\r\nContent-Length: 3\r\n\r\nown");
            }
            line.write_all(OK.as_bytes())?;
            line.flush()?;
            thread::sleep(Duration::from_millis(50));
            line.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nforged")?;
            line.flush()?;
            saying.store(1, Ordering::SeqCst);
            Ok(())
        });
        assert_eq!(ends.post(&sink, "/first").await, answered(200, "ok"));
        while said.load(Ordering::SeqCst) == 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
        for _ in 0..2 {
            assert_eq!(ends.post(&sink, "/next").await, answered(500, "own"));
        }
        assert_eq!(
            (sink.requests(), sink.connections()),
            (3, 2),
            "{}",
            ends.scheme
        );
    }
}

#[actix_rt::test]
async fn a_connection_that_its_receiver_closed_is_not_used_again() {
    for mut ends in both() {
        let sink = ends.receiver(|line, _| {
            line.write_all(OK.as_bytes())?;
            line.flush()?;
            Err(io::ErrorKind::Other.into())
        });
        for number in 1..=3 {
            assert_eq!(ends.post(&sink, "/").await, answered(200, "ok"));
            assert!(sink.has_closed(number).await);
        }
        assert_eq!((sink.requests(), sink.connections()), (3, 3));
    }
}

/// What may have been processed is not sent again by the same attempt.
#[actix_rt::test]
async fn a_connection_that_breaks_instead_of_an_answer_fails_the_attempt_and_nothing_is_sent_twice()
{
    for mut ends in both() {
        let sink = ends.receiver(|line, head| {
            if head.starts_with("POST /taken ") {
                return Err(io::ErrorKind::Other.into());
            }
            line.write_all(OK.as_bytes())
        });
        assert_eq!(ends.post(&sink, "/first").await, answered(200, "ok"));
        let broken = ends.post(&sink, "/taken").await;
        assert_eq!(broken, Outcome::failed(ErrorCode::SocketClosed));
        assert_eq!(sink.requests(), 2);
    }
}

/// Its server may not know of closing either.
#[actix_rt::test]
async fn an_answer_without_a_length_ends_with_a_silence_where_no_end_was_announced() {
    let mut ends = Ends::plain();
    let sink = ends.receiver(|line, _| line.write_all(b"HTTP/1.1 200 OK\r\n\r\nok"));
    let started = Instant::now();
    assert_eq!(ends.post(&sink, "/").await, answered(200, "ok"));
    assert!(started.elapsed() >= Duration::from_secs(4));
    assert!(sink.has_closed(1).await, "nothing else is asked over it");
}

/// What a receiver does that answers before it has read the request.
#[derive(Clone, Copy, Debug)]
enum Early {
    Closes,
    Holds,
    Reads,
    /// So slowly that it never ends in time.
    ReadsOn,
}

/// Answers at the request's head.
fn early(ends: &mut Ends, answer: &'static str, then: Early) -> (Sink, Arc<AtomicUsize>) {
    let read = Arc::new(AtomicUsize::new(0));
    let counter = read.clone();
    let sink = Sink::start_raw(ends.server.take(), move |line| {
        let (mut piece, mut seen) = (vec![0; 64 * 1024], Vec::new());
        while !seen.windows(4).any(|four| four == b"\r\n\r\n") {
            match line.read(&mut piece[..512])? {
                0 => return Ok(()),
                length => seen.extend_from_slice(&piece[..length]),
            }
        }
        let head = seen
            .windows(4)
            .position(|four| four == b"\r\n\r\n")
            .unwrap_or(0)
            + 4;
        counter.fetch_add(seen.len() - head, Ordering::SeqCst);
        line.write_all(answer.as_bytes())?;
        line.flush()?;
        match then {
            Early::Closes => Ok(()),
            Early::Holds => {
                thread::sleep(PATIENCE);
                Ok(())
            }
            Early::Reads | Early::ReadsOn => loop {
                match line.read(&mut piece)? {
                    0 => return Ok(()),
                    length => counter.fetch_add(length, Ordering::SeqCst),
                };
                if matches!(then, Early::ReadsOn) {
                    thread::sleep(Duration::from_millis(20));
                }
            },
        }
    });
    (sink, read)
}

#[actix_rt::test]
async fn a_refusal_that_comes_while_its_request_is_on_the_way_is_the_answer() {
    let body = Bytes::from(vec![b'x'; LARGE]);
    const TOO_LARGE: &str = "HTTP/1.1 413 Too Large\r\nContent-Length: 5\r\n\r\nlarge";
    const LATER: &str = "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 429 Later\r\nRetry-After: 7\r\nContent-Length: 5\r\nConnection: close\r\n\r\nlater";
    const TO_THE_END: &str = "HTTP/1.1 503 Busy\r\nRetry-After: 9\r\nConnection: close\r\n\r\nbusy";
    for then in [Early::Closes, Early::Holds, Early::Reads] {
        for (answer, status, said, retry_after_ms) in [
            (TOO_LARGE, 413, "large", None),
            (LATER, 429, "later", Some(7000)),
            (TO_THE_END, 503, "busy", Some(9000)),
        ] {
            if answer == TO_THE_END && !matches!(then, Early::Closes) {
                continue;
            }
            for mut ends in both() {
                let (sink, read) = early(&mut ends, answer, then);
                let outcome = ends.send(&sink, "/", &body).await.outcome;
                let expected = Outcome::answered(status, Bytes::from(said), retry_after_ms);
                assert_eq!(outcome, expected, "{} {then:?}", ends.scheme);
                assert!(read.load(Ordering::SeqCst) < LARGE, "the rest is dropped");
                if !matches!(then, Early::Holds) {
                    assert!(sink.has_closed(1).await, "and the connection closed");
                }
            }
        }
    }
}

#[actix_rt::test]
async fn who_says_yes_before_all_is_there_gets_the_rest_as_long_as_it_takes_it() {
    const YES: &str = "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nyes";
    let body = Bytes::from(vec![b'x'; LARGE]);
    let each = [Early::Reads, Early::Holds, Early::Closes]
        .into_iter()
        .flat_map(|then| both().map(|ends| (then, ends)));
    // At once: who holds it takes a while to show that it wants no more.
    let told = each.map(async |(then, mut ends)| {
        let (sink, read) = early(&mut ends, YES, then);
        let outcome = ends.send(&sink, "/", &body).await.outcome;
        assert_eq!(outcome, answered(200, "yes"), "{} {then:?}", ends.scheme);
        if matches!(then, Early::Reads) {
            drop(ends);
            assert!(sink.has_closed(1).await);
            assert_eq!(read.load(Ordering::SeqCst), LARGE);
        }
    });
    futures::future::join_all(told).await;
}

#[actix_rt::test]
async fn who_says_yes_and_reads_on_when_the_time_is_up_has_answered_once_all_of_it_is_there() {
    const LIMIT: Duration = Duration::from_secs(1);
    const YES: &str = "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nyes";
    const CHUNKS: &str =
        "HTTP/1.1 202 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nyes\r\n0\r\n\r\n";
    const HALF: &str = "HTTP/1.1 200 OK\r\nContent-Length: 30\r\n\r\nyes";
    const ENDLESS: &str = "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nyes";
    let body = Bytes::from(vec![b'x'; LARGE]);
    for (answer, outcome) in [
        (YES, answered(200, "yes")),
        (CHUNKS, answered(202, "yes")),
        (HALF, Outcome::failed(ErrorCode::Timeout)),
        (ENDLESS, Outcome::failed(ErrorCode::Timeout)),
    ] {
        for mut ends in both() {
            let (sink, read) = early(&mut ends, answer, Early::ReadsOn);
            let url = ends.url(&sink, "/");
            let sent = exchange_within(LIMIT, &ends.client, "POST", url, &body).await;
            assert_eq!(sent.outcome, outcome, "{} {answer}", ends.scheme);
            let read = read.load(Ordering::SeqCst);
            assert!(0 < read && read < LARGE, "in the middle of it: {read}");
        }
    }
}
