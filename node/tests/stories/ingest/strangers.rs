//! What strangers write into a path is judged at the door, over a real socket; what they show as a secret is not kept.

use super::{Node, OPEN};
use model::{
    catalog::{Item, Verification},
    ids::{GroupId, SourceId},
    state::{
        codec,
        kv::{Read, Table},
    },
    traffic::{RequestRecord, StoredRequest},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

const KEYED: SourceId = SourceId(3);

/// Sends a target exactly as it is written, and gives the whole answer.
async fn posted(node: &Node, target: &str, headers: &str) -> String {
    let address = node.url.trim_start_matches("http://");
    let mut socket = TcpStream::connect(address).await.expect("connected");
    let request = format!(
        "POST {target} HTTP/1.1\r\nhost: in.example\r\n{headers}content-length: 2\r\nconnection: close\r\n\r\nhi"
    );
    let sent = socket.write_all(request.as_bytes()).await;
    sent.expect("sent");
    let mut answer = Vec::new();
    // A refused request may be answered with a reset behind its answer.
    let _ = socket.read_to_end(&mut answer).await;
    String::from_utf8_lossy(&answer).into_owned()
}

fn records(node: &Node) -> Vec<RequestRecord> {
    let groups = (1..=node.gateway.cluster.partitions()).map(GroupId);
    let rows = groups.flat_map(|group| {
        let view = node.gateway.cluster.view(group);
        view.scan(Table::Requests, &[0; 16], &[u8::MAX; 16], 1_000)
            .expect("readable")
    });
    rows.map(|(_, value)| {
        let stored: StoredRequest = codec::decode(&value).expect("own rows");
        codec::decode(&stored.record).expect("own rows")
    })
    .collect()
}

#[actix_rt::test]
async fn a_path_that_leads_elsewhere_is_refused_with_a_reason_and_never_stored() {
    let node = Node::start(|_| {}).await;
    for path in [
        "/../admin",
        "/a/../../admin",
        "/%2e%2e/admin",
        "/..%2fadmin",
        "/..;/admin",
        "/..%5cadmin",
        "/%252e%252e/admin",
        "/%c0%ae%c0%ae/admin",
        "/..%00/admin",
        "//elsewhere.example/",
    ] {
        let answer = posted(&node, &format!("/{OPEN}{path}?q=1"), "").await;
        assert!(answer.starts_with("HTTP/1.1 400 "), "{path}: {answer}");
        assert!(answer.contains("expected "), "{path}: {answer}");
    }
    assert!(records(&node).is_empty());
    for path in ["", "/", "/a%2Fb//c", "/.well-known/x..y"] {
        let answer = posted(&node, &format!("/{OPEN}{path}?q=1"), "").await;
        assert!(answer.starts_with("HTTP/1.1 200 "), "{path}: {answer}");
    }
    assert_eq!(records(&node).len(), 4);
    node.stop().await;
}

#[actix_rt::test]
async fn a_shown_secret_is_not_kept_right_or_wrong() {
    let mut node = Node::start(|_| {}).await;
    let mut items = super::sources();
    for item in &mut items {
        if let Item::Source(source) = item
            && source.id == KEYED
        {
            source.verification = Verification::with_secret("GITLAB", "the-secret-of-gitlab");
        }
        if let Item::Connection(connection) = item
            && connection.source_id == OPEN
        {
            connection.source_id = KEYED;
        }
    }
    node.configure(1, &items).await;
    let path = format!("/{KEYED}");
    for (token, status) in [
        ("the-secret-of-gitlab", 200),
        ("the-secret-of-gitlabb", 403),
    ] {
        let headers = format!("x-gitlab-token: {token}\r\nx-gitlab-event: Push Hook\r\n");
        let answer = posted(&node, &path, &headers).await;
        assert!(
            answer.starts_with(&format!("HTTP/1.1 {status} ")),
            "{answer}"
        );
    }
    // In a header that nobody reads, too.
    let answer = posted(&node, &path, "authorization: the-secret-of-gitlab\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 403 "), "{answer}");
    let kept = records(&node);
    assert_eq!(kept.len(), 3);
    for record in kept {
        let shown = format!("{record:?}");
        assert!(!shown.contains("the-secret-of"), "{shown}");
        assert!(shown.contains("[redacted]"), "{shown}");
    }
    node.stop().await;
}
