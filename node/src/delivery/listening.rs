//! Deliveries to developers' machines: who listens is asked of this node first, then of the others. The one whose session
//! takes the event makes the attempt.

use super::request::Outgoing;
use crate::{
    gateway::Gateway,
    peer::Question,
    sessions::{
        Heard, Listener, Listeners,
        frames::{ASKED_MAX, Asked, AskedRequest},
    },
};
use bytes::Bytes;
use futures::stream::{FuturesUnordered, StreamExt};
use model::{
    catalog::{Destination, FilterRule},
    ids::{AttemptId, CliSessionId, ConnectionId, NodeId},
    policy::{
        document::{Document, Part},
        filter::{Filter, Steps},
        transform::Message,
    },
    traffic::{ErrorCode, IgnoreCause, IgnoredMeta, Outcome, RequestRecord},
};
use std::{sync::Arc, time::Duration};
use tokio::time::{Instant, timeout};

/// What another node may take to say who listens there.
const LOOK_WITHIN: Duration = Duration::from_millis(1500);
/// The developer's machine gives up so much earlier than we do: then it can still say so.
const MARGIN: Duration = Duration::from_secs(1);

/// Who takes an event.
#[derive(Debug, PartialEq)]
pub(super) enum Taker {
    Session {
        /// None: this one.
        node: Option<NodeId>,
        id: CliSessionId,
    },
    /// Somebody listens, but does not want it.
    Filtered(Vec<Part>),
    /// Nobody listens now, but somebody may be about to come back; or a node did not say.
    Unknown,
    Nobody,
}

impl Taker {
    /// Why a first attempt is none: who listens does not want the event, or nobody does. None: it is to be made.
    pub(super) fn ignores(&self) -> Option<(IgnoreCause, Option<IgnoredMeta>)> {
        match self {
            Self::Filtered(parts) => {
                let meta = IgnoredMeta::Filtered(parts.clone());
                Some((IgnoreCause::Filtered, Some(meta)))
            }
            Self::Nobody => Some((IgnoreCause::CliDisconnected, None)),
            Self::Session { .. } | Self::Unknown => None,
        }
    }
}

/// Looks for a session that listens for a connection and takes the message.
pub(super) async fn find(
    gateway: &Gateway,
    connection: ConnectionId,
    message: &Message,
    record: &RequestRecord,
) -> Taker {
    let wanted = Arc::new((message.as_record(record), message.body.clone()));
    let mut verdict = Verdict::default();
    let here = gateway.sessions.of(connection, Instant::now());
    if let Some(id) = verdict.look(here, &wanted).await {
        return Taker::Session { node: None, id };
    }
    let cluster = &gateway.cluster;
    let others = cluster.members().into_keys();
    let mut asked: FuturesUnordered<_> = others
        .filter(|node| *node != cluster.node_id())
        .map(|node| async move { (node, listeners_at(gateway, node, connection).await) })
        .collect();
    // The first that has somebody: a node that is down holds nobody up.
    while let Some((node, told)) = asked.next().await {
        let Some(there) = told else {
            verdict.unknown = true;
            continue;
        };
        if let Some(id) = verdict.look(there, &wanted).await {
            let node = Some(node);
            return Taker::Session { node, id };
        }
    }
    verdict.taker()
}

/// What is known once somebody was asked and none took the event.
#[derive(Default)]
struct Verdict {
    filtered: Option<Vec<Part>>,
    unknown: bool,
}

impl Verdict {
    async fn look(
        &mut self,
        listeners: Listeners,
        wanted: &Arc<(RequestRecord, Bytes)>,
    ) -> Option<CliSessionId> {
        self.unknown |= listeners.awaited;
        match choose(listeners.open, wanted).await {
            Choice::Takes(id) => return Some(id),
            Choice::Filtered(parts) => self.filtered = Some(parts),
            Choice::Nobody => {}
        }
        None
    }

    fn taker(self) -> Taker {
        match self.filtered {
            Some(parts) => Taker::Filtered(parts),
            None if self.unknown => Taker::Unknown,
            None => Taker::Nobody,
        }
    }
}

#[derive(Debug, PartialEq)]
enum Choice {
    Takes(CliSessionId),
    /// None takes it; the parts that the newest's filter does not match.
    Filtered(Vec<Part>),
    Nobody,
}

async fn choose(listeners: Vec<Listener>, wanted: &Arc<(RequestRecord, Bytes)>) -> Choice {
    // Most have no filter: nothing is read for them.
    if let Some(first) = listeners.first().filter(|first| first.filter.is_none()) {
        return Choice::Takes(first.session);
    }
    if listeners.is_empty() {
        return Choice::Nobody;
    }
    let wanted = wanted.clone();
    let chosen = tokio::task::spawn_blocking(move || {
        let document = Document::of(&wanted.0, &wanted.1);
        filtered(&listeners, &document)
    });
    chosen.await.unwrap_or(Choice::Nobody)
}

fn filtered(listeners: &[Listener], document: &Document<'_>) -> Choice {
    let mut newest = None;
    for listener in listeners {
        let failing = failing(listener.filter.as_ref(), document);
        if failing.is_empty() {
            return Choice::Takes(listener.session);
        }
        newest.get_or_insert(failing);
    }
    newest.map_or(Choice::Nobody, Choice::Filtered)
}

fn failing(filter: Option<&FilterRule>, document: &Document<'_>) -> Vec<Part> {
    let Some(filter) = filter else {
        return Vec::new();
    };
    // One that this node can't read takes nothing.
    Filter::stored(filter).failing(document, &mut Steps::of_request())
}

async fn listeners_at(
    gateway: &Gateway,
    node: NodeId,
    connection: ConnectionId,
) -> Option<Listeners> {
    let question = Question::Listeners { connection };
    let told = ask(gateway, node, &question, LOOK_WITHIN).await?;
    serde_json::from_slice(&told).ok()
}

async fn ask(
    gateway: &Gateway,
    node: NodeId,
    question: &Question,
    limit: Duration,
) -> Option<Bytes> {
    let question = serde_json::to_vec(question).expect("a question is plain JSON");
    gateway.cluster.ask(node, question.into(), limit).await.ok()
}

/// The attempt as a developer's machine is asked for it.
pub(super) fn asked(
    outgoing: &Outgoing,
    message: &Message,
    attempt: AttemptId,
    connection: ConnectionId,
    limit: Duration,
) -> Asked {
    let target = outgoing.url.strip_prefix(Destination::LOCAL);
    let mut headers = std::collections::BTreeMap::<String, String>::new();
    // The client's own HTTP library says where it goes and how much it sends.
    let named = outgoing.headers.iter();
    for (name, value) in named.filter(|(name, _)| name != "host" && name != "content-length") {
        let value = String::from_utf8_lossy(value);
        let values = headers.entry(name.clone()).or_default();
        if !values.is_empty() {
            values.push_str(", ");
        }
        values.push_str(&value);
    }
    let patience = limit.saturating_sub(MARGIN).max(limit / 2);
    Asked {
        attempt_id: attempt.to_string(),
        event_id: attempt.event.to_string(),
        webhook_id: connection.to_string(),
        cli_path: target.unwrap_or("/").to_owned(),
        request: AskedRequest {
            method: outgoing.method.clone(),
            timeout: u64::try_from(patience.as_millis()).unwrap_or(u64::MAX),
            data_string: String::from_utf8_lossy(&message.body).into_owned(),
            headers,
        },
    }
}

/// Has the attempt made by the session that takes it.
pub(super) async fn send(
    gateway: &Gateway,
    taker: &Taker,
    asked: Asked,
    limit: Duration,
) -> Outcome {
    let Taker::Session { node, id } = taker else {
        let why = match taker {
            Taker::Filtered(_) => {
                "who listens with the command line has filters that do not take it"
            }
            _ => "nobody listens with the command line",
        };
        return told(ErrorCode::CliUnavailable, why);
    };
    let frame = asked.frame();
    if frame.len() > ASKED_MAX {
        let why = format!("the event makes a frame of more than {ASKED_MAX} bytes");
        return told(ErrorCode::Cli, why);
    }
    let heard = match node {
        None => timeout(limit, gateway.sessions.ask(*id, asked.attempt_id, frame)).await,
        Some(node) => {
            let question = Question::Listen {
                session: *id,
                attempt: asked.attempt_id,
                frame,
                within_ms: u64::try_from(limit.as_millis()).unwrap_or(u64::MAX),
            };
            // Its own limit ends it; this one is for a node that hangs.
            let answer = timeout(limit, ask(gateway, *node, &question, limit)).await;
            answer.map(|answer| {
                let heard = answer.and_then(|answer| serde_json::from_slice(&answer).ok());
                heard.unwrap_or(Heard::Gone)
            })
        }
    };
    match heard {
        Ok(heard) => outcome(heard),
        Err(_) => Outcome::failed(ErrorCode::Timeout),
    }
}

fn outcome(heard: Heard) -> Outcome {
    match heard {
        Heard::Answered { status, body } => Outcome::answered(status, body, None),
        Heard::Silence => told(
            ErrorCode::Cli,
            "nothing answered on the machine that listens",
        ),
        Heard::Gone => told(
            ErrorCode::CliUnavailable,
            "the line to the machine that listens broke before it answered",
        ),
        Heard::Full => told(
            ErrorCode::CliUnavailable,
            "the machine that listens has as much under way as it may",
        ),
    }
}

/// The reason stands where an answer's body would.
fn told(code: ErrorCode, why: impl Into<Bytes>) -> Outcome {
    Outcome {
        response_body: why.into(),
        ..Outcome::failed(code)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::{ids::SourceId, time::Timestamp, traffic::Origin};
    use serde_json::json;

    fn wanted(body: &'static str) -> Arc<(RequestRecord, Bytes)> {
        let record = RequestRecord {
            source_id: SourceId(1),
            received_at: Timestamp(0),
            method: "POST".into(),
            path: "/paid".into(),
            query: String::new(),
            headers: vec![("content-type".into(), Bytes::from("application/json"))],
            origin: Origin::Unproven,
        };
        Arc::new((record, Bytes::from(body)))
    }

    fn listener(session: u128, body: Option<serde_json::Value>) -> Listener {
        let filter = body.map(|body| FilterRule {
            body: Some(body),
            ..FilterRule::default()
        });
        Listener {
            session: CliSessionId(session),
            filter,
        }
    }

    #[actix_rt::test]
    async fn the_newest_session_whose_filter_holds_takes_an_event() {
        let wanted = wanted(r#"{"total": 5}"#);
        let small = listener(2, Some(json!({"total": {"$lt": 5}})));
        let large = listener(1, Some(json!({"total": {"$gte": 5}})));
        let all = listener(3, None);
        let choose = |listeners: &[&Listener]| {
            let listeners = listeners.iter().map(|listener| (*listener).clone());
            super::choose(listeners.collect(), &wanted)
        };
        let takes = |id| Choice::Takes(CliSessionId(id));
        assert_eq!(choose(&[&small, &large, &all]).await, takes(1));
        assert_eq!(choose(&[&all, &large]).await, takes(3));
        assert_eq!(choose(&[&small, &all]).await, takes(3));
        assert_eq!(choose(&[&small]).await, Choice::Filtered(vec![Part::Body]));
        assert_eq!(choose(&[]).await, Choice::Nobody);
    }

    #[actix_rt::test]
    async fn only_what_is_certain_ends_an_event() {
        let wanted = wanted("{}");
        let verdict = async |all: Vec<Listeners>| {
            let mut verdict = Verdict::default();
            for listeners in all {
                assert_eq!(verdict.look(listeners, &wanted).await, None);
            }
            verdict.taker()
        };
        let awaited = Listeners {
            open: Vec::new(),
            awaited: true,
        };
        let filtered = Listeners {
            open: vec![listener(1, Some(json!(false)))],
            awaited: false,
        };
        assert_eq!(verdict(vec![Listeners::default()]).await, Taker::Nobody);
        let unknown = verdict(vec![awaited.clone(), Listeners::default()]).await;
        assert_eq!((unknown.ignores(), unknown), (None, Taker::Unknown));
        let filtered = verdict(vec![filtered, awaited]).await;
        let (cause, meta) = filtered.ignores().expect("ignored");
        let parts = IgnoredMeta::Filtered(vec![Part::Body]);
        assert_eq!((cause, meta), (IgnoreCause::Filtered, Some(parts)));
        let (cause, _) = Taker::Nobody.ignores().expect("ignored");
        assert_eq!(cause, IgnoreCause::CliDisconnected);
    }

    #[test]
    fn the_machine_is_asked_for_path_headers_and_body_as_text() {
        let header = |name: &str, value: &'static str| (name.to_owned(), Bytes::from(value));
        let outgoing = Outgoing {
            method: "PUT".into(),
            url: "http://localhost/hooks/x?a=1".into(),
            headers: vec![
                header("host", "localhost"),
                header("x-a", "1"),
                header("x-a", "2"),
                ("x-b".into(), Bytes::from_static(b"\xff")),
            ],
            kept: super::super::request::Kept::default(),
        };
        let message = Message {
            body: Bytes::from("{\"a\":\"\u{e4}\"}"),
            ..Message::default()
        };
        let event = model::ids::EventId(7);
        let attempt = AttemptId { event, number: 2 };
        let limit = Duration::from_secs(30);
        let asked = asked(&outgoing, &message, attempt, ConnectionId(3), limit);
        assert_eq!(asked.attempt_id, attempt.to_string());
        assert_eq!(asked.cli_path, "/hooks/x?a=1");
        assert_eq!(asked.request.method, "PUT");
        assert_eq!(asked.request.timeout, 29_000);
        assert_eq!(asked.request.data_string, "{\"a\":\"\u{e4}\"}");
        let headers: Vec<_> = asked.request.headers.iter().collect();
        assert_eq!(headers.len(), 2, "{headers:?}");
        assert_eq!(asked.request.headers["x-a"], "1, 2");
        assert_eq!(asked.request.headers["x-b"], "\u{fffd}");
    }

    #[test]
    fn what_is_heard_is_the_attempts_outcome() {
        let body = Bytes::from("made");
        let answered = outcome(Heard::Answered { status: 201, body });
        assert!(answered.is_success() && answered.response_body == "made");
        for (heard, code) in [
            (Heard::Silence, ErrorCode::Cli),
            (Heard::Gone, ErrorCode::CliUnavailable),
            (Heard::Full, ErrorCode::CliUnavailable),
        ] {
            let outcome = outcome(heard);
            assert_eq!(outcome.error_code, Some(code));
            assert!(!outcome.response_body.is_empty(), "it says why");
        }
    }
}
