//! The bytes of everything that is stored, logged or sent. A test that fails here has found a changed layout: give it
//! the next version, keep reading the old one, and only then write down the new bytes.

use bytes::Bytes;
use model::{
    catalog::{
        Backoff, Causes, Channels, Chosen, ClientAuth, ClientCredentials, Connection,
        DeduplicateRule, DelayRule, Destination, DestinationAuth, DestinationKind, FilterRule,
        HandshakeKind, Handshaken, IssueTrigger, Item, LiveSecret, Notifications, Outbound,
        Program, RatePeriod, RetryRule, Rule, Secret, SlackChannel, Source, Star, Tls, Topic,
        Transformation, TransformationVersion, Verification, VersionMark, Watched, WebhookChannel,
    },
    envelope::{Envelope, PayloadRef},
    fingerprint::{Fingerprint, Scope},
    ids::{
        AttemptId, BookmarkId, ConnectionId, DestinationId, EventId, ExecutionId, GroupId, IssueId,
        IssueTriggerId, NotificationId, OperationId, RequestId, SourceId, TransformationId,
    },
    machine::{
        AcceptRequests, Accepted, Act, AdvanceRetention, BookmarkChange, BookmarkReply,
        CancelEvent, CancelOperation, Change, ChangeIssue, ClosePart, Command, Configure,
        EventReply, Fact, FirstReport, HoldEvents, Incoming, IssueBounds, IssueReply, IssueReport,
        KeepBookmark, Keyed, KeyedEvent, MarkPaused, Next, NotificationTry, Once, OpenPart,
        OperationReply, PlanOperation, Planned, PlannedIgnored, RecordAttempts,
        RecordNotifications, RecordRuns, Recorded, Refusal, ReleaseEvents, Reply, ReportIssues,
        ReportPart, RetireNode, RetryEvent, RetryIgnored, RouteAgain, Run, RunEnd, RunReport,
        Unrouted, Verdict, WorkPart, decode_reply,
    },
    policy::document,
    state::codec::{self, Stored},
    time::Timestamp,
    traffic::{
        Attempt, Bookmark, ConsoleLine, Count, ErrorCode, Event, EventStatus, Execution, Failure,
        FirstAttempt, IgnoreCause, Ignored, IgnoredMeta, Issue, IssueChange, IssueEntry, IssueKey,
        IssueStatus, IssueTurn, LineLevel, LogLevel, Mark, Notification, Operation, OperationKind,
        OperationPart, Origin, Outcome, Part as Counted, PartReport, Paused, RejectionCause,
        RequestRecord, RequestState, Sample, Sampled, Seen, Stage, StoredRequest,
        Strategy as Opens, Tally, Target, Trace, TransformationUse, Trigger, Turn, Waiting,
        trace::{Sent, Timing},
    },
};
use proptest::prelude::*;
use serde_json::json;

const AT: Timestamp = Timestamp(1_700_000_000_000);

fn record() -> RequestRecord {
    RequestRecord {
        source_id: SourceId(1),
        received_at: AT,
        method: "POST".into(),
        path: "/a".into(),
        query: "b=c".into(),
        headers: vec![("x-y".into(), Bytes::from_static(b"z"))],
        origin: Origin::Proven { secret: Some(1) },
    }
}

fn stored_request() -> StoredRequest {
    StoredRequest {
        state: RequestState::Rejected(RejectionCause::VerificationFailed),
        ingested_at: AT,
        body: Some(PayloadRef {
            bucket: AT.bucket(),
            index: 7,
            sub: 2,
            len: 300,
        }),
        events: 1,
        ignored: 2,
        record: Bytes::from_static(b"r"),
    }
}

fn event() -> Event {
    Event {
        connection_id: ConnectionId(1),
        source_id: SourceId(2),
        destination_id: DestinationId(3),
        status: EventStatus::Scheduled,
        attempts: 4,
        created_at: AT,
        updated_at: AT.plus_ms(1),
        due_at: Some(AT.plus_ms(2)),
        next_trigger: Trigger::Automatic,
        last_attempt_at: Some(AT.plus_ms(3)),
        successful_at: None,
        response_status: Some(503),
        error_code: Some(ErrorCode::BadResponse),
        turn: Some(Turn {
            key: fingerprint(),
            index: 300,
            place: 2,
            wanted_at: AT,
        }),
    }
}

fn fingerprint() -> Fingerprint {
    Fingerprint::default().within(Scope::Order, 1)
}

fn attempt() -> Attempt {
    Attempt {
        trigger: Trigger::Manual,
        node: 3,
        requested_url: "http://a/".into(),
        http_method: "PUT".into(),
        started_at: AT,
        finished_at: AT.plus_ms(9),
        outcome: Outcome {
            response_status: None,
            error_code: Some(ErrorCode::Unknown),
            response_body: Bytes::from_static(b"no"),
            retry_after_ms: Some(1000),
        },
        trace: Box::new(Trace {
            sent: Some(Sent {
                forwarded: vec![0, 3],
                source_name: "shop".into(),
                will_retry_after_s: Some(5),
                signature: "v1,x".into(),
                body_len: 300,
                own: vec![("a".into(), Bytes::from_static(b"b"))],
            }),
            answered: vec![("server".into(), Bytes::from_static(b"s"))],
            is_cut: true,
            timing: Timing {
                dns_ms: None,
                connect_ms: Some(2),
                first_byte_ms: Some(8),
                total_ms: 9,
            },
        }),
    }
}

/// The same, as the first layout had it.
fn first_attempt() -> Attempt {
    Attempt {
        trace: Box::default(),
        ..attempt()
    }
}

fn outbound() -> Outbound {
    Outbound {
        kind: DestinationKind::Http,
        auth: DestinationAuth::Oauth2ClientCredentials(ClientCredentials {
            auth_server: "https://t/".into(),
            client_id: "id".into(),
            client_secret: Secret::new("s".into()),
            scope: Some("all".into()),
            authentication_type: ClientAuth::Form,
        }),
        other_secrets: vec![LiveSecret {
            expires_at: Some(AT),
            ..LiveSecret::new(Secret::new("whsec_old".into()))
        }],
        headers: [("x-a".to_owned(), Secret::new("b".into()))].into(),
        timeout_ms: Some(5000),
        tls: Tls {
            ca_certificates: Some("ca".into()),
            client_certificate: Some("crt".into()),
            client_key: Some(Secret::new("key".into())),
        },
    }
}

fn ignored() -> Ignored {
    Ignored {
        connection_id: ConnectionId(5),
        cause: IgnoreCause::Filtered,
        created_at: AT,
        meta: Some(IgnoredMeta::Filtered(vec![
            document::Part::Headers,
            document::Part::Path,
        ])),
    }
}

fn duplicate() -> Ignored {
    let first = RequestId::mint(AT, GroupId(2), 3).event(1);
    Ignored {
        cause: IgnoreCause::Duplicate,
        meta: Some(IgnoredMeta::Duplicate { first }),
        ..ignored()
    }
}

fn seen() -> Seen {
    Seen {
        first: RequestId::mint(AT, GroupId(2), 3).event(0),
        expires_at: AT,
    }
}

fn issue_keys() -> [IssueKey; 5] {
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

fn samples() -> Vec<Sample> {
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

fn tally() -> Tally {
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

fn issue() -> Issue {
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

fn notification() -> Notification {
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

fn verification() -> Verification {
    let mut verification = Verification::with_secret("HMAC", "0123456789abcdef");
    verification.secrets.push(LiveSecret {
        secret: Secret::new("fedcba9876543210".into()),
        expires_at: Some(AT.plus_ms(1)),
        last_verified_at: Some(AT),
    });
    let header = Secret::new("x-sig".into());
    verification.fields.insert("header_key".into(), header);
    verification.signed_url = Some("https://a/b".into());
    verification.tolerance_s = Some(60);
    verification.handshake = Some(Handshaken {
        kind: HandshakeKind::ConfirmUrl,
        value: Secret::new("https://c".into()),
        at: AT,
    });
    verification
}

fn items() -> [Item; 3] {
    let secret = || Secret::new("0123456789abcdef".into());
    [
        Item::Source(Source {
            id: SourceId(1),
            name: "orders".into(),
            description: None,
            verification: verification(),
            allowed_http_methods: vec!["PUT".into()],
            custom_response: None,
            deduplicate: Some(Box::new(DeduplicateRule {
                window: 1000,
                include_fields: Vec::new(),
                exclude_fields: vec!["headers.X-Id".parse().expect("a field")],
            })),
            ordering_key: vec!["body.a[0]".parse().expect("a field")],
            disabled_at: None,
            created_at: AT,
            updated_at: AT,
        }),
        Item::Destination(Destination {
            id: DestinationId(2),
            name: "shop".into(),
            description: Some("d".into()),
            url: "https://a/".into(),
            http_method: None,
            path_forwarding: true,
            rate_limit: Some(5),
            rate_limit_period: RatePeriod::Concurrent,
            signing_secret: secret(),
            outbound: Outbound::default(),
            wishes: model::catalog::Wishes::default(),
            disabled_at: Some(AT),
            created_at: AT,
            updated_at: AT,
        }),
        Item::Connection(Connection {
            id: ConnectionId(3),
            name: None,
            description: None,
            source_id: SourceId(1),
            destination_id: DestinationId(2),
            rules: vec![
                Rule::Delay(DelayRule::of_ms(100)),
                Rule::Retry(RetryRule {
                    strategy: Backoff::Exponential,
                    count: 3,
                    interval: 1000,
                    schedule: Vec::new(),
                    response_status_codes: Some(vec!["500-599".into()]),
                }),
                Rule::Filter(Box::new(FilterRule {
                    body: Some(json!({"z": 1, "a": {"$in": [null, 0.5]}})),
                    path: Some(json!(false)),
                    ..FilterRule::default()
                })),
                Rule::Deduplicate(DeduplicateRule {
                    window: 2000,
                    include_fields: vec!["path".parse().expect("a field")],
                    exclude_fields: Vec::new(),
                }),
                Rule::Delay(DelayRule {
                    delay: 0,
                    until: Some("body.at".parse().expect("a field")),
                }),
            ],
            disabled_at: None,
            paused_at: None,
            created_at: AT,
            updated_at: AT,
        }),
    ]
}

fn stays<T: Stored + PartialEq + std::fmt::Debug>(value: &T, golden: &str) {
    let bytes = codec::encode(value);
    assert_eq!(
        hex::encode(&bytes),
        golden,
        "the layout of a {} changed",
        T::WHAT
    );
    assert_eq!(&codec::decode::<T>(&bytes).expect("own encoding"), value);
}

#[test]
fn a_stored_request_record_keeps_its_bytes() {
    stays(
        &record(),
        "0201fd0068e5cf8b01000004504f5354022f6103623d630103782d79017a020101",
    );
}

#[test]
fn the_first_layout_of_a_request_record_is_still_read() {
    let first = "0101fd0068e5cf8b01000004504f5354022f6103623d630103782d79017a01";
    let read = codec::decode::<RequestRecord>(&hex::decode(first).expect("hex"));
    let expected = RequestRecord {
        origin: Origin::Proven { secret: None },
        ..record()
    };
    assert_eq!(read.expect("readable"), expected);
}

#[test]
fn a_stored_request_keeps_its_bytes() {
    stays(
        &stored_request(),
        "010102fd0068e5cf8b01000001fc9e3407000702fb2c0101020172",
    );
}

#[test]
fn a_stored_event_keeps_its_bytes() {
    stays(
        &event(),
        "020102030004fd0068e5cf8b010000fd0168e5cf8b01000001fd0268e5cf8b0100000101fd0368e5cf8b0100000001fbf7010100011fd2d748d0353fbd07c5dbad39bde510fb2c0102fd0068e5cf8b010000",
    );
}

#[test]
fn the_first_layout_of_an_event_is_still_read() {
    let first = "010102030004fd0068e5cf8b010000fd0168e5cf8b01000001fd0268e5cf8b0100000101fd0368e5cf8b0100000001fbf7010100";
    let read = codec::decode::<Event>(&hex::decode(first).expect("hex"));
    let expected = Event {
        turn: None,
        ..event()
    };
    assert_eq!(read.expect("readable"), expected);
}

#[test]
fn a_stored_attempt_keeps_its_bytes() {
    stays(
        &attempt(),
        "02020309687474703a2f2f612f03505554fd0068e5cf8b010000fd0968e5cf8b010000000114026e6f01fbe803010200030473686f7001050476312c78fb2c0101016101620106736572766572017301000102010809",
    );
}

#[test]
fn the_first_layout_of_an_attempt_is_still_read() {
    let first = "01020309687474703a2f2f612f03505554fd0068e5cf8b010000fd0968e5cf8b010000000114026e6f01fbe803";
    let read = codec::decode::<Attempt>(&hex::decode(first).expect("hex"));
    assert_eq!(read.expect("readable"), first_attempt());
}

/// Twice on each disk: in the log for a while, and in the state. What a usual webhook's attempt takes must not outweigh
/// the webhook.
#[test]
fn a_usual_attempt_is_lean() {
    let header = |name: &str, value: &'static str| (name.to_owned(), Bytes::from(value));
    let usual = Attempt {
        requested_url: "https://shop.example.com/webhooks/orders".into(),
        outcome: Outcome::answered(200, Bytes::from_static(b"ok"), None),
        trace: Box::new(Trace {
            sent: Some(Sent {
                forwarded: (0..8).collect(),
                source_name: "orders".into(),
                will_retry_after_s: Some(30),
                signature: "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=".into(),
                body_len: 1024,
                own: Vec::new(),
            }),
            answered: vec![
                header("date", "Mon, 24 Nov 2025 10:00:00 GMT"),
                header("content-type", "text/plain; charset=utf-8"),
                header("content-length", "2"),
                header("server", "nginx"),
            ],
            ..*attempt().trace
        }),
        ..attempt()
    };
    let (first, now) = (
        codec::encode(&first_attempt()).len(),
        codec::encode(&usual).len(),
    );
    assert!(now <= 320, "{now} bytes; {first} without a trace");
}

#[test]
fn a_destination_with_everything_keeps_its_json() {
    let golden = r#"{"auth":{"type":"OAUTH2_CLIENT_CREDENTIALS","auth_server":"https://t/","client_id":"id","client_secret":"s","scope":"all","authentication_type":"x-www-form-urlencoded"},"other_secrets":[{"secret":"whsec_old","expires_at":1700000000000}],"headers":{"x-a":"b"},"timeout_ms":5000,"tls":{"ca_certificates":"ca","client_certificate":"crt","client_key":"key"}}"#;
    let json = serde_json::to_string(&outbound()).expect("JSON");
    assert_eq!(json, golden);
    assert_eq!(
        serde_json::from_str::<Outbound>(golden).ok(),
        Some(outbound())
    );
}

#[test]
fn a_stored_kind_of_destination_keeps_its_json() {
    for (kind, golden) in [
        (
            DestinationKind::Cli {
                path: "/hooks".into(),
            },
            r#"{"kind":{"type":"CLI","path":"/hooks"}}"#,
        ),
        (DestinationKind::MockApi, r#"{"kind":{"type":"MOCK_API"}}"#),
        (DestinationKind::Http, "{}"),
    ] {
        let outbound = Outbound {
            kind,
            ..Outbound::default()
        };
        assert_eq!(serde_json::to_string(&outbound).expect("JSON"), golden);
        assert_eq!(serde_json::from_str(golden).ok(), Some(outbound));
    }
}

#[test]
fn a_stored_ignored_event_keeps_its_bytes() {
    stays(&ignored(), "020501fd0068e5cf8b0100000100020103");
    stays(
        &duplicate(),
        "020504fd0068e5cf8b0100000101fe010003000000000002000068e5cf8b01",
    );
}

#[test]
fn the_first_layout_of_an_ignored_event_is_still_read() {
    let first = "010504fd0068e5cf8b010000";
    let read = codec::decode::<Ignored>(&hex::decode(first).expect("hex"));
    let expected = Ignored {
        cause: IgnoreCause::Duplicate,
        meta: None,
        ..ignored()
    };
    assert_eq!(read.expect("readable"), expected);
}

#[test]
fn a_fingerprint_that_was_seen_keeps_its_bytes() {
    stays(
        &seen(),
        "01fe000003000000000002000068e5cf8b01fd0068e5cf8b010000",
    );
}

fn paused() -> Paused {
    Paused {
        index: 300,
        stage: Stage::Releasing {
            behind: Some((AT, RequestId::mint(AT, GroupId(2), 3).event(1))),
        },
    }
}

#[test]
fn a_stored_pause_keeps_its_bytes() {
    stays(
        &paused(),
        "01fb2c010201fd0068e5cf8b010000fe010003000000000002000068e5cf8b01",
    );
}

fn operation() -> Operation {
    Operation {
        kind: OperationKind::RetryIgnored,
        query: "a=b".into(),
        shown: "{}".into(),
        estimated_count: Some(5),
        created_at: AT,
        updated_at: AT.plus_ms(1),
        cancelled_at: None,
        completed_at: Some(AT.plus_ms(2)),
        parts: vec![report()],
    }
}

fn report() -> PartReport {
    PartReport {
        page: 3,
        completed: 300,
        failed: 1,
        ended: true,
    }
}

fn part() -> OperationPart {
    OperationPart {
        opened_at: AT,
        remembers: true,
        next: 7,
        to: 1 << 80,
        report: report(),
    }
}

fn bookmark() -> Bookmark {
    Bookmark {
        connection_id: ConnectionId(1),
        request_id: RequestId(2),
        label: "l".into(),
        name: Some("n".into()),
        record: Bytes::from_static(b"r"),
        last_used_at: Some(AT),
        created_at: AT,
        updated_at: AT,
    }
}

#[test]
fn stored_bulk_operations_and_bookmarks_keep_their_bytes() {
    stays(
        &operation(),
        "010203613d62027b7d0105fd0068e5cf8b010000fd0168e5cf8b0100000001fd0268e5cf8b0100000103fb2c010101",
    );
    stays(
        &part(),
        "01fd0068e5cf8b0100000107fe0000000000000000000001000000000003fb2c010101",
    );
    stays(
        &bookmark(),
        "010102016c01016e017201fd0068e5cf8b010000fd0068e5cf8b010000fd0068e5cf8b010000",
    );
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
fn issue_triggers_and_notification_settings_keep_their_json() {
    let golden = [
        r#"{"kind":"IssueTrigger","value":{"id":"ist_00000000000000000000000004","name":"t","type":"delivery","configs":{"strategy":"final_attempt","connections":"*"},"channels":{"webhook":{"url":"https://a/","signing_secret":"whsec_x"},"slack":{"channel_name":"ops","webhook_url":"https://b/"}},"live_since":1700000000000,"disabled_at":null,"created_at":1700000000000,"updated_at":1700000000000}}"#,
        r#"{"kind":"IssueTrigger","value":{"id":"ist_00000000000000000000000004","name":"t","type":"transformation","configs":{"log_level":"error","transformations":["a"]},"channels":{},"live_since":1700000000000,"disabled_at":null,"created_at":1700000000000,"updated_at":1700000000000}}"#,
        r#"{"kind":"IssueTrigger","value":{"id":"ist_00000000000000000000000004","name":"t","type":"backpressure","configs":{"delay":60000,"destinations":["a"]},"channels":{},"live_since":1700000000000,"disabled_at":null,"created_at":1700000000000,"updated_at":1700000000000}}"#,
        r#"{"kind":"IssueTrigger","value":{"id":"ist_00000000000000000000000004","name":"t","type":"request","configs":{"rejection_causes":"*","excluded_rejection_causes":["NO_CONNECTION"],"sources":["a"]},"channels":{},"live_since":1700000000000,"disabled_at":null,"created_at":1700000000000,"updated_at":1700000000000}}"#,
        r#"{"kind":"Notifications","value":{"enabled":true,"topics":["issue.opened","issue.updated"],"source_id":"src_00000000000000000000000001","updated_at":1700000000000}}"#,
    ];
    let settings = Notifications {
        enabled: true,
        topics: Some(vec![Topic::IssueOpened, Topic::IssueUpdated]),
        source_id: SourceId(1),
        updated_at: AT,
    };
    let items = triggers().map(Item::IssueTrigger).into_iter();
    let items = items.chain([Item::Notifications(settings)]);
    for (item, golden) in items.zip(golden) {
        let bytes = codec::encode_json(&item);
        assert_eq!(String::from_utf8_lossy(&bytes[1..]), golden);
        assert_eq!(
            codec::decode_json::<Item>(&bytes).expect("own encoding"),
            item
        );
    }
}

#[test]
fn catalog_items_keep_their_json() {
    let golden = [
        r#"{"kind":"Source","value":{"id":"src_00000000000000000000000001","name":"orders","description":null,"verification":{"type":"HMAC","scheme":"HMAC","secrets":[{"secret":"0123456789abcdef"},{"secret":"fedcba9876543210","expires_at":1700000000001,"last_verified_at":1700000000000}],"fields":{"header_key":"x-sig"},"signed_url":"https://a/b","tolerance_s":60,"handshake":{"kind":"CONFIRM_URL","value":"https://c","at":1700000000000}},"allowed_http_methods":["PUT"],"custom_response":null,"deduplicate":{"window":1000,"exclude_fields":["headers.x-id"]},"ordering_key":["body.a[0]"],"disabled_at":null,"created_at":1700000000000,"updated_at":1700000000000}}"#,
        r#"{"kind":"Destination","value":{"id":"des_00000000000000000000000002","name":"shop","description":"d","url":"https://a/","http_method":null,"path_forwarding":true,"rate_limit":5,"rate_limit_period":"concurrent","signing_secret":"0123456789abcdef","disabled_at":1700000000000,"created_at":1700000000000,"updated_at":1700000000000}}"#,
        r#"{"kind":"Connection","value":{"id":"web_00000000000000000000000003","name":null,"description":null,"source_id":"src_00000000000000000000000001","destination_id":"des_00000000000000000000000002","rules":[{"type":"delay","delay":100},{"type":"retry","strategy":"exponential","count":3,"interval":1000,"response_status_codes":["500-599"]},{"type":"filter","body":{"z":1,"a":{"$in":[null,0.5]}},"path":false},{"type":"deduplicate","window":2000,"include_fields":["path"]},{"type":"delay","delay":0,"until":"body.at"}],"disabled_at":null,"created_at":1700000000000,"updated_at":1700000000000}}"#,
    ];
    for (item, golden) in items().iter().zip(golden) {
        let bytes = codec::encode_json(item);
        assert_eq!(bytes.first(), Some(&1));
        assert_eq!(String::from_utf8_lossy(&bytes[1..]), golden);
        assert_eq!(
            &codec::decode_json::<Item>(&bytes).expect("own encoding"),
            item
        );
    }
}

#[test]
fn a_source_of_before_it_knew_duplicates_and_order_is_still_read() {
    let mut item = items()[0].clone();
    let mut json = serde_json::to_value(&item).expect("json");
    let value = json["value"].as_object_mut().expect("an object");
    assert!(value.remove("deduplicate").is_some() && value.remove("ordering_key").is_some());
    if let Item::Source(source) = &mut item {
        source.deduplicate = None;
        source.ordering_key = Vec::new();
    }
    let read: Item = serde_json::from_value(json).expect("readable");
    assert_eq!(read, item);
}

fn used() -> TransformationUse {
    TransformationUse {
        id: TransformationId(6),
        version: 300,
    }
}

fn line() -> ConsoleLine {
    ConsoleLine {
        level: LineLevel::Fatal,
        message: "m".into(),
    }
}

fn execution() -> Execution {
    Execution {
        connection_id: ConnectionId(5),
        attempt: 2,
        used: used(),
        behind: vec![used()],
        at: AT,
        failed: true,
        log_level: LogLevel::Warn,
        logs: vec![line()],
    }
}

#[test]
fn a_stored_execution_keeps_its_bytes() {
    stays(
        &execution(),
        "01050206fb2c010106fb2c01fd0068e5cf8b01000001020105016d",
    );
    let failed = Ignored {
        connection_id: ConnectionId(5),
        cause: IgnoreCause::TransformationFailed,
        created_at: AT,
        meta: Some(IgnoredMeta::TransformationFailed(used())),
    };
    stays(&failed, "020502fd0068e5cf8b010000010206fb2c01");
}

fn ran(end: RunEnd) -> RunReport {
    RunReport {
        event: RequestId::mint(AT, GroupId(2), 3).event(1),
        number: 1,
        runs: vec![Run {
            used: used(),
            at: AT,
            failed: false,
            log_level: LogLevel::Info,
            logs: vec![line()],
        }],
        end,
    }
}

#[test]
fn a_logged_attempt_of_the_first_layout_is_still_read() {
    let first = "010702fe010003000000000002000068e5cf8b01010106fb2c01fd0068e5cf8b01000000010105016d002d01020309687474703a2f2f612f03505554fd0068e5cf8b010000fd0968e5cf8b010000000114026e6f01fbe80302fe010003000000000002000068e5cf8b01010106fb2c01fd0068e5cf8b01000000010105016d01fd0068e5cf8b0100000100";
    let first = hex::decode(first).expect("hex");
    let read = Command::decode(&first).expect("readable");
    assert_eq!(read, runs(first_attempt()));
}

fn runs(attempt: Attempt) -> Command<'static> {
    Command::RecordRuns(RecordRuns {
        reports: vec![
            ran(RunEnd::Attempted {
                attempt,
                next: Next::GiveUp,
            }),
            ran(RunEnd::Ignored {
                due_at: AT,
                cause: IgnoreCause::Filtered,
                meta: None,
            }),
        ],
    })
}

#[test]
fn logged_runs_and_retries_keep_their_bytes() {
    let commands = [
        runs(attempt()),
        Command::RetryIgnored(RetryIgnored {
            event: RequestId::mint(AT, GroupId(2), 3).event(1),
            source: SourceId(4),
            destination: DestinationId(2),
            trigger: Trigger::Manual,
        }),
    ];
    let golden = [
        "010702fe010003000000000002000068e5cf8b01010106fb2c01fd0068e5cf8b01000000010105016d005602020309687474703a2f2f612f03505554fd0068e5cf8b010000fd0968e5cf8b010000000114026e6f01fbe803010200030473686f7001050476312c78fb2c010101610162010673657276657201730100010201080902fe010003000000000002000068e5cf8b01010106fb2c01fd0068e5cf8b01000000010105016d01fd0068e5cf8b0100000100",
        "0108fe010003000000000002000068e5cf8b01040202",
    ];
    for (command, golden) in commands.iter().zip(golden) {
        let envelope = Envelope::parse(&command.envelope(AT, &[])).expect("own encoding");
        assert_eq!(hex::encode(&envelope.head), golden, "{command:?}");
        let read = Command::decode(&envelope.head).expect("own encoding");
        assert_eq!(&read, command);
    }
}

#[test]
fn transformations_keep_their_json() {
    let version = |program, env: &[(&str, &str)], secrets: &[(&str, &str)], restored_from| {
        let env = env.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned()));
        let secrets = secrets
            .iter()
            .map(|(k, v)| ((*k).to_owned(), Secret::new((*v).to_owned())));
        Item::TransformationVersion(TransformationVersion {
            transformation_id: TransformationId(0x0001_0000),
            version: 7,
            program,
            env: env.collect(),
            secrets: secrets.collect(),
            restored_from,
            created_at: AT,
        })
    };
    let items = [
        Item::Transformation(Transformation {
            id: TransformationId(4),
            name: "t".into(),
            versions: vec![VersionMark {
                version: 7,
                created_at: AT,
            }],
            created_at: AT,
            updated_at: AT,
        }),
        version(
            Program::Code("code".into()),
            &[("A", "b")],
            &[("KEY", "0123456789abcdef")],
            Some(3),
        ),
        version(
            Program::Steps(vec![json!({"op": "wrap", "field": "body"})]),
            &[],
            &[],
            None,
        ),
    ];
    let golden = [
        r#"{"kind":"Transformation","value":{"id":"trs_00000000000000000000000004","name":"t","versions":[{"version":7,"created_at":1700000000000}],"created_at":1700000000000,"updated_at":1700000000000}}"#,
        r#"{"kind":"TransformationVersion","value":{"transformation_id":"trs_00000000000000000000002000","version":7,"program":{"code":"code"},"env":{"A":"b"},"secrets":{"KEY":"0123456789abcdef"},"restored_from":3,"created_at":1700000000000}}"#,
        r#"{"kind":"TransformationVersion","value":{"transformation_id":"trs_00000000000000000000002000","version":7,"program":{"steps":[{"op":"wrap","field":"body"}]},"created_at":1700000000000}}"#,
    ];
    for (item, golden) in items.iter().zip(golden) {
        let bytes = codec::encode_json(item);
        assert_eq!(String::from_utf8_lossy(&bytes[1..]), golden);
        let read = codec::decode_json::<Item>(&bytes).expect("own encoding");
        assert_eq!(&read, item);
    }
    let rule = Rule::Transform {
        transformation_id: TransformationId(4),
    };
    let golden = r#"{"type":"transform","transformation_id":"trs_00000000000000000000000004"}"#;
    assert_eq!(serde_json::to_string(&rule).expect("JSON"), golden);
    assert_eq!(serde_json::from_str::<Rule>(golden).ok(), Some(rule));
}

fn reports() -> ReportIssues {
    let report = |fact| IssueReport {
        key: issue_keys()[4],
        trigger: Some(IssueTriggerId(10)),
        targets: vec![
            Target::Webhook(IssueTriggerId(10)),
            Target::Source(SourceId(4)),
        ],
        fact,
    };
    let group = GroupId(2);
    ReportIssues {
        reports: vec![
            report(Fact::Seen {
                group,
                tally: Tally {
                    samples: vec![],
                    ..tally()
                },
                opens: Some(Opens::FirstAttempt),
            }),
            report(Fact::Over { at: AT }),
            report(Fact::Waiting {
                group,
                since: Some(AT),
                at: AT.plus_ms(1),
                sample: samples().pop(),
            }),
        ],
        reported: vec![(group, tally().mark)],
        entropy: 5,
        bounds: bounds(),
    }
}

fn bounds() -> IssueBounds {
    IssueBounds {
        kept: 1,
        open_per_type: 2,
        samples: 3,
        notifications: 4,
    }
}

fn again() -> RouteAgain {
    let request = RequestId::mint(AT, GroupId(2), 3);
    RouteAgain {
        request,
        trigger: Trigger::Manual,
        retry: vec![request.event(1)],
        events: vec![Planned {
            connection: ConnectionId(1),
            destination: DestinationId(2),
            due_at: AT,
        }],
        ignored: vec![Unrouted {
            connection: ConnectionId(3),
            cause: IgnoreCause::Filtered,
            meta: None,
        }],
    }
}

/// Commands of most kinds, in the order of the registry, with verdicts that came later among them.
fn commands() -> Vec<Command<'static>> {
    let request = RequestId::mint(AT, GroupId(2), 3);
    let accepted = Verdict::Accepted {
        events: vec![Planned {
            connection: ConnectionId(1),
            destination: DestinationId(2),
            due_at: AT,
        }],
        ignored: vec![PlannedIgnored {
            connection: ConnectionId(3),
            cause: IgnoreCause::Filtered,
        }],
    };
    let incoming = |verdict| Incoming {
        id: request,
        source: SourceId(4),
        record: b"r",
        body: Some(0),
        verdict,
    };
    let rejected = Verdict::Rejected {
        cause: RejectionCause::NoConnection,
        keep: 5,
    };
    let routed = Verdict::Routed {
        events: Vec::new(),
        ignored: vec![Unrouted {
            connection: ConnectionId(3),
            cause: IgnoreCause::Filtered,
            meta: Some(IgnoredMeta::Filtered(vec![
                document::Part::Body,
                document::Part::Query,
            ])),
        }],
        more_ignored: 300,
    };
    let once = Once {
        fingerprint: fingerprint(),
        window_ms: 1000,
    };
    let keyed = Verdict::Keyed(Keyed {
        once: Some(once),
        order: Some(fingerprint()),
        events: vec![KeyedEvent {
            planned: Planned {
                connection: ConnectionId(1),
                destination: DestinationId(2),
                due_at: AT,
            },
            once: Some(once),
        }],
        ignored: vec![Unrouted {
            connection: ConnectionId(3),
            cause: IgnoreCause::Duplicate,
            meta: duplicate().meta,
        }],
        more_ignored: 300,
        keep_ignored: 100,
    });
    vec![
        Command::AcceptRequests(AcceptRequests {
            requests: vec![incoming(accepted), incoming(rejected)],
        }),
        Command::RecordAttempts(RecordAttempts {
            reports: vec![FirstReport {
                event: request.event(1),
                number: 1,
                attempt: FirstAttempt {
                    trigger: attempt().trigger,
                    node: attempt().node,
                    requested_url: attempt().requested_url,
                    http_method: attempt().http_method,
                    started_at: attempt().started_at,
                    finished_at: attempt().finished_at,
                    outcome: attempt().outcome,
                },
                next: Next::RetryAt(AT),
            }],
        }),
        Command::Configure(Configure {
            seen_version: 6,
            changes: vec![
                Change::Put(b"i"),
                Change::Delete(model::catalog::Kind::Destination, 7),
            ],
        }),
        Command::RetryEvent(RetryEvent {
            event: request.event(1),
            trigger: Trigger::BulkRetry,
        }),
        Command::CancelEvent(CancelEvent {
            event: request.event(1),
        }),
        Command::AdvanceRetention(AdvanceRetention {
            before: AT,
            seen_index: 8,
        }),
        Command::RetireNode(RetireNode { node: 300 }),
        Command::AcceptRequests(AcceptRequests {
            requests: vec![incoming(routed)],
        }),
        Command::AcceptRequests(AcceptRequests {
            requests: vec![incoming(keyed)],
        }),
        Command::ReportIssues(reports()),
        Command::ChangeIssue(ChangeIssue {
            issue: IssueId(6),
            change: IssueChange::Status(IssueStatus::Resolved),
            targets: vec![Target::Slack(IssueTriggerId(10))],
            entropy: 7,
            bounds: bounds(),
        }),
        Command::RecordNotifications(RecordNotifications {
            tries: vec![NotificationTry {
                id: NotificationId(8),
                number: 9,
                next: Some(AT),
            }],
        }),
        Command::MarkPaused(MarkPaused {
            version: 9,
            pause: vec![ConnectionId(1)],
            unpause: vec![ConnectionId(2)],
        }),
        Command::HoldEvents(HoldEvents {
            events: vec![request.event(1)],
            swept: vec![(ConnectionId(1), 4)],
        }),
        Command::ReleaseEvents(ReleaseEvents {
            connection: ConnectionId(1),
            limit: 500,
        }),
        Command::RouteAgain(again()),
        Command::PlanOperation(PlanOperation {
            id: OperationId(1),
            operation: operation(),
            in_progress_max: 8,
            kept_max: 100,
        }),
        Command::CancelOperation(CancelOperation { id: OperationId(1) }),
        Command::ReportPart(ReportPart {
            id: OperationId(1),
            group: GroupId(2),
            report: report(),
        }),
        Command::OpenPart(OpenPart {
            operation: OperationId(1),
            remembers: true,
            from: 2,
            to: 3,
        }),
        Command::WorkPart(WorkPart {
            operation: OperationId(1),
            page: 2,
            next: 3,
            acts: vec![
                Act::Retry(request.event(1)),
                Act::Cancel(request.event(1)),
                Act::Route(again()),
            ],
            unable: 4,
            last: true,
        }),
        Command::ClosePart(ClosePart {
            operation: OperationId(1),
            forget: true,
        }),
        Command::KeepBookmark(KeepBookmark {
            id: BookmarkId(1),
            change: BookmarkChange::Create {
                bookmark: bookmark(),
                body: Bytes::from_static(b"b"),
                max: 9,
            },
        }),
        Command::KeepBookmark(KeepBookmark {
            id: BookmarkId(1),
            change: BookmarkChange::Update {
                bookmark: bookmark(),
                body: None,
            },
        }),
        Command::KeepBookmark(KeepBookmark {
            id: BookmarkId(1),
            change: BookmarkChange::Use,
        }),
        Command::KeepBookmark(KeepBookmark {
            id: BookmarkId(1),
            change: BookmarkChange::Delete,
        }),
    ]
}

#[test]
fn logged_commands_keep_their_bytes() {
    let golden = [
        "010002fe000003000000000002000068e5cf8b01040172010000010102fd0068e5cf8b010000010301fe000003000000000002000068e5cf8b010401720100010105",
        "010101fe010003000000000002000068e5cf8b0101020309687474703a2f2f612f03505554fd0068e5cf8b010000fd0968e5cf8b010000000114026e6f01fbe80301fd0068e5cf8b010000",
        "01020602000169010107",
        "0103fe010003000000000002000068e5cf8b0103",
        "0104fe010003000000000002000068e5cf8b01",
        "0105fd0068e5cf8b01000008",
        "0106fb2c01",
        "010001fe000003000000000002000068e5cf8b01040172010002000103010100020002fb2c01",
        "010001fe000003000000000002000068e5cf8b01040172010003011fd2d748d0353fbd07c5dbad39bde510fbe803011fd2d748d0353fbd07c5dbad39bde510010102fd0068e5cf8b010000011fd2d748d0353fbd07c5dbad39bde510fbe8030103040101fe010003000000000002000068e5cf8b01fb2c0164",
        "010903030402010a02000a02040002fb2c01fb2d01020904fd0068e5cf8b010000fd0168e5cf8b01000001fd0068e5cf8b010000000100030402010a02000a020401fd0068e5cf8b010000030402010a02000a0204020201fd0068e5cf8b010000fd0168e5cf8b01000001fd0068e5cf8b0100000309fb2c01010102fb2d01020501020304",
        "010a06000301010a0701020304",
        "010b01080901fd0068e5cf8b010000",
        "010c0901010102",
        "010d01fe010003000000000002000068e5cf8b01010104",
        "010e01fbf401",
        "010ffe000003000000000002000068e5cf8b010201fe010003000000000002000068e5cf8b01010102fd0068e5cf8b01000001030100",
        "0110010203613d62027b7d0105fd0068e5cf8b010000fd0168e5cf8b0100000001fd0268e5cf8b0100000103fb2c0101010864",
        "011101",
        "0112010203fb2c010101",
        "011301010203",
        "01140102030300fe010003000000000002000068e5cf8b0101fe010003000000000002000068e5cf8b0102fe000003000000000002000068e5cf8b010201fe010003000000000002000068e5cf8b01010102fd0068e5cf8b010000010301000401",
        "01150101",
        "011601000102016c01016e017201fd0068e5cf8b010000fd0068e5cf8b010000fd0068e5cf8b010000016209",
        "011601010102016c01016e017201fd0068e5cf8b010000fd0068e5cf8b010000fd0068e5cf8b01000000",
        "01160102",
        "01160103",
    ];
    assert_eq!(golden.len(), commands().len());
    for (command, golden) in commands().iter().zip(golden) {
        let envelope = Envelope::parse(&command.envelope(AT, &[])).expect("own encoding");
        assert_eq!(hex::encode(&envelope.head), golden, "{command:?}");
        assert_eq!(
            &Command::decode(&envelope.head).expect("own encoding"),
            command
        );
    }
}

#[test]
fn replies_keep_their_bytes() {
    let cases = [
        (Reply::Malformed, "00"),
        (
            Reply::Accepted(vec![Accepted::Fresh, Accepted::Again]),
            "01020001",
        ),
        (
            Reply::Accepted(vec![Accepted::Duplicate { of: RequestId(300) }]),
            "010102fb2c01",
        ),
        (
            Reply::Recorded(vec![Recorded::Counted(EventStatus::Failed), Recorded::Late]),
            "0202000401",
        ),
        (
            Reply::Recorded(vec![Recorded::Ignored(IgnoreCause::TransformationFailed)]),
            "02010202",
        ),
        (Reply::Configured(Ok(300)), "0300fb2c01"),
        (
            Reply::Configured(Err(Refusal::Stale { version: 2 })),
            "03010002",
        ),
        (
            Reply::Event(EventReply::Refused(EventStatus::Cancelled)),
            "040205",
        ),
        (Reply::Retention(true), "0501"),
        (Reply::Retired, "06"),
        (Reply::Reported, "07"),
        (Reply::Issue(IssueReply::Gone), "0801"),
        (Reply::Notified, "09"),
        (Reply::Marked(true), "0a01"),
        (Reply::Held(300), "0bfb2c01"),
        (Reply::Released(false), "0c00"),
        (
            Reply::Routed(Some(vec![event_id()])),
            "0d0101fe010003000000000002000068e5cf8b01",
        ),
        (Reply::Routed(None), "0d00"),
        (Reply::Operation(OperationReply::TooMany), "0e03"),
        (
            Reply::Part(Some(part())),
            "0f01fd0068e5cf8b0100000107fe0000000000000000000001000000000003fb2c010101",
        ),
        (Reply::Bookmark(BookmarkReply::TooMany), "1002"),
    ];
    for (reply, golden) in cases {
        assert_eq!(hex::encode(reply.encode()), golden, "{reply:?}");
        assert_eq!(decode_reply(&reply.encode()).ok(), Some(reply));
    }
}

fn event_id() -> model::ids::EventId {
    RequestId::mint(AT, GroupId(2), 3).event(1)
}

fn refuses_garbage<T: Stored>(value: &T, garbage: &[u8]) -> Result<(), TestCaseError> {
    let good = codec::encode(value);
    for cut in 0..good.len() {
        prop_assert!(codec::decode::<T>(&good[..cut]).is_err(), "cut at {}", cut);
    }
    let longer = [good.as_slice(), &[0]].concat();
    prop_assert!(codec::decode::<T>(&longer).is_err());
    let mut newer = good;
    newer[0] += 1;
    prop_assert!(codec::decode::<T>(&newer).is_err());
    // Whatever comes of it, it does not panic.
    let _ = codec::decode::<T>(garbage);
    let _ = codec::decode::<T>(&[&[T::VERSION], garbage].concat());
    Ok(())
}

proptest! {
    #[test]
    fn cut_longer_newer_and_random_bytes_are_refused(garbage: Vec<u8>) {
        refuses_garbage(&record(), &garbage)?;
        refuses_garbage(&stored_request(), &garbage)?;
        refuses_garbage(&event(), &garbage)?;
        refuses_garbage(&attempt(), &garbage)?;
        refuses_garbage(&ignored(), &garbage)?;
        refuses_garbage(&execution(), &garbage)?;
        refuses_garbage(&seen(), &garbage)?;
        refuses_garbage(&tally(), &garbage)?;
        refuses_garbage(&issue(), &garbage)?;
        refuses_garbage(&notification(), &garbage)?;
        refuses_garbage(&paused(), &garbage)?;
        refuses_garbage(&operation(), &garbage)?;
        refuses_garbage(&part(), &garbage)?;
        refuses_garbage(&bookmark(), &garbage)?;
        let _ = codec::decode_json::<Item>(&[&[Item::VERSION], garbage.as_slice()].concat());
        let _ = decode_reply(&garbage);
        let _ = Command::decode(&garbage);
    }

    #[test]
    fn events_of_any_numbers_read_back(
        ids in any::<[u128; 3]>(), attempts: u16, times in any::<[u64; 4]>(), status: Option<u16>, due: bool,
    ) {
        let event = Event {
            connection_id: ConnectionId(ids[0]),
            source_id: SourceId(ids[1]),
            destination_id: DestinationId(ids[2]),
            attempts,
            created_at: Timestamp(times[0]),
            updated_at: Timestamp(times[1]),
            due_at: due.then_some(Timestamp(times[2])),
            last_attempt_at: Some(Timestamp(times[3])),
            response_status: status,
            ..event()
        };
        prop_assert_eq!(codec::decode::<Event>(&codec::encode(&event)).ok(), Some(event));
    }

    #[test]
    fn records_of_any_text_read_back(
        texts in any::<[String; 3]>(), headers in any::<Vec<(String, Vec<u8>)>>(), verified: bool, at: u64,
    ) {
        let [method, path, query] = texts;
        let record = RequestRecord {
            source_id: SourceId(1),
            received_at: Timestamp(at),
            method,
            path,
            query,
            headers: headers.into_iter().map(|(name, value)| (name, value.into())).collect(),
            origin: if verified { Origin::Vouched } else { Origin::Unproven },
        };
        prop_assert_eq!(codec::decode::<RequestRecord>(&codec::encode(&record)).ok(), Some(record));
    }

    #[test]
    fn requests_and_attempts_of_any_bytes_read_back(
        bytes: Vec<u8>, url: String, node: u64, index: u64, sub: u16, len: u32, status: Option<u16>,
    ) {
        let request = StoredRequest {
            state: RequestState::Accepted,
            body: Some(PayloadRef { bucket: len, index, sub, len }),
            record: bytes.clone().into(),
            ..stored_request()
        };
        prop_assert_eq!(codec::decode::<StoredRequest>(&codec::encode(&request)).ok(), Some(request));
        let outcome = Outcome { response_status: status, response_body: bytes.into(), ..attempt().outcome };
        let attempt = Attempt { node, requested_url: url, outcome, ..attempt() };
        prop_assert_eq!(codec::decode::<Attempt>(&codec::encode(&attempt)).ok(), Some(attempt));
    }
}
