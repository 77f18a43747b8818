//! `data` of an event: what its last attempt sent or, until an attempt has sent anything, what the next one would send.
//!
//! What was sent is told by what the attempt left behind, never by what is configured today: its URL, method and headers
//! are recorded to the letter, and so are the versions that ran over the request. Its body is not stored twice: those
//! versions never change, and over the stored request they make the same bytes again. Where they can't, because one is
//! kept no more or because what they make is not as long as what was sent, the data is null and says why.

use super::{api_error::ApiError, principal::Scoped, traffic_data, traffic_data::Detail};
use crate::{
    delivery,
    transform::{self, End, Halted, Passed, Pipeline, Stage},
};
use api::{
    problem::Problem,
    view::{attempt::headers_sent, data::DataView, event::EventView, words::Id},
};
use bytes::Bytes;
use model::{
    catalog::Destination,
    ids::{AttemptId, EventId},
    policy::{forwarding::Forwarding, signature, transform::Message},
    state::{kv::Read, tables, tables::TableError},
    traffic::{Attempt, Event, RequestRecord, StoredRequest},
};
use raft::Body;
use std::{collections::VecDeque, sync::Arc, time::Duration};
use tokio::{
    sync::Semaphore,
    time::{Instant, timeout},
};

/// Attempts that are looked at for the last one that sent something; those behind it had no token, or nowhere to go.
const LOOKED_AT: u16 = 16;
/// Requests that are put through transformations again at a time: each takes memory and a core that deliveries need.
const AT_ONCE: usize = 4;
/// What all transformations of one answer may take together.
const PATIENCE: Duration = Duration::from_secs(2);

static TURNS: Semaphore = Semaphore::const_new(AT_ONCE);

/// Until when the transformations of one answer may run.
#[derive(Clone, Copy)]
pub(super) struct Deadline(Instant);

impl Deadline {
    pub(super) fn of_an_answer() -> Self {
        Self(Instant::now() + PATIENCE)
    }

    fn left(self) -> Duration {
        self.0.saturating_duration_since(Instant::now())
    }
}

/// Why it can't be told what was, or would be, sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Unknown {
    #[error("the request is kept no more")]
    RequestGone,
    #[error("a version of a transformation that made what was sent is kept no more")]
    VersionGone,
    #[error("the request can't be made again into what was sent; its attempts tell the headers")]
    NotTheSame,
    #[error("nothing was sent yet, and the connection's rules come to no request now")]
    NoRequest,
    #[error("the request is too long to be transformed in a list; ask for the event itself")]
    TooLong,
    #[error("no node that answers has the body of the request; try again")]
    BodyAway,
    #[error("no node has the body of the request any more")]
    BodyLost,
    #[error("too many transformations wait for their turn; ask for the event itself, or later")]
    Busy,
}

impl From<Unknown> for ApiError {
    fn from(unknown: Unknown) -> Self {
        match unknown {
            Unknown::BodyAway | Unknown::Busy => Self::unavailable(unknown.to_string()),
            _ => Problem::gone(unknown.to_string()).into(),
        }
    }
}

/// The body that the request came with, as far as it is needed.
enum Content {
    Here(Bytes),
    /// It went on as it came, and is not shown.
    Unread(u32),
    Unknown(Unknown),
}

/// What is kept of an event's traffic, before anything is made of it.
pub(super) struct Traffic {
    id: EventId,
    event: Event,
    record: RequestRecord,
    content: Content,
    forwarding: Forwarding,
    stages: VecDeque<Stage>,
    /// The last attempt that sent something.
    sent: Option<(AttemptId, Attempt)>,
    destination: Option<Arc<Destination>>,
    detail: Detail,
}

/// An event's traffic with what was made of its request.
pub(super) struct Seen {
    traffic: Option<Traffic>,
    made: Result<Made, Unknown>,
}

/// What was, or would be, sent.
struct Made {
    message: Message,
    /// False: its body was not read.
    has_body: bool,
}

impl Traffic {
    /// Reads it from this node's replica, but for a body that lies elsewhere. For a thread that may wait.
    pub(super) fn read(
        gateway: &Scoped,
        id: EventId,
        event: &Event,
        detail: Detail,
    ) -> Result<Option<Self>, ApiError> {
        let view = gateway.cluster.view(id.group());
        let Some(request) = tables::request(&view, id.request())? else {
            return Ok(None);
        };
        let catalog = gateway.catalog();
        let sent = last_sent(&view, id, event)?;
        let stages = match (&sent, catalog.connections.get(&event.connection_id)) {
            (Some((attempt, _)), _) => {
                transform::chain(gateway, &tables::versions_of(&view, id, attempt.number)?)?
            }
            (None, Some(connection)) => {
                let pinned = delivery::pinned(&view, id, event)?;
                transform::stages(gateway, &catalog, connection, &pinned)?
            }
            (None, None) => VecDeque::new(),
        };
        let is_gone = stages
            .iter()
            .any(|stage| matches!(stage, Stage::Missing(_)));
        let content = match sent.is_some() && is_gone {
            true => Content::Unknown(Unknown::VersionGone),
            false => Content::read(gateway, id, &request, (detail, !stages.is_empty())),
        };
        let record = traffic_data::record(&request)?;
        let (source, destination) = (record.source_id, event.destination_id);
        Ok(Some(Self {
            id,
            event: event.clone(),
            content,
            forwarding: Forwarding::in_catalog(&catalog, source, Some(destination)),
            record,
            stages,
            sent,
            destination: catalog.destinations.get(&destination).cloned(),
            detail,
        }))
    }

    /// Puts its request through its transformations again.
    pub(super) async fn seen(mut self, gateway: &Scoped, deadline: Deadline) -> Seen {
        Seen {
            made: self.made(gateway, deadline).await,
            traffic: Some(self),
        }
    }

    /// The body, to the letter.
    pub(super) async fn body(mut self, gateway: &Scoped) -> Result<Bytes, Unknown> {
        let made = self.made(gateway, Deadline::of_an_answer()).await?;
        Ok(made.message.body)
    }

    async fn made(&mut self, gateway: &Scoped, deadline: Deadline) -> Result<Made, Unknown> {
        let content = std::mem::replace(&mut self.content, Content::Unread(0));
        let (body, unread) = match content {
            Content::Here(body) => (body, None),
            Content::Unread(length) => (Bytes::new(), Some(length)),
            Content::Unknown(unknown) => return Err(unknown),
        };
        let stages = std::mem::take(&mut self.stages);
        let message = if stages.is_empty() {
            Message::of(&self.record, body, &self.forwarding)
        } else {
            let pipeline = Pipeline {
                connection: self.event.connection_id,
                event: self.id,
                record: self.record.clone(),
                body,
                forwarding: self.forwarding.clone(),
                stages,
            };
            self.transformed(gateway, deadline, pipeline).await?
        };
        let length = unread.map_or(message.body.len(), |length| length as usize);
        let told = self
            .sent
            .as_ref()
            .and_then(|(_, attempt)| attempt.transport.http()?.sent.as_ref());
        if told.is_some_and(|told| told.body_len as usize != length) {
            return Err(Unknown::NotTheSame);
        }
        Ok(Made {
            message,
            has_body: unread.is_none(),
        })
    }

    async fn transformed(
        &self,
        gateway: &Scoped,
        deadline: Deadline,
        pipeline: Pipeline,
    ) -> Result<Message, Unknown> {
        let running = async {
            // It is never closed.
            let _turn = TURNS.acquire().await;
            pipeline.run_to_look_at(gateway).await
        };
        let Ok(passed) = timeout(deadline.left(), running).await else {
            return Err(Unknown::Busy);
        };
        match passed {
            Ok(Passed {
                end: End::Message(message),
                ..
            }) => Ok(message),
            Ok(_) if self.sent.is_some() => Err(Unknown::NotTheSame),
            Ok(_) => Err(Unknown::NoRequest),
            Err(Halted::Busy | Halted::Stopping) => Err(Unknown::Busy),
        }
    }

    fn show(&self, gateway: &Scoped, made: &Made) -> DataView {
        let catalog = gateway.catalog();
        let source = catalog.sources.get(&self.record.source_id);
        let redacted = |mut record: RequestRecord| {
            if let Some(source) = source {
                signature::redact(&mut record, &source.verification);
            }
            record
        };
        let message = &made.message;
        let (url, method) = self.target(message);
        let known = redacted(message.as_record(&self.record));
        let (path, query) = within(&url, &known.path, &known.query);
        let names: Vec<&str> = known
            .headers
            .iter()
            .map(|(name, _)| name.as_str())
            .collect();
        let recorded = self.sent.as_ref().and_then(|(id, attempt)| {
            let sent = headers_sent(*id, attempt, &redacted(self.record.clone()))?;
            let is_cut = attempt.transport.http().is_some_and(|http| http.is_cut);
            Some((sent, is_cut))
        });
        let (headers, is_cut) = recorded.unwrap_or_else(|| (known.headers.clone(), false));
        let is_there = |wanted: &&str| headers.iter().any(|(name, _)| name == wanted);
        let is_cut = is_cut && !names.iter().all(is_there);
        let appended = headers.iter().map(|(name, _)| name.as_str());
        let appended = appended.filter(|name| !names.contains(name));
        let appended = appended.map(str::to_owned).collect();
        let record = RequestRecord {
            method,
            path: path.clone().unwrap_or_default(),
            query: query.clone().unwrap_or_default(),
            headers,
            ..known
        };
        let length_max = self.detail.body_max() as usize;
        let body = Some(message.body.as_ref());
        let body = body.filter(|body| made.has_body && body.len() <= length_max);
        DataView {
            url: Some(url),
            path,
            query,
            appended_headers: Some(appended),
            headers_cut: is_cut.then_some(true),
            ..DataView::of(&record, "", body)
        }
    }

    /// Where it went and by which method, or would go as its destination is now.
    fn target(&self, message: &Message) -> (String, String) {
        let sent = self.sent.as_ref();
        if let Some(http) = sent.and_then(|(_, attempt)| attempt.transport.http()) {
            return (http.requested_url.clone(), http.http_method.clone());
        }
        let destination = self.destination.as_ref();
        let target = destination.and_then(|known| delivery::target(&known.kind, message));
        target.unwrap_or_else(|| (String::new(), message.method.clone()))
    }
}

impl Seen {
    /// What there is to see of an event whose request is gone.
    pub(super) fn nothing() -> Self {
        Self {
            traffic: None,
            made: Err(Unknown::RequestGone),
        }
    }

    /// Tells it within the event's model. For a thread that may take its time: a body may be long.
    pub(super) fn tell(&self, gateway: &Scoped, model: EventView) -> EventView {
        let traffic = self.traffic.as_ref();
        let sent = traffic.and_then(|traffic| traffic.sent.as_ref());
        let data = traffic.zip(self.made.as_ref().ok());
        let why = self.made.as_ref().err().map(ToString::to_string);
        EventView {
            data: Some(data.map(|(traffic, made)| traffic.show(gateway, made))),
            data_unknown_because: Some(why),
            data_attempt_id: Some(sent.map(|(id, _)| Id(*id))),
            ..model
        }
    }
}

impl Content {
    fn read(
        gateway: &Scoped,
        id: EventId,
        request: &StoredRequest,
        (detail, is_transformed): (Detail, bool),
    ) -> Self {
        let Some(at) = request.body else {
            return Self::Here(Bytes::new());
        };
        if at.len > detail.body_max() {
            match (is_transformed, detail) {
                (false, _) => return Self::Unread(at.len),
                (true, Detail::Listed) => return Self::Unknown(Unknown::TooLong),
                (true, Detail::Alone | Detail::Whole) => {}
            }
        }
        if detail == Detail::Listed {
            // A list waits for no other node.
            return match gateway.cluster.payload(id.group(), &at).ok().flatten() {
                Some(body) => Self::Here(body),
                None if is_transformed => Self::Unknown(Unknown::BodyAway),
                None => Self::Unread(at.len),
            };
        }
        match gateway.cluster.body_blocking(id.group(), at) {
            Body::Here(body) => Self::Here(body),
            // Everything else of it can be told.
            _ if !is_transformed && detail == Detail::Alone => Self::Unread(at.len),
            Body::Away { .. } => Self::Unknown(Unknown::BodyAway),
            Body::Lost => Self::Unknown(Unknown::BodyLost),
        }
    }
}

/// The last attempt of an event that sent something.
fn last_sent(
    view: &impl Read,
    event: EventId,
    stored: &Event,
) -> Result<Option<(AttemptId, Attempt)>, TableError> {
    for number in (1..=stored.attempts).rev().take(LOOKED_AT.into()) {
        let id = AttemptId { event, number };
        let attempt = tables::attempt(view, id)?;
        if let Some(attempt) = attempt.filter(|attempt| attempt.transport.http().is_some()) {
            return Ok(Some((id, attempt)));
        }
    }
    Ok(None)
}

/// What of a message's path and query stands in the URL that it went to; none where nothing of it does. A destination may
/// take neither, and what its own URL sets keeps a stranger's parameter of that name out.
fn within(url: &str, path: &str, query: &str) -> (Option<String>, Option<String>) {
    let all = || (Some(path.to_owned()), Some(query.to_owned()));
    // Nothing is known of where it goes, or of the end of where it went.
    if url.is_empty() || url.len() + 4 > delivery::URL_KEPT {
        return all();
    }
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let target = rest.find(['/', '?']).map_or("", |at| &rest[at..]);
    let (url_path, url_query) = target.split_once('?').unwrap_or((target, ""));
    let path = Some(path).filter(|path| matches!(*path, "" | "/") || url_path.ends_with(path));
    let parts: Vec<&str> = url_query
        .split('&')
        .flat_map(|part| part.split(';'))
        .collect();
    let kept = query.split('&').filter_map(|part| {
        let kept: Vec<&str> = part
            .split(';')
            .filter(|part| parts.contains(part))
            .collect();
        (!kept.is_empty()).then(|| kept.join(";"))
    });
    let kept: Vec<String> = kept.collect();
    let query = (query.is_empty() || !kept.is_empty()).then(|| kept.join("&"));
    (path.map(str::to_owned), query)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_path_and_query_only_what_went_to_the_destination_is_told() {
        let long = format!("https://a.example/{}", "x".repeat(delivery::URL_KEPT));
        for (url, path, query, expected) in [
            ("", "/p", "q=1", (Some("/p"), Some("q=1"))),
            (
                "https://a/hook/p?q=1",
                "/p",
                "q=1",
                (Some("/p"), Some("q=1")),
            ),
            ("https://a/hook", "/p", "q=1", (None, None)),
            ("https://a/hook", "", "", (Some(""), Some(""))),
            ("https://a", "/", "", (Some("/"), Some(""))),
            ("https://a?k=1", "/p", "", (None, Some(""))),
            // What the operator's URL sets is nobody else's.
            (
                "https://a/p?mode=safe&q=1",
                "/p",
                "q=1&mode=theirs",
                (Some("/p"), Some("q=1")),
            ),
            (
                "https://a/p?mode=safe",
                "/p",
                "mode=theirs",
                (Some("/p"), None),
            ),
            (
                "https://a/p?mode=safe&q=1;r=2",
                "/p",
                "q=1;r=2;mode=x",
                (Some("/p"), Some("q=1;r=2")),
            ),
            (long.as_str(), "/p", "q=1", (Some("/p"), Some("q=1"))),
        ] {
            let (told_path, told_query) = within(url, path, query);
            assert_eq!(
                (told_path.as_deref(), told_query.as_deref()),
                expected,
                "{url}"
            );
        }
    }

    #[test]
    fn what_may_be_there_later_is_503_and_the_rest_is_gone() {
        use actix_web::ResponseError;
        for (unknown, status) in [
            (Unknown::Busy, 503),
            (Unknown::BodyAway, 503),
            (Unknown::BodyLost, 404),
            (Unknown::VersionGone, 404),
            (Unknown::NotTheSame, 404),
        ] {
            assert_eq!(ApiError::from(unknown).status_code(), status, "{unknown}");
        }
    }
}
