//! What all kinds of destinations that speak HTTP do around their exchange: a token where one is needed, the permit, the
//! request, the fence; and the record of it.

use super::{
    exchange::Exchanged,
    request::{self, Launch, Outgoing, Unsendable},
    sending::{Sending, Tried},
};
use crate::{
    delivery::{
        gate::{Gate, Shut},
        tokens::Grantee,
    },
    world,
};
use model::{
    catalog::{RequestTemplate, Secret},
    policy::receiver::Asked,
    time::Timestamp,
    traffic::{ErrorCode, HttpRecord, Outcome, TransportRecord},
};
use std::time::Duration;
use tokio::time::{Instant, timeout};

/// The answer that says that a token is not taken any more.
const UNAUTHORIZED: u16 = 401;

/// Makes an attempt whose exchange is the kind's own. That is given what goes out and the time that is left.
///
/// # Errors
/// When there is no permit, or this node may not send any more.
pub(super) async fn attempt(
    sending: &Sending<'_>,
    base_url: &str,
    template: &RequestTemplate,
    gate: Gate,
    exchange: impl AsyncFnOnce(&Outgoing, Duration) -> Exchanged,
) -> Result<Tried, Shut> {
    let (began, began_at) = (Instant::now(), world::now());
    let limit = sending.limit();
    let token = match timeout(limit, token(sending, template)).await {
        Ok(Ok(token)) => token,
        Ok(Err(error)) => return Ok(without_token(began_at, error)),
        Err(_) => return Ok(without_token(began_at, "no token came in time".to_owned())),
    };
    let left = limit.saturating_sub(began.elapsed());
    gate.pass().await?;
    // Signatures tell this time: waiting for the permit is not part of the attempt.
    let started_at = world::now();
    let launch = Launch {
        work: sending.work,
        base_url,
        template,
        message: sending.message,
        number: sending.number,
        now: started_at,
        retry_after_s: sending.will_retry_after_s(started_at),
        token: token.as_ref(),
    };
    let outgoing = match request::outgoing(&launch) {
        Ok(outgoing) => outgoing,
        Err(unsendable) => return Ok(not_to_be_sent(started_at, unsendable)),
    };
    sending.fence()?;
    let exchanged = exchange(&outgoing, left).await;
    if let Some(token) = &token
        && exchanged.outcome.response_status() == Some(UNAUTHORIZED)
    {
        let tokens = &sending.shared.tokens;
        tokens.refuse(sending.destination.id, token);
    }
    Ok(tried(started_at, outgoing, exchanged))
}

async fn token(
    sending: &Sending<'_>,
    template: &RequestTemplate,
) -> Result<Option<Secret>, String> {
    match Grantee::of(sending.destination.id, template) {
        Some(grantee) => sending.shared.tokens.get(grantee).await.map(Some),
        None => Ok(None),
    }
}

/// The destination was not asked.
fn without_token(started_at: Timestamp, reason: String) -> Tried {
    let outcome = Outcome::failed_because(ErrorCode::Oauth2HandshakeFailed, reason);
    Tried::without_request(started_at, outcome)
}

fn not_to_be_sent(started_at: Timestamp, unsendable: Unsendable) -> Tried {
    let outcome = Outcome::failed_because(unsendable.code, unsendable.reason);
    Tried {
        // No later try would be another.
        asked: Asked {
            abort: true,
            ..Asked::default()
        },
        ..Tried::without_request(started_at, outcome)
    }
}

fn tried(started_at: Timestamp, outgoing: Outgoing, exchanged: Exchanged) -> Tried {
    let kept = outgoing.kept;
    let record = HttpRecord {
        requested_url: kept.url,
        http_method: outgoing.method,
        sent: Some(kept.sent),
        answered: exchanged.headers,
        is_cut: kept.is_cut || exchanged.is_cut,
        timing: exchanged.timing,
    };
    Tried {
        started_at,
        outcome: exchanged.outcome,
        asked: exchanged.asked,
        transport: TransportRecord::Http(Box::new(record)),
    }
}
