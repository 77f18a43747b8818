//! What becomes of an event, told story by story.

use crate::kit::{NOW, World, cancel, record, request, retry};
use model::{
    machine::{EventReply, Next, Recorded, Reply},
    state::keys::DueClass,
    traffic::EventStatus::{Cancelled, Failed, Queued, Scheduled, Successful},
};

fn counted(status: model::traffic::EventStatus) -> Reply {
    Reply::Recorded(vec![Recorded::Counted(status)])
}

fn late() -> Reply {
    Reply::Recorded(vec![Recorded::Late])
}

#[test]
fn a_late_outcome_of_an_old_attempt_changes_nothing() {
    let mut world = World::default();
    let event = world.accepted(request(NOW, 1));
    let retry_at = Next::RetryAt(NOW.plus_ms(1_000));
    assert_eq!(world.record(event, 1, retry_at), counted(Scheduled));
    assert_eq!(
        world.changes_nothing(NOW, &record(event, 1, Next::Delivered)),
        late()
    );
    assert_eq!(world.status(event), Scheduled);
}

#[test]
fn an_outcome_from_the_future_changes_nothing() {
    let mut world = World::default();
    let event = world.accepted(request(NOW, 1));
    assert_eq!(
        world.changes_nothing(NOW, &record(event, 2, Next::Delivered)),
        late()
    );
    let unknown = request(NOW, 2).event(1);
    assert_eq!(
        world.changes_nothing(NOW, &record(unknown, 1, Next::Delivered)),
        late()
    );
}

#[test]
fn a_failure_moves_the_due_row_to_the_retries() {
    let mut world = World::default();
    let event = world.accepted(request(NOW, 1));
    let at = NOW.plus_ms(1_000);
    world.record(event, 1, Next::RetryAt(at));
    let due = world.due();
    assert_eq!(due.len(), 1);
    assert_eq!(
        (due[0].class, due[0].at, due[0].event),
        (DueClass::Retry, at, event)
    );
}

#[test]
fn a_success_ends_it_and_nothing_is_due() {
    let mut world = World::default();
    let event = world.accepted(request(NOW, 1));
    assert_eq!(world.record(event, 1, Next::Delivered), counted(Successful));
    assert_eq!(world.due(), []);
    assert_eq!(world.event(event).successful_at, Some(NOW));
}

#[test]
fn an_event_cancelled_in_flight_stays_cancelled_when_the_attempt_fails() {
    let mut world = World::default();
    let event = world.accepted(request(NOW, 1));
    assert_eq!(
        world.apply(NOW, &cancel(event)).0,
        Reply::Event(EventReply::Done)
    );
    assert_eq!(world.due(), []);
    let retry_at = Next::RetryAt(NOW.plus_ms(1_000));
    assert_eq!(world.record(event, 1, retry_at), counted(Cancelled));
    assert_eq!((world.due(), world.attempts(event).len()), (vec![], 1));
}

#[test]
fn an_event_cancelled_in_flight_is_delivered_when_it_was() {
    let mut world = World::default();
    let event = world.accepted(request(NOW, 1));
    world.apply(NOW, &cancel(event));
    assert_eq!(world.record(event, 1, Next::Delivered), counted(Successful));
    assert_eq!(world.due(), []);
}

#[test]
fn cancelling_again_changes_nothing_and_an_ended_event_refuses() {
    let mut world = World::default();
    let event = world.accepted(request(NOW, 1));
    world.apply(NOW, &cancel(event));
    assert_eq!(
        world.changes_nothing(NOW, &cancel(event)),
        Reply::Event(EventReply::Done)
    );
    let other = world.accepted(request(NOW, 2));
    world.record(other, 1, Next::GiveUp);
    let refused = Reply::Event(EventReply::Refused(Failed));
    assert_eq!(world.changes_nothing(NOW, &cancel(other)), refused);
    let gone = request(NOW, 3).event(1);
    assert_eq!(
        world.changes_nothing(NOW, &cancel(gone)),
        Reply::Event(EventReply::Gone)
    );
}

#[test]
fn an_ended_event_retried_by_hand_is_due_at_once_and_goes_on_counting() {
    let mut world = World::default();
    let event = world.accepted(request(NOW, 1));
    world.record(event, 1, Next::GiveUp);
    let later = NOW.plus_ms(60_000);
    assert_eq!(
        world.apply(later, &retry(event)).0,
        Reply::Event(EventReply::Done)
    );
    assert_eq!(world.status(event), Queued);
    let due = world.due();
    assert_eq!(
        (due.len(), due[0].at, due[0].class),
        (1, later, DueClass::Fresh)
    );
    assert_eq!(world.record(event, 2, Next::Delivered), counted(Successful));
    assert_eq!(world.attempts(event).len(), 2);
}

#[test]
fn a_scheduled_event_retried_by_hand_leaves_no_second_due_row() {
    let mut world = World::default();
    let event = world.accepted(request(NOW, 1));
    world.record(event, 1, Next::RetryAt(NOW.plus_ms(600_000)));
    world.apply(NOW, &retry(event));
    assert_eq!(world.due().len(), 1);
    assert_eq!(world.due()[0].at, NOW);
}

#[test]
fn a_success_by_hand_ends_the_automatic_retries() {
    let mut world = World::default();
    let event = world.accepted(request(NOW, 1));
    world.record(event, 1, Next::RetryAt(NOW.plus_ms(600_000)));
    world.apply(NOW, &retry(event));
    assert_eq!(world.record(event, 2, Next::Delivered), counted(Successful));
    assert_eq!((world.due(), world.event(event).due_at), (vec![], None));
}

#[test]
fn what_ended_stays_ended_whatever_a_stray_report_says() {
    let mut world = World::default();
    let event = world.accepted(request(NOW, 1));
    world.record(event, 1, Next::Delivered);
    let stray = Next::RetryAt(NOW.plus_ms(1_000));
    assert_eq!(world.record(event, 2, stray), counted(Successful));
    assert_eq!(world.due(), []);
}
