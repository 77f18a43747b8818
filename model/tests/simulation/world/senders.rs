//! What senders and operators do: post, post again, retry and cancel by hand.

use super::{Asked, GROUPS, Mistake, NODES, World};
use crate::network::Purpose;
use bytes::Bytes;
use model::ids::{ConnectionId, DestinationId, GroupId, RequestId, SourceId};
use model::machine::{
    AcceptRequests, CancelEvent, Command, Incoming, Planned, RetryEvent, Verdict,
};
use model::state::codec;
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
        let group = self.rng.u16(1..=GROUPS);
        let door = up.get(self.rng.usize(0..up.len().max(1))).copied();
        let clock = door.map_or(Timestamp(self.now), |n| self.nodes[n].clock(self.now));
        let id = RequestId::mint(clock, GroupId(group), self.rng.u128(..));
        let body = Bytes::from(format!("body {number} of {id}"));
        // Posted in the order of time, numbered by it.
        let number = self.asked.len();
        self.asked.push(Asked {
            id,
            ids: vec![id],
            body,
            destinations,
            acknowledged: false,
        });
        if let Some(door) = door {
            self.accept(door, number);
        }
        Ok(())
    }

    /// Somebody retries or cancels an event by hand, whatever has become of it.
    pub(super) fn operate(&mut self) -> Result<(), String> {
        let node = self.rng.usize(0..NODES);
        if self.asked.is_empty() || !self.nodes[node].alive {
            return Ok(());
        }
        let asked = &self.asked[self.rng.usize(0..self.asked.len())];
        let ordinal = self.rng.usize(0..asked.destinations.len().max(1)) + 1;
        let event = asked
            .id
            .event(u16::try_from(ordinal).map_err(|e| e.to_string())?);
        let group = usize::from(event.group().0) - 1;
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
        let clock = self.nodes[node].clock(self.now);
        let asked = &mut self.asked[number];
        let record = codec::encode(&RequestRecord {
            source_id: SourceId(1),
            received_at: clock,
            method: "POST".into(),
            path: String::new(),
            query: String::new(),
            headers: vec![],
            origin: Origin::Vouched,
        });
        let events = asked.destinations.iter().map(|&destination| Planned {
            connection: ConnectionId(destination.0),
            destination,
            due_at: clock,
        });
        let command = Command::AcceptRequests(AcceptRequests {
            requests: vec![Incoming {
                id: asked.id,
                source: SourceId(1),
                record: &record,
                body: Some(0),
                verdict: Verdict::Accepted {
                    events: events.collect(),
                    ignored: vec![],
                },
            }],
        });
        let bytes = command.envelope(clock, std::slice::from_ref(&asked.body));
        let group = usize::from(asked.id.group().0) - 1;
        if self.mistake == Mistake::AcksBeforeCommit {
            asked.acknowledged = true;
        }
        self.propose(node, group, bytes, Purpose::Accept(number));
    }
}
