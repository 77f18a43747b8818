//! What admins are promised of transformations: versions, tries, executions, and retries after they are mended.

use super::{BASE, Node};
use bytes::Bytes;
use model::{
    catalog::{Catalogs, Item, Kind, Transformation, TransformationVersion},
    ids::{ConnectionId, EventId, GroupId, RequestId, SourceId, TransformationId},
    kit,
    machine::{
        self, AcceptRequests, Change, Command, Configure, Incoming, Next, Planned, RecordRuns, Run,
        RunEnd, RunReport, Verdict,
    },
    state::{codec, kv::Read},
    time::Timestamp,
    traffic::{
        Attempt, ConsoleLine, IgnoreCause, IgnoredMeta, LineLevel, Origin, RequestRecord,
        TransformationUse,
    },
};
use node::world;
use serde_json::{Value, json};
use std::time::Duration;

const GROUP: GroupId = GroupId(1);
const SCRIPT: &str = r#"addHandler("transform", (request, context) => {
    console.log("seen", request.body.n);
    request.body.n += 1;
    request.headers["x-key"] = process.env.KEY;
    return request;
});"#;

pub(super) fn text(value: &Value, key: &str) -> String {
    value[key]
        .as_str()
        .unwrap_or_else(|| panic!("no {key} in {value}"))
        .to_owned()
}

pub(super) fn id_in<T: std::str::FromStr>(value: &Value) -> T {
    let parsed = text(value, "id").parse().ok();
    parsed.unwrap_or_else(|| panic!("no id in {value}"))
}

/// A connection with a transformation of steps, and both its ends.
pub(super) async fn connected(node: &Node, steps: Value) -> (Value, TransformationId) {
    let body = json!({
        "name": "c",
        "source": {"name": "s"},
        "destination": {"name": "d", "config": {"url": "https://a.example/hook"}},
        "rules": [{"type": "transform", "transformation": {"name": "t", "steps": steps}}],
    });
    let made = node.ok("PUT", "/connections", Some(body)).await;
    let rule = &made["rules"][0];
    let transformation = text(rule, "transformation_id").parse().expect("an id");
    (made, transformation)
}

/// A request as ingest accepts it, with an event over the connection.
pub(super) async fn accept(node: &Node, connection: &Value, body: &'static str) -> EventId {
    accept_at(node, connection, body, world::now()).await
}

async fn accept_at(node: &Node, connection: &Value, body: &'static str, now: Timestamp) -> EventId {
    let id = RequestId::mint(now, GROUP, world::entropy());
    let source: SourceId = id_in(&connection["source"]);
    let header = |name: &str, value: &'static str| (name.to_owned(), Bytes::from(value));
    let record = codec::encode(&RequestRecord {
        source_id: source,
        received_at: now,
        path: "/paid".into(),
        query: "n=1".into(),
        headers: vec![
            header("content-type", "application/json"),
            header("authorization", "Bearer of-the-sender"),
        ],
        origin: Origin::Vouched,
        ..kit::record()
    });
    let planned = Planned {
        connection: id_in(connection),
        destination: id_in(&connection["destination"]),
        due_at: now,
    };
    let command = Command::AcceptRequests(AcceptRequests {
        requests: vec![Incoming {
            id,
            source,
            record: &record,
            body: Some(0),
            verdict: Verdict::Routed {
                events: vec![planned],
                ignored: Vec::new(),
                more_ignored: 0,
            },
        }],
    });
    propose(node, &command, &[Bytes::from(body)]).await;
    id.event(1)
}

pub(super) async fn propose(node: &Node, command: &Command<'_>, bodies: &[Bytes]) {
    let envelope = command.envelope(world::now(), bodies);
    let proposed = node.gateway.cluster.propose(GROUP, envelope).await;
    proposed.expect("committed");
}

pub(super) fn run(used: TransformationUse, failed: bool) -> Run {
    let level = if failed {
        LineLevel::Fatal
    } else {
        LineLevel::Log
    };
    Run {
        used,
        at: world::now(),
        failed,
        log_level: level.log_level(),
        logs: vec![ConsoleLine {
            level,
            message: "said".into(),
        }],
    }
}

/// Tells of a run as a node that delivers does.
pub(super) async fn ran(node: &Node, event: EventId, used: TransformationUse, failed: bool) {
    let stored = model::state::tables::event(&node.gateway.cluster.view(GROUP), event);
    let due_at = stored
        .expect("readable")
        .expect("there")
        .due_at
        .expect("due");
    let end = match failed {
        true => RunEnd::Ignored {
            due_at,
            cause: IgnoreCause::TransformationFailed,
            meta: Some(IgnoredMeta::TransformationFailed(used)),
        },
        false => RunEnd::Attempted {
            attempt: Attempt {
                started_at: world::now(),
                finished_at: world::now(),
                transport: kit::posted("https://a.example/hook"),
                ..kit::attempt()
            },
            next: Next::Delivered,
        },
    };
    let report = RunReport {
        event,
        number: 1,
        runs: vec![run(used, failed)],
        end,
    };
    propose(
        node,
        &Command::RecordRuns(RecordRuns {
            reports: vec![report],
        }),
        &[],
    )
    .await;
}

#[actix_web::test]
async fn a_transformation_lives_in_versions_that_never_change() {
    let node = Node::start().await;
    let body =
        json!({"name": "t", "code": SCRIPT, "env": {"A": "b"}, "secrets": {"KEY": "hidden-key"}});
    let made = node
        .ok("POST", "/transformations", Some(body.clone()))
        .await;
    let path = format!("/transformations/{}", text(&made, "id"));
    assert_eq!(
        (&made["version"], &made["code"]),
        (&json!(1), &json!(SCRIPT))
    );
    assert_eq!(
        (&made["env"], &made["secrets"]),
        (&json!({"A": "b"}), &json!(["KEY"]))
    );
    assert!(!made.to_string().contains("hidden-key"), "{made}");

    // What clients of the field's API send: nothing that is kept is lost, and nothing new is written.
    let again = json!({"name": "t", "code": SCRIPT, "env": {"A": "b"}});
    let same = node.ok("PUT", "/transformations", Some(again)).await;
    assert_eq!(
        (&same["version"], &same["secrets"]),
        (&json!(1), &json!(["KEY"]))
    );
    let listed = node
        .ok("GET", "/transformations?name=t&limit=100", None)
        .await;
    assert_eq!((&listed["count"], &listed["models"][0]), (&json!(1), &same));
    assert_eq!(
        node.ok("GET", "/transformations/count", None).await,
        json!({"count": 1})
    );

    let steps = json!([{"op": "set", "field": "body.v", "value": 2}]);
    let second = node.ok("PUT", &path, Some(json!({ "steps": steps }))).await;
    assert_eq!(
        (&second["version"], &second["steps"], &second["code"]),
        (&json!(2), &steps, &json!(""))
    );
    let back = node.ok("PUT", &path, Some(json!({"version": 1}))).await;
    assert_eq!(
        (&back["version"], &back["code"]),
        (&json!(3), &json!(SCRIPT))
    );
    let versions = node.ok("GET", &format!("{path}/versions"), None).await;
    let told: Vec<_> = versions["models"]
        .as_array()
        .expect("models")
        .iter()
        .map(|v| {
            (
                v["version"].clone(),
                v["is_current"].clone(),
                v["restored_from"].clone(),
            )
        })
        .collect();
    assert_eq!(
        told,
        [
            (json!(3), json!(true), json!(1)),
            (json!(2), json!(false), json!(null)),
            (json!(1), json!(false), json!(null)),
        ]
    );
    assert!(!versions.to_string().contains("hidden-key"), "{versions}");
    let paged = node
        .ok("GET", &format!("{path}/versions?limit=2"), None)
        .await;
    let next = text(&paged["pagination"], "next");
    let rest = node
        .ok("GET", &format!("{path}/versions?limit=2&next={next}"), None)
        .await;
    assert_eq!(
        (&rest["count"], &rest["models"][0]["version"]),
        (&json!(1), &json!(1))
    );

    let taken = node
        .refused("POST", &format!("{BASE}/transformations"), Some(body), 422)
        .await;
    assert!(taken.starts_with("name: "), "{taken}");
    assert_eq!(
        node.ok("DELETE", &path, None).await,
        json!({"id": made["id"]})
    );
    node.refused("GET", &format!("{BASE}{path}"), None, 404)
        .await;
    node.refused("GET", &format!("{BASE}{path}/versions"), None, 404)
        .await;
    node.stop().await;
}

#[actix_web::test]
async fn what_can_not_run_is_refused_when_it_is_saved() {
    let node = Node::start().await;
    let base = format!("{BASE}/transformations");
    for (body, message) in [
        (
            json!({"name": "t", "code": "addHandler(\"transform\", r => {"}),
            "code: line 1",
        ),
        (json!({"name": "t", "code": "1 + 1"}), "code: no handler"),
        (
            json!({"name": "t", "code": SCRIPT, "steps": []}),
            "code: expected either",
        ),
        (
            json!({"name": "t", "steps": [{"op": "drop", "fields": ["id"]}]}),
            "steps[0].fields[0]: ",
        ),
        (
            json!({"name": "t", "steps": [{"op": "set_header", "name": "Host", "value": "a"}]}),
            "steps[0].name: ",
        ),
        (
            json!({"name": "t", "code": SCRIPT, "version": 1}),
            "version: ",
        ),
    ] {
        let refused = node.refused("POST", &base, Some(body), 422).await;
        assert!(refused.starts_with(message), "{refused}");
    }
    assert_eq!(
        node.ok("GET", "/transformations/count", None).await,
        json!({"count": 0})
    );
    // Inline too, and then nothing of the connection is made either.
    let body = json!({
        "name": "c",
        "source": {"name": "s"},
        "destination": {"name": "d", "config": {"url": "https://a.example/hook"}},
        "rules": [{"type": "transform", "transformation": {"name": "t", "code": "}"}}],
    });
    let refused = node
        .refused("PUT", &format!("{BASE}/connections"), Some(body), 422)
        .await;
    assert!(refused.contains("transformation.code: line 1"), "{refused}");
    assert_eq!(
        node.ok("GET", "/sources/count", None).await,
        json!({"count": 0})
    );
    node.stop().await;
}

#[actix_web::test]
async fn a_connection_brings_its_transformation_and_holds_it() {
    let node = Node::start().await;
    let steps = json!([{"op": "wrap", "field": "body"}]);
    let (connection, id) = connected(&node, steps.clone()).await;
    let path = format!("/transformations/{id}");
    assert_eq!(node.ok("GET", &path, None).await["steps"], steps);
    // A name alone means the one that is there; another program is its next version.
    for (inline, version) in [
        (json!({"name": "t"}), 1),
        (
            json!({"name": "t", "steps": [{"op": "unwrap", "field": "body"}]}),
            2,
        ),
    ] {
        let rules = json!([{"type": "transform", "transformation": inline}]);
        let body = json!({"name": "c", "rules": rules});
        let same = node.ok("PUT", "/connections", Some(body)).await;
        assert_eq!(same["rules"], connection["rules"]);
        assert_eq!(node.ok("GET", &path, None).await["version"], version);
    }
    let used = node
        .refused("DELETE", &format!("{BASE}{path}"), None, 422)
        .await;
    assert!(
        used.contains(connection["id"].as_str().expect("an id")),
        "{used}"
    );
    let unknown =
        json!({"name": "c", "rules": [{"type": "transform", "transformation_id": "trs_x"}]});
    let refused = node
        .refused("PUT", &format!("{BASE}/connections"), Some(unknown), 422)
        .await;
    assert!(
        refused.starts_with("rules[0].transformation_id: "),
        "{refused}"
    );
    node.ok(
        "PUT",
        "/connections",
        Some(json!({"name": "c", "rules": []})),
    )
    .await;
    node.ok("DELETE", &path, None).await;
    node.stop().await;
}

#[actix_web::test]
async fn a_transformation_is_tried_over_a_request_and_nothing_is_kept() {
    let node = Node::start().await;
    let request = json!({"headers": {"content-type": "application/json", "X-A": "1"}, "body": {"n": 1}, "path": "/p", "query": "a=1"});
    let run = |body: Value| node.ok("PUT", "/transformations/run", Some(body));
    let made = run(json!({"code": SCRIPT, "env": {"KEY": "k"}, "request": request})).await;
    assert_eq!(made["request"]["body"], json!({"n": 2}));
    assert_eq!(
        made["request"]["headers"],
        json!({"content-type": "application/json", "x-a": "1", "x-key": "k"})
    );
    assert_eq!(
        (&made["request"]["path"], &made["request"]["parsed_query"]),
        (&json!("/p"), &json!({"a": "1"}))
    );
    assert_eq!(
        made["console"],
        json!([{"type": "log", "message": "seen 1"}])
    );
    assert_eq!(
        (&made["log_level"], &made["execution_id"]),
        (&json!("info"), &json!(null))
    );

    let thrown = run(json!({"code": "addHandler('transform', () => { throw new Error('no') })", "request": request})).await;
    assert_eq!(
        (&thrown["request"], &thrown["log_level"]),
        (&json!(null), &json!("fatal"))
    );
    assert!(
        thrown["console"][0]["message"]
            .as_str()
            .expect("words")
            .contains("no"),
        "{thrown}"
    );
    let steps = json!([{"op": "convert", "field": "body.n", "to": "text"}, {"op": "move", "from": "body.x", "to": "body.y", "required": true}]);
    let failed = run(json!({"steps": steps, "request": request})).await;
    assert_eq!(
        failed["console"][0],
        json!({"type": "error", "message": "steps[1] (move): body.x is missing"})
    );

    // Over a stored request, and with the environment that a transformation has.
    let (connection, id) = connected(
        &node,
        json!([{"op": "set", "field": "body.k", "from": "env.KEY"}]),
    )
    .await;
    node.ok(
        "PUT",
        &format!("/transformations/{id}"),
        Some(json!({"secrets": {"KEY": "s"}})),
    )
    .await;
    let event = accept(&node, &connection, r#"{"n": 12.30}"#).await;
    let stored = run(json!({"transformation_id": id, "event_id": event})).await;
    assert_eq!(stored["request"]["body"], json!({"n": 12.30, "k": "s"}));
    assert_eq!(
        stored["request"]["headers"],
        json!({"content-type": "application/json"}),
        "credentials of senders are not for scripts"
    );
    assert_eq!(
        (&stored["request_id"], &stored["transformation_id"]),
        (&json!(event.request()), &json!(id))
    );
    let tried = run(json!({"transformation_id": id, "steps": [{"op": "set", "field": "body", "from": "env.KEY"}], "request_id": event.request()})).await;
    assert_eq!(tried["request"]["body"], json!("s"));

    let path = format!("{BASE}/transformations/run");
    for (body, field) in [
        (json!({"request": request}), "code"),
        (json!({"code": SCRIPT}), "request"),
        (
            json!({"code": SCRIPT, "request": request, "event_id": event}),
            "request",
        ),
        (json!({"code": SCRIPT, "event_id": "evt_x"}), "event_id"),
        (
            json!({"transformation_id": "trs_x", "request": request}),
            "transformation_id",
        ),
        (
            json!({"transformation_id": id, "version": 9, "request": request}),
            "version",
        ),
    ] {
        let refused = node.refused("PUT", &path, Some(body), 422).await;
        assert!(refused.starts_with(&format!("{field}: ")), "{refused}");
    }
    let executions = node
        .ok("GET", &format!("/transformations/{id}/executions"), None)
        .await;
    assert_eq!(executions["count"], 0);
    node.stop().await;
}

#[actix_web::test]
async fn each_run_is_listed_with_its_logs_and_the_request_before_and_after() {
    let node = Node::start().await;
    let steps = json!([{"op": "rename", "field": "body.n", "to": "amount"},
                       {"op": "set_header", "name": "authorization", "value": "Bearer of-the-destination"}]);
    let (connection, id) = connected(&node, steps).await;
    let used = TransformationUse { id, version: 1 };
    let delivered = accept(&node, &connection, r#"{"n": 12.30}"#).await;
    ran(&node, delivered, used, false).await;
    // Newest first goes by milliseconds; within one, ids are drawn.
    actix_web::rt::time::sleep(Duration::from_millis(2)).await;
    let failed = accept(&node, &connection, "[]").await;
    ran(&node, failed, used, true).await;
    let path = format!("/transformations/{id}/executions");
    let listed = node.ok("GET", &path, None).await;
    let models = listed["models"].as_array().expect("models");
    assert_eq!(models.len(), 2);
    assert_eq!(
        (
            &models[0]["event_id"],
            &models[0]["failed"],
            &models[0]["log_level"]
        ),
        (&json!(failed), &json!(true), &json!("fatal"))
    );
    assert_eq!(
        (
            &models[1]["event_id"],
            &models[1]["version"],
            &models[1]["attempt_number"]
        ),
        (&json!(delivered), &json!(1), &json!(1))
    );
    assert_eq!(
        models[1]["logs"],
        json!([{"type": "log", "message": "said"}])
    );
    let one_page = node.ok("GET", &format!("{path}?limit=1"), None).await;
    let next = text(&one_page["pagination"], "next");
    let second = node
        .ok("GET", &format!("{path}?limit=1&next={next}"), None)
        .await;
    assert_eq!(second["models"][0]["id"], models[1]["id"]);
    let web = text(&connection, "id");
    for (query, count) in [
        ("log_level=fatal".to_owned(), 1),
        ("log_level[]=info&log_level[]=fatal".to_owned(), 2),
        ("log_level=warn".to_owned(), 0),
        (format!("webhook_id={web}"), 2),
        ("webhook_id=web_other".to_owned(), 0),
        ("issue_id=iss_1".to_owned(), 0),
        ("created_at[gte]=2020-01-01T00:00:00Z".to_owned(), 2),
        ("created_at[lte]=2020-01-01T00:00:00Z".to_owned(), 0),
    ] {
        let found = node.ok("GET", &format!("{path}?{query}"), None).await;
        assert_eq!(found["count"], count, "{query}");
    }
    node.refused("GET", &format!("{BASE}{path}?log_level=loud"), None, 422)
        .await;

    let one = node
        .ok("GET", &format!("{path}/{}", text(&models[1], "id")), None)
        .await;
    assert_eq!(one["original_event_data"]["body"], json!({"n": 12.30}));
    assert_eq!(
        one["transformed_event_data"]["body"],
        json!({"amount": 12.30})
    );
    assert_eq!(
        one["transformed_event_data"]["headers"]["authorization"],
        "[hidden]"
    );
    let one = node
        .ok("GET", &format!("{path}/{}", text(&models[0], "id")), None)
        .await;
    assert_eq!(
        (
            &one["original_event_data"]["body"],
            &one["transformed_event_data"]
        ),
        (&json!([]), &json!(null))
    );
    for unknown in ["exe_x", "x"] {
        node.refused("GET", &format!("{BASE}{path}/{unknown}"), None, 404)
            .await;
    }
    let attempts = node
        .ok("GET", &format!("/attempts?event_id={delivered}"), None)
        .await;
    let made_by = &attempts["models"][0]["transformations"][0];
    assert_eq!(
        (&made_by["transformation_id"], &made_by["version"]),
        (&json!(id), &json!(1))
    );
    node.stop().await;
}

#[actix_web::test]
async fn an_ignored_event_is_retried_once_its_transformation_is_mended() {
    let node = Node::start().await;
    let (connection, id) = connected(&node, json!([{"op": "wrap", "field": "body"}])).await;
    let used = TransformationUse { id, version: 1 };
    let event = accept(&node, &connection, "{}").await;
    let request = event.request();
    ran(&node, event, used, true).await;
    let shown = node.ok("GET", &format!("/requests/{request}"), None).await;
    assert_eq!(
        (&shown["events_count"], &shown["ignored_count"]),
        (&json!(0), &json!(1))
    );
    let ignored = node
        .ok("GET", &format!("/requests/{request}/ignored_events"), None)
        .await;
    assert_eq!(ignored["models"][0]["cause"], "TRANSFORMATION_FAILED");
    assert_eq!(
        ignored["models"][0]["meta"],
        json!({"transformation_id": id, "version": 1})
    );
    node.refused("GET", &format!("{BASE}/events/{event}"), None, 404)
        .await;

    let retry = format!("/requests/{request}/retry");
    let other = json!({"webhook_ids": [ConnectionId(77)]});
    let to = format!("{BASE}{retry}");
    let refused = node.refused("POST", &to, Some(other), 422).await;
    let expected = "webhook_ids[0]: there is no connection";
    assert!(refused.starts_with(expected), "{refused}");
    let web = connection["id"].clone();
    let retried = node
        .ok("POST", &retry, Some(json!({ "webhook_ids": [web] })))
        .await;
    assert_eq!(
        (&retried["events"][0]["id"], &retried["events"][0]["status"]),
        (&json!(event), &json!("QUEUED"))
    );
    assert_eq!(
        (
            &retried["request"]["events_count"],
            &retried["request"]["ignored_count"]
        ),
        (&json!(1), &json!(0))
    );
    let ignored = node
        .ok("GET", &format!("/requests/{request}/ignored_events"), None)
        .await;
    assert_eq!(ignored["count"], 0);
    let listed = node
        .ok("GET", &format!("/transformations/{id}/executions"), None)
        .await;
    assert_eq!(listed["count"], 1, "what failed is still told");
    node.stop().await;
}

#[actix_web::test]
async fn old_versions_go_once_no_open_event_can_need_them() {
    let node = Node::start_with(|config| config.transform.versions_kept = 2).await;
    let step = |value: u64| json!([{"op": "set", "field": "body", "value": value}]);
    let (connection, id) = connected(&node, step(1)).await;
    let path = format!("/transformations/{id}");
    let kept = async || -> Vec<u64> {
        let listed = node.ok("GET", &format!("{path}/versions"), None).await;
        let models = listed["models"].as_array().expect("models").iter();
        models
            .map(|version| version["version"].as_u64().expect("a number"))
            .collect()
    };
    for value in 2..=4 {
        node.ok("PUT", &path, Some(json!({ "steps": step(value) })))
            .await;
    }
    // All of them were current within the last minutes, so any node may still use one.
    assert_eq!(kept().await, [4, 3, 2, 1]);

    // As if an hour had passed since the first three were made.
    let hour_ago = world::now().minus_ms(3_600_000);
    age(&node, id, 3, hour_ago).await;
    // An event that came before that may wait for its retry with the first.
    let open = accept_at(&node, &connection, "{}", hour_ago.minus_ms(3_600_000)).await;
    node.ok("PUT", &path, Some(json!({ "steps": step(5) })))
        .await;
    assert_eq!(kept().await, [5, 4, 3, 2, 1]);
    ran(&node, open, TransformationUse { id, version: 1 }, false).await;
    node.ok("PUT", &path, Some(json!({ "steps": step(6) })))
        .await;
    assert_eq!(kept().await, [6, 5, 4, 3]);
    let view = node.gateway.cluster.view(GroupId::CONTROL);
    for (version, is_there) in [(1, false), (2, false), (3, true), (6, true)] {
        let used = TransformationUse { id, version };
        let stored = version_of(&view, used);
        assert_eq!(stored.is_some(), is_there, "{version}");
    }
    // What ran with one that is gone is still listed; what it made can't be told any more.
    let executions = node.ok("GET", &format!("{path}/executions"), None).await;
    let execution = text(&executions["models"][0], "id");
    let one = node
        .ok("GET", &format!("{path}/executions/{execution}"), None)
        .await;
    assert_eq!(
        (&one["version"], &one["transformed_event_data"]),
        (&json!(1), &json!(null))
    );
    // Nor is what it makes of the version of today told in its place.
    let event = node.ok("GET", &format!("/events/{open}"), None).await;
    assert_eq!(event["data"], json!(null));
    let why = text(&event, "data_unknown_because");
    assert!(why.ends_with("is kept no more"), "{why}");
    let raw = format!("{BASE}/events/{open}/raw_body");
    assert_eq!(node.refused("GET", &raw, None, 404).await, why);
    let listed = node
        .ok("GET", &format!("/events?include=data&id={open}"), None)
        .await;
    assert_eq!(listed["models"][0]["data"], json!(null));
    node.stop().await;
}

/// Says that the first versions of a transformation were made long ago.
async fn age(node: &Node, id: TransformationId, first: usize, at: Timestamp) {
    let view = node.gateway.cluster.view(GroupId::CONTROL);
    let catalog = Catalogs::load(&view).expect("readable");
    let mut known = Transformation::clone(&catalog.default_project().transformations[&id]);
    for mark in known.versions.iter_mut().take(first) {
        mark.created_at = at;
    }
    let item = codec::encode_json(&Item::Transformation(known));
    let command = Command::Configure(Configure {
        seen_version: catalog.version,
        changes: vec![Change::Put(&item)],
    });
    let envelope = command.envelope(world::now(), &[]);
    let proposed = node
        .gateway
        .cluster
        .propose(GroupId::CONTROL, envelope)
        .await;
    proposed.expect("committed");
}

/// A version as the catalog keeps it.
fn version_of(view: &impl Read, used: TransformationUse) -> Option<TransformationVersion> {
    let key = used.id.version(used.version);
    match machine::item(view, Kind::TransformationVersion, key).expect("readable")? {
        Item::TransformationVersion(version) => Some(version),
        _ => None,
    }
}
