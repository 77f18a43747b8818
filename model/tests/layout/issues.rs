//! Issues, their triggers and notifications.

use crate::{AT, json_stays, stays};
use model::{
    catalog::{
        Causes, Channels, Chosen, IssueTrigger, Item, Notifications, Project, Secret, SlackChannel,
        Star, Topic, Watched, WebhookChannel,
    },
    ids::{
        AttemptId, ConnectionId, DestinationId, EventId, ExecutionId, GroupId, IssueId,
        IssueTriggerId, ProjectId, RequestId, SourceId, TransformationId,
    },
    state::codec,
    traffic::{
        Count, ErrorCode, Failure, Issue, IssueEntry, IssueKey, IssueStatus, IssueTurn, LogLevel,
        Mark, Notification, Part as Counted, RejectionCause, Sample, Sampled, Strategy as Opens,
        Tally, Target, Waiting,
    },
};

pub(crate) fn issue_keys() -> [IssueKey; 5] {
    let delivery = |failure| IssueKey::Delivery {
        connection: ConnectionId(1),
        failure,
    };
    [
        delivery(Failure::Status(503)),
        delivery(Failure::Error(ErrorCode::Timeout)),
        IssueKey::Transformation {
            transformation: TransformationId(2),
            log_level: LogLevel::Warn,
        },
        IssueKey::Backpressure {
            destination: DestinationId(3),
            delay_ms: 60_000,
        },
        IssueKey::Request {
            source: SourceId(4),
            cause: RejectionCause::VerificationFailed,
        },
    ]
}

pub(crate) fn samples() -> Vec<Sample> {
    let attempt = AttemptId {
        event: EventId(5),
        number: 6,
    };
    [
        Sampled::Attempt(attempt),
        Sampled::Event(EventId(7)),
        Sampled::Request(RequestId(8)),
        Sampled::Execution(ExecutionId {
            event: EventId(9),
            index: 300,
            place: 1,
        }),
    ]
    .map(|of| Sample { at: AT, of })
    .into()
}

pub(crate) fn tally() -> Tally {
    Tally {
        since: 300,
        mark: Mark {
            index: 301,
            ordinal: 2,
        },
        count: Count { all: 9, finals: 4 },
        first_at: AT,
        last_at: AT.plus_ms(1),
        last_final_at: Some(AT),
        samples: samples(),
    }
}

pub(crate) fn issue() -> Issue {
    Issue {
        key: issue_keys()[0],
        status: IssueStatus::Acknowledged,
        trigger: Some(IssueTriggerId(10)),
        created_at: AT,
        updated_at: AT.plus_ms(1),
        opened_at: AT.plus_ms(2),
        first_seen_at: AT.plus_ms(3),
        last_seen_at: AT.plus_ms(4),
        settled_at: Some(AT.plus_ms(5)),
        auto_resolved_at: None,
        dismissed_at: Some(AT.plus_ms(6)),
        openings: 2,
        before: Count { all: 3, finals: 1 },
        parts: vec![Counted {
            group: GroupId(2),
            since: 300,
            count: Count { all: 9, finals: 4 },
        }],
        waiting: vec![Waiting {
            group: GroupId(3),
            since: AT,
        }],
        samples: samples(),
    }
}

pub(crate) fn notification() -> Notification {
    Notification {
        issue_id: IssueId(11),
        issue: Issue {
            parts: vec![],
            waiting: vec![],
            samples: vec![],
            ..issue()
        },
        turn: IssueTurn::Resolved,
        at: AT,
        target: Target::Slack(IssueTriggerId(10)),
        attempts: 3,
        due_at: AT.plus_ms(7),
    }
}

fn triggers() -> [IssueTrigger; 4] {
    let trigger = |watched, channels| IssueTrigger {
        id: IssueTriggerId(4),
        name: Some("t".into()),
        watched,
        channels,
        live_since: AT,
        disabled_at: None,
        created_at: AT,
        updated_at: AT,
    };
    let these = || Chosen::These(vec!["a".into()]);
    let channels = Channels {
        webhook: Some(WebhookChannel {
            url: "https://a/".into(),
            signing_secret: Secret::new("whsec_x".into()),
        }),
        slack: Some(SlackChannel {
            channel_name: "ops".into(),
            webhook_url: Secret::new("https://b/".into()),
        }),
    };
    let delivery = Watched::Delivery {
        strategy: Opens::FinalAttempt,
        connections: Chosen::all(),
    };
    let transformation = Watched::Transformation {
        log_level: LogLevel::Error,
        transformations: these(),
    };
    let backpressure = Watched::Backpressure {
        delay: 60_000,
        destinations: these(),
    };
    let request = Watched::Request {
        rejection_causes: Causes::All(Star::Star),
        excluded_rejection_causes: vec![RejectionCause::NoConnection],
        sources: these(),
    };
    [
        trigger(delivery, channels),
        trigger(transformation, Channels::default()),
        trigger(backpressure, Channels::default()),
        trigger(request, Channels::default()),
    ]
}

#[test]
fn a_stored_tally_keeps_its_bytes() {
    stays(
        &tally(),
        "01fb2c01fb2d01020904fd0068e5cf8b010000fd0168e5cf8b01000001fd0068e5cf8b01000004fd0068e5cf8b010000000506fd0068e5cf8b0100000107fd0068e5cf8b0100000208fd0068e5cf8b0100000309fb2c0101",
    );
}

#[test]
fn a_stored_issue_keeps_its_bytes() {
    stays(
        &issue(),
        "01000100fbf70101010afd0068e5cf8b010000fd0168e5cf8b010000fd0268e5cf8b010000fd0368e5cf8b010000fd0468e5cf8b01000001fd0568e5cf8b0100000001fd0668e5cf8b0100000203010102fb2c0109040103fd0068e5cf8b01000004fd0068e5cf8b010000000506fd0068e5cf8b0100000107fd0068e5cf8b0100000208fd0068e5cf8b0100000309fb2c0101",
    );
}

#[test]
fn a_stored_notification_keeps_its_bytes() {
    stays(
        &notification(),
        "010b000100fbf70101010afd0068e5cf8b010000fd0168e5cf8b010000fd0268e5cf8b010000fd0368e5cf8b010000fd0468e5cf8b01000001fd0568e5cf8b0100000001fd0668e5cf8b01000002030100000002fd0068e5cf8b010000010a03fd0768e5cf8b010000",
    );
}

#[test]
fn keys_of_issues_and_their_entries_keep_their_bytes() {
    let golden = [
        (
            "01000000000000000000000000000000010001f7",
            "01000100fbf7010902",
        ),
        ("0100000000000000000000000000000001010002", "01000101020902"),
        ("020000000000000000000000000000000202", "010102020902"),
        (
            "0300000000000000000000000000000003000000000000ea60",
            "010203fb60ea0902",
        ),
        ("040000000000000000000000000000000402", "010304020902"),
    ];
    for (key, (bytes, entry)) in issue_keys().into_iter().zip(golden) {
        assert_eq!(hex::encode(key.bytes()), bytes, "{key:?}");
        let stored = IssueEntry {
            key,
            id: IssueId(9),
            status: IssueStatus::Ignored,
        };
        stays(&stored, entry);
        // A mark holds the key alone.
        assert!(codec::encode(&stored).starts_with(&codec::encode(&key)));
    }
}

#[test]
fn issue_triggers_notification_settings_and_projects_keep_their_json() {
    let golden = [
        r#"{"kind":"IssueTrigger","value":{"id":"ist_00000000000000000000000004","name":"t","type":"delivery","configs":{"strategy":"final_attempt","connections":"*"},"channels":{"webhook":{"url":"https://a/","signing_secret":"whsec_x"},"slack":{"channel_name":"ops","webhook_url":"https://b/"}},"live_since":1700000000000,"disabled_at":null,"created_at":1700000000000,"updated_at":1700000000000}}"#,
        r#"{"kind":"IssueTrigger","value":{"id":"ist_00000000000000000000000004","name":"t","type":"transformation","configs":{"log_level":"error","transformations":["a"]},"channels":{},"live_since":1700000000000,"disabled_at":null,"created_at":1700000000000,"updated_at":1700000000000}}"#,
        r#"{"kind":"IssueTrigger","value":{"id":"ist_00000000000000000000000004","name":"t","type":"backpressure","configs":{"delay":60000,"destinations":["a"]},"channels":{},"live_since":1700000000000,"disabled_at":null,"created_at":1700000000000,"updated_at":1700000000000}}"#,
        r#"{"kind":"IssueTrigger","value":{"id":"ist_00000000000000000000000004","name":"t","type":"request","configs":{"rejection_causes":"*","excluded_rejection_causes":["NO_CONNECTION"],"sources":["a"]},"channels":{},"live_since":1700000000000,"disabled_at":null,"created_at":1700000000000,"updated_at":1700000000000}}"#,
        r#"{"kind":"Notifications","value":{"enabled":true,"topics":["issue.opened","issue.updated"],"source_id":"src_00000000000000000000000001","updated_at":1700000000000}}"#,
        r#"{"kind":"Project","value":{"id":"tm_0000000000004g000000000000","name":"shop","deleted_at":1700000000000,"created_at":1700000000000,"updated_at":1700000000000}}"#,
    ];
    let settings = Notifications {
        enabled: true,
        topics: Some(vec![Topic::IssueOpened, Topic::IssueUpdated]),
        source_id: SourceId(1),
        updated_at: AT,
    };
    let items = triggers().map(Item::IssueTrigger).into_iter();
    let project = Project {
        id: ProjectId(9 << 64),
        name: "shop".into(),
        deleted_at: Some(AT),
        created_at: AT,
        updated_at: AT,
    };
    let items = items.chain([Item::Notifications(settings), Item::Project(project)]);
    for (item, golden) in items.zip(golden) {
        json_stays(&item, golden);
    }
}
