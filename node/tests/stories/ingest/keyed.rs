//! What senders see of duplicates and order, told against one real node with two partitions.

use super::{Node, OPEN, sources};
use futures::future::join_all;
use model::{
    catalog::{Connection, DeduplicateRule, DelayRule, Field, Item, Rule, Source, Verification},
    ids::{ConnectionId, DestinationId, GroupId, RequestId},
    kit,
    state::{keys::Queue, tables},
    traffic::{Event, EventStatus, IgnoreCause, IgnoredMeta},
};
use std::collections::{BTreeMap, BTreeSet};

/// Of the catalog that a node starts with.
const CONFIGURED: u64 = 1;

fn fields(names: &[&str]) -> Vec<Field> {
    names.iter().map(|name| name.parse().expect(name)).collect()
}

fn once(included: &[&str]) -> DeduplicateRule {
    DeduplicateRule {
        window: 60_000,
        include_fields: fields(included),
        exclude_fields: Vec::new(),
    }
}

/// The open source, changed.
fn source(change: impl FnOnce(&mut Source)) -> Item {
    let Item::Source(mut source) = sources().swap_remove(0) else {
        unreachable!("the first is a source")
    };
    change(&mut source);
    Item::Source(source)
}

/// The open source's connection with rules.
fn connection(rules: Vec<Rule>) -> Item {
    Item::Connection(Connection {
        id: ConnectionId(OPEN.0),
        source_id: OPEN,
        destination_id: DestinationId(9),
        rules,
        ..kit::connection()
    })
}

async fn configured(items: &[Item]) -> Node {
    let mut node = Node::start(|_| {}).await;
    node.configure(CONFIGURED, items).await;
    node
}

/// Posts all of them at once, in JSON. Each is accepted.
async fn post_all(node: &Node, bodies: Vec<String>) -> Vec<RequestId> {
    let path = format!("/{OPEN}");
    let posts = bodies.into_iter().map(|body| {
        let path = &path;
        async move {
            let headers = [("content-type", "application/json")];
            node.post(path, &headers, body).await.accepted()
        }
    });
    join_all(posts).await
}

fn events(node: &Node, id: RequestId) -> Vec<Event> {
    let view = node.gateway.cluster.view(id.group());
    let rows = tables::events_of(&view, id).expect("readable");
    rows.into_iter().map(|(_, event)| event).collect()
}

/// What a request is a duplicate of, by its ignored events.
fn duplicate_of(node: &Node, id: RequestId) -> Option<RequestId> {
    let view = node.gateway.cluster.view(id.group());
    let rows = tables::ignored_of(&view, id).expect("readable");
    let (_, ignored) = rows.first()?;
    assert_eq!(ignored.cause, IgnoreCause::Duplicate);
    match &ignored.meta {
        Some(IgnoredMeta::Duplicate { first }) => Some(first.request()),
        other => panic!("{other:?}"),
    }
}

/// Eight of each of five kinds, posted at once: one of each kind has an event, and the others name it.
async fn one_of_a_kind(items: &[Item]) {
    let node = configured(items).await;
    let bodies = (0..40).map(|n| format!("{{\"id\":{}, \"sent\":{n}}}", n % 5));
    let ids = post_all(&node, bodies.collect()).await;
    let mut groups = BTreeSet::new();
    for kind in 0..5 {
        let of_kind: Vec<RequestId> = ids.iter().skip(kind).step_by(5).copied().collect();
        let made = of_kind.iter().filter(|id| !events(&node, **id).is_empty());
        let made: Vec<RequestId> = made.copied().collect();
        assert_eq!(made.len(), 1, "of kind {kind}");
        for id in of_kind {
            groups.insert(id.group());
            let expected = (id != made[0]).then_some(made[0]);
            assert_eq!(duplicate_of(&node, id), expected);
            let stored = node.stored(id);
            assert_eq!(stored.events + stored.ignored, 1);
        }
    }
    assert_eq!(groups.len(), 2, "kinds spread over the partitions");
    node.stop().await;
}

#[actix_rt::test]
async fn of_equal_requests_at_a_source_one_makes_events_and_all_are_accepted() {
    let rule = Some(Box::new(once(&["body.id"])));
    one_of_a_kind(&[source(|source| source.deduplicate = rule)]).await;
}

#[actix_rt::test]
async fn of_equal_requests_on_a_connection_one_makes_an_event() {
    one_of_a_kind(&[connection(vec![Rule::Deduplicate(once(&["body.id"]))])]).await;
}

#[actix_rt::test]
async fn a_used_token_brings_nothing_in_whatever_comes_with_it() {
    use hmac::{Hmac, KeyInit, Mac};
    const SECRET: &str = "a signing key of theirs";
    let verification = Verification::with_secret("MAILGUN", SECRET);
    let node = configured(&[source(|source| source.verification = verification)]).await;
    let at = node::world::now().0 / 1000;
    let body = |token: &str, text: &str| {
        let mut mac = Hmac::<sha2::Sha256>::new_from_slice(SECRET.as_bytes()).expect("a key");
        mac.update(format!("{at}{token}").as_bytes());
        let signature = hex::encode(mac.finalize().into_bytes());
        format!(
            r#"{{"signature":{{"timestamp":"{at}","token":"{token}","signature":"{signature}"}},"text":"{text}"}}"#
        )
    };
    let first = post_all(&node, vec![body("one", "theirs")]).await[0];
    assert_eq!(events(&node, first).len(), 1);
    let forged = (0..6)
        .map(|n| body("one", &format!("forged {n}")))
        .collect();
    for copy in post_all(&node, forged).await {
        assert_eq!(events(&node, copy), []);
        assert_eq!(duplicate_of(&node, copy), Some(first));
    }
    let other = post_all(&node, vec![body("two", "theirs")]).await[0];
    assert_eq!(events(&node, other).len(), 1);
    node.stop().await;
}

#[actix_rt::test]
async fn duplicates_are_counted_for_whoever_watches() {
    let rule = Some(Box::new(once(&["body.id"])));
    let node = configured(&[source(|source| source.deduplicate = rule)]).await;
    post_all(&node, vec!["{\"id\":1}".into(); 4]).await;
    // Without the field a request is like no other.
    post_all(&node, vec!["{}".into(); 4]).await;
    assert_eq!(node.gateway.metrics.duplicates.get(), 3);
    node.stop().await;
}

#[actix_rt::test]
async fn events_of_a_key_wait_for_their_turn_in_one_partition() {
    let node = configured(&[source(|source| source.ordering_key = fields(&["body.key"]))]).await;
    let bodies = (0..48).map(|n| format!("{{\"key\":{}, \"n\":{n}}}", n % 6));
    let ids = post_all(&node, bodies.collect()).await;
    let mut queues: BTreeMap<usize, BTreeSet<GroupId>> = BTreeMap::new();
    let mut due = 0;
    for (n, id) in ids.iter().enumerate() {
        queues.entry(n % 6).or_default().insert(id.group());
        let event = events(&node, *id).pop().expect("an event");
        assert_eq!(event.status, EventStatus::Queued);
        assert_ne!(event.due_at.is_some(), event.waits_for_its_turn());
        due += usize::from(event.due_at.is_some());
        let queue = Queue::of(&event).expect("a queue");
        let turn = tables::turn(&node.gateway.cluster.view(id.group()), queue);
        let turn = turn.expect("readable").expect("somebody has it");
        assert_eq!(turn == id.event(1), event.due_at.is_some());
    }
    assert!(
        queues.values().all(|groups| groups.len() == 1),
        "{queues:?}"
    );
    assert_eq!(due, 6, "one of each key");
    node.stop().await;
}

#[actix_rt::test]
async fn needs_that_have_nothing_in_common_leave_one_partition_for_the_source() {
    let node = configured(&[
        source(|source| source.ordering_key = fields(&["body.key"])),
        connection(vec![Rule::Deduplicate(once(&["body.id"]))]),
    ])
    .await;
    let bodies = (0..30).map(|n| format!("{{\"key\":{}, \"id\":{}}}", n % 7, n % 11));
    let ids = post_all(&node, bodies.collect()).await;
    let groups: BTreeSet<GroupId> = ids.iter().map(|id| id.group()).collect();
    assert_eq!(groups.len(), 1);
    let made = ids.iter().filter(|id| !events(&node, **id).is_empty());
    assert_eq!(made.count(), 11);
    node.stop().await;
}

#[actix_rt::test]
async fn an_event_waits_until_the_time_that_its_request_names() {
    let until = DelayRule {
        delay: 0,
        until: Some("body.deliver_at".parse().expect("a field")),
    };
    let node = configured(&[connection(vec![Rule::Delay(until)])]).await;
    let bodies = [
        "{\"deliver_at\":\"2001-01-01T00:00:00Z\"}",
        "{\"deliver_at\":4000000000}",
    ];
    let ids = post_all(&node, bodies.map(str::to_owned).into()).await;
    let status = |id| events(&node, id).pop().expect("an event").status;
    assert_eq!(status(ids[0]), EventStatus::Queued);
    assert_eq!(status(ids[1]), EventStatus::Scheduled);
    node.stop().await;
}
