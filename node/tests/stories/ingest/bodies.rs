//! Bodies as senders really write them, told against one real node: the odd ones are filtered, told apart and verified too.

use super::{Node, OPEN, sources};
use hmac::{Hmac, KeyInit, Mac};
use model::{
    catalog::{Connection, DeduplicateRule, FilterRule, Item, Rule, Verification},
    ids::{ConnectionId, DestinationId, RequestId},
    kit,
    state::tables,
};
use node::world;
use serde_json::{Value, json};

const JSON: &str = "application/json";
const FORM: &str = "multipart/form-data; boundary=sep";
const SECRET: &str = "a secret that is long enough";

/// A connection of the open source for paid orders of at most 3 kB of PDF.
fn for_paid() -> Item {
    let body = json!({"type": "paid", "$or": [
        {"doc": {"$exist": false}},
        {"doc": {"content_type": "application/pdf", "size": {"$lte": 3000}}},
    ]});
    let rule = FilterRule {
        body: Some(body),
        ..FilterRule::default()
    };
    Item::Connection(Connection {
        id: ConnectionId(10),
        source_id: OPEN,
        destination_id: DestinationId(9),
        rules: vec![Rule::Filter(Box::new(rule))],
        ..kit::connection()
    })
}

/// The open source with this verification, which takes each document once.
fn open(verification: Verification) -> Item {
    let mut items = sources().into_iter();
    let Some(Item::Source(mut source)) = items.next() else {
        panic!("the open source is the first");
    };
    source.verification = verification;
    source.deduplicate = Some(Box::new(DeduplicateRule {
        window: 60_000,
        include_fields: vec!["body.doc".parse().expect("a field")],
        exclude_fields: Vec::new(),
    }));
    Item::Source(source)
}

fn part(head: &str, body: &str) -> String {
    format!("--sep\r\nContent-Disposition: form-data; {head}\r\n\r\n{body}\r\n")
}

fn pdf(body: &str) -> String {
    part(
        "name=\"doc\"; filename=\"a.pdf\"\r\nContent-Type: application/pdf",
        body,
    )
}

fn form(parts: &[String]) -> String {
    format!("{}--sep--\r\n", parts.concat())
}

async fn post(node: &Node, content_type: &str, body: impl Into<bytes::Bytes>) -> RequestId {
    let headers = [("content-type", content_type)];
    let answer = node.post(&format!("/{OPEN}"), &headers, body).await;
    answer.accepted()
}

/// Whether the filtered connection took a request.
fn is_taken(node: &Node, id: RequestId) -> bool {
    let view = node.gateway.cluster.view(id.group());
    let events = tables::events_of(&view, id).expect("readable");
    events.iter().any(|(_, event)| event.connection_id.0 == 10)
}

#[actix_rt::test]
async fn an_odd_value_does_not_hide_a_body_from_a_filter() {
    let mut node = Node::start(|_| {}).await;
    node.configure(1, &[for_paid()]).await;
    let latin = "application/json; charset=iso-8859-1";
    for (content_type, body) in [
        (JSON, r#"{"type":"paid","text":"\ud83d"}"#.into()),
        (JSON, r#"{"type":"paid","total":1e400}"#.into()),
        (latin, b"{\"type\":\"paid\",\"name\":\"Zw\xf6lf\"}".to_vec()),
        (JSON, "\u{feff}{\"type\":\"paid\"}".into()),
    ] {
        let shown = String::from_utf8_lossy(&body).into_owned();
        assert!(
            is_taken(&node, post(&node, content_type, body).await),
            "{shown}"
        );
    }
    let open = post(&node, JSON, r#"{"type":"open","text":"\ud83d"}"#).await;
    assert!(!is_taken(&node, open));
    node.stop().await;
}

#[actix_rt::test]
async fn a_form_of_parts_is_filtered_by_its_files_and_taken_once_by_what_they_hold() {
    let mut node = Node::start(|_| {}).await;
    node.configure(1, &[open(Verification::none()), for_paid()])
        .await;
    let paid = |doc: &str| form(&[part("name=\"type\"", "paid"), pdf(doc)]);
    let first = post(&node, FORM, paid("%PDF-1")).await;
    let other = post(&node, FORM, paid("%PDF-2")).await;
    let again = post(&node, FORM, paid("%PDF-1")).await;
    let large = post(&node, FORM, paid(&"x".repeat(3001))).await;
    let taken = [first, other, again, large].map(|id| is_taken(&node, id));
    assert_eq!(taken, [true, true, false, false]);
    let events = [first, other, again, large].map(|id| node.stored(id).events);
    assert_eq!(
        events,
        [2, 2, 0, 1],
        "the third is a duplicate, the fourth only filtered"
    );
    node.stop().await;
}

#[actix_rt::test]
async fn dropbox_sign_is_taken_in_the_form_that_it_posts() {
    let mut node = Node::start(|_| {}).await;
    let verification = Verification::with_secret("DROPBOX_SIGN", SECRET);
    node.configure(1, &[open(verification)]).await;
    let at = world::now().0 / 1000;
    let event = |signed: &str| -> Value {
        let mut mac = Hmac::<sha2::Sha256>::new_from_slice(SECRET.as_bytes()).expect("any key");
        mac.update(signed.as_bytes());
        let hash = hex::encode(mac.finalize().into_bytes());
        json!({"event": {"event_time": at.to_string(), "event_type": "sent", "event_hash": hash}})
    };
    let posted = |event: Value| form(&[part("name=\"json\"", &event.to_string()), pdf("%PDF")]);
    let headers = [("content-type", FORM)];
    let path = format!("/{OPEN}");
    let genuine = node
        .post(&path, &headers, posted(event(&format!("{at}sent"))))
        .await;
    assert_eq!(
        (genuine.status.as_u16(), &genuine.body[..]),
        (200, &b"Hello API Event Received"[..])
    );
    let forged = node
        .post(&path, &headers, posted(event(&format!("{}sent", at + 1))))
        .await;
    assert_eq!(forged.status.as_u16(), 403);
    node.stop().await;
}
