//! What retention promises: the old goes, and nothing that is still wanted.

use crate::kit::{
    HOUR_MS, NOW, World, accept, accepted, forget, incoming, of_traffic, rejected, request, retry,
};
use model::{
    machine::{Effect, Next, Reply},
    state::kv::Table,
    time::Timestamp,
};

/// Two hours before the horizon of these stories.
const OLD: Timestamp = Timestamp(NOW.0 - 2 * HOUR_MS);

#[test]
fn what_ended_before_the_horizon_goes_with_all_its_rows() {
    let mut world = World::default();
    let old = world.accepted(request(OLD, 1));
    world.record(old, 1, Next::Delivered);
    world.apply(NOW, &accept(vec![incoming(request(OLD, 2), rejected(5))]));
    let young = world.accepted(request(NOW, 3));
    let (reply, applied) = world.apply(NOW, &forget(NOW, world.index));
    assert_eq!(reply, Reply::Retention(true));
    assert_eq!(
        applied.effects,
        [Effect::RetentionAdvanced {
            before_bucket: NOW.bucket()
        }]
    );
    assert_eq!(world.keys(Table::Events), [young.key().to_vec()]);
    assert_eq!(
        world.keys(Table::Requests),
        [young.request().key().to_vec()]
    );
    assert_eq!(world.keys(Table::Attempts), [] as [Vec<u8>; 0]);
    // The ignored event of the young request is all that the index holds.
    assert_eq!(of_traffic(world.keys(Table::Index)).len(), 1);
    assert_eq!(world.due().len(), 1);
}

#[test]
fn an_event_reopened_after_the_look_keeps_everything() {
    let mut world = World::default();
    let event = world.accepted(request(OLD, 1));
    world.record(event, 1, Next::GiveUp);
    let seen = world.index;
    world.apply(NOW, &retry(event));
    assert_eq!(
        world.changes_nothing(NOW, &forget(NOW, seen)),
        Reply::Retention(false)
    );
    // Having looked again, the proposer may go on.
    world.record(event, 2, Next::Delivered);
    assert_eq!(
        world.apply(NOW, &forget(NOW, world.index)).0,
        Reply::Retention(true)
    );
}

#[test]
fn an_old_request_accepted_after_the_look_keeps_everything() {
    let mut world = World::default();
    world.apply(NOW, &accept(vec![]));
    let seen = world.index;
    let late = accept(vec![incoming(request(OLD, 1), accepted(NOW))]);
    world.apply(NOW, &late);
    assert_eq!(
        world.changes_nothing(NOW, &forget(NOW, seen)),
        Reply::Retention(false)
    );
    assert_eq!(world.due().len(), 1);
}

#[test]
fn a_request_of_a_younger_hour_does_not_hold_retention_up() {
    let mut world = World::default();
    world.accepted(request(NOW, 1));
    assert_eq!(world.apply(NOW, &forget(NOW, 0)).0, Reply::Retention(true));
    assert_eq!(world.due().len(), 1);
}

#[test]
fn the_horizon_never_goes_back_and_never_tears_an_hour() {
    let mut world = World::default();
    world.accepted(request(NOW, 1));
    let within = NOW.plus_ms(HOUR_MS / 2);
    world.apply(NOW, &forget(within, world.index));
    assert_eq!(world.keys(Table::Events).len(), 1);
    assert_eq!(
        world.changes_nothing(NOW, &forget(NOW, world.index)),
        Reply::Retention(false)
    );
    assert_eq!(
        world.changes_nothing(NOW, &forget(OLD, world.index)),
        Reply::Retention(false)
    );
}
