//! Bodies, held against the document by trying: every field of every body with values of other kinds, words that nobody
//! knows, and numbers and texts on both sides of each bound. What the document refuses is refused, and what stands on the right
//! side of a bound is not called beyond it.

use super::{BASE, Node, strictness::Things};
use api::{dialect::Dialect, openapi};
use cluster_tests::contract;
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;

/// A body that is taken, of an operation that may be asked for again and again.
struct Sample {
    method: &'static str,
    /// With `{id}` for the one that there is.
    path: &'static str,
    body: Value,
}

impl Sample {
    fn of(method: &'static str, path: &'static str, body: Value) -> Self {
        Self { method, path, body }
    }
}

/// One for each shape, with an object wherever the shape has one.
fn samples(things: &Things, cli: &Value) -> Vec<Sample> {
    let source = json!({"name": "shaped-s", "config": {
        "allowed_http_methods": ["POST"],
        "custom_response": {"content_type": "json", "body": "{}"},
        "deduplicate": {"window": 1_000},
        "ordering_key": ["body.id"],
        "auth_type": "HMAC",
        "auth": {
            "algorithm": "sha256", "encoding": "hex", "header_key": "x-signature",
            "secrets": [{"secret": "It's a Secret to Everybody"}],
        },
    }});
    let destination = json!({"name": "shaped-d", "config": {
        "url": "https://a.example", "auth_type": "BASIC_AUTH",
        "auth": {"username": "u", "password": "p"}, "headers": {"x-a": "b"},
    }});
    let code = "addHandler('transform', r => r)";
    let rules = json!([
        {"type": "delay", "delay": 1_000},
        {"type": "deduplicate", "window": 1_000, "include_fields": ["body.id"]},
        {"type": "retry", "strategy": "linear", "count": 3, "interval": 1_000},
        {"type": "filter", "body": {"paid": true}},
        {"type": "transform", "transformation": {"name": "shaped-t", "code": code, "env": {"A": "b"}, "secrets": {"C": "d"}}},
    ]);
    let channels = json!({
        "webhook": {"url": "https://a.example/x"},
        "slack": {"webhook_url": "https://hooks.example/x", "channel_name": "c"},
    });
    vec![
        Sample::of("PUT", "/sources", source.clone()),
        Sample::of(
            "PUT",
            "/sources/{id}/rotate",
            json!({"secret": "It's a Secret to Nobody", "grace_s": 0}),
        ),
        Sample::of("PUT", "/destinations", destination.clone()),
        Sample::of("PUT", "/destinations/{id}/rotate", json!({"grace_s": 0})),
        Sample::of(
            "PUT",
            "/connections",
            json!({"name": "shaped-c", "source": source, "destination": destination, "rules": rules}),
        ),
        Sample::of(
            "POST",
            "/connections/rules/try",
            json!({"source_id": things.source, "last": 1, "rules": rules}),
        ),
        Sample::of(
            "PUT",
            "/transformations",
            json!({"name": "shaped-t", "code": code, "env": {"A": "b"}, "secrets": {"C": "d"}}),
        ),
        Sample::of(
            "PUT",
            "/transformations/run",
            json!({"code": code, "request": {"method": "POST", "path": "/a", "query": "a=1", "headers": {"x-a": "b"}, "body": {}}}),
        ),
        Sample::of(
            "PUT",
            "/issue-triggers",
            json!({"name": "shaped-i", "type": "delivery", "configs": {"strategy": "final_attempt"}, "channels": channels}),
        ),
        Sample::of(
            "PUT",
            "/issue-triggers",
            json!({"name": "shaped-j", "type": "transformation", "configs": {"log_level": "error"}}),
        ),
        Sample::of(
            "PUT",
            "/issue-triggers",
            json!({"name": "shaped-k", "type": "backpressure", "configs": {"delay": 60_000}}),
        ),
        Sample::of(
            "PUT",
            "/issue-triggers",
            json!({"name": "shaped-l", "type": "request", "configs": {"rejection_causes": "*"}}),
        ),
        Sample::of("PUT", "/issues/{id}", json!({"status": "RESOLVED"})),
        Sample::of(
            "PUT",
            "/notifications/webhooks",
            json!({"enabled": true, "topics": null, "source_id": things.source}),
        ),
        Sample::of(
            "PUT",
            "/bookmarks/{id}",
            json!({"label": "l", "name": "shaped-b"}),
        ),
        Sample::of(
            "POST",
            "/requests/{id}/retry",
            json!({"webhook_ids": [things.connection]}),
        ),
        Sample::of(
            "POST",
            "/bulk/events/retry",
            json!({"query": {"status": "FAILED"}}),
        ),
        Sample::of(
            "POST",
            "/cli-sessions",
            json!({"webhook_ids": [cli], "filters": {"body": {"paid": true}}}),
        ),
        Sample::of("POST", "/cluster/nodes", json!({"address": "127.0.0.1:1"})),
        Sample::of("POST", "/cli-auth/ci", json!({"device_name": "d"})),
        Sample::of("PUT", "/projects", json!({"name": "shaped-p"})),
    ]
}

/// Those that find nothing to change in a story, and a node that is not there: what they name is looked for behind the body.
const WITHOUT_A_THING: [&str; 2] = ["/issues/{id}", "/cluster/nodes"];

/// A field that a body may have: the object that it is a field of, and its schema.
struct Field {
    object: String,
    name: String,
    schema: Value,
}

/// The schema of a value of a body, behind references and beside the alternatives that it is none of.
fn schema_of<'a>(schema: &'a Value, value: &Value) -> &'a Value {
    if let Some(name) = schema["$ref"].as_str() {
        let name = name.rsplit('/').next().unwrap_or_default();
        return schema_of(
            &openapi::document(Dialect::default())["components"]["schemas"][name],
            value,
        );
    }
    for several in ["anyOf", "oneOf"] {
        let mut all = schema[several].as_array().into_iter().flatten();
        let fits = |one: &&Value| {
            let one = schema_of(one, value);
            let tag = &one["properties"]["type"]["const"];
            let is_object = one["properties"].is_object();
            is_object == value.is_object() && (tag.is_null() || *tag == value["type"])
        };
        if let Some(one) = all.find(fits) {
            return schema_of(one, value);
        }
    }
    schema
}

/// The fields that the objects of a body may have.
fn fields(schema: &Value, value: &Value, at: &str, found: &mut Vec<Field>) {
    let schema = schema_of(schema, value);
    match value {
        Value::Object(map) => {
            for (name, of) in schema["properties"].as_object().into_iter().flatten() {
                found.push(Field {
                    object: at.to_owned(),
                    name: name.clone(),
                    schema: schema_of(of, &map.get(name).cloned().unwrap_or_default()).clone(),
                });
                if let Some(value) = map.get(name) {
                    fields(of, value, &format!("{at}/{name}"), found);
                }
            }
        }
        Value::Array(items) => {
            for (place, item) in items.iter().enumerate() {
                fields(&schema["items"], item, &format!("{at}/{place}"), found);
            }
        }
        _ => {}
    }
}

impl Field {
    /// Values of every kind, and those beyond a bound.
    fn strange(&self) -> Vec<Value> {
        let schema = &self.schema;
        let bound = |name: &str| schema[name].as_u64();
        let mut all = vec![
            Value::Null,
            json!(true),
            json!(7),
            json!(-1),
            json!(1.5),
            json!(""),
            json!("no such word"),
            json!([]),
            json!([7]),
            json!([{}]),
            json!({}),
            json!({"a": 7}),
        ];
        all.extend(
            bound("minimum")
                .filter(|least| *least > 0)
                .map(|least| json!(least - 1)),
        );
        all.extend(bound("maximum").map(|most| json!(most + 1)));
        all.extend(bound("maxLength").map(|most| text(most + 1)));
        all.extend(bound("maxItems").map(|most| json!(vec!["a"; most as usize + 1])));
        all
    }

    /// Values at a bound.
    fn utmost(&self) -> Vec<Value> {
        let bound = |name: &str| self.schema[name].as_u64();
        let numbers = ["minimum", "maximum"].into_iter().filter_map(bound);
        let longest = bound("maxLength").map(text);
        numbers.map(|number| json!(number)).chain(longest).collect()
    }

    fn in_body(&self, body: &Value, value: &Value) -> Value {
        let mut body = body.clone();
        let object = body.pointer_mut(&self.object).expect("an object");
        object[&self.name] = value.clone();
        body
    }

    /// The field's name in a refusal.
    fn path(&self) -> String {
        let parts = self.object.split('/').chain([self.name.as_str()]);
        let parts = parts.filter(|part| !part.is_empty());
        parts.fold(String::new(), |path, part| match part.parse::<usize>() {
            Ok(place) => format!("{path}[{place}]"),
            Err(_) if path.is_empty() => part.to_owned(),
            Err(_) => format!("{path}.{part}"),
        })
    }
}

fn text(length: u64) -> Value {
    json!("a".repeat(length as usize))
}

#[actix_web::test]
async fn what_the_document_says_of_a_body_is_what_is_taken() {
    let node = Node::start().await;
    let things = Things::make(&node).await;
    let cli = json!({
        "name": "cli", "source_id": things.source, "destination": {"name": "cli", "type": "CLI", "config": {"path": "/"}},
    });
    let cli = node.ok("POST", "/connections", Some(cli)).await["id"].clone();
    let mut seen = BTreeSet::new();
    let (mut refused, mut taken) = (0, Vec::new());
    for Sample { method, path, body } in samples(&things, &cli) {
        let pattern = format!("{BASE}{path}");
        let schema = openapi::body_schema(method, &pattern).expect("a body");
        seen.insert(schema["$ref"].as_str().expect("a name").to_owned());
        let to = format!("{BASE}{}", things.path(path));
        if !WITHOUT_A_THING.contains(&path) {
            let (status, answer) = node.call(method, &to, Some(body.clone())).await;
            assert_eq!(status, 200, "{method} {path}: {answer}");
        }
        let mut all = Vec::new();
        fields(&schema, &body, "", &mut all);
        assert!(!all.is_empty(), "{method} {path}");
        let document = contract::validator_of_body(method, Some(&pattern)).expect("a body");
        for field in all {
            for value in field.strange() {
                let body = field.in_body(&body, &value);
                if document.is_valid(&body) {
                    continue;
                }
                let (status, answer) = node.call_unheld(method, &to, Some(body)).await;
                if status.is_client_error() {
                    refused += 1;
                } else {
                    let told = format!(
                        "{method} {path}: {} = {value}: {status} {answer}",
                        field.path()
                    );
                    taken.push(told);
                }
            }
            for value in field.utmost() {
                let (_, answer) = node
                    .call(method, &to, Some(field.in_body(&body, &value)))
                    .await;
                let message = answer["message"].as_str().unwrap_or_default();
                let bound = [
                    format!("{}: expected a whole number from ", field.path()),
                    format!("{}: expected a string of at most ", field.path()),
                ];
                let is_bound = bound.iter().any(|bound| message.starts_with(bound));
                assert!(
                    !is_bound,
                    "{method} {path} takes {value}, says the document: {message}"
                );
            }
        }
    }
    let paths = openapi::document(Dialect::default())["paths"]
        .as_object()
        .expect("paths");
    let parts = paths
        .values()
        .filter_map(Value::as_object)
        .flat_map(Map::values);
    let known: BTreeSet<String> = parts
        .filter_map(|part| {
            part["requestBody"]["content"]["application/json"]["schema"]["$ref"].as_str()
        })
        .map(str::to_owned)
        .collect();
    assert!(
        taken.is_empty(),
        "taken, though the document refuses it:\n{}",
        taken.join("\n")
    );
    assert_eq!(seen, known, "every body of the document was tried");
    assert!(refused > 1_000, "{refused}");
    node.stop().await;
}
