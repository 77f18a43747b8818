//! What an attempt needs of the state, read from this node's replica.

use crate::{
    gateway::Gateway,
    transform::{self, Stage},
};
use bytes::Bytes;
use model::{
    catalog::{Connection, Destination},
    delivery::Floors,
    envelope::PayloadRef,
    ids::{ConnectionId, DestinationId, EventId},
    policy::forwarding::Forwarding,
    state::{
        codec,
        keys::{Due, DueClass},
        kv::{Read, Table},
        tables::{self, TableError},
    },
    time::Timestamp,
    traffic::{Event, RequestRecord, TransformationUse, Trigger},
};
use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
};

/// One event, ready to be attempted.
pub(super) struct Work {
    pub(super) due: Due,
    pub(super) event: Event,
    pub(super) record: RequestRecord,
    /// None: it has not been read yet, or no node has it, which only damage can do.
    pub(super) body: Option<Bytes>,
    /// Where a body lies that is read when there is room for it, or that can't be read here.
    pub(super) unread: Option<PayloadRef>,
    pub(super) forwarding: Forwarding,
    /// The rules that its connection still has for it.
    pub(super) stages: VecDeque<Stage>,
    /// None when it was deleted meanwhile.
    pub(super) connection: Option<Arc<Connection>>,
    pub(super) destination: Option<Arc<Destination>>,
    pub(super) source_name: String,
}

impl Work {
    /// Whether the catalog that it was read with does not know where it goes.
    pub(super) fn lacks_its_way(&self) -> bool {
        self.destination.is_none() || self.connection.is_none()
    }
}

#[derive(Debug, thiserror::Error)]
pub(super) enum WorkError {
    #[error("reading what is to be delivered")]
    State(#[from] TableError),
    #[error("reading what is to be delivered")]
    Record(#[from] codec::CodecError),
}

/// Which events of a connection are not attempted.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Silence {
    All,
    /// It is paused: what is retried by hand goes past that.
    ButByHand,
}

impl Silence {
    fn of(connection: &Connection) -> Option<Self> {
        match connection {
            Connection {
                disabled_at: Some(_),
                ..
            } => Some(Self::All),
            Connection {
                paused_at: Some(_), ..
            } => Some(Self::ButByHand),
            _ => None,
        }
    }

    fn keeps_back(self, event: &Event) -> bool {
        match self {
            Self::All => true,
            Self::ButByHand => event.next_trigger != Trigger::Manual,
        }
    }
}

/// Rows of disabled connections that one look skips. What stands behind more of them waits. Those of paused ones are
/// skipped only until they are held, which takes them out of the queue.
const SKIPPED_MAX: usize = 50_000;
const PAGE: usize = 256;

/// Reads everything of one due event but a large body. None: it has ended, moved or gone, or is not to be attempted now.
pub(super) fn load(
    gateway: &Gateway,
    due: Due,
    is_small: impl Fn(u64) -> bool,
) -> Result<Option<Work>, WorkError> {
    let group = due.event.group();
    let view = gateway.cluster.view(group);
    let Some(event) = tables::event(&view, due.event)? else {
        return Ok(None);
    };
    // The row may have been read before an outcome, a cancellation, a pause or a retry by hand moved it.
    if event.due_at != Some(due.at) || !event.status.waits() {
        return Ok(None);
    }
    let catalogs = gateway.catalog();
    let catalog = catalogs.of(event.connection_id.project());
    let connection = catalog.connections.get(&event.connection_id).cloned();
    let destination = catalog.destinations.get(&event.destination_id).cloned();
    // Disabled or paused since the row was read: the event stays queued, or is held in a moment.
    let silence = connection.as_deref().and_then(Silence::of);
    if silence.is_some_and(|silence| silence.keeps_back(&event))
        || destination
            .as_ref()
            .is_some_and(|d| d.disabled_at.is_some())
    {
        return Ok(None);
    }
    let Some(request) = tables::request(&view, due.event.request())? else {
        return Ok(None);
    };
    let record: RequestRecord = codec::decode_row(&view, Table::Requests, &request.record)?;
    let body = match &request.body {
        None => Some(Bytes::new()),
        // What can't be read here is fetched from another node.
        Some(at) if is_small(at.len.into()) => gateway.cluster.payload(group, at).ok().flatten(),
        Some(_) => None,
    };
    let unread = request.body.filter(|_| body.is_none());
    let stages = match &connection {
        Some(connection) if !connection.rules_at_delivery().is_empty() => {
            let pinned = pinned(&view, due.event, &event)?;
            transform::stages(gateway, catalog, connection, &pinned)?
        }
        _ => VecDeque::new(),
    };
    let source = catalog.sources.get(&event.source_id);
    let forwarding = Forwarding::in_catalog(catalog, event.source_id, Some(event.destination_id));
    Ok(Some(Work {
        connection,
        destination,
        source_name: source.map(|source| source.name.clone()).unwrap_or_default(),
        due,
        event,
        record,
        body,
        unread,
        forwarding,
        stages,
    }))
}

/// The versions that must run again: a retry of its own accord sends what the attempt before it sent, one by hand what
/// the catalog makes of the request now.
pub(crate) fn pinned(
    view: &impl Read,
    id: EventId,
    event: &Event,
) -> Result<Vec<TransformationUse>, TableError> {
    match event.next_trigger {
        Trigger::Automatic | Trigger::Unpause if event.attempts > 0 => {
            tables::versions_of(view, id, event.attempts)
        }
        _ => Ok(Vec::new()),
    }
}

/// What is due for a destination in all partitions led here, and when more will be.
pub(super) fn fetch(
    gateway: &Gateway,
    destination: DestinationId,
    wanted: Wanted,
) -> (Vec<Due>, Option<Timestamp>) {
    let silent = silent_connections(gateway, destination);
    let mut due = Vec::new();
    let mut next = None;
    for group in gateway.cluster.led() {
        let view = gateway.cluster.view(group);
        let found = left_in(&view, &silent).and_then(|silent| {
            let look = Look {
                destination,
                wanted,
                silent: &silent,
            };
            look.at(&view)
        });
        match found {
            Ok((found, at)) => {
                due.extend(found);
                next = next.into_iter().chain(at).min();
            }
            Err(error) => tracing::error!(%group, %destination, %error, "due events not read"),
        }
    }
    // The longest due first, whichever partition holds it.
    due.sort_by_key(|due| (due.at, due.event));
    (due, next)
}

/// Which part of a destination's queues is wanted.
#[derive(Clone, Copy)]
pub(super) struct Wanted {
    pub(super) from: Floors,
    pub(super) until: Timestamp,
    /// Rows of each queue and partition.
    pub(super) limit: usize,
}

/// One look at the queues of a destination in one partition.
struct Look<'a> {
    destination: DestinationId,
    wanted: Wanted,
    silent: &'a BTreeMap<ConnectionId, Silence>,
}

impl Look<'_> {
    fn at(&self, view: &impl Read) -> Result<(Vec<Due>, Option<Timestamp>), TableError> {
        let (mut due, fresh) = self.queue(view, DueClass::Fresh)?;
        let (retries, retry) = self.queue(view, DueClass::Retry)?;
        due.extend(retries);
        Ok((due, fresh.into_iter().chain(retry).min()))
    }

    fn queue(
        &self,
        view: &impl Read,
        class: DueClass,
    ) -> Result<(Vec<Due>, Option<Timestamp>), TableError> {
        let Wanted { from, until, limit } = self.wanted;
        let from = from.of(class);
        if self.silent.is_empty() {
            return Ok(tables::queue(
                view,
                self.destination,
                class,
                (from, until),
                limit,
            )?);
        }
        let (mut from, to) = Due::queue(self.destination, class, from);
        let mut found = Vec::new();
        let mut looked_at = 0;
        while looked_at < limit + SKIPPED_MAX {
            let page = view.scan(Table::Due, &from, &to, PAGE)?;
            let Some((last, _)) = page.last() else { break };
            from = [last, [0].as_slice()].concat();
            looked_at += page.len();
            for (key, _) in &page {
                let due = tables::due_row(view, key)?;
                if due.at > until || found.len() == limit {
                    return Ok((found, Some(due.at)));
                }
                let event = tables::event(view, due.event)?;
                let kept_back = event.is_some_and(|event| {
                    let silence = self.silent.get(&event.connection_id);
                    silence.is_some_and(|silence| silence.keeps_back(&event))
                });
                if !kept_back {
                    found.push(due);
                }
            }
        }
        Ok((found, None))
    }
}

/// The connections to a destination whose events stay queued: disabled or paused ones, and those whose scripts hold up
/// the others.
fn silent_connections(
    gateway: &Gateway,
    destination: DestinationId,
) -> BTreeMap<ConnectionId, Silence> {
    let catalog = gateway.catalog();
    let of_it = catalog
        .of(destination.project())
        .connections_to(destination);
    of_it
        .filter_map(|c| match gateway.transforms.is_crowded(c.id) {
            true => Some((c.id, Silence::All)),
            false => Some((c.id, Silence::of(c)?)),
        })
        .collect()
}

/// Those of them that have rows to step over in a partition: where a pause is complete, all of its events are held.
fn left_in(
    view: &impl Read,
    silent: &BTreeMap<ConnectionId, Silence>,
) -> Result<BTreeMap<ConnectionId, Silence>, TableError> {
    let mut left = silent.clone();
    for (id, silence) in silent {
        if *silence == Silence::ButByHand
            && tables::paused(view, *id)?.is_some_and(|paused| paused.is_complete())
        {
            left.remove(id);
        }
    }
    Ok(left)
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::{
        ids::SourceId,
        kit,
        state::{kv::Kv, memory::Memory},
        traffic::EventStatus,
    };

    fn row(kv: &mut Memory, number: u128, connection: u128) -> Due {
        let due = Due {
            destination: DestinationId(1),
            class: DueClass::Fresh,
            at: Timestamp(number as u64),
            event: EventId(number),
        };
        let event = Event {
            connection_id: ConnectionId(connection),
            source_id: SourceId(1),
            destination_id: due.destination,
            status: EventStatus::Queued,
            attempts: 0,
            created_at: due.at,
            updated_at: due.at,
            due_at: Some(due.at),
            next_trigger: Trigger::Initial,
            last_attempt_at: None,
            successful_at: None,
            response_status: None,
            error_code: None,
            turn: None,
        };
        kv.put(Table::Due, &due.key(), &[]);
        kv.put(Table::Events, &due.event.key(), &codec::encode(&event));
        due
    }

    fn connection(id: u128) -> Connection {
        Connection {
            id: ConnectionId(id),
            ..kit::connection()
        }
    }

    fn look(kv: &Memory, silent: &Connection, limit: usize) -> (Vec<Due>, Option<Timestamp>) {
        let silence = Silence::of(silent).expect("silent");
        let silent = BTreeMap::from([(silent.id, silence)]);
        let look = Look {
            destination: DestinationId(1),
            wanted: Wanted {
                from: Floors::default(),
                until: Timestamp(1000),
                limit,
            },
            silent: &silent,
        };
        look.at(kv).expect("memory reads")
    }

    #[test]
    fn events_of_a_disabled_connection_stay_queued_and_stop_nobody() {
        let mut kv = Memory::default();
        for number in 0..600 {
            row(&mut kv, number, 7);
        }
        let wanted = [row(&mut kv, 700, 8), row(&mut kv, 701, 8)];
        row(&mut kv, 702, 8);
        let disabled = Connection {
            disabled_at: Some(Timestamp(1)),
            ..connection(7)
        };
        let (due, next) = look(&kv, &disabled, 2);
        assert_eq!(
            (due.as_slice(), next),
            (wanted.as_slice(), Some(Timestamp(702)))
        );
    }

    #[test]
    fn of_a_paused_connection_only_what_is_retried_by_hand_is_found() {
        let mut kv = Memory::default();
        row(&mut kv, 1, 7);
        let by_hand = row(&mut kv, 2, 7);
        let mut event = tables::event(&kv, by_hand.event)
            .expect("readable")
            .expect("there");
        event.next_trigger = Trigger::Manual;
        kv.put(Table::Events, &by_hand.event.key(), &codec::encode(&event));
        let paused = Connection {
            paused_at: Some(Timestamp(1)),
            ..connection(7)
        };
        assert_eq!(look(&kv, &paused, 9).0, [by_hand]);
        // Disabled, it sends nothing at all.
        let disabled = Connection {
            disabled_at: Some(Timestamp(1)),
            ..paused
        };
        assert_eq!(look(&kv, &disabled, 9).0, []);
    }
}
