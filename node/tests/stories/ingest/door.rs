//! What strangers can't take from others, and what of their bytes nobody reads, told over real sockets.

use super::{ADMIN_TOKEN, Node, OPEN, TOKEN};
use crate::stage::eventually;
use actix_web::dev::ServerHandle;
use model::{ids::SourceId, traffic::RejectionCause};
use node::{runtime, telemetry::Metrics};
use std::{
    net::{Ipv4Addr, SocketAddr, TcpListener},
    time::Duration,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpSocket, TcpStream},
    time::timeout,
};

const WITHIN: Duration = Duration::from_secs(60);
/// Addresses of this machine that are not where the honest posts come from.
const STRANGER: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);
const OTHER: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 3);

fn address(url: &str) -> SocketAddr {
    let address = url.trim_start_matches("http://");
    address.parse().expect("an address")
}

/// Serves the node's admin side, and tells where.
fn admin_side(node: &Node) -> (SocketAddr, ServerHandle) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    let server = runtime::serve_admin(&node.gateway, listener).expect("it can listen");
    let handle = server.handle();
    actix_rt::spawn(server);
    (address, handle)
}

async fn connect(from: Ipv4Addr, to: SocketAddr) -> TcpStream {
    let socket = TcpSocket::new_v4().expect("a socket");
    socket
        .bind((from, 0).into())
        .expect("an address of this machine");
    socket.connect(to).await.expect("connected")
}

/// Sends bytes and reads until the other side has ended, or nothing more comes.
async fn exchange(from: Ipv4Addr, to: SocketAddr, bytes: &[u8]) -> String {
    let mut stream = connect(from, to).await;
    stream.write_all(bytes).await.expect("written");
    let mut answer = Vec::new();
    let _ = timeout(WITHIN, stream.read_to_end(&mut answer)).await;
    String::from_utf8_lossy(&answer).into_owned()
}

fn status(answer: &str) -> &str {
    answer.get(9..12).unwrap_or(answer)
}

fn malformed(metrics: &Metrics, side: &str, cause: &str) -> u64 {
    let labels = [side, cause];
    metrics.malformed.with_label_values(&labels).get()
}

#[actix_rt::test]
async fn a_batch_that_is_longer_than_the_cluster_takes_is_taken_in_parts() {
    let node = Node::start(|config| {
        config.ingest.max_batch_bytes = 1 << 30;
        config.ingest.max_batches_in_flight = 1;
        config.ingest.accept_timeout_ms = 60_000;
        config.ingest.body_timeout_ms = 60_000;
        config.ingest.body_grace_ms = 60_000;
    })
    .await;
    // The first goes alone; what comes meanwhile are more than 36 MiB together.
    let length = 9 << 20;
    let head = format!(
        "POST /{OPEN} HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n"
    );
    let post = [head.into_bytes(), vec![b'a'; length]].concat();
    let posts = (0..6).map(|_| exchange(OTHER, address(&node.url), &post));
    for answer in futures::future::join_all(posts).await {
        assert_eq!(status(&answer), "200", "{answer}");
    }
    node.stop().await;
}

#[actix_rt::test]
async fn strangers_behind_a_trusted_proxy_are_told_apart() {
    let node = Node::start(|config| {
        config.admin.wrong_tokens_per_second = 1;
        config.ingest.trusted_proxies = vec!["127.0.0.2/32".parse().expect("a network")];
    })
    .await;
    let to = address(&node.url);
    let guess = |forwarded: &str| {
        format!(
            "POST /v1/publish HTTP/1.1\r\nhost: x\r\nauthorization: Bearer guess\r\n\
             x-forwarded-for: {forwarded}\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"
        )
    };
    let mut slowed = 0;
    for _ in 0..30 {
        let answer = exchange(STRANGER, to, guess("192.0.2.1").as_bytes()).await;
        slowed += usize::from(status(&answer) == "429");
    }
    assert!(slowed > 0, "{slowed}");
    let other = exchange(STRANGER, to, guess("192.0.2.2").as_bytes()).await;
    assert_eq!(status(&other), "401", "behind the same proxy");
    // Who is no proxy names whom it likes, and is itself all the same.
    for number in 0..60 {
        let answer = exchange(OTHER, to, guess(&format!("192.0.2.{number}")).as_bytes()).await;
        slowed += usize::from(status(&answer) == "429");
    }
    assert!(slowed > 30, "{slowed}");
    node.stop().await;
}

#[actix_rt::test]
async fn a_head_that_waits_for_its_body_takes_nobodys_seat() {
    let node = Node::start(|config| config.ingest.max_in_flight_requests = 4).await;
    let mut waiting = Vec::new();
    for _ in 0..60 {
        let mut stream = connect(STRANGER, address(&node.url)).await;
        let head = format!("POST /{OPEN} HTTP/1.1\r\nhost: x\r\ncontent-length: 9\r\n\r\n");
        stream.write_all(head.as_bytes()).await.expect("written");
        waiting.push(stream);
    }
    for _ in 0..10 {
        node.post(&format!("/{OPEN}"), &[], "x").await.accepted();
    }
    drop(waiting);
    node.stop().await;
}

#[actix_rt::test]
async fn slow_bodies_of_one_address_leave_seats_for_those_of_others() {
    let node = Node::start(|config| {
        config.ingest.max_in_flight_requests = 40;
        config.ingest.body_grace_ms = 15_000;
    })
    .await;
    let mut slow = Vec::new();
    for _ in 0..100 {
        let mut stream = connect(STRANGER, address(&node.url)).await;
        let begun = format!("POST /{OPEN} HTTP/1.1\r\nhost: x\r\ncontent-length: 9\r\n\r\nx");
        stream.write_all(begun.as_bytes()).await.expect("written");
        slow.push(stream);
    }
    let in_flight = &node.gateway.metrics.requests_in_flight;
    let full = async || (in_flight.get() >= 30).then_some(());
    eventually(WITHIN, "seats taken by slow bodies", full).await;
    assert!(in_flight.get() < 40, "some are left");
    // Also those of the source that the flood goes to.
    node.post(&format!("/{OPEN}"), &[], "x").await.accepted();
    let signed = node.post(&format!("/{}", SourceId(2)), &[], "x").await;
    assert_ne!(signed.status(), 429);
    drop(slow);
    let empty = async || (in_flight.get() == 0).then_some(());
    eventually(WITHIN, "the seats of those who left", empty).await;
    node.post(&format!("/{OPEN}"), &[], "x").await.accepted();
    node.stop().await;
}

#[actix_rt::test]
async fn as_many_connections_are_served_as_configured_and_others_find_room_behind_a_flood() {
    let node = Node::start(|config| {
        config.ingest.workers = 2;
        config.ingest.max_connections = 20;
    })
    .await;
    let ask = b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n";
    let (mut served, mut refused) = (Vec::new(), 0);
    for _ in 0..50 {
        let mut stream = connect(STRANGER, address(&node.url)).await;
        // It may be closed already.
        let _ = stream.write_all(ask).await;
        let mut head = [0; 12];
        let read = timeout(WITHIN, stream.read_exact(&mut head)).await;
        if read.expect("an answer or an end").is_ok() && head == *b"HTTP/1.1 200" {
            served.push(stream);
        } else {
            refused += 1;
        }
    }
    assert_eq!((served.len(), refused), (20, 30));
    for _ in 0..5 {
        let answer = exchange(OTHER, address(&node.url), CLOSING).await;
        assert_eq!(status(&answer), "200");
    }
    node.post(&format!("/{OPEN}"), &[], "x").await.accepted();
    node.stop().await;
}

const CLOSING: &[u8] = b"GET /healthz HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";

#[actix_rt::test]
async fn a_flood_of_slow_heads_makes_room_for_honest_posts() {
    let node = Node::start(|config| {
        config.ingest.max_connections = 50;
        config.ingest.head_timeout_ms = 60_000;
    })
    .await;
    let mut flood = Vec::new();
    for _ in 0..50 {
        let mut stream = connect(STRANGER, address(&node.url)).await;
        stream
            .write_all(b"POST / HTTP/1.1\r\nx: ")
            .await
            .expect("written");
        flood.push(stream);
    }
    let open = &node.gateway.metrics.connections;
    let open = open.with_label_values(&["ingest"]);
    let full = async || (open.get() == 50).then_some(());
    eventually(WITHIN, "a full house", full).await;
    for _ in 0..10 {
        node.post(&format!("/{OPEN}"), &[], "x").await.accepted();
    }
    assert!(open.get() <= 50);
    node.stop().await;
}

/// One address keeps all connections with this; what honest senders get meanwhile.
async fn honest_behind(begun: &str) -> Vec<String> {
    let node = Node::start(|config| {
        config.ingest.max_connections = 20;
        config.ingest.body_grace_ms = 60_000;
    })
    .await;
    let mut flood = Vec::new();
    for _ in 0..20 {
        let mut stream = connect(STRANGER, address(&node.url)).await;
        let begun = stream.write_all(begun.as_bytes());
        begun.await.expect("written");
        flood.push(stream);
    }
    let open = &node.gateway.metrics.connections;
    let open = open.with_label_values(&["ingest"]);
    let full = async || (open.get() == 20).then_some(());
    eventually(WITHIN, "a full house", full).await;
    let mut answers = Vec::new();
    for _ in 0..5 {
        // What they trickle keeps no place for them.
        for stream in &mut flood {
            let _ = stream.write_all(b"yyyyyyyy").await;
        }
        answers.push(exchange(OTHER, address(&node.url), CLOSING).await);
    }
    node.stop().await;
    answers
}

#[actix_rt::test]
async fn who_asks_for_an_upgrade_keeps_no_connection_from_others_by_that() {
    let head =
        |line: &str, headers: &str| format!("{line} HTTP/1.1\r\nhost: x\r\n{headers}\r\n\r\n");
    let post = format!("POST /{OPEN}");
    for begun in [
        head(&post, "upgrade: websocket\r\ncontent-length: 100000") + "x",
        head(
            &post,
            "upgrade: websocket\r\nconnection: upgrade\r\ncontent-length: 100000",
        ) + "x",
        head(
            &post,
            "upgrade: h2c\r\nconnection: upgrade\r\ncontent-length: 100000",
        ) + "x",
        head(&post, "expect: 100-continue\r\ncontent-length: 100000"),
        head(&post, "upgrade: websocket\r\ntransfer-encoding: chunked") + "ffff\r\nx",
        head(&format!("GET /{OPEN}"), "upgrade: websocket"),
    ] {
        for answer in honest_behind(&begun).await {
            assert_eq!(status(&answer), "200", "{begun:?}");
        }
    }
}

#[actix_rt::test]
async fn a_post_that_asks_for_an_upgrade_is_a_post_and_so_is_the_next() {
    let node = Node::start(|_| {}).await;
    let mut stream = String::new();
    for upgrade in [
        "websocket",
        "WebSocket",
        "h2c",
        "websocket\r\nupgrade: websocket",
    ] {
        stream += &format!(
            "POST /{OPEN} HTTP/1.1\r\nhost: x\r\nupgrade: {upgrade}\r\nconnection: upgrade\r\n\
             content-length: 5\r\n\r\nhello"
        );
    }
    stream += &String::from_utf8_lossy(CLOSING);
    let answer = exchange(OTHER, address(&node.url), stream.as_bytes()).await;
    let statuses: Vec<&str> = answer
        .split("HTTP/1.1 ")
        .filter_map(|part| part.get(..3))
        .collect();
    assert_eq!(statuses, ["200"; 5], "{answer}");
    node.stop().await;
}

#[actix_rt::test]
async fn who_reads_no_answers_keeps_no_connection_from_others() {
    let node = Node::start(|config| config.admin.max_connections = 10).await;
    let (to, handle) = admin_side(&node);
    let asked =
        format!("GET /metrics HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {ADMIN_TOKEN}\r\n\r\n");
    let mut deaf = Vec::new();
    for _ in 0..10 {
        let mut stream = connect(STRANGER, to).await;
        // Until nothing more is taken from it.
        let asks = async {
            for _ in 0..10_000 {
                if stream.write_all(asked.as_bytes()).await.is_err() {
                    break;
                }
            }
        };
        let _ = timeout(Duration::from_millis(500), asks).await;
        deaf.push(stream);
    }
    for _ in 0..5 {
        let answer = exchange(OTHER, to, CLOSING).await;
        assert_eq!(status(&answer), "200");
    }
    handle.stop(false).await;
    node.stop().await;
}

#[actix_rt::test]
async fn a_websocket_that_nobody_was_let_into_keeps_no_connection_from_others() {
    let node = Node::start(|config| config.admin.max_connections = 10).await;
    let (to, handle) = admin_side(&node);
    let mut flood = Vec::new();
    for number in 0..10 {
        let mut stream = connect(STRANGER, to).await;
        let path = ["/", "/healthz"][number % 2];
        let asked = format!(
            "GET {path} HTTP/1.1\r\nhost: x\r\nupgrade: websocket\r\nconnection: upgrade\r\n\
             sec-websocket-version: 13\r\nsec-websocket-key: x3JJHMbDL1EzLkh9GBhXDw==\r\n\r\n"
        );
        stream.write_all(asked.as_bytes()).await.expect("written");
        let mut head = [0; 12];
        timeout(WITHIN, stream.read_exact(&mut head))
            .await
            .expect("an answer")
            .expect("read");
        assert_ne!(head, *b"HTTP/1.1 101");
        let _ = stream.write_all(b"\x81\x00").await;
        flood.push(stream);
    }
    for _ in 0..5 {
        for stream in &mut flood {
            let _ = stream.write_all(b"\x81\x00").await;
        }
        let answer = exchange(OTHER, to, CLOSING).await;
        assert_eq!(status(&answer), "200");
    }
    handle.stop(false).await;
    node.stop().await;
}

#[actix_rt::test]
async fn a_head_that_does_not_end_is_cut_off_also_on_a_connection_that_was_used() {
    let node = Node::start(|config| config.ingest.head_timeout_ms = 300).await;
    for before in ["", "GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n"] {
        let bytes = format!("{before}POST / HTTP/1.1\r\nx: ");
        let answer = exchange(STRANGER, address(&node.url), bytes.as_bytes()).await;
        assert!(answer.contains("HTTP/1.1 408"), "{before:?} {answer}");
    }
    let metrics = &node.gateway.metrics;
    assert_eq!(malformed(metrics, "ingest", "head_too_slow"), 2);
    node.stop().await;
}

/// A request with something wrong in it, the status that tells so, and the cause that counts it.
fn wrong() -> Vec<(String, &'static str, &'static str)> {
    let mut wrong = Vec::new();
    let mut add = |bytes: String, status, cause| wrong.push((bytes, status, cause));
    let head = |line: &str, headers: &str| format!("{line} HTTP/1.1\r\n{headers}\r\n\r\n");
    let post = "POST /";
    add("POST / HTTP/1.1\nhost: x\n\n".into(), "400", "line_end");
    add(
        "POST / HTTP/1.1\r\nhost: x\r\na: b\n\r\n".into(),
        "400",
        "line_end",
    );
    add(
        "POST / HTTP/1.1\r\nhost: x\ra: b\r\n\r\n".into(),
        "400",
        "line_end",
    );
    add(head(post, "host: x\r\na: b\r\n c"), "400", "folded_header");
    add(head(post, "a: b"), "400", "host");
    add(head(post, "host: x\r\nhost: x"), "400", "host");
    add(head(post, "host: x, y"), "400", "host");
    add(
        head("GET http://other.example/", "host: x"),
        "400",
        "foreign_authority",
    );
    let proxied = head("GET http://other.example/", "host: other.example");
    add(proxied, "400", "foreign_authority");
    add(head("CONNECT x:443", "host: x:443"), "400", "target");
    for target in ["/?text=zw\u{f6}lf", "/?a=<b>", "/?a=\"b\"", "/?a=b c", "/<"] {
        add(head(&format!("POST {target}"), "host: x"), "400", "target");
    }
    let long = format!("POST /{}", "a".repeat(9_000));
    add(head(&long, "host: x"), "414", "uri_too_long");
    let wide = format!("host: x\r\na: {}", "b".repeat(33_000));
    add(head(post, &wide), "431", "head_too_large");
    let many = format!("host: x\r\n{}", ["a: b"; 100].join("\r\n"));
    add(head(post, &many), "431", "head_too_large");
    add(head(post, "host: x\r\na : b"), "400", "header");
    let both = "host: x\r\ncontent-length: 1\r\ntransfer-encoding: chunked";
    add(head(post, both), "400", "length");
    add(
        head(post, "host: x\r\ncontent-length: 1\r\ncontent-length: 1"),
        "400",
        "length",
    );
    add(
        head(post, "host: x\r\ntransfer-encoding: gzip, chunked"),
        "400",
        "length",
    );
    wrong
}

#[actix_rt::test]
async fn what_could_be_read_in_two_ways_is_refused_and_counted_on_both_sides() {
    let node = Node::start(|_| {}).await;
    let (admin_address, handle) = admin_side(&node);
    let metrics = &node.gateway.metrics;
    for (side, to) in [("ingest", address(&node.url)), ("admin", admin_address)] {
        for (bytes, expected, cause) in wrong() {
            let before = malformed(metrics, side, cause);
            let answer = exchange(STRANGER, to, bytes.as_bytes()).await;
            assert_eq!(status(&answer), expected, "{side} {bytes:?} {answer}");
            assert!(answer.contains("connection: close"), "{answer}");
            assert_eq!(
                malformed(metrics, side, cause),
                before + 1,
                "{side} {bytes:?}"
            );
        }
    }
    let text = metrics.render();
    assert!(text.contains("tidegate_malformed_requests_total{cause=\"target\",side=\"ingest\"}"));
    handle.stop(false).await;
    node.stop().await;
}

#[actix_rt::test]
async fn a_fault_is_answered_in_its_turn_and_what_stood_before_it_is_served() {
    let node = Node::start(|_| {}).await;
    let good = format!("POST /{OPEN} HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\n\r\nhello");
    let stream = format!("{good}{good}POST /\u{f6} HTTP/1.1\r\nhost: x\r\n\r\n{good}");
    let answer = exchange(STRANGER, address(&node.url), stream.as_bytes()).await;
    let statuses: Vec<&str> = answer
        .split("HTTP/1.1 ")
        .filter_map(|part| part.get(..3))
        .collect();
    assert_eq!(statuses, ["200", "200", "400"], "{answer}");
    assert!(answer.contains("percent-encoded"), "{answer}");
    // Asked for by its name, it is a path that nobody knows.
    let asked = b"GET /.malformed HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
    let answer = exchange(STRANGER, address(&node.url), asked).await;
    assert_eq!(status(&answer), "404");
    node.stop().await;
}

#[actix_rt::test]
async fn a_body_that_can_not_be_read_is_a_rejected_request_with_its_cause_and_is_counted_once() {
    let node = Node::start(|config| {
        config.ingest.max_body_bytes = 1_000;
        config.ingest.body_grace_ms = 200;
    })
    .await;
    let to = address(&node.url);
    let post = |headers: &str, body: &str| {
        format!("POST /{OPEN} HTTP/1.1\r\nhost: x\r\n{headers}\r\n\r\n{body}")
    };
    let chunked = "transfer-encoding: chunked";
    let extension = format!("5;{}\r\nhello\r\n0\r\n\r\n", "a".repeat(64 * 1024));
    let grown = format!(
        "{0}{0}{0}0\r\n\r\n",
        format_args!("190\r\n{}\r\n", "a".repeat(400))
    );
    for (bytes, expected) in [
        (post("content-length: 1001", ""), "413"),
        (post(chunked, &grown), "413"),
        (post(chunked, &extension), "400"),
        (post(chunked, "5\nhello\n0\n\n"), "400"),
        (post("content-length: 10", "slow"), "408"),
    ] {
        let answer = exchange(STRANGER, to, bytes.as_bytes()).await;
        assert_eq!(status(&answer), expected, "{:?} {answer}", bytes.get(..100));
    }
    // One that ends too early has nobody left to answer.
    let mut early = connect(STRANGER, to).await;
    let begun = post("content-length: 10", "early");
    early.write_all(begun.as_bytes()).await.expect("written");
    early.shutdown().await.expect("its end");
    let all = async || Some(node.rejected()).filter(|causes| causes.len() == 6);
    let mut causes = eventually(WITHIN, "six rejected requests", all).await;
    causes.sort();
    let (large, fatal) = (
        RejectionCause::PayloadTooLarge,
        RejectionCause::IngestionFatal,
    );
    assert_eq!(causes, [large, large, fatal, fatal, fatal, fatal]);
    let metrics = &node.gateway.metrics;
    let rejected = |cause: &str| metrics.rejected.with_label_values(&[cause]).get();
    assert_eq!(rejected("PAYLOAD_TOO_LARGE"), 2);
    assert_eq!(rejected("INGESTION_FATAL"), 4);
    assert!(
        !metrics.render().contains("tidegate_refused_total"),
        "not twice"
    );
    assert_eq!(metrics.requests_in_flight.get(), 0, "on a quiet node");
    node.stop().await;
}

#[actix_rt::test]
async fn publishing_has_tokens_of_its_own_and_who_guesses_them_is_slowed() {
    let node = Node::start(|config| config.admin.wrong_tokens_per_second = 1).await;
    let to = address(&node.url);
    let publish = |token: &str| {
        format!(
            "POST /v1/publish HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {token}\r\n\
             x-tidegate-source-name: open\r\nconnection: close\r\ncontent-length: 1\r\n\r\nx"
        )
    };
    for token in [TOKEN, "another-token-for-stories"] {
        let answer = exchange(OTHER, to, publish(token).as_bytes()).await;
        assert_eq!(status(&answer), "200", "{token}");
    }
    let admins = exchange(OTHER, to, publish(ADMIN_TOKEN).as_bytes()).await;
    assert_eq!(status(&admins), "401");
    let (mut wrong, mut slowed) = (0, 0);
    for number in 0..300 {
        let guess = publish(&format!("guess-{number}"));
        let answer = exchange(STRANGER, to, guess.as_bytes()).await;
        match status(&answer) {
            "401" => wrong += 1,
            "429" => {
                assert!(answer.contains("retry-after"), "{answer}");
                slowed += 1;
            }
            other => panic!("{other}: {answer}"),
        }
    }
    // Four at once and one a second behind them, on however slow a machine.
    assert!(wrong < 200 && slowed > 100, "{wrong} {slowed}");
    let answer = exchange(OTHER, to, publish(TOKEN).as_bytes()).await;
    assert_eq!(status(&answer), "200", "another address is not slowed");
    let counted = |outcome| {
        let labels = ["ingest", outcome];
        let counter = &node.gateway.metrics.wrong_tokens;
        counter.with_label_values(&labels).get()
    };
    assert_eq!((counted("wrong"), counted("slowed")), (wrong + 1, slowed));
    node.stop().await;
}

#[actix_rt::test]
async fn wrong_admin_tokens_are_slowed_and_open_no_unknown_path_either() {
    let node = Node::start(|config| config.admin.wrong_tokens_per_second = 2).await;
    let (to, handle) = admin_side(&node);
    let get = |path: &str, token: &str| {
        format!(
            "GET {path} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {token}\r\nconnection: close\r\n\r\n"
        )
    };
    for path in [
        "/2025-07-01/sources",
        "/1999-01-01/sources",
        "/nothing",
        "/.malformed",
    ] {
        let wrong = exchange(OTHER, to, get(path, "wrong").as_bytes()).await;
        assert_eq!(status(&wrong), "401", "{path}");
    }
    let right = exchange(
        OTHER,
        to,
        get("/1999-01-01/sources", ADMIN_TOKEN).as_bytes(),
    )
    .await;
    assert_eq!(status(&right), "404");
    let mut slowed = 0;
    for _ in 0..200 {
        let answer = exchange(STRANGER, to, get("/cluster", "wrong").as_bytes()).await;
        slowed += usize::from(status(&answer) == "429");
    }
    assert!(slowed > 50, "{slowed}");
    handle.stop(false).await;
    node.stop().await;
}
