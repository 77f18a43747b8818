//! What retention promises: the old goes, and nothing that is still wanted, whatever the clocks show.

use crate::kit::{
    HOUR_MS, NOW, World, accept, accepted, forget, incoming, let_go, of_traffic, rejected, request,
    retry,
};
use model::{
    ids::RequestId,
    machine::{Command, Effect, LetGo, Next, NodeEffect, Reply, RetentionAdvanced},
    policy::retention::PAUSE_MS,
    state::{
        keys,
        kv::{Kv, Read, Table},
        tables,
    },
    time::Timestamp,
};
use proptest::prelude::*;
use std::collections::BTreeSet;

/// Two hours before these stories.
const OLD: Timestamp = Timestamp(NOW.0 - 2 * HOUR_MS);
const DAYS_MS: u64 = 24 * HOUR_MS;

const GONE: Reply = Reply::Retention(true);
const KEPT: Reply = Reply::Retention(false);

fn advanced(before_bucket: u32, gone: &[u32], referred: &[u32]) -> [Effect; 1] {
    let advanced = RetentionAdvanced {
        before_bucket,
        gone: gone.iter().copied().collect(),
        referred: referred.iter().copied().collect(),
    };
    [Effect::EveryNode(NodeEffect::RetentionAdvanced(advanced))]
}

/// Delivers a request that a node minted and proposed by its own clock, at a moment of the group's time.
fn delivered(world: &mut World, own: Timestamp, at: Timestamp, number: u128) -> RequestId {
    let id = request(own, number);
    world.apply(at, &accept(vec![]));
    world.apply(own, &accept(vec![incoming(id, accepted(own))]));
    world.record(id.event(1), 1, Next::Delivered);
    id
}

fn requests(world: &World) -> Vec<RequestId> {
    let keys = world.keys(Table::Requests);
    keys.iter()
        .filter_map(|key| RequestId::from_key(key))
        .collect()
}

#[test]
fn an_hour_that_has_ended_goes_with_all_its_rows() {
    let mut world = World::default();
    let old = world.accepted(request(OLD, 1));
    world.apply(OLD, &accept(vec![incoming(request(OLD, 2), rejected(5))]));
    world.record(old, 1, Next::Delivered);
    let young = world.accepted(request(NOW, 3));
    let (reply, applied) = world.let_go(NOW, OLD.bucket());
    assert_eq!(reply, GONE);
    let (old, now) = (OLD.bucket(), NOW.bucket());
    assert_eq!(applied.effects, advanced(old + 1, &[old], &[now]));
    assert_eq!(world.keys(Table::Events), [young.key().to_vec()]);
    assert_eq!(requests(&world), [young.request()]);
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
    for command in [let_go(OLD.bucket(), seen), forget(NOW, seen)] {
        assert_eq!(world.changes_nothing(NOW, &command), KEPT);
    }
    // Having looked again, the proposer may go on.
    world.record(event, 2, Next::Delivered);
    assert_eq!(world.let_go(NOW, OLD.bucket()).0, GONE);
}

#[test]
fn an_old_request_accepted_after_the_look_keeps_everything() {
    let mut world = World::default();
    world.apply(NOW, &accept(vec![]));
    let seen = world.index;
    let late = accept(vec![incoming(request(OLD, 1), accepted(NOW))]);
    world.apply(NOW, &late);
    let later = NOW.plus_ms(3 * HOUR_MS);
    world.apply(later, &accept(vec![]));
    for command in [let_go(OLD.bucket(), seen), forget(NOW, seen)] {
        assert_eq!(world.changes_nothing(later, &command), KEPT);
    }
    assert_eq!(world.due().len(), 1);
}

#[test]
fn a_request_of_a_younger_hour_does_not_hold_retention_up() {
    let mut world = World::default();
    world.accepted(request(OLD, 1));
    world.accepted(request(NOW, 2));
    world.apply(NOW, &accept(vec![]));
    world.asked(NOW);
    let seen = world.index - 2;
    assert_eq!(world.apply(NOW, &let_go(OLD.bucket(), seen)).0, GONE);
    assert_eq!(world.due().len(), 2, "the look was the proposer's");
}

#[test]
fn what_is_younger_than_it_may_be_stays() {
    let mut world = World::default();
    world.accepted(request(OLD, 1));
    let hour_old = OLD.plus_ms(2 * HOUR_MS - 1);
    assert_eq!(world.let_go(hour_old, OLD.bucket()).0, KEPT);
    assert_eq!(world.let_go(hour_old.plus_ms(1), OLD.bucket()).0, GONE);
    assert_eq!(
        world.let_go(NOW.plus_ms(DAYS_MS), OLD.bucket()).0,
        KEPT,
        "nothing is there"
    );
}

/// A1: one node thirty days ahead for a moment deleted what others had delivered a minute ago.
#[test]
fn a_proposer_days_ahead_lets_nothing_go() {
    let mut world = World::default();
    for hour in 0..40 {
        let at = NOW.plus_ms(hour * HOUR_MS);
        delivered(&mut world, at, at, hour.into());
    }
    let now = NOW.plus_ms(40 * HOUR_MS);
    world.apply(now, &accept(vec![]));
    let kept = requests(&world);
    let ahead = now.plus_ms(30 * DAYS_MS);
    world.asked(now);
    let command = Command::LetGo(LetGo {
        hour: NOW.bucket(),
        seen_index: world.index,
        min_age_ms: 7 * DAYS_MS,
    });
    assert_eq!(world.apply(ahead, &command).0, KEPT);
    assert_eq!(requests(&world), kept);
}

/// A1: one clock is wrong for a moment, and nobody is there to notice but retention.
#[test]
fn what_may_go_is_asked_for_twice_a_minute_apart() {
    let mut world = World::default();
    delivered(&mut world, OLD, OLD, 1);
    let far = NOW.plus_ms(30 * DAYS_MS);
    world.apply(far, &accept(vec![]));
    let ask = |world: &mut World, at| {
        let command = let_go(OLD.bucket(), world.index);
        world.apply(at, &command).0
    };
    assert_eq!(ask(&mut world, far), KEPT);
    assert_eq!(ask(&mut world, far.plus_ms(5_000)), KEPT);
    // It is right again, before it was asked for the second time.
    let hour_later = OLD.plus_ms(HOUR_MS);
    assert_eq!(ask(&mut world, hour_later), KEPT, "it is young");
    let now = NOW.plus_ms(5);
    assert_eq!(ask(&mut world, now), KEPT, "asked for the first time");
    assert_eq!(ask(&mut world, now.plus_ms(PAUSE_MS - 1)), KEPT);
    assert_eq!(ask(&mut world, now.plus_ms(PAUSE_MS)), GONE);
}

/// Whatever many clocks said at once, an hour a minute is all that goes.
#[test]
fn an_hour_a_minute_goes_at_most() {
    let mut world = World::default();
    for hour in 0..5 {
        delivered(&mut world, OLD.plus_ms(hour * HOUR_MS), NOW, hour.into());
    }
    let far = NOW.plus_ms(30 * DAYS_MS);
    let hour = OLD.bucket();
    assert_eq!(world.let_go(far, hour).0, GONE);
    let soon = let_go(hour + 1, world.index);
    for passed in [0, PAUSE_MS - 1] {
        assert_eq!(world.apply(far.plus_ms(passed), &soon).0, KEPT);
    }
    world.apply(far.plus_ms(PAUSE_MS), &accept(vec![]));
    assert_eq!(world.apply(far.plus_ms(PAUSE_MS), &soon).0, GONE);
    assert_eq!(requests(&world).len(), 3);
}

/// A1: afterwards retention stood still until the world had caught up.
#[test]
fn after_a_mistake_of_all_clocks_retention_goes_on() {
    let mut world = World::default();
    delivered(&mut world, OLD, OLD, 1);
    let far = NOW.plus_ms(30 * DAYS_MS);
    assert_eq!(world.let_go(far, OLD.bucket()).0, GONE);
    // The clocks are right again, the group's time is not: it waits.
    let second = delivered(&mut world, NOW, far, 2);
    let third = delivered(&mut world, NOW.plus_ms(2 * HOUR_MS), far, 3);
    let young = world.let_go(NOW.plus_ms(HOUR_MS), NOW.bucket()).0;
    assert_eq!((young, requests(&world).len()), (KEPT, 2));
    let old = world.let_go(NOW.plus_ms(2 * HOUR_MS), NOW.bucket()).0;
    assert_eq!((old, requests(&world)), (GONE, vec![third]));
    assert!(second < third);
}

/// What a node accepted whose clock is days behind was accepted today.
#[test]
fn what_a_node_days_behind_accepted_is_kept_as_long_as_all_else() {
    let mut world = World::default();
    let behind = NOW.minus_ms(40 * DAYS_MS);
    let id = delivered(&mut world, behind, NOW, 1);
    assert_eq!(world.let_go(NOW.plus_ms(60_000), behind.bucket()).0, KEPT);
    let hour_later = NOW.plus_ms(HOUR_MS);
    assert_eq!(world.let_go(hour_later, behind.bucket()).0, KEPT);
    assert_eq!(requests(&world), [id]);
    let (reply, _) = world.let_go(hour_later.plus_ms(1), behind.bucket());
    assert_eq!(reply, GONE);
}

/// Ids and stamps are two clocks' words: bodies are filed by the one, rows go by the other.
#[test]
fn a_bucket_stays_while_a_row_refers_to_it() {
    let mut world = World::default();
    let (old, now) = (OLD.bucket(), NOW.bucket());
    world.accepted(request(OLD, 1));
    // Minted now, and proposed by a node that is two hours behind: its body lies beside that of the first.
    world.apply(NOW, &accept(vec![]));
    let young = request(NOW, 2);
    world.apply(OLD, &accept(vec![incoming(young, accepted(OLD))]));
    // Minted long ago, and proposed by a node that is days ahead.
    let ahead = NOW.plus_ms(30 * DAYS_MS);
    world.apply(
        ahead,
        &accept(vec![incoming(request(OLD, 3), accepted(NOW))]),
    );
    let body = tables::request(&world.rows, young).expect("readable");
    let body = body.and_then(|request| request.body).expect("it has one");
    assert_eq!(body.bucket, old);
    let far = ahead.plus_ms(DAYS_MS);
    let (reply, applied) = world.let_go(far, old);
    assert_eq!(reply, GONE);
    assert_eq!(
        applied.effects,
        advanced(old + 1, &[old, ahead.bucket()], &[old])
    );
    let (reply, applied) = world.let_go(far.plus_ms(PAUSE_MS), now);
    assert_eq!(
        (reply, applied.effects),
        (GONE, advanced(now + 1, &[old], &[]).to_vec())
    );
}

/// An hour that waits for an event is passed over, not forgotten.
#[test]
fn hours_that_are_kept_keep_their_bodies_while_later_ones_go() {
    let mut world = World::default();
    let open = world.accepted(request(OLD, 1));
    let later = OLD.plus_ms(HOUR_MS);
    delivered(&mut world, later, later, 2);
    let (old, bucket) = (OLD.bucket(), later.bucket());
    let (reply, applied) = world.let_go(NOW.plus_ms(HOUR_MS), bucket);
    assert_eq!(reply, GONE);
    assert_eq!(applied.effects, advanced(bucket + 1, &[bucket], &[old]));
    assert_eq!(requests(&world), [open.request()]);
}

/// Earlier versions filed nothing, and took the proposer's word.
#[test]
fn what_an_earlier_version_wrote_is_filed_before_anything_goes() {
    let mut world = World::default();
    let old = world.accepted(request(OLD, 1));
    world.record(old, 1, Next::Delivered);
    world.apply(NOW, &accept(vec![]));
    world.apply(OLD, &accept(vec![incoming(request(NOW, 2), accepted(OLD))]));
    let (from, to) = keys::FILED_ALL;
    world.rows.delete_range(Table::Counts, &from, &to);
    world.rows.delete(Table::Meta, keys::META_BODIES_FILED);
    let mut twin = world.clone();
    let bucket = OLD.bucket();
    let (reply, applied) = world.let_go(NOW, bucket);
    assert_eq!(reply, GONE);
    assert_eq!(applied.effects, advanced(bucket + 1, &[bucket], &[bucket]));
    let (reply, applied) = twin.apply(NOW, &forget(NOW, twin.index));
    assert_eq!(reply, GONE);
    assert_eq!(applied.effects, advanced(NOW.bucket(), &[], &[bucket]));
    assert_eq!(requests(&twin), requests(&world));
}

#[test]
fn the_old_horizon_never_goes_back_and_never_tears_an_hour() {
    let mut world = World::default();
    world.accepted(request(NOW, 1));
    let within = NOW.plus_ms(HOUR_MS / 2);
    world.apply(NOW, &forget(within, world.index));
    assert_eq!(world.keys(Table::Events).len(), 1);
    assert_eq!(world.changes_nothing(NOW, &forget(NOW, world.index)), KEPT);
    assert_eq!(world.changes_nothing(NOW, &forget(OLD, world.index)), KEPT);
}

/// The group's time is what a majority vouches for.
fn vouched(world: &mut World, now: Timestamp) {
    let now = now.0.to_be_bytes();
    world.rows.put(Table::Meta, keys::META_NOW, &now);
}

/// The buckets that rows refer to.
fn referred(world: &World) -> BTreeSet<u32> {
    let rows = world
        .rows
        .scan(Table::Requests, &[], &[u8::MAX; 17], usize::MAX);
    let rows = rows.expect("readable");
    let ids = rows.iter().filter_map(|(key, _)| RequestId::from_key(key));
    let found = ids.filter_map(|id| tables::request(&world.rows, id).expect("readable"));
    found
        .filter_map(|request| Some(request.body?.bucket))
        .collect()
}

proptest! {
    /// One of three clocks is wrong by anything, and takes posts and lets go as the others do.
    #[test]
    fn whatever_one_clock_shows_nothing_goes_early_and_no_body_before_its_row(
        wrong in -60 * 24 * 3_600_000i64..60 * 24 * 3_600_000,
        steps in prop::collection::vec((0u64..3 * HOUR_MS, 0u8..3, any::<bool>(), 0u32..200), 1..80),
    ) {
        let mut world = World::default();
        let mut now = NOW.plus_ms(70 * DAYS_MS);
        let mut accepted_at = Vec::new();
        let mut number = 0;
        for (passed, node, posts, hour) in steps {
            now = now.plus_ms(passed);
            vouched(&mut world, now);
            let own = if node == 0 { Timestamp(now.0.saturating_add_signed(wrong)) } else { now };
            if posts {
                number += 1;
                let id = request(own, number);
                // Who is ahead is not let in: the group's time stays within reach of the right one.
                let stamp = own.min(now);
                world.apply(stamp, &accept(vec![incoming(id, rejected(1000))]));
                accepted_at.push((id, now));
                continue;
            }
            let filed = tables::filings(&world.rows).expect("readable");
            let Some((place, _)) = filed.get(hour as usize % filed.len().max(1)) else { continue };
            world.asked(own);
            let command = let_go(place.hour, world.index);
            let (reply, applied) = world.apply(own, &command);
            let kept: BTreeSet<_> = requests(&world).into_iter().collect();
            if reply == GONE {
                let [Effect::EveryNode(NodeEffect::RetentionAdvanced(told))] = applied.effects.as_slice() else {
                    panic!("{:?}", applied.effects);
                };
                prop_assert!(referred(&world).is_subset(&told.referred), "{told:?}");
            }
            for (id, at) in &accepted_at {
                prop_assert!(kept.contains(id) || now.since_ms(*at) >= HOUR_MS, "{id} of {at:?} is gone at {now:?}");
            }
            accepted_at.retain(|(id, _)| kept.contains(id));
        }
    }
}
