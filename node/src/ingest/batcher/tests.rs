//! What the batcher decides, step by step.

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

/// The number of a partition's eldest batch.
fn eldest(batcher: &Batcher<u32>, group: GroupId) -> u64 {
    let mut flights = batcher.in_flight.iter();
    let eldest = flights.find(|flight| flight.group == group);
    eldest.expect("one is under way").number
}

/// A batch ends, and teaches nothing.
fn ended(batcher: &mut Batcher<u32>, group: GroupId) {
    batcher.ended(eldest(batcher, group), None, ms(0));
}

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

fn proposed(step: Step<u32>) -> (GroupId, Vec<u32>) {
    match step {
        Step::Propose { group, batch, .. } => (group, batch),
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
        ended(&mut batcher, group);
        seen.push(group.0);
    }
    assert_eq!(seen, [1, 3, 5, 1]);
}

/// Lets batches of one request take so long, one after the other.
fn teach(batcher: &mut Batcher<u32>, batches: u32, took: Duration, distance: Duration) {
    for _ in 0..batches {
        push(batcher, 1, 0);
        let (group, _) = proposed(batcher.step(&LED, ms(0)));
        batcher.ended(eldest(batcher, group), Some(distance), took);
    }
}

#[test]
fn nearby_one_batch_is_under_way() {
    let mut batcher = batcher();
    push(&mut batcher, 1, 0);
    assert_eq!(proposed(batcher.step(&LED, ms(0))).1, vec![0]);
    for request in 1..9 {
        push(&mut batcher, 1, request);
        assert_eq!(batcher.step(&LED, ms(5)), Step::Wait);
    }
    ended(&mut batcher, GroupId(1));
    assert_eq!(proposed(batcher.step(&LED, ms(6))).1, vec![1, 2, 3, 4]);
}

#[test]
fn over_a_distance_the_next_goes_when_the_one_before_is_on_its_way() {
    let mut batcher = batcher();
    teach(&mut batcher, 9, ms(50), ms(46));
    let only = [GroupId(3)];
    push(&mut batcher, 1, 1);
    assert_eq!(proposed(batcher.step(&only, ms(100))).1, vec![1]);
    push(&mut batcher, 1, 2);
    let step = batcher.step(&only, ms(101));
    let Step::Linger { until } = step else {
        panic!("{step:?}");
    };
    assert!(until > ms(103) && until < ms(105), "{until:?}");
    push(&mut batcher, 1, 3);
    assert_eq!(
        proposed(batcher.step(&only, ms(105))),
        (GroupId(3), vec![2, 3])
    );
    push(&mut batcher, 1, 4);
    assert_eq!(
        batcher.step(&only, ms(120)),
        Step::Wait,
        "as many as may be in flight"
    );
}

#[test]
fn a_full_batch_waits_for_no_time() {
    let mut batcher = batcher();
    teach(&mut batcher, 9, ms(50), ms(46));
    push(&mut batcher, 1, 1);
    proposed(batcher.step(&LED, ms(100)));
    push(&mut batcher, 99, 2);
    assert!(matches!(batcher.step(&LED, ms(100)), Step::Linger { .. }));
    push(&mut batcher, 1, 3);
    assert_eq!(proposed(batcher.step(&LED, ms(100))).1, vec![2, 3]);
}

#[test]
fn a_busy_node_lingers_until_those_who_surely_come_have_come_or_the_time_is_up() {
    let mut batcher = batcher();
    teach(&mut batcher, 1, ms(1), ms(0));
    teach(&mut batcher, 90, ms(3), ms(0));
    for request in 0..2 {
        push(&mut batcher, 1, request);
    }
    assert_eq!(proposed(batcher.step(&LED, ms(10))).1, vec![0, 1]);
    push(&mut batcher, 1, 2);
    assert_eq!(batcher.step(&LED, ms(12)), Step::Wait);
    batcher.ended(eldest(&batcher, GroupId(3)), Some(ms(0)), ms(13));
    // It is two milliseconds slower than when it was idle, of which one is allowed.
    assert_eq!(batcher.step(&LED, ms(13)), Step::Linger { until: ms(14) });
    push(&mut batcher, 1, 3);
    assert_eq!(batcher.step(&LED, ms(13)), Step::Linger { until: ms(14) });
    push(&mut batcher, 1, 4);
    let (group, batch) = proposed(batcher.step(&LED, ms(13)));
    assert_eq!(
        batch,
        vec![2, 3, 4],
        "the two that were answered, and the one that waited"
    );
    batcher.ended(eldest(&batcher, group), Some(ms(0)), ms(16));
    push(&mut batcher, 1, 5);
    assert_eq!(batcher.step(&LED, ms(16)), Step::Linger { until: ms(17) });
    assert_eq!(
        proposed(batcher.step(&LED, ms(17))).1,
        vec![5],
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
        if let Step::Propose { group, batch, .. } = batcher.step(&LED, ms(now)) {
            ended(&mut batcher, group);
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
    ended(&mut batcher, group);
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
        ended(&mut batcher, group);
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
            Step::Propose { group, batch, .. } => all.push((group.0, batch)),
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
    ended(&mut batcher, GroupId(4));
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
    assert_eq!(all_proposed(&mut batcher, &LED), [(1, vec![0, 1, 2, 3])]);
    ended(&mut batcher, GroupId(1));
    assert_eq!(all_proposed(&mut batcher, &LED), [(3, vec![4, 5, 6, 7])]);
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
    ended(&mut batcher, group);
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
