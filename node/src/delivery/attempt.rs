//! One attempt: load, reshape, fence, send, report.

use super::{
    gate::{Gate, Shut},
    memory::{self, Held},
    reporter::Report,
    shared::Shared,
    transport::{self, Connections, Sending, Sent, Tried},
    work::{self, Work},
};
use crate::{
    gateway::Gateway,
    transform::{End, Halted, Passed, Pipeline},
    world,
};
use bytes::Bytes;
use model::{
    envelope::PayloadRef,
    ids::GroupId,
    machine::{Run, RunEnd, RunReport},
    policy::{retry, transform::Message},
    state::keys::Due,
    time::Timestamp,
    traffic::{Attempt, ErrorCode},
};
use raft::{Body, Leadership};
use std::time::Duration;
use tokio::time::Instant;

const UNREADABLE_PAUSE: Duration = Duration::from_secs(1);

/// What came of launching an event.
pub(super) enum Launched {
    Done(Box<Report>),
    /// The event is not due any more, or this node may not send for its partition.
    NotMade,
    /// The same, and it will be so for this long: its body is on its way.
    Waits(Duration),
    /// The lane has let go of it.
    Discarded,
}

/// What an attempt is made of, in memory.
pub(super) struct Loaded {
    // Given back when everything else of it is gone: fields go in this order.
    work: Work,
    leadership: Leadership,
    held: Option<Held>,
}

/// What was read so long ago is read again.
const STALE_AFTER: Duration = Duration::from_millis(500);
/// Bodies that a transformed one takes at once: as it came, as the program is given it, as it comes back, and what is
/// made of that.
const COPIES_TRANSFORMED: u64 = 4;

/// Brings what an attempt needs into memory, once there is room for its body. Else says why there is no attempt.
pub(super) async fn load(shared: &Shared, due: Due) -> Result<Loaded, Launched> {
    let gateway = &shared.gateway;
    let group = due.event.group();
    let leadership = gateway.cluster.leads(group).ok_or(Launched::NotMade)?;
    let mut work = read(shared, due).await?;
    // What it leads to may be newer than this node's catalog: nothing is given up by a catalog that lags.
    if work.lacks_its_way() {
        if let Err(error) = gateway.catch_up().await {
            return Err(unreadable(due, &error.to_string()).await);
        }
        work = read(shared, due).await?;
    }
    let mut held = None;
    if let Some(at) = work.unread {
        if !shared.memory.is_small(at.len.into()) {
            let id = due.destination;
            let want = memory::want(id, at.len, copies(&work), shared.concurrency.is_slow(id));
            let asked = Instant::now();
            held = Some(shared.memory.take(want).await);
            if asked.elapsed() > STALE_AFTER {
                // Meanwhile it may have been cancelled, or paused.
                work = read(shared, due).await?;
            }
            work.body = read_large(shared, group, at).await;
        }
        if work.body.is_none() {
            match gateway.cluster.body(group, at).await {
                Body::Here(body) => work.body = Some(body),
                Body::Away { ask_again_in } => return Err(Launched::Waits(ask_again_in)),
                // It would wait for ever, and keep its hour from going: it ends, and says of what.
                Body::Lost => {}
            }
        }
    }
    Ok(Loaded {
        work,
        leadership,
        held,
    })
}

fn copies(work: &Work) -> u64 {
    match &work.destination {
        _ if !work.stages.is_empty() => COPIES_TRANSFORMED,
        Some(destination) => transport::copies(&destination.kind),
        None => 1,
    }
}

/// Reads, beside the reactor, everything but a body that has to wait for its room or lies elsewhere.
async fn read(shared: &Shared, due: Due) -> Result<Work, Launched> {
    let (gateway, memory) = (shared.gateway.clone(), shared.memory.clone());
    let reading = move || work::load(&gateway, due, |bytes| memory.is_small(bytes));
    let read = tokio::task::spawn_blocking(reading).await;
    let error = match read.map_err(|error| error.to_string()) {
        Ok(Ok(read)) => return read.ok_or(Launched::NotMade),
        Ok(Err(error)) => error.to_string(),
        Err(error) => error,
    };
    Err(unreadable(due, &error).await)
}

/// A large body, if it can be read here.
async fn read_large(shared: &Shared, group: GroupId, at: PayloadRef) -> Option<Bytes> {
    let _turn = shared.memory.reads.acquire().await;
    let gateway = shared.gateway.clone();
    let reading = move || gateway.cluster.payload(group, &at).ok().flatten();
    tokio::task::spawn_blocking(reading).await.ok().flatten()
}

/// It is looked at again, but not in a tight circle.
async fn unreadable(due: Due, error: &str) -> Launched {
    tracing::error!(event = %due.event, error, "event not read");
    tokio::time::sleep(UNREADABLE_PAUSE).await;
    Launched::NotMade
}

/// Makes one attempt for a due event: everything that takes time before the gate, and the sending behind it.
pub(super) async fn make(
    shared: &Shared,
    connections: &Connections,
    due: Due,
    loaded: Loaded,
    gate: Gate,
) -> Launched {
    let gateway = &shared.gateway;
    let Loaded {
        held,
        leadership,
        mut work,
    } = loaded;
    let number = number_of(&work);
    let ignored = |cause, meta| RunEnd::Ignored {
        due_at: due.at,
        cause,
        meta,
    };
    let (message, runs) = match reshaped(gateway, &mut work).await {
        Ok(Some(Passed {
            runs,
            end: End::Message(message),
        })) => (Some(message), runs),
        Ok(Some(Passed {
            runs,
            end: End::Ignored { cause, meta },
        })) => return Launched::Done(told(due, number, runs, ignored(cause, meta))),
        Ok(None) => (None, Vec::new()),
        Err(Halted::Busy | Halted::Stopping) => return Launched::NotMade,
    };
    if let (Some(held), Some(message)) = (&held, &message)
        && copies(&work) == 1
    {
        // The copies that were made on the way are gone.
        held.resize(message.body.len());
    }
    let sending = to_be_sent(shared, connections, &work, message.as_ref(), leadership);
    let sent = match sending {
        Ok(sending) => transport::send(&sending, gate).await,
        Err(lacking) => Ok(Tried::not_sent(lacking).into()),
    };
    let end = match sent {
        Ok(Sent::Tried(tried)) => {
            if let Some(destination) = &work.destination {
                shared.receiver_signals.honour(destination.id, tried.asked);
            }
            attempted(gateway, &work, number, world::now(), *tried)
        }
        Ok(Sent::Ignored { cause, meta }) => ignored(cause, meta),
        Err(Shut::Late) => return Launched::NotMade,
        Err(Shut::Discarded) => return Launched::Discarded,
    };
    Launched::Done(told(due, number, runs, end))
}

/// The number of an event's next attempt.
fn number_of(work: &Work) -> u16 {
    work.event.attempts.saturating_add(1)
}

/// What a transport is given to send, or what an attempt lacks that it can't be sent without.
fn to_be_sent<'a>(
    shared: &'a Shared,
    connections: &'a Connections,
    work: &'a Work,
    message: Option<&'a Message>,
    leadership: Leadership,
) -> Result<Sending<'a>, ErrorCode> {
    Ok(Sending {
        shared,
        connections,
        work,
        destination: work.destination.as_deref().ok_or(ErrorCode::MissingUrl)?,
        message: message.ok_or(ErrorCode::PayloadMissing)?,
        number: number_of(work),
        leadership,
    })
}

/// What the rules at delivery make of the request; none where its body is lost.
async fn reshaped(gateway: &Gateway, work: &mut Work) -> Result<Option<Passed>, Halted> {
    // Only the message keeps it: what a transformation replaced is not needed any more.
    let Some(body) = work.body.replace(Bytes::new()) else {
        work.body = None;
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
    RunEnd::Attempted {
        attempt: Attempt {
            trigger: work.event.next_trigger,
            node: gateway.cluster.node_id(),
            started_at,
            finished_at,
            outcome,
            transport: tried.transport,
        },
        next,
    }
}
