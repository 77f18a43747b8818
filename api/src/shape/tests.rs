//! Shapes and readers, held against each other by the names of their fields.

use super::*;
use crate::{
    body::{Body, Fields},
    dialect::{self, Dialect},
    input::{
        bookmark, connection, destination, destination_auth, destination_signing, issue_trigger,
        notifications, rules, source, source_auth, source_secrets, transform_rule::Rulebook,
        transformation,
    },
    problem::Problem,
};
use model::{
    catalog::{Catalog, Verification},
    ids::{ConnectionId, DestinationId, IssueTriggerId, SourceId, TransformationId},
    kit,
    policy::{egress::Reach, signature::registry},
    time::Timestamp,
};
use schemars::{JsonSchema, SchemaGenerator};
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};

const NOW: Timestamp = Timestamp(1_000_000);

type Names = BTreeMap<String, BTreeSet<String>>;

/// The names that a reader asks for while it reads these bodies, by the path of their object.
fn asked(read: impl Fn(&Fields<'_>) -> Result<(), Problem>, bodies: &[Value]) -> Names {
    let mut all = Names::new();
    for body in bodies {
        let body = Body::of(body.clone());
        let fields = body.fields();
        read(&fields).unwrap_or_else(|problem| panic!("{problem}: {body:?}"));
        for (path, names) in fields.asked() {
            let path: String = path.split(|letter: char| letter.is_ascii_digit()).collect();
            all.entry(path).or_default().extend(names);
        }
    }
    all
}

/// The names of a shape that mean something, by the path of their object; none of an object of anybody's names.
fn shaped<T: JsonSchema>() -> Names {
    let mut generator = SchemaGenerator::default();
    let mut schema = Value::from(T::json_schema(&mut generator));
    let mut definitions = Value::Object(generator.take_definitions(true));
    for schema in [&mut schema, &mut definitions] {
        dialect::narrow(schema, Dialect::default());
    }
    let mut names = Names::new();
    walk(&schema, &definitions, "", &mut names);
    names
}

fn walk(schema: &Value, definitions: &Value, path: &str, names: &mut Names) {
    if let Some(name) = schema["$ref"].as_str() {
        let name = name.rsplit('/').next().unwrap_or_default();
        walk(&definitions[name], definitions, path, names);
    }
    for several in ["anyOf", "oneOf", "allOf"] {
        for one in schema[several].as_array().into_iter().flatten() {
            walk(one, definitions, path, names);
        }
    }
    if schema["items"].is_object() {
        walk(&schema["items"], definitions, &format!("{path}[]"), names);
    }
    for (name, property) in schema["properties"].as_object().into_iter().flatten() {
        if property["readOnly"] == true {
            continue;
        }
        names
            .entry(path.to_owned())
            .or_default()
            .insert(name.clone());
        let inner = match path {
            "" => name.clone(),
            path => format!("{path}.{name}"),
        };
        walk(property, definitions, &inner, names);
    }
}

/// Every object of the shape was asked for what the shape has there, and for nothing else.
fn hold<T: JsonSchema>(read: impl Fn(&Fields<'_>) -> Result<(), Problem>, bodies: &[Value]) {
    let (asked, shaped) = (asked(read, bodies), shaped::<T>());
    for (path, names) in &shaped {
        // Which credentials are asked for depends on the type: a test of its own goes through all.
        if path.starts_with("config.auth") {
            continue;
        }
        let asked = asked.get(path).cloned().unwrap_or_default();
        assert_eq!(&asked, names, "{}: {path:?}", T::schema_name());
    }
}

fn fresh() -> destination::Fresh {
    destination::Fresh {
        id: DestinationId(1),
        key: [7; 32],
        reach: Reach::default(),
        try_tls: |_| Ok(()),
    }
}

fn of_transformation() -> transformation::Fresh {
    transformation::Fresh {
        id: TransformationId(1),
        now: NOW,
        max_code_bytes: 1000,
    }
}

fn source_bodies() -> Vec<Value> {
    vec![json!({"name": "shop", "config": {
        "custom_response": {"content_type": "json", "body": "{}"},
        "deduplicate": {"window": 1000},
        "auth_type": "HMAC",
        "auth": {
            "algorithm": "sha256",
            "encoding": "hex",
            "header_key": "x-signature",
            "webhook_secret_key": "It's a Secret to Everybody",
        },
    }})]
}

fn destination_bodies() -> Vec<Value> {
    vec![
        json!({"name": "d", "config": {"url": "https://a.example"}}),
        json!({"name": "d", "type": "CLI", "config": {"path": "/"}}),
    ]
}

fn rule_bodies() -> Value {
    json!([
        {"type": "filter", "body": {"a": 1}},
        {"type": "delay", "delay": 1},
        {"type": "deduplicate", "window": 1000},
        {"type": "retry", "strategy": "linear"},
        {"type": "transform", "transformation": {"name": "t", "code": "x"}},
    ])
}

#[test]
fn a_source_s_shape_is_what_is_read() {
    hold::<SourceShape>(
        |fields| source::read(fields, None, SourceId(1), NOW, 16).map(drop),
        &source_bodies(),
    );
    let kept = Verification::with_secret("GITHUB", "It's a Secret to Everybody");
    hold::<SourceRotationShape>(
        |fields| source_secrets::rotate(fields, &kept, NOW, 16).map(drop),
        &[json!({"secret": "another secret of theirs"})],
    );
}

/// The credentials that a reader knows, as it says when it is given another.
fn known(refusal: &Problem) -> BTreeSet<String> {
    let (_, known) = refusal
        .message()
        .split_once("it knows ")
        .unwrap_or_else(|| panic!("{refusal}"));
    let known = known.split(". ").next().unwrap_or_default();
    let names = known.split(", ").filter(|name| *name != "nothing");
    names.map(str::to_owned).collect()
}

#[test]
fn the_credentials_of_a_source_are_those_of_all_types() {
    let mut all = BTreeSet::from(source_auth::SENT_WITH_EVERY_TYPE.map(str::to_owned));
    // What proves nothing by itself means HMAC as soon as it is given credentials, unless it says which it means.
    let known_types = registry::all().map(|provider| (provider.name, Some(provider.name)));
    let others = registry::WITHOUT_SCHEME
        .iter()
        .map(|(name, _)| (*name, None));
    for (name, auth_type) in known_types.chain(others) {
        let mut config = json!({"auth": {"bogus": "x"}});
        if let Some(auth_type) = auth_type {
            config["auth_type"] = json!(auth_type);
        }
        let body = Body::of(json!({"name": "s", "type": name, "config": config}));
        let read = source::read(&body.fields(), None, SourceId(1), NOW, 16);
        let refused = read.map(drop).expect_err(name);
        if refused.message().contains("it knows ") {
            all.extend(known(&refused));
        } else {
            assert!(
                refused.message().starts_with("config.auth_type: "),
                "{name}: {refused}"
            );
        }
    }
    assert_eq!(shaped::<SourceShape>()["config.auth"], all);
}

#[test]
fn the_credentials_of_a_destination_are_those_of_all_types() {
    let mut all = BTreeSet::new();
    for auth_type in destination_auth::TYPES {
        let config =
            json!({"url": "https://a.example", "auth_type": auth_type, "auth": {"bogus": "x"}});
        let body = Body::of(json!({"name": "d", "config": config}));
        let read = destination::read(&body.fields(), None, &fresh(), NOW);
        all.extend(known(&read.map(drop).expect_err(auth_type)));
    }
    assert_eq!(shaped::<DestinationShape>()["config.auth"], all);
}

#[test]
fn a_destination_s_shape_is_what_is_read() {
    hold::<DestinationShape>(
        |fields| destination::read(fields, None, &fresh(), NOW).map(drop),
        &destination_bodies(),
    );
    hold::<DestinationRotationShape>(
        |fields| destination_signing::rotate(fields, &kit::destination(), &[1; 32], NOW).map(drop),
        &[json!({})],
    );
}

#[test]
fn a_connection_s_shape_is_what_is_read() {
    let fresh = connection::Fresh {
        connection: ConnectionId(1),
        source: SourceId(1),
        destination: fresh(),
        transformations: vec![of_transformation()],
        min_secret_bytes: 16,
    };
    let read = |fields: &Fields<'_>| {
        // Which version is wanted is read beside.
        for rule in fields.list("rules")?.value().into_iter().flatten() {
            assert!(rule.is_object());
        }
        let catalog = Catalog::default();
        let stored = |_| Ok(None);
        let target = connection::Target::New;
        connection::read(&catalog, fields, target, &fresh, &stored, NOW).map(drop)
    };
    let mut bodies = Vec::new();
    for source in source_bodies() {
        for destination in destination_bodies() {
            bodies.push(json!({
                "name": "c", "source": source, "destination": destination, "rules": rule_bodies(),
            }));
        }
    }
    let (asked, shaped) = (asked(read, &bodies), shaped::<ConnectionShape>());
    for (path, names) in shaped {
        if path.contains("config.auth") {
            continue;
        }
        let mut asked = asked.get(&path).cloned().unwrap_or_default();
        if path.is_empty() {
            // Looked for only where no end is given inline.
            asked.extend(["source_id".to_owned(), "destination_id".to_owned()]);
        }
        assert_eq!(asked, names, "{path:?}");
    }
}

#[test]
fn rules_are_tried_in_the_shape_in_which_they_are_kept() {
    let fresh = [of_transformation()];
    let catalog = Catalog::default();
    let read = |fields: &Fields<'_>| {
        let stored = |_| Ok(None);
        let mut book = Rulebook::new(&catalog, &stored, &fresh);
        rules::read(fields, None, &mut book).map(drop)
    };
    let asked = asked(read, &[json!({ "rules": rule_bodies() })]);
    let shaped = shaped::<TrialShape>();
    assert_eq!(asked["rules[]"], shaped["rules[]"]);
}

#[test]
fn a_transformation_s_shape_is_what_is_read() {
    let read = |fields: &Fields<'_>| {
        // Which version is wanted is asked before the rest.
        fields.whole("version", 1, 9)?;
        transformation::read(fields, None, None, of_transformation()).map(drop)
    };
    hold::<TransformationShape>(read, &[json!({"name": "t", "code": "x"})]);
}

#[test]
fn a_trigger_s_shape_is_what_is_read() {
    let fresh = issue_trigger::Fresh {
        id: IssueTriggerId(1),
        key: [7; 32],
        reach: Reach::default(),
    };
    let channels = json!({
        "webhook": {"url": "https://a.example/x"},
        "slack": {"webhook_url": "https://hooks.example/x"},
    });
    let bodies = ["delivery", "transformation", "backpressure", "request"]
        .map(|kind| json!({"type": kind, "configs": {}, "channels": channels}));
    hold::<IssueTriggerShape>(
        |fields| issue_trigger::read(fields, None, &fresh, NOW).map(drop),
        &bodies,
    );
    let mut catalog = Catalog::default();
    catalog.insert(model::catalog::Item::Source(kit::source()));
    hold::<NotificationsShape>(
        |fields| notifications::read(fields, &catalog, NOW).map(drop),
        &[json!({"enabled": true, "source_id": SourceId(1)})],
    );
}

#[test]
fn a_bookmark_s_shape_is_what_is_read() {
    let id = model::ids::RequestId(1);
    let body = json!({"event_data_id": id, "webhook_id": ConnectionId(1), "label": "late"});
    hold::<BookmarkShape>(|fields| bookmark::read(fields, None).map(drop), &[body]);
}
