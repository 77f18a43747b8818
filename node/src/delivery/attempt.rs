//! One attempt: load, fence, send, report.

use super::{
    exchange,
    reporter::Report,
    request::{self, Outgoing},
    work::{self, Work},
};
use crate::{gateway::Gateway, world};
use awc::Client;
use model::{
    delivery::Permit,
    machine::{AttemptReport, Next},
    policy::{destination_url, retry},
    state::keys::Due,
    time::Timestamp,
    traffic::{Attempt, ErrorCode, Outcome},
};
use std::{sync::Arc, time::Duration};

/// A URL longer than this is kept cut.
const URL_KEPT: usize = 2048;
const UNREADABLE_PAUSE: Duration = Duration::from_secs(1);

/// What came of launching an event.
pub(super) enum Launched {
    Done(Report),
    /// The event is not due any more, or this node may not send for its partition.
    NotMade,
}

/// Makes one attempt for a due event, if it can begin while the permit is good.
pub(super) async fn make(
    gateway: &Arc<Gateway>,
    client: &Client,
    due: Due,
    permit: Permit,
) -> Launched {
    let Some(leadership) = gateway.cluster.leads(due.event.group()) else {
        return Launched::NotMade;
    };
    let loading = gateway.clone();
    let loaded = tokio::task::spawn_blocking(move || work::load(&loading, due)).await;
    let work = match loaded.map_err(|error| error.to_string()) {
        Ok(Ok(Some(work))) => work,
        Ok(Ok(None)) => return Launched::NotMade,
        Ok(Err(error)) => return unreadable(due, &error.to_string()).await,
        Err(error) => return unreadable(due, &error).await,
    };
    let number = work.event.attempts.saturating_add(1);
    let started_at = world::now();
    let (outcome, sent) = match (&work.destination, &work.body) {
        (None, _) => (Outcome::failed(ErrorCode::MissingUrl), None),
        (_, None) => (Outcome::failed(ErrorCode::PayloadMissing), None),
        (Some(destination), _) if destination_url::check(&destination.url).is_err() => {
            (Outcome::failed(ErrorCode::InvalidUrl), None)
        }
        (Some(destination), Some(body)) => {
            let after = will_retry_after(&work, number, started_at);
            let outgoing = request::outgoing(&work, destination, body, number, started_at, after);
            // The fence: right before each send, and not a moment earlier.
            if !gateway.cluster.may_send(due.event.group(), leadership.term)
                || permit.use_by.is_some_and(|by| world::steady() >= by)
            {
                return Launched::NotMade;
            }
            let limit = Duration::from_millis(gateway.config.delivery.timeout_ms);
            let outcome = exchange::send(client, &outgoing, body, limit).await;
            (outcome, Some(outgoing))
        }
    };
    let finished_at = world::now();
    Launched::Done(report(
        gateway,
        &work,
        number,
        started_at,
        finished_at,
        outcome,
        sent,
    ))
}

/// A row that can't be read is looked at again, but not in a tight circle.
async fn unreadable(due: Due, error: &str) -> Launched {
    tracing::error!(event = %due.event, error, "event not read");
    tokio::time::sleep(UNREADABLE_PAUSE).await;
    Launched::NotMade
}

fn will_retry_after(work: &Work, number: u16, now: Timestamp) -> Option<u64> {
    let rule = work.connection.as_ref()?.retry();
    let failed = Outcome::failed(ErrorCode::Unknown);
    match retry::decide(rule, number, work.event.created_at, &failed, now, 0.5) {
        Next::RetryAt(at) => Some(at.since_ms(now).div_ceil(1000)),
        Next::Delivered | Next::GiveUp => None,
    }
}

fn report(
    gateway: &Gateway,
    work: &Work,
    number: u16,
    started_at: Timestamp,
    finished_at: Timestamp,
    outcome: Outcome,
    sent: Option<Outgoing>,
) -> Report {
    // Without a destination or a body the next try would be no different.
    let possible = work.destination.is_some() && work.body.is_some();
    let rule = work
        .connection
        .as_ref()
        .filter(|_| possible)
        .and_then(|connection| connection.retry());
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
    let (mut requested_url, http_method) =
        sent.map_or_else(Default::default, |s| (s.url, s.method));
    if requested_url.len() > URL_KEPT {
        let end = requested_url.floor_char_boundary(URL_KEPT);
        requested_url.truncate(end);
    }
    Report {
        report: AttemptReport {
            event: work.due.event,
            number,
            attempt: Attempt {
                trigger: work.event.next_trigger,
                node: gateway.cluster.node_id(),
                requested_url,
                http_method,
                started_at,
                finished_at,
                outcome,
            },
            next,
        },
        recorded: None,
    }
}
