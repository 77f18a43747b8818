//! What a bulk operation promises in one partition: the set is that of its beginning, and each of it is dealt with once.

use crate::kit::{
    CONNECTION, HOUR_MS, NOW, World, cancel, close, forget, of_traffic, open, pause, record,
    request, retry, work,
};
use model::{
    ids::{AttemptId, EventId, OperationId},
    machine::{Act, Command, Next, Reply},
    policy::bulk::{self, Bounds, Page},
    state::{
        keys::{self, DueClass},
        kv::Table,
        tables::{self, TableError},
    },
    traffic::{
        Event,
        EventStatus::{self, Cancelled, Failed, Hold, Queued, Scheduled, Successful},
        OperationPart, PartReport, Trigger,
    },
};
use proptest::prelude::*;

const OPERATION: OperationId = OperationId(1);
const BOUNDS: Bounds = Bounds {
    rows: 10_000,
    found: 3,
};

fn part(world: &World) -> OperationPart {
    let part = tables::part(&world.rows, OPERATION).expect("readable");
    part.expect("opened")
}

fn failed(event: &Event) -> bool {
    event.status == Failed
}

fn look(world: &World, keep: fn(&Event) -> bool) -> Page<EventId> {
    let page = bulk::events(&world.rows, OPERATION, &part(world), BOUNDS, |_, event| {
        Ok::<_, TableError>(keep(event))
    });
    page.expect("readable")
}

/// What the partition's leader finds next, and the command that works it off.
fn next_page(
    world: &World,
    keep: fn(&Event) -> bool,
    act: fn(EventId) -> Act,
) -> (Vec<EventId>, Command<'static>) {
    let found = look(world, keep);
    let acts = found.found.iter().copied().map(act).collect();
    let mut command = work(OPERATION, part(world).report.page + 1, found.next, acts);
    command.last = found.last;
    (found.found, Command::WorkPart(command))
}

/// Works one page off. Answers what was found in it.
fn page(world: &mut World, keep: fn(&Event) -> bool, act: fn(EventId) -> Act) -> Vec<EventId> {
    let (found, command) = next_page(world, keep, act);
    world.apply(NOW, &command);
    found
}

fn all_pages(world: &mut World, keep: fn(&Event) -> bool, act: fn(EventId) -> Act) -> Vec<EventId> {
    let mut found = Vec::new();
    while !part(world).report.ended {
        found.extend(page(world, keep, act));
    }
    found
}

fn failures(world: &mut World, n: u128) -> Vec<EventId> {
    let events = (0..n).map(|n| {
        let event = world.accepted(request(NOW, n));
        world.record(event, 1, Next::GiveUp);
        event
    });
    events.collect()
}

fn asked_for(world: &World, event: EventId, number: u16) -> Option<OperationId> {
    tables::operation_of(&world.rows, AttemptId { event, number }).expect("readable")
}

#[test]
fn each_found_event_is_retried_once_in_the_class_of_retries() {
    let mut world = World::default();
    let events = failures(&mut world, 8);
    let other = world.accepted(request(NOW, 50));
    world.record(other, 1, Next::Delivered);
    world.apply(NOW, &open(OPERATION));
    let found = all_pages(&mut world, failed, Act::Retry);
    assert_eq!(found.len(), events.len());
    for &event in &events {
        assert_eq!(world.status(event), Queued);
        assert_eq!(world.event(event).next_trigger, Trigger::BulkRetry);
        assert_eq!(asked_for(&world, event, 2), Some(OPERATION));
        assert_eq!(asked_for(&world, event, 1), None);
    }
    assert!(world.due().iter().all(|due| due.class == DueClass::Retry));
    assert_eq!(world.status(other), Successful);
    let report = part(&world).report;
    assert_eq!(
        (report.completed, report.failed, report.ended),
        (8, 0, true)
    );
    assert!(tables::is_of_operation(&world.rows, events[0], &[OPERATION]).expect("readable"));
    assert!(!tables::is_of_operation(&world.rows, other, &[OPERATION]).expect("readable"));
}

#[test]
fn a_page_that_comes_twice_changes_nothing() {
    let mut world = World::default();
    failures(&mut world, 5);
    world.apply(NOW, &open(OPERATION));
    let (found, command) = next_page(&world, failed, Act::Retry);
    world.apply(NOW, &command);
    for event in &found {
        world.record(*event, 2, Next::GiveUp);
    }
    let again = world.changes_nothing(NOW.plus_ms(1), &command);
    assert_eq!(again, Reply::Part(Some(part(&world))));
    assert!(found.iter().all(|event| world.status(*event) == Failed));
}

#[test]
fn what_comes_or_fails_after_the_beginning_does_not_belong_to_it() {
    let mut world = World::default();
    let [early, open_then] = [1, 2].map(|n| world.accepted(request(NOW, n)));
    world.record(early, 1, Next::GiveUp);
    world.apply(NOW, &open(OPERATION));
    // In the very same millisecond.
    world.record(open_then, 1, Next::GiveUp);
    let later = world.accepted(request(NOW, 0));
    world.record(later, 1, Next::GiveUp);
    assert_eq!(all_pages(&mut world, failed, Act::Retry), [early]);
}

#[test]
fn what_has_changed_meanwhile_belongs_to_it_as_it_was() {
    let mut world = World::default();
    let [waiting, gone] = [1, 2].map(|n| world.accepted(request(NOW, n)));
    world.apply(NOW, &open(OPERATION));
    world.record(waiting, 1, Next::RetryAt(NOW.plus_ms(9_000)));
    world.record(gone, 1, Next::Delivered);
    let queued = |event: &Event| event.status == Queued;
    assert_eq!(all_pages(&mut world, queued, Act::Cancel), [waiting, gone]);
    assert_eq!(world.status(waiting), Cancelled);
    // It was too late for this one, and the operation says so.
    assert_eq!(world.status(gone), Successful);
    let report = part(&world).report;
    assert_eq!((report.completed, report.failed), (1, 1));
}

#[test]
fn an_event_that_somebody_else_took_up_is_not_sent_twice() {
    let mut world = World::default();
    let events = failures(&mut world, 3);
    world.apply(NOW, &open(OPERATION));
    world.apply(NOW, &retry(events[0]));
    world.record(events[0], 2, Next::Delivered);
    world.apply(NOW, &retry(events[1]));
    assert_eq!(all_pages(&mut world, failed, Act::Retry), events);
    assert_eq!(world.status(events[0]), Successful);
    assert_eq!(world.event(events[1]).next_trigger, Trigger::Manual);
    assert_eq!(world.event(events[2]).next_trigger, Trigger::BulkRetry);
    assert_eq!(part(&world).report.completed, 3);
}

#[test]
fn two_operations_over_the_same_events_send_each_once() {
    let mut world = World::default();
    let events = failures(&mut world, 4);
    let other = OperationId(2);
    world.apply(NOW, &open(OPERATION));
    world.apply(NOW, &open(other));
    all_pages(&mut world, failed, Act::Retry);
    for event in &events {
        world.record(*event, 2, Next::Delivered);
    }
    let acts = events.iter().copied().map(Act::Retry).collect();
    let mut command = work(other, 1, u128::MAX, acts);
    command.last = true;
    world.apply(NOW, &Command::WorkPart(command));
    for event in events {
        assert_eq!(world.status(event), Successful);
        assert_eq!(asked_for(&world, event, 2), Some(OPERATION));
    }
}

#[test]
fn a_scheduled_event_is_due_at_once_and_a_queued_one_keeps_its_place() {
    let mut world = World::default();
    let [scheduled, queued] = [1, 2].map(|n| world.accepted(request(NOW, n)));
    world.record(scheduled, 1, Next::RetryAt(NOW.plus_ms(600_000)));
    world.apply(NOW, &open(OPERATION));
    all_pages(&mut world, |_| true, Act::Retry);
    assert_eq!(world.status(scheduled), Queued);
    assert_eq!(world.event(queued).next_trigger, Trigger::Initial);
    assert_eq!(world.due().len(), 2);
}

#[test]
fn what_a_pause_holds_back_a_bulk_retry_does_not_let_through() {
    let mut world = World::default();
    let events = failures(&mut world, 2);
    world.apply(NOW, &pause(1));
    world.apply(NOW, &open(OPERATION));
    all_pages(&mut world, failed, Act::Retry);
    assert!(events.iter().all(|event| world.status(*event) == Hold));
    assert_eq!((world.due().len(), world.held().len()), (0, 2));
    assert_eq!(world.event(events[0]).connection_id, CONNECTION);
}

#[test]
fn a_closed_part_does_nothing_more_and_leaves_nothing_when_it_is_forgotten() {
    let mut world = World::default();
    let events = failures(&mut world, 6);
    world.apply(NOW, &open(OPERATION));
    page(&mut world, failed, Act::Retry);
    world.apply(NOW, &retry(events[5]));
    world.apply(NOW, &close(OPERATION, false));
    let late = work(OPERATION, 2, u128::MAX, vec![Act::Retry(events[4])]);
    world.changes_nothing(NOW.plus_ms(1), &Command::WorkPart(late));
    let ended = PartReport {
        page: 1,
        completed: 3,
        failed: 0,
        ended: true,
    };
    assert_eq!(part(&world).report, ended);
    world.apply(NOW, &close(OPERATION, true));
    let rows = world.keys(Table::Index);
    assert!(
        !rows
            .iter()
            .any(|key| key.starts_with(&[9, 2]) || key.starts_with(&[9, 3]))
    );
    let open_ones = keys::read_u64(&world.rows, keys::META_OPERATIONS);
    assert_eq!(open_ones.expect("readable"), 0);
    assert_eq!(
        world.changes_nothing(NOW.plus_ms(1), &close(OPERATION, true)),
        Reply::Part(None)
    );
}

#[test]
fn retention_takes_along_who_asked_for_an_attempt() {
    let mut world = World::default();
    let old = world.accepted(request(NOW.minus_ms(2 * HOUR_MS), 1));
    world.record(old, 1, Next::GiveUp);
    world.apply(NOW, &open(OPERATION));
    all_pages(&mut world, failed, Act::Retry);
    world.record(old, 2, Next::Delivered);
    world.apply(NOW, &close(OPERATION, true));
    let seen = world.index;
    assert_eq!(
        world.apply(NOW, &forget(NOW, seen)).0,
        Reply::Retention(true)
    );
    assert_eq!(of_traffic(world.keys(Table::Index)), [] as [Vec<u8>; 0]);
}

#[derive(Clone, Debug)]
enum Deed {
    Accept(u128),
    Record(usize, u8),
    Retry(usize),
    Cancel(usize),
    Page,
    /// The last page comes a second time: its proposer did not learn that it had been applied.
    Repeat,
}

fn deeds() -> impl Strategy<Value = Vec<Deed>> {
    let deed = prop_oneof![
        2 => (0u128..40).prop_map(Deed::Accept),
        4 => (0usize..20, 0u8..3).prop_map(|(event, next)| Deed::Record(event, next)),
        1 => (0usize..20).prop_map(Deed::Retry),
        1 => (0usize..20).prop_map(Deed::Cancel),
        3 => Just(Deed::Page),
        1 => Just(Deed::Repeat),
    ];
    prop::collection::vec(deed, 1..60)
}

fn do_deed(world: &mut World, deed: &Deed) {
    let known: Vec<EventId> = world.events().into_keys().collect();
    let pick = |n: usize| known.get(n % known.len().max(1)).copied();
    match *deed {
        Deed::Accept(n) => {
            world.accepted(request(NOW, n));
        }
        Deed::Record(n, next) => {
            if let Some(id) = pick(n) {
                let next = match next {
                    0 => Next::Delivered,
                    1 => Next::RetryAt(NOW.plus_ms(1_000)),
                    _ => Next::GiveUp,
                };
                let number = world.event(id).attempts.saturating_add(1);
                world.apply(NOW, &record(id, number, next));
            }
        }
        Deed::Retry(n) => {
            if let Some(id) = pick(n) {
                world.apply(NOW, &retry(id));
            }
        }
        Deed::Cancel(n) => {
            if let Some(id) = pick(n) {
                world.apply(NOW, &cancel(id));
            }
        }
        Deed::Page | Deed::Repeat => {}
    }
}

proptest! {
    #[test]
    fn whatever_happens_meanwhile_the_set_is_that_of_the_beginning(
        before in deeds(), during in deeds(), kept in prop::sample::select(vec![Failed, Scheduled, Queued, Successful]),
    ) {
        let keep: fn(&Event) -> bool = match kept {
            Failed => failed,
            Scheduled => |event| event.status == Scheduled,
            Queued => |event| event.status == Queued,
            _ => |event| event.status == Successful,
        };
        let mut world = World::default();
        for deed in &before {
            do_deed(&mut world, deed);
        }
        let expected: Vec<EventId> = world.events()
            .into_iter()
            .filter(|(_, event)| keep(event))
            .map(|(id, _)| id)
            .collect();
        world.apply(NOW, &open(OPERATION));
        let mut found = Vec::new();
        let mut last_page = None;
        for deed in &during {
            match deed {
                Deed::Page if !part(&world).report.ended => {
                    let (seen, command) = next_page(&world, keep, Act::Retry);
                    world.apply(NOW, &command);
                    found.extend(seen);
                    last_page = Some(command);
                }
                Deed::Repeat => if let Some(command) = &last_page {
                    let rows = world.rows.clone();
                    world.apply(NOW, command);
                    prop_assert_eq!(&rows, &world.rows);
                },
                other => do_deed(&mut world, other),
            }
        }
        found.extend(all_pages(&mut world, keep, Act::Retry));
        prop_assert_eq!(found, expected);
        // Nothing that was kept for the operation outlives it.
        prop_assert!(!world.keys(Table::Index).iter().any(|key| key.starts_with(&[9, 3])));
        let operations = keys::read_u64(&world.rows, keys::META_OPERATIONS);
        prop_assert_eq!(operations.expect("readable"), 0);
        let statuses: Vec<EventStatus> = world.events().values().map(|event| event.status).collect();
        let waiting = statuses.iter().filter(|status| !status.is_ended()).count();
        prop_assert_eq!(world.due().len(), waiting);
    }
}
