//! The life of each type of issue: from what partitions see to what people are told.

mod world;

use crate::kit::{self, HOUR_MS, NOW, SOURCE};
use model::{
    catalog::{Causes, Chosen, Destination, IssueTrigger, Item, Kind, Star, Watched},
    ids::GroupId,
    machine::{ChangeIssue, Command, IssueBounds, IssueReply, KINDS_PER_CONNECTION, Next, Reply},
    state::{issues, kv::Table, tables},
    traffic::{
        ErrorCode, Failure, IssueChange, IssueKey, IssueStatus, IssueTurn, IssueType, LogLevel,
        Mark, Outcome, Sampled, Strategy,
    },
};
use proptest::{prelude::*, strategy::Strategy as Generates};
use world::{
    ANSWERED_500, BOUNDS, CONNECTION, Cluster, DESTINATION, FORGED, HOOK, QUIET_MS, TRANSFORMATION,
    TRIGGER, answered, deliveries, things, trigger,
};

#[test]
fn a_delivery_issue_opens_with_the_last_attempt_counts_on_and_ends_with_a_success() {
    let mut cluster = Cluster::new(vec![deliveries(Strategy::FinalAttempt)]);
    let event = cluster.accept(0);
    let later = Next::RetryAt(NOW.plus_ms(1_000));
    cluster.fail(event, 1, later);
    cluster.report();
    assert_eq!(cluster.issue(ANSWERED_500), None, "it will be tried again");

    cluster.pass(1_000);
    cluster.fail(event, 2, Next::GiveUp);
    cluster.report();
    let (id, issue) = cluster.issue(ANSWERED_500).expect("open");
    assert_eq!(
        (issue.status, issue.trigger),
        (IssueStatus::Opened, Some(TRIGGER))
    );
    assert_eq!((issue.count().all, issue.count().finals), (2, 1));
    assert_eq!(
        (issue.first_seen_at, issue.last_seen_at),
        (NOW, NOW.plus_ms(1_000))
    );
    let sampled = issue.samples.iter().map(|sample| sample.of);
    let attempt = |number| Sampled::Attempt(model::ids::AttemptId { event, number });
    assert_eq!(sampled.collect::<Vec<_>>(), [attempt(1), attempt(2)]);
    assert_eq!(cluster.turns(), [IssueTurn::Opened]);

    // More of the same, in another partition: counted, and nobody is told twice.
    cluster.failed(1);
    cluster.report();
    assert_eq!(cluster.known(ANSWERED_500).count().all, 3);
    assert_eq!(cluster.turns(), [IssueTurn::Opened]);

    // A success alone is not enough while the failure is fresh.
    cluster.pass(1_000);
    cluster.delivered(0);
    cluster.report();
    assert_eq!(cluster.known(ANSWERED_500).status, IssueStatus::Opened);
    cluster.pass(QUIET_MS);
    cluster.report();
    let issue = cluster.known(ANSWERED_500);
    assert_eq!(issue.status, IssueStatus::Resolved);
    assert_eq!(issue.auto_resolved_at, Some(cluster.now));
    assert_eq!(cluster.turns(), [IssueTurn::Opened, IssueTurn::Resolved]);

    // The same failure again: the same issue.
    cluster.pass(1_000);
    cluster.failed(0);
    cluster.report();
    let (again, issue) = cluster.issue(ANSWERED_500).expect("open");
    assert_eq!(
        (again, issue.status, issue.openings),
        (id, IssueStatus::Opened, 2)
    );
    assert_eq!((issue.opened_at, issue.first_seen_at), (cluster.now, NOW));
    assert_eq!(
        cluster.turns(),
        [IssueTurn::Opened, IssueTurn::Resolved, IssueTurn::Reopened]
    );
}

#[test]
fn by_the_first_attempt_an_issue_opens_although_there_is_another() {
    let mut cluster = Cluster::new(vec![deliveries(Strategy::FirstAttempt)]);
    let event = cluster.accept(0);
    cluster.fail(event, 1, Next::RetryAt(NOW.plus_ms(1_000)));
    cluster.report();
    assert_eq!(cluster.known(ANSWERED_500).count().finals, 0);
}

#[test]
fn failures_of_other_kinds_are_other_issues() {
    let mut cluster = Cluster::new(vec![]);
    for outcome in [
        answered(500),
        answered(503),
        Outcome::failed(ErrorCode::Timeout),
    ] {
        let event = cluster.accept(0);
        cluster.attempt(event, 1, outcome, Next::GiveUp);
    }
    cluster.report();
    let about = |failure| IssueKey::Delivery {
        connection: CONNECTION,
        failure,
    };
    let ids = [
        Failure::Status(500),
        Failure::Status(503),
        Failure::Error(ErrorCode::Timeout),
    ]
    .map(|failure| cluster.issue(about(failure)).expect("an issue").0);
    assert!(
        ids[0] != ids[1] && ids[1] != ids[2] && ids[0] != ids[2],
        "{ids:?}"
    );
    assert_eq!(cluster.told(), [], "defaults tell nobody");
}

#[test]
fn a_report_that_comes_twice_or_late_counts_once() {
    let mut cluster = Cluster::new(vec![deliveries(Strategy::FinalAttempt)]);
    cluster.failed(0);
    let early = cluster.gathered(&[0]);
    cluster.failed(0);
    let late = cluster.gathered(&[0]);
    cluster.take(late.clone());
    let rows = cluster.control.rows.clone();
    cluster.take(late);
    cluster.take(early);
    assert_eq!(cluster.control.rows, rows, "nothing new was said");
    assert_eq!(cluster.known(ANSWERED_500).count().all, 2);
    assert_eq!(cluster.turns(), [IssueTurn::Opened]);
}

#[test]
fn what_a_dead_leader_had_not_reported_its_successor_does() {
    let mut cluster = Cluster::new(vec![]);
    cluster.failed(0);
    // Nobody reported. Whoever leads next reads the same rows, and the mark that the control group keeps.
    let report = cluster.gathered(&[0]);
    assert_eq!(report.reports.len(), 1);
    cluster.take(report);
    assert_eq!(cluster.known(ANSWERED_500).count().all, 1);
    let reported = issues::reported(&cluster.control.rows, GroupId(1)).expect("readable");
    assert!(reported > Mark::default());
    assert_eq!(cluster.gathered(&[0]).reports, [], "it was told");
}

#[test]
fn what_a_person_says_holds_until_the_trouble_comes_again() {
    let mut cluster = Cluster::new(vec![deliveries(Strategy::FinalAttempt)]);
    cluster.failed(0);
    cluster.report();
    let status = IssueChange::Status;
    assert_eq!(
        cluster.change(status(IssueStatus::Acknowledged)),
        Reply::Issue(IssueReply::Done)
    );
    cluster.pass(10);
    cluster.failed(0);
    cluster.report();
    assert_eq!(
        cluster.known(ANSWERED_500).status,
        IssueStatus::Acknowledged
    );
    assert_eq!(
        cluster.turns(),
        [IssueTurn::Opened],
        "acknowledging is no news"
    );

    // A failure from before the resolving, reported after it, reopens nothing.
    cluster.pass(10);
    cluster.failed(1);
    cluster.pass(10);
    cluster.change(status(IssueStatus::Resolved));
    cluster.report();
    let issue = cluster.known(ANSWERED_500);
    assert_eq!(
        (issue.status, issue.count().all),
        (IssueStatus::Resolved, 3)
    );
    assert_eq!(issue.auto_resolved_at, None, "somebody did it");
    assert_eq!(cluster.turns(), [IssueTurn::Opened, IssueTurn::Resolved]);

    cluster.pass(10);
    cluster.failed(1);
    cluster.report();
    assert_eq!(cluster.known(ANSWERED_500).status, IssueStatus::Opened);

    cluster.change(status(IssueStatus::Ignored));
    cluster.pass(10);
    cluster.failed(0);
    cluster.delivered(0);
    cluster.pass(2 * QUIET_MS);
    cluster.report();
    let issue = cluster.known(ANSWERED_500);
    assert_eq!((issue.status, issue.count().all), (IssueStatus::Ignored, 5));
    assert_eq!(cluster.turns().len(), 3);
}

#[test]
fn a_dismissed_issue_is_back_with_the_next_failure() {
    let mut cluster = Cluster::new(vec![deliveries(Strategy::FinalAttempt)]);
    cluster.failed(0);
    cluster.report();
    cluster.pass(10);
    cluster.change(IssueChange::Dismiss);
    let issue = cluster.known(ANSWERED_500);
    assert_eq!(issue.dismissed_at, Some(cluster.now));
    cluster.report();
    assert_eq!(
        cluster.known(ANSWERED_500),
        issue,
        "nothing new has happened"
    );
    cluster.pass(10);
    cluster.failed(0);
    cluster.report();
    let issue = cluster.known(ANSWERED_500);
    assert_eq!(
        (issue.status, issue.dismissed_at),
        (IssueStatus::Opened, None)
    );
    assert_eq!(cluster.turns(), [IssueTurn::Opened, IssueTurn::Reopened]);
}

#[test]
fn a_request_issue_counts_forgeries_and_names_some_of_them() {
    let mut cluster = Cluster::new(vec![trigger(Watched::Request {
        rejection_causes: Causes::All(Star::Star),
        excluded_rejection_causes: vec![],
        sources: Chosen::These(vec!["shop".into()]),
    })]);
    let forged: Vec<_> = (0..30).map(|n| cluster.reject(n % 2)).collect();
    cluster.report();
    let issue = cluster.known(FORGED);
    assert_eq!(issue.count().all, 30);
    assert!(issue.samples.len() <= usize::from(BOUNDS.samples));
    for sample in &issue.samples {
        let Sampled::Request(request) = sample.of else {
            panic!("{sample:?}");
        };
        assert!(forged.contains(&request));
    }
    assert_eq!(cluster.turns(), [IssueTurn::Opened]);
}

#[test]
fn a_transformation_issue_opens_at_its_trigger_s_level_and_ends_with_runs_that_do_well() {
    let watched = |log_level| {
        trigger(Watched::Transformation {
            log_level,
            transformations: Chosen::These(vec!["reshape".into()]),
        })
    };
    let about = |log_level| IssueKey::Transformation {
        transformation: TRANSFORMATION,
        log_level,
    };
    for (level, opens) in [(LogLevel::Error, true), (LogLevel::Fatal, false)] {
        let mut cluster = Cluster::new(vec![watched(level)]);
        let event = cluster.accept(0);
        cluster.run(event, LogLevel::Error);
        cluster.report();
        let issue = cluster.issue(about(LogLevel::Error));
        assert_eq!(issue.is_some(), opens, "{level:?}");
    }

    let mut cluster = Cluster::new(vec![watched(LogLevel::Error)]);
    let event = cluster.accept(0);
    cluster.run(event, LogLevel::Warn);
    let event = cluster.accept(1);
    cluster.run(event, LogLevel::Fatal);
    cluster.report();
    assert_eq!(cluster.issue(about(LogLevel::Warn)), None);
    let issue = cluster.known(about(LogLevel::Fatal));
    assert_eq!((issue.count().all, issue.count().finals), (1, 1));
    let Sampled::Execution(execution) = issue.samples[0].of else {
        panic!("{issue:?}");
    };
    let stored = tables::execution(&cluster.partitions[1].rows, execution).expect("readable");
    assert_eq!(stored.map(|run| run.log_level), Some(LogLevel::Fatal));
    assert_eq!(cluster.turns(), [IssueTurn::Opened]);

    // A warning is no sign that all is well; a run without one is, once it has been quiet.
    cluster.pass(1);
    let event = cluster.accept(0);
    cluster.run(event, LogLevel::Warn);
    cluster.pass(QUIET_MS);
    cluster.report();
    assert_eq!(
        cluster.known(about(LogLevel::Fatal)).status,
        IssueStatus::Opened
    );
    let event = cluster.accept(0);
    cluster.run(event, LogLevel::Info);
    cluster.report();
    let issue = cluster.known(about(LogLevel::Fatal));
    assert_eq!(issue.status, IssueStatus::Resolved);
    assert_eq!(issue.auto_resolved_at, Some(cluster.now));

    cluster.pass(1);
    let event = cluster.accept(0);
    cluster.run(event, LogLevel::Fatal);
    cluster.report();
    let issue = cluster.known(about(LogLevel::Fatal));
    assert_eq!((issue.status, issue.openings), (IssueStatus::Opened, 2));
    use IssueTurn::{Opened, Reopened, Resolved};
    assert_eq!(cluster.turns(), [Opened, Resolved, Reopened]);
}

#[test]
fn an_issue_of_a_transformation_that_was_deleted_is_over() {
    let mut cluster = Cluster::new(vec![]);
    let event = cluster.accept(0);
    cluster.run(event, LogLevel::Fatal);
    cluster.report();
    let about = IssueKey::Transformation {
        transformation: TRANSFORMATION,
        log_level: LogLevel::Fatal,
    };
    assert_eq!(cluster.known(about).status, IssueStatus::Opened);
    cluster
        .catalog
        .remove(Kind::Transformation, TRANSFORMATION.0);
    cluster.pass(1);
    cluster.report();
    assert_eq!(cluster.known(about).status, IssueStatus::Resolved);
}

#[test]
fn a_receiver_that_is_gone_is_an_issue_before_any_last_attempt() {
    let mut cluster = Cluster::new(vec![deliveries(Strategy::FinalAttempt)]);
    let event = cluster.accept(0);
    let later = Next::RetryAt(NOW.plus_ms(1_000));
    cluster.attempt(event, 1, answered(410), later);
    cluster.report();
    let gone = IssueKey::Delivery {
        connection: CONNECTION,
        failure: Failure::Status(410),
    };
    assert_eq!(cluster.known(gone).status, IssueStatus::Opened);
    assert_eq!(cluster.turns(), [IssueTurn::Opened]);
}

#[test]
fn a_backpressure_issue_opens_when_the_oldest_is_too_old_and_ends_when_it_is_young_again() {
    const DELAY_MS: u64 = 60_000;
    let about = IssueKey::Backpressure {
        destination: DESTINATION,
        delay_ms: DELAY_MS,
    };
    let mut cluster = Cluster::new(vec![trigger(Watched::Backpressure {
        delay: DELAY_MS,
        destinations: Chosen::Pattern("s*".into()),
    })]);
    let old = [cluster.accept(0), cluster.accept(1)];
    cluster.pass(DELAY_MS - 1);
    let young = cluster.accept(0);
    cluster.report();
    assert_eq!(cluster.issue(about), None);

    cluster.pass(1);
    cluster.report();
    let issue = cluster.known(about);
    assert_eq!(issue.waiting.len(), 2, "{issue:?}");
    assert_eq!(issue.samples[0].of, Sampled::Event(old[0]));
    assert_eq!(cluster.turns(), [IssueTurn::Opened]);

    // One partition has caught up, the other has not.
    cluster.attempt(old[0], 1, answered(200), Next::Delivered);
    cluster.report();
    let issue = cluster.known(about);
    assert_eq!(
        (issue.status, issue.waiting.len()),
        (IssueStatus::Opened, 1)
    );
    cluster.attempt(old[1], 1, answered(200), Next::Delivered);
    cluster.report();
    let issue = cluster.known(about);
    assert_eq!(issue.status, IssueStatus::Resolved);
    assert_eq!(issue.auto_resolved_at, Some(cluster.now));
    assert_eq!(cluster.turns(), [IssueTurn::Opened, IssueTurn::Resolved]);

    // The young one grows old in its turn.
    cluster.pass(DELAY_MS);
    cluster.report();
    let issue = cluster.known(about);
    assert_eq!((issue.status, issue.openings), (IssueStatus::Opened, 2));
    assert!(
        issue
            .samples
            .iter()
            .any(|sample| sample.of == Sampled::Event(young))
    );
    assert_eq!(
        cluster.turns(),
        [IssueTurn::Opened, IssueTurn::Resolved, IssueTurn::Reopened]
    );

    // Resolved by hand while it still waits: it has the whole delay anew.
    let (id, _) = cluster.issue(about).expect("open");
    let command = ChangeIssue {
        issue: id,
        change: IssueChange::Status(IssueStatus::Resolved),
        targets: vec![],
        entropy: 1,
        bounds: BOUNDS,
    };
    cluster
        .control
        .apply(cluster.now, &Command::ChangeIssue(command));
    cluster.pass(DELAY_MS - 1);
    cluster.report();
    assert_eq!(cluster.known(about).status, IssueStatus::Resolved);
    cluster.pass(DELAY_MS);
    cluster.report();
    assert_eq!(cluster.known(about).status, IssueStatus::Opened);
}

#[test]
fn what_is_disabled_keeps_its_events_waiting_on_purpose() {
    let mut cluster = Cluster::new(vec![]);
    cluster.accept(0);
    let [_, Item::Destination(destination), ..] = things() else {
        panic!("a destination");
    };
    cluster.catalog.insert(Item::Destination(Destination {
        disabled_at: Some(NOW),
        ..destination
    }));
    cluster.pass(48 * HOUR_MS);
    cluster.report();
    let open = issues::entries(&cluster.control.rows, IssueType::Backpressure);
    assert_eq!(open.expect("readable"), []);
}

#[test]
fn issues_of_what_is_deleted_end() {
    let mut cluster = Cluster::new(vec![deliveries(Strategy::FinalAttempt)]);
    cluster.failed(0);
    cluster.reject(0);
    cluster.report();
    cluster.pass(10);
    cluster.catalog.remove(Kind::Connection, CONNECTION.0);
    cluster.catalog.remove(Kind::Source, SOURCE.0);
    cluster.report();
    assert_eq!(cluster.known(ANSWERED_500).status, IssueStatus::Resolved);
    assert_eq!(cluster.known(FORGED).status, IssueStatus::Resolved);
    // What still fails of it is no issue any more.
    cluster.failed(0);
    cluster.report();
    assert_eq!(cluster.known(ANSWERED_500).status, IssueStatus::Resolved);
}

#[test]
fn a_trigger_opens_nothing_for_what_was_before_it() {
    let mut cluster = Cluster::new(vec![]);
    cluster.failed(0);
    cluster.pass(1_000);
    cluster.catalog.insert(Item::IssueTrigger(IssueTrigger {
        live_since: cluster.now,
        ..deliveries(Strategy::FinalAttempt)
    }));
    cluster.report();
    assert_eq!(cluster.issue(ANSWERED_500), None);
    cluster.failed(0);
    cluster.report();
    let issue = cluster.known(ANSWERED_500);
    assert_eq!((issue.count().all, issue.first_seen_at), (2, NOW));
}

#[test]
fn a_full_house_takes_no_more_open_issues_and_lets_the_longest_settled_go() {
    let mut cluster = Cluster::new(vec![]);
    cluster.bounds = IssueBounds {
        kept: 3,
        open_per_type: 2,
        ..BOUNDS
    };
    let about = |status| IssueKey::Delivery {
        connection: CONNECTION,
        failure: Failure::Status(status),
    };
    let fail_with = |cluster: &mut Cluster, status| {
        cluster.pass(1);
        let event = cluster.accept(0);
        cluster.attempt(event, 1, answered(status), Next::GiveUp);
        cluster.report();
    };
    for status in [500, 501, 502] {
        fail_with(&mut cluster, status);
    }
    assert_eq!(cluster.issue(about(502)), None, "two of the type are open");
    let resolve = |cluster: &mut Cluster, status| {
        let (issue, _) = cluster.issue(about(status)).expect("open");
        cluster.pass(1);
        let command = ChangeIssue {
            issue,
            change: IssueChange::Status(IssueStatus::Resolved),
            targets: vec![],
            entropy: 0,
            bounds: cluster.bounds,
        };
        cluster
            .control
            .apply(cluster.now, &Command::ChangeIssue(command));
    };
    resolve(&mut cluster, 501);
    resolve(&mut cluster, 500);
    for status in [502, 503] {
        fail_with(&mut cluster, status);
    }
    // Three are kept: the one that was settled first is gone.
    let there = [500, 501, 502, 503].map(|status| cluster.issue(about(status)).is_some());
    assert_eq!(there, [true, false, true, true]);
    assert_eq!(
        issues::issues(&cluster.control.rows)
            .expect("readable")
            .len(),
        3
    );
}

#[test]
fn a_receiver_that_invents_answers_fills_no_disk() {
    let mut cluster = Cluster::new(vec![]);
    for status in 300..400 {
        let event = cluster.accept(0);
        cluster.attempt(event, 1, answered(status), Next::GiveUp);
    }
    let (from, to) = model::state::keys::tallies_of(CONNECTION);
    let kept = model::state::kv::Read::scan(
        &cluster.partitions[0].rows,
        Table::Index,
        &from,
        &to,
        usize::MAX,
    );
    assert_eq!(kept.expect("readable").len(), KINDS_PER_CONNECTION);
    let marks = issues::tallies_behind(&cluster.partitions[0].rows, Mark::default(), 1000);
    assert_eq!(marks.expect("readable").len(), KINDS_PER_CONNECTION);
    // One that was begun anew counts on where it is counted.
    cluster.report();
    let about = IssueKey::Delivery {
        connection: CONNECTION,
        failure: Failure::Status(399),
    };
    let before = cluster.known(about).count().all;
    for status in (300..340).chain([399]) {
        let event = cluster.accept(0);
        cluster.attempt(event, 1, answered(status), Next::GiveUp);
    }
    cluster.report();
    assert_eq!(cluster.known(about).count().all, before + 1);
}

#[test]
fn tallies_go_with_the_time_that_is_let_go() {
    let mut cluster = Cluster::new(vec![]);
    cluster.failed(0);
    cluster.delivered(0);
    cluster.pass(3 * HOUR_MS);
    cluster.delivered(0);
    let event = cluster.accept(0);
    cluster.attempt(event, 1, answered(503), Next::GiveUp);
    let rows = |cluster: &Cluster| {
        let rows = issues::tallies_behind(&cluster.partitions[0].rows, Mark::default(), 100);
        rows.expect("readable").len()
    };
    assert_eq!(rows(&cluster), 2);
    let (now, index) = (cluster.now, cluster.partitions[0].index);
    cluster.partitions[0].apply(now, &kit::forget(now.minus_ms(HOUR_MS), index));
    assert_eq!(rows(&cluster), 1);
    let last = issues::delivered_at(&cluster.partitions[0].rows, CONNECTION);
    assert_eq!(last.expect("readable"), Some(now));
}

#[test]
fn a_notification_waits_until_it_is_taken_and_a_try_counts_once() {
    let mut cluster = Cluster::new(vec![deliveries(Strategy::FinalAttempt)]);
    cluster.failed(0);
    cluster.report();
    let [(id, told)] = cluster.told().try_into().expect("one notification");
    assert_eq!((told.target, told.due_at, told.attempts), (HOOK, NOW, 0));
    let later = NOW.plus_ms(5_000);
    cluster.record(id, 1, Some(later));
    // The old leader says the same again, or something else too late.
    cluster.record(id, 1, None);
    let [(same, told)] = cluster.told().try_into().expect("still there");
    assert_eq!((same, told.due_at, told.attempts), (id, later, 1));
    // What it tells does not change while it waits.
    cluster.failed(0);
    cluster.report();
    assert_eq!(cluster.told()[0].1.issue, told.issue);
    cluster.record(id, 2, None);
    assert_eq!(cluster.told(), []);
    cluster.record(id, 3, None);
}

#[test]
fn notifications_that_nobody_takes_make_room() {
    let mut cluster = Cluster::new(vec![deliveries(Strategy::FinalAttempt)]);
    cluster.bounds.notifications = 3;
    for status in [500, 501, 502, 503, 504] {
        cluster.pass(1);
        let event = cluster.accept(0);
        cluster.attempt(event, 1, answered(status), Next::GiveUp);
        cluster.report();
    }
    let told = cluster.told();
    let first = told[0].1.issue.key;
    let expected = IssueKey::Delivery {
        connection: CONNECTION,
        failure: Failure::Status(502),
    };
    assert_eq!((told.len(), first), (3, expected));
}

/// What may happen, in any order.
#[derive(Clone, Debug)]
enum Deed {
    Fail(usize),
    Deliver(usize),
    Report(usize),
    /// A report from before, once more.
    Again,
    Change(u8),
    Pass(u64),
}

fn deeds() -> impl Generates<Value = Vec<Deed>> {
    let deed = prop_oneof![
        4 => (0usize..2).prop_map(Deed::Fail),
        2 => (0usize..2).prop_map(Deed::Deliver),
        3 => (0usize..2).prop_map(Deed::Report),
        2 => Just(Deed::Again),
        1 => (0u8..5).prop_map(Deed::Change),
        2 => (1u64..40_000).prop_map(Deed::Pass),
    ];
    prop::collection::vec(deed, 1..60)
}

proptest! {
    #[test]
    fn whatever_is_reported_in_whatever_order_everything_is_counted_once(deeds in deeds()) {
        let mut cluster = Cluster::new(vec![deliveries(Strategy::FirstAttempt)]);
        let mut failures = 0;
        let mut old = Vec::new();
        for deed in deeds {
            cluster.pass(1);
            cluster.entropy += 1;
            match deed {
                Deed::Fail(place) => { cluster.failed(place); failures += 1; }
                Deed::Deliver(place) => cluster.delivered(place),
                Deed::Report(place) => {
                    let report = cluster.gathered(&[place]);
                    old.push(report.clone());
                    cluster.take(report);
                }
                Deed::Again => if let Some(report) = old.get(old.len() / 2) {
                    cluster.take(report.clone());
                },
                Deed::Change(kind) => if cluster.issue(ANSWERED_500).is_some() {
                    let change = match kind {
                        0 => IssueChange::Status(IssueStatus::Opened),
                        1 => IssueChange::Status(IssueStatus::Acknowledged),
                        2 => IssueChange::Status(IssueStatus::Ignored),
                        3 => IssueChange::Status(IssueStatus::Resolved),
                        _ => IssueChange::Dismiss,
                    };
                    cluster.change(change);
                },
                Deed::Pass(ms) => cluster.pass(ms),
            }
            // The counts that bound them say what is there.
            let all = issues::issues(&cluster.control.rows).expect("readable");
            let open = all.iter().filter(|(_, issue)| !issue.may_go()).count() as u64;
            let settled = model::state::keys::settled_issues();
            let settled = model::state::kv::Read::scan(&cluster.control.rows, Table::Index, &settled.0, &settled.1, 9);
            let number = |key: &[u8]| {
                let row = model::state::kv::Read::get(&cluster.control.rows, Table::Index, key).expect("readable");
                row.map_or(0, |value| u64::from_be_bytes(value.as_ref().try_into().expect("a number")))
            };
            prop_assert_eq!(number(&model::state::keys::issue_count(None)), all.len() as u64);
            prop_assert_eq!(number(&model::state::keys::issue_count(Some(IssueType::Delivery))), open);
            prop_assert_eq!(settled.expect("readable").len() as u64, all.len() as u64 - open);
            prop_assert_eq!(number(&model::state::keys::NOTIFICATION_COUNT), cluster.told().len() as u64);
        }
        cluster.report();
        cluster.report();
        let counted = cluster.issue(ANSWERED_500).map_or(0, |(_, issue)| issue.count().all);
        prop_assert_eq!(counted, failures);
        let opened = cluster.turns().iter().filter(|turn| **turn == IssueTurn::Opened).count();
        prop_assert!(opened <= 1, "{:?}", cluster.turns());
    }
}
