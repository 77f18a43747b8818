//! Tests of the lane, input by input.

use super::*;
use crate::{
    delivery::{Limit, Rate, Share},
    ids::{DestinationId, RequestId},
};
use proptest::prelude::*;
use std::collections::BTreeSet;

const PACE: Pace = Pace {
    window: 2,
    limit: Limit::None,
};
const NOW: Now = Now {
    wall: Timestamp(5000),
    steady: Monotone(77_000),
};

fn after_ms(now: Now, ms: u64) -> Now {
    Now {
        wall: now.wall.plus_ms(ms),
        steady: now.steady.plus_ms(ms),
    }
}

fn due(number: u128, class: DueClass) -> Due {
    Due {
        destination: DestinationId(1),
        class,
        at: Timestamp(1),
        event: RequestId::mint(Timestamp(1), GroupId(1), number).event(1),
    }
}

/// From the front: the first look, or the first for a second.
fn fetch(limit: usize) -> Output {
    Output::Fetch {
        limit,
        from: Floors::default(),
    }
}

fn fetched(due: Vec<Due>) -> Input {
    Input::Fetched {
        due,
        next_due: None,
    }
}

fn attempts(outputs: &[Output]) -> Vec<Due> {
    outputs
        .iter()
        .filter_map(|output| match output {
            Output::Attempt(due, _) => Some(*due),
            _ => None,
        })
        .collect()
}

#[test]
fn a_wake_fetches_once() {
    let mut lane = Lane::new(PACE);
    assert_eq!(lane.step(Input::Wake, NOW), [fetch(4)]);
    assert_eq!(lane.step(Input::Wake, NOW), []);
}

#[test]
fn no_more_than_the_window_is_in_flight() {
    let mut lane = Lane::new(PACE);
    lane.step(Input::Wake, NOW);
    let rows: Vec<Due> = (0..5).map(|n| due(n, DueClass::Fresh)).collect();
    let launched = attempts(&lane.step(fetched(rows.clone()), NOW));
    assert_eq!(launched, rows[..2]);
    let next = attempts(&lane.step(Input::Finished(rows[0].event, Sign::Healthy), NOW));
    assert_eq!(next, rows[2..3]);
}

#[test]
fn a_reported_event_is_not_launched_again_before_it_is_recorded() {
    let mut lane = Lane::new(PACE);
    lane.step(Input::Wake, NOW);
    let row = due(1, DueClass::Fresh);
    lane.step(fetched(vec![row]), NOW);
    lane.step(Input::Finished(row.event, Sign::Healthy), NOW);
    lane.step(Input::Wake, NOW);
    // Its due row still stands, so a fetch finds it.
    assert_eq!(attempts(&lane.step(fetched(vec![row]), NOW)), []);
    lane.step(Input::Recorded(row.event), NOW);
    assert_eq!(attempts(&lane.step(fetched(vec![row]), NOW)), [row]);
}

#[test]
fn fresh_events_and_retries_take_turns() {
    let mut lane = Lane::new(PACE);
    let retries = (0..4).map(|n| due(n, DueClass::Retry));
    let fresh = (10..14).map(|n| due(n, DueClass::Fresh));
    let launched = attempts(&lane.step(fetched(retries.chain(fresh).collect()), NOW));
    let classes: Vec<DueClass> = launched.iter().map(|due| due.class).collect();
    assert_eq!(classes, [DueClass::Fresh, DueClass::Retry]);
}

#[test]
fn it_sleeps_until_the_next_is_due_and_goes_when_nothing_is() {
    let mut lane = Lane::new(PACE);
    lane.step(Input::Wake, NOW);
    let later = after_ms(NOW, 700);
    let none = Input::Fetched {
        due: vec![],
        next_due: Some(later.wall),
    };
    assert_eq!(lane.step(none, NOW), [Output::SleepFor(700_000)]);
    assert_eq!(lane.step(Input::Wake, later), [fetch(4)]);
    assert_eq!(lane.step(fetched(vec![]), later), [Output::Idle]);
}

#[test]
fn a_lost_partition_takes_its_waiting_events_along() {
    let mut lane = Lane::new(Pace { window: 1, ..PACE });
    let rows = vec![due(1, DueClass::Fresh), due(2, DueClass::Fresh)];
    lane.step(fetched(rows.clone()), NOW);
    lane.step(Input::Lost(GroupId(1)), NOW);
    assert_eq!(
        attempts(&lane.step(Input::Finished(rows[0].event, Sign::Healthy), NOW)),
        []
    );
}

#[test]
fn a_stopped_lane_launches_nothing() {
    let mut lane = Lane::new(PACE);
    lane.step(Input::Stop, NOW);
    assert_eq!(lane.step(fetched(vec![due(1, DueClass::Fresh)]), NOW), []);
}

#[test]
fn a_disabled_destination_keeps_its_events_and_goes_on_when_it_is_enabled() {
    let mut lane = Lane::new(PACE);
    lane.step(Input::Held, NOW);
    let row = due(1, DueClass::Fresh);
    assert_eq!(lane.step(fetched(vec![row]), NOW), [Output::Idle]);
    assert_eq!(lane.step(Input::Wake, NOW), [Output::Idle]);
    let enabled = lane.step(Input::Configured(PACE), NOW);
    assert_eq!(enabled, [fetch(4)]);
    assert_eq!(attempts(&lane.step(fetched(vec![row]), NOW)), [row]);
}

#[test]
fn an_attempt_that_was_not_made_is_left_alone_for_a_moment() {
    let mut lane = Lane::new(PACE);
    let row = due(1, DueClass::Fresh);
    lane.step(fetched(vec![row]), NOW);
    let outputs = lane.step(Input::NotMade(row.event), NOW);
    assert_eq!(outputs, [fetch(5)]);
    let until = after_ms(NOW, PARKED_MS);
    // Its row is found again, and it is not launched in a circle.
    let found = lane.step(fetched(vec![row]), NOW);
    assert_eq!(found, [Output::SleepFor(PARKED_MS * 1000)]);
    assert_eq!(lane.step(Input::Wake, until), [fetch(4)]);
    assert_eq!(attempts(&lane.step(fetched(vec![row]), until)), [row]);
}

/// Its body is on another node, which is away. Those behind it don't wait for that.
#[test]
fn an_event_that_has_to_wait_is_left_alone_for_as_long_and_takes_no_room() {
    let mut lane = Lane::new(PACE);
    let (row, other) = (due(1, DueClass::Fresh), due(2, DueClass::Fresh));
    lane.step(fetched(vec![row]), NOW);
    assert_eq!(lane.step(Input::Waits(row.event, 15_000), NOW), [fetch(5)]);
    assert!(!lane.is_quiet(), "a successor would try it at once");
    let found = lane.step(fetched(vec![row, other]), NOW);
    assert_eq!(attempts(&found), [other]);
    lane.step(Input::Finished(other.event, Sign::Healthy), NOW);
    lane.step(Input::Recorded(other.event), NOW);
    let early = after_ms(NOW, 14_999);
    assert_eq!(attempts(&lane.step(fetched(vec![row]), early)), []);
    let until = after_ms(NOW, 15_000);
    lane.step(Input::Wake, until);
    assert_eq!(attempts(&lane.step(fetched(vec![row]), until)), [row]);
}

#[test]
fn a_lane_that_waits_for_its_pace_is_not_quiet() {
    let slow = Pace {
        window: 2,
        limit: Limit::Rate(Rate {
            limit: 1,
            period_ms: 3_600_000,
        }),
    };
    let mut lane = Lane::new(slow);
    let outputs = lane.step(fetched(vec![due(1, DueClass::Fresh)]), NOW);
    assert!(
        matches!(outputs[..], [Output::Ask(_), Output::SleepFor(_)]),
        "{outputs:?}"
    );
    assert!(!lane.is_quiet());
}

const TEN_A_SECOND: Rate = Rate {
    limit: 10,
    period_ms: 1000,
};

/// A lane with this much to do, that was given the whole of ten a second, and what it did.
fn with_tokens(rows: &[Due], level: u64) -> (Lane, Vec<Output>) {
    let mut lane = Lane::new(Pace {
        window: 9,
        limit: Limit::Rate(TEN_A_SECOND),
    });
    let outputs = lane.step(fetched(rows.to_vec()), NOW);
    let ask = outputs.iter().find_map(|output| match output {
        Output::Ask(ask) => Some(*ask),
        _ => None,
    });
    let answer = Answer {
        number: ask.expect("it asks").number,
        share: Share::Rate {
            tokens: TEN_A_SECOND.limit,
            cost: TEN_A_SECOND.cost(),
            room: TEN_A_SECOND.budget(),
        },
        level: Some(level),
        turn: None,
        lease_ms: 60_000,
        again_ms: 60_000,
    };
    let outputs = lane.step(Input::Answered(answer), NOW);
    (lane, outputs)
}

fn sent(outputs: &[Output]) -> Vec<EventId> {
    let sent = outputs.iter().filter_map(|output| match output {
        Output::Send(event, _) => Some(*event),
        _ => None,
    });
    sent.collect()
}

#[test]
fn of_a_rate_attempts_are_made_ready_ahead_and_sent_when_their_permits_come() {
    let rows: Vec<Due> = (0..5).map(|n| due(n, DueClass::Fresh)).collect();
    let (mut lane, outputs) = with_tokens(&rows, 0);
    // The first token comes in 107.7 ms, attempts are made ready 100 ms before.
    assert_eq!(outputs, [Output::SleepFor(7_693)]);
    let near = after_ms(NOW, 8);
    let outputs = lane.step(Input::Wake, near);
    assert_eq!(outputs[0], Output::Prepare(rows[0]));
    let ready = lane.step(Input::Prepared(rows[0].event), after_ms(NOW, 20));
    assert_eq!(sent(&ready), []);
    assert_eq!(lane.in_flight(), 1);
    let outputs = lane.step(Input::Wake, after_ms(NOW, 108));
    assert_eq!(sent(&outputs), [rows[0].event]);
    let outputs = lane.step(Input::Wake, after_ms(NOW, 116));
    // It is not sent twice, and the next is on its way to be ready.
    assert_eq!(outputs[0], Output::Prepare(rows[1]));
    let late = lane.step(Input::Prepared(rows[1].event), after_ms(NOW, 300));
    assert_eq!(sent(&late), [rows[1].event]);
}

#[test]
fn what_comes_to_nothing_before_it_is_ready_costs_no_permit() {
    let rows: Vec<Due> = (0..3).map(|n| due(n, DueClass::Fresh)).collect();
    let (mut lane, outputs) = with_tokens(&rows, TEN_A_SECOND.cost());
    assert!(outputs.contains(&Output::Prepare(rows[0])), "{outputs:?}");
    lane.step(Input::Finished(rows[0].event, Sign::Healthy), NOW);
    let next = lane.step(Input::Prepared(rows[1].event), NOW);
    assert_eq!(sent(&next), [rows[1].event]);
}

#[test]
fn what_is_ready_is_let_go_when_it_may_not_be_sent_or_has_waited_too_long() {
    let row = due(1, DueClass::Fresh);
    let discard = [Output::Discard(row.event)];
    let lost = Input::Lost(GroupId(1));
    for (input, after) in [(lost, 21), (Input::Held, 21), (Input::Wake, 4_000)] {
        let (mut lane, _) = with_tokens(&[row], 0);
        lane.step(Input::Wake, after_ms(NOW, 8));
        // Its home takes the share back, so that no token comes.
        lane.taker = Taker::new(Pace {
            window: 9,
            limit: Limit::Rate(TEN_A_SECOND),
        });
        lane.step(Input::Prepared(row.event), after_ms(NOW, 20));
        let outputs = lane.step(input, after_ms(NOW, after));
        assert_eq!(outputs[..1], discard);
        assert_eq!(lane.in_flight(), 0);
        // Somebody else may have it in hand by now: only the table knows.
        assert_eq!(
            sent(&lane.step(Input::Prepared(row.event), after_ms(NOW, 5_000))),
            []
        );
    }
}

#[test]
fn a_destination_that_keeps_failing_is_tried_one_by_one_and_loses_nothing() {
    let mut lane = Lane::new(Pace { window: 8, ..PACE });
    let rows: Vec<Due> = (0..20).map(|n| due(n, DueClass::Fresh)).collect();
    let mut flying: VecDeque<Due> = attempts(&lane.step(fetched(rows), NOW)).into();
    assert_eq!(flying.len(), 8);
    let mut now = NOW;
    let mut trials = 0;
    while let Some(row) = flying.pop_front() {
        flying.extend(attempts(
            &lane.step(Input::Finished(row.event, Sign::Sick), now),
        ));
        if trials == 3 {
            break;
        }
        if flying.is_empty() {
            let until = lane.circuit.open_until().expect("a pause");
            assert!(!lane.is_quiet());
            assert_eq!(attempts(&lane.step(Input::Wake, now)), []);
            now.steady = until;
            flying.extend(attempts(&lane.step(Input::Wake, now)));
            assert_eq!(flying.len(), 1, "one trial");
            trials += 1;
        }
    }
    // Twelve of the first window and what followed it, and a trial after each of three pauses; the others wait.
    let launched = 20 - lane.waiting();
    assert!((8..=16).contains(&launched), "{launched}");
    now.steady = lane.circuit.open_until().expect("a pause");
    let mut flying = attempts(&lane.step(Input::Wake, now));
    let mut later = Vec::new();
    while let Some(row) = flying.pop() {
        later.push(row);
        flying.extend(attempts(
            &lane.step(Input::Finished(row.event, Sign::Healthy), now),
        ));
    }
    assert_eq!(launched + later.len(), 20);
}

#[test]
fn what_is_ready_is_let_go_when_the_receiver_asks_for_rest() {
    let rows: Vec<Due> = (0..2).map(|n| due(n, DueClass::Fresh)).collect();
    let (mut lane, _) = with_tokens(&rows, 0);
    let near = after_ms(NOW, 8);
    lane.step(Input::Wake, near);
    lane.step(Input::Prepared(rows[0].event), near);
    let other = due(9, DueClass::Fresh).event;
    let rest = Input::Finished(other, Sign::Rest { ms: 5000 });
    let outputs = lane.step(rest, near);
    assert!(
        outputs.contains(&Output::Discard(rows[0].event)),
        "{outputs:?}"
    );
    assert_eq!(sent(&lane.step(Input::Wake, after_ms(near, 4999))), []);
    assert_eq!(lane.demand().waiting, 0, "it asks its home for nothing");
    assert!(!lane.is_quiet());
}

proptest! {
    #[test]
    fn every_fetched_event_is_launched_in_the_end(
        numbers in prop::collection::vec(0u128..40, 1..60),
    ) {
        let mut lane = Lane::new(PACE);
        let wanted: BTreeSet<EventId> =
            numbers.iter().map(|n| due(*n, DueClass::Fresh).event).collect();
        let rows = numbers.iter().map(|n| due(*n, DueClass::Fresh)).collect();
        let mut flying = attempts(&lane.step(fetched(rows), NOW));
        let mut launched = BTreeSet::new();
        while let Some(row) = flying.pop() {
            prop_assert!(launched.insert(row.event));
            flying.extend(attempts(&lane.step(Input::Finished(row.event, Sign::Healthy), NOW)));
        }
        prop_assert_eq!(launched, wanted);
    }

    #[test]
    fn whatever_happens_nothing_is_launched_twice_or_beyond_the_window(
        script in prop::collection::vec((0u8..5, 0u128..12), 1..300),
    ) {
        let mut lane = Lane::new(PACE);
        let mut busy: BTreeSet<EventId> = BTreeSet::new();
        let mut flying: BTreeSet<EventId> = BTreeSet::new();
        let mut now = NOW;
        for (what, number) in script {
            now = after_ms(now, 300);
            let row = due(number, if number % 2 == 0 { DueClass::Fresh } else { DueClass::Retry });
            let input = match what {
                0 => Input::Wake,
                1 => fetched(vec![row]),
                2 if flying.remove(&row.event) => Input::Finished(row.event, Sign::Healthy),
                3 if busy.contains(&row.event) && !flying.contains(&row.event) => {
                    busy.remove(&row.event);
                    Input::Recorded(row.event)
                }
                4 if flying.remove(&row.event) => {
                    busy.remove(&row.event);
                    Input::NotMade(row.event)
                }
                _ => continue,
            };
            for launched in attempts(&lane.step(input, now)) {
                prop_assert!(busy.insert(launched.event), "launched twice: {:?}", launched);
                flying.insert(launched.event);
            }
            prop_assert!(flying.len() <= 2);
            prop_assert_eq!(flying.len(), usize::from(lane.in_flight()));
        }
    }
}
