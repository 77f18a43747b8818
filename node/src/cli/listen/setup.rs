//! The setup before anybody can listen: a source, a connection from it to a command line, a session.

use super::api::Api;
use serde_json::{Map, Value, json};
use std::time::Duration;
use url::form_urlencoded;

/// Tries to begin a session, and what lies between them.
const TRIES: u32 = 6;
const TRY_EVERY: Duration = Duration::from_secs(1);
/// Connections of one source that are looked at: as many as one answer holds.
const CONNECTIONS_MAX: usize = 255;

#[derive(Debug, PartialEq, Eq)]
pub(super) struct Source {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) url: String,
}

/// A connection to a command line.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Connection {
    pub(super) id: String,
    pub(super) full_name: String,
    destination: String,
    pub(super) path: String,
}

/// A session, as the headers of its socket tell it.
pub(super) struct Session {
    pub(super) id: String,
    pub(super) connections: Vec<String>,
    pub(super) filters: Option<Value>,
}

/// The filters that were given, each as JSON. None: there are none.
///
/// # Errors
/// When one is no JSON; what it asks for is judged by the API.
pub(super) fn filters(given: &[(&str, &Option<String>)]) -> Result<Option<Value>, String> {
    let mut filters = Map::new();
    for (part, text) in given {
        let Some(text) = text else { continue };
        let filter = serde_json::from_str(text)
            .map_err(|error| format!("--filter-{part}: expected JSON: {error}"))?;
        filters.insert((*part).to_owned(), filter);
    }
    Ok((!filters.is_empty()).then_some(Value::Object(filters)))
}

/// The source of a name, made if there is none.
pub(super) async fn source(api: &Api, name: &str) -> Result<Source, String> {
    let query = form_urlencoded::Serializer::new(String::new())
        .append_pair("name", name)
        .finish();
    let found = api.ask("GET", &format!("/sources?{query}"), None).await?;
    let source = match models(&found).next() {
        Some(source) => source.clone(),
        None => {
            api.ask("POST", "/sources", Some(&json!({"name": name})))
                .await?
        }
    };
    Ok(Source {
        id: text(&source["id"])?,
        name: text(&source["name"])?,
        url: text(&source["url"])?,
    })
}

/// A source's connections to command lines, one made if there is none. A `path` that is given becomes theirs.
pub(super) async fn connections(
    api: &Api,
    source: &Source,
    path: Option<&str>,
) -> Result<Vec<Connection>, String> {
    let query = format!(
        "/connections?source_id={}&limit={CONNECTIONS_MAX}",
        source.id
    );
    let found = api.ask("GET", &query, None).await?;
    let mut connections: Vec<Connection> = models(&found).filter_map(listened_to).collect();
    if connections.is_empty() {
        let name = format!("cli-{}", source.name);
        let config = json!({"path": path.unwrap_or("/")});
        let body = json!({
            "name": name,
            "source_id": source.id,
            "destination": {"name": name, "type": "CLI", "config": config},
        });
        let made = api.ask("POST", "/connections", Some(&body)).await?;
        connections.extend(listened_to(&made));
    }
    for connection in &mut connections {
        let Some(path) = path.filter(|path| *path != connection.path) else {
            continue;
        };
        let change = json!({"config": {"path": path}});
        let at = format!("/destinations/{}", connection.destination);
        api.ask("PUT", &at, Some(&change)).await?;
        path.clone_into(&mut connection.path);
    }
    Ok(connections)
}

/// A connection that ends at a command line.
fn listened_to(model: &Value) -> Option<Connection> {
    let destination = &model["destination"];
    let path = destination["config"]["path"].as_str()?;
    let is_cli = destination["type"] == "CLI" && !path.is_empty();
    is_cli.then_some(Connection {
        id: text(&model["id"]).ok()?,
        full_name: text(&model["full_name"]).ok()?,
        destination: text(&destination["id"]).ok()?,
        path: path.to_owned(),
    })
}

/// Begins a session. A cluster that is just choosing its leaders is asked again.
pub(super) async fn session(
    api: &Api,
    connections: Vec<String>,
    filters: Option<Value>,
) -> Result<Session, String> {
    let mut body = json!({"webhook_ids": connections});
    if let Some(filters) = &filters {
        body["filters"] = filters.clone();
    }
    let mut tries = 1;
    loop {
        match api.ask("POST", "/cli-sessions", Some(&body)).await {
            Ok(made) => {
                return Ok(Session {
                    id: text(&made["id"])?,
                    connections,
                    filters,
                });
            }
            Err(error) if tries >= TRIES => return Err(error),
            Err(_) => tries += 1,
        }
        tokio::time::sleep(TRY_EVERY).await;
    }
}

fn models(list: &Value) -> impl Iterator<Item = &Value> {
    list["models"].as_array().into_iter().flatten()
}

fn text(value: &Value) -> Result<String, String> {
    let text = value.as_str().map(ToOwned::to_owned);
    text.ok_or_else(|| format!("expected a text in the answer, got {value}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_connections_to_a_command_line_are_listened_to() {
        let model = |kind: &str, config: Value| {
            json!({"id": "web_1", "full_name": "s -> d",
                   "destination": {"id": "des_1", "type": kind, "config": config}})
        };
        let found = listened_to(&model("CLI", json!({"path": "/hooks"}))).expect("one");
        assert_eq!(
            (found.path.as_str(), found.destination.as_str()),
            ("/hooks", "des_1")
        );
        for other in [
            model("HTTP", json!({"url": "https://a.example"})),
            model("HTTP", json!({"path": "/hooks"})),
            model("MOCK_API", json!({})),
            model("CLI", json!({"path": ""})),
        ] {
            assert_eq!(listened_to(&other), None, "{other}");
        }
    }

    #[test]
    fn filters_are_gathered_by_part_and_bad_ones_are_named() {
        let (body, bad) = (Some(r#"{"a": 1}"#.to_owned()), Some("{".to_owned()));
        assert_eq!(filters(&[("body", &None)]), Ok(None));
        let given = filters(&[("body", &body), ("path", &None)]);
        assert_eq!(given, Ok(Some(json!({"body": {"a": 1}}))));
        let error = filters(&[("body", &body), ("query", &bad)]).expect_err("no JSON");
        assert!(
            error.starts_with("--filter-query: expected JSON"),
            "{error}"
        );
    }
}
