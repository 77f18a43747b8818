//! The sending half of an attempt: a token where one is needed, the fence, the exchange.

use super::{
    dispatcher::Shared,
    exchange::{self, Exchanged},
    outlet::Outlet,
    request::{self, Kept, Launch},
    work::Work,
};
use model::{
    catalog::{Destination, DestinationAuth, Secret},
    machine::Next,
    policy::{receiver::Asked, retry, transform::Message},
    time::Timestamp,
    traffic::{ErrorCode, Outcome, Trace},
};
use raft::Leadership;
use std::time::Duration;
use tokio::time::{Instant, timeout_at};

/// The answer that says that a token is not taken any more.
const UNAUTHORIZED: u16 = 401;

/// What an attempt came to, with all that is kept of it.
pub(super) struct Tried {
    pub(super) outcome: Outcome,
    pub(super) asked: Asked,
    pub(super) method: String,
    pub(super) url: String,
    pub(super) trace: Trace,
}

impl Tried {
    /// It came to no request.
    pub(super) fn not_sent(code: ErrorCode) -> Self {
        Self::without_request(Outcome::failed(code))
    }

    /// The reason stands where an answer's body would: the destination was not asked.
    fn without_token(reason: String) -> Self {
        Self::without_request(Outcome {
            response_body: reason.into(),
            ..Outcome::failed(ErrorCode::Oauth2HandshakeFailed)
        })
    }

    fn without_request(outcome: Outcome) -> Self {
        Self {
            outcome,
            asked: Asked::default(),
            method: String::new(),
            url: String::new(),
            trace: Trace::default(),
        }
    }

    fn sent(method: String, kept: Kept, exchanged: Exchanged) -> Self {
        Self {
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
    pub(super) started_at: Timestamp,
    pub(super) leadership: Leadership,
}

impl Sending<'_> {
    /// None: this node may not send any more.
    pub(super) async fn run(&self) -> Option<Tried> {
        let deadline = Instant::now() + self.limit();
        let token = match timeout_at(deadline, self.token()).await {
            Ok(Ok(token)) => token,
            Ok(Err(error)) => return Some(Tried::without_token(error)),
            Err(_) => return Some(Tried::without_token("no token came in time".into())),
        };
        let client = match self.outlet.client(self.destination) {
            Ok(client) => client,
            Err(error) => {
                tracing::error!(destination = %self.destination.id, %error, "attempt not made");
                return Some(Tried::not_sent(ErrorCode::InternalError));
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
            Err(code) => return Some(Tried::not_sent(code)),
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

/// What the receiver is told of the next try, if this one fails.
fn will_retry_after(work: &Work, number: u16, now: Timestamp) -> Option<u64> {
    let rule = Some(work.connection.as_ref()?.retry());
    let failed = Outcome::failed(ErrorCode::Unknown);
    match retry::decide(rule, number, work.event.created_at, &failed, now, 0.5) {
        Next::RetryAt(at) => Some(at.since_ms(now).div_ceil(1000)),
        Next::Delivered | Next::GiveUp => None,
    }
}
