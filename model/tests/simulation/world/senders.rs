//! What senders and operators do: post, post again, retry and cancel by hand.

use super::{Asked, GROUPS, Kind, Mistake, NODES, WINDOW_MS, World};
use crate::network::Purpose;
use bytes::Bytes;
use model::fingerprint::{Fingerprint, Scope};
use model::ids::{ConnectionId, DestinationId, GroupId, RequestId, SourceId};
use model::kit;
use model::machine::{
    AcceptRequests, CancelEvent, Command, Incoming, Keyed, KeyedEvent, Once, Planned, RetryEvent,
    Verdict,
};
use model::policy::placement::Placement;
use model::state::{codec, tables};
use model::time::Timestamp;
use model::traffic::{Origin, RequestRecord, Trigger};

impl World {
    pub(super) fn post(&mut self, number: usize) -> Result<(), String> {
        // The load balancer knows who answers.
        let up: Vec<usize> = (0..NODES).filter(|&n| self.nodes[n].alive).collect();
        let all: Vec<DestinationId> = self.tempers.keys().copied().collect();
        let destinations = all
            .into_iter()
            .filter(|_| self.rng.bool())
            .collect::<Vec<_>>();
        let number_of_kind = self.rng.u128(0..3);
        let kind = match self.rng.u8(0..4) {
            0 => Some(Kind::Source(number_of_kind)),
            1 if !destinations.is_empty() => Some(Kind::Connection(number_of_kind)),
            _ => None,
        };
        let key = self.rng.bool().then(|| self.rng.u128(0..2));
        let group = self.place(kind, key);
        let door = up.get(self.rng.usize(0..up.len().max(1))).copied();
        let clock = door.map_or(Timestamp(self.now), |n| self.nodes[n].clock(self.now));
        let id = RequestId::mint(clock, group, self.rng.u128(..));
        let body = Bytes::from(format!("body {number} of {id}"));
        // Posted in the order of time, numbered by it.
        let number = self.asked.len();
        self.asked.push(Asked {
            id,
            proposed: false,
            ids: vec![id],
            body,
            destinations,
            acknowledged: false,
            kind,
            key,
        });
        if let Some(door) = door {
            self.accept(door, number);
        }
        Ok(())
    }

    /// The partition of a request. Two needs that don't agree leave one place for all that have any.
    fn place(&mut self, kind: Option<Kind>, key: Option<u128>) -> GroupId {
        if self.mistake == Mistake::SpreadsKinds || (kind, key) == (None, None) {
            return GroupId(self.rng.u16(1..=GROUPS));
        }
        let place = Placement::With(Fingerprint::default().within(Scope::Source, 1));
        place.group(GROUPS).expect("a partition")
    }

    /// Somebody retries or cancels an event by hand, whatever has become of it.
    pub(super) fn operate(&mut self) -> Result<(), String> {
        let node = self.rng.usize(0..NODES);
        if self.asked.is_empty() || !self.nodes[node].alive {
            return Ok(());
        }
        if self.rng.bool() && self.retry_ignored(node)? {
            return Ok(());
        }
        let asked = &self.asked[self.rng.usize(0..self.asked.len())];
        let ordinal = self.rng.usize(0..asked.destinations.len().max(1)) + 1;
        let event = asked
            .id
            .event(u16::try_from(ordinal).map_err(|e| e.to_string())?);
        let group = usize::from(event.group().0) - 1;
        self.ledger.by_hand(event);
        let command = if self.rng.bool() {
            let trigger = Trigger::Manual;
            Command::RetryEvent(RetryEvent { event, trigger })
        } else {
            self.ledger.may_be_cancelled(event);
            Command::CancelEvent(CancelEvent { event })
        };
        let bytes = command.envelope(self.nodes[node].clock(self.now), &[]);
        self.propose(node, group, bytes, Purpose::ByHand);
        Ok(())
    }

    pub(super) fn accept(&mut self, node: usize, number: usize) {
        if self.mistake == Mistake::DedupsAtTheDoor && self.looks_like_a_duplicate(node, number) {
            return;
        }
        let clock = self.nodes[node].clock(self.now);
        let vouched = self.is_vouched(node);
        let entropy = self.rng.u128(..);
        let asked = &mut self.asked[number];
        if !asked.proposed {
            asked.id = RequestId::mint(clock, asked.id.group(), entropy);
            asked.ids = vec![asked.id];
            asked.proposed = vouched;
        }
        let record = codec::encode(&RequestRecord {
            received_at: clock,
            origin: Origin::Vouched,
            ..kit::record()
        });
        let once = asked.kind.map(|kind| Once {
            fingerprint: fingerprint_of(kind),
            window_ms: WINDOW_MS,
        });
        let once = once.filter(|_| self.mistake != Mistake::DedupsAtTheDoor);
        let of_source = matches!(asked.kind, Some(Kind::Source(_)));
        let order = asked
            .key
            .filter(|_| self.mistake != Mistake::ForgetsTheOrder);
        let events = asked.destinations.iter().enumerate();
        let events = events.map(|(place, &destination)| KeyedEvent {
            planned: Planned {
                connection: ConnectionId(destination.0),
                destination,
                due_at: clock,
            },
            once: once.filter(|_| place == 0 && !of_source),
        });
        let command = Command::AcceptRequests(AcceptRequests {
            requests: vec![Incoming {
                id: asked.id,
                source: SourceId(1),
                record: &record,
                body: Some(0),
                verdict: Verdict::Keyed(Keyed {
                    once: once.filter(|_| of_source),
                    order: order.map(|key| Fingerprint::default().within(Scope::Order, key)),
                    events: events.collect(),
                    keep_ignored: 100,
                    ..Keyed::default()
                }),
            }],
        });
        let bytes = command.envelope(clock, std::slice::from_ref(&asked.body));
        let group = usize::from(asked.id.group().0) - 1;
        if self.mistake == Mistake::AcksBeforeCommit {
            asked.acknowledged = true;
        }
        self.propose(node, group, bytes, Purpose::Accept(number));
    }

    /// What a door would find that looks before it proposes.
    fn looks_like_a_duplicate(&self, node: usize, number: usize) -> bool {
        let asked = &self.asked[number];
        let replica = &self.nodes[node].replicas[usize::from(asked.id.group().0) - 1];
        asked.kind.is_some()
            && self.asked.iter().any(|other| {
                let stored = tables::request(&replica.rows, other.id).ok().flatten();
                other.id != asked.id && other.kind == asked.kind && stored.is_some()
            })
    }
}

/// For one source or one connection, as the door makes it.
fn fingerprint_of(kind: Kind) -> Fingerprint {
    let (scope, number) = match kind {
        Kind::Source(number) => (Scope::Source, number),
        Kind::Connection(number) => (Scope::Connection, number),
    };
    Fingerprint::default().within(scope, number)
}
