//! Random lives: whatever is done to events in whatever order, the rows agree with each other and nothing is lost.

use crate::kit::{
    HOUR_MS, NOW, World, cancel, forget, hold, pause, record, release, request, retry, unpause,
};
use model::{
    ids::EventId,
    machine::{Next, Reply},
    state::{kv::Table, tables},
    traffic::{Event, EventStatus},
};
use proptest::prelude::*;
use std::collections::BTreeMap;

#[derive(Clone, Debug)]
enum Deed {
    Accept(u128),
    /// An outcome: for which event, how far off the right number, and what is to follow.
    Record(usize, i8, u8),
    Retry(usize),
    Cancel(usize),
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
        1 => Just(Deed::Pause),
        1 => Just(Deed::Unpause),
        2 => (0usize..6).prop_map(Deed::Hold),
        2 => (1u16..3).prop_map(Deed::Release),
        1 => Just(Deed::Forget),
    ];
    prop::collection::vec(deed, 1..60)
}

fn events(world: &World) -> BTreeMap<EventId, Event> {
    let ids = world.keys(Table::Events);
    let ids = ids.iter().filter_map(|key| EventId::from_key(key));
    ids.map(|id| (id, world.event(id))).collect()
}

fn rows_agree(world: &World) {
    let events = events(world);
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

proptest! {
    #[test]
    fn every_life_is_legal_and_no_live_event_is_lost(deeds in deeds()) {
        let mut world = World::default();
        let old = NOW.minus_ms(2 * HOUR_MS);
        for (step, deed) in deeds.into_iter().enumerate() {
            let before = events(&world);
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
            let after = events(&world);
            for (id, was) in &before {
                match after.get(id) {
                    None => prop_assert!(forgets && was.status.is_ended(), "{id} was lost"),
                    Some(is) => {
                        prop_assert!(was.status == is.status || was.status.may_become(is.status));
                        prop_assert!(is.attempts >= was.attempts);
                    }
                }
            }
        }
    }
}
