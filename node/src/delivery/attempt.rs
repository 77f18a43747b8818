//! One attempt: load, reshape, fence, send, report.

use super::{
    dispatcher::Shared,
    gate::{Gate, Shut},
    outlet::Outlet,
    reporter::Report,
    sending::{Sending, Sent, Tried},
    work::{self, Work},
};
use crate::{
    gateway::Gateway,
    transform::{End, Halted, Passed, Pipeline},
    world,
};
use model::{
    catalog::{Destination, DestinationKind},
    machine::{Run, RunEnd, RunReport},
    policy::{destination_url, egress::Reach, retry, transform::Message},
    state::keys::Due,
    time::Timestamp,
    traffic::{Attempt, ErrorCode},
};
use std::time::Duration;

/// A URL longer than this is kept cut.
const URL_KEPT: usize = 2048;
const UNREADABLE_PAUSE: Duration = Duration::from_secs(1);

/// What came of launching an event.
pub(super) enum Launched {
    Done(Box<Report>),
    /// The event is not due any more, or this node may not send for its partition.
    NotMade,
    /// The lane has let go of it.
    Discarded,
}

/// Makes one attempt for a due event: everything that takes time before the gate, and the sending behind it.
pub(super) async fn make(shared: &Shared, outlet: &Outlet, due: Due, gate: Gate) -> Launched {
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
    let reach = &shared.egress.reach;
    let not_sent = |code| Ok(Sent::Tried(Box::new(Tried::not_sent(code))));
    let sent = match (&work.destination, &message) {
        (None, _) => not_sent(ErrorCode::MissingUrl),
        (_, None) => not_sent(ErrorCode::PayloadMissing),
        (Some(destination), _) if leads_nowhere(destination, reach) => {
            not_sent(ErrorCode::InvalidUrl)
        }
        (Some(destination), Some(message)) => {
            let sending = Sending {
                shared,
                outlet,
                work: &work,
                destination,
                message,
                number,
                leadership,
            };
            sending.run(gate).await
        }
    };
    let end = match sent {
        Ok(Sent::Tried(tried)) => {
            if let Some(destination) = &work.destination {
                shared.controls.honour(destination.id, tried.asked);
            }
            attempted(gateway, &work, number, world::now(), *tried)
        }
        Ok(Sent::Ignored { cause, meta }) => RunEnd::Ignored {
            due_at: due.at,
            cause,
            meta,
        },
        Err(Shut::Late) => return Launched::NotMade,
        Err(Shut::Discarded) => return Launched::Discarded,
    };
    Launched::Done(told(due, number, runs, end))
}

/// Whether a destination's URL is one that nothing may be sent to. Only servers have one.
fn leads_nowhere(destination: &Destination, reach: &Reach) -> bool {
    destination.outbound.kind == DestinationKind::Http
        && destination_url::check(&destination.url, reach).is_err()
}

/// What the rules at delivery make of the request; none where its body is lost.
async fn reshaped(gateway: &Gateway, work: &mut Work) -> Result<Option<Passed>, Halted> {
    let Some(body) = work.body.clone() else {
        return Ok(None);
    };
    let stages = std::mem::take(&mut work.stages);
    if stages.is_empty() {
        let message = Message::of(&work.record, body, &work.forwarding);
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
        forwarding: work.forwarding.clone(),
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

/// A row that can't be read is looked at again, but not in a tight circle.
async fn unreadable(due: Due, error: &str) -> Launched {
    tracing::error!(event = %due.event, error, "event not read");
    tokio::time::sleep(UNREADABLE_PAUSE).await;
    Launched::NotMade
}

fn attempted(
    gateway: &Gateway,
    work: &Work,
    number: u16,
    finished_at: Timestamp,
    tried: Tried,
) -> RunEnd {
    let (started_at, outcome) = (tried.started_at, tried.outcome);
    // Without a destination or a body the next try would be no different, and a receiver may ask for none.
    let possible = work.destination.is_some() && work.body.is_some() && !tried.asked.ends_event();
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
            trace: Box::new(tried.trace),
        },
        next,
    }
}
