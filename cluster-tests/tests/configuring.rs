//! Many clients configure one cluster at once, each through the node that it happens to reach.

use cluster_tests::process::{Cluster, Options};
use serde_json::{Value, json};
use std::{collections::BTreeSet, thread};

const CLIENTS: usize = 40;
/// Changes that each of them makes, one after the other.
const EACH: usize = 5;

/// Runs every client on a thread of its own and gathers what they were answered.
fn all_at_once<T: Send>(client: impl Fn(usize) -> T + Sync) -> Vec<T> {
    thread::scope(|scope| {
        let client = &client;
        let running: Vec<_> = (0..CLIENTS)
            .map(|number| scope.spawn(move || client(number)))
            .collect();
        running
            .into_iter()
            .map(|client| client.join().expect("a client ends"))
            .collect()
    })
}

#[test]
fn forty_clients_configure_different_things_at_once_and_every_answer_is_200() {
    let cluster = Cluster::form(3, Options::default());
    let answers = all_at_once(|client| {
        let admin = cluster.nodes[client % 3].admin();
        let make = |change| {
            let name = format!("client-{client}-{change}");
            let body = match change {
                // A connection makes its source and its destination as well.
                0 => {
                    let body = json!({
                        "name": name,
                        "source": {"name": name, "type": "WEBHOOK"},
                        "destination": {"name": name, "type": "HTTP",
                                        "config": {"url": "http://127.0.0.1:9999/hooks"}},
                    });
                    return admin.ask("POST", "/connections", Some(&body));
                }
                _ => json!({"name": name, "type": "WEBHOOK"}),
            };
            admin.ask("POST", "/sources", Some(&body))
        };
        (0..EACH).map(make).collect::<Vec<_>>()
    });
    let refused: Vec<_> = answers
        .iter()
        .flatten()
        .filter_map(|made| made.as_ref().err())
        .collect();
    assert!(refused.is_empty(), "{refused:#?}");
    for node in &cluster.nodes {
        let count = |noun| {
            node.admin()
                .get(&format!("/{noun}/count"))
                .expect("a count")["count"]
                .clone()
        };
        assert_eq!(count("sources"), CLIENTS * EACH);
        assert_eq!(count("connections"), CLIENTS);
        assert_eq!(count("destinations"), CLIENTS);
    }
}

#[test]
fn forty_clients_that_change_one_thing_wait_for_each_other_and_no_change_is_lost() {
    let cluster = Cluster::form(3, Options::default());
    let body = json!({"name": "shared", "type": "WEBHOOK"});
    let made = cluster.nodes[0].admin().insist("POST", "/sources", &body);
    let id = made.expect("a source")["id"]
        .as_str()
        .expect("an id")
        .to_owned();
    let answers = all_at_once(|client| {
        let admin = cluster.nodes[client % 3].admin();
        // Each goes from the one source to a destination of its own: they all hang on the source's connections.
        let body = json!({
            "name": format!("to-{client}"),
            "source_id": id,
            "destination": {"name": format!("sink-{client}"), "type": "HTTP",
                            "config": {"url": "http://127.0.0.1:9999/hooks"}},
        });
        let connected = admin.ask("POST", "/connections", Some(&body));
        let description = json!({"description": format!("as client {client} says")});
        let changed = admin.ask("PUT", &format!("/sources/{id}"), Some(&description));
        (connected, changed)
    });
    let told: Vec<&Result<Value, String>> = answers
        .iter()
        .flat_map(|(one, other)| [one, other])
        .collect();
    let refused: Vec<_> = told
        .iter()
        .filter_map(|answer| answer.as_ref().err())
        .collect();
    assert!(refused.is_empty(), "{refused:#?}");
    let admin = cluster.nodes[2].admin();
    let connections = admin
        .list("/connections", &format!("?source_id={id}"))
        .expect("a list");
    let names: BTreeSet<_> = connections
        .iter()
        .map(|connection| connection["name"].to_string())
        .collect();
    assert_eq!(names.len(), CLIENTS);
}

#[test]
fn of_forty_clients_that_want_one_name_one_gets_it() {
    let cluster = Cluster::form(3, Options::default());
    let body = json!({"name": "wanted", "type": "WEBHOOK"});
    let answers = all_at_once(|client| {
        let admin = cluster.nodes[client % 3].admin();
        admin.ask("POST", "/sources", Some(&body))
    });
    let made = answers.iter().filter(|answer| answer.is_ok()).count();
    assert_eq!(made, 1, "{answers:#?}");
    let unavailable = answers.iter().filter_map(|answer| answer.as_ref().err());
    let unavailable: Vec<_> = unavailable.filter(|error| error.contains("503")).collect();
    assert!(unavailable.is_empty(), "{unavailable:#?}");
}
