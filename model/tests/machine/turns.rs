//! What keeping order promises: the events of one key reach a destination one after the other, none is passed and none
//! is forgotten, and nobody else waits for them.

use crate::kit::{
    DESTINATION, HOUR_MS, NOW, World, accept, cancel, fingerprint, forget, hold, incoming,
    of_traffic, pause, record, release, request, retry, routed, unpause,
};
use crate::reshaping::{ignores, record_runs};
use model::{
    ids::{DestinationId, EventId, TransformationId},
    machine::{Command, Effect, EventReply, Keyed, LeaderEffect, Next, Reply, Verdict},
    state::{
        keys::{self, Queue},
        kv::{Kv, Read, Table},
        tables,
    },
    time::Timestamp,
    traffic::{
        Event,
        EventStatus::{Cancelled, Hold, Queued, Scheduled},
        Trigger,
    },
};
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

const OTHER: DestinationId = DestinationId(8);

/// A request whose events keep the order of their key, to these destinations.
fn ordered(number: u128, key: u128, to: &[DestinationId], due_at: Timestamp) -> Command<'static> {
    let connections: Vec<_> = (1..).zip(to.iter().copied()).collect();
    let routed = Keyed {
        order: Some(fingerprint(key)),
        ..routed(&connections, due_at)
    };
    accept(vec![incoming(request(NOW, number), Verdict::Keyed(routed))])
}

fn post(world: &mut World, number: u128, key: u128) -> EventId {
    world.apply(NOW, &ordered(number, key, &[DESTINATION], NOW));
    request(NOW, number).event(1)
}

/// What is due, the longest due first.
fn due(world: &World) -> Vec<EventId> {
    world.due().iter().map(|due| due.event).collect()
}

#[test]
fn one_waits_until_the_one_before_it_was_delivered() {
    let mut world = World::default();
    let [a, b, c] = [1, 2, 3].map(|n| post(&mut world, n, 7));
    assert_eq!(due(&world), [a]);
    assert_eq!((world.status(b), world.event(b).due_at), (Queued, None));
    assert!(world.event(b).waits_for_its_turn() && !world.event(a).waits_for_its_turn());
    let later = NOW.plus_ms(500);
    let (_, applied) = world.apply(later, &record(a, 1, Next::Delivered));
    let wake = Effect::Leader(LeaderEffect::Wake {
        destination: DESTINATION,
        due_at: later,
    });
    assert_eq!(applied.effects, [wake]);
    assert_eq!((due(&world), world.due()[0].at), (vec![b], later));
    world.record(b, 1, Next::Delivered);
    assert_eq!(due(&world), [c]);
    world.record(c, 1, Next::Delivered);
    assert_eq!(
        of_traffic(world.keys(Table::Index)).len(),
        3,
        "the ignored events alone"
    );
}

#[test]
fn one_that_fails_holds_back_its_own_key_only() {
    let mut world = World::default();
    let [a, b, other] = [(1, 7), (2, 7), (3, 9)].map(|(n, key)| post(&mut world, n, key));
    let at = NOW.plus_ms(60_000);
    world.record(a, 1, Next::RetryAt(at));
    assert_eq!(due(&world), [other, a]);
    assert_eq!(world.event(b).due_at, None);
    world.record(a, 2, Next::GiveUp);
    assert_eq!(due(&world), [b, other]);
}

#[test]
fn a_cancelled_one_lets_the_next_have_its_turn() {
    let mut world = World::default();
    let [a, b, c, d] = [1, 2, 3, 4].map(|n| post(&mut world, n, 7));
    // One that waits goes without a trace.
    world.apply(NOW, &cancel(b));
    assert_eq!((due(&world), world.status(b)), (vec![a], Cancelled));
    let (_, applied) = world.apply(NOW, &cancel(a));
    assert_eq!((due(&world), applied.effects.len()), (vec![c], 1));
    // It was in flight when it was cancelled; what comes of it moves nobody.
    world.record(a, 1, Next::Delivered);
    assert_eq!(due(&world), [c]);
    world.record(c, 1, Next::GiveUp);
    assert_eq!(due(&world), [d]);
}

#[test]
fn a_delay_is_waited_for_by_all_behind_it() {
    let mut world = World::default();
    let late = NOW.plus_ms(5_000);
    world.apply(NOW, &ordered(1, 7, &[DESTINATION], late));
    let a = request(NOW, 1).event(1);
    let b = post(&mut world, 2, 7);
    let very_late = NOW.plus_ms(9_000);
    world.apply(NOW, &ordered(3, 7, &[DESTINATION], very_late));
    let c = request(NOW, 3).event(1);
    assert_eq!((due(&world), world.status(a)), (vec![a], Scheduled));
    world.apply(late, &record(a, 1, Next::Delivered));
    assert_eq!((due(&world), world.due()[0].at), (vec![b], late));
    // Its own time has not come when its turn has.
    world.apply(late, &record(b, 1, Next::Delivered));
    assert_eq!((due(&world), world.due()[0].at), (vec![c], very_late));
    assert_eq!(world.status(c), Scheduled);
}

#[test]
fn an_ended_one_retried_by_hand_goes_at_once_and_moves_nobody() {
    let mut world = World::default();
    let [a, b, c] = [1, 2, 3].map(|n| post(&mut world, n, 7));
    world.record(a, 1, Next::GiveUp);
    world.apply(NOW, &retry(a));
    assert_eq!(due(&world), [a, b]);
    world.record(a, 2, Next::Delivered);
    assert_eq!(due(&world), [b]);
    world.record(b, 1, Next::Delivered);
    assert_eq!(due(&world), [c]);
}

#[test]
fn one_that_waits_and_is_retried_by_hand_keeps_its_place() {
    let mut world = World::default();
    let a = post(&mut world, 1, 7);
    world.apply(NOW, &ordered(2, 7, &[DESTINATION], NOW.plus_ms(HOUR_MS)));
    let b = request(NOW, 2).event(1);
    let (reply, applied) = world.apply(NOW, &retry(b));
    assert_eq!(reply, Reply::Event(EventReply::Done));
    assert_eq!((due(&world), applied.effects), (vec![a], vec![]));
    // But its delay is over.
    world.record(a, 1, Next::Delivered);
    assert_eq!((due(&world), world.due()[0].at), (vec![b], NOW));
    assert_eq!(world.event(b).next_trigger, Trigger::Manual);
}

#[test]
fn each_destination_and_each_key_has_a_queue_of_its_own() {
    let mut world = World::default();
    let both = [DESTINATION, OTHER];
    world.apply(NOW, &ordered(1, 7, &both, NOW));
    world.apply(NOW, &ordered(2, 7, &both, NOW));
    world.apply(NOW, &ordered(3, 9, &both, NOW));
    let event = |number, ordinal| request(NOW, number).event(ordinal);
    // By destination, then by event.
    assert_eq!(
        due(&world),
        [event(1, 2), event(3, 2), event(1, 1), event(3, 1)]
    );
    world.record(event(1, 2), 1, Next::Delivered);
    assert_eq!(
        due(&world),
        [event(2, 2), event(3, 2), event(1, 1), event(3, 1)]
    );
}

#[test]
fn connections_to_one_destination_share_its_queue() {
    let mut world = World::default();
    world.apply(NOW, &ordered(1, 7, &[DESTINATION, DESTINATION], NOW));
    world.apply(NOW, &ordered(2, 7, &[DESTINATION], NOW));
    let of = |number, ordinal| request(NOW, number).event(ordinal);
    for event in [of(1, 1), of(1, 2), of(2, 1)] {
        assert_eq!(due(&world), [event]);
        world.record(event, 1, Next::Delivered);
    }
    assert_eq!(due(&world), []);
}

#[test]
fn requests_of_one_batch_are_in_its_order() {
    let mut world = World::default();
    let batch = (0..300u128).rev().map(|n| {
        let routed = Keyed {
            order: Some(fingerprint(7)),
            ..routed(&[(1, DESTINATION)], NOW)
        };
        incoming(request(NOW, n), Verdict::Keyed(routed))
    });
    world.apply(NOW, &accept(batch.collect()));
    for n in (0..300).rev() {
        let event = request(NOW, n).event(1);
        assert_eq!(due(&world), [event]);
        world.record(event, 1, Next::Delivered);
    }
}

#[test]
fn one_that_vanished_holds_nobody_up() {
    let mut world = World::default();
    let [a, b, c] = [1, 2, 3].map(|n| post(&mut world, n, 7));
    for gone in [a, b] {
        world.rows.delete(Table::Events, &gone.key());
        world.rows.delete_range(Table::Due, &[], &[u8::MAX; 64]);
    }
    let d = post(&mut world, 4, 7);
    assert_eq!(due(&world), [c]);
    world.record(c, 1, Next::Delivered);
    assert_eq!(due(&world), [d]);
}

#[test]
fn retention_waits_for_those_that_wait_for_their_turn() {
    let mut world = World::default();
    let old = NOW.minus_ms(3 * HOUR_MS);
    let at = |number: u128, minted: Timestamp| {
        let routed = Keyed {
            order: Some(fingerprint(7)),
            ..routed(&[(1, DESTINATION)], NOW)
        };
        accept(vec![incoming(
            request(minted, number),
            Verdict::Keyed(routed),
        )])
    };
    // The one that waits was minted by a node whose clock is slow.
    world.apply(NOW, &at(1, NOW));
    world.apply(NOW, &at(2, old));
    let oldest = || tables::oldest_open(&world.rows).expect("readable");
    assert_eq!(oldest(), Some(old));
    let ended = |world: &mut World, event| world.record(event, 1, Next::Delivered);
    ended(&mut world, request(NOW, 1).event(1));
    assert_eq!(
        tables::oldest_open(&world.rows).expect("readable"),
        Some(old)
    );
    ended(&mut world, request(old, 2).event(1));
    assert_eq!(tables::oldest_open(&world.rows).expect("readable"), None);
    let (reply, _) = world.apply(NOW, &forget(NOW, world.index));
    assert_eq!(reply, Reply::Retention(true));
}

#[test]
fn a_paused_one_keeps_its_turn_and_those_behind_it_their_places() {
    let mut world = World::default();
    let both = [DESTINATION, DESTINATION];
    // One key: two events of the first request, over the connection that is paused and over another.
    world.apply(NOW, &ordered(1, 7, &both, NOW));
    let [a, other] = [1, 2].map(|ordinal| request(NOW, 1).event(ordinal));
    let b = post(&mut world, 2, 7);
    world.apply(NOW, &pause(1));
    world.apply(NOW, &hold(vec![a, other, b], None));
    assert_eq!(
        [a, other, b].map(|id| world.status(id)),
        [Hold, Queued, Hold]
    );
    assert_eq!(due(&world), [], "the other one waits for its turn");
    let c = post(&mut world, 3, 7);
    assert_eq!(world.status(c), Hold);
    let later = NOW.plus_ms(60_000);
    world.apply(later, &unpause(2));
    world.apply(later, &release(9));
    assert_eq!((world.held().len(), due(&world)), (0, vec![a]));
    for event in [a, other, b, c] {
        assert_eq!(due(&world), [event]);
        world.record(event, 1, Next::Delivered);
    }
}

#[test]
fn one_that_has_its_turn_while_its_connection_is_paused_is_held() {
    let mut world = World::default();
    let [a, b, c] = [1, 2, 3].map(|n| post(&mut world, n, 7));
    world.apply(NOW, &pause(1));
    // It was in flight when the pause began, and no sweep has come by yet.
    let (_, applied) = world.apply(NOW, &record(a, 1, Next::Delivered));
    assert_eq!((applied.effects, due(&world)), (vec![], vec![]));
    assert_eq!((world.status(b), world.status(c)), (Hold, Queued));
    // Who cancels it hands the pause on, and nobody hangs behind it.
    world.apply(NOW, &cancel(b));
    assert_eq!(world.status(c), Hold);
    world.apply(NOW, &unpause(2));
    world.apply(NOW, &release(9));
    assert_eq!(due(&world), [c]);
}

#[derive(Clone, Debug)]
enum Deed {
    /// A key, the destinations (a bit each), and how long until it is due.
    Post(u128, u8, u64),
    /// Which event, and what is to follow.
    Record(usize, u8),
    Retry(usize),
    Cancel(usize),
    /// A due one comes to nothing where it would have been sent.
    Ignore(usize),
    /// The first connection is paused, and unpaused.
    Pause,
    Unpause,
    /// A page of the sweep.
    Hold(usize),
    Release(u16),
}

fn deeds() -> impl Strategy<Value = Vec<Deed>> {
    let deed = prop_oneof![
        4 => (0u128..3, 1u8..4, 0u64..3).prop_map(|(key, to, late)| Deed::Post(key, to, late * 700)),
        6 => (0usize..24, 0u8..3).prop_map(|(event, next)| Deed::Record(event, next)),
        1 => (0usize..24).prop_map(Deed::Retry),
        2 => (0usize..24).prop_map(Deed::Cancel),
        1 => (0usize..24).prop_map(Deed::Ignore),
        1 => Just(Deed::Pause),
        1 => Just(Deed::Unpause),
        2 => (0usize..24).prop_map(Deed::Hold),
        2 => (1u16..4).prop_map(Deed::Release),
    ];
    prop::collection::vec(deed, 1..80)
}

/// A partition and what an onlooker knows of it.
#[derive(Default)]
struct Watched {
    world: World,
    posts: u128,
    /// Every event in the order of acceptance.
    events: Vec<EventId>,
    /// Ended at least once: those have left their queues for good.
    ended: BTreeSet<EventId>,
    /// First attempts, in their order.
    attempted: Vec<EventId>,
    /// Retried or cancelled by somebody, who may reopen what was passed.
    by_hand: BTreeSet<EventId>,
}

/// Events in the order of acceptance, by destination and key.
type Queues = BTreeMap<(DestinationId, [u8; 16]), Vec<(EventId, Event)>>;

impl Watched {
    fn apply(&mut self, now: Timestamp, command: &Command<'_>) {
        self.world.apply(now, command);
        for id in &self.events {
            if self.world.status(*id).is_ended() {
                self.ended.insert(*id);
            }
        }
    }

    fn post(&mut self, now: Timestamp, key: u128, to: u8, late_ms: u64) {
        let to: Vec<_> = [(1, DESTINATION), (2, OTHER)]
            .into_iter()
            .filter(|(bit, _)| to & bit != 0)
            .map(|(_, destination)| destination)
            .collect();
        self.posts += 1;
        let number = self.posts;
        self.apply(now, &ordered(number, key, &to, now.plus_ms(late_ms)));
        let ordinals = 1..=u16::try_from(to.len()).expect("two");
        self.events
            .extend(ordinals.map(|ordinal| request(NOW, number).event(ordinal)));
    }

    /// What no onlooker can do: an attempt is made of a due event alone.
    fn record(&mut self, now: Timestamp, event: usize, next: u8) {
        let due: Vec<EventId> = self.world.due().iter().map(|due| due.event).collect();
        let Some(id) = due.get(event % due.len().max(1)).copied() else {
            return;
        };
        let number = self.world.event(id).attempts + 1;
        if number == 1 {
            self.attempted.push(id);
        }
        let next = match next {
            0 => Next::Delivered,
            1 => Next::RetryAt(now.plus_ms(1_000)),
            _ => Next::GiveUp,
        };
        self.apply(now, &record(id, number, next));
    }

    fn ignore(&mut self, now: Timestamp, event: usize) {
        let due = self.world.due();
        let Some(due) = due.get(event % due.len().max(1)).copied() else {
            return;
        };
        let number = self.world.event(due.event).attempts + 1;
        let report = ignores(due.event, number, due.at, TransformationId(1));
        // It is no event any more.
        self.events.retain(|id| *id != due.event);
        self.apply(now, &record_runs(vec![report]));
    }

    fn queues(&self) -> Queues {
        let mut queues: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for id in &self.events {
            let event = self.world.event(*id);
            let turn = event.turn.expect("an ordered one");
            let queue = queues
                .entry((event.destination_id, turn.key.key()))
                .or_default();
            queue.push((*id, event));
        }
        queues
    }

    fn check(&self) -> Result<(), TestCaseError> {
        let due: BTreeSet<EventId> = self.world.due().iter().map(|due| due.event).collect();
        prop_assert_eq!(
            due.len(),
            self.world.due().len(),
            "two due rows of one event"
        );
        let mut waiting = 0;
        let mut turns = 0;
        for ((destination, _), queue) in self.queues() {
            let key = queue[0].1.turn.expect("an ordered one").key;
            let live: Vec<_> = queue
                .iter()
                .filter(|(id, _)| !self.ended.contains(id))
                .collect();
            let turn =
                tables::turn(&self.world.rows, Queue { destination, key }).expect("readable");
            prop_assert_eq!(turn, live.first().map(|(id, _)| *id), "whose turn it is");
            turns += usize::from(turn.is_some());
            for (place, (id, event)) in live.iter().enumerate() {
                let is_held = event.status == Hold;
                let is_due = place == 0 && !is_held;
                prop_assert_eq!(due.contains(id), is_due, "{} at {}", id, place);
                prop_assert_eq!(event.due_at.is_some(), is_due || is_held);
            }
            waiting += live.len().saturating_sub(1);
            // Those that are out of it are due if they were reopened.
            for (id, event) in queue.iter().filter(|(id, _)| self.ended.contains(id)) {
                let waits = !event.status.is_ended() && event.status != Hold;
                prop_assert_eq!(due.contains(id), waits);
            }
        }
        let mut held: Vec<EventId> = self.world.held().iter().map(|held| held.event).collect();
        held.sort_unstable();
        let on_hold = |id: &EventId| self.world.status(*id) == Hold;
        let mut expected: Vec<EventId> = self.events.iter().copied().filter(on_hold).collect();
        expected.sort_unstable();
        prop_assert_eq!(held, expected);
        let (from, to) = keys::WAITING_ALL;
        let rows = self
            .world
            .rows
            .scan(Table::Index, &from, &to, usize::MAX)
            .expect("readable");
        prop_assert_eq!(rows.len(), waiting);
        let rows = self
            .world
            .rows
            .scan(Table::Index, &[3], &[4], usize::MAX)
            .expect("readable");
        prop_assert_eq!(rows.len(), turns);
        Ok(())
    }
}

proptest! {
    #[test]
    fn whatever_is_done_each_key_goes_on_in_its_order(deeds in deeds()) {
        let mut watched = Watched::default();
        let mut now = NOW;
        for deed in deeds {
            now = now.plus_ms(100);
            match deed {
                Deed::Post(key, to, late_ms) => watched.post(now, key, to, late_ms),
                Deed::Record(event, next) => watched.record(now, event, next),
                Deed::Ignore(event) => watched.ignore(now, event),
                Deed::Retry(n) => if let Some(id) = watched.events.get(n).copied() {
                    watched.by_hand.insert(id);
                    watched.apply(now, &retry(id));
                },
                Deed::Cancel(n) => if let Some(id) = watched.events.get(n).copied() {
                    watched.by_hand.insert(id);
                    watched.apply(now, &cancel(id));
                },
                Deed::Pause => watched.apply(now, &pause(watched.world.index)),
                Deed::Unpause => watched.apply(now, &unpause(watched.world.index)),
                Deed::Hold(n) => {
                    let page = watched.events.get(n).copied().into_iter().collect();
                    watched.apply(now, &hold(page, None));
                }
                Deed::Release(limit) => watched.apply(now, &release(limit)),
            }
            watched.check()?;
        }
        watched.apply(now, &unpause(watched.world.index));
        while watched.world.apply(now, &release(3)).0 == Reply::Released(true) {
            watched.check()?;
        }
        prop_assert_eq!(watched.world.held(), []);
        // Nothing hangs: as long as something is left something is due.
        while !watched.world.due().is_empty() {
            now = now.plus_ms(10_000);
            watched.record(now, 0, 0);
            watched.check()?;
        }
        let is_left = |id: &&EventId| !watched.world.status(**id).is_ended();
        prop_assert_eq!(watched.events.iter().find(is_left), None);
        for (_, queue) in watched.queues() {
            let of_queue: Vec<EventId> = queue
                .iter()
                .map(|(id, _)| *id)
                .filter(|id| !watched.by_hand.contains(id) && watched.attempted.contains(id))
                .collect();
            let attempted: Vec<EventId> =
                watched.attempted.iter().filter(|id| of_queue.contains(id)).copied().collect();
            prop_assert_eq!(attempted, of_queue);
        }
    }
}
