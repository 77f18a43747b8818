//! Which requests go together into which partition, and when: one partition's batch at a time, pure.

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
}

/// What to do now.
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

/// Gathers requests. Times are counted from any fixed moment.
///
/// Spreading single requests over partitions would cost a sync, a round trip and an apply for each; a whole batch
/// for one partition pays them once, and the next batch takes the next partition.
#[derive(Debug)]
pub(super) struct Batcher<T> {
    bounds: Bounds,
    waiting: VecDeque<(usize, T)>,
    in_flight: BTreeSet<GroupId>,
    /// Partitions that took nothing the last time, and until when others go before them.
    shunned: BTreeMap<GroupId, Duration>,
    last_group: GroupId,
    /// What the last batch held: a busy node waits for about as many again.
    last_size: usize,
    linger_until: Option<Duration>,
}

impl<T> Batcher<T> {
    pub(super) fn new(bounds: Bounds) -> Self {
        Self {
            bounds,
            waiting: VecDeque::new(),
            in_flight: BTreeSet::new(),
            shunned: BTreeMap::new(),
            last_group: GroupId::CONTROL,
            last_size: 0,
            linger_until: None,
        }
    }

    pub(super) fn push(&mut self, bytes: usize, request: T) {
        self.waiting.push_back((bytes, request));
    }

    /// Puts requests back that were surely not proposed; they go before all others.
    pub(super) fn push_back(&mut self, requests: impl DoubleEndedIterator<Item = (usize, T)>) {
        for request in requests.rev() {
            self.waiting.push_front(request);
        }
    }

    /// A partition takes nothing now: without a leader, it would hold up one batch after the other.
    pub(super) fn shun(&mut self, group: GroupId, now: Duration) {
        self.shunned.insert(group, now + SHUNNED_FOR);
    }

    /// A batch came to its end, whatever that was.
    pub(super) fn ended(&mut self, group: GroupId) {
        self.in_flight.remove(&group);
    }

    /// Takes out the waiting requests for which it is too late.
    pub(super) fn expire(&mut self, too_late: impl Fn(&T) -> bool) -> Vec<T> {
        if !self.waiting.iter().any(|(_, request)| too_late(request)) {
            return Vec::new();
        }
        let (late, waiting): (VecDeque<_>, VecDeque<_>) = std::mem::take(&mut self.waiting)
            .into_iter()
            .partition(|(_, request)| too_late(request));
        self.waiting = waiting;
        late.into_iter().map(|(_, request)| request).collect()
    }

    /// Decides. `groups` are the partitions that may take a batch, ascending.
    pub(super) fn step(&mut self, groups: &[GroupId], now: Duration) -> Step<T> {
        if self.waiting.is_empty() || self.in_flight.len() >= self.bounds.max_in_flight {
            return Step::Wait;
        }
        let Some(group) = self.next_group(groups, now) else {
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
        let batch = self.take();
        self.last_size = batch.len();
        self.last_group = group;
        self.in_flight.insert(group);
        Step::Propose { group, batch }
    }

    /// The first free partition behind the last one, in a circle; a shunned one only where all are.
    fn next_group(&mut self, groups: &[GroupId], now: Duration) -> Option<GroupId> {
        self.shunned.retain(|_, until| *until > now);
        let all_shunned = groups.iter().all(|group| self.shunned.contains_key(group));
        let free = |group: &&GroupId| {
            !self.in_flight.contains(group) && (all_shunned || !self.shunned.contains_key(group))
        };
        let behind = groups
            .iter()
            .filter(|group| **group > self.last_group)
            .find(free);
        behind.or_else(|| groups.iter().find(free)).copied()
    }

    /// Only a busy node lingers, and only until about as many have come as the last time.
    fn worth_lingering(&self) -> bool {
        self.last_size > 1 && self.waiting.len() < self.last_size.min(self.bounds.max_requests)
    }

    fn take(&mut self) -> Vec<T> {
        let mut batch = Vec::new();
        let mut bytes = 0;
        while let Some((size, _)) = self.waiting.front() {
            let full =
                batch.len() >= self.bounds.max_requests || bytes + size > self.bounds.max_bytes;
            // A body larger than a batch goes alone.
            if full && !batch.is_empty() {
                break;
            }
            let Some((size, request)) = self.waiting.pop_front() else {
                break;
            };
            bytes += size;
            batch.push(request);
        }
        batch
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
        })
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
        batcher.push(1, 7);
        assert_eq!(proposed(batcher.step(&LED, ms(0))), (GroupId(1), vec![7]));
        assert_eq!(batcher.step(&LED, ms(0)), Step::Wait);
    }

    #[test]
    fn the_next_batch_takes_the_next_led_partition_in_a_circle() {
        let mut batcher = batcher();
        let mut seen = Vec::new();
        for request in 0..4 {
            batcher.push(1, request);
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
            batcher.push(1, request);
        }
        let only = [GroupId(3)];
        assert_eq!(proposed(batcher.step(&only, ms(0))).1, vec![0, 1]);
        batcher.push(1, 2);
        assert_eq!(batcher.step(&only, ms(5)), Step::Wait);
        batcher.ended(GroupId(3));
        assert!(matches!(batcher.step(&only, ms(5)), Step::Linger { .. }));
        assert_eq!(proposed(batcher.step(&only, ms(6))).1, vec![2]);
    }

    #[test]
    fn a_busy_node_lingers_until_as_many_came_as_before_or_the_time_is_up() {
        let mut batcher = batcher();
        for request in 0..3 {
            batcher.push(1, request);
        }
        assert_eq!(proposed(batcher.step(&LED, ms(0))).1.len(), 3);
        batcher.push(1, 3);
        assert_eq!(batcher.step(&LED, ms(10)), Step::Linger { until: ms(11) });
        batcher.push(1, 4);
        assert_eq!(batcher.step(&LED, ms(10)), Step::Linger { until: ms(11) });
        batcher.push(1, 5);
        assert_eq!(
            proposed(batcher.step(&LED, ms(10))).1,
            vec![3, 4, 5],
            "as many as before"
        );
        batcher.ended(GroupId(1));
        batcher.push(1, 6);
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
            batcher.push(bytes, request);
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
        batcher.push(1, 0);
        let (group, batch) = proposed(batcher.step(&LED, ms(0)));
        batcher.push(1, 1);
        batcher.ended(group);
        batcher.push_back(batch.into_iter().map(|request| (1, request)));
        assert_eq!(
            proposed(batcher.step(&LED, ms(0))),
            (GroupId(3), vec![0, 1])
        );
    }

    #[test]
    fn a_request_that_waited_too_long_leaves_the_queue() {
        let mut batcher = batcher();
        for request in 0..3 {
            batcher.push(1, request);
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
            batcher.push(1, 0);
            let (group, _) = proposed(batcher.step(&groups, ms(now)));
            assert_eq!(group, GroupId(2));
            batcher.ended(group);
        }
        batcher.push(1, 0);
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
        batcher.push(1, 0);
        assert_eq!(proposed(batcher.step(&[GroupId(1)], ms(1))).0, GroupId(1));
    }
}
