//! Messages and logs of transformations, as the API shows them.

use super::traffic_data;
use model::{
    policy::transform::Message,
    traffic::{ConsoleLine, LineLevel, RequestRecord},
};
use serde_json::{Map, Value, json};

/// A message in answer to a try: nothing of it is hidden from who gave it.
pub(super) fn plain(message: &Message) -> Value {
    let mut headers: Map<String, Value> = Map::new();
    for (name, _) in &message.headers {
        headers.insert(name.clone(), message.header(name).into());
    }
    json!({
        "method": message.method,
        "path": message.path,
        "query": message.query,
        "parsed_query": traffic_data::parsed_query(&message.query),
        "headers": headers,
        "body": traffic_data::shown_body(&message.body, traffic_data::is_json(&headers)),
    })
}

/// A message that is part of the traffic: credentials in its headers stay hidden.
pub(super) fn of_traffic(message: &Message, record: &RequestRecord) -> Value {
    let mut shown = traffic_data::of_message(&message.as_record(record), &message.body);
    if let Some(shown) = shown.as_object_mut() {
        shown.remove("url");
    }
    shown
}

/// What a transformation wrote. The API knows no fatal line; why a run failed is an error to whoever reads it.
pub(super) fn console(lines: &[ConsoleLine]) -> Value {
    let lines = lines.iter().map(|line| {
        let kind = match line.level {
            LineLevel::Debug => "debug",
            LineLevel::Log => "log",
            LineLevel::Info => "info",
            LineLevel::Warn => "warn",
            LineLevel::Error | LineLevel::Fatal => "error",
        };
        json!({"type": kind, "message": line.message})
    });
    lines.collect()
}
