//! Deliveries to developers' machines: who listens is asked of this node first, then of the others. The one whose session
//! takes the event makes the attempt.

use super::{
    exchange::Exchanged,
    over_http,
    request::Outgoing,
    sending::{Sending, Sent},
};
use crate::{
    delivery::gate::{Gate, Shut},
    gateway::Gateway,
    peer::Question,
    sessions::{
        Heard, Listener, Listeners,
        frames::{ASKED_MAX, Asked, AskedRequest},
    },
};
use futures::stream::{FuturesUnordered, StreamExt};
use model::{
    catalog::{CliTarget, FilterRule},
    ids::{AttemptId, CliSessionId, ConnectionId, NodeId},
    policy::{
        document::{Document, Part},
        filter::{Filter, Steps},
        transform::Message,
    },
    traffic::{ErrorCode, IgnoreCause, IgnoredMeta, Outcome, RequestRecord},
};
use std::{io, time::Duration};
use tokio::time::Instant;

/// A body as it is, as text, and as a frame of the line to the developer.
pub(super) const COPIES: u64 = 3;
/// What another node may take to say who listens there.
const LOOK_WITHIN: Duration = Duration::from_millis(1500);
/// The developer's machine gives up so much earlier than we do: then it can still say so.
const MARGIN: Duration = Duration::from_secs(1);

/// Makes an attempt on the machine of a developer who listens. Where nobody does, or wants the event, a first one is none.
///
/// # Errors
/// When there is no permit, or this node may not send any more.
pub(super) async fn send(
    sending: &Sending<'_>,
    target: &CliTarget,
    gate: Gate,
) -> Result<Sent, Shut> {
    let gateway = &sending.shared.gateway;
    let (connection, message) = (sending.work.event.connection_id, sending.message);
    let found = find(gateway, connection, message, &sending.work.record).await;
    if let Some((cause, meta)) = found.ignores().filter(|_| sending.is_first()) {
        return Ok(Sent::Ignored { cause, meta });
    }
    let exchange = async |outgoing: &Outgoing, left| {
        let started = Instant::now();
        let asked = asked(outgoing, message, sending.id(), connection, left);
        let outcome = ask(gateway, &found, asked, left).await;
        Exchanged::unseen(outcome, started.elapsed())
    };
    let base_url = target.base_url();
    let tried = over_http::attempt(sending, &base_url, &target.request, gate, exchange).await?;
    Ok(tried.into())
}

/// The session that takes an event, or why there is none.
#[derive(Debug, PartialEq)]
enum SessionLookup {
    Found {
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

impl SessionLookup {
    /// Why a first attempt is none: who listens does not want the event, or nobody does. None: it is to be made.
    fn ignores(&self) -> Option<(IgnoreCause, Option<IgnoredMeta>)> {
        match self {
            Self::Filtered(parts) => {
                let meta = IgnoredMeta::Filtered(parts.clone());
                Some((IgnoreCause::Filtered, Some(meta)))
            }
            Self::Nobody => Some((IgnoreCause::CliDisconnected, None)),
            Self::Found { .. } | Self::Unknown => None,
        }
    }
}

/// Looks for a session that listens for a connection and takes the message.
async fn find(
    gateway: &Gateway,
    connection: ConnectionId,
    message: &Message,
    record: &RequestRecord,
) -> SessionLookup {
    let wanted = Wanted { message, record };
    let mut verdict = Verdict::default();
    let here = gateway.sessions.of(connection, Instant::now());
    if let Some(id) = verdict.look(here, &wanted).await {
        return SessionLookup::Found { node: None, id };
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
            return SessionLookup::Found { node, id };
        }
    }
    verdict.lookup()
}

/// What somebody is wanted for.
struct Wanted<'a> {
    message: &'a Message,
    record: &'a RequestRecord,
}

/// What is known once somebody was asked and none took the event.
#[derive(Default)]
struct Verdict {
    filtered: Option<Vec<Part>>,
    unknown: bool,
}

impl Verdict {
    async fn look(&mut self, listeners: Listeners, wanted: &Wanted<'_>) -> Option<CliSessionId> {
        self.unknown |= listeners.awaited;
        match choose(listeners.open, wanted).await {
            Choice::Takes(id) => return Some(id),
            Choice::Filtered(parts) => self.filtered = Some(parts),
            Choice::Nobody => {}
            Choice::Unknown => self.unknown = true,
        }
        None
    }

    fn lookup(self) -> SessionLookup {
        match self.filtered {
            Some(parts) => SessionLookup::Filtered(parts),
            None if self.unknown => SessionLookup::Unknown,
            None => SessionLookup::Nobody,
        }
    }
}

#[derive(Debug, PartialEq)]
enum Choice {
    Takes(CliSessionId),
    /// None takes it; the parts that the newest's filter does not match.
    Filtered(Vec<Part>),
    Nobody,
    Unknown,
}

async fn choose(listeners: Vec<Listener>, wanted: &Wanted<'_>) -> Choice {
    // Most have no filter: nothing is read for them.
    if let Some(first) = listeners.first().filter(|first| first.filter.is_none()) {
        return Choice::Takes(first.session);
    }
    if listeners.is_empty() {
        return Choice::Nobody;
    }
    let (record, body) = (
        wanted.message.as_record(wanted.record),
        wanted.message.body.clone(),
    );
    let chosen = tokio::task::spawn_blocking(move || {
        let document = Document::of(&record, &body);
        filtered(&listeners, &document)
    });
    // Only what is certain ends an event: filters that could not be asked have not said no.
    chosen.await.unwrap_or(Choice::Unknown)
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
    question.put(&gateway.cluster, node, LOOK_WITHIN).await.ok()
}

/// The attempt as a developer's machine is asked for it.
fn asked(
    outgoing: &Outgoing,
    message: &Message,
    attempt: AttemptId,
    connection: ConnectionId,
    limit: Duration,
) -> Asked {
    let target = outgoing.url.strip_prefix(CliTarget::LOCAL);
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
async fn ask(gateway: &Gateway, found: &SessionLookup, asked: Asked, limit: Duration) -> Outcome {
    let SessionLookup::Found { node, id } = found else {
        let why = match found {
            SessionLookup::Filtered(_) => {
                "who listens with the command line has filters that do not take it"
            }
            _ => "nobody listens with the command line",
        };
        return Outcome::failed_because(ErrorCode::CliUnavailable, why);
    };
    let frame = asked.frame();
    if frame.len() > ASKED_MAX {
        let why = format!("the event makes a frame of more than {ASKED_MAX} bytes");
        return Outcome::failed_because(ErrorCode::Cli, why);
    }
    outcome(match node {
        None => {
            let sessions = &gateway.sessions;
            sessions.ask(*id, asked.attempt_id, frame, limit).await
        }
        Some(node) => {
            let question = Question::Listen {
                session: *id,
                attempt: asked.attempt_id,
                frame,
                within_ms: u64::try_from(limit.as_millis()).unwrap_or(u64::MAX),
            };
            let heard = question.put(&gateway.cluster, *node, limit).await;
            heard.unwrap_or_else(|error| match error.kind() {
                io::ErrorKind::TimedOut => Heard::Late,
                _ => Heard::Gone,
            })
        }
    })
}

fn outcome(heard: Heard) -> Outcome {
    match heard {
        Heard::Answered { status, body } => Outcome::answered(status, body, None),
        Heard::Silence => Outcome::failed_because(
            ErrorCode::Cli,
            "nothing answered on the machine that listens",
        ),
        Heard::Gone => Outcome::failed_because(
            ErrorCode::CliUnavailable,
            "the line to the machine that listens broke before it answered",
        ),
        Heard::Full => Outcome::failed_because(
            ErrorCode::CliUnavailable,
            "the machine that listens has as much under way as it may",
        ),
        Heard::Late => Outcome::failed(ErrorCode::Timeout),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use model::{kit, policy::forwarding::Forwarding};
    use serde_json::json;

    fn wanted(body: &'static str) -> (Message, RequestRecord) {
        let record = RequestRecord {
            path: "/paid".into(),
            headers: vec![("content-type".into(), Bytes::from("application/json"))],
            ..kit::record()
        };
        let message = Message::of(&record, Bytes::from(body), &Forwarding::default());
        (message, record)
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
        let (message, record) = wanted(r#"{"total": 5}"#);
        let (message, record) = (&message, &record);
        let wanted = Wanted { message, record };
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
        let (message, record) = wanted("{}");
        let (message, record) = (&message, &record);
        let wanted = Wanted { message, record };
        let verdict = async |all: Vec<Listeners>| {
            let mut verdict = Verdict::default();
            for listeners in all {
                assert_eq!(verdict.look(listeners, &wanted).await, None);
            }
            verdict.lookup()
        };
        let awaited = Listeners {
            open: Vec::new(),
            awaited: true,
        };
        let filtered = Listeners {
            open: vec![listener(1, Some(json!(false)))],
            awaited: false,
        };
        assert_eq!(
            verdict(vec![Listeners::default()]).await,
            SessionLookup::Nobody
        );
        let unknown = verdict(vec![awaited.clone(), Listeners::default()]).await;
        assert_eq!((unknown.ignores(), unknown), (None, SessionLookup::Unknown));
        let filtered = verdict(vec![filtered, awaited]).await;
        let (cause, meta) = filtered.ignores().expect("ignored");
        let parts = IgnoredMeta::Filtered(vec![Part::Body]);
        assert_eq!((cause, meta), (IgnoreCause::Filtered, Some(parts)));
        let (cause, _) = SessionLookup::Nobody.ignores().expect("ignored");
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
            kept: crate::delivery::transport::request::Kept::default(),
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
        assert!(answered.is_success() && answered.text() == "made");
        for (heard, code) in [
            (Heard::Silence, ErrorCode::Cli),
            (Heard::Gone, ErrorCode::CliUnavailable),
            (Heard::Full, ErrorCode::CliUnavailable),
        ] {
            let outcome = outcome(heard);
            assert_eq!(outcome.error_code, Some(code));
            assert!(!outcome.text().is_empty(), "it says why");
        }
        assert_eq!(outcome(Heard::Late).error_code, Some(ErrorCode::Timeout));
    }
}
