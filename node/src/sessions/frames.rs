//! The protocol between a node and a listening command line: text frames of JSON, as existing command lines have them.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The subprotocol's name. It is the existing clients' word: they speak it with any server.
pub(crate) const PROTOCOL: &str = "hookdeckcli-devproxy-v1";
/// Bytes of a frame to a developer's machine: a body and its headers. A larger event fails its attempt.
pub(crate) const ASKED_MAX: usize = 16 * 1024 * 1024;
/// Bytes of a frame from there. A longer one ends the line, as it can't be told where the next one begins.
pub(crate) const TOLD_MAX: usize = 8 * 1024 * 1024;
/// Session ids, connections and filters travel in headers: these bytes of filters at most.
pub(crate) const FILTERS_MAX: usize = 16 * 1024;
/// Connections that one session may be for.
pub(crate) const CONNECTIONS_MAX: usize = 200;

/// The headers that a session is known by, at any node.
pub(crate) const SESSION_HEADER: &str = "websocket-id";
pub(crate) const CONNECTIONS_HEADER: &str = "x-webhook-ids";
pub(crate) const FILTERS_HEADER: &str = "x-session-filters";

const ATTEMPT: &str = "attempt";
const RESPONSE: &str = "attempt_response";

/// A frame either way.
#[derive(Debug, Serialize, Deserialize)]
struct Frame<T> {
    event: String,
    body: T,
}

/// An attempt that is to be made on the developer's machine.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Asked {
    pub(crate) attempt_id: String,
    #[serde(default)]
    pub(crate) event_id: String,
    #[serde(default)]
    pub(crate) webhook_id: String,
    /// Path and query.
    pub(crate) cli_path: String,
    pub(crate) request: AskedRequest,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct AskedRequest {
    pub(crate) method: String,
    /// In milliseconds; 0: the client's own.
    #[serde(default)]
    pub(crate) timeout: u64,
    /// The body as text.
    #[serde(default)]
    pub(crate) data_string: String,
    #[serde(default)]
    pub(crate) headers: BTreeMap<String, String>,
}

/// The frame by which a command line reports the outcome of an attempt.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Told {
    pub(crate) attempt_id: String,
    #[serde(default)]
    pub(crate) cli_path: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) status: Option<u16>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) data: Option<String>,
    /// Nothing answered.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) error: bool,
}

impl Asked {
    pub(crate) fn frame(&self) -> String {
        write(ATTEMPT, self)
    }

    /// Reads the frame. None: it says something else.
    pub(crate) fn read(text: &[u8]) -> Option<Self> {
        read(ATTEMPT, text)
    }
}

impl Told {
    pub(crate) fn frame(&self) -> String {
        write(RESPONSE, self)
    }

    /// Reads the frame. None: it says something else.
    pub(crate) fn read(text: &[u8]) -> Option<Self> {
        read(RESPONSE, text)
    }
}

fn write(event: &str, body: &impl Serialize) -> String {
    let event = event.to_owned();
    serde_json::to_string(&Frame { event, body }).expect("a frame is plain JSON")
}

fn read<T: for<'de> Deserialize<'de>>(event: &str, text: &[u8]) -> Option<T> {
    /// The name alone: another event's body may be anything.
    #[derive(Deserialize)]
    struct Named {
        event: String,
    }
    let named: Named = serde_json::from_slice(text).ok()?;
    if named.event != event {
        return None;
    }
    let frame: Frame<T> = serde_json::from_slice(text).ok()?;
    Some(frame.body)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    #[test]
    fn an_attempt_is_framed_as_existing_clients_read_it() {
        let asked = Asked {
            attempt_id: "atm_1".into(),
            event_id: "evt_1".into(),
            webhook_id: "web_1".into(),
            cli_path: "/hooks?x=1".into(),
            request: AskedRequest {
                method: "POST".into(),
                timeout: 30_000,
                data_string: "{\"a\":1}".into(),
                headers: [("content-type".to_owned(), "application/json".to_owned())].into(),
            },
        };
        let shown: Value = serde_json::from_str(&asked.frame()).expect("JSON");
        let expected = json!({"event": "attempt", "body": {
            "attempt_id": "atm_1", "event_id": "evt_1", "webhook_id": "web_1", "cli_path": "/hooks?x=1",
            "request": {"method": "POST", "timeout": 30000, "data_string": "{\"a\":1}",
                        "headers": {"content-type": "application/json"}},
        }});
        assert_eq!(shown, expected);
        assert_eq!(Asked::read(asked.frame().as_bytes()), Some(asked));
    }

    #[test]
    fn an_answer_is_read_as_existing_clients_write_it() {
        let answered = json!({"event": "attempt_response", "body": {
            "attempt_id": "atm_1", "cli_path": "/hooks?x=1", "status": 202, "data": "ok"}});
        let told = Told::read(answered.to_string().as_bytes()).expect("an answer");
        assert_eq!(
            (told.status, told.data.as_deref(), told.error),
            (Some(202), Some("ok"), false)
        );
        assert_eq!(Told::read(told.frame().as_bytes()), Some(told));
        let failed =
            json!({"event": "attempt_response", "body": {"attempt_id": "atm_1", "error": true}});
        let told = Told::read(failed.to_string().as_bytes()).expect("an answer");
        assert_eq!((told.status, told.error), (None, true));
        assert_eq!(Told::read(told.frame().as_bytes()), Some(told));
    }

    #[test]
    fn what_is_no_frame_of_ours_is_dropped() {
        for text in [
            "",
            "{}",
            "[]",
            r#"{"event":"connect_response","body":7}"#,
            r#"{"event":"attempt_response"}"#,
            r#"{"event":"attempt_response","body":{"status":200}}"#,
            r#"{"event":"attempt_response","body":{"attempt_id":"a","status":"200"}}"#,
        ] {
            assert_eq!(Told::read(text.as_bytes()), None, "{text}");
            assert_eq!(Asked::read(text.as_bytes()), None, "{text}");
        }
    }
}
