//! Trust at the edge, as a sender and an admin see it on running nodes: rotation, handshakes that bring a secret,
//! and answers that tell a forger nothing.

use cluster_tests::{
    admin::{Admin, id_of},
    clock, http, receiver,
    scene::{SECRET, Scene},
    sender,
};
use serde_json::{Value, json};
use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    time::Duration,
};

const WAIT: Duration = Duration::from_secs(20);
const NEW_SECRET: &str = "the secret after the rotation";
/// `Hello, World!` as gzip writes it.
const GZIPPED: &[u8] = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x02\x03\xf3H\xcd\xc9\xc9\xd7Q\x08\xcf/\xcaIQ\x04\x00\xd0\xc3\
    J\xec\r\x00\x00\x00";

/// The whole answer to one request on a connection of its own, its head in lower case.
struct Came {
    status: u16,
    head: String,
    body: String,
}

fn post(to: SocketAddr, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Came {
    let mut headers = headers.to_vec();
    headers.push(("connection", "close"));
    let mut stream = TcpStream::connect(to).expect("the node listens");
    stream.set_read_timeout(Some(WAIT)).expect("a timeout");
    stream
        .write_all(&http::request("POST", path, to, &headers, body))
        .expect("the node reads");
    let mut text = Vec::new();
    stream.read_to_end(&mut text).expect("the node answers");
    let text = String::from_utf8(text).expect("an answer is text");
    let (head, body) = text.split_once("\r\n\r\n").expect("a head");
    let status = head
        .split(' ')
        .nth(1)
        .and_then(|status| status.parse().ok());
    Came {
        status: status.expect("a status"),
        head: head.to_lowercase(),
        body: body.to_owned(),
    }
}

fn post_signed(to: SocketAddr, source: &str, secret: &str, body: &[u8]) -> u16 {
    let signature = sender::github_signature(secret, body);
    let headers = [("x-hub-signature-256", signature.as_str())];
    post(to, &format!("/{source}"), &headers, body).status
}

/// A source of this type, connected; its id.
fn source(scene: &Scene, source_type: &str, config: &Value) -> String {
    let admin = scene.cluster.nodes[0].admin();
    let url = scene.receiver.url();
    let made = admin.insist(
        "POST",
        "/connections",
        &json!({
            "name": source_type,
            "source": {"name": source_type, "type": source_type, "config": config},
            "destination": {"name": source_type, "type": "HTTP", "config": {"url": url}},
        }),
    );
    id_of(&made.expect("a connection")["source"]).expect("a source")
}

fn diagnosis(admin: &Admin, source: &str) -> Value {
    let query = format!("?status=rejected&source_id={source}");
    let listed = clock::eventually(WAIT, || {
        admin.list("/requests", &query).ok()?.into_iter().next()
    });
    listed.expect("the rejected request is listed")["verification"].clone()
}

#[test]
fn a_secret_is_rotated_without_a_gap() {
    let scene = Scene::set(3, &[]);
    let nodes = scene.cluster.ingest_addresses();
    let admin = scene.cluster.nodes[1].admin();
    let of = |secret| {
        nodes
            .iter()
            .map(|&to| post_signed(to, &scene.source, secret, b"x"))
            .collect()
    };
    let before: Vec<u16> = of(SECRET);
    assert_eq!(before, [200, 200, 200]);

    let rotated = json!({"secret": NEW_SECRET, "grace_s": 3600});
    let path = format!("/sources/{}/rotate", scene.source);
    admin
        .ask("PUT", &path, Some(&rotated))
        .expect("the secret is rotated");
    clock::eventually(WAIT, || {
        let new: Vec<u16> = of(NEW_SECRET);
        (new == [200, 200, 200]).then_some(())
    })
    .expect("every node takes the new secret");
    assert_eq!(of(SECRET), [200, 200, 200], "and still the old one");
    assert_eq!(of("a secret of nobody's"), [403, 403, 403]);

    // The admin sees which ones are in use.
    let used = clock::eventually(WAIT, || {
        let source = admin.get(&format!("/sources/{}", scene.source)).ok()?;
        let secrets = source["config"]["secrets"].as_array()?.clone();
        let seen = |one: &Value| one["last_verified_at"].is_string();
        (secrets.len() == 2 && secrets.iter().all(seen)).then_some(secrets)
    });
    let used = used.expect("both secrets are seen in use");
    assert!(
        used[0]["expires_at"].is_string() && used[1]["expires_at"].is_null(),
        "{used:?}"
    );

    // The same again without a grace ends the old ones at once.
    let last = json!({"secret": "the last secret of this test", "grace_s": 0});
    admin.ask("PUT", &path, Some(&last)).expect("rotated again");
    clock::eventually(WAIT, || {
        let new: Vec<u16> = of(NEW_SECRET);
        (new == [403, 403, 403]).then_some(())
    })
    .expect("no node takes a secret that has ended");
    assert_eq!(of("the last secret of this test"), [200, 200, 200]);
}

#[test]
fn a_secret_that_the_sender_brings_is_known_to_every_node_and_cannot_be_replaced() {
    let scene = Scene::set(3, &[]);
    let nodes = scene.cluster.ingest_addresses();
    let source = source(&scene, "ASANA", &json!({}));
    let path = format!("/{source}");
    let signature = sender::github_signature(NEW_SECRET, b"{}");
    let signature = signature.trim_start_matches("sha256=");
    let signed = [("x-hook-signature", signature)];
    assert_eq!(
        post(nodes[0], &path, &signed, b"{}").status,
        503,
        "not ready, so come again"
    );

    let came = post(nodes[1], &path, &[("x-hook-secret", NEW_SECRET)], b"");
    assert_eq!(came.status, 200, "{}", came.body);
    assert!(
        came.head.contains(&format!("x-hook-secret: {NEW_SECRET}")),
        "{}",
        came.head
    );
    for &to in &nodes {
        let taken = clock::eventually(WAIT, || {
            (post(to, &path, &signed, b"{}").status == 200).then_some(())
        });
        taken.expect("every node learns the secret");
    }
    let other = post(
        nodes[2],
        &path,
        &[("x-hook-secret", "the secret of a forger")],
        b"",
    );
    assert_eq!(other.status, 403);
    assert!(!other.head.contains("x-hook-secret"), "{}", other.head);
}

#[test]
fn a_forger_reads_the_same_answer_whatever_is_wrong_and_the_admin_reads_what_is() {
    let scene = Scene::set(1, &[]);
    let to = scene.cluster.nodes[0].ingest;
    let admin = scene.cluster.nodes[0].admin();
    let right = sender::github_signature(SECRET, b"x");
    let wrong = sender::github_signature("another secret of sixteen bytes", b"x");
    let name = "x-hub-signature-256";
    let cases: [(&[(&str, &str)], &str); 6] = [
        (&[], "MISSING"),
        (&[(name, "")], "MISSING"),
        (&[(name, "sha256=nonsense")], "MALFORMED"),
        (&[(name, &right[..right.len() - 2])], "MISMATCH"),
        (&[(name, &wrong)], "MISMATCH"),
        (&[(name, &right), (name, &right)], "REPEATED"),
    ];
    let mut answers = Vec::new();
    for (number, (headers, expected)) in cases.into_iter().enumerate() {
        // A source of its own for each, so that its one rejected request is the one meant.
        let config = json!({"auth": {"webhook_secret_key": SECRET}});
        let body = json!({"name": format!("case-{number}"), "type": "GITHUB", "config": config});
        let made = admin.insist("POST", "/sources", &body).expect("a source");
        let source = id_of(&made).expect("an id");
        let came = post(to, &format!("/{source}"), headers, b"x");
        answers.push((came.status, came.body));
        let told = diagnosis(&admin, &source);
        assert_eq!(told["diagnosis"], expected, "{headers:?}: {told}");
        assert!(
            told["message"]
                .as_str()
                .is_some_and(|message| message.len() > 10),
            "{told}"
        );
    }
    assert!(
        answers.iter().all(|answer| *answer == answers[0]),
        "{answers:?}"
    );
    assert_eq!(answers[0].0, 403);
}

#[test]
fn a_compressed_body_is_verified_and_delivered_as_it_was_received() {
    let scene = Scene::set(1, &[]);
    let to = scene.cluster.nodes[0].ingest;
    let path = format!("/{}", scene.source);
    let send = |signature: &str| {
        let headers = [
            ("content-encoding", "gzip"),
            ("x-hub-signature-256", signature),
        ];
        post(to, &path, &headers, GZIPPED).status
    };
    assert_eq!(
        send(&sender::github_signature(SECRET, b"Hello, World!")),
        403
    );
    assert_eq!(send(&sender::github_signature(SECRET, GZIPPED)), 200);
    let arrived = clock::eventually(WAIT, || scene.receiver.deliveries().pop());
    let arrived = arrived.expect("it is delivered");
    assert_eq!(arrived.body_hash, receiver::hash(GZIPPED));
}
