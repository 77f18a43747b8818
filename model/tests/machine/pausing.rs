//! What pausing a connection promises, told against one partition.

use crate::kit::{
    self, CONNECTION, DESTINATION, NOW, World, accept, accepted, cancel, fingerprint, hold,
    incoming, pause, record, release, request, retry, routed, unpause,
};
use model::{
    catalog::{Catalogs, Connection, Item},
    ids::{ConnectionId, EventId},
    machine::{Effect, EventReply, Keyed, LeaderEffect, Next, Recorded, Reply, Verdict},
    policy::pause::{Sweep, marks, paused},
    state::{keys, keys::DueClass, tables},
    time::Timestamp,
    traffic::{
        EventStatus::{self, Cancelled, Hold, Queued, Scheduled, Successful},
        Stage, Trigger,
    },
};

fn stage(world: &World) -> Option<Stage> {
    let paused = tables::paused(&world.rows, CONNECTION).expect("readable");
    paused.map(|paused| paused.stage)
}

/// Walks the due table as the partition's leader does, with pages of this many events.
fn sweep(world: &mut World, page: usize) {
    let known = tables::pauses(&world.rows).expect("readable");
    let Some(mut sweep) = Sweep::of(&known) else {
        return;
    };
    while let Some(found) = sweep.next(&world.rows, 10, page).expect("readable") {
        world.apply(NOW, &model::machine::Command::HoldEvents(found));
    }
}

fn release_all(world: &mut World, at: Timestamp, page: u16) -> usize {
    let mut pages = 1;
    while world.apply(at, &release(page)).0 == Reply::Released(true) {
        pages += 1;
    }
    pages
}

fn statuses(world: &World, events: &[EventId]) -> Vec<EventStatus> {
    events.iter().map(|event| world.status(*event)).collect()
}

#[test]
fn what_comes_while_its_connection_is_paused_is_held_and_wakes_nobody() {
    let mut world = World::default();
    assert_eq!(world.apply(NOW, &pause(1)).0, Reply::Marked(true));
    let id = request(NOW, 1);
    let (_, applied) = world.apply(NOW, &accept(vec![incoming(id, accepted(NOW))]));
    assert_eq!(applied.effects, []);
    assert_eq!(world.status(id.event(1)), Hold);
    assert_eq!((world.due().len(), world.held().len()), (0, 1));
}

#[test]
fn what_waited_before_is_held_page_by_page_and_then_the_pause_says_so() {
    let mut world = World::default();
    let mut events: Vec<EventId> = (0..25).map(|n| world.accepted(request(NOW, n))).collect();
    world.record(events[0], 1, Next::RetryAt(NOW.plus_ms(5_000)));
    world.apply(NOW, &pause(1));
    assert_eq!(stage(&world), Some(Stage::Holding));
    sweep(&mut world, 4);
    assert_eq!(stage(&world), Some(Stage::Held));
    events.push(world.accepted(request(NOW, 99)));
    assert_eq!(statuses(&world, &events), [Hold; 26]);
    assert_eq!((world.due().len(), world.held().len()), (0, 26));
}

#[test]
fn what_waits_for_its_turn_is_held_by_the_sweep_too() {
    let mut world = World::default();
    for n in 0..25 {
        let routed = Keyed {
            order: Some(fingerprint(n % 2)),
            ..routed(&[(CONNECTION.0, DESTINATION)], NOW)
        };
        let incoming = incoming(request(NOW, n), Verdict::Keyed(routed));
        world.apply(NOW, &accept(vec![incoming]));
    }
    assert_eq!(world.due().len(), 2, "one of each key");
    world.apply(NOW, &pause(1));
    sweep(&mut world, 4);
    assert_eq!(stage(&world), Some(Stage::Held));
    assert_eq!((world.due().len(), world.held().len()), (0, 25));
    world.apply(NOW, &unpause(2));
    release_all(&mut world, NOW, 3);
    assert_eq!((world.due().len(), world.held().len()), (2, 0));
}

#[test]
fn a_successor_of_the_sweeping_leader_holds_what_is_left() {
    let mut world = World::default();
    let events: Vec<EventId> = (0..9).map(|n| world.accepted(request(NOW, n))).collect();
    world.apply(NOW, &pause(1));
    let known = tables::pauses(&world.rows).expect("readable");
    let mut lost = Sweep::of(&known).expect("something to do");
    let page = lost
        .next(&world.rows, 10, 4)
        .expect("readable")
        .expect("a page");
    assert_eq!(page.events.len(), 4);
    world.apply(NOW, &model::machine::Command::HoldEvents(page));
    sweep(&mut world, 4);
    assert_eq!(statuses(&world, &events), [Hold; 9]);
    assert_eq!(stage(&world), Some(Stage::Held));
}

#[test]
fn the_end_of_a_sweep_for_an_earlier_pause_says_nothing_of_this_one() {
    let mut world = World::default();
    world.accepted(request(NOW, 1));
    world.apply(NOW, &pause(1));
    let first = world.index;
    world.apply(NOW, &unpause(2));
    world.apply(NOW, &release(9));
    world.apply(NOW, &pause(3));
    world.apply(NOW, &hold(vec![], Some(first)));
    assert_eq!(stage(&world), Some(Stage::Holding));
}

#[test]
fn released_events_are_due_now_in_the_order_of_their_time_with_a_trigger_of_their_own() {
    let mut world = World::default();
    world.apply(NOW, &pause(1));
    let events: Vec<EventId> = (0..7)
        .map(|n| world.accepted(request(NOW.plus_ms(n), u128::from(7 - n))))
        .collect();
    world.apply(NOW, &unpause(2));
    let later = NOW.plus_ms(60_000);
    let (reply, applied) = world.apply(later, &release(3));
    assert_eq!(reply, Reply::Released(true));
    let wake = Effect::Leader(LeaderEffect::Wake {
        destination: DESTINATION,
        due_at: later,
    });
    assert_eq!(applied.effects, [wake]);
    assert_eq!(
        statuses(&world, &events[..4]),
        [Queued, Queued, Queued, Hold]
    );
    let due = world.due();
    assert!(
        due.iter()
            .all(|due| due.at == later && due.class == DueClass::Retry)
    );
    assert_eq!(world.event(events[0]).next_trigger, Trigger::Unpause);
    // New ones go past those that still leave.
    let new = world.accepted(request(later, 50));
    assert_eq!(world.status(new), Queued);
    assert_eq!(release_all(&mut world, later, 3), 2);
    assert_eq!((world.held().len(), world.due().len()), (0, 8));
    assert_eq!(stage(&world), None);
    assert_eq!(
        world.changes_nothing(later, &release(3)),
        Reply::Released(false)
    );
}

#[test]
fn a_delay_or_a_back_off_that_is_not_over_goes_on_after_the_pause() {
    let mut world = World::default();
    let event = world.accepted(request(NOW, 1));
    let retry_at = NOW.plus_ms(600_000);
    world.record(event, 1, Next::RetryAt(retry_at));
    world.apply(NOW, &pause(1));
    sweep(&mut world, 9);
    world.apply(NOW, &unpause(2));
    world.apply(NOW.plus_ms(1_000), &release(9));
    let event = world.event(event);
    assert_eq!((event.status, event.due_at), (Scheduled, Some(retry_at)));
    assert_eq!(event.next_trigger, Trigger::Automatic);
}

#[test]
fn an_attempt_in_flight_ends_as_it_does_and_its_retry_is_held() {
    let mut world = World::default();
    let [lost, taken, refused] = [1, 2, 3].map(|n| world.accepted(request(NOW, n)));
    world.apply(NOW, &pause(1));
    sweep(&mut world, 9);
    world.record(taken, 1, Next::Delivered);
    world.record(refused, 1, Next::GiveUp);
    let retry_at = Next::RetryAt(NOW.plus_ms(1_000));
    let held = Reply::Recorded(vec![Recorded::Counted(Hold)]);
    let (reply, applied) = world.apply(NOW, &record(lost, 1, retry_at));
    assert_eq!((reply, applied.effects), (held, vec![]));
    assert_eq!(
        statuses(&world, &[taken, refused]),
        [Successful, EventStatus::Failed]
    );
    assert_eq!((world.due().len(), world.held().len()), (0, 1));
}

#[test]
fn a_held_event_may_be_cancelled_and_leaves_no_row() {
    let mut world = World::default();
    world.apply(NOW, &pause(1));
    let event = world.accepted(request(NOW, 1));
    assert_eq!(
        world.apply(NOW, &cancel(event)).0,
        Reply::Event(EventReply::Done)
    );
    assert_eq!(world.status(event), Cancelled);
    assert_eq!((world.due().len(), world.held().len()), (0, 0));
}

#[test]
fn a_held_event_retried_by_hand_is_delivered_and_no_sweep_takes_it_back() {
    let mut world = World::default();
    world.apply(NOW, &pause(1));
    let event = world.accepted(request(NOW, 1));
    world.apply(NOW, &retry(event));
    assert_eq!(world.status(event), Queued);
    sweep(&mut world, 9);
    world.apply(NOW, &hold(vec![event], None));
    assert_eq!(world.status(event), Queued);
    // When that fails it waits with the others.
    world.record(event, 1, Next::RetryAt(NOW.plus_ms(1_000)));
    assert_eq!(world.status(event), Hold);
}

#[test]
fn a_catalog_that_is_older_than_the_last_one_changes_no_pause() {
    let mut world = World::default();
    world.apply(NOW, &pause(5));
    assert_eq!(
        world.changes_nothing(NOW, &unpause(4)),
        Reply::Marked(false)
    );
    assert_eq!(world.changes_nothing(NOW, &pause(5)), Reply::Marked(true));
    assert_eq!(world.apply(NOW, &unpause(6)).0, Reply::Marked(true));
    let count = keys::read_u64(&world.rows, keys::META_PAUSED);
    assert_eq!(count.expect("readable"), 0);
}

#[test]
fn other_connections_of_the_same_destination_have_nothing_to_step_over() {
    let mut world = World::default();
    world.apply(NOW, &pause(1));
    for n in 0..500 {
        world.accepted(request(NOW, n));
    }
    let id = request(NOW, 1_000);
    let verdict = Verdict::Keyed(routed(&[(77, DESTINATION)], NOW));
    world.apply(NOW, &accept(vec![incoming(id, verdict)]));
    let due = world.due();
    assert_eq!(due.len(), 1, "all that a look at the queue reads");
    assert_eq!(due[0].event, id.event(1));
}

fn connection(id: u128, paused: bool) -> Item {
    Item::Connection(Connection {
        paused_at: paused.then_some(NOW),
        ..kit::connection(ConnectionId(id))
    })
}

#[test]
fn a_partition_is_told_what_it_does_not_know_and_nothing_else() {
    let mut catalog = Catalogs::default();
    catalog.version = 7;
    let mut world = World::default();
    world.apply(NOW, &pause(1));
    let told = |catalog: &Catalogs, world: &World| {
        let known = tables::pauses(&world.rows).expect("readable");
        marks(catalog.version, &paused(catalog), &known)
    };
    catalog.insert(connection(CONNECTION.0, true));
    assert_eq!(told(&catalog, &world), None);
    catalog.insert(connection(2, true));
    catalog.insert(connection(3, false));
    let news = told(&catalog, &world).expect("one is new");
    assert_eq!(
        (news.version, news.pause, news.unpause),
        (7, vec![ConnectionId(2)], vec![])
    );
    catalog.insert(connection(CONNECTION.0, false));
    let news = told(&catalog, &world).expect("two changes");
    assert_eq!(news.unpause, [CONNECTION]);
    // One that was deleted while it was paused lets its events go.
    let news = told(&Catalogs::default(), &world).expect("one is gone");
    assert_eq!(news.unpause, [CONNECTION]);
    world.apply(NOW, &unpause(8));
    assert_eq!(told(&Catalogs::default(), &world), None, "it releases");
}
