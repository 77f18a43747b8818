//! What receivers may ask for in their answers, and that it is done.

use super::{CONNECTION, DESTINATION, PATIENCE, Scripted, World, connection, source};
use crate::stage::eventually;
use model::{
    catalog::{Catalogs, Destination, DisabledBy},
    ids::GroupId,
    policy::receiver::{CONTROL_HEADER, RATE_HEADER},
    traffic::EventStatus,
};
use std::{
    sync::Arc,
    time::{Duration, Instant},
};

const NOTHING: (&str, &str) = ("server", "a story");

/// A moment in which a lane that was not told to wait would have sent.
const MOMENT: Duration = Duration::from_millis(700);

async fn answering(script: &[Scripted]) -> World {
    let world = World::start(0).await;
    world.receiver.script.lock().extend(script);
    let items = vec![source(), world.destination(None), connection(None)];
    world.configure(items).await;
    world
}

fn destination(world: &World) -> Arc<Destination> {
    world.gateway.catalog().default_project().destinations[&DESTINATION].clone()
}

/// How often the catalog changed.
fn version(world: &World) -> u64 {
    let view = world.gateway.cluster.view(GroupId::CONTROL);
    Catalogs::stored_version(&view).expect("readable")
}

/// The destination once this is so.
async fn configured(world: &World, is_so: impl Fn(&Destination) -> bool) -> Arc<Destination> {
    let so = async || Some(destination(world)).filter(|now| is_so(now));
    eventually(PATIENCE, "the receiver's wish", so).await
}

/// Returns once the receiver has seen so many requests.
async fn seen(world: &World, count: usize) {
    let seen = async || (world.receiver.seen.lock().len() >= count).then_some(());
    eventually(PATIENCE, "a request", seen).await;
}

#[actix_rt::test]
async fn a_receiver_that_is_gone_is_sent_nothing_until_an_admin_enables_it() {
    let world = answering(&[(410, NOTHING)]).await;
    let refused = world.ended(world.accept(b"first").await).await;
    assert_eq!((refused.status, refused.attempts), (EventStatus::Failed, 1));
    let disabled = configured(&world, |now| now.disabled_at.is_some()).await;
    assert_eq!(disabled.wishes.disabled_by, Some(DisabledBy::Gone));
    assert_eq!(version(&world), 1, "it is no change of the catalog");
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
    let disabled = configured(&world, |now| now.disabled_at.is_some()).await;
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
    let asked = configured(&world, |now| now.wishes.rate_per_minute.is_some()).await;
    assert_eq!(asked.wishes.rate_per_minute, Some(120));
    assert_eq!(version(&world), 1, "it is no change of the catalog");
    world.stop().await;
}

#[actix_rt::test]
async fn a_receiver_that_asks_for_rest_is_left_alone_and_nothing_is_lost() {
    let world = answering(&[(429, ("retry-after", "2"))]).await;
    let first = world.accept(b"first").await;
    seen(&world, 1).await;
    let refused_at = Instant::now();
    tokio::time::sleep(Duration::from_millis(200)).await;
    let fresh = world.accept(b"fresh").await;
    tokio::time::sleep(MOMENT).await;
    assert_eq!(world.receiver.seen.lock().len(), 1, "it rests");
    assert_eq!(world.event(fresh).attempts, 0);
    for id in [first, fresh] {
        assert_eq!(world.ended(id).await.status, EventStatus::Successful);
    }
    assert!(refused_at.elapsed() >= Duration::from_millis(1900));
    world.stop().await;
}

/// faults.md F27: whatever stands in it, there is no tight circle, and no destination is given up for good.
#[actix_rt::test]
async fn a_strange_retry_after_is_no_harm() {
    let strange = ["-5", "0", "soon", "Thu, 01 Jan 1970 00:00:00 GMT"];
    let script: Vec<Scripted> = strange.map(|text| (429, ("retry-after", text))).into();
    let world = answering(&script[..3]).await;
    let began = Instant::now();
    let event = world.ended(world.accept(b"hello").await).await;
    assert_eq!((event.status, event.attempts), (EventStatus::Successful, 4));
    // Three tries again, each about a second later by its connection's rule.
    assert!(began.elapsed() >= Duration::from_millis(2700));
    world.receiver.script.lock().push_back(script[3]);
    let event = world.ended(world.accept(b"hello").await).await;
    assert_eq!((event.status, event.attempts), (EventStatus::Successful, 2));
    world.stop().await;
}

#[actix_rt::test]
async fn an_absurd_retry_after_is_clamped_to_an_hour() {
    let world = answering(&[(503, ("retry-after", "1000000000"))]).await;
    let id = world.accept(b"hello").await;
    let tried = async || Some(world.event(id)).filter(|event| event.attempts > 0);
    let event = eventually(PATIENCE, "an attempt", tried).await;
    let due_at = event.due_at.expect("another try");
    let wait_ms = due_at.since_ms(event.last_attempt_at.expect("tried"));
    assert!((3_590_000..=3_610_000).contains(&wait_ms), "{wait_ms}");
    world.stop().await;
}

#[actix_rt::test]
async fn a_destination_that_keeps_failing_is_not_hammered_and_its_events_wait() {
    let world = answering(&[(500, NOTHING); 7]).await;
    let mut events = Vec::new();
    for failed in 1..=5 {
        events.push(world.accept(b"hello").await);
        seen(&world, failed).await;
    }
    // The lane knows after the receiver, and before anything is recorded.
    for id in &events {
        let recorded = async || Some(world.event(*id)).filter(|event| event.attempts > 0);
        eventually(PATIENCE, "an attempt", recorded).await;
    }
    for _ in 0..30 {
        events.push(world.accept(b"hello").await);
    }
    tokio::time::sleep(MOMENT).await;
    assert_eq!(world.receiver.seen.lock().len(), 5);
    assert!(events[5..].iter().all(|id| world.event(*id).attempts == 0));
    // Two trials fail, then the third opens the way.
    for id in events {
        assert_eq!(world.ended(id).await.status, EventStatus::Successful);
    }
    assert_eq!(world.receiver.seen.lock().len(), 35 + 7);
    world.stop().await;
}
