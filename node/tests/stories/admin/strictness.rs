//! Whatever a call says and nobody reads is refused by name: on every path, in every object of a body.

use super::{BASE, Node};
use api::{
    dialect::Dialect,
    operation::{Described, Shape, Stands},
    operations,
};
use model::ids::{GroupId, ProjectId, SourceId};
use serde_json::{Value, json};

/// What is served behind the base path.
pub(super) fn operations() -> impl Iterator<Item = &'static Described> {
    let all = operations::ALL.iter().copied();
    let all = all.filter(|one| one.is_in(Dialect::default()));
    all.filter(|one| matches!(one.stands, Stands::AtTheBase | Stands::AtBoth))
}

/// One of each thing, and the least that a body of it must say.
pub(super) struct Things {
    pub(super) connection: Value,
    pub(super) transformation: String,
    trigger: String,
    bookmark: String,
    pub(super) request: String,
    pub(super) event: String,
    pub(super) source: Value,
    pub(super) destination: Value,
}

impl Things {
    pub(super) async fn make(node: &Node) -> Self {
        let connection = json!({
            "name": "c",
            "source": {"name": "s", "type": "GITHUB", "config": {"auth": {"webhook_secret_key": "It's a Secret to Everybody"}}},
            "destination": {"name": "d", "config": {"url": "https://a.example/hook"}},
        });
        let connection = node.ok("POST", "/connections", Some(connection)).await;
        let source: SourceId = text(&connection["source"]["id"]).parse().expect("an id");
        let over = (
            text(&connection["id"]).parse().expect("an id"),
            text(&connection["destination"]["id"])
                .parse()
                .expect("an id"),
        );
        let request = node.accept_over(over, GroupId(1), source).await;
        let trigger = json!({"name": "t", "type": "request"});
        let trigger = node.ok("POST", "/issue-triggers", Some(trigger)).await;
        let code = json!({"name": "t", "code": "addHandler('transform', r => r)"});
        let made = node.ok("POST", "/transformations", Some(code)).await;
        let bookmark =
            json!({"event_data_id": request, "webhook_id": connection["id"], "label": "l"});
        let bookmark = node.ok("POST", "/bookmarks", Some(bookmark)).await;
        Self {
            transformation: text(&made["id"]),
            trigger: text(&trigger["id"]),
            bookmark: text(&bookmark["id"]),
            request: request.to_string(),
            event: request.event(1).to_string(),
            source: connection["source"]["id"].clone(),
            destination: connection["destination"]["id"].clone(),
            connection: connection["id"].clone(),
        }
    }

    /// A path of an operation with an id of theirs.
    pub(super) fn path(&self, path: &str) -> String {
        let id = match path.split('/').nth(1).unwrap_or_default() {
            "sources" => text(&self.source),
            "projects" => ProjectId(0).to_string(),
            "destinations" => text(&self.destination),
            "connections" => text(&self.connection),
            "transformations" => self.transformation.clone(),
            "issue-triggers" => self.trigger.clone(),
            "bookmarks" => self.bookmark.clone(),
            "requests" => self.request.clone(),
            "events" => self.event.clone(),
            "cluster" => "99".into(),
            _ => "x".into(),
        };
        path.replace("{id}", &id).replace("{execution_id}", "x")
    }

    pub(super) fn body(&self, method: &str, path: &str) -> Value {
        match (method, path) {
            ("DELETE", _) => json!({}),
            (_, "/sources" | "/sources/{id}") => json!({"name": "new-s"}),
            (_, "/projects" | "/projects/{id}") => json!({"name": "new-p"}),
            (_, "/sources/{id}/rotate") => json!({"secret": "It's a Secret to Nobody"}),
            (_, "/destinations" | "/destinations/{id}") => {
                json!({"name": "new-d", "config": {"url": "https://b.example"}})
            }
            ("PUT", "/connections/{id}") => json!({"description": "x"}),
            (_, "/connections") => {
                json!({"name": "new-c", "source_id": self.source, "destination_id": self.destination})
            }
            (_, "/connections/rules/try") => json!({"source_id": self.source, "rules": []}),
            (_, "/transformations" | "/transformations/{id}") => {
                json!({"name": "new-t", "code": "addHandler('transform', r => r)"})
            }
            (_, "/transformations/run") => {
                json!({"code": "addHandler('transform', r => r)", "request": {"headers": {}}})
            }
            (_, "/issue-triggers" | "/issue-triggers/{id}") => {
                json!({"name": "new-i", "type": "request"})
            }
            (_, "/issues/{id}") => json!({"status": "RESOLVED"}),
            (_, "/notifications/webhooks") => json!({"enabled": true, "source_id": self.source}),
            ("POST", "/bookmarks") => {
                json!({"event_data_id": self.request, "webhook_id": self.connection, "label": "l"})
            }
            (_, "/cli-auth/ci") => json!({"device_name": "d"}),
            (_, "/cli-sessions") => json!({"webhook_ids": [self.connection]}),
            (_, "/cluster/nodes") => json!({"address": "127.0.0.1:1"}),
            _ => json!({}),
        }
    }
}

fn text(id: &Value) -> String {
    id.as_str().expect("an id").to_owned()
}

#[actix_web::test]
async fn every_path_refuses_a_parameter_and_a_field_that_it_does_not_read() {
    let node = Node::start().await;
    let things = Things::make(&node).await;
    assert!(operations().count() > 80);
    for (method, path) in operations().map(|one| (one.method.name(), one.path)) {
        let to = format!("{BASE}{}", things.path(path));
        let body = (method != "GET").then(|| things.body(method, path));
        let parameter = format!("{to}?bogus_thing=1");
        let message = node.refused(method, &parameter, body.clone(), 422).await;
        assert!(
            message.starts_with("bogus_thing: there is no such parameter"),
            "{method} {path}: {message}"
        );
        let Some(mut body) = body else { continue };
        // Whoever listens must name a connection to a developer's machine, and there is none.
        if path == "/cli-sessions" {
            continue;
        }
        body["bogus_thing"] = json!(1);
        let message = node.refused(method, &to, Some(body), 422).await;
        assert!(
            message.starts_with("bogus_thing: "),
            "{method} {path}: {message}"
        );
    }
    for (path, count) in [("/sources", 1), ("/destinations", 1), ("/connections", 1)] {
        let counted = node.ok("GET", &format!("{path}/count"), None).await;
        assert_eq!(counted["count"], count, "{path}: nothing was made");
    }
    node.stop().await;
}

#[actix_web::test]
async fn every_path_knows_the_parameters_that_the_document_gives_it() {
    let node = Node::start().await;
    let things = Things::make(&node).await;
    for described in operations() {
        let (method, path) = (described.method.name(), described.path);
        let to = format!("{BASE}{}", things.path(path));
        for parameter in described.parameters() {
            let name = match (parameter.shape, parameter.name) {
                (Shape::Object, "date_range") => "date_range[start]".to_owned(),
                (Shape::Object, "filters") => "filters[destination_id]".to_owned(),
                (Shape::Object, name) => format!("{name}[status]"),
                (_, name) => name.to_owned(),
            };
            let body = (method != "GET").then(|| things.body(method, path));
            // Nothing is asked for, so nothing is made.
            let (status, answer) = node.call(method, &format!("{to}?{name}="), body).await;
            let message = answer["message"].as_str().unwrap_or_default();
            assert_ne!(status, 200, "{method} {path}?{name}=");
            assert!(
                !message.contains("there is no such parameter"),
                "{method} {path}: {message}"
            );
        }
    }
    let served = node.call("GET", "/openapi.json", None).await;
    assert_eq!(served.1, *api::openapi::document(Dialect::default()));
    node.stop().await;
}

/// The places of all objects in a value, as JSON pointers.
fn objects(value: &Value, at: &str, found: &mut Vec<String>) {
    match value {
        Value::Object(map) => {
            found.push(at.to_owned());
            for (name, value) in map {
                objects(value, &format!("{at}/{name}"), found);
            }
        }
        Value::Array(items) => {
            for (place, item) in items.iter().enumerate() {
                objects(item, &format!("{at}/{place}"), found);
            }
        }
        _ => {}
    }
}

#[actix_web::test]
async fn every_object_of_a_body_refuses_a_field_that_nobody_reads() {
    let node = Node::start().await;
    let auth = |auth_type: &str, auth: Value| {
        let config = json!({"url": "https://a.example", "auth_type": auth_type, "auth": auth});
        ("/destinations", json!({"name": "d", "config": config}))
    };
    let run =
        json!({"code": "x", "request": {"headers": {}, "path": "/a", "query": "a=1", "body": "b"}});
    let bodies = [
        (
            "/connections",
            json!({
                "name": "c",
                "source": {"name": "s", "config": {
                    "custom_response": {"content_type": "json", "body": "{}"},
                    "deduplicate": {"window": 5_000},
                    "auth_type": "HMAC",
                    "auth": {"algorithm": "sha256", "encoding": "hex", "header_key": "x-s",
                             "secrets": [{"secret": "It's a Secret to Everybody"}]},
                }},
                "destination": {"name": "d", "config": {"url": "https://a.example"}},
                "rules": [
                    {"type": "retry", "strategy": "linear", "count": 3, "interval": 1000},
                    {"type": "delay", "delay": 1000},
                    {"type": "deduplicate", "window": 5_000},
                    {"type": "filter", "path": "/a"},
                    {"type": "transform", "transformation": {"name": "t", "code": "x"}},
                ],
            }),
        ),
        auth("HOOKDECK_SIGNATURE", json!({})),
        auth(
            "CUSTOM_SIGNATURE",
            json!({"key": "x-s", "signing_secret": "s"}),
        ),
        auth("BASIC_AUTH", json!({"username": "u", "password": "p"})),
        auth("API_KEY", json!({"key": "x-k", "api_key": "k"})),
        auth("BEARER_TOKEN", json!({"token": "t"})),
        auth(
            "OAUTH2_CLIENT_CREDENTIALS",
            json!({"auth_server": "https://a.example", "client_id": "c", "client_secret": "s"}),
        ),
        auth(
            "AWS_SIGNATURE",
            json!({"access_key_id": "a", "secret_access_key": "s", "region": "r", "service": "v"}),
        ),
        (
            "/issue-triggers",
            json!({"name": "i", "type": "delivery", "configs": {"strategy": "final_attempt"}, "channels": {
                "webhook": {"url": "https://a.example"},
                "slack": {"channel_name": "c", "webhook_url": "https://b.example"},
            }}),
        ),
        ("/transformations/run", run),
    ];
    for (path, body) in bodies {
        let mut places = Vec::new();
        objects(&body, "", &mut places);
        // The names of headers are anybody's.
        places.retain(|place| !place.ends_with("/headers"));
        for place in places {
            let mut strange = body.clone();
            strange.pointer_mut(&place).expect("an object")["bogus_thing"] = json!(1);
            let to = format!("{BASE}{path}");
            let message = node.refused("PUT", &to, Some(strange), 422).await;
            let (field, _) = message.split_once(": ").expect("a field");
            let field = field.replace(['[', '.'], "/").replace(']', "");
            let expected = format!("{place}/bogus_thing");
            assert_eq!(field, expected.trim_start_matches('/'), "{path}: {message}");
        }
    }
    node.stop().await;
}

#[actix_web::test]
async fn a_bulk_operation_whose_query_says_nothing_is_refused_and_touches_nothing() {
    let node = Node::start().await;
    node.do_chores();
    node.accept(GroupId(1), SourceId(9)).await;
    for (path, query, field) in [
        ("/bulk/events/cancel", json!({"id": []}), "query.id"),
        (
            "/bulk/events/cancel",
            json!({"webhook_id": {}}),
            "query.webhook_id",
        ),
        ("/bulk/events/cancel", json!({"status": []}), "query.status"),
        (
            "/bulk/events/cancel",
            json!({"created_at": {"gte": ""}}),
            "query.created_at.gte",
        ),
        ("/bulk/events/retry", json!(null), "query"),
        ("/bulk/requests/retry", json!({"id": []}), "query.id"),
        (
            "/bulk/ignored-events/retry",
            json!({"cause": ","}),
            "query.cause",
        ),
    ] {
        let body = json!({ "query": query });
        let message = node
            .refused("POST", &format!("{BASE}{path}"), Some(body), 422)
            .await;
        assert!(
            message.starts_with(&format!("{field}: ")),
            "{path}: {message}"
        );
        let listed = node.ok("GET", path, None).await;
        assert_eq!(listed["count"], 0, "{path}: nothing began");
    }
    let plan = format!("{BASE}/bulk/events/cancel/plan");
    for (asked, expected) in [
        ("status=FAILED", "status: expected query[status]"),
        (
            "query[status]=FAILED&webhook_id=x",
            "webhook_id: expected query[webhook_id]",
        ),
        ("query[id][]=", "query.id: "),
    ] {
        let path = format!("{plan}?{asked}");
        let message = node.refused("GET", &path, None, 422).await;
        assert!(message.starts_with(expected), "{message}");
    }
    let everything = node
        .ok("GET", "/bulk/events/cancel/plan?query={}", None)
        .await;
    assert_eq!(
        everything["estimated_count"], 1,
        "an empty query is said on purpose"
    );
    node.stop().await;
}

#[actix_web::test]
async fn a_value_that_means_nothing_is_refused_with_those_that_do() {
    let node = Node::start().await;
    for (asked, expected) in [
        ("/sources?consistency=locl", "consistency: expected local"),
        (
            "/events?include=zzz",
            "include: expected config.auth or data",
        ),
        (
            "/sources?type=STRIPPE",
            "type: \"STRIPPE\" is none of the types",
        ),
        ("/destinations?type=HTTTP", "type: expected one of HTTP"),
        (
            "/issues?aggregation_keys[error_code]=BOGUS",
            "aggregation_keys[error_code]: expected one of",
        ),
        (
            "/events?limit=0",
            "limit: expected a whole number from 1 to 255",
        ),
        ("/events?status=NOPE", "status: expected one of SCHEDULED"),
        ("/events?error_code=NOPE", "error_code: expected one of"),
        (
            "/requests?rejection_cause=NOPE",
            "rejection_cause: expected one of",
        ),
        ("/events?id[]=", "id: expected a value, got an empty one"),
        (
            "/events?status=",
            "status: expected a value, got an empty one",
        ),
        (
            "/events?created_at[gte]=",
            "created_at[gte]: expected a value, got an empty one",
        ),
    ] {
        let message = node
            .refused("GET", &format!("{BASE}{asked}"), None, 422)
            .await;
        assert!(message.starts_with(expected), "{asked}: {message}");
    }
    let made = json!({"name": "d", "config": {"url": "https://a.example", "auth": {"token": "T"}}});
    let to = format!("{BASE}/destinations");
    let message = node.refused("POST", &to, Some(made), 422).await;
    assert!(message.starts_with("config.auth.token: "), "{message}");
    let both = json!({"name": "c", "source": {"name": "s"}, "source_id": "src_x"});
    let to = format!("{BASE}/connections");
    let message = node.refused("POST", &to, Some(both), 422).await;
    assert_eq!(message, "source_id: expected source_id or source, not both");
    node.stop().await;
}
