//! A partition in memory and the commands that stories tell, with everything of no interest filled in.

use bytes::BufMut;
use bytes::Bytes;
use model::{
    catalog::{Catalogs, Connection, Item, Kind, Ties},
    envelope::Envelope,
    fingerprint::{Fingerprint, Scope},
    ids::{
        AttemptId, ConnectionId, DestinationId, EventId, GroupId, OperationId, RequestId, SourceId,
    },
    kit,
    machine::{
        self, AcceptRequests, Act, AdvanceRetention, Applied, AttemptReport, CancelEvent, Change,
        ClosePart, Command, Configure, ConfigureTied, Entry, HoldEvents, Incoming, Keyed,
        KeyedEvent, LetGo, MarkPaused, Next, Once, OpenPart, Planned, RecordRuns, ReleaseEvents,
        Reply, RetryEvent, Unrouted, Verdict, WorkPart, decode_reply,
    },
    policy::retention::PAUSE_MS,
    state::{
        keys::{self, Due, Held},
        kv::{Kv, Read, Table},
        memory::Memory,
        tables,
    },
    time::Timestamp,
    traffic::{
        Attempt, ErrorCode, Event, EventStatus, IgnoreCause, Ignored, Outcome, RejectionCause,
        Trigger,
    },
};
use std::collections::BTreeMap;

pub(crate) const GROUP: GroupId = GroupId(1);
pub(crate) const SOURCE: SourceId = SourceId(1);
/// Whose event each accepted request has.
pub(crate) const CONNECTION: ConnectionId = ConnectionId(1);
pub(crate) const DESTINATION: DestinationId = DestinationId(9);
pub(crate) const HOUR_MS: u64 = 3_600_000;
/// The start of an hour.
pub(crate) const NOW: Timestamp = Timestamp(400_000 * HOUR_MS);

/// From [`SOURCE`] to [`DESTINATION`].
pub(crate) fn connection(id: ConnectionId) -> Connection {
    Connection {
        id,
        source_id: SOURCE,
        destination_id: DESTINATION,
        created_at: NOW,
        updated_at: NOW,
        ..kit::connection()
    }
}

#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct World {
    pub(crate) rows: Memory,
    pub(crate) index: u64,
}

impl World {
    /// How often the catalog changed.
    pub(crate) fn version(&self) -> u64 {
        keys::read_u64(&self.rows, keys::META_CATALOG_VERSION).expect("memory can be read")
    }

    /// What is remembered of changes of the catalog.
    pub(crate) fn ties(&self) -> usize {
        let (from, to) = keys::TIES_ALL;
        let rows = self.rows.scan(Table::Index, &from, &to, usize::MAX);
        rows.expect("memory can be read").len()
    }

    pub(crate) fn entry(&mut self, at: Timestamp, head: &[u8], bodies: &[Bytes]) -> Applied {
        self.index += 1;
        let entry = Entry {
            group: GROUP,
            index: self.index,
            at,
            head,
            bodies,
        };
        machine::apply(&mut self.rows, entry).expect("memory can be read")
    }

    pub(crate) fn apply(&mut self, at: Timestamp, command: &Command<'_>) -> (Reply, Applied) {
        let bodies = [Bytes::from_static(b"body")];
        let envelope = Envelope::parse(&command.envelope(at, &bodies)).expect("own encoding");
        let applied = self.entry(envelope.at, &envelope.head, &envelope.bodies);
        let reply = decode_reply(&applied.reply).expect("own encoding");
        (reply, applied)
    }

    /// What a command would answer and change, apart from the clock's high-water mark.
    pub(crate) fn changes_nothing(&mut self, at: Timestamp, command: &Command<'_>) -> Reply {
        let before = self.rows.clone();
        let (reply, applied) = self.apply(at, command);
        assert_eq!(self.rows, before, "{command:?} changed something");
        assert_eq!(applied.effects, [], "{command:?} had effects");
        reply
    }

    pub(crate) fn accepted(&mut self, id: RequestId) -> EventId {
        let at = id.minted_at();
        let incoming = incoming(id, accepted(at));
        self.apply(at, &accept(vec![incoming]));
        id.event(1)
    }

    /// Retention asked for something a minute before.
    pub(crate) fn asked(&mut self, at: Timestamp) {
        let then = at.minus_ms(PAUSE_MS).0.to_be_bytes();
        self.rows.put(Table::Meta, keys::META_LET_GO_AT, &then);
        self.rows.put(Table::Meta, keys::META_LET_GO_STAMP, &then);
    }

    /// Lets an hour go that was asked for, after a look at everything, with the group's time at a moment.
    pub(crate) fn let_go(&mut self, at: Timestamp, hour: u32) -> (Reply, Applied) {
        self.asked(at);
        self.apply(at, &accept(vec![]));
        let command = let_go(hour, self.index);
        self.apply(at, &command)
    }

    pub(crate) fn record(&mut self, event: EventId, number: u16, next: Next) -> Reply {
        self.apply(NOW, &record(event, number, next)).0
    }

    pub(crate) fn event(&self, id: EventId) -> Event {
        tables::event(&self.rows, id)
            .expect("readable")
            .expect("there")
    }

    pub(crate) fn events(&self) -> BTreeMap<EventId, Event> {
        let ids = self.keys(Table::Events);
        let ids = ids.iter().filter_map(|key| EventId::from_key(key));
        ids.map(|id| (id, self.event(id))).collect()
    }

    pub(crate) fn status(&self, id: EventId) -> EventStatus {
        self.event(id).status
    }

    pub(crate) fn ignored(&self, id: RequestId) -> Vec<(EventId, Ignored)> {
        tables::ignored_of(&self.rows, id).expect("readable")
    }

    pub(crate) fn due(&self) -> Vec<Due> {
        self.keys(Table::Due)
            .iter()
            .filter_map(|key| Due::from_key(key))
            .collect()
    }

    pub(crate) fn held(&self) -> Vec<Held> {
        let (from, to) = Held::ALL;
        let rows = self.rows.scan(Table::Index, &from, &to, usize::MAX);
        let rows = rows.expect("readable");
        rows.iter()
            .filter_map(|(key, _)| Held::from_key(key))
            .collect()
    }

    pub(crate) fn attempts(&self, id: EventId) -> Vec<AttemptId> {
        let rows = tables::attempts_of(&self.rows, id).expect("readable");
        rows.into_iter().map(|(id, _)| id).collect()
    }

    pub(crate) fn keys(&self, table: Table) -> Vec<Bytes> {
        let rows = self
            .rows
            .scan(table, &[], &[u8::MAX; 64], usize::MAX)
            .expect("readable");
        rows.into_iter().map(|(key, _)| key).collect()
    }
}

/// The keys of an index that tell of requests and events, not of what went wrong with them.
pub(crate) fn of_traffic(mut index: Vec<Bytes>) -> Vec<Bytes> {
    index.retain(|key| key.first().is_some_and(|&first| first < 10));
    index
}

pub(crate) fn request(at: Timestamp, entropy: u128) -> RequestId {
    RequestId::mint(at, GROUP, entropy)
}

pub(crate) fn incoming(id: RequestId, verdict: Verdict) -> Incoming<'static> {
    Incoming {
        id,
        source: SOURCE,
        record: b"record",
        body: Some(0),
        verdict,
    }
}

/// One event to [`DESTINATION`] and one that a disabled connection ignored.
pub(crate) fn accepted(due_at: Timestamp) -> Verdict {
    Verdict::Keyed(routed(&[(CONNECTION.0, DESTINATION)], due_at))
}

/// Events over these connections, and one that the connection 1000 ignored.
pub(crate) fn routed(connections: &[(u128, DestinationId)], due_at: Timestamp) -> Keyed {
    let events = connections.iter().map(|&(id, destination)| KeyedEvent {
        planned: Planned {
            connection: ConnectionId(id),
            destination,
            due_at,
        },
        once: None,
    });
    Keyed {
        events: events.collect(),
        ignored: vec![Unrouted {
            connection: ConnectionId(1000),
            cause: IgnoreCause::Disabled,
            meta: None,
        }],
        keep_ignored: 100,
        ..Keyed::default()
    }
}

pub(crate) fn fingerprint(number: u128) -> Fingerprint {
    Fingerprint::default().within(Scope::Source, number)
}

pub(crate) fn once(number: u128, window_ms: u64) -> Option<Once> {
    Some(Once {
        fingerprint: fingerprint(number),
        window_ms,
    })
}

pub(crate) fn rejected(keep: u32) -> Verdict {
    Verdict::Rejected {
        cause: RejectionCause::VerificationFailed,
        keep,
    }
}

pub(crate) fn accept(requests: Vec<Incoming<'_>>) -> Command<'_> {
    Command::AcceptRequests(AcceptRequests { requests })
}

pub(crate) fn record(event: EventId, number: u16, next: Next) -> Command<'static> {
    let report = AttemptReport {
        event,
        number,
        attempt: attempt(next),
        next,
    };
    Command::RecordRuns(RecordRuns {
        reports: vec![report.into()],
    })
}

/// An attempt that `next` may follow.
pub(crate) fn attempt(next: Next) -> Attempt {
    let outcome = match next {
        Next::Delivered => Outcome::answered(200, Bytes::new(), None),
        Next::RetryAt(_) | Next::GiveUp => Outcome::failed(ErrorCode::Timeout),
    };
    Attempt {
        started_at: NOW,
        finished_at: NOW,
        outcome,
        ..kit::attempt()
    }
}

pub(crate) fn retry(event: EventId) -> Command<'static> {
    let trigger = Trigger::Manual;
    Command::RetryEvent(RetryEvent { event, trigger })
}

pub(crate) fn cancel(event: EventId) -> Command<'static> {
    Command::CancelEvent(CancelEvent { event })
}

/// Opens a part over events of all ids.
pub(crate) fn open(operation: OperationId) -> Command<'static> {
    Command::OpenPart(OpenPart {
        operation,
        remembers: true,
        from: 0,
        to: u128::MAX,
    })
}

pub(crate) fn work(operation: OperationId, page: u32, next: u128, acts: Vec<Act>) -> WorkPart {
    WorkPart {
        operation,
        page,
        next,
        acts,
        unable: 0,
        last: false,
    }
}

pub(crate) fn close(operation: OperationId, forget: bool) -> Command<'static> {
    Command::ClosePart(ClosePart { operation, forget })
}

pub(crate) fn pause(version: u64) -> Command<'static> {
    Command::MarkPaused(MarkPaused {
        version,
        pause: vec![CONNECTION],
        unpause: vec![],
    })
}

pub(crate) fn unpause(version: u64) -> Command<'static> {
    Command::MarkPaused(MarkPaused {
        version,
        pause: vec![],
        unpause: vec![CONNECTION],
    })
}

pub(crate) fn hold(events: Vec<EventId>, swept: Option<u64>) -> Command<'static> {
    let swept = swept.map(|index| (CONNECTION, index)).into_iter().collect();
    Command::HoldEvents(HoldEvents { events, swept })
}

pub(crate) fn release(limit: u16) -> Command<'static> {
    Command::ReleaseEvents(ReleaseEvents {
        connection: CONNECTION,
        limit,
    })
}

pub(crate) fn forget(before: Timestamp, seen_index: u64) -> Command<'static> {
    Command::AdvanceRetention(AdvanceRetention { before, seen_index })
}

/// Whatever is an hour old may go.
pub(crate) fn let_go(hour: u32, seen_index: u64) -> Command<'static> {
    Command::LetGo(LetGo {
        hour,
        seen_index,
        min_age_ms: HOUR_MS,
    })
}

pub(crate) fn configure(seen_version: u64, changes: Vec<Change<'_>>) -> Command<'_> {
    Command::Configure(Configure {
        seen_version,
        changes,
    })
}

/// Writes and deletes what was decided from a catalog, as a node proposes it.
pub(crate) fn configure_from<'a>(
    seen_version: u64,
    catalog: &Catalogs,
    put: &[Item],
    encoded: &'a [Vec<u8>],
    delete: &[(Kind, u128)],
) -> Command<'a> {
    let ties = Ties::of(catalog, put, delete);
    let puts = encoded.iter().map(|item| Change::Put(item));
    let deletes = delete.iter().map(|&(kind, id)| Change::Delete(kind, id));
    Command::ConfigureTied(ConfigureTied {
        seen_version,
        checked: ties.checked.into_iter().collect(),
        marked: ties.marked.into_iter().collect(),
        changes: puts.chain(deletes).collect(),
    })
}

/// A head of this version that holds no command.
pub(crate) fn nonsense() -> Vec<u8> {
    let mut head = vec![1];
    head.put_bytes(0xff, 9);
    head
}
