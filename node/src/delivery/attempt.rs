//! One attempt: load, reshape, fence, send, report.

use super::{
    dispatcher::Shared,
    exchange::{self, Exchanged},
    outlet::Outlet,
    reporter::Report,
    request::{self, Kept, Launch},
    work::{self, Work},
};
use crate::{
    gateway::Gateway,
    transform::{End, Halted, Passed, Pipeline},
    world,
};
use model::{
    catalog::{Destination, DestinationAuth, Secret},
    machine::{Next, Run, RunEnd, RunReport},
    policy::{destination_url, retry, transform::Message},
    state::keys::Due,
    time::Timestamp,
    traffic::{Attempt, ErrorCode, Outcome, Trace},
};
use raft::Leadership;
use std::time::Duration;
use tokio::time::{Instant, timeout_at};

/// A URL longer than this is kept cut.
const URL_KEPT: usize = 2048;
const UNREADABLE_PAUSE: Duration = Duration::from_secs(1);
/// The answer that says that a token is not taken any more.
const UNAUTHORIZED: u16 = 401;

/// What came of launching an event.
pub(super) enum Launched {
    Done(Box<Report>),
    /// The event is not due any more, or this node may not send for its partition.
    NotMade,
}

/// What an attempt came to, with all that is kept of it.
struct Tried {
    outcome: Outcome,
    method: String,
    url: String,
    trace: Trace,
}

impl Tried {
    /// It came to no request.
    fn not_sent(outcome: Outcome) -> Self {
        Self {
            outcome,
            method: String::new(),
            url: String::new(),
            trace: Trace::default(),
        }
    }

    fn sent(method: String, kept: Kept, exchanged: Exchanged) -> Self {
        Self {
            outcome: exchanged.outcome,
            method,
            url: kept.url,
            trace: Trace {
                sent: Some(kept.sent),
                answered: exchanged.headers,
                is_cut: kept.is_cut || exchanged.is_cut,
                timing: exchanged.timing,
            },
        }
    }
}

/// Makes one attempt for a due event.
pub(super) async fn make(shared: &Shared, outlet: &Outlet, due: Due) -> Launched {
    let gateway = &shared.gateway;
    let Some(leadership) = gateway.cluster.leads(due.event.group()) else {
        return Launched::NotMade;
    };
    let loading = gateway.clone();
    let loaded = tokio::task::spawn_blocking(move || work::load(&loading, due)).await;
    let mut work = match loaded.map_err(|error| error.to_string()) {
        Ok(Ok(Some(work))) => work,
        Ok(Ok(None)) => return Launched::NotMade,
        Ok(Err(error)) => return unreadable(due, &error.to_string()).await,
        Err(error) => return unreadable(due, &error).await,
    };
    let number = work.event.attempts.saturating_add(1);
    let (message, runs) = match reshaped(gateway, &mut work).await {
        Ok(Some(Passed { runs, end })) => match end {
            End::Message(message) => (Some(message), runs),
            End::Ignored { cause, meta } => {
                let end = RunEnd::Ignored {
                    due_at: due.at,
                    cause,
                    meta,
                };
                return Launched::Done(told(due, number, runs, end));
            }
        },
        Ok(None) => (None, Vec::new()),
        Err(Halted::Busy | Halted::Stopping) => return Launched::NotMade,
    };
    let started_at = world::now();
    let reach = &shared.egress.reach;
    let tried = match (&work.destination, &message) {
        (None, _) => Some(Tried::not_sent(Outcome::failed(ErrorCode::MissingUrl))),
        (_, None) => Some(Tried::not_sent(Outcome::failed(ErrorCode::PayloadMissing))),
        (Some(destination), _) if destination_url::check(&destination.url, reach).is_err() => {
            Some(Tried::not_sent(Outcome::failed(ErrorCode::InvalidUrl)))
        }
        (Some(destination), Some(message)) => {
            let sending = Sending {
                shared,
                outlet,
                work: &work,
                destination,
                message,
                number,
                started_at,
                leadership,
            };
            sending.run().await
        }
    };
    let Some(tried) = tried else {
        return Launched::NotMade;
    };
    let end = attempted(gateway, &work, number, (started_at, world::now()), tried);
    Launched::Done(told(due, number, runs, end))
}

/// What the rules at delivery make of the request; none where its body is lost.
async fn reshaped(gateway: &Gateway, work: &mut Work) -> Result<Option<Passed>, Halted> {
    let Some(body) = work.body.clone() else {
        return Ok(None);
    };
    let stages = std::mem::take(&mut work.stages);
    if stages.is_empty() {
        let message = Message::of(&work.record, body);
        return Ok(Some(Passed {
            runs: Vec::new(),
            end: End::Message(message),
        }));
    }
    let pipeline = Pipeline {
        connection: work.event.connection_id,
        event: work.due.event,
        record: work.record.clone(),
        body,
        stages,
    };
    pipeline.run(gateway).await.map(Some)
}

fn told(due: Due, number: u16, runs: Vec<Run>, end: RunEnd) -> Box<Report> {
    Box::new(Report {
        report: RunReport {
            event: due.event,
            number,
            runs,
            end,
        },
        recorded: None,
    })
}

/// One attempt that has somewhere to go.
struct Sending<'a> {
    shared: &'a Shared,
    outlet: &'a Outlet,
    work: &'a Work,
    destination: &'a Destination,
    message: &'a Message,
    number: u16,
    started_at: Timestamp,
    leadership: Leadership,
}

impl Sending<'_> {
    /// None: this node may not send any more.
    async fn run(&self) -> Option<Tried> {
        let deadline = Instant::now() + self.limit();
        let token = match timeout_at(deadline, self.token()).await {
            Ok(Ok(token)) => token,
            Ok(Err(error)) => return Some(Tried::not_sent(no_token(error))),
            Err(_) => return Some(Tried::not_sent(no_token("no token came in time".into()))),
        };
        let client = match self.outlet.client(self.destination) {
            Ok(client) => client,
            Err(error) => {
                tracing::error!(destination = %self.destination.id, %error, "attempt not made");
                let outcome = Outcome::failed(ErrorCode::InternalError);
                return Some(Tried::not_sent(outcome));
            }
        };
        let launch = Launch {
            work: self.work,
            destination: self.destination,
            message: self.message,
            number: self.number,
            now: self.started_at,
            retry_after_s: will_retry_after(self.work, self.number, self.started_at),
            token: token.as_ref(),
        };
        let outgoing = match request::outgoing(&launch) {
            Ok(outgoing) => outgoing,
            Err(code) => return Some(Tried::not_sent(Outcome::failed(code))),
        };
        // The fence: right before each send, and not a moment earlier.
        let (cluster, group) = (&self.shared.gateway.cluster, self.work.due.event.group());
        if !cluster.may_send(group, self.leadership.term) {
            return None;
        }
        let left = deadline.saturating_duration_since(Instant::now());
        let exchanged = exchange::send(&client, &outgoing, &self.message.body, left).await;
        if let Some(token) = &token
            && exchanged.outcome.response_status == Some(UNAUTHORIZED)
        {
            self.shared.tokens.refuse(self.destination.id, token);
        }
        Some(Tried::sent(outgoing.method, outgoing.kept, exchanged))
    }

    fn limit(&self) -> Duration {
        let own = self.destination.outbound.timeout_ms.map(u64::from);
        let usual = self.shared.gateway.config.delivery.timeout_ms;
        Duration::from_millis(own.unwrap_or(usual))
    }

    async fn token(&self) -> Result<Option<Secret>, String> {
        match &self.destination.outbound.auth {
            DestinationAuth::Oauth2ClientCredentials(credentials) => {
                let tokens = &self.shared.tokens;
                tokens.get(self.destination, credentials).await.map(Some)
            }
            _ => Ok(None),
        }
    }
}

/// The reason stands where an answer's body would: the destination was not asked.
fn no_token(reason: String) -> Outcome {
    Outcome {
        response_body: reason.into(),
        ..Outcome::failed(ErrorCode::Oauth2HandshakeFailed)
    }
}

/// A row that can't be read is looked at again, but not in a tight circle.
async fn unreadable(due: Due, error: &str) -> Launched {
    tracing::error!(event = %due.event, error, "event not read");
    tokio::time::sleep(UNREADABLE_PAUSE).await;
    Launched::NotMade
}

fn will_retry_after(work: &Work, number: u16, now: Timestamp) -> Option<u64> {
    let rule = Some(work.connection.as_ref()?.retry());
    let failed = Outcome::failed(ErrorCode::Unknown);
    match retry::decide(rule, number, work.event.created_at, &failed, now, 0.5) {
        Next::RetryAt(at) => Some(at.since_ms(now).div_ceil(1000)),
        Next::Delivered | Next::GiveUp => None,
    }
}

fn attempted(
    gateway: &Gateway,
    work: &Work,
    number: u16,
    (started_at, finished_at): (Timestamp, Timestamp),
    tried: Tried,
) -> RunEnd {
    let outcome = tried.outcome;
    // Without a destination or a body the next try would be no different.
    let possible = work.destination.is_some() && work.body.is_some();
    let rule = work
        .connection
        .as_ref()
        .filter(|_| possible)
        .map(|connection| connection.retry());
    let next = retry::decide(
        rule,
        number,
        work.event.created_at,
        &outcome,
        finished_at,
        world::fraction(),
    );
    let metrics = &gateway.metrics;
    let status = if outcome.is_success() {
        "SUCCESSFUL"
    } else {
        "FAILED"
    };
    metrics.deliveries.with_label_values(&[status]).inc();
    metrics
        .attempt_seconds
        .observe(finished_at.since_ms(started_at) as f64 / 1000.0);
    let mut requested_url = tried.url;
    if requested_url.len() > URL_KEPT {
        let end = requested_url.floor_char_boundary(URL_KEPT);
        requested_url.truncate(end);
    }
    RunEnd::Attempted {
        attempt: Attempt {
            trigger: work.event.next_trigger,
            node: gateway.cluster.node_id(),
            requested_url,
            http_method: tried.method,
            started_at,
            finished_at,
            outcome,
            trace: tried.trace,
        },
        next,
    }
}
