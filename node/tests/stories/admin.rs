//! What clients of the admin API are promised, told against one real node: its cluster and its disk.

mod dialects;
mod elsewhere;
mod event_data;
mod gaps;
mod projects;
mod pushed;
mod replay;
mod shapes;
mod strictness;
mod transformations;

use crate::{contract, stage::Stage};
use actix_web::{App, http::StatusCode, middleware::from_fn, test, web};
use bytes::Bytes;
use model::{
    catalog::Secret,
    ids::{ConnectionId, DestinationId, EventId, GroupId, RequestId, SourceId},
    kit,
    machine::{
        AcceptRequests, AttemptReport, Command, Incoming, Next, Planned, RecordRuns, Unrouted,
        Verdict,
    },
    policy::document::Part,
    state::codec,
    time::Timestamp,
    traffic::{Attempt, IgnoreCause, IgnoredMeta, Origin, Outcome, RequestRecord},
};
use node::{admin, bulk, config::Config, gateway::Gateway, pausing, world};
use serde_json::{Value, json};
use std::{sync::Arc, time::Duration};

const TOKEN: &str = "a-token-for-stories";
pub(super) const BASE: &str = "/2025-07-01";
/// What every request brings.
pub(super) const BODY: &str = r#"{"paid":true}"#;

/// One node of its own cluster.
pub(super) struct Node {
    pub(super) gateway: Arc<Gateway>,
    /// The project that calls name; none: they name none.
    project: Option<String>,
    stage: Stage,
}

impl Node {
    /// Records that an attempt of an event failed, and that none follows by itself.
    pub(super) async fn fail(&self, event: EventId, number: u16) {
        let now = world::now();
        let report = AttemptReport {
            event,
            number,
            attempt: Attempt {
                started_at: now,
                finished_at: now,
                outcome: Outcome::answered(500, Bytes::new(), None),
                transport: kit::posted("https://a.example/hook"),
                ..kit::attempt()
            },
            next: Next::GiveUp,
        };
        let command = Command::RecordRuns(RecordRuns {
            reports: vec![report.into()],
        });
        self.propose(event.group(), &command, &[]).await;
    }

    pub(super) async fn start() -> Self {
        Self::start_with(|_| {}).await
    }

    pub(super) async fn start_with(configure: impl FnOnce(&mut Config)) -> Self {
        let mut config = Self::config();
        configure(&mut config);
        Self::on(Stage::set(config).await)
    }

    fn config() -> Config {
        let mut config = Config::default();
        config.admin.token = Secret::new(TOKEN.into());
        config
    }

    fn on(stage: Stage) -> Self {
        Self {
            gateway: stage.gateway.clone(),
            project: None,
            stage,
        }
    }

    /// One call with the token. Every answer must be JSON and guarded, and as the document says.
    async fn call(&self, method: &str, path: &str, body: Option<Value>) -> (StatusCode, Value) {
        self.send(self.request(method, path, body)).await
    }

    /// The same where nobody looks into the document.
    async fn call_unheld(
        &self,
        method: &str,
        path: &str,
        body: Option<Value>,
    ) -> (StatusCode, Value) {
        let data = web::Data::from(self.gateway.clone());
        let app = App::new().app_data(data).configure(admin::configure);
        let app = test::init_service(app).await;
        let request = self.request(method, path, body).to_request();
        let answer = test::call_service(&app, request).await;
        let status = answer.status();
        let body = test::read_body(answer).await;
        (status, serde_json::from_slice(&body).expect("a JSON body"))
    }

    fn request(&self, method: &str, path: &str, body: Option<Value>) -> test::TestRequest {
        let mut request = test::TestRequest::with_uri(path)
            .method(method.parse().expect("a method"))
            .insert_header(("authorization", format!("Bearer {TOKEN}")));
        if let Some(project) = &self.project {
            request = request.insert_header(("x-project-id", project.as_str()));
        }
        if let Some(body) = body {
            request = request.set_json(body);
        }
        request
    }

    async fn send(&self, request: test::TestRequest) -> (StatusCode, Value) {
        let data = web::Data::from(self.gateway.clone());
        let app = App::new().wrap(from_fn(contract::held)).app_data(data);
        let app = test::init_service(app.configure(admin::configure)).await;
        let answer = test::call_service(&app, request.to_request()).await;
        let header = |name: &str| answer.headers().get(name).map(|value| value.as_bytes());
        assert_eq!(header("cache-control"), Some(&b"no-store"[..]));
        assert_eq!(header("x-content-type-options"), Some(&b"nosniff"[..]));
        let status = answer.status();
        let body = test::read_body(answer).await;
        (status, serde_json::from_slice(&body).expect("a JSON body"))
    }

    pub(super) async fn ok(&self, method: &str, path: &str, body: Option<Value>) -> Value {
        let (status, answer) = self.call(method, &format!("{BASE}{path}"), body).await;
        assert_eq!(status, 200, "{method} {path}: {answer}");
        answer
    }

    /// A call that is refused in the shape of the API; its message.
    pub(super) async fn refused(
        &self,
        method: &str,
        path: &str,
        body: Option<Value>,
        status: u16,
    ) -> String {
        let (actual, answer) = self.call(method, path, body).await;
        assert_eq!(actual, status, "{method} {path}: {answer}");
        assert_eq!(answer["status"], status);
        assert!(answer["code"].is_string(), "{answer}");
        answer["message"].as_str().expect("a message").to_owned()
    }

    pub(super) async fn propose(&self, group: GroupId, command: &Command<'_>, bodies: &[Bytes]) {
        let envelope = command.envelope(world::now(), bodies);
        let proposed = self.gateway.cluster.propose(group, envelope).await;
        proposed.expect("committed");
    }

    /// A request of this verdict, as ingest accepts it.
    pub(super) async fn take(
        &self,
        group: GroupId,
        source: SourceId,
        verdict: Verdict,
    ) -> RequestId {
        let now = world::now();
        let id = RequestId::mint(now, group, world::entropy());
        let record = codec::encode(&RequestRecord {
            source_id: source,
            received_at: now,
            path: "/paid".into(),
            query: "n=1".into(),
            headers: vec![("content-type".into(), Bytes::from("application/json"))],
            origin: Origin::Vouched,
            ..kit::record()
        });
        let command = Command::AcceptRequests(AcceptRequests {
            requests: vec![Incoming {
                id,
                source,
                record: &record,
                body: Some(0),
                verdict,
            }],
        });
        self.propose(group, &command, &[Bytes::from(BODY)]).await;
        id
    }

    /// One with one event.
    async fn accept(&self, group: GroupId, source: SourceId) -> RequestId {
        let over = (ConnectionId(1), DestinationId(1));
        self.accept_over(over, group, source).await
    }

    /// One with one event over a connection to a destination.
    async fn accept_over(
        &self,
        (connection, destination): (ConnectionId, DestinationId),
        group: GroupId,
        source: SourceId,
    ) -> RequestId {
        let verdict = Verdict::Routed {
            events: vec![Planned {
                connection,
                destination,
                due_at: world::now().plus_ms(3_600_000),
            }],
            ignored: vec![Unrouted {
                connection: ConnectionId(connection.0 + 1),
                cause: IgnoreCause::Filtered,
                meta: Some(IgnoredMeta::Filtered(vec![Part::Headers, Part::Path])),
            }],
            more_ignored: 7,
        };
        self.take(group, source, verdict).await
    }

    /// Does what a node does by itself: pauses and bulk operations.
    pub(super) fn do_chores(&self) {
        self.stage.spawn(pausing::run(self.gateway.clone()));
        self.stage.spawn(bulk::run(self.gateway.clone()));
    }

    pub(super) async fn stop(mut self) {
        self.stage.clear().await;
    }
}

#[actix_web::test]
async fn a_source_lives_from_its_creation_to_its_end() {
    let node = Node::start().await;
    let config = json!({"auth": {"webhook_secret_key": "It's a Secret to Everybody"}});
    let body = json!({"name": "gh", "type": "GITHUB", "config": config});
    let created = node.ok("POST", "/sources", Some(body.clone())).await;
    let id = created["id"].as_str().expect("an id").to_owned();
    let path = format!("/sources/{id}");

    let listed = node
        .ok("GET", "/sources?name=gh&disabled=false", None)
        .await;
    assert_eq!(listed["count"], 1);
    assert_eq!(listed["models"][0]["id"], id.as_str());
    assert_eq!(
        node.ok("GET", "/sources/count", None).await,
        json!({"count": 1})
    );

    let partial = json!({"name": "gh", "description": "d"});
    let upserted = node.ok("PUT", "/sources", Some(partial)).await;
    assert_eq!(
        (&upserted["id"], &upserted["type"]),
        (&json!(id), &json!("GITHUB"))
    );
    let shown = node
        .ok("GET", &format!("{path}?include=config.auth"), None)
        .await;
    assert_eq!(shown["config"]["auth"], config["auth"]);
    assert_eq!(shown["description"], "d");

    let again = node
        .refused("POST", &format!("{BASE}/sources"), Some(body), 422)
        .await;
    assert!(again.starts_with("name: "), "{again}");

    let disabled = node
        .ok("PUT", &format!("{path}/archive"), Some(json!({})))
        .await;
    assert!(disabled["disabled_at"].is_string());
    assert_eq!(
        node.ok("GET", "/sources?disabled=false", None).await["count"],
        0
    );
    node.ok("PUT", &format!("{path}/enable"), None).await;

    assert_eq!(node.ok("DELETE", &path, None).await, json!({ "id": id }));
    node.refused("GET", &format!("{BASE}{path}"), None, 404)
        .await;
    assert_eq!(
        node.ok("GET", &format!("/sources?name={id}"), None).await["count"],
        0
    );
    node.stop().await;
}

#[actix_web::test]
async fn a_connection_brings_both_its_ends_and_holds_them() {
    let node = Node::start().await;
    let body = json!({
        "name": "c",
        "source": {"name": "s"},
        "destination": {"name": "d", "config": {"url": "https://a.example/hook"}},
        "rules": [{"type": "retry", "strategy": "linear", "count": 3, "interval": 1000}],
    });
    let made = node.ok("PUT", "/connections", Some(body.clone())).await;
    assert_eq!(made["full_name"], "s -> c");
    assert_eq!(made["source"]["verification"], "none");
    assert_eq!(
        node.ok("PUT", "/connections", Some(body)).await["id"],
        made["id"]
    );
    let source = made["source"]["id"].as_str().expect("an id");
    let id = made["id"].as_str().expect("an id");

    let partial = json!({"name": "c", "description": "x"});
    let partial = node.ok("PUT", "/connections", Some(partial)).await;
    assert_eq!(partial["rules"], made["rules"]);
    let of_source = format!("/connections?source_id[0]={source}");
    assert_eq!(node.ok("GET", &of_source, None).await["count"], 1);

    let path = format!("{BASE}/sources/{source}");
    assert!(node.refused("DELETE", &path, None, 422).await.contains(id));
    node.ok("DELETE", &format!("/connections/{id}"), None).await;
    node.ok("DELETE", &format!("/sources/{source}"), None).await;
    node.stop().await;
}

#[actix_web::test]
async fn a_filter_is_kept_as_it_was_given_and_a_mistake_in_it_is_named() {
    let node = Node::start().await;
    let connection = |rules: Value| {
        json!({
            "name": "c",
            "source": {"name": "s"},
            "destination": {"name": "d", "config": {"url": "https://a.example/hook"}},
            "rules": rules,
        })
    };
    let rules = json!([
        {"type": "filter", "body": {"type": {"$in": ["paid", null]}, "n": {"$gte": 1.5}}, "headers": {"x-a": "1"}},
        {"type": "delay", "delay": 1000},
        {"type": "filter", "path": {"$not": "/health"}, "query": false},
    ]);
    let made = node
        .ok("PUT", "/connections", Some(connection(rules.clone())))
        .await;
    assert_eq!(made["rules"], rules);
    let id = made["id"].as_str().expect("an id");
    let read = node.ok("GET", &format!("/connections/{id}"), None).await;
    assert_eq!(read["rules"], rules);
    let wrong = json!([{"type": "filter", "body": {"order": {"$gte": true}}}]);
    let path = format!("{BASE}/connections");
    let message = node
        .refused("PUT", &path, Some(connection(wrong)), 422)
        .await;
    assert_eq!(
        message,
        "rules[0].body.order.$gte: expected a number or a string"
    );
    node.stop().await;
}

#[actix_web::test]
async fn traffic_of_all_partitions_is_one_list() {
    let node = Node::start().await;
    let mut ids = Vec::new();
    for group in [1, 2, 1, 2] {
        ids.push(node.accept(GroupId(group), SourceId(9)).await);
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    let first = node.ok("GET", "/requests?limit=3", None).await;
    let shown = |list: &Value| -> Vec<String> {
        let models = list["models"].as_array().expect("models").iter();
        models
            .map(|model| model["id"].as_str().expect("an id").to_owned())
            .collect()
    };
    assert_eq!(
        shown(&first),
        [ids[3].to_string(), ids[2].to_string(), ids[1].to_string()]
    );
    let next = first["pagination"]["next"].as_str().expect("more");
    let second = node
        .ok("GET", &format!("/requests?limit=3&next={next}"), None)
        .await;
    assert_eq!(shown(&second), [ids[0].to_string()]);

    let request = ids[0];
    let event = request.event(1).to_string();
    let one = node.ok("GET", &format!("/requests/{request}"), None).await;
    assert_eq!(one["data"]["body"], json!({"paid": true}));
    let raw = node
        .ok("GET", &format!("/events/{event}/raw_body"), None)
        .await;
    assert_eq!(raw, json!({"body": r#"{"paid":true}"#}));
    let of_request = node
        .ok("GET", &format!("/requests/{request}/events"), None)
        .await;
    assert_eq!(shown(&of_request), std::slice::from_ref(&event));
    let ignored = node
        .ok("GET", &format!("/requests/{request}/ignored_events"), None)
        .await;
    assert_eq!(
        (&ignored["count"], &one["ignored_count"]),
        (&json!(1), &json!(8))
    );
    assert_eq!(ignored["models"][0]["cause"], "FILTERED");
    assert_eq!(ignored["models"][0]["meta"], json!(["headers", "path"]));
    let by_id = node
        .ok("GET", &format!("/events?id={event},evt_nonsense"), None)
        .await;
    assert_eq!(shown(&by_id), std::slice::from_ref(&event));

    let cancelled = node
        .ok("PUT", &format!("/events/{event}/cancel"), Some(json!({})))
        .await;
    assert_eq!(cancelled["status"], "CANCELLED");
    assert_eq!(
        node.ok("GET", "/events?status=CANCELLED", None).await["count"],
        1
    );
    let retried = node
        .ok("POST", &format!("/events/{event}/retry"), None)
        .await;
    assert_eq!(retried["status"], "QUEUED");
    assert_eq!(
        node.ok("GET", &format!("/attempts?event_id={event}"), None)
            .await["count"],
        0
    );
    let again = node
        .ok(
            "POST",
            &format!("/requests/{request}/retry"),
            Some(json!({})),
        )
        .await;
    assert_eq!(again["events"], json!([]), "nothing has failed");
    node.stop().await;
}

#[actix_web::test]
async fn whatever_is_wrong_is_told_in_one_shape() {
    let node = Node::start().await;
    let base = |path: &str| format!("{BASE}{path}");
    node.refused("GET", &base("/nothing"), None, 404).await;
    node.refused("GET", "/nothing", None, 404).await;
    node.refused("PATCH", &base("/sources"), None, 405).await;
    for path in [
        "/sources/x",
        "/connections/x",
        "/requests/x",
        "/events/x",
        "/attempts/x",
    ] {
        node.refused("GET", &base(path), None, 404).await;
    }
    // A partition that this cluster does not have.
    let elsewhere = RequestId::mint(world::now(), GroupId(77), 1);
    node.refused("GET", &base(&format!("/requests/{elsewhere}")), None, 404)
        .await;
    node.refused(
        "POST",
        &base(&format!("/events/{}/retry", elsewhere.event(1))),
        None,
        404,
    )
    .await;
    node.refused("GET", &base("/events?limit=lots"), None, 422)
        .await;
    node.refused("POST", &base("/sources"), Some(json!([])), 422)
        .await;
    node.refused("DELETE", "/cluster/nodes/99", None, 404).await;

    let form = test::TestRequest::post()
        .uri(&base("/sources"))
        .insert_header(("authorization", format!("Bearer {TOKEN}")))
        .insert_header(("content-type", "application/x-www-form-urlencoded"))
        .set_payload("name=a");
    assert_eq!(node.send(form).await.0, 415);
    let huge = test::TestRequest::post()
        .uri(&base("/sources"))
        .insert_header(("authorization", format!("Bearer {TOKEN}")))
        .insert_header(("content-type", "application/json"))
        .set_payload(vec![b' '; 2 * 1024 * 1024]);
    assert_eq!(node.send(huge).await.0, 413);
    for path in [
        base("/sources"),
        "/cluster".into(),
        base("/cluster"),
        "/metrics".into(),
    ] {
        let (status, answer) = node.send(test::TestRequest::with_uri(&path)).await;
        assert_eq!(
            (status.as_u16(), &answer["code"]),
            (401, &json!("UNAUTHORIZED")),
            "{path}"
        );
    }
    for path in ["/healthz", "/readyz"] {
        assert_eq!(node.send(test::TestRequest::with_uri(path)).await.0, 200);
    }
    assert_eq!(node.call("GET", "/cluster", None).await.1["node_id"], 1);
    assert_eq!(node.ok("GET", "/cluster", None).await["node_id"], 1);
    node.stop().await;
}

/// A time as the API shows it.
fn shown_time(at: Timestamp) -> String {
    let at = i64::try_from(at.0).expect("a time of ours");
    format!(
        "{:.3}",
        jiff::Timestamp::from_millisecond(at).expect("a time")
    )
}
