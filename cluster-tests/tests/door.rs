//! What one address can't take from all others, at the whole process.

use cluster_tests::{
    admin::id_of,
    process::{Cluster, Options},
};
use serde_json::json;
use std::{
    io::{Read, Write},
    net::{Ipv4Addr, SocketAddr, TcpStream},
    time::Duration,
};
use tokio::{io::AsyncWriteExt, net::TcpSocket};

const STRANGER: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);
const WAIT: Duration = Duration::from_secs(30);

/// Posts once, from this machine's usual address; the status.
fn post(to: SocketAddr, source: &str) -> String {
    let mut stream = TcpStream::connect(to).expect("connected");
    stream.set_read_timeout(Some(WAIT)).expect("a bound");
    let request = format!(
        "POST /{source} HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: 2\r\n\r\nhi"
    );
    stream.write_all(request.as_bytes()).expect("written");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer");
    answer.get(9..12).unwrap_or_default().to_owned()
}

/// Opens a connection from the stranger's address and says something on it.
async fn open(to: SocketAddr, bytes: &[u8]) -> Option<tokio::net::TcpStream> {
    let socket = TcpSocket::new_v4().expect("a socket");
    socket
        .bind((STRANGER, 0).into())
        .expect("an address of this machine");
    let mut stream = socket.connect(to).await.ok()?;
    stream.write_all(bytes).await.ok()?;
    Some(stream)
}

#[test]
fn one_address_with_thousands_of_heads_and_slow_bodies_holds_up_nobody_else() {
    let cluster = Cluster::form(
        1,
        Options {
            settings: vec![
                ("ingest.max_connections", "300".into()),
                ("ingest.max_in_flight_requests", "64".into()),
                ("ingest.body_grace_ms", "15000".into()),
                ("ingest.workers", "2".into()),
            ],
            ..Options::default()
        },
    );
    let admin = cluster.nodes[0].admin();
    let made = admin.insist(
        "POST",
        "/connections",
        &json!({
            "name": "in-to-out",
            "source": {"name": "in"},
            "destination": {"name": "out", "type": "MOCK_API"},
        }),
    );
    let source = id_of(&made.expect("a connection")["source"]).expect("a source");
    let to = cluster.nodes[0].ingest;
    let head = format!("POST /{source} HTTP/1.1\r\nhost: x\r\ncontent-length: 9\r\n\r\n");
    let begun = format!("{head}x");
    let says = ["POST / HTTP/1.1\r\nx: ", &head, &begun];
    actix_rt::System::new().block_on(async {
        let mut held = Vec::new();
        for number in 0..3_000 {
            if let Some(stream) = open(to, says[number % 3].as_bytes()).await {
                held.push(stream);
            }
            // Those that were closed are of no use to anybody.
            if held.len() > 600 {
                held.drain(..100);
            }
            if number % 100 == 99 {
                assert_eq!(post(to, &source), "200", "behind {number}");
            }
        }
    });
    let metrics = admin.metrics().expect("metrics");
    let gauge = |name: &str| -> u64 {
        let line = metrics.lines().find_map(|line| line.strip_prefix(name));
        line.map_or(0, |value| value.trim().parse().expect("a number"))
    };
    assert!(gauge("tidegate_connections{side=\"ingest\"}") <= 300);
    assert!(gauge("tidegate_connections_refused_total{side=\"ingest\"}") > 0);
}
