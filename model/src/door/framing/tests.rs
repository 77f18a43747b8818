//! Tests of the framing: bytes that pass and bytes that do not, whole and byte by byte.

use super::*;

fn bounds() -> Arc<HeadBounds> {
    Arc::new(HeadBounds {
        target_bytes: 64,
        header_bytes: 256,
        headers: 8,
        hosts: vec!["events.example".into(), "127.0.0.1".into()],
        websockets: false,
    })
}

/// Of a listener that opens websockets.
fn with_websockets() -> Arc<HeadBounds> {
    let bounds = HeadBounds::clone(&bounds());
    Arc::new(HeadBounds {
        websockets: true,
        ..bounds
    })
}

/// Gives a connection's bytes in parts of some size; what passed, and the fault that ended it.
fn pass(stream: &[u8], part: usize) -> (Vec<u8>, Option<Fault>) {
    pass_at(bounds(), stream, part)
}

fn pass_at(bounds: Arc<HeadBounds>, stream: &[u8], part: usize) -> (Vec<u8>, Option<Fault>) {
    let mut framing = Framing::new(bounds);
    let (mut held, mut passed) = (Vec::new(), Vec::new());
    for bytes in stream.chunks(part) {
        held.extend_from_slice(bytes);
        loop {
            match framing.look(&held) {
                Look::Pass(count) => passed.extend(held.drain(..count)),
                Look::PassWithout(count, unheard) => {
                    let mut head: Vec<u8> = held.drain(..count).collect();
                    for part in unheard.into_iter().rev() {
                        head.drain(part);
                    }
                    passed.extend(head);
                }
                Look::More => break,
                Look::Refuse(fault) => return (passed, Some(fault)),
            }
        }
    }
    (passed, None)
}

fn fault(stream: &str) -> Option<Fault> {
    fault_of(stream.as_bytes())
}

/// The same however the bytes come.
fn fault_of(stream: &[u8]) -> Option<Fault> {
    let faults = [1, 2, 3, 7, stream.len()].map(|part| pass(stream, part).1);
    assert_eq!(faults, [faults[0]; 5], "{stream:?}");
    faults[0]
}

fn with_target(target: &str) -> String {
    format!("POST {target} HTTP/1.1\r\nhost: events.example\r\ncontent-length: 0\r\n\r\n")
}

fn with_header(header: &str) -> String {
    format!("POST / HTTP/1.1\r\nhost: a\r\n{header}\r\n\r\n")
}

const CHUNKED: &str = "POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n";

#[test]
fn what_is_right_passes_as_it_came_in_whatever_parts() {
    let stream = [
        "POST /src_1/a%20b?x={y}|^ HTTP/1.1\r\nHost: events.example:8080\r\nContent-Length: 5\r\n\r\nhello",
        "\r\n\r\nGET / HTTP/1.0\r\n\r\n",
        "OPTIONS * HTTP/1.1\r\nhost: [::1]:8080\r\nx:\t\u{e4} \r\nx-empty:\r\n\r\n",
        "PUT / HTTP/1.1\r\nhost:\r\ntransfer-encoding: Chunked\r\nx: a:b\r\n\r\n",
        "5;name=\"v\"\r\nhello\r\n00A \r\n0123456789\r\n0\r\nx-trailer: 1\r\n\r\n",
        "DELETE http://EVENTS.example/x HTTP/1.1\r\nHost: events.example\r\n\r\n",
    ]
    .concat();
    for part in [1, 2, 5, 64, stream.len()] {
        let (passed, fault) = pass(stream.as_bytes(), part);
        assert_eq!(fault, None, "{part}");
        assert_eq!(passed, stream.as_bytes(), "{part}");
    }
}

#[test]
fn lines_end_with_cr_lf_and_with_nothing_else() {
    for stream in [
        "POST / HTTP/1.1\nhost: a\r\n\r\n",
        "POST / HTTP/1.1\r\nhost: a\n\r\n",
        "POST / HTTP/1.1\r\nhost: a\r\n\n",
        "POST / HTTP/1.1\r\nhost: a\r\n\r\r\n",
        "POST / HTTP/1.1\rhost: a\r\n\r\n",
        "POST / HTTP/1.1\r\nhost: a\rx: b\r\n\r\n",
        "\nPOST / HTTP/1.1\r\nhost: a\r\n\r\n",
        "POST / HTTP/1.1\n\n",
    ] {
        assert_eq!(fault(stream), Some(Fault::LineEnd), "{stream:?}");
    }
    let folded = "x: a\r\n b";
    assert_eq!(fault(&with_header(folded)), Some(Fault::Folded));
    assert_eq!(fault(&with_header("x: a\r\n\tb")), Some(Fault::Folded));
}

#[test]
fn a_target_is_percent_encoded_and_of_this_host() {
    for target in [
        "/a?b=\"c\"",
        "/<a>",
        "/a b",
        "/?q=<",
        "/`",
        "/zw\u{f6}lf",
        "a/b",
        "*",
        "",
    ] {
        let found = fault(&with_target(target));
        assert_eq!(found, Some(Fault::Target), "{target}");
    }
    assert_eq!(
        fault_of(b"GET /\xff HTTP/1.1\r\nhost: a\r\n\r\n"),
        Some(Fault::Target)
    );
    for target in [
        "/a\"b",
        "/?a=`{}|\\^",
        "/#",
        "/a?b?c/d#e",
        "http://events.example",
    ] {
        assert_eq!(fault(&with_target(target)), None, "{target}");
    }
    for target in [
        "http://other.example/",
        "https://events.example@other.example/",
        "http://events.example:81/",
        "http:///",
        "http://other.example?x=http://events.example/",
    ] {
        let found = fault(&with_target(target));
        assert_eq!(found, Some(Fault::ForeignAuthority), "{target}");
    }
    // Both names agree, and still it is not this host.
    let proxied = "GET http://other.example/ HTTP/1.1\r\nhost: other.example\r\n\r\n";
    assert_eq!(fault(proxied), Some(Fault::ForeignAuthority));
    let tunnel = "CONNECT events.example:443 HTTP/1.1\r\nhost: events.example:443\r\n\r\n";
    assert_eq!(fault(tunnel), Some(Fault::Target));
    let tunnel = "CONNECT /x HTTP/1.1\r\nhost: events.example\r\n\r\n";
    assert_eq!(fault(tunnel), Some(Fault::Target));
    assert_eq!(
        fault(&with_target(&format!("/{}", "a".repeat(64)))),
        Some(Fault::TargetTooLong)
    );
}

#[test]
fn there_is_one_host() {
    for head in [
        "",
        "host: a\r\nHost: a\r\n",
        "host: a, b\r\n",
        "host: a/b\r\n",
        "host: u@a\r\n",
    ] {
        let stream = format!("POST / HTTP/1.1\r\n{head}content-length: 0\r\n\r\n");
        assert_eq!(fault(&stream), Some(Fault::Host), "{head:?}");
    }
}

#[test]
fn a_header_is_a_name_and_a_value() {
    for header in [
        "x : a",
        ": a",
        "x",
        "x\u{e4}: a",
        "x: a\u{7f}",
        "x: \u{0}",
        "(x): a",
        "x: \u{1b}",
    ] {
        let found = fault(&with_header(header));
        assert_eq!(found, Some(Fault::Header), "{header:?}");
    }
    let many = ["x: a"; 8].join("\r\n");
    assert_eq!(fault(&with_header(&many)), Some(Fault::HeadTooLarge));
    let large = format!("x: {}", "a".repeat(300));
    assert_eq!(fault(&with_header(&large)), Some(Fault::HeadTooLarge));
}

#[test]
fn a_head_without_an_end_is_not_kept_for_ever() {
    let endless = format!("POST / HTTP/1.1\r\nx: {}", "a".repeat(2_000));
    assert_eq!(fault(&endless), Some(Fault::HeadTooLarge));
    assert_eq!(fault(&"a".repeat(2_000)), Some(Fault::TargetTooLong));
}

#[test]
fn a_request_line_has_a_method_a_target_and_a_version() {
    for line in [
        "POST /",
        "POST / HTTP/2.0",
        "POST / http/1.1",
        "/ HTTP/1.1",
        "P@ST / HTTP/1.1",
        "PRI * HTTP/2.0",
    ] {
        let stream = format!("{line}\r\nhost: a\r\n\r\n");
        assert_eq!(fault(&stream), Some(Fault::RequestLine), "{line}");
    }
    assert_eq!(
        fault("POST  / HTTP/1.1\r\nhost: a\r\n\r\n"),
        Some(Fault::Target)
    );
}

#[test]
fn a_body_has_one_length() {
    for header in [
        "content-length: 1\r\ncontent-length: 1",
        "content-length: 1, 1",
        "content-length: +1",
        "content-length: 0x1",
        "content-length: -1",
        "content-length:",
        "content-length: 18446744073709551616",
        "content-length: 1\r\ntransfer-encoding: chunked",
        "transfer-encoding: chunked\r\ntransfer-encoding: chunked",
        "transfer-encoding: gzip, chunked",
        "transfer-encoding: chunked, identity",
        "transfer-encoding: identity",
        "transfer-encoding: \u{b}chunked",
    ] {
        let found = fault(&with_header(header));
        assert!(
            matches!(found, Some(Fault::Length | Fault::Header)),
            "{header} {found:?}"
        );
    }
    let old = "POST / HTTP/1.0\r\ntransfer-encoding: chunked\r\n\r\n";
    assert_eq!(fault(old), Some(Fault::Length));
    assert_eq!(fault("POST / HTTP/1.0\r\n\r\n"), Some(Fault::Length));
}

#[test]
fn chunks_are_read_strictly_and_their_extensions_are_small() {
    for (body, expected) in [
        ("5\nhello\r\n0\r\n\r\n", Fault::Chunk),
        ("5\r\nhello\n0\r\n\r\n", Fault::Chunk),
        ("5\r\nhelloworld", Fault::Chunk),
        ("\r\n", Fault::Chunk),
        ("g\r\n", Fault::Chunk),
        ("0x5\r\nhello\r\n", Fault::Chunk),
        ("-1\r\n", Fault::Chunk),
        ("10000000000000000\r\n", Fault::Chunk),
        ("00000000000000001\r\n", Fault::Chunk),
        ("5;a\nb\r\nhello\r\n", Fault::Chunk),
        ("0\r\nx: a\n\r\n", Fault::Chunk),
        ("0\r\n\n", Fault::Chunk),
        ("0\r\n x: a\r\n\r\n", Fault::Folded),
    ] {
        let found = fault(&format!("{CHUNKED}{body}"));
        assert_eq!(found, Some(expected), "{body:?}");
    }
    let large = format!("{CHUNKED}5;{}\r\nhello\r\n", "a".repeat(64 * 1024));
    assert_eq!(fault(&large), Some(Fault::ChunkExtension));
    let blanks = format!("{CHUNKED}5{}\r\nhello\r\n", " ".repeat(300));
    assert_eq!(fault(&blanks), Some(Fault::ChunkExtension));
    let many = format!("{CHUNKED}{}", "1;aaaaaaaaaaaaaaaa\r\na\r\n".repeat(1_000));
    assert_eq!(fault(&many), Some(Fault::ChunkExtension));
    let trailers = format!("{CHUNKED}0\r\n{}\r\n", "x: aaaaaaaaaaaa\r\n".repeat(1_000));
    assert_eq!(fault(&trailers), Some(Fault::ChunkExtension));
}

#[test]
fn what_stands_before_a_fault_passes() {
    let good = "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 2\r\n\r\nhi";
    let (passed, fault) = pass(format!("{good}GET /\nx").as_bytes(), 10);
    assert_eq!(
        (passed.as_slice(), fault),
        (good.as_bytes(), Some(Fault::LineEnd))
    );
}

const WEBSOCKET: &str =
    "GET / HTTP/1.1\r\nhost: a\r\nupgrade: WebSocket\r\nconnection: upgrade\r\n";

#[test]
fn behind_the_request_for_a_websocket_nothing_is_looked_at_where_there_are_some() {
    for length in ["", "content-length: 0\r\n"] {
        let head = format!("{WEBSOCKET}{length}\r\n");
        let stream = [head.as_bytes(), b"\x81\x00\n\n\xff"].concat();
        for part in [1, stream.len()] {
            let passed = pass_at(with_websockets(), &stream, part);
            assert_eq!(passed, (stream.clone(), None));
        }
    }
}

#[test]
fn who_asks_for_a_websocket_that_nobody_opens_is_read_as_if_it_had_not() {
    let asks = "Upgrade: websocket\r\n";
    let next = "GET /next HTTP/1.1\r\nhost: a\r\n\r\n";
    let body = |line: &str, end: &str| format!("{line}\r\nhost: a\r\n{asks}x: y\r\n{asks}{end}");
    for (bounds, request) in [
        (bounds(), format!("{WEBSOCKET}\r\n")),
        (
            bounds(),
            body("POST / HTTP/1.1", "content-length: 5\r\n\r\nhello"),
        ),
        (
            with_websockets(),
            body("POST / HTTP/1.1", "content-length: 5\r\n\r\nhello"),
        ),
        (with_websockets(), body("POST / HTTP/1.1", "\r\n")),
        (
            with_websockets(),
            body("GET / HTTP/1.1", "content-length: 5\r\n\r\nhello"),
        ),
        (with_websockets(), body("GET / HTTP/1.0", "\r\n")),
        (
            with_websockets(),
            body(
                "GET / HTTP/1.1",
                "transfer-encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n",
            ),
        ),
    ] {
        let stream = format!("{request}{next}GET /\n");
        let without = request
            .replace(asks, "")
            .replace("upgrade: WebSocket\r\n", "");
        for part in [1, 5, stream.len()] {
            let (passed, fault) = pass_at(bounds.clone(), stream.as_bytes(), part);
            let passed = String::from_utf8_lossy(&passed);
            assert_eq!(passed, format!("{without}{next}"), "{request}");
            assert_eq!(
                fault,
                Some(Fault::LineEnd),
                "what is behind it is looked at"
            );
        }
    }
}

#[test]
fn a_connection_waits_for_the_body_of_who_asks_for_an_upgrade() {
    for upgrade in ["websocket", "h2c", "TLS/1.0"] {
        let mut framing = Framing::new(with_websockets());
        let head = format!("upgrade: {upgrade}\r\nconnection: upgrade\r\ncontent-length: 9");
        framing.look(with_header(&head).as_bytes());
        assert_eq!((framing.phase(), framing.unread()), (Phase::Body, 9));
    }
}

#[test]
fn a_body_may_pass_without_being_looked_at() {
    let mut framing = Framing::new(bounds());
    assert_eq!(framing.phase(), Phase::Between);
    let head = with_header("content-length: 10");
    assert_eq!(framing.look(&head.as_bytes()[..9]), Look::More);
    assert_eq!(framing.phase(), Phase::Head);
    assert_eq!(framing.look(head.as_bytes()), Look::Pass(head.len()));
    assert_eq!((framing.phase(), framing.unread()), (Phase::Body, 10));
    framing.passed(7);
    assert_eq!(framing.look(b"\n\n\nGET"), Look::Pass(3));
    assert_eq!((framing.phase(), framing.unread()), (Phase::Between, 0));
}
