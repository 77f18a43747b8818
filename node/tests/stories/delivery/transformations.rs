//! What receivers get of reshaped requests, told against one real node, its scripts and a real receiver.

use super::{CONNECTION, DESTINATION, GROUP, PATIENCE, World, source};
use bytes::Bytes;
use model::{
    catalog::{
        Backoff, Connection, FilterRule, Item, Program, RetryRule, Rule, Transformation,
        TransformationVersion, VersionMark,
    },
    ids::{ConnectionId, EventId, SourceId, TransformationId},
    kit,
    machine::{Command, EventReply, Reply, RetryEvent, RetryIgnored},
    state::tables,
    time::Timestamp,
    traffic::{Event, EventStatus, Execution, IgnoreCause, Ignored, IgnoredMeta, Trigger},
};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

pub(super) const FIRST: TransformationId = TransformationId(1 << 16);
pub(super) const SECOND: TransformationId = TransformationId(2 << 16);

/// A transformation whose versions are these, the last one current.
pub(super) fn transformation(id: TransformationId, programs: Vec<Program>) -> Vec<Item> {
    let marks = (1..).zip(&programs).map(|(version, _)| VersionMark {
        version,
        created_at: Timestamp(u64::from(version)),
    });
    let known = Item::Transformation(Transformation {
        id,
        name: id.to_string().replace("trs_", "t"),
        versions: marks.collect(),
        created_at: Timestamp(0),
        updated_at: Timestamp(0),
    });
    let versions = (1..).zip(programs).map(|(version, program)| {
        Item::TransformationVersion(TransformationVersion {
            transformation_id: id,
            version,
            program,
            env: [("KEY".to_owned(), "key".to_owned())].into(),
            secrets: [].into(),
            restored_from: None,
            created_at: Timestamp(0),
        })
    });
    std::iter::once(known).chain(versions).collect()
}

pub(super) fn steps(steps: Value) -> Program {
    match steps {
        Value::Array(steps) => Program::Steps(steps),
        other => panic!("{other} is no list"),
    }
}

pub(super) fn code(handler: &str) -> Program {
    Program::Code(format!(
        "addHandler(\"transform\", (request, context) => {{ {handler} }});"
    ))
}

pub(super) fn transform(id: TransformationId) -> Rule {
    Rule::Transform {
        transformation_id: id,
    }
}

pub(super) fn retry() -> Rule {
    Rule::Retry(RetryRule {
        strategy: Backoff::Linear,
        count: 3,
        interval: 1000,
        schedule: Vec::new(),
        response_status_codes: None,
    })
}

pub(super) fn connection(rules: Vec<Rule>) -> Item {
    Item::Connection(Connection {
        id: CONNECTION,
        destination_id: DESTINATION,
        rules,
        ..kit::connection()
    })
}

impl World {
    pub(super) async fn with(refuse: usize, rules: Vec<Rule>, transformations: Vec<Item>) -> Self {
        let world = Self::start(refuse).await;
        let mut items = vec![source(), world.destination(None), connection(rules)];
        items.extend(transformations);
        world.configure(items).await;
        world
    }

    /// The event once it is one no more.
    async fn ignored(&self, id: EventId) -> Ignored {
        let waiting = async {
            loop {
                let view = self.gateway.cluster.view(GROUP);
                if let Some(row) = tables::ignored(&view, id).expect("readable") {
                    return row;
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        let found = tokio::time::timeout(PATIENCE, waiting).await;
        found.unwrap_or_else(|_| panic!("not ignored: {:?}", self.event(id)))
    }

    fn executions(&self, id: EventId) -> Vec<Execution> {
        let view = self.gateway.cluster.view(GROUP);
        let rows = tables::executions_of(&view, id).expect("readable");
        rows.into_iter().map(|(_, execution)| execution).collect()
    }

    pub(super) fn received(&self, place: usize) -> (String, Bytes, Vec<(String, String)>) {
        let seen = self.receiver.seen.lock();
        let seen = &seen[place];
        (seen.uri.clone(), seen.body.clone(), seen.headers.clone())
    }

    pub(super) async fn retry(&self, event: EventId) {
        let trigger = Trigger::Manual;
        let command = Command::RetryEvent(RetryEvent { event, trigger });
        let reply = self.propose(GROUP, &command, &[]).await;
        assert_eq!(reply, Reply::Event(EventReply::Done));
    }

    async fn retry_ignored(&self, event: EventId) {
        let command = Command::RetryIgnored(RetryIgnored {
            event,
            source: SourceId(1),
            destination: DESTINATION,
            trigger: Trigger::Manual,
        });
        let reply = self.propose(GROUP, &command, &[]).await;
        assert_eq!(reply, Reply::Event(EventReply::Done));
    }

    /// The event once it has ended after so many attempts.
    pub(super) async fn ended_after(&self, id: EventId, attempts: u16) -> Event {
        let waiting = async {
            while self.event(id).attempts < attempts {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(PATIENCE, waiting)
            .await
            .expect("another attempt");
        self.ended(id).await
    }
}

#[actix_rt::test]
async fn what_the_rules_make_of_a_request_is_what_is_sent() {
    let first = steps(json!([
        {"op": "set", "field": "body", "template": "{{headers.x-mine}}: {{path}}"},
        {"op": "set_header", "name": "x-key", "from": "env.KEY"},
        {"op": "set_path", "template": "/made/{{query.q}}"},
        {"op": "set_query", "name": "q", "value": "2"},
    ]));
    let second = code(
        r#"console.warn("in", request.path, context.connection.id);
           return {...request, body: {was: request.body, at: Date.now()}, headers: {...request.headers, "x-two": "2"}};"#,
    );
    let items = [
        transformation(FIRST, vec![first]),
        transformation(SECOND, vec![second]),
    ]
    .concat();
    let world = World::with(1, vec![transform(FIRST), transform(SECOND), retry()], items).await;
    let id = world.accept(b"hello").await;
    let event = world.ended(id).await;
    assert_eq!((event.status, event.attempts), (EventStatus::Successful, 2));
    let (uri, body, headers) = world.received(0);
    assert_eq!(uri, "/hook/made/1?q=2");
    let made: Value = serde_json::from_slice(&body).expect("JSON");
    assert_eq!(made["was"], "kept: /deep");
    let header = |name: &str| {
        headers
            .iter()
            .find(|(n, _)| n == name)
            .map(|(_, v)| v.as_str())
    };
    assert_eq!(
        (header("x-key"), header("x-two"), header("x-mine")),
        (Some("key"), Some("2"), Some("kept"))
    );
    assert_eq!(header("cookie"), None);
    assert_eq!(header("content-type"), Some("application/json"));
    assert_eq!(world.received(1).1, body, "a retry sends the same bytes");
    let told: Vec<_> = world
        .executions(id)
        .iter()
        .map(|run| (run.attempt, run.used.id, run.logs.len()))
        .collect();
    assert_eq!(
        told,
        [(1, FIRST, 0), (1, SECOND, 1), (2, FIRST, 0), (2, SECOND, 1)]
    );
    world.stop().await;
}

#[actix_rt::test]
async fn a_retry_keeps_its_version_and_one_by_hand_takes_the_new_one() {
    let say = |text: &str| steps(json!([{"op": "set", "field": "body", "value": text}]));
    let rules = vec![transform(FIRST), retry()];
    let world = World::with(2, rules, transformation(FIRST, vec![say("one")])).await;
    let id = world.accept(b"hello").await;
    let waiting = async {
        while world.receiver.seen.lock().is_empty() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(PATIENCE, waiting)
        .await
        .expect("an attempt");
    world
        .configure(transformation(FIRST, vec![say("one"), say("two")]))
        .await;
    assert_eq!(world.ended(id).await.attempts, 3);
    let bodies: Vec<Bytes> = (0..3).map(|place| world.received(place).1).collect();
    assert_eq!(bodies, [r#""one""#; 3]);
    world.retry(id).await;
    let event = world.ended_after(id, 4).await;
    assert_eq!(
        (event.attempts, world.received(3).1),
        (4, Bytes::from(r#""two""#))
    );
    let used: Vec<_> = world
        .executions(id)
        .iter()
        .map(|run| run.used.version)
        .collect();
    assert_eq!(used, [1, 1, 1, 2]);
    world.stop().await;
}

#[actix_rt::test]
async fn a_transformation_that_comes_to_nothing_ends_the_event_visibly() {
    for (program, why) in [
        (code("return null;"), "returned null"),
        (code("throw new Error(\"broken\");"), "broken"),
        (code("while (true) {}"), "stopped after"),
        (
            code("return {...request, headers: {host: \"evil\"}};"),
            "headers.host",
        ),
        (
            steps(json!([{"op": "convert", "field": "body", "to": "number"}])),
            "can't become number",
        ),
    ] {
        let world = World::with(
            0,
            vec![transform(FIRST), retry()],
            transformation(FIRST, vec![program]),
        )
        .await;
        let id = world.accept(b"hello").await;
        let row = world.ignored(id).await;
        assert_eq!(row.cause, IgnoreCause::TransformationFailed, "{why}");
        assert!(
            matches!(row.meta, Some(IgnoredMeta::TransformationFailed(used)) if used.id == FIRST)
        );
        let [run] = world.executions(id).try_into().expect("one run");
        assert!(run.failed);
        let last = run.logs.last().expect("a line").message.clone();
        assert!(last.contains(why), "{last}");
        let view = world.gateway.cluster.view(GROUP);
        assert_eq!(tables::event(&view, id).expect("readable"), None);
        assert_eq!(
            tables::next_due_of(&view, DESTINATION).expect("readable"),
            None
        );
        assert_eq!(world.receiver.seen.lock().len(), 0, "nothing was sent");
        world.stop().await;
    }
}

#[actix_rt::test]
async fn a_filter_behind_a_transformation_sees_what_that_made() {
    let filter = FilterRule {
        body: Some(json!({"kind": "paid"})),
        ..FilterRule::default()
    };
    let rules = vec![transform(FIRST), Rule::Filter(filter.into())];
    let wrap = steps(json!([{"op": "move", "from": "body", "to": "body.kind"}]));
    let world = World::with(0, rules, transformation(FIRST, vec![wrap])).await;
    let taken = world.accept(b"paid").await;
    assert_eq!(world.ended(taken).await.status, EventStatus::Successful);
    assert_eq!(world.received(0).1, r#"{"kind":"paid"}"#);
    let refused = world.accept(b"open").await;
    let row = world.ignored(refused).await;
    assert_eq!(row.cause, IgnoreCause::Filtered);
    assert_eq!(
        row.meta,
        Some(IgnoredMeta::Filtered(vec![
            model::policy::document::Part::Body
        ]))
    );
    let [run] = world.executions(refused).try_into().expect("one run");
    assert!(!run.failed);
    world.stop().await;
}

#[actix_rt::test]
async fn a_script_that_loops_holds_up_nobody_else_on_the_way_to_its_destination() {
    let world = World::with(
        0,
        vec![transform(FIRST)],
        transformation(FIRST, vec![code("while (true) {}")]),
    )
    .await;
    let other = Connection {
        id: ConnectionId(2),
        ..match connection(vec![]) {
            Item::Connection(connection) => connection,
            other => panic!("{other:?}"),
        }
    };
    world.configure(vec![Item::Connection(other)]).await;
    // More than the destination's window, and each would take a second.
    for _ in 0..40 {
        world.accept(b"loops").await;
    }
    let began = Instant::now();
    let mut quick = Vec::new();
    for _ in 0..10 {
        quick.push(world.accept_over(ConnectionId(2), b"quick").await);
    }
    for id in quick {
        assert_eq!(world.ended(id).await.status, EventStatus::Successful);
    }
    // One at a time the loops would take forty seconds.
    assert!(
        began.elapsed() < Duration::from_secs(10),
        "{:?}",
        began.elapsed()
    );
    world.stop().await;
}

#[actix_rt::test]
async fn an_event_that_is_retried_after_the_script_was_mended_is_delivered() {
    let broken = code("return request.nothing.here;");
    let world = World::with(
        0,
        vec![transform(FIRST)],
        transformation(FIRST, vec![broken.clone()]),
    )
    .await;
    let id = world.accept(b"hello").await;
    world.ignored(id).await;
    let mended = code("return {...request, body: \"mended\"};");
    world
        .configure(transformation(FIRST, vec![broken, mended]))
        .await;
    world.retry_ignored(id).await;
    let event: Event = world.ended(id).await;
    assert_eq!((event.status, event.attempts), (EventStatus::Successful, 1));
    assert_eq!(world.received(0).1, "mended");
    let told: Vec<_> = world
        .executions(id)
        .iter()
        .map(|run| (run.used.version, run.failed))
        .collect();
    assert_eq!(told, [(1, true), (2, false)]);
    world.stop().await;
}
