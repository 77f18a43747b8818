//! Random lives: whatever is done to events in whatever order, the rows agree with each other and nothing is lost.

use crate::kit::{
    DESTINATION, HOUR_MS, NOW, World, cancel, forget, hold, pause, record, release, request, retry,
    unpause,
};
use crate::reshaping::{ignored, ignores, record_runs, retry_ignored};
use model::{
    ids::{EventId, RequestId, TransformationId},
    machine::{Next, Reply},
    state::{keys::DueClass, kv::Table, tables},
    traffic::EventStatus,
};
use proptest::prelude::*;

#[derive(Clone, Debug)]
enum Deed {
    Accept(u128),
    /// An outcome: for which event, how far off the right number, and what is to follow.
    Record(usize, i8, u8),
    Retry(usize),
    Cancel(usize),
    /// Its transformation came to nothing: which event, and whether somebody dealt with it meanwhile.
    Ignore(usize, bool),
    RetryIgnored(usize),
    Pause,
    Unpause,
    /// A page of the sweep: what it takes for a waiting event may have moved since.
    Hold(usize),
    Release(u16),
    Forget,
}

fn deeds() -> impl Strategy<Value = Vec<Deed>> {
    let deed = prop_oneof![
        3 => (0u128..6).prop_map(Deed::Accept),
        6 => (0usize..6, -1i8..2, 0u8..3).prop_map(|(e, off, next)| Deed::Record(e, off, next)),
        2 => (0usize..6).prop_map(Deed::Retry),
        2 => (0usize..6).prop_map(Deed::Cancel),
        2 => (0usize..6, any::<bool>()).prop_map(|(e, stale)| Deed::Ignore(e, stale)),
        2 => (0usize..12).prop_map(Deed::RetryIgnored),
        1 => Just(Deed::Pause),
        1 => Just(Deed::Unpause),
        2 => (0usize..6).prop_map(Deed::Hold),
        2 => (1u16..3).prop_map(Deed::Release),
        1 => Just(Deed::Forget),
    ];
    prop::collection::vec(deed, 1..60)
}

/// Every event that a request ever had or ignored is in one of two places, and the request counts both.
fn nothing_is_between_the_tables(world: &World) {
    let requests = world.keys(Table::Requests);
    for id in requests.iter().filter_map(|key| RequestId::from_key(key)) {
        let request = tables::request(&world.rows, id).expect("readable");
        let request = request.expect("there");
        let events = tables::events_of(&world.rows, id).expect("readable");
        let ignored = tables::ignored_of(&world.rows, id).expect("readable");
        let mut all: Vec<EventId> = events.iter().map(|(id, _)| *id).collect();
        all.extend(ignored.iter().map(|(id, _)| *id));
        all.sort_unstable();
        assert_eq!(all, [id.event(1), id.event(2)]);
        assert_eq!(usize::from(request.events), events.len());
        assert_eq!(usize::from(request.ignored), ignored.len());
    }
}

fn rows_agree(world: &World) {
    nothing_is_between_the_tables(world);
    let events = world.events();
    let due = world.due();
    let held = world.held();
    for (id, event) in &events {
        let rows: Vec<_> = due.iter().filter(|due| due.event == *id).collect();
        let expected = usize::from(!event.status.is_ended() && event.status != EventStatus::Hold);
        assert_eq!(rows.len(), expected, "{id} is {:?}", event.status);
        for row in rows {
            assert_eq!(Some(row.at), event.due_at);
            assert_eq!(row.destination, event.destination_id);
        }
        let rows: Vec<_> = held.iter().filter(|held| held.event == *id).collect();
        let expected = usize::from(event.status == EventStatus::Hold);
        assert_eq!(rows.len(), expected, "{id} is {:?}", event.status);
        for row in rows {
            assert_eq!(Some(row.due_at), event.due_at);
            assert_eq!(row.connection, event.connection_id);
        }
        let numbers: Vec<u16> = world
            .attempts(*id)
            .iter()
            .map(|attempt| attempt.number)
            .collect();
        assert_eq!(numbers, (1..=event.attempts).collect::<Vec<_>>());
    }
    for row in held {
        assert!(events.contains_key(&row.event), "{row:?} has no event");
    }
    for row in due {
        assert!(events.contains_key(&row.event), "{row:?} has no event");
        let request = tables::request(&world.rows, row.event.request());
        assert!(
            request.expect("readable").is_some(),
            "{row:?} has no request"
        );
    }
}

fn counts_agree(world: &World) {
    let due = world.due();
    let counted = tables::queued(&world.rows, DESTINATION).expect("readable");
    let of = |class| due.iter().filter(|due| due.class == class).count() as u64;
    assert_eq!(counted.fresh, of(DueClass::Fresh));
    assert_eq!(counted.retries, of(DueClass::Retry));
    let waits = counted.depth() > 0;
    let known = tables::depths(&world.rows, 9, |_| true).expect("readable");
    let expected = waits.then(|| (DESTINATION, counted.depth()));
    assert_eq!(known, expected.into_iter().collect::<Vec<_>>());
    assert_eq!(counted.oldest_at.is_some(), waits);
}

proptest! {
    #[test]
    fn every_life_is_legal_and_no_live_event_is_lost(deeds in deeds()) {
        let mut world = World::default();
        let mut moved = 0;
        let old = NOW.minus_ms(2 * HOUR_MS);
        for (step, deed) in deeds.into_iter().enumerate() {
            let before = world.events();
            let now = NOW.plus_ms(step as u64);
            let pick = |n: usize| before.keys().nth(n).copied();
            let mut forgets = false;
            match deed {
                Deed::Accept(n) => { world.accepted(request(old.plus_ms(n as u64), n)); }
                Deed::Record(n, off, next) => if let Some(id) = pick(n) {
                    let number = before[&id].attempts.saturating_add(1).saturating_add_signed(i16::from(off));
                    let next = match next {
                        0 => Next::Delivered,
                        1 => Next::RetryAt(now.plus_ms(1_000)),
                        _ => Next::GiveUp,
                    };
                    world.apply(now, &record(id, number, next));
                },
                Deed::Retry(n) => if let Some(id) = pick(n) { world.apply(now, &retry(id)); },
                Deed::Cancel(n) => if let Some(id) = pick(n) { world.apply(now, &cancel(id)); },
                Deed::Ignore(n, stale) => if let Some(id) = pick(n) {
                    let was = &before[&id];
                    let due_at = was.due_at.unwrap_or(now).plus_ms(u64::from(stale));
                    let report = ignores(id, was.attempts.saturating_add(1), due_at, TransformationId(1));
                    world.apply(now, &record_runs(vec![report]));
                    let is_moved = ignored(&world, id).is_some();
                    prop_assert_eq!(is_moved, was.due_at.is_some() && !stale);
                    moved += usize::from(is_moved);
                },
                Deed::RetryIgnored(n) => {
                    let requests = world.keys(Table::Requests);
                    let request = requests.get(n / 2).and_then(|key| RequestId::from_key(key));
                    if let Some(request) = request {
                        let id = request.event(1 + (n % 2) as u16);
                        world.apply(now, &retry_ignored(id));
                        prop_assert!(world.events().contains_key(&id));
                    }
                }
                Deed::Pause => { world.apply(now, &pause(world.index)); }
                Deed::Unpause => { world.apply(now, &unpause(world.index)); }
                Deed::Hold(n) => { world.apply(now, &hold(pick(n).into_iter().collect(), None)); }
                Deed::Release(limit) => { world.apply(now, &release(limit)); }
                // Its proposer has looked: it proposes only when everything has ended.
                Deed::Forget => if before.values().all(|event| event.status.is_ended()) {
                    let (reply, _) = world.apply(now, &forget(NOW, world.index));
                    forgets = reply == Reply::Retention(true);
                },
            }
            rows_agree(&world);
            counts_agree(&world);
            let after = world.events();
            for (id, was) in &before {
                match after.get(id) {
                    None if ignored(&world, *id).is_some() => moved -= 1,
                    None => prop_assert!(forgets && was.status.is_ended(), "{id} was lost"),
                    Some(is) => {
                        prop_assert!(was.status == is.status || was.status.may_become(is.status));
                        prop_assert!(is.attempts >= was.attempts);
                    }
                }
            }
            prop_assert_eq!(moved, 0, "an event went without a reason");
        }
    }
}
