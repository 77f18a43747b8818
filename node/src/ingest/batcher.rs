//! Batching of requests into proposals: which go together into which partition, and when. Pure.

use super::{gather::Gather, probe::Probe};
use model::ids::GroupId;
use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    time::Duration,
};

/// How long a partition that took nothing stands behind the others: about an election.
const SHUNNED_FOR: Duration = Duration::from_secs(2);

/// The bounds of a batch.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    pub(super) max_requests: usize,
    pub(super) max_bytes: usize,
    pub(super) max_in_flight: usize,
    pub(super) max_linger: Duration,
    /// Requests that may wait for partitions that take nothing: more of them would keep all others out.
    pub(super) max_stuck: usize,
}

/// The next step of the batcher.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Step<T> {
    /// Nothing until a request comes or a batch ends.
    Wait,
    /// Ask again at this time.
    Linger { until: Duration },
    Propose {
        /// Of this batch, for its end.
        number: u64,
        group: GroupId,
        batch: Vec<T>,
    },
}

type Queue<T> = VecDeque<(usize, T)>;

/// Gathers requests. Times are counted from any fixed moment.
///
/// Spreading single requests over partitions would cost a sync, a round trip and an apply for each; a whole batch
/// for one partition pays them once, and the next batch takes the next partition. Requests that belong to one partition
/// wait for its turn, and go along with the others.
#[derive(Debug)]
pub(super) struct Batcher<T> {
    bounds: Bounds,
    /// Requests that any partition may take.
    free: Queue<T>,
    /// Requests that only this partition may take.
    keyed: BTreeMap<GroupId, Queue<T>>,
    /// The batches under way.
    in_flight: Vec<Flight>,
    /// What waits in all queues together.
    waiting: Load,
    gather: Gather,
    probe: Probe,
    proposed_at: Option<Duration>,
    ended_at: Duration,
    /// Batches so far.
    proposed: u64,
    /// Partitions that took nothing the last time, and until when others go before them.
    shunned: BTreeMap<GroupId, Duration>,
    last_group: GroupId,
    /// Requests that will surely come: those of the last batch, whose senders go on, and those who waited at its end.
    expected: usize,
    linger_until: Option<Duration>,
}

/// Requests, and their bytes.
#[derive(Clone, Copy, Debug, Default)]
struct Load {
    requests: usize,
    bytes: usize,
}

impl Load {
    fn add(&mut self, bytes: usize) {
        self.requests += 1;
        self.bytes += bytes;
    }

    fn remove(&mut self, bytes: usize) {
        self.requests -= 1;
        self.bytes -= bytes;
    }
}

/// A batch under way.
#[derive(Clone, Copy, Debug)]
struct Flight {
    number: u64,
    group: GroupId,
    since: Duration,
    size: usize,
    /// It counts towards the bound: its partition takes any request here.
    counts: bool,
}

/// A partition that may have the next batch.
#[derive(Clone, Copy)]
struct Candidate {
    group: GroupId,
    takes_free: bool,
}

impl<T> Batcher<T> {
    pub(super) fn new(bounds: Bounds) -> Self {
        Self {
            bounds,
            free: VecDeque::new(),
            keyed: BTreeMap::new(),
            in_flight: Vec::new(),
            waiting: Load::default(),
            gather: Gather::default(),
            probe: Probe::default(),
            proposed_at: None,
            ended_at: Duration::ZERO,
            proposed: 0,
            shunned: BTreeMap::new(),
            last_group: GroupId::CONTROL,
            expected: 0,
            linger_until: None,
        }
    }

    /// Takes in a request, for one partition or for any. Gives it back when too many wait for a partition that takes
    /// nothing.
    pub(super) fn push(
        &mut self,
        group: Option<GroupId>,
        bytes: usize,
        request: T,
    ) -> Result<(), T> {
        let is_stuck = group.is_some_and(|group| self.shunned.contains_key(&group));
        if is_stuck && self.stuck() >= self.bounds.max_stuck {
            return Err(request);
        }
        self.waiting.add(bytes);
        self.queue(group).push_back((bytes, request));
        Ok(())
    }

    /// Puts requests back that were surely not proposed; they go before all others.
    pub(super) fn push_back(
        &mut self,
        requests: impl DoubleEndedIterator<Item = (Option<GroupId>, usize, T)>,
    ) {
        for (group, bytes, request) in requests.rev() {
            self.waiting.add(bytes);
            self.queue(group).push_front((bytes, request));
        }
    }

    fn queue(&mut self, group: Option<GroupId>) -> &mut Queue<T> {
        match group {
            None => &mut self.free,
            Some(group) => self.keyed.entry(group).or_default(),
        }
    }

    /// Notes that a partition takes nothing now: without a leader, it would hold up one batch after the other.
    pub(super) fn shun(&mut self, group: GroupId, now: Duration) {
        self.shunned.insert(group, now + SHUNNED_FOR);
    }

    /// Notes that a partition took a batch.
    pub(super) fn welcome(&mut self, group: GroupId) {
        self.shunned.remove(&group);
    }

    /// Notes that a batch came to its end. `distance` is the way to a majority and back; none where it was not committed, since
    /// how long that took says nothing about the next.
    pub(super) fn ended(&mut self, number: u64, distance: Option<Duration>, now: Duration) {
        let mut flights = self.in_flight.iter();
        let Some(at) = flights.position(|flight| flight.number == number) else {
            return;
        };
        let flight = self.in_flight.remove(at);
        if let Some(distance) = distance.filter(|_| flight.counts) {
            let took = now.saturating_sub(flight.since);
            self.gather.observe(took, distance);
            let busy = now.saturating_sub(self.ended_at).min(took);
            self.probe.observe(flight.size, busy, now);
            self.expected = flight.size + self.waiting.requests;
            self.ended_at = now;
        }
    }

    /// Takes out the waiting requests for which it is too late.
    pub(super) fn expire(&mut self, too_late: impl Fn(&T) -> bool) -> Vec<T> {
        let mut late = Vec::new();
        for queue in self.keyed.values_mut().chain([&mut self.free]) {
            if !queue.iter().any(|(_, request)| too_late(request)) {
                continue;
            }
            let (expired, waiting): (Queue<T>, Queue<T>) = std::mem::take(queue)
                .into_iter()
                .partition(|(_, request)| too_late(request));
            *queue = waiting;
            for (bytes, request) in expired {
                self.waiting.remove(bytes);
                late.push(request);
            }
        }
        self.keyed.retain(|_, queue| !queue.is_empty());
        late
    }

    /// Decides. `groups` are the partitions that may take any request, ascending.
    pub(super) fn step(&mut self, groups: &[GroupId], now: Duration) -> Step<T> {
        self.shunned.retain(|_, until| *until > now);
        let room = self.room(now);
        let Some(next) = self.next(groups, room == Room::Now) else {
            return match room {
                Room::At(until) if self.waiting.requests > 0 => Step::Linger { until },
                _ => Step::Wait,
            };
        };
        if next.takes_free && self.worth_lingering() {
            let patience = self.gather.patience().min(self.bounds.max_linger);
            let until = *self.linger_until.get_or_insert(now + patience);
            if now < until {
                return Step::Linger { until };
            }
        }
        let batch = self.take(next);
        self.last_group = next.group;
        if next.takes_free {
            self.linger_until = None;
            self.proposed_at = Some(now);
        }
        // A batch for a partition that may take long, or nothing, keeps no other from its turn.
        self.proposed += 1;
        let number = self.proposed;
        self.in_flight.push(Flight {
            number,
            group: next.group,
            since: now,
            size: batch.len(),
            counts: next.takes_free,
        });
        let Candidate { group, .. } = next;
        Step::Propose {
            number,
            group,
            batch,
        }
    }

    /// Batches that may be under way.
    fn depth(&self) -> usize {
        self.gather.depth() + usize::from(self.probe.more())
    }

    /// Whether one more batch may be under way.
    fn room(&self, now: Duration) -> Room {
        let counted = self.in_flight.iter().filter(|flight| flight.counts);
        let (mut all, mut timely) = (0, 0);
        for flight in counted {
            all += 1;
            timely += usize::from(!self.gather.is_overdue(now.saturating_sub(flight.since)));
        }
        if all >= self.bounds.max_in_flight || timely >= self.depth() {
            return Room::None;
        }
        let after = self
            .proposed_at
            .map(|at| at + self.gather.apart(self.depth()));
        match after {
            Some(at) if timely > 0 && now < at && !self.is_full() => Room::At(at),
            _ => Room::Now,
        }
    }

    /// The first partition behind the last one, in a circle, for which something waits; one with nothing under way before
    /// the others. A shunned one gets what only it may take, and the rest only where all are shunned.
    fn next(&self, groups: &[GroupId], has_room: bool) -> Option<Candidate> {
        let all_shunned = groups.iter().all(|group| self.shunned.contains_key(group));
        let under_way = |group: &GroupId| {
            let flights = self.in_flight.iter();
            flights.filter(|flight| flight.group == *group).count()
        };
        let candidate = |group: &GroupId, flights: usize| {
            let is_shunned = self.shunned.contains_key(group) && !all_shunned;
            let takes_free = groups.contains(group) && !is_shunned;
            let has_some = self.keyed.contains_key(group) || (takes_free && !self.free.is_empty());
            // What may take long, or nothing, is tried with one batch at a time.
            let may = has_some
                && flights == under_way(group)
                && if takes_free { has_room } else { flights == 0 };
            may.then_some(Candidate {
                group: *group,
                takes_free,
            })
        };
        let all: BTreeSet<GroupId> = self.keyed.keys().chain(groups).copied().collect();
        let deepest = if has_room { self.in_flight.len() } else { 0 };
        (0..=deepest).find_map(|flights| {
            let mut behind = all.iter().filter(|group| **group > self.last_group);
            let behind = behind.find_map(|group| candidate(group, flights));
            behind.or_else(|| all.iter().find_map(|group| candidate(group, flights)))
        })
    }

    /// Whether as much waits as a batch holds.
    fn is_full(&self) -> bool {
        self.waiting.requests >= self.bounds.max_requests
            || self.waiting.bytes >= self.bounds.max_bytes
    }

    /// Only where one batch is under way at a time is it worth waiting for those who surely come.
    fn worth_lingering(&self) -> bool {
        self.depth() == 1 && !self.is_full() && self.waiting.requests < self.expected
    }

    /// Requests that wait for partitions that took nothing.
    fn stuck(&self) -> usize {
        let shunned = self.shunned.keys();
        let queues = shunned.filter_map(|group| self.keyed.get(group));
        queues.map(VecDeque::len).sum()
    }

    /// Fills a batch: with what only this partition may take, and then with what any may.
    fn take(&mut self, from: Candidate) -> Vec<T> {
        let mut batch = Batch {
            bounds: self.bounds,
            bytes: 0,
            requests: Vec::new(),
        };
        if let Some(queue) = self.keyed.get_mut(&from.group) {
            batch.fill(queue);
            if queue.is_empty() {
                self.keyed.remove(&from.group);
            }
        }
        if from.takes_free {
            batch.fill(&mut self.free);
        }
        self.waiting.requests -= batch.requests.len();
        self.waiting.bytes -= batch.bytes;
        batch.requests
    }
}

/// Whether one more batch may be under way.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Room {
    Now,
    /// From then on.
    At(Duration),
    /// When one of them has ended.
    None,
}

struct Batch<T> {
    bounds: Bounds,
    bytes: usize,
    requests: Vec<T>,
}

impl<T> Batch<T> {
    fn fill(&mut self, queue: &mut Queue<T>) {
        while let Some((size, _)) = queue.front() {
            let full = self.requests.len() >= self.bounds.max_requests
                || self.bytes + size > self.bounds.max_bytes;
            // A body larger than a batch goes alone.
            if full && !self.requests.is_empty() {
                return;
            }
            let Some((size, request)) = queue.pop_front() else {
                return;
            };
            self.bytes += size;
            self.requests.push(request);
        }
    }
}

#[cfg(test)]
mod stories;
#[cfg(test)]
mod tests;
