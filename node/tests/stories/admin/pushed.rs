//! A change that one node has acknowledged is in force on every node, and refusals know it.

use super::{BASE, Node};
use crate::stage::Stage;
use actix_web::http::StatusCode;
use node::delivery::Delivery;
use serde_json::{Value, json};
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_secs(20);

#[actix_rt::test]
async fn what_one_node_acknowledged_is_in_force_on_all_without_asking_a_leader() {
    let nodes = Stage::set_three(Node::config).await.map(Node::on);
    // Its actors answer what other nodes ask.
    let deliveries = nodes
        .each_ref()
        .map(|node| Delivery::start(node.gateway.clone()));
    let mut id = String::new();
    let mut fastest = Duration::MAX;
    for round in 0..6 {
        let description = format!("round {round}");
        let body = json!({"name": "shop", "description": description});
        let asked = Instant::now();
        let path = format!("{BASE}/sources");
        let (status, made) = nodes[round % 3].call("PUT", &path, Some(body)).await;
        fastest = fastest.min(asked.elapsed());
        assert_eq!(
            (status, &made["description"]),
            (StatusCode::OK, &json!(description))
        );
        id = made["id"].as_str().expect("an id").to_owned();
        for node in &nodes {
            let path = format!("{BASE}/sources/{id}?consistency=local");
            let (_, shown) = node.call("GET", &path, None).await;
            assert_eq!(shown["description"], json!(description));
        }
    }
    // A node that could not tell would have waited so long each time.
    assert!(fastest < Duration::from_millis(450), "{fastest:?}");
    let taken = json!({"name": "shop"});
    let (status, refused) = nodes[1]
        .call("POST", &format!("{BASE}/sources"), Some(taken))
        .await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{refused}");
    let path = format!("{BASE}/sources/{id}");
    assert_eq!(nodes[2].call("DELETE", &path, None).await.0, StatusCode::OK);
    let (status, gone) = nodes[0].call("GET", &path, None).await;
    assert_eq!(status, StatusCode::NOT_FOUND, "{gone}");
    assert_ne!(gone, Value::Null);
    for delivery in deliveries {
        delivery.stop(PATIENCE).await;
    }
    for node in nodes {
        node.stop().await;
    }
}
