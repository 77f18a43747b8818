//! What is promised of events that transformations reshape: their runs are kept, and one that comes to nothing ends
//! visibly and can live again.

use crate::kit::{
    DESTINATION, GROUP, HOUR_MS, NOW, SOURCE, World, accept, attempt, cancel, fingerprint, forget,
    incoming, of_traffic, request, retry, routed,
};
use model::{
    ids::{EventId, ExecutionId, TransformationId},
    machine::{
        Command, EventReply, Keyed, Next, RecordRuns, Recorded, Reply, RetryIgnored, Run, RunEnd,
        RunReport, Verdict,
    },
    state::{keys, kv::Read, kv::Table, tables},
    time::Timestamp,
    traffic::{
        ConsoleLine, Event, EventStatus, Execution, IgnoreCause, Ignored, IgnoredMeta, LineLevel,
        LogLevel, TransformationUse, Trigger,
    },
};

const FIRST: TransformationId = TransformationId(7 << 16);
const SECOND: TransformationId = TransformationId(8 << 16);

/// A run that wrote a line.
pub(crate) fn run(id: TransformationId, version: u16, failed: bool) -> Run {
    let (level, log_level) = match failed {
        true => (LineLevel::Fatal, LogLevel::Fatal),
        false => (LineLevel::Log, LogLevel::Info),
    };
    Run {
        used: TransformationUse { id, version },
        at: NOW,
        failed,
        log_level,
        logs: vec![ConsoleLine {
            level,
            message: "said".into(),
        }],
    }
}

pub(crate) fn record_runs(reports: Vec<RunReport>) -> Command<'static> {
    Command::RecordRuns(RecordRuns { reports })
}

/// The first version of a transformation came to no request.
pub(crate) fn ignores(
    event: EventId,
    number: u16,
    due_at: Timestamp,
    transformation: TransformationId,
) -> RunReport {
    let run = run(transformation, 1, true);
    RunReport {
        event,
        number,
        end: RunEnd::Ignored {
            due_at,
            cause: IgnoreCause::TransformationFailed,
            meta: Some(IgnoredMeta::TransformationFailed(run.used)),
        },
        runs: vec![run],
    }
}

pub(crate) fn retry_ignored(event: EventId) -> Command<'static> {
    Command::RetryIgnored(RetryIgnored {
        event,
        source: SOURCE,
        destination: DESTINATION,
        trigger: Trigger::Manual,
    })
}

pub(crate) fn ignored(world: &World, id: EventId) -> Option<Ignored> {
    tables::ignored(&world.rows, id).expect("readable")
}

fn attempted(
    event: EventId,
    number: u16,
    versions: &[(TransformationId, u16)],
    next: Next,
) -> RunReport {
    RunReport {
        event,
        number,
        runs: versions
            .iter()
            .map(|(id, version)| run(*id, *version, false))
            .collect(),
        end: RunEnd::Attempted {
            attempt: attempt(next),
            next,
        },
    }
}

fn executions(world: &World, event: EventId) -> Vec<(ExecutionId, Execution)> {
    tables::executions_of(&world.rows, event).expect("readable")
}

fn listed(world: &World, transformation: TransformationId) -> Vec<ExecutionId> {
    let all = EventId(u128::MAX);
    let (from, to) = keys::executed_between(transformation, EventId(0), all);
    let rows = world
        .rows
        .scan(Table::Index, &from, &to, 100)
        .expect("readable");
    let read = rows.iter().filter_map(|(key, _)| keys::execution_of(key));
    read.map(|(of, id)| {
        assert_eq!(of, transformation);
        id
    })
    .collect()
}

fn counts(world: &World, event: EventId) -> (u16, u16) {
    let request = tables::request(&world.rows, event.request());
    let request = request.expect("readable").expect("there");
    (request.events, request.ignored)
}

#[test]
fn an_attempt_tells_which_versions_made_it() {
    let mut world = World::default();
    let event = world.accepted(request(NOW, 1));
    let retry_at = Next::RetryAt(NOW.plus_ms(1_000));
    let first = attempted(event, 1, &[(FIRST, 3), (SECOND, 1)], retry_at);
    let again = record_runs(vec![first]);
    assert_eq!(
        world.apply(NOW, &again).0,
        Reply::Recorded(vec![Recorded::Counted(EventStatus::Scheduled)])
    );
    assert_eq!(world.attempts(event).len(), 1);
    let kept = executions(&world, event);
    assert_eq!(kept.len(), 2);
    assert_eq!((kept[1].1.attempt, kept[1].1.used.version), (1, 1));
    assert_eq!(kept[1].1.behind, [kept[0].1.used]);
    assert_eq!(
        (listed(&world, FIRST), listed(&world, SECOND)),
        (vec![kept[0].0], vec![kept[1].0])
    );

    // The same report again, and one of an attempt that nobody waits for.
    assert_eq!(
        world.changes_nothing(NOW, &again),
        Reply::Recorded(vec![Recorded::Late])
    );

    world.apply(
        NOW,
        &record_runs(vec![attempted(event, 2, &[(FIRST, 4)], Next::Delivered)]),
    );
    let versions = |attempt| -> Vec<u16> {
        let used = tables::versions_of(&world.rows, event, attempt).expect("readable");
        used.iter().map(|used| used.version).collect()
    };
    assert_eq!(
        (versions(2), versions(1), versions(3)),
        (vec![4], vec![3, 1], vec![])
    );
    assert_eq!(listed(&world, FIRST).len(), 2);
}

#[test]
fn an_attempt_is_told_from_those_behind_it_and_from_runs_that_led_to_none() {
    let mut world = World::default();
    let event = world.accepted(request(NOW, 1));
    let retry_at = Next::RetryAt(NOW.plus_ms(1_000));
    // More than are read at once.
    for number in 1..=100 {
        let report = attempted(event, number, &[(FIRST, number), (SECOND, 1)], retry_at);
        world.apply(NOW, &record_runs(vec![report]));
    }
    let versions = |world: &World, attempt| -> Vec<u16> {
        let used = tables::versions_of(&world.rows, event, attempt).expect("readable");
        used.iter().map(|used| used.version).collect()
    };
    assert_eq!(
        (versions(&world, 100), versions(&world, 3)),
        (vec![100, 1], vec![3, 1])
    );
    // Its rules came to nothing; later it was sent without any.
    let due_at = tables::event(&world.rows, event).expect("readable");
    let due_at = due_at.expect("there").due_at.expect("due");
    world.apply(NOW, &record_runs(vec![ignores(event, 101, due_at, FIRST)]));
    assert!(ignored(&world, event).is_some());
    world.apply(NOW, &retry_ignored(event));
    let report = attempted(event, 101, &[], Next::Delivered);
    world.apply(NOW, &record_runs(vec![report]));
    assert_eq!(world.status(event), EventStatus::Successful);
    assert_eq!(versions(&world, 101), Vec::<u16>::new());
}

#[test]
fn a_failed_transformation_ends_the_event_and_it_is_an_ignored_one() {
    let mut world = World::default();
    let event = world.accepted(request(NOW, 1));
    assert_eq!(counts(&world, event), (1, 1));
    let failed = record_runs(vec![ignores(event, 1, NOW, FIRST)]);
    let reply = world.apply(NOW, &failed).0;
    let cause = IgnoreCause::TransformationFailed;
    assert_eq!(reply, Reply::Recorded(vec![Recorded::Ignored(cause)]));
    assert_eq!(tables::event(&world.rows, event).expect("readable"), None);
    assert_eq!((world.due(), counts(&world, event)), (vec![], (0, 2)));
    let row = ignored(&world, event).expect("there");
    assert_eq!(row.cause, cause);
    assert!(matches!(row.meta, Some(IgnoredMeta::TransformationFailed(used)) if used.id == FIRST));
    let kept = executions(&world, event);
    assert_eq!(
        (kept.len(), kept[0].1.failed, kept[0].1.log_level),
        (1, true, LogLevel::Fatal)
    );
    assert_eq!(listed(&world, FIRST), [kept[0].0]);
    let late = Reply::Recorded(vec![Recorded::Late]);
    assert_eq!(world.changes_nothing(NOW, &failed), late);
    // What it was ends nothing any more, and nobody else's outcome brings it back.
    let other = record_runs(vec![attempted(event, 1, &[(FIRST, 1)], Next::Delivered)]);
    assert_eq!(world.changes_nothing(NOW, &other), late);
    let gone = Reply::Event(EventReply::Gone);
    assert_eq!(world.changes_nothing(NOW, &retry(event)), gone);
    assert_eq!(world.changes_nothing(NOW, &cancel(event)), gone);
}

#[test]
fn an_ignored_event_lives_again_under_its_id() {
    let mut world = World::default();
    let event = world.accepted(request(NOW, 1));
    let failed = record_runs(vec![ignores(event, 1, NOW, FIRST)]);
    world.apply(NOW, &failed);
    let later = NOW.plus_ms(60_000);
    let revive = retry_ignored(event);
    assert_eq!(
        world.apply(later, &revive).0,
        Reply::Event(EventReply::Done)
    );
    let Event {
        status,
        attempts,
        destination_id,
        source_id,
        ..
    } = world.event(event);
    assert_eq!(
        (status, attempts, destination_id, source_id),
        (EventStatus::Queued, 0, DESTINATION, SOURCE)
    );
    assert_eq!(
        (counts(&world, event), ignored(&world, event)),
        ((1, 1), None)
    );
    let due = world.due();
    assert_eq!((due.len(), due[0].at, due[0].event), (1, later, event));
    assert_eq!(
        world.changes_nothing(later, &revive),
        Reply::Event(EventReply::Done)
    );

    // A former owner still tells of the run that failed before.
    let late = Reply::Recorded(vec![Recorded::Late]);
    assert_eq!(world.changes_nothing(later, &failed), late);

    world.apply(
        later,
        &record_runs(vec![attempted(event, 1, &[(FIRST, 2)], Next::Delivered)]),
    );
    assert_eq!(world.status(event), EventStatus::Successful);
    let kept = executions(&world, event);
    let told: Vec<_> = kept
        .iter()
        .map(|(_, run)| (run.used.version, run.failed))
        .collect();
    assert_eq!(
        told,
        [(1, true), (2, false)],
        "what failed is not forgotten"
    );
    let used = tables::versions_of(&world.rows, event, 1).expect("readable");
    assert_eq!(
        used.iter().map(|used| used.version).collect::<Vec<_>>(),
        [2]
    );
}

#[test]
fn an_event_that_was_attempted_before_goes_on_counting() {
    let mut world = World::default();
    let event = world.accepted(request(NOW, 1));
    world.record(event, 1, Next::GiveUp);
    world.apply(NOW, &retry(event));
    world.apply(NOW, &record_runs(vec![ignores(event, 2, NOW, FIRST)]));
    assert!(ignored(&world, event).is_some());
    world.apply(NOW, &retry_ignored(event));
    let revived = world.event(event);
    assert_eq!((revived.attempts, revived.error_code.is_some()), (1, true));
    world.apply(
        NOW,
        &record_runs(vec![attempted(event, 2, &[(FIRST, 2)], Next::Delivered)]),
    );
    assert_eq!(world.attempts(event).len(), 2);
}

#[test]
fn an_event_that_somebody_dealt_with_meanwhile_is_not_ignored() {
    let mut world = World::default();
    let late = Reply::Recorded(vec![Recorded::Late]);
    let cancelled = world.accepted(request(NOW, 1));
    world.apply(NOW, &cancel(cancelled));
    let report = record_runs(vec![ignores(cancelled, 1, NOW, FIRST)]);
    assert_eq!(world.changes_nothing(NOW, &report), late);
    let retried = world.accepted(request(NOW, 2));
    world.apply(NOW.plus_ms(5), &retry(retried));
    let report = record_runs(vec![ignores(retried, 1, NOW, FIRST)]);
    assert_eq!(world.changes_nothing(NOW.plus_ms(5), &report), late);
    assert_eq!(world.status(retried), EventStatus::Queued);
}

#[test]
fn only_what_is_there_can_be_retried() {
    let mut world = World::default();
    let event = world.accepted(request(NOW, 1));
    let unknown = request(NOW, 5).event(1);
    let gone = Reply::Event(EventReply::Gone);
    assert_eq!(world.changes_nothing(NOW, &retry_ignored(unknown)), gone);
    assert_eq!(
        world.changes_nothing(NOW, &retry_ignored(event)),
        Reply::Event(EventReply::Done)
    );
    // An event that a disabled connection ignored at the door never was one.
    let other = event.request().event(2);
    assert_eq!(
        world.apply(NOW, &retry_ignored(other)).0,
        Reply::Event(EventReply::Done)
    );
    assert_eq!((counts(&world, event), world.due().len()), ((2, 0), 2));
}

#[test]
fn retention_takes_executions_along_and_does_not_run_past_what_lives_again() {
    let mut world = World::default();
    let old = Timestamp(NOW.0 - 2 * HOUR_MS);
    let event = world.accepted(request(old, 1));
    world.apply(NOW, &record_runs(vec![ignores(event, 1, old, FIRST)]));
    let seen = world.index;
    world.apply(NOW, &retry_ignored(event));
    assert_eq!(
        world.changes_nothing(NOW, &forget(NOW, seen)),
        Reply::Retention(false)
    );
    let delivered = attempted(event, 1, &[(FIRST, 2), (SECOND, 1)], Next::Delivered);
    world.apply(NOW, &record_runs(vec![delivered]));
    let young = world.accepted(request(NOW, 2));
    world.apply(
        NOW,
        &record_runs(vec![attempted(young, 1, &[(FIRST, 2)], Next::Delivered)]),
    );
    let reply = world.apply(NOW, &forget(NOW, world.index)).0;
    assert_eq!(reply, Reply::Retention(true));
    assert!(executions(&world, event).is_empty());
    let left = executions(&world, young);
    assert_eq!(
        (listed(&world, FIRST), listed(&world, SECOND)),
        (vec![left[0].0], vec![])
    );
    // The young event's execution, its place in the list, and the one that its request ignored.
    assert_eq!(of_traffic(world.keys(Table::Index)).len(), 3);
    assert_eq!(GROUP, event.group());
}

#[test]
fn an_event_in_an_order_that_came_to_nothing_lets_the_next_have_its_turn() {
    let mut world = World::default();
    let [first, second] = [1, 2].map(|number| {
        let keyed = Keyed {
            order: Some(fingerprint(7)),
            ..routed(&[(1, DESTINATION)], NOW)
        };
        let incoming = incoming(request(NOW, number), Verdict::Keyed(keyed));
        world.apply(NOW, &accept(vec![incoming]));
        request(NOW, number).event(1)
    });
    let due = |world: &World| world.due().iter().map(|due| due.event).collect::<Vec<_>>();
    assert_eq!(due(&world), [first]);
    world.apply(NOW, &record_runs(vec![ignores(first, 1, NOW, FIRST)]));
    assert_eq!(due(&world), [second]);
    // It comes back behind those that went on, and waits for nobody.
    world.apply(NOW, &retry_ignored(first));
    assert_eq!(due(&world).len(), 2);
}
