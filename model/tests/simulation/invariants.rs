//! The promises, checked while they can be broken. Each error names the invariant of `docs/testing.md` that fell.

use crate::{
    network::Group,
    node::{Node, Replica},
    receiver::Receipt,
    world::{Asked, Coverage, Kind, RESHAPED, WINDOW_MS, limit_of, made},
};
use bytes::Bytes;
use model::{
    clock::MAX_SKEW_MS,
    delivery::Limit,
    envelope::Envelope,
    ids::{DestinationId, EventId, GroupId, RequestId},
    machine::Command,
    state::{
        codec, keys,
        kv::{Read, Table},
        tables,
    },
    time::Timestamp,
    traffic::{Event, EventStatus, IgnoredMeta},
};
use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet, hash_map::DefaultHasher},
    hash::{Hash, Hasher},
};

/// Hashing every row after every entry would cost most of the run.
const COMPARED_EVERY: usize = 5;
/// A node that is vouched for may be a bound away from another that is, and a proposal as far from its leader.
const TIME_AHEAD_MAX_MS: u64 = 2 * MAX_SKEW_MS + 1_000;
/// The longest delay of a run, and as much.
const DUE_WITHIN_MS: u64 = 5_000 + TIME_AHEAD_MAX_MS;

/// What an onlooker who sees everything has written down.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    hashes: HashMap<(GroupId, usize), u64>,
    receipts: BTreeMap<EventId, Vec<Receipt>>,
    /// The first and the last receipt of each event among all receipts.
    places: HashMap<EventId, (usize, usize)>,
    received: usize,
    sent: HashSet<(EventId, u16, u64, usize, u32)>,
    last_term: HashMap<GroupId, u64>,
    cancelled: HashSet<EventId>,
    by_hand: HashSet<EventId>,
    launches: BTreeMap<DestinationId, Vec<u64>>,
    in_flight: BTreeMap<DestinationId, Vec<(usize, u32)>>,
    /// Entries of each group that somebody has applied.
    seen: HashMap<GroupId, usize>,
    /// When each request was first accepted, by nobody's clock.
    accepted_at: HashMap<RequestId, u64>,
}

impl Ledger {
    /// Somebody asked for its cancellation, so it may end so.
    pub(crate) fn may_be_cancelled(&mut self, event: EventId) {
        self.cancelled.insert(event);
    }

    /// Somebody retried or cancelled it, so it may go out of its order.
    pub(crate) fn by_hand(&mut self, event: EventId) {
        self.by_hand.insert(event);
    }

    /// What receivers saw of an event.
    pub(crate) fn receipts_of(&self, event: EventId) -> &[Receipt] {
        self.receipts.get(&event).map_or(&[], Vec::as_slice)
    }

    /// I6: no destination gets more than it bears, from all nodes together.
    pub(crate) fn launched(
        &mut self,
        destination: DestinationId,
        by: (usize, u32),
        now: u64,
    ) -> Result<(), String> {
        let launches = self.launches.entry(destination).or_default();
        launches.push(now);
        let in_flight = self.in_flight.entry(destination).or_default();
        in_flight.push(by);
        match limit_of(destination) {
            Limit::None => {}
            Limit::Slots { slots, .. } => {
                if in_flight.len() > slots as usize {
                    return Err(format!("I6: {in_flight:?} are in flight to {destination}"));
                }
            }
            Limit::Rate(rate) => {
                for (count, from) in launches.iter().rev().enumerate() {
                    let share = (now - from) * u64::from(rate.limit);
                    if (count as u64 + 1) * rate.period_ms > share + rate.burst() * rate.period_ms {
                        return Err(format!(
                            "I6: {} attempts of {destination} within {} ms",
                            count + 1,
                            now - from
                        ));
                    }
                }
            }
        }
        Ok(())
    }

    /// An attempt has its outcome.
    pub(crate) fn ended(&mut self, destination: DestinationId, by: (usize, u32)) {
        let in_flight = self.in_flight.entry(destination).or_default();
        if let Some(at) = in_flight.iter().position(|known| *known == by) {
            in_flight.swap_remove(at);
        }
    }

    /// With its process end the connections of a node.
    pub(crate) fn died(&mut self, node: usize) {
        for in_flight in self.in_flight.values_mut() {
            in_flight.retain(|(by, _)| *by != node);
        }
    }

    /// I1: whatever was acknowledged is in the state of every later leader.
    pub(crate) fn leader_has_everything(
        &self,
        asked: &[Asked],
        group: &Group,
        leader: &Node,
    ) -> Result<(), String> {
        let rows = &leader.replicas[usize::from(group.id.0) - 1].rows;
        for asked in asked
            .iter()
            .filter(|a| a.acknowledged && a.id.group() == group.id)
        {
            let events = tables::events_of(rows, asked.id).map_err(|e| e.to_string())?;
            let present = tables::request(rows, asked.id)
                .map_err(|e| e.to_string())?
                .is_some();
            let ignored = tables::ignored_of(rows, asked.id).map_err(|e| e.to_string())?;
            if !present || events.len() + ignored.len() != asked.destinations.len() {
                return Err(format!(
                    "I1: node {} leads term {} of group {} without {}, which was acknowledged",
                    leader.number, group.term, group.id, asked.id
                ));
            }
        }
        Ok(())
    }

    /// I9: replicas that applied equally much hold equal rows.
    pub(crate) fn replicas_agree(
        &mut self,
        group: GroupId,
        replica: &Replica,
        at_once: bool,
    ) -> Result<(), String> {
        if !at_once && !replica.applied.is_multiple_of(COMPARED_EVERY) {
            return Ok(());
        }
        let mut hasher = DefaultHasher::new();
        for row in replica.rows.rows() {
            (row.0 as u8, row.1, row.2).hash(&mut hasher);
        }
        let hash = hasher.finish();
        let first = *self.hashes.entry((group, replica.applied)).or_insert(hash);
        if first != hash {
            return Err(format!(
                "I9: replicas of group {group} differ after {} entries",
                replica.applied
            ));
        }
        Ok(())
    }

    /// T1 and T2: a group's time is no further ahead of the right time than the bound, and nothing waits for a time that is
    /// further away than its delay.
    pub(crate) fn in_time(
        &mut self,
        group: &Group,
        replica: &Replica,
        now: u64,
    ) -> Result<(), String> {
        let seen = self.seen.entry(group.id).or_default();
        if replica.applied <= *seen {
            return Ok(());
        }
        *seen = replica.applied;
        let rows = &replica.rows;
        let time = keys::read_u64(rows, keys::META_NOW).map_err(|e| e.to_string())?;
        if time > now + TIME_AHEAD_MAX_MS {
            return Err(format!(
                "T1: the time of group {} is {} ms ahead",
                group.id,
                time - now
            ));
        }
        let accepted = accepted_by(&group.log[replica.applied - 1])?;
        for id in &accepted {
            self.accepted_at.entry(*id).or_insert(now);
        }
        if !replica.applied.is_multiple_of(COMPARED_EVERY) {
            return Ok(());
        }
        let events = rows.scan(
            Table::Events,
            &EventId(0).key(),
            &EventId(u128::MAX).key(),
            usize::MAX,
        );
        for (key, value) in events.map_err(|e| e.to_string())? {
            let event: Event = codec::decode(&value).map_err(|e| e.to_string())?;
            let Some(due_at) = event.due_at.filter(|due| due.0 > now + DUE_WITHIN_MS) else {
                continue;
            };
            return Err(format!(
                "T2: {:?} is due in {} ms",
                EventId::from_key(&key),
                due_at.0 - now
            ));
        }
        Ok(())
    }

    /// T2: nothing is attempted before it is due by the right time.
    pub(crate) fn is_due(&self, event: EventId, due_at: Timestamp, now: u64) -> Result<(), String> {
        if due_at.0 > now + TIME_AHEAD_MAX_MS {
            return Err(format!(
                "T2: {event} was attempted {} ms before it was due",
                due_at.0 - now
            ));
        }
        Ok(())
    }

    /// I5 and I7: no owner sends the same attempt twice, and none sends after a later one has begun.
    pub(crate) fn received(&mut self, receipt: Receipt) -> Result<(), String> {
        let Receipt {
            event,
            number,
            node,
            boot,
            term,
            ..
        } = receipt;
        let last = self.last_term.entry(event.group()).or_insert(term);
        if term < *last {
            return Err(format!(
                "I7: node {node} sent {event} in term {term} after term {last} had begun to"
            ));
        }
        *last = term;
        if !self.sent.insert((event, number, term, node, boot)) {
            return Err(format!(
                "I5: node {node} sent attempt {number} of {event} twice in term {term}"
            ));
        }
        self.received += 1;
        let first = self
            .places
            .get(&event)
            .map_or(self.received, |(first, _)| *first);
        self.places.insert(event, (first, self.received));
        self.receipts.entry(event).or_default().push(receipt);
        Ok(())
    }

    /// I1, I4, I5 and I12 at the end: one stored request for each that was asked, and every event of it ended well or ill.
    pub(crate) fn all_ended(
        &self,
        asked: &[Asked],
        group: &Group,
        replica: &Replica,
        coverage: &mut Coverage,
    ) -> Result<(), String> {
        for asked in asked.iter().filter(|asked| asked.id.group() == group.id) {
            let mut stored = 0;
            for &id in &asked.ids {
                stored += usize::from(
                    tables::request(&replica.rows, id)
                        .map_err(|e| e.to_string())?
                        .is_some(),
                );
                for (event_id, event) in
                    tables::events_of(&replica.rows, id).map_err(|e| e.to_string())?
                {
                    let attempts =
                        tables::attempts_of(&replica.rows, event_id).map_err(|e| e.to_string())?;
                    if attempts.len() != usize::from(event.attempts) {
                        return Err(format!(
                            "{event_id} counts {} attempts and has {}",
                            event.attempts,
                            attempts.len()
                        ));
                    }
                    let receipts = self.receipts.get(&event_id).map_or(&[][..], Vec::as_slice);
                    match event.status {
                        EventStatus::Successful => coverage.delivered += 1,
                        EventStatus::Failed => coverage.failed += 1,
                        EventStatus::Cancelled if self.cancelled.contains(&event_id) => {
                            coverage.cancelled += 1;
                        }
                        other => {
                            return Err(format!(
                                "I12: {event_id} is still {other:?} after the heal"
                            ));
                        }
                    }
                    if event.status == EventStatus::Successful
                        && !receipts.iter().any(|r| r.success)
                    {
                        return Err(format!(
                            "I1: {event_id} counts as delivered and nobody received it"
                        ));
                    }
                    coverage.extra_receipts += explained(event_id, receipts, &attempts, group)?;
                    let is_of_it = |receipt: &Receipt| match event.destination_id {
                        RESHAPED => [1, 2].iter().any(|version| {
                            made(*version, &asked.body).as_ref() == Some(&receipt.body)
                        }),
                        _ => receipt.body == asked.body,
                    };
                    if !receipts.iter().all(is_of_it) {
                        return Err(format!("I5: a receipt of {event_id} carries another body"));
                    }
                }
            }
            if stored > 1 {
                return Err(format!(
                    "I4: {} was asked once and stored {stored} times",
                    asked.id
                ));
            }
            if asked.acknowledged && stored == 0 {
                return Err(format!("I1: {} was acknowledged and is nowhere", asked.id));
            }
        }
        Ok(())
    }

    /// I4: in each window one of a kind has events, and its duplicates name it.
    pub(crate) fn one_of_a_kind(
        &self,
        asked: &[Asked],
        node: &Node,
        coverage: &mut Coverage,
    ) -> Result<(), String> {
        let mut made: BTreeMap<u128, Vec<(Timestamp, EventId)>> = BTreeMap::new();
        let mut duplicates = Vec::new();
        for asked in asked {
            let (ordinal, kind) = match asked.kind {
                Some(Kind::Source(kind)) => (0, kind),
                Some(Kind::Connection(kind)) => (1, kind + 1_000),
                None => continue,
            };
            let rows = &node.replicas[usize::from(asked.id.group().0) - 1].rows;
            let Some(stored) = tables::request(rows, asked.id).map_err(|e| e.to_string())? else {
                continue;
            };
            let ignored = tables::ignored_of(rows, asked.id).map_err(|e| e.to_string())?;
            match ignored
                .first()
                .and_then(|(_, ignored)| ignored.meta.clone())
            {
                Some(IgnoredMeta::Duplicate { first }) => {
                    coverage.duplicates += 1;
                    duplicates.push((kind, stored.ingested_at, first, asked.id));
                }
                // Without a connection it has nothing to be ignored by.
                _ if asked.destinations.is_empty() => {}
                _ => {
                    let event = asked.id.event(ordinal);
                    made.entry(kind)
                        .or_default()
                        .push((stored.ingested_at, event));
                }
            }
        }
        for firsts in made.values_mut() {
            firsts.sort_unstable();
            for pair in firsts.windows(2) {
                let [(at, one), (later, other)] = pair else {
                    continue;
                };
                if later.since_ms(*at) < WINDOW_MS {
                    return Err(format!(
                        "I4: {one} and {other} are of a kind and of a window"
                    ));
                }
            }
        }
        for (kind, at, first, second) in duplicates {
            let begun = made
                .get(&kind)
                .and_then(|made| made.iter().find(|(_, e)| *e == first));
            let without_connection = asked
                .iter()
                .any(|a| a.id == first.request() && a.destinations.is_empty());
            let in_window =
                begun.is_some_and(|(begun, _)| (begun.0..begun.0 + WINDOW_MS).contains(&at.0));
            // T3: by the right time as well, as far as two clocks may be apart.
            let lasted = self
                .accepted_at
                .get(&second)
                .zip(self.accepted_at.get(&first.request()));
            if let Some((second_at, first_at)) = lasted
                && second_at.saturating_sub(*first_at) > WINDOW_MS + TIME_AHEAD_MAX_MS
            {
                return Err(format!(
                    "T3: a duplicate of {first}, {} ms later",
                    second_at - first_at
                ));
            }
            if !in_window && !without_connection {
                return Err(format!(
                    "I4: a duplicate of {first}, which did not stand for it"
                ));
            }
        }
        Ok(())
    }

    /// I10: of the events of a key that go to one destination, none is received before the one in front has been for
    /// the last time.
    pub(crate) fn in_order(
        &self,
        asked: &[Asked],
        group: &Group,
        replica: &Replica,
        coverage: &mut Coverage,
    ) -> Result<(), String> {
        let mut last: BTreeMap<(u128, DestinationId), EventId> = BTreeMap::new();
        for id in accepted_in_order(group)? {
            let key = asked
                .iter()
                .find(|asked| asked.id == id)
                .and_then(|asked| asked.key);
            let Some(key) = key else { continue };
            for (event, row) in tables::events_of(&replica.rows, id).map_err(|e| e.to_string())? {
                let Some((first_receipt, _)) = self.places.get(&event) else {
                    continue;
                };
                if self.by_hand.contains(&event) {
                    continue;
                }
                let Some(before) = last.insert((key, row.destination_id), event) else {
                    continue;
                };
                coverage.in_order += 1;
                let (_, last_receipt) = self.places[&before];
                if first_receipt < &last_receipt {
                    return Err(format!(
                        "I10: {event} was received before {before} had ended"
                    ));
                }
            }
        }
        Ok(())
    }
}

/// The requests of a group as its log has them.
fn accepted_in_order(group: &Group) -> Result<Vec<RequestId>, String> {
    let mut ids = Vec::new();
    let mut known = BTreeSet::new();
    for bytes in &group.log {
        let accepted = accepted_by(bytes)?;
        ids.extend(accepted.into_iter().filter(|id| known.insert(*id)));
    }
    Ok(ids)
}

/// The requests that an entry brings.
fn accepted_by(bytes: &Bytes) -> Result<Vec<RequestId>, String> {
    let envelope = Envelope::parse(bytes).map_err(|e| e.to_string())?;
    let command = Command::decode(&envelope.head).map_err(|e| e.to_string())?;
    Ok(match command {
        Command::AcceptRequests(accepted) => {
            accepted.requests.iter().map(|request| request.id).collect()
        }
        _ => Vec::new(),
    })
}

/// I5: each receipt has its attempt record, or its owner fell. Returns how many had none.
fn explained(
    event: EventId,
    receipts: &[Receipt],
    attempts: &[(model::ids::AttemptId, model::traffic::Attempt)],
    group: &Group,
) -> Result<usize, String> {
    let mut extra = 0;
    for receipt in receipts {
        let recorded = attempts.iter().any(|(id, attempt)| {
            id.number == receipt.number && attempt.node == receipt.node as u64
        });
        if recorded {
            continue;
        }
        // A former owner's outcome of the same attempt was counted first.
        let overtaken = attempts.iter().any(|(id, _)| id.number == receipt.number);
        if receipt.term == group.term && !overtaken {
            return Err(format!(
                "I5: {event} was received from its present owner and has no record of it"
            ));
        }
        extra += 1;
    }
    Ok(extra)
}
