//! What receivers may ask for in their answers, and that it is done.

use super::{CONNECTION, DESTINATION, PATIENCE, Scripted, World, connection, source};
use model::{
    catalog::{Destination, DisabledBy},
    policy::receiver::{CONTROL_HEADER, RATE_HEADER},
    traffic::EventStatus,
};
use std::{sync::Arc, time::Duration};

const NOTHING: (&str, &str) = ("server", "a story");

async fn answering(script: &[Scripted]) -> World {
    let world = World::start(0).await;
    world.receiver.script.lock().extend(script);
    let items = vec![source(), world.destination(None), connection(None)];
    world.configure(items).await;
    world
}

fn destination(world: &World) -> Arc<Destination> {
    world.gateway.catalog().destinations[&DESTINATION].clone()
}

/// The destination once it is as it should be.
async fn eventually(world: &World, is_so: impl Fn(&Destination) -> bool) -> Arc<Destination> {
    let waiting = async {
        loop {
            let now = destination(world);
            if is_so(&now) {
                return now;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let found = tokio::time::timeout(PATIENCE, waiting).await;
    found.unwrap_or_else(|_| panic!("not so: {:?}", destination(world)))
}

#[actix_rt::test]
async fn a_receiver_that_is_gone_is_sent_nothing_until_an_admin_enables_it() {
    let world = answering(&[(410, NOTHING)]).await;
    let refused = world.ended(world.accept(b"first").await).await;
    assert_eq!((refused.status, refused.attempts), (EventStatus::Failed, 1));
    let disabled = eventually(&world, |now| now.disabled_at.is_some()).await;
    assert_eq!(disabled.wishes.disabled_by, Some(DisabledBy::Gone));
    let waits = world.accept(b"second").await;
    // Longer than a sweep.
    tokio::time::sleep(Duration::from_millis(2500)).await;
    assert_eq!(world.event(waits).status, EventStatus::Queued);
    assert_eq!(world.receiver.seen.lock().len(), 1);
    world.configure(vec![world.destination(None)]).await;
    assert_eq!(world.ended(waits).await.status, EventStatus::Successful);
    world.stop().await;
}

#[actix_rt::test]
async fn a_receiver_may_take_an_event_and_want_no_more() {
    let world = answering(&[(200, (CONTROL_HEADER, "disable"))]).await;
    let taken = world.ended(world.accept(b"last").await).await;
    assert_eq!(taken.status, EventStatus::Successful);
    let disabled = eventually(&world, |now| now.disabled_at.is_some()).await;
    assert_eq!(disabled.wishes.disabled_by, Some(DisabledBy::Control));
    world.stop().await;
}

#[actix_rt::test]
async fn a_receiver_may_give_up_one_event() {
    let world = answering(&[(500, (CONTROL_HEADER, "abort-message"))]).await;
    let aborted = world.ended(world.accept(b"poison").await).await;
    assert_eq!((aborted.status, aborted.attempts), (EventStatus::Failed, 1));
    let next = world.accept_over(CONNECTION, b"next").await;
    assert_eq!(world.ended(next).await.status, EventStatus::Successful);
    assert_eq!(destination(&world).disabled_at, None);
    world.stop().await;
}

#[actix_rt::test]
async fn a_rate_that_a_receiver_allows_is_kept() {
    let world = answering(&[(204, (RATE_HEADER, "120"))]).await;
    world.ended(world.accept(b"first").await).await;
    let asked = eventually(&world, |now| now.wishes.rate_per_minute.is_some()).await;
    assert_eq!(asked.wishes.rate_per_minute, Some(120));
    world.stop().await;
}
