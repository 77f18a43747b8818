//! The sending half of an attempt: a token where one is needed, the permit, the fence, the exchange.

use super::{
    dispatcher::Shared,
    exchange::{self, Exchanged},
    gate::{Gate, Shut},
    outlet::Outlet,
    request::{self, Kept, Launch},
    work::Work,
};
use crate::world;
use model::{
    catalog::{Destination, DestinationAuth, Secret},
    machine::Next,
    policy::{receiver::Asked, retry, transform::Message},
    time::Timestamp,
    traffic::{ErrorCode, Outcome, Trace},
};
use raft::Leadership;
use std::time::Duration;
use tokio::time::{Instant, timeout};

/// The answer that says that a token is not taken any more.
const UNAUTHORIZED: u16 = 401;

/// What an attempt came to, with all that is kept of it.
pub(super) struct Tried {
    pub(super) started_at: Timestamp,
    pub(super) outcome: Outcome,
    pub(super) asked: Asked,
    pub(super) method: String,
    pub(super) url: String,
    pub(super) trace: Trace,
}

impl Tried {
    /// It came to no request.
    pub(super) fn not_sent(code: ErrorCode) -> Self {
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
pub(super) struct Sending<'a> {
    pub(super) shared: &'a Shared,
    pub(super) outlet: &'a Outlet,
    pub(super) work: &'a Work,
    pub(super) destination: &'a Destination,
    pub(super) message: &'a Message,
    pub(super) number: u16,
    pub(super) leadership: Leadership,
}

impl Sending<'_> {
    /// # Errors
    /// When there is no permit, or this node may not send any more.
    pub(super) async fn run(&self, gate: Gate) -> Result<Tried, Shut> {
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
        let client = match self.outlet.client(self.destination) {
            Ok(client) => client,
            Err(error) => {
                tracing::error!(destination = %self.destination.id, %error, "attempt not made");
                return Ok(Tried::not_sent(ErrorCode::InternalError));
            }
        };
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
            Err(code) => return Ok(Tried::not_sent(code)),
        };
        // The fence: right before each send, and not a moment earlier.
        let (cluster, group) = (&self.shared.gateway.cluster, self.work.due.event.group());
        if !cluster.may_send(group, self.leadership.term) {
            return Err(Shut::Late);
        }
        let exchanged = exchange::send(&client, &outgoing, &self.message.body, left).await;
        if let Some(token) = &token
            && exchanged.outcome.response_status == Some(UNAUTHORIZED)
        {
            self.shared.tokens.refuse(self.destination.id, token);
        }
        let method = outgoing.method;
        Ok(Tried::sent(started_at, method, outgoing.kept, exchanged))
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
