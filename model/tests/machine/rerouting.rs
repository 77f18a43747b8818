//! What retrying a request promises: what failed waits anew, and what is mended gives an event.

use crate::kit::{
    self, CONNECTION, DESTINATION, GROUP, NOW, SOURCE, World, accept, forget, of_traffic, pause,
    retry,
};
use crate::reshaping::{ignores, record_runs};
use bytes::Bytes;
use model::{
    catalog::{Catalog, Connection, Item},
    ids::{ConnectionId, DestinationId, EventId, RequestId, TransformationId},
    machine::{
        Command, Incoming, Next, Planned, PlannedIgnored, Reply, RouteAgain, Unrouted, Verdict,
    },
    policy::reroute::{self, History, Over},
    state::{codec, kv::Table, tables},
    traffic::{
        EventStatus::{Failed, Hold, Queued, Successful},
        IgnoreCause, Origin, RejectionCause, RequestRecord, RequestState, Trigger,
    },
};

const OTHER: ConnectionId = ConnectionId(2);
const LATER: ConnectionId = ConnectionId(3);

fn stored_record() -> RequestRecord {
    RequestRecord {
        source_id: SOURCE,
        received_at: NOW,
        origin: Origin::Vouched,
        ..model::kit::record()
    }
}

fn connection(id: ConnectionId, disabled: bool) -> Item {
    Item::Connection(Connection {
        disabled_at: disabled.then_some(NOW),
        ..kit::connection(id)
    })
}

fn catalog(items: impl IntoIterator<Item = Item>) -> Catalog {
    let mut catalog = Catalog::default();
    items.into_iter().for_each(|item| catalog.insert(item));
    catalog
}

/// A request with an event over [`CONNECTION`] that failed, ignored by [`OTHER`].
fn told() -> (World, RequestId) {
    let mut world = World::default();
    let id = RequestId::mint(NOW, GROUP, 1);
    let verdict = Verdict::Accepted {
        events: vec![Planned {
            connection: CONNECTION,
            destination: DESTINATION,
            due_at: NOW,
        }],
        ignored: vec![PlannedIgnored {
            connection: OTHER,
            cause: IgnoreCause::Disabled,
        }],
    };
    take(&mut world, id, verdict);
    world.record(id.event(1), 1, Next::GiveUp);
    (world, id)
}

/// A request without events, ignored by [`OTHER`], and by so many more that are only counted.
fn ignored(cause: IgnoreCause, more_ignored: u32) -> (World, RequestId) {
    let mut world = World::default();
    let id = RequestId::mint(NOW, GROUP, 1);
    let verdict = Verdict::Routed {
        events: vec![],
        ignored: vec![Unrouted {
            connection: OTHER,
            cause,
            meta: None,
        }],
        more_ignored,
    };
    take(&mut world, id, verdict);
    (world, id)
}

fn take(world: &mut World, id: RequestId, verdict: Verdict) {
    let record = codec::encode(&stored_record());
    let incoming = Incoming {
        id,
        source: SOURCE,
        record: &record,
        body: None,
        verdict,
    };
    world.apply(NOW, &accept(vec![incoming]));
}

fn again(
    world: &World,
    id: RequestId,
    catalog: &Catalog,
    over: Over<'_>,
    trigger: Trigger,
) -> RouteAgain {
    let stored = tables::request(&world.rows, id)
        .expect("readable")
        .expect("there");
    let record = codec::decode(&stored.record).expect("a record");
    let request = reroute::proven(stored.state, record, Bytes::new()).expect("was proven");
    let history = History {
        events: tables::events_of(&world.rows, id).expect("readable"),
        ignored: tables::ignored_of(&world.rows, id).expect("readable"),
    };
    reroute::again(catalog, (id, &request), &history, over, trigger, NOW)
}

fn routed(world: &mut World, command: RouteAgain) -> Vec<EventId> {
    match world.apply(NOW, &Command::RouteAgain(command)).0 {
        Reply::Routed(Some(events)) => events,
        other => panic!("{other:?}"),
    }
}

fn counts(world: &World, id: RequestId) -> (u16, u16) {
    let stored = tables::request(&world.rows, id)
        .expect("readable")
        .expect("there");
    (stored.events, stored.ignored)
}

#[test]
fn what_failed_waits_anew_and_what_was_ignored_takes_its_place_as_an_event() {
    let (mut world, id) = told();
    let mended = catalog([connection(CONNECTION, false), connection(OTHER, false)]);
    let command = again(&world, id, &mended, Over::Known, Trigger::Manual);
    assert_eq!(routed(&mut world, command), [id.event(1), id.event(2)]);
    assert_eq!(
        (world.status(id.event(1)), world.status(id.event(2))),
        (Queued, Queued)
    );
    assert_eq!(world.event(id.event(2)).connection_id, OTHER);
    assert_eq!(counts(&world, id), (2, 0));
    assert_eq!(
        tables::ignored_of(&world.rows, id).expect("readable").len(),
        0
    );
    assert_eq!(world.due().len(), 2);
}

#[test]
fn what_is_still_ignored_stays_and_nothing_is_done_twice() {
    let (mut world, id) = told();
    let still = catalog([connection(CONNECTION, false), connection(OTHER, true)]);
    let command = again(&world, id, &still, Over::Known, Trigger::Manual);
    assert_eq!(routed(&mut world, command), [id.event(1)]);
    assert_eq!(counts(&world, id), (1, 1));
    let mended = catalog([connection(OTHER, false)]);
    let command = again(&world, id, &mended, Over::Ignored(OTHER), Trigger::Manual);
    assert!(command.retry.is_empty());
    assert_eq!(routed(&mut world, command.clone()), [id.event(2)]);
    world.record(id.event(2), 1, Next::Delivered);
    let before = world.rows.clone();
    assert_eq!(routed(&mut world, command), []);
    assert_eq!(world.rows, before);
    assert_eq!(world.status(id.event(2)), Successful);
}

#[test]
fn a_duplicate_is_sent_only_where_somebody_names_its_connection() {
    let (mut world, id) = ignored(IgnoreCause::Duplicate, 0);
    let known = catalog([connection(OTHER, false)]);
    let command = again(&world, id, &known, Over::Known, Trigger::Manual);
    assert!(command.is_idle(), "{command:?}");
    let named = again(&world, id, &known, Over::These(&[OTHER]), Trigger::Manual);
    assert_eq!(routed(&mut world, named), [id.event(1)]);
}

#[test]
fn what_is_counted_and_not_kept_stays_counted() {
    let (mut world, id) = ignored(IgnoreCause::Filtered, 40);
    assert_eq!(counts(&world, id), (0, 41));
    let mended = catalog([connection(OTHER, false)]);
    let command = again(&world, id, &mended, Over::Known, Trigger::Manual);
    assert_eq!(routed(&mut world, command), [id.event(1)]);
    assert_eq!(counts(&world, id), (1, 40));
}

#[test]
fn an_event_that_came_to_nothing_goes_on_counting_when_it_is_asked_for_again() {
    let (mut world, id) = told();
    let event = id.event(1);
    world.apply(NOW, &retry(event));
    let failed = ignores(event, 2, NOW, TransformationId(1));
    world.apply(NOW, &record_runs(vec![failed]));
    assert_eq!(counts(&world, id), (0, 2));
    let mended = catalog([connection(CONNECTION, false), connection(OTHER, true)]);
    let over = Over::Ignored(CONNECTION);
    let command = again(&world, id, &mended, over, Trigger::BulkRetry);
    assert_eq!(routed(&mut world, command), [event]);
    assert_eq!(counts(&world, id), (1, 1));
    assert_eq!(world.event(event).attempts, 1);
    world.record(event, 2, Next::Delivered);
    assert_eq!(world.status(event), Successful);
}

#[test]
fn a_connection_made_later_gets_an_event_only_where_it_is_named() {
    let (mut world, id) = told();
    let grown = catalog([connection(OTHER, true), connection(LATER, false)]);
    let known = again(&world, id, &grown, Over::Known, Trigger::Manual);
    assert_eq!(known.events, []);
    let named = again(&world, id, &grown, Over::These(&[LATER]), Trigger::Manual);
    assert_eq!(routed(&mut world, named), [id.event(3)]);
    assert_eq!(counts(&world, id), (2, 1));
    // Named again, its event waits anew.
    world.record(id.event(3), 1, Next::Delivered);
    let named = again(&world, id, &grown, Over::These(&[LATER]), Trigger::Manual);
    assert_eq!(routed(&mut world, named), [id.event(3)]);
    assert_eq!(counts(&world, id), (2, 1));
}

#[test]
fn a_request_that_nobody_was_connected_for_is_accepted_when_somebody_is() {
    let mut world = World::default();
    let id = RequestId::mint(NOW, GROUP, 1);
    let verdict = Verdict::Rejected {
        cause: RejectionCause::NoConnection,
        keep: 5,
    };
    take(&mut world, id, verdict);
    let grown = catalog([connection(LATER, false)]);
    let command = again(&world, id, &grown, Over::Known, Trigger::BulkRetry);
    assert_eq!(routed(&mut world, command), [id.event(1)]);
    let stored = tables::request(&world.rows, id)
        .expect("readable")
        .expect("there");
    assert_eq!(stored.state, RequestState::Accepted);
    assert_eq!(of_traffic(world.keys(Table::Index)), [] as [Vec<u8>; 0]);
    assert_eq!(world.event(id.event(1)).next_trigger, Trigger::BulkRetry);
}

#[test]
fn a_request_that_was_refused_for_what_it_is_is_never_routed() {
    for cause in [
        RejectionCause::VerificationFailed,
        RejectionCause::SourceDisabled,
        RejectionCause::UnsupportedHttpMethod,
    ] {
        let state = RequestState::Rejected(cause);
        assert!(reroute::proven(state, stored_record(), Bytes::new()).is_none());
    }
}

#[test]
fn by_hand_goes_past_a_pause_and_in_bulk_waits_for_its_end() {
    for (trigger, status) in [(Trigger::Manual, Queued), (Trigger::BulkRetry, Hold)] {
        let (mut world, id) = told();
        world.apply(NOW, &pause(1));
        let known = catalog([connection(CONNECTION, false)]);
        let command = again(&world, id, &known, Over::Known, trigger);
        routed(&mut world, command);
        assert_eq!(world.status(id.event(1)), status);
    }
}

#[test]
fn in_bulk_only_what_has_failed_is_sent_again() {
    let (mut world, id) = told();
    let known = catalog([connection(CONNECTION, false)]);
    let command = again(&world, id, &known, Over::Known, Trigger::BulkRetry);
    // Somebody was faster than the command.
    let by_hand = again(&world, id, &known, Over::Known, Trigger::Manual);
    routed(&mut world, by_hand);
    world.record(id.event(1), 2, Next::Delivered);
    assert_eq!(routed(&mut world, command), []);
    assert_eq!(world.status(id.event(1)), Successful);
}

#[test]
fn an_event_of_another_request_is_left_alone() {
    let (mut world, id) = told();
    let other = world.accepted(RequestId::mint(NOW, GROUP, 7));
    world.record(other, 1, Next::GiveUp);
    let mut command = again(
        &world,
        id,
        &Catalog::default(),
        Over::Known,
        Trigger::Manual,
    );
    command.retry.push(other);
    assert_eq!(routed(&mut world, command), [id.event(1)]);
    assert_eq!(world.status(other), Failed);
    let gone = RouteAgain {
        request: RequestId::mint(NOW, GROUP, 99),
        trigger: Trigger::Manual,
        retry: vec![],
        events: vec![Planned {
            connection: CONNECTION,
            destination: DestinationId(1),
            due_at: NOW,
        }],
        ignored: vec![],
    };
    assert_eq!(
        world.apply(NOW, &Command::RouteAgain(gone)).0,
        Reply::Routed(None)
    );
}

#[test]
fn an_old_request_with_a_new_event_is_not_taken_by_retention() {
    let (mut world, id) = told();
    let seen = world.index;
    let mended = catalog([connection(OTHER, false)]);
    let command = again(&world, id, &mended, Over::Ignored(OTHER), Trigger::Manual);
    routed(&mut world, command);
    let far = NOW.plus_ms(100 * crate::kit::HOUR_MS);
    assert_eq!(
        world.changes_nothing(NOW, &forget(far, seen)),
        Reply::Retention(false)
    );
}
