//! Two versions of the API side by side: the same cluster, spelled as each version spells it.

use super::{BASE, Node, strictness::Things};
use api::{dialect::Dialect, openapi, operation::Stands, operations};
use serde_json::{Value, json};

const LATER: &str = "/2026-09-01";

impl Node {
    /// A call in the later version that is answered.
    async fn later(&self, method: &str, path: &str, body: Option<Value>) -> Value {
        let (status, answer) = self.call(method, &format!("{LATER}{path}"), body).await;
        assert_eq!(status, 200, "{method} {path}: {answer}");
        answer
    }
}

#[actix_web::test]
async fn a_destination_s_pace_is_spelled_as_each_version_spells_it() {
    let node = Node::start().await;
    let paced = |policy: Value| json!({"name": "d", "config": {"url": "https://a.example", "delivery_policy": policy}});
    let policy = json!({"rate": 5, "period": "minute"});
    let made = node
        .later("PUT", "/destinations", Some(paced(policy.clone())))
        .await;
    assert_eq!(made["config"]["delivery_policy"], policy);
    assert!(made["config"].get("rate_limit").is_none(), "{made}");
    let path = format!("/destinations/{}", made["id"].as_str().expect("an id"));
    let earlier = node.ok("GET", &path, None).await;
    assert_eq!(earlier["config"]["rate_limit"], 5);
    assert_eq!(earlier["config"]["rate_limit_period"], "minute");
    assert!(
        earlier["config"].get("delivery_policy").is_none(),
        "{earlier}"
    );
    // What is not named of it stays; null takes it away.
    let slower = json!({"config": {"delivery_policy": {"rate": 2}}});
    let slower = node.later("PUT", &path, Some(slower)).await;
    assert_eq!(
        slower["config"]["delivery_policy"],
        json!({"rate": 2, "period": "minute"})
    );
    let kept = node
        .later("PUT", &path, Some(json!({"description": "x"})))
        .await;
    assert_eq!(kept["config"], slower["config"]);
    let free = json!({"config": {"delivery_policy": null}});
    let free = node.later("PUT", &path, Some(free)).await;
    assert_eq!(free["config"]["delivery_policy"], json!(null));
    assert_eq!(
        node.ok("GET", &path, None).await["config"]["rate_limit"],
        json!(null)
    );
    node.stop().await;
}

#[actix_web::test]
async fn neither_version_takes_the_spelling_of_the_other() {
    let node = Node::start().await;
    for (base, config, message) in [
        (
            BASE,
            json!({"delivery_policy": {"rate": 5}}),
            "config.delivery_policy: there is no such field here",
        ),
        (
            LATER,
            json!({"rate_limit": 5}),
            "config.rate_limit: there is no such field here",
        ),
        (
            LATER,
            json!({"delivery_policy": {"rate": 0}}),
            "config.delivery_policy.rate: expected a whole number from 1",
        ),
        (
            LATER,
            json!({"delivery_policy": {"period": "day"}}),
            "config.delivery_policy.period: expected second, minute, hour or concurrent",
        ),
        (
            LATER,
            json!({"delivery_policy": {"groups": {"key": "body.id"}}}),
            "config.delivery_policy.groups: a pace for each value of a key is not available",
        ),
    ] {
        let mut body = json!({"name": "d", "config": {"url": "https://a.example"}});
        for (name, value) in config.as_object().expect("an object") {
            body["config"][name] = value.clone();
        }
        let (status, answer) = node
            .call("PUT", &format!("{base}/destinations"), Some(body))
            .await;
        assert_eq!(status, 422, "{answer}");
        let told = answer["message"].as_str().expect("a message");
        assert!(told.starts_with(message), "{told}");
    }
    // Inside of a connection too.
    let connection = json!({
        "name": "c", "source": {"name": "s"},
        "destination": {"name": "d", "config": {"url": "https://a.example", "delivery_policy": {"rate": 5}}},
    });
    let made = node.later("PUT", "/connections", Some(connection)).await;
    assert_eq!(
        made["destination"]["config"]["delivery_policy"],
        json!({"rate": 5, "period": "second"})
    );
    node.stop().await;
}

#[actix_web::test]
async fn what_is_read_is_read_in_both_and_has_a_document_of_its_own() {
    let node = Node::start().await;
    let things = Things::make(&node).await;
    for dialect in Dialect::ALL {
        let mut read = 0;
        for described in operations::ALL {
            let stands_below = matches!(described.stands, Stands::AtTheBase | Stands::AtBoth);
            if described.method.name() != "GET" || !stands_below || !described.is_in(dialect) {
                continue;
            }
            // Held against the document of its version by `contract::held`.
            let to = format!("{}{}", dialect.base(), things.path(described.path));
            let (status, answer) = node.call("GET", &to, None).await;
            let told = answer["message"].as_str().unwrap_or_default();
            assert!(
                !told.contains("is not a path of this API"),
                "{to}: {answer}"
            );
            read += u32::from(status == 200);
        }
        assert!(read > 30, "{read}");
        let served = node
            .call("GET", &format!("{}/openapi.json", dialect.base()), None)
            .await;
        assert_eq!(served.1, *openapi::document(dialect));
    }
    node.stop().await;
}

#[actix_web::test]
async fn command_lines_sign_in_and_are_told_where_they_may_work() {
    let node = Node::start().await;
    node.ok("POST", "/projects", Some(json!({"name": "shop"})))
        .await;
    let listed = node.ok("GET", "/teams", None).await;
    assert_eq!(node.later("GET", "/projects", None).await, listed);
    let names: Vec<_> = listed.as_array().expect("a list").iter().collect();
    assert_eq!(names.len(), 2, "{listed}");
    let cluster = &node.gateway.config.cluster.name;
    for team in names {
        let name = team["name"].as_str().expect("a name");
        assert!(name.starts_with(&format!("[{cluster}] ")), "{name}");
        assert_eq!(team["mode"], "inbound");
    }
    for base in [BASE, LATER] {
        let (_, who) = node
            .call("GET", &format!("{base}/cli-auth/validate"), None)
            .await;
        let body = json!({"device_name": "ci"});
        let (_, signed) = node
            .call("POST", &format!("{base}/cli-auth/ci"), Some(body))
            .await;
        assert_eq!(signed["key"], super::TOKEN);
        for field in ["team_id", "team_mode", "organization_name", "user_name"] {
            assert_eq!(signed[field], who[field], "{field}");
            assert!(who[field].is_string(), "{field}: {who}");
        }
    }
    node.refused("GET", &format!("{LATER}/teams"), None, 404)
        .await;
    node.stop().await;
}
