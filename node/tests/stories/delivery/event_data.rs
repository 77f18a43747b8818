//! What the admin API tells of an event, held against what its receiver got.

use super::{
    CONNECTION, PATIENCE, TOKEN, World, source,
    transformations::{FIRST, SECOND, code, connection, retry, steps, transform, transformation},
};
use crate::{contract, stage::eventually};
use actix_web::{App, middleware::from_fn, test, web};
use base64::{Engine, prelude::BASE64_STANDARD};
use model::{
    catalog::{Destination, DestinationKind, HttpTarget, Item, RequestTemplate},
    ids::EventId,
    kit,
};
use serde_json::{Value, json};

impl World {
    async fn ask(&self, path: &str) -> Value {
        let data = web::Data::from(self.gateway.clone());
        let app = App::new().wrap(from_fn(contract::held)).app_data(data);
        let app = test::init_service(app.configure(node::admin::configure)).await;
        let request = test::TestRequest::with_uri(&format!("/2025-07-01{path}"))
            .insert_header(("authorization", format!("Bearer {TOKEN}")));
        let answer = test::call_service(&app, request.to_request()).await;
        assert_eq!(answer.status(), 200, "{path}");
        test::read_body_json(answer).await
    }

    async fn told(&self, event: EventId) -> Value {
        self.ask(&format!("/events/{event}")).await
    }

    async fn raw_body(&self, event: EventId) -> Value {
        self.ask(&format!("/events/{event}/raw_body")).await
    }

    /// The data of an event is what its receiver got with a request: nothing more, and no header less.
    async fn must_be_told_as_received(&self, event: EventId, place: usize) -> Value {
        let told = self.told(event).await;
        let data = &told["data"];
        let (uri, body, headers) = self.received(place);
        let origin = self.url.trim_end_matches("/hook");
        assert_eq!(data["url"], format!("{origin}{uri}"));
        let shown = data["headers"].as_object().expect("headers");
        for (name, value) in shown {
            let got: Vec<_> = headers.iter().filter(|(n, _)| n == name).collect();
            let got: Vec<_> = got.iter().map(|(_, value)| value.as_str()).collect();
            assert_eq!(value, &json!(got.join(", ")), "{name}");
        }
        for (name, _) in &headers {
            let is_https_own = ["content-length", "date"].contains(&name.as_str());
            assert!(is_https_own || shown.contains_key(name), "{name}");
        }
        let raw = self.raw_body(event).await;
        let text = raw["body"].as_str().expect("a body");
        let bytes = match raw.get("encoding") {
            None => text.as_bytes().to_vec(),
            Some(_) => BASE64_STANDARD.decode(text).expect("base64"),
        };
        assert_eq!(bytes, body);
        let listed = self.ask(&format!("/events?include=data&id={event}")).await;
        assert_eq!(&listed["models"][0]["data"], data);
        told
    }
}

#[actix_rt::test]
async fn an_event_shows_what_its_receiver_got_and_its_request_what_came_in() {
    let first = steps(json!([
        {"op": "set", "field": "body", "template": "{{headers.x-mine}}: {{path}}"},
        {"op": "set_header", "name": "x-key", "from": "env.KEY"},
        {"op": "set_path", "template": "/made/{{query.q}}"},
        {"op": "set_query", "name": "q", "value": "2"},
    ]));
    let second = code(
        r#"return {...request, body: {was: request.body, at: Date.now()}, headers: {...request.headers, "x-two": "2"}};"#,
    );
    let items = [
        transformation(FIRST, vec![first.clone()]),
        transformation(SECOND, vec![second]),
    ]
    .concat();
    let world = World::with(1, vec![transform(FIRST), transform(SECOND), retry()], items).await;
    let event = world.accept(b"hello").await;
    world.ended_after(event, 2).await;
    let told = world.must_be_told_as_received(event, 1).await;
    let data = &told["data"];
    assert_eq!(data["body"]["was"], "kept: /deep");
    assert_eq!(
        (
            &data["method"],
            &data["path"],
            &data["query"],
            &data["parsed_query"]
        ),
        (
            &json!("PUT"),
            &json!("/made/1"),
            &json!("q=2"),
            &json!({"q": "2"})
        )
    );
    let appended = data["appended_headers"].as_array().expect("names");
    for (name, is_ours) in [
        ("webhook-signature", true),
        ("x-two", false),
        ("x-mine", false),
    ] {
        assert_eq!(appended.contains(&json!(name)), is_ours, "{name}");
    }
    let attempts = world
        .ask(&format!("/attempts?event_id={event}&dir=desc"))
        .await;
    let last = &attempts["models"][0];
    assert_eq!(
        (&last["attempt_number"], &last["id"]),
        (&json!(2), &told["data_attempt_id"])
    );

    let id = event.request();
    let request = world.ask(&format!("/requests/{id}")).await;
    assert_eq!(
        (&request["data"]["body"], &request["data"]["path"]),
        (&json!("hello"), &json!("/deep"))
    );
    assert_eq!(request["original_event_data_id"], json!(id));
    assert_eq!(request["original_event_data_id"], told["event_data_id"]);
    let raw = world.ask(&format!("/requests/{id}/raw_body")).await;
    assert_eq!(raw, json!({"body": "hello"}));

    // What is configured afterwards changes nothing of it.
    let other = steps(json!([{"op": "set", "field": "body", "value": "another"}]));
    let mut items = transformation(FIRST, vec![first, other]);
    items.push(connection(vec![transform(FIRST)]));
    items.push(elsewhere(&world));
    world.configure(items).await;
    assert_eq!(
        world.must_be_told_as_received(event, 1).await["data"],
        *data
    );
    world.stop().await;
}

/// The destination of the stories at another path, that takes nothing of the request's.
fn elsewhere(world: &World) -> Item {
    match world.destination(None) {
        Item::Destination(known) => Item::Destination(Destination {
            kind: DestinationKind::Http(HttpTarget {
                url: format!("{}/elsewhere", world.url),
                request: RequestTemplate {
                    path_forwarding: false,
                    ..kit::request_template()
                },
            }),
            ..known
        }),
        other => other,
    }
}

#[actix_rt::test]
async fn without_a_transformation_an_event_shows_of_its_request_what_went_on() {
    let world = World::with(0, vec![retry()], Vec::new()).await;
    let event = world.accept(b"\xff\x00").await;
    world.ended(event).await;
    let told = world.must_be_told_as_received(event, 0).await;
    let data = &told["data"];
    assert_eq!(
        (&data["path"], &data["query"]),
        (&json!("/deep"), &json!("q=1"))
    );
    assert_eq!(data["headers"]["x-mine"], "kept");
    assert_eq!(data["headers"]["cookie"], Value::Null);
    assert_eq!(data["headers"]["x-tidegate-event-id"], json!(event));
    let raw = json!({"body": "/wA=", "encoding": "base64"});
    assert_eq!(world.raw_body(event).await, raw);
    let request = world.ask(&format!("/requests/{}", event.request())).await;
    assert_eq!(request["data"]["headers"]["cookie"], "[hidden]");

    world.configure(vec![elsewhere(&world)]).await;
    let event = world.accept(b"").await;
    world.ended(event).await;
    let told = world.must_be_told_as_received(event, 1).await;
    let data = &told["data"];
    assert_eq!(
        (&data["path"], &data["query"], &data["body"]),
        (&Value::Null, &Value::Null, &Value::Null),
        "its destination takes neither"
    );
    assert_eq!(data["is_large_payload"], false);
    world.stop().await;
}

#[actix_rt::test]
async fn an_event_that_is_sent_again_shows_what_was_sent_last() {
    let say = |text: &str| steps(json!([{"op": "set", "field": "body", "value": text}]));
    let rules = vec![transform(FIRST)];
    let world = World::with(0, rules.clone(), transformation(FIRST, vec![say("one")])).await;
    let event = world.accept(b"hello").await;
    world.ended(event).await;
    world
        .configure(transformation(FIRST, vec![say("one"), say("of two")]))
        .await;
    let told = world.must_be_told_as_received(event, 0).await;
    assert_eq!(told["data"]["body"], "one");
    world.retry(event).await;
    world.ended_after(event, 2).await;
    let told = world.must_be_told_as_received(event, 1).await;
    assert_eq!(told["data"]["body"], "of two");

    // An attempt that came to no request sent nothing.
    world.configure(vec![connection(Vec::new())]).await;
    let destination = match world.destination(None) {
        Item::Destination(known) => Item::Destination(Destination {
            kind: kit::server("ftp://nowhere.example/"),
            ..known
        }),
        other => other,
    };
    world.configure(vec![destination, source()]).await;
    world.retry(event).await;
    let tried = async || (world.event(event).attempts == 3).then_some(());
    eventually(PATIENCE, "an attempt that goes nowhere", tried).await;
    let told = world.must_be_told_as_received(event, 1).await;
    assert_eq!(
        (&told["data"]["body"], &told["attempts"]),
        (&json!("of two"), &json!(3))
    );
    assert_eq!(told["webhook_id"], json!(CONNECTION));
    world.stop().await;
}
