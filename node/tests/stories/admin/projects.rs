//! Projects: a name space each, and nothing of one is in another's reach.

use super::{
    BASE, Node,
    strictness::{Things, operations},
};
use actix_web::test::TestRequest;
use model::ids::{EventId, ProjectNumber, SourceId};
use node::runtime;
use serde_json::{Value, json};
use std::{
    net::{SocketAddr, TcpListener},
    time::Duration,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

/// A node with one more project than every cluster has.
async fn with_shop() -> (Node, String) {
    let node = Node::start().await;
    let shop = json!({"name": "shop"});
    let made = node.ok("POST", "/projects", Some(shop)).await;
    let id = made["id"].as_str().expect("an id").to_owned();
    (node, id)
}

#[actix_web::test]
async fn a_project_lives_from_its_creation_to_its_end() {
    let (mut node, id) = with_shop().await;
    let listed = node
        .ok("GET", "/projects?order_by=name&dir=asc", None)
        .await;
    let names: Vec<_> = listed["models"].as_array().into_iter().flatten().collect();
    let names: Vec<_> = names.iter().map(|model| &model["name"]).collect();
    assert_eq!(names, ["default", "shop"]);
    let (projects, path) = (format!("{BASE}/projects"), format!("/projects/{id}"));
    for taken in ["shop", "default"] {
        let again = Some(json!({ "name": taken }));
        let refused = node.refused("POST", &projects, again, 422).await;
        assert!(refused.starts_with("name: "), "{refused}");
    }
    let renamed = node.ok("PUT", &path, Some(json!({"name": "store"}))).await;
    assert_eq!(
        (&renamed["id"], &renamed["name"]),
        (&json!(id), &json!("store"))
    );

    node.project = Some("store".into());
    let source = node
        .ok("POST", "/sources", Some(json!({"name": "orders"})))
        .await;
    assert_eq!(source["team_id"], id.as_str());
    let to = format!("{BASE}{path}");
    let refused = node.refused("DELETE", &to, None, 422).await;
    let source = source["id"].as_str().expect("an id");
    assert!(refused.contains(source), "{refused}");
    node.ok("DELETE", &format!("/sources/{source}"), None).await;
    assert_eq!(node.ok("DELETE", &path, None).await, json!({ "id": id }));

    let sources = format!("{BASE}/sources");
    for gone in ["store", id.as_str()] {
        node.project = Some(gone.into());
        let refused = node.refused("GET", &sources, None, 404).await;
        assert!(refused.starts_with("there is no project "), "{refused}");
    }
    node.project = None;
    let default = node.ok("GET", "/projects?name=default", None).await;
    let default = default["models"][0]["id"].as_str().expect("an id");
    let default = format!("{BASE}/projects/{default}");
    node.refused("DELETE", &default, None, 422).await;
    node.stop().await;
}

#[actix_web::test]
async fn nothing_of_one_project_is_in_anothers_reach() {
    let (mut node, id) = with_shop().await;
    node.project = Some(id.clone());
    let things = Things::make(&node).await;
    let source: SourceId = things.source.as_str().expect("an id").parse().expect("one");
    assert_ne!(source.project(), ProjectNumber::DEFAULT);
    let event: EventId = things.event.parse().expect("an id");
    node.fail(event, 1).await;

    let theirs = [
        "sources",
        "destinations",
        "connections",
        "transformations",
        "issue-triggers",
        "bookmarks",
        "requests",
        "events",
    ];
    let mut asked = 0;
    for (method, path) in operations().map(|one| (one.method.name(), one.path)) {
        let noun = path.split('/').nth(1).unwrap_or_default();
        if !theirs.contains(&noun) || !path.contains("{id}") {
            continue;
        }
        let to = format!("{BASE}{}", things.path(path));
        let body = (method != "GET").then(|| things.body(method, path));
        // In its own project it is there, whatever else may be wrong; what deletes it is left for the other one.
        if method == "GET" && !path.contains("{execution_id}") {
            let found = node.call(method, &to, body.clone()).await;
            assert_eq!(found.0, 200, "{method} {path}: {}", found.1);
        }
        node.project = None;
        node.refused(method, &to, body, 404).await;
        node.project = Some(id.clone());
        asked += 1;
    }
    assert!(asked > 40, "{asked}");

    for (noun, count) in [
        ("sources", 1),
        ("destinations", 1),
        ("connections", 1),
        ("transformations", 1),
        ("issue-triggers", 1),
        ("bookmarks", 1),
        ("requests", 1),
        ("events", 1),
        ("attempts", 1),
    ] {
        for (project, count) in [(Some(&id), count), (None, 0)] {
            node.project = project.cloned();
            let listed = node.ok("GET", &format!("/{noun}"), None).await;
            assert_eq!(listed["count"], count, "{noun} in {project:?}: {listed}");
        }
    }
    let named = [
        ("id", &things.event),
        (
            "webhook_id",
            &things.connection.as_str().expect("an id").to_owned(),
        ),
    ];
    for (name, value) in named {
        let found = node
            .ok("GET", &format!("/events?{name}={value}"), None)
            .await;
        assert_eq!(found["count"], 0, "{name}");
    }
    node.stop().await;
}

#[actix_web::test]
async fn a_body_can_not_name_what_is_anothers() {
    let (mut node, id) = with_shop().await;
    node.project = Some(id);
    let things = Things::make(&node).await;
    node.project = None;
    let own = json!({"name": "own", "source": {"name": "s"}, "destination": {"name": "d", "config": {"url": "https://a.example"}}});
    let own = node.ok("POST", "/connections", Some(own)).await;
    let (source, destination) = (&own["source"]["id"], &own["destination"]["id"]);
    let rule = json!({"type": "transform", "transformation_id": things.transformation});
    for (path, body) in [
        (
            "/connections",
            json!({"name": "x", "source_id": things.source, "destination_id": destination}),
        ),
        (
            "/connections",
            json!({"name": "x", "source_id": source, "destination_id": things.destination}),
        ),
        (
            "/connections",
            json!({"name": "x", "source_id": source, "destination_id": destination, "rules": [rule]}),
        ),
        (
            "/connections/rules/try",
            json!({"source_id": things.source, "rules": []}),
        ),
        (
            "/connections/rules/try",
            json!({"request_id": things.request, "rules": []}),
        ),
        (
            "/bookmarks",
            json!({"event_data_id": things.request, "webhook_id": own["id"], "label": "l"}),
        ),
        ("/cli-sessions", json!({"webhook_ids": [things.connection]})),
    ] {
        node.refused("POST", &format!("{BASE}{path}"), Some(body), 422)
            .await;
    }
    for (path, body) in [
        (
            "/transformations/run",
            json!({"transformation_id": things.transformation, "request": {"headers": {}}}),
        ),
        (
            "/transformations/run",
            json!({"code": "addHandler('transform', r => r)", "request_id": things.request}),
        ),
        (
            "/transformations/run",
            json!({"code": "addHandler('transform', r => r)", "event_id": things.event}),
        ),
        (
            "/notifications/webhooks",
            json!({"enabled": true, "source_id": things.source}),
        ),
    ] {
        node.refused("PUT", &format!("{BASE}{path}"), Some(body), 422)
            .await;
    }
    node.stop().await;
}

#[actix_web::test]
async fn a_name_is_ones_own_within_its_project_and_settings_are_too() {
    let (mut node, id) = with_shop().await;
    let body = json!({"name": "c", "source": {"name": "s"}, "destination": {"name": "d", "config": {"url": "https://a.example"}}});
    let mut sources = Vec::new();
    for project in [None, Some(id)] {
        node.project = project;
        let made = node.ok("PUT", "/connections", Some(body.clone())).await;
        sources.push(made["source"]["id"].clone());
        let told = json!({"enabled": true, "source_id": made["source"]["id"]});
        node.ok("PUT", "/notifications/webhooks", Some(told)).await;
        let trigger = json!({"name": "all", "type": "delivery"});
        node.ok("PUT", "/issue-triggers", Some(trigger)).await;
    }
    assert_ne!(sources[0], sources[1]);
    let said = node.ok("GET", "/notifications/webhooks", None).await;
    assert_eq!(said["source_id"], sources[1]);
    node.project = None;
    let said = node.ok("GET", "/notifications/webhooks", None).await;
    assert_eq!(said["source_id"], sources[0]);
    node.stop().await;
}

#[actix_web::test]
async fn a_bulk_operation_is_over_its_own_project() {
    let (mut node, id) = with_shop().await;
    node.project = Some(id.clone());
    let things = Things::make(&node).await;
    let event: EventId = things.event.parse().expect("an id");
    node.fail(event, 1).await;
    let plan = "/bulk/events/retry/plan?query[status]=FAILED";
    let planned = node.ok("GET", plan, None).await;
    assert_eq!(planned["estimated_count"], 1, "{planned}");
    node.project = None;
    let planned = node.ok("GET", plan, None).await;
    assert_eq!(planned["estimated_count"], 0, "{planned}");
    let all = json!({"query": {}});
    let begun = node.ok("POST", "/bulk/events/retry", Some(all)).await;
    let begun = begun["id"].as_str().expect("an id");
    node.project = Some(id);
    let listed = node.ok("GET", "/bulk/events/retry", None).await;
    assert_eq!(listed["count"], 0);
    for (method, what) in [("GET", ""), ("POST", "/cancel")] {
        let path = format!("{BASE}/bulk/events/retry/{begun}{what}");
        node.refused(method, &path, None, 404).await;
    }
    node.stop().await;
}

/// Asks for the sources with these headers.
async fn asked(node: &Node, headers: &[(&str, &str)]) -> (u16, Value) {
    let mut request = TestRequest::get()
        .uri(&format!("{BASE}/sources"))
        .insert_header(("authorization", format!("Bearer {}", super::TOKEN)));
    for header in headers {
        request = request.insert_header(*header);
    }
    let (status, answer) = node.send(request).await;
    (status.as_u16(), answer)
}

#[actix_web::test]
async fn headers_that_name_two_projects_or_none_are_refused() {
    let (node, id) = with_shop().await;
    for (team, status) in [
        ("default", 422),
        ("shop", 200),
        (id.as_str(), 200),
        ("nobody", 404),
        ("", 404),
    ] {
        let headers = [("x-project-id", id.as_str()), ("x-team-id", team)];
        let (answered, body) = asked(&node, &headers).await;
        assert_eq!(answered, status, "{team}: {body}");
    }
    // What looks like an id is nobody's name.
    let taken = Some(json!({ "name": id }));
    let projects = format!("{BASE}/projects");
    let refused = node.refused("POST", &projects, taken, 422).await;
    assert!(refused.contains("look like an id"), "{refused}");
    node.stop().await;
}

#[actix_web::test]
async fn a_name_means_who_has_it_now() {
    let (mut node, id) = with_shop().await;
    let bank = node
        .ok("POST", "/projects", Some(json!({"name": "bank"})))
        .await;
    let path = format!("/projects/{id}");
    node.ok("PUT", &path, Some(json!({"name": "old"}))).await;
    let path = format!("/projects/{}", bank["id"].as_str().expect("an id"));
    node.ok("PUT", &path, Some(json!({"name": "shop"}))).await;
    node.project = Some("shop".into());
    let made = node
        .ok("POST", "/sources", Some(json!({"name": "s"})))
        .await;
    assert_eq!(made["team_id"], bank["id"]);
    node.stop().await;
}

#[actix_web::test]
async fn headers_are_passed_over_until_there_is_a_second_project() {
    let node = Node::start().await;
    for team in ["anything", "", "two words"] {
        let headers = [("x-team-id", team), ("x-project-id", "another")];
        let (answered, body) = asked(&node, &headers).await;
        assert_eq!(answered, 200, "{team}: {body}");
    }
    node.stop().await;
}

/// A call whose body comes after `meanwhile`; the status of its answer.
async fn slow(
    to: SocketAddr,
    (project, path, body): (&str, &str, &str),
    meanwhile: impl Future<Output = ()>,
) -> String {
    let mut line = TcpStream::connect(to).await.expect("a connection");
    let head = format!(
        "POST {BASE}{path} HTTP/1.1\r\nhost: a\r\nauthorization: Bearer {}\r\nx-project-id: {project}\r\n\
         content-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
        super::TOKEN,
        body.len()
    );
    line.write_all(head.as_bytes()).await.expect("written");
    // Long enough for the head to be read, and for its project to be there.
    tokio::time::sleep(Duration::from_millis(300)).await;
    meanwhile.await;
    line.write_all(body.as_bytes()).await.expect("written");
    let mut answer = String::new();
    line.read_to_string(&mut answer).await.expect("an answer");
    answer.lines().next().unwrap_or_default().to_owned()
}

#[actix_web::test]
async fn what_was_begun_in_a_project_that_is_gone_by_then_is_refused() {
    let (node, _) = with_shop().await;
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let to = listener.local_addr().expect("bound");
    let server = runtime::serve_admin(&node.gateway, listener).expect("a server");
    let handle = server.handle();
    actix_rt::spawn(server);
    for (path, body) in [
        ("/sources", r#"{"name": "s"}"#),
        ("/bulk/events/retry", r#"{"query": {}}"#),
    ] {
        for is_deleted in [false, true] {
            let made = node
                .ok("POST", "/projects", Some(json!({"name": "p"})))
                .await;
            let id = made["id"].as_str().expect("an id");
            let meanwhile = async {
                if is_deleted {
                    node.ok("DELETE", &format!("/projects/{id}"), None).await;
                }
            };
            let status = slow(to, (id, path, body), meanwhile).await;
            let expected = if is_deleted { " 404 " } else { " 200 " };
            assert!(status.contains(expected), "{path}: {status}");
            if !is_deleted {
                let other = format!("/projects/{id}");
                node.ok(
                    "PUT",
                    &other,
                    Some(json!({"name": format!("q-{}", path.len())})),
                )
                .await;
            }
        }
    }
    handle.stop(false).await;
    node.stop().await;
}
