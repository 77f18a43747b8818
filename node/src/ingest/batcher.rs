//! Batching of requests into proposals: which go together into which partition, and when. One partition's batch at a
//! time, pure.

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
    Linger {
        until: Duration,
    },
    Propose {
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
    /// Partitions with a batch under way, and whether it counts towards the bound.
    in_flight: BTreeMap<GroupId, bool>,
    /// Partitions that took nothing the last time, and until when others go before them.
    shunned: BTreeMap<GroupId, Duration>,
    last_group: GroupId,
    /// What the last batch held: a busy node waits for about as many again.
    last_size: usize,
    linger_until: Option<Duration>,
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
            in_flight: BTreeMap::new(),
            shunned: BTreeMap::new(),
            last_group: GroupId::CONTROL,
            last_size: 0,
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
        self.queue(group).push_back((bytes, request));
        Ok(())
    }

    /// Puts requests back that were surely not proposed; they go before all others.
    pub(super) fn push_back(
        &mut self,
        requests: impl DoubleEndedIterator<Item = (Option<GroupId>, usize, T)>,
    ) {
        for (group, bytes, request) in requests.rev() {
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

    /// Notes that a batch came to its end, whatever that was.
    pub(super) fn ended(&mut self, group: GroupId) {
        self.in_flight.remove(&group);
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
            late.extend(expired.into_iter().map(|(_, request)| request));
        }
        self.keyed.retain(|_, queue| !queue.is_empty());
        late
    }

    /// Decides. `groups` are the partitions that may take any request, ascending.
    pub(super) fn step(&mut self, groups: &[GroupId], now: Duration) -> Step<T> {
        self.shunned.retain(|_, until| *until > now);
        let Some(next) = self.next(groups) else {
            return Step::Wait;
        };
        if self.worth_lingering() {
            let until = *self
                .linger_until
                .get_or_insert(now + self.bounds.max_linger);
            if now < until {
                return Step::Linger { until };
            }
        }
        self.linger_until = None;
        let batch = self.take(next);
        self.last_size = batch.len();
        self.last_group = next.group;
        // A batch for a partition that may take long, or nothing, keeps no other from its turn.
        self.in_flight.insert(next.group, next.takes_free);
        let Candidate { group, .. } = next;
        Step::Propose { group, batch }
    }

    /// The first free partition behind the last one, in a circle, for which something waits. A shunned one gets what
    /// only it may take, and the rest only where all are shunned.
    fn next(&self, groups: &[GroupId]) -> Option<Candidate> {
        let counted = self.in_flight.values().filter(|counts| **counts).count();
        let is_full = counted >= self.bounds.max_in_flight;
        let all_shunned = groups.iter().all(|group| self.shunned.contains_key(group));
        let candidate = |group: &GroupId| {
            let is_shunned = self.shunned.contains_key(group) && !all_shunned;
            let takes_free = groups.contains(group) && !is_shunned;
            let has_some = self.keyed.contains_key(group) || (takes_free && !self.free.is_empty());
            let may = has_some && !self.in_flight.contains_key(group) && !(takes_free && is_full);
            may.then_some(Candidate {
                group: *group,
                takes_free,
            })
        };
        let all: BTreeSet<GroupId> = self.keyed.keys().chain(groups).copied().collect();
        let mut behind = all.iter().filter(|group| **group > self.last_group);
        let behind = behind.find_map(candidate);
        behind.or_else(|| all.iter().find_map(candidate))
    }

    /// Only a busy node lingers, and only until about as many have come as the last time.
    fn worth_lingering(&self) -> bool {
        let keyed: usize = self.keyed.values().map(VecDeque::len).sum();
        let waiting = self.free.len() + keyed;
        self.last_size > 1 && waiting < self.last_size.min(self.bounds.max_requests)
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
        batch.requests
    }
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
mod tests {
    use super::*;

    const LINGER: Duration = Duration::from_millis(1);
    const LED: [GroupId; 3] = [GroupId(1), GroupId(3), GroupId(5)];

    fn batcher() -> Batcher<u32> {
        Batcher::new(Bounds {
            max_requests: 4,
            max_bytes: 100,
            max_in_flight: 2,
            max_linger: LINGER,
            max_stuck: 3,
        })
    }

    fn push(batcher: &mut Batcher<u32>, bytes: usize, request: u32) {
        batcher.push(None, bytes, request).expect("taken");
    }

    fn push_to(batcher: &mut Batcher<u32>, group: u16, request: u32) -> Result<(), u32> {
        batcher.push(Some(GroupId(group)), 1, request)
    }

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    fn proposed(step: Step<u32>) -> (GroupId, Vec<u32>) {
        match step {
            Step::Propose { group, batch } => (group, batch),
            other => panic!("expected a proposal, got {other:?}"),
        }
    }

    #[test]
    fn a_single_request_goes_at_once() {
        let mut batcher = batcher();
        push(&mut batcher, 1, 7);
        assert_eq!(proposed(batcher.step(&LED, ms(0))), (GroupId(1), vec![7]));
        assert_eq!(batcher.step(&LED, ms(0)), Step::Wait);
    }

    #[test]
    fn the_next_batch_takes_the_next_led_partition_in_a_circle() {
        let mut batcher = batcher();
        let mut seen = Vec::new();
        for request in 0..4 {
            push(&mut batcher, 1, request);
            let (group, _) = proposed(batcher.step(&LED, ms(0)));
            batcher.ended(group);
            seen.push(group.0);
        }
        assert_eq!(seen, [1, 3, 5, 1]);
    }

    #[test]
    fn a_partition_has_one_batch_in_flight() {
        let mut batcher = batcher();
        for request in 0..2 {
            push(&mut batcher, 1, request);
        }
        let only = [GroupId(3)];
        assert_eq!(proposed(batcher.step(&only, ms(0))).1, vec![0, 1]);
        push(&mut batcher, 1, 2);
        assert_eq!(batcher.step(&only, ms(5)), Step::Wait);
        batcher.ended(GroupId(3));
        assert!(matches!(batcher.step(&only, ms(5)), Step::Linger { .. }));
        assert_eq!(proposed(batcher.step(&only, ms(6))).1, vec![2]);
    }

    #[test]
    fn a_busy_node_lingers_until_as_many_came_as_before_or_the_time_is_up() {
        let mut batcher = batcher();
        for request in 0..3 {
            push(&mut batcher, 1, request);
        }
        assert_eq!(proposed(batcher.step(&LED, ms(0))).1.len(), 3);
        push(&mut batcher, 1, 3);
        assert_eq!(batcher.step(&LED, ms(10)), Step::Linger { until: ms(11) });
        push(&mut batcher, 1, 4);
        assert_eq!(batcher.step(&LED, ms(10)), Step::Linger { until: ms(11) });
        push(&mut batcher, 1, 5);
        assert_eq!(
            proposed(batcher.step(&LED, ms(10))).1,
            vec![3, 4, 5],
            "as many as before"
        );
        batcher.ended(GroupId(1));
        push(&mut batcher, 1, 6);
        assert_eq!(batcher.step(&LED, ms(20)), Step::Linger { until: ms(21) });
        assert_eq!(
            proposed(batcher.step(&LED, ms(21))).1,
            vec![6],
            "the time is up"
        );
    }

    #[test]
    fn a_batch_is_bounded_by_count_and_bytes_and_a_large_body_goes_alone() {
        let mut batcher = batcher();
        for (bytes, request) in [(500, 0), (60, 1), (60, 2), (1, 3), (1, 4), (1, 5), (1, 6)] {
            push(&mut batcher, bytes, request);
        }
        let mut batches = Vec::new();
        for now in 0..10 {
            if let Step::Propose { group, batch } = batcher.step(&LED, ms(now)) {
                batcher.ended(group);
                batches.push(batch);
            }
        }
        assert_eq!(batches, [vec![0], vec![1], vec![2, 3, 4, 5], vec![6]]);
    }

    #[test]
    fn what_was_not_proposed_goes_first_in_another_partition() {
        let mut batcher = batcher();
        push(&mut batcher, 1, 0);
        let (group, batch) = proposed(batcher.step(&LED, ms(0)));
        push(&mut batcher, 1, 1);
        batcher.ended(group);
        batcher.push_back(batch.into_iter().map(|request| (None, 1, request)));
        assert_eq!(
            proposed(batcher.step(&LED, ms(0))),
            (GroupId(3), vec![0, 1])
        );
    }

    #[test]
    fn a_request_that_waited_too_long_leaves_the_queue() {
        let mut batcher = batcher();
        for request in 0..3 {
            push(&mut batcher, 1, request);
        }
        assert_eq!(batcher.expire(|request| *request == 1), vec![1]);
        assert_eq!(proposed(batcher.step(&LED, ms(0))).1, vec![0, 2]);
    }

    #[test]
    fn a_partition_without_a_leader_stands_behind_the_others_for_a_while() {
        let mut batcher = batcher();
        let groups = [GroupId(1), GroupId(2)];
        batcher.shun(GroupId(1), ms(0));
        for now in [1, 2, 1_999] {
            push(&mut batcher, 1, 0);
            let (group, _) = proposed(batcher.step(&groups, ms(now)));
            assert_eq!(group, GroupId(2));
            batcher.ended(group);
        }
        push(&mut batcher, 1, 0);
        assert_eq!(
            proposed(batcher.step(&groups, ms(2_000))).0,
            GroupId(1),
            "it has its turn again"
        );
    }

    #[test]
    fn where_all_are_shunned_all_are_tried() {
        let mut batcher = batcher();
        batcher.shun(GroupId(1), ms(0));
        push(&mut batcher, 1, 0);
        assert_eq!(proposed(batcher.step(&[GroupId(1)], ms(1))).0, GroupId(1));
    }

    /// Everything that is proposed until nothing is, without any batch ending.
    fn all_proposed(batcher: &mut Batcher<u32>, groups: &[GroupId]) -> Vec<(u16, Vec<u32>)> {
        let mut all = Vec::new();
        for now in 10.. {
            match batcher.step(groups, ms(now)) {
                Step::Wait => return all,
                Step::Linger { .. } => {}
                Step::Propose { group, batch } => all.push((group.0, batch)),
            }
        }
        all
    }

    #[test]
    fn what_belongs_to_a_partition_goes_there_wherever_it_is_led() {
        let mut batcher = batcher();
        for (group, request) in [(3, 30), (4, 40), (3, 31)] {
            push_to(&mut batcher, group, request).expect("taken");
        }
        let proposed = all_proposed(&mut batcher, &LED);
        assert_eq!(proposed, [(3, vec![30, 31]), (4, vec![40])]);
    }

    #[test]
    fn what_any_partition_may_take_goes_along_with_what_one_must() {
        let mut batcher = batcher();
        push(&mut batcher, 1, 0);
        push_to(&mut batcher, 3, 30).expect("taken");
        push_to(&mut batcher, 4, 40).expect("taken");
        // Nothing goes along where it would have to be sent to another node.
        batcher.last_group = GroupId(1);
        let proposed = all_proposed(&mut batcher, &LED);
        assert_eq!(proposed, [(3, vec![30, 0]), (4, vec![40])]);
    }

    #[test]
    fn one_batch_a_partition_holds_for_what_belongs_to_it_too() {
        let mut batcher = batcher();
        push_to(&mut batcher, 4, 40).expect("taken");
        assert_eq!(all_proposed(&mut batcher, &LED), [(4, vec![40])]);
        push_to(&mut batcher, 4, 41).expect("taken");
        assert_eq!(all_proposed(&mut batcher, &LED), []);
        batcher.ended(GroupId(4));
        assert_eq!(all_proposed(&mut batcher, &LED), [(4, vec![41])]);
    }

    #[test]
    fn partitions_without_a_leader_hold_up_no_other() {
        let mut batcher = batcher();
        for group in 6..12 {
            push_to(&mut batcher, group, u32::from(group)).expect("taken");
            batcher.shun(GroupId(group), ms(0));
        }
        assert_eq!(all_proposed(&mut batcher, &LED).len(), 6, "one try each");
        // They hang, and the others have all the room that they had.
        for request in 0..8 {
            push(&mut batcher, 1, request);
        }
        let proposed = all_proposed(&mut batcher, &LED);
        let groups: Vec<u16> = proposed.iter().map(|(group, _)| *group).collect();
        assert_eq!(groups, [1, 3], "as many as may be in flight");
    }

    #[test]
    fn a_led_partition_that_takes_nothing_is_tried_with_its_own_alone() {
        let mut batcher = batcher();
        batcher.shun(GroupId(3), ms(0));
        push_to(&mut batcher, 3, 30).expect("taken");
        push(&mut batcher, 1, 0);
        let proposed = all_proposed(&mut batcher, &LED);
        assert_eq!(proposed, [(1, vec![0]), (3, vec![30])]);
    }

    #[test]
    fn no_more_wait_for_a_partition_that_takes_nothing_than_may() {
        let mut batcher = batcher();
        batcher.shun(GroupId(3), ms(0));
        batcher.shun(GroupId(4), ms(0));
        for (group, request) in [(3, 0), (4, 1), (3, 2)] {
            assert_eq!(push_to(&mut batcher, group, request), Ok(()));
        }
        assert_eq!(push_to(&mut batcher, 4, 3), Err(3));
        assert_eq!(push_to(&mut batcher, 5, 4), Ok(()), "it takes what it gets");
        batcher.welcome(GroupId(4));
        assert_eq!(push_to(&mut batcher, 4, 5), Ok(()));
    }

    #[test]
    fn what_was_not_proposed_goes_back_to_where_it_belongs() {
        let mut batcher = batcher();
        push_to(&mut batcher, 3, 30).expect("taken");
        push(&mut batcher, 1, 0);
        batcher.last_group = GroupId(1);
        let (group, batch) = proposed(batcher.step(&LED, ms(0)));
        assert_eq!((group, &batch), (GroupId(3), &vec![30, 0]));
        push_to(&mut batcher, 3, 31).expect("taken");
        batcher.ended(group);
        batcher.shun(group, ms(0));
        let keyed = |request| (request >= 30).then_some(GroupId(3));
        batcher.push_back(
            batch
                .into_iter()
                .map(|request| (keyed(request), 1, request)),
        );
        let proposed = all_proposed(&mut batcher, &LED);
        assert_eq!(proposed, [(5, vec![0]), (3, vec![30, 31])]);
    }

    #[test]
    fn a_request_that_waited_too_long_for_its_partition_leaves_the_queue() {
        let mut batcher = batcher();
        for request in 0..3 {
            push_to(&mut batcher, 4, request).expect("taken");
        }
        assert_eq!(batcher.expire(|request| *request != 1), vec![0, 2]);
        assert_eq!(all_proposed(&mut batcher, &LED), [(4, vec![1])]);
        assert!(batcher.keyed.is_empty());
    }
}
