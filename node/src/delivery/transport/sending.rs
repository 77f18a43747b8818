//! The sending half of an attempt: a token where one is needed, the permit, the fence, the exchange with whoever stands at
//! the other end.

use super::{
    cli::{self, SessionLookup},
    client::KeptClient,
    exchange::{self, Exchanged},
    request::{self, Kept, Launch, Outgoing, Unsendable},
};
use crate::{
    delivery::{
        gate::{Gate, Shut},
        shared::Shared,
        work::Work,
    },
    egress::Client,
    world,
};
use bytes::Bytes;
use model::{
    catalog::{Destination, DestinationAuth, DestinationKind, Secret},
    ids::AttemptId,
    machine::Next,
    policy::{receiver::Asked, retry, transform::Message},
    time::Timestamp,
    traffic::{ErrorCode, IgnoreCause, IgnoredMeta, Outcome, Trace, Trigger},
};
use raft::Leadership;
use std::time::Duration;
use tokio::time::{Instant, timeout};

/// The answer that says that a token is not taken any more.
const UNAUTHORIZED: u16 = 401;

/// The answer of nobody's server.
const ACCEPTED: u16 = 200;

/// What sending came to.
pub(in crate::delivery) enum Sent {
    Tried(Box<Tried>),
    /// It came to no attempt: nobody wants it.
    Ignored {
        cause: IgnoreCause,
        meta: Option<IgnoredMeta>,
    },
}

/// Who is at the other end.
enum End {
    Server(Client),
    Developer(SessionLookup),
    Nobody,
}

/// What an attempt came to, with all that is kept of it.
pub(in crate::delivery) struct Tried {
    pub(in crate::delivery) started_at: Timestamp,
    pub(in crate::delivery) outcome: Outcome,
    pub(in crate::delivery) asked: Asked,
    pub(in crate::delivery) method: String,
    pub(in crate::delivery) url: String,
    pub(in crate::delivery) trace: Trace,
}

impl Tried {
    /// It came to no request.
    pub(in crate::delivery) fn not_sent(code: ErrorCode) -> Self {
        Self::without_request(world::now(), Outcome::failed(code))
    }

    /// The reason stands where an answer's body would: the destination was not asked.
    fn without_token(started_at: Timestamp, reason: String) -> Self {
        let outcome = Outcome {
            response_body: reason.into(),
            ..Outcome::failed(ErrorCode::Oauth2HandshakeFailed)
        };
        Self::without_request(started_at, outcome)
    }

    /// The reason stands where an answer's body would, as above.
    fn unsendable(started_at: Timestamp, unsendable: Unsendable) -> Self {
        let outcome = Outcome {
            response_body: unsendable.reason.into(),
            ..Outcome::failed(unsendable.code)
        };
        Self {
            // No later try would be another.
            asked: Asked {
                abort: true,
                ..Asked::default()
            },
            ..Self::without_request(started_at, outcome)
        }
    }

    fn without_request(started_at: Timestamp, outcome: Outcome) -> Self {
        Self {
            started_at,
            outcome,
            asked: Asked::default(),
            method: String::new(),
            url: String::new(),
            trace: Trace::default(),
        }
    }

    fn sent(started_at: Timestamp, method: String, kept: Kept, exchanged: Exchanged) -> Self {
        Self {
            started_at,
            outcome: exchanged.outcome,
            asked: exchanged.asked,
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

/// One attempt that has somewhere to go.
pub(in crate::delivery) struct Sending<'a> {
    pub(in crate::delivery) shared: &'a Shared,
    pub(in crate::delivery) client: &'a KeptClient,
    pub(in crate::delivery) work: &'a Work,
    pub(in crate::delivery) destination: &'a Destination,
    pub(in crate::delivery) message: &'a Message,
    pub(in crate::delivery) number: u16,
    pub(in crate::delivery) leadership: Leadership,
}

impl Sending<'_> {
    /// # Errors
    /// When there is no permit, or this node may not send any more.
    pub(in crate::delivery) async fn run(&self, gate: Gate) -> Result<Sent, Shut> {
        let end = match self.end().await {
            Ok(end) => end,
            Err(code) => return Ok(Sent::Tried(Box::new(Tried::not_sent(code)))),
        };
        if let End::Developer(found) = &end
            && let Some((cause, meta)) = found.ignores().filter(|_| self.is_first())
        {
            return Ok(Sent::Ignored { cause, meta });
        }
        let tried = self.attempt(&end, gate).await?;
        Ok(Sent::Tried(Box::new(tried)))
    }

    /// Whether nobody has seen an attempt of the event, nor asked for one.
    fn is_first(&self) -> bool {
        self.number == 1 && self.work.event.next_trigger == Trigger::Initial
    }

    async fn end(&self) -> Result<End, ErrorCode> {
        match self.destination.outbound.kind {
            DestinationKind::Http => match self.client.client(self.destination) {
                Ok(client) => Ok(End::Server(client)),
                Err(error) => {
                    tracing::error!(destination = %self.destination.id, %error, "attempt not made");
                    Err(ErrorCode::InternalError)
                }
            },
            DestinationKind::Cli { .. } => {
                let gateway = &self.shared.gateway;
                let (connection, record) = (self.work.event.connection_id, &self.work.record);
                let found = cli::find(gateway, connection, self.message, record);
                Ok(End::Developer(found.await))
            }
            DestinationKind::MockApi => Ok(End::Nobody),
        }
    }

    async fn attempt(&self, end: &End, gate: Gate) -> Result<Tried, Shut> {
        let (began, began_at) = (Instant::now(), world::now());
        let limit = self.limit();
        let token = match timeout(limit, self.token()).await {
            Ok(Ok(token)) => token,
            Ok(Err(error)) => return Ok(Tried::without_token(began_at, error)),
            Err(_) => {
                let late = "no token came in time".to_owned();
                return Ok(Tried::without_token(began_at, late));
            }
        };
        let left = limit.saturating_sub(began.elapsed());
        gate.pass().await?;
        // Signatures tell this time: waiting for the permit is not part of the attempt.
        let started_at = world::now();
        let launch = Launch {
            work: self.work,
            destination: self.destination,
            message: self.message,
            number: self.number,
            now: started_at,
            retry_after_s: will_retry_after(self.work, self.number, started_at),
            token: token.as_ref(),
        };
        let outgoing = match request::outgoing(&launch) {
            Ok(outgoing) => outgoing,
            Err(unsendable) => return Ok(Tried::unsendable(started_at, unsendable)),
        };
        // The fence: right before each send, and not a moment earlier.
        let (cluster, group) = (&self.shared.gateway.cluster, self.work.due.event.group());
        if !cluster.may_send(group, self.leadership.term) {
            return Err(Shut::Late);
        }
        let exchanged = self.exchange(end, &outgoing, left).await;
        if let Some(token) = &token
            && exchanged.outcome.response_status == Some(UNAUTHORIZED)
        {
            self.shared.tokens.refuse(self.destination.id, token);
        }
        let method = outgoing.method;
        Ok(Tried::sent(started_at, method, outgoing.kept, exchanged))
    }

    async fn exchange(&self, end: &End, outgoing: &Outgoing, left: Duration) -> Exchanged {
        match end {
            End::Server(client) => exchange::send(client, outgoing, &self.message.body, left).await,
            End::Developer(found) => {
                let started = Instant::now();
                let attempt = AttemptId {
                    event: self.work.due.event,
                    number: self.number,
                };
                let connection = self.work.event.connection_id;
                let asked = cli::asked(outgoing, self.message, attempt, connection, left);
                let gateway = &self.shared.gateway;
                let outcome = cli::send(gateway, found, asked, left).await;
                Exchanged::unseen(outcome, started.elapsed())
            }
            End::Nobody => {
                let outcome = Outcome::answered(ACCEPTED, Bytes::new(), None);
                Exchanged::unseen(outcome, Duration::ZERO)
            }
        }
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

/// What the receiver is told of the next try, if this one fails.
fn will_retry_after(work: &Work, number: u16, now: Timestamp) -> Option<u64> {
    let rule = Some(work.connection.as_ref()?.retry());
    let failed = Outcome::failed(ErrorCode::Unknown);
    match retry::decide(rule, number, work.event.created_at, &failed, now, 0.5) {
        Next::RetryAt(at) => Some(at.since_ms(now).div_ceil(1000)),
        Next::Delivered | Next::GiveUp => None,
    }
}
