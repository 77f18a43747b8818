//! What accepting requests promises.

use crate::kit::{
    DESTINATION, HOUR_MS, NOW, SOURCE, World, accept, accepted, incoming, of_traffic, rejected,
    request,
};
use model::{
    machine::{Accepted, Effect, LeaderEffect, PlannedIgnored, Reply, Verdict},
    state::{keys, kv::Table, tables},
    traffic::EventStatus,
};

#[test]
fn a_request_comes_with_its_event_its_ignored_event_and_its_due_row() {
    let mut world = World::default();
    let id = request(NOW, 1);
    let (reply, applied) = world.apply(NOW, &accept(vec![incoming(id, accepted(NOW))]));
    assert_eq!(reply, Reply::Accepted(vec![Accepted::Fresh]));
    let wake = Effect::Leader(LeaderEffect::Wake {
        destination: DESTINATION,
        due_at: NOW,
    });
    assert_eq!(applied.effects, [wake]);
    assert_eq!(world.status(id.event(1)), EventStatus::Queued);
    assert_eq!(world.due().len(), 1);
    let ignored = tables::ignored_of(&world.rows, id).expect("readable");
    assert_eq!(ignored[0].0, id.event(2));
    let stored = tables::request(&world.rows, id)
        .expect("readable")
        .expect("there");
    let body = stored.body.expect("a body");
    assert_eq!(
        (body.bucket, body.index, body.sub, body.len),
        (NOW.bucket(), 1, 0, 4)
    );
}

#[test]
fn verdicts_of_every_kind_are_applied_alike() {
    let Verdict::Keyed(keyed) = accepted(NOW) else {
        panic!("another verdict")
    };
    let events: Vec<_> = keyed.events.iter().map(|event| event.planned).collect();
    let first = keyed.ignored.iter().map(|unrouted| PlannedIgnored {
        connection: unrouted.connection,
        cause: unrouted.cause,
    });
    let kinds = [
        Verdict::Accepted {
            events: events.clone(),
            ignored: first.collect(),
        },
        Verdict::Routed {
            events,
            ignored: keyed.ignored,
            more_ignored: 0,
        },
        accepted(NOW),
    ];
    let worlds = kinds.map(|verdict| {
        let mut world = World::default();
        world.apply(NOW, &accept(vec![incoming(request(NOW, 1), verdict)]));
        world
    });
    assert_eq!(worlds[0], worlds[1]);
    assert_eq!(worlds[1], worlds[2]);
}

#[test]
fn a_request_applied_again_changes_nothing() {
    let mut world = World::default();
    let again = accept(vec![incoming(request(NOW, 1), accepted(NOW))]);
    world.apply(NOW, &again);
    let reply = world.changes_nothing(NOW, &again);
    assert_eq!(reply, Reply::Accepted(vec![Accepted::Again]));
}

#[test]
fn a_request_that_stands_twice_in_a_batch_is_accepted_once() {
    let mut world = World::default();
    let twice = vec![incoming(request(NOW, 1), accepted(NOW)); 2];
    let (reply, _) = world.apply(NOW, &accept(twice));
    assert_eq!(
        reply,
        Reply::Accepted(vec![Accepted::Fresh, Accepted::Again])
    );
    assert_eq!(world.due().len(), 1);
}

#[test]
fn a_delayed_event_is_scheduled() {
    let mut world = World::default();
    let id = request(NOW, 1);
    let later = NOW.plus_ms(5_000);
    world.apply(NOW, &accept(vec![incoming(id, accepted(later))]));
    assert_eq!(world.status(id.event(1)), EventStatus::Scheduled);
    assert_eq!(world.due()[0].at, later);
}

#[test]
fn a_clock_that_goes_back_does_not_take_the_partition_along() {
    let mut world = World::default();
    world.accepted(request(NOW, 1));
    let early = NOW.minus_ms(HOUR_MS);
    let id = request(early, 2);
    world.apply(early, &accept(vec![incoming(id, accepted(early))]));
    assert_eq!(world.event(id.event(1)).created_at, NOW);
}

#[test]
fn a_flood_of_rejected_requests_keeps_only_the_newest() {
    let mut world = World::default();
    for n in 0..50 {
        let id = request(NOW.plus_ms(n), 1);
        world.apply(NOW, &accept(vec![incoming(id, rejected(10))]));
    }
    let newest: Vec<_> = (40..50)
        .map(|n| request(NOW.plus_ms(n), 1).key().to_vec())
        .collect();
    assert_eq!(world.keys(Table::Requests), newest);
    assert_eq!(of_traffic(world.keys(Table::Index)).len(), 10);
    // A lower bound takes effect with the next one.
    let id = request(NOW.plus_ms(50), 1);
    world.apply(NOW, &accept(vec![incoming(id, rejected(3))]));
    assert_eq!(world.keys(Table::Requests).len(), 3);
    assert_eq!(of_traffic(world.keys(Table::Index)), {
        let of = |n| keys::rejected(SOURCE, request(NOW.plus_ms(n), 1)).to_vec();
        [of(48), of(49), of(50)]
    });
}

#[test]
fn a_flood_from_a_slow_clock_leaves_nothing_behind() {
    let mut world = World::default();
    world.apply(NOW, &accept(vec![incoming(request(NOW, 1), rejected(1))]));
    for n in 1..50 {
        // Older than what is kept already: it goes at once, its row too.
        let id = request(NOW.minus_ms(n), 1);
        world.apply(NOW, &accept(vec![incoming(id, rejected(1))]));
    }
    assert_eq!(
        world.keys(Table::Requests),
        [request(NOW, 1).key().to_vec()]
    );
    assert_eq!(of_traffic(world.keys(Table::Index)).len(), 1);
}
