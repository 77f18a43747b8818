//! How many events wait for a destination, without counting them.

use crate::kit::{DESTINATION, HOUR_MS, NOW, World, accept, accepted, incoming, record, request};
use model::{
    machine::Next,
    state::{
        keys,
        kv::{Kv, Table},
        tables::{self, Queued},
    },
};

fn queued(world: &World) -> Queued {
    tables::queued(&world.rows, DESTINATION).expect("readable")
}

#[test]
fn an_event_is_counted_in_its_queue_until_it_ends() {
    let mut world = World::default();
    let early = NOW.minus_ms(500);
    let first = world.accepted(request(early, 1));
    world.accepted(request(NOW, 2));
    let both = Queued {
        fresh: 2,
        retries: 0,
        behind: 0,
        oldest_at: Some(early),
    };
    assert_eq!(queued(&world), both);
    world.record(first, 1, Next::RetryAt(NOW.plus_ms(60_000)));
    assert_eq!((queued(&world).fresh, queued(&world).retries), (1, 1));
    // It waits for its retry, but it came in first all the same.
    assert_eq!(queued(&world).oldest_at, Some(early));
    world.record(first, 2, Next::Delivered);
    // The same outcome again changes no count.
    world.record(first, 2, Next::Delivered);
    assert_eq!(queued(&world).depth(), 1);
    assert_eq!(queued(&world).oldest_at, Some(NOW));
}

#[test]
fn the_same_request_twice_counts_once() {
    let mut world = World::default();
    let id = request(NOW, 1);
    let command = accept(vec![
        incoming(id, accepted(NOW)),
        incoming(id, accepted(NOW)),
    ]);
    world.apply(NOW, &command);
    world.apply(NOW, &command);
    assert_eq!(queued(&world).depth(), 1);
}

#[test]
fn a_state_from_before_events_were_counted_is_counted_once() {
    let mut world = World::default();
    for number in 0..5000 {
        world.accepted(request(NOW, number));
    }
    let of_old = |world: &mut World| {
        let (from, to) = keys::QUEUED_ALL;
        world.rows.delete_range(Table::Counts, &from, &to);
        world.rows.delete(Table::Meta, keys::META_QUEUES_COUNTED);
    };
    of_old(&mut world);
    let mut other = world.clone();
    assert_eq!(queued(&world).fresh, 0);
    let event = world.accepted(request(NOW, 9_000));
    assert_eq!(queued(&world).fresh, 5001);
    world.apply(NOW.plus_ms(HOUR_MS), &record(event, 1, Next::Delivered));
    assert_eq!(queued(&world).fresh, 5000);
    // A replica that is updated later comes to the same.
    other.accepted(request(NOW, 9_000));
    of_old(&mut other);
    other.apply(NOW.plus_ms(HOUR_MS), &record(event, 1, Next::Delivered));
    assert_eq!(other, world);
}
