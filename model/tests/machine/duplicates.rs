//! What telling duplicates promises: one of a kind in a window, whoever brings it and however often it is proposed.

use crate::kit::{
    DESTINATION, HOUR_MS, NOW, World, accept, fingerprint, forget, incoming, once, request, routed,
};
use model::{
    ids::{ConnectionId, DestinationId, RequestId},
    machine::{Accepted, Command, Keyed, Next, Reply, Verdict},
    state::{kv::Table, tables},
    time::Timestamp,
    traffic::{EventStatus, IgnoreCause, IgnoredMeta},
};
use proptest::prelude::*;
use std::collections::BTreeMap;

const WINDOW_MS: u64 = 10_000;
const OTHER: DestinationId = DestinationId(8);

/// A request of a source that takes each kind once, over two connections.
fn at_source(id: RequestId, kind: u128) -> Command<'static> {
    let routed = Keyed {
        once: once(kind, WINDOW_MS),
        ..routed(&[(1, DESTINATION), (2, OTHER)], id.minted_at())
    };
    accept(vec![incoming(id, Verdict::Keyed(routed))])
}

/// A request over two connections, the first of which takes each kind once.
fn at_connection(id: RequestId, kind: u128) -> Command<'static> {
    let mut routed = routed(&[(1, DESTINATION), (2, OTHER)], id.minted_at());
    routed.events[0].once = once(kind, WINDOW_MS);
    accept(vec![incoming(id, Verdict::Keyed(routed))])
}

fn reply(accepted: Accepted) -> Reply {
    Reply::Accepted(vec![accepted])
}

/// A request whose sender signed this token for it, at a source that takes each kind once.
fn with_token(id: RequestId, token: u128, kind: u128) -> Command<'static> {
    let keyed = Keyed {
        once: once(kind, WINDOW_MS),
        ..routed(&[(1, DESTINATION)], id.minted_at())
    };
    let token = once(token, WINDOW_MS).expect("a token");
    accept(vec![incoming(id, Verdict::Once { token, keyed })])
}

#[test]
fn a_used_token_makes_a_duplicate_whatever_comes_with_it() {
    let mut world = World::default();
    let ids = [1, 2, 3].map(|entropy| request(NOW, entropy));
    let said =
        |world: &mut World, id, token, kind| world.apply(NOW, &with_token(id, token, kind)).0;
    assert_eq!(said(&mut world, ids[0], 70, 1), reply(Accepted::Fresh));
    let copy = reply(Accepted::Duplicate { of: ids[0] });
    assert_eq!(said(&mut world, ids[1], 70, 2), copy);
    assert_eq!(
        tables::events_of(&world.rows, ids[1]).expect("readable"),
        []
    );
    // The copy took nobody's place: what it pretended to be still comes through.
    assert_eq!(said(&mut world, ids[2], 71, 2), reply(Accepted::Fresh));
    let later = NOW.plus_ms(WINDOW_MS);
    let again = request(later, 4);
    let said = world.apply(later, &with_token(again, 70, 1)).0;
    assert_eq!(said, reply(Accepted::Fresh), "its window is over");
}

#[test]
fn a_duplicate_at_the_source_is_stored_without_events_and_says_of_what() {
    let mut world = World::default();
    let (first, second) = (request(NOW, 1), request(NOW, 2));
    assert_eq!(
        world.apply(NOW, &at_source(first, 7)).0,
        reply(Accepted::Fresh)
    );
    let (said, applied) = world.apply(NOW, &at_source(second, 7));
    assert_eq!(said, reply(Accepted::Duplicate { of: first }));
    assert_eq!(applied.effects, []);
    assert_eq!(
        tables::events_of(&world.rows, second).expect("readable"),
        []
    );
    let stored = tables::request(&world.rows, second)
        .expect("readable")
        .expect("there");
    assert_eq!((stored.events, stored.ignored), (0, 3));
    assert!(stored.body.is_some());
    // The source comes before its connections, also before the one that is disabled.
    let ignored = world.ignored(second);
    let connections: Vec<_> = ignored.iter().map(|(_, row)| row.connection_id).collect();
    assert_eq!(connections, [1, 2, 1000].map(ConnectionId));
    for (_, row) in ignored {
        let first = first.event(0);
        assert_eq!(row.cause, IgnoreCause::Duplicate);
        assert_eq!(row.meta, Some(IgnoredMeta::Duplicate { first }));
    }
}

#[test]
fn a_duplicate_on_a_connection_ends_there_alone() {
    let mut world = World::default();
    let (first, second) = (request(NOW, 1), request(NOW, 2));
    world.apply(NOW, &at_connection(first, 7));
    assert_eq!(
        world.apply(NOW, &at_connection(second, 7)).0,
        reply(Accepted::Fresh)
    );
    let events = tables::events_of(&world.rows, second).expect("readable");
    assert_eq!(events.len(), 1);
    assert_eq!(
        (events[0].0, events[0].1.destination_id),
        (second.event(2), OTHER)
    );
    let ignored = world.ignored(second);
    let causes: Vec<_> = ignored
        .iter()
        .map(|(id, row)| (id.ordinal(), row.cause))
        .collect();
    assert_eq!(
        causes,
        [(1, IgnoreCause::Duplicate), (3, IgnoreCause::Disabled)]
    );
    let first = first.event(1);
    assert_eq!(ignored[0].1.meta, Some(IgnoredMeta::Duplicate { first }));
    let stored = tables::request(&world.rows, second)
        .expect("readable")
        .expect("there");
    assert_eq!((stored.events, stored.ignored), (1, 2));
}

#[test]
fn a_window_begins_with_the_first_and_its_duplicates_do_not_extend_it() {
    let mut world = World::default();
    let last = NOW.plus_ms(WINDOW_MS - 1);
    let over = NOW.plus_ms(WINDOW_MS);
    let first = request(NOW, 1);
    world.apply(NOW, &at_source(first, 7));
    for (at, is_fresh) in [(NOW, false), (last, false), (over, true), (over, false)] {
        let id = request(at, u128::from(at.0) + world.index as u128);
        let said = world.apply(at, &at_source(id, 7)).0;
        assert_eq!(said == reply(Accepted::Fresh), is_fresh, "{at:?}");
    }
}

#[test]
fn a_clock_that_goes_back_opens_no_window_anew() {
    let mut world = World::default();
    world.apply(NOW, &at_source(request(NOW, 1), 7));
    let early = NOW.minus_ms(2 * WINDOW_MS);
    let said = world.apply(early, &at_source(request(early, 2), 7)).0;
    assert_eq!(
        said,
        reply(Accepted::Duplicate {
            of: request(NOW, 1)
        })
    );
}

#[test]
fn a_first_one_and_its_duplicate_proposed_again_change_nothing() {
    for command in [at_source, at_connection] {
        let mut world = World::default();
        for n in [1, 2] {
            world.apply(NOW, &command(request(NOW, n), 7));
        }
        for n in [1, 2] {
            let said = world.changes_nothing(NOW, &command(request(NOW, n), 7));
            assert_eq!(said, reply(Accepted::Again));
        }
    }
}

#[test]
fn two_of_a_kind_in_one_batch_make_one_event() {
    let mut world = World::default();
    let both = [1, 2].map(|n| {
        let routed = Keyed {
            once: once(7, WINDOW_MS),
            ..routed(&[(1, DESTINATION)], NOW)
        };
        incoming(request(NOW, n), Verdict::Keyed(routed))
    });
    let (said, _) = world.apply(NOW, &accept(both.into()));
    let of = request(NOW, 1);
    let expected = vec![Accepted::Fresh, Accepted::Duplicate { of }];
    assert_eq!((said, world.due().len()), (Reply::Accepted(expected), 1));
}

#[test]
fn of_many_ignored_events_some_are_kept_and_all_are_counted() {
    let mut world = World::default();
    let connections: Vec<_> = (0..500).map(|n| (n, DESTINATION)).collect();
    for n in [1, 2] {
        let routed = Keyed {
            once: once(7, WINDOW_MS),
            keep_ignored: 10,
            ..routed(&connections, NOW)
        };
        world.apply(
            NOW,
            &accept(vec![incoming(request(NOW, n), Verdict::Keyed(routed))]),
        );
    }
    let second = request(NOW, 2);
    let stored = tables::request(&world.rows, second)
        .expect("readable")
        .expect("there");
    assert_eq!((stored.ignored, world.ignored(second).len()), (501, 10));
}

#[test]
fn what_has_expired_goes_a_bounded_part_at_a_time() {
    let mut world = World::default();
    let many = (0..1_000).map(|n| {
        let routed = Keyed {
            once: once(n, WINDOW_MS),
            ..Keyed::default()
        };
        incoming(request(NOW, n), Verdict::Keyed(routed))
    });
    world.apply(NOW, &accept(many.collect()));
    assert_eq!(world.keys(Table::Dedup).len(), 2_000);
    let over = NOW.plus_ms(WINDOW_MS);
    world.apply(over, &accept(vec![]));
    let left = world.keys(Table::Dedup).len();
    assert!((1..2_000).contains(&left), "{left}");
    for _ in 0..100 {
        world.apply(over, &accept(vec![]));
    }
    assert_eq!(world.keys(Table::Dedup), [] as [Vec<u8>; 0]);
}

#[test]
fn a_window_that_is_longer_than_requests_are_kept_holds() {
    let mut world = World::default();
    let old = NOW.minus_ms(2 * HOUR_MS);
    let first = request(old, 1);
    let of = |id, at| {
        let routed = Keyed {
            once: once(7, 24 * HOUR_MS),
            ..routed(&[(1, DESTINATION)], at)
        };
        accept(vec![incoming(id, Verdict::Keyed(routed))])
    };
    world.apply(old, &of(first, old));
    world.record(first.event(1), 1, Next::Delivered);
    let forgotten = world.apply(NOW, &forget(NOW, world.index)).0;
    assert_eq!(forgotten, Reply::Retention(true));
    assert_eq!(tables::request(&world.rows, first).expect("readable"), None);
    let said = world.apply(NOW, &of(request(NOW, 2), NOW)).0;
    assert_eq!(said, reply(Accepted::Duplicate { of: first }));
}

#[derive(Clone, Debug)]
struct Post {
    kind: u128,
    window_ms: u64,
    /// Since the post before.
    after_ms: u64,
    /// How many more times the same proposal reaches the log.
    again: usize,
}

fn posts() -> impl Strategy<Value = Vec<Post>> {
    let post =
        (0u128..3, 1u64..6, 0u64..8, 0usize..3).prop_map(|(kind, window, after, again)| Post {
            kind,
            window_ms: window * 1_000,
            after_ms: after * 500,
            again,
        });
    prop::collection::vec(post, 1..40)
}

proptest! {
    /// Against the plainest account of what a window is.
    #[test]
    fn whatever_comes_there_is_one_of_a_kind_in_a_window(posts in posts()) {
        let mut world = World::default();
        let mut firsts: BTreeMap<u128, (RequestId, Timestamp)> = BTreeMap::new();
        let mut now = NOW;
        for (n, post) in posts.iter().enumerate() {
            now = now.plus_ms(post.after_ms);
            let id = request(now, n as u128);
            let command = || {
                let routed = Keyed {
                    once: once(post.kind, post.window_ms),
                    ..routed(&[(1, DESTINATION)], now)
                };
                accept(vec![incoming(id, Verdict::Keyed(routed))])
            };
            let first = firsts.get(&post.kind).filter(|(_, until)| now < *until);
            let expected = match first {
                Some((of, _)) => Accepted::Duplicate { of: *of },
                None => {
                    firsts.insert(post.kind, (id, now.plus_ms(post.window_ms)));
                    Accepted::Fresh
                }
            };
            let said = world.apply(now, &command()).0;
            prop_assert_eq!(said, reply(expected));
            for _ in 0..post.again {
                let said = world.changes_nothing(now, &command());
                prop_assert_eq!(said, reply(Accepted::Again));
            }
            let is_fresh = expected == Accepted::Fresh;
            let event = tables::event(&world.rows, id.event(1)).expect("readable");
            prop_assert_eq!(event.map(|event| event.status), is_fresh.then_some(EventStatus::Queued));
            // What stands for a window stands with its end, and nothing that ended is left.
            let live = firsts.iter().filter(|(_, (_, until))| now < *until);
            let mut kept = 0;
            for (kind, (first, until)) in live {
                let seen = tables::seen(&world.rows, fingerprint(*kind)).expect("readable");
                prop_assert_eq!(seen.map(|seen| (seen.first, seen.expires_at)), Some((first.event(0), *until)));
                kept += 1;
            }
            prop_assert_eq!(world.keys(Table::Dedup).len(), 2 * kept);
        }
    }
}
