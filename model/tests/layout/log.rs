//! What groups log and answer.

use crate::{
    AT,
    issues::{issue_keys, samples, tally},
    replay::{bookmark, operation, part, report},
    traffic::{attempt, duplicate, event_id, fingerprint, first_attempt, line, used},
};
use bytes::Bytes;
use model::{
    catalog::{DisabledBy, HandshakeKind, Kind, Overruled, Overruling, Secret},
    envelope::Envelope,
    ids::{
        BookmarkId, ConnectionId, DestinationId, GroupId, IssueId, IssueTriggerId, NotificationId,
        OperationId, RequestId, SourceId,
    },
    machine::{
        AcceptRequests, Accepted, Act, AdvanceRetention, BookmarkChange, BookmarkReply,
        CancelEvent, CancelOperation, Change, ChangeIssue, ClosePart, Command, Configure,
        ConfigureTied, EventReply, Fact, FirstReport, HoldEvents, Incoming, IssueBounds,
        IssueReply, IssueReport, KeepBookmark, KeepHandshake, Keyed, KeyedEvent, LetGo, MarkPaused,
        MendTime, Next, NotificationTry, ObserveReply, ObserveSecretUse, ObserveWishes, Once,
        OpenPart, OperationReply, PlanOperation, Planned, PlannedIgnored, RecordAttempts,
        RecordNotifications, RecordRuns, Recorded, Refusal, ReleaseEvents, Reply, ReportIssues,
        ReportPart, RetireNode, RetryEvent, RetryIgnored, RouteAgain, Run, RunEnd, RunReport,
        Unrouted, Verdict, WorkPart, decode_reply,
    },
    policy::{document, receiver::AllowedRate},
    traffic::{
        Attempt, EventStatus, FirstAttempt, IgnoreCause, IgnoredMeta, IssueChange, IssueStatus,
        LogLevel, RejectionCause, Strategy as Opens, Tally, Target, Trigger,
    },
};

fn command_stays(command: &Command<'_>, golden: &str) {
    let envelope = Envelope::parse(&command.envelope(AT, &[])).expect("own encoding");
    assert_eq!(hex::encode(&envelope.head), golden, "{command:?}");
    let read = Command::decode(&envelope.head).expect("own encoding");
    assert_eq!(&read, command);
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
        command_stays(command, golden);
    }
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
                    requested_url: "http://a/".into(),
                    http_method: "PUT".into(),
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
        Command::LetGo(LetGo {
            hour: 300,
            seen_index: 8,
            min_age_ms: 600_000,
        }),
        Command::ConfigureTied(ConfigureTied {
            seen_version: 300,
            checked: vec![fingerprint()],
            marked: vec![],
            changes: vec![
                Change::Delete(Kind::Source, 1),
                overrule(Overruled::Handshake(SourceId(1))),
                overrule(Overruled::Disabled(DestinationId(2))),
                overrule(Overruled::Rate(DestinationId(2))),
            ],
        }),
        Command::MendTime(MendTime { to: AT }),
        Command::KeepHandshake(KeepHandshake {
            source: SourceId(1),
            scheme: "ASANA".into(),
            kind: HandshakeKind::ConfirmUrl,
            value: Secret::new("v".into()),
        }),
        Command::ObserveSecretUse(ObserveSecretUse {
            source: SourceId(1),
            secret: fingerprint(),
        }),
        Command::ObserveWishes(ObserveWishes {
            destination: DestinationId(2),
            disable: Some(DisabledBy::Control),
            rate: Some(AllowedRate::PerMinute(300)),
        }),
        Command::ObserveWishes(ObserveWishes {
            destination: DestinationId(2),
            disable: None,
            rate: Some(AllowedRate::Any),
        }),
    ]
}

fn overrule(what: Overruled) -> Change<'static> {
    Change::Overrule(Overruling { what, up_to: 300 })
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
        "0117fb2c0108fcc0270900",
        "0118fb2c01011fd2d748d0353fbd07c5dbad39bde5100004010001020001fb2c01020102fb2c01020202fb2c01",
        "0119fd0068e5cf8b010000",
        "011a01054153414e41010176",
        "011b011fd2d748d0353fbd07c5dbad39bde510",
        "011c0201010100fb2c01",
        "011c02000101",
    ];
    assert_eq!(golden.len(), commands().len());
    for (command, golden) in commands().iter().zip(golden) {
        command_stays(command, golden);
    }
}

#[test]
fn a_request_with_a_token_keeps_its_bytes() {
    let once = |window_ms| Once {
        fingerprint: fingerprint(),
        window_ms,
    };
    let command = Command::AcceptRequests(AcceptRequests {
        requests: vec![Incoming {
            id: RequestId::mint(AT, GroupId(2), 3),
            source: SourceId(4),
            record: b"r",
            body: Some(0),
            verdict: Verdict::Once {
                token: once(1000),
                keyed: Keyed {
                    once: Some(once(1000)),
                    keep_ignored: 100,
                    ..Keyed::default()
                },
            },
        }],
    });
    command_stays(
        &command,
        "010001fe000003000000000002000068e5cf8b010401720100041fd2d748d0353fbd07c5dbad39bde510fbe803011fd2d748d0353fbd07c5dbad39bde510fbe8030000000064",
    );
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
        (Reply::Mended(true), "1101"),
        (
            Reply::Observed(ObserveReply::Kept { index: 300 }),
            "1200fb2c01",
        ),
        (Reply::Observed(ObserveReply::Refused), "1201"),
    ];
    for (reply, golden) in cases {
        assert_eq!(hex::encode(reply.encode()), golden, "{reply:?}");
        assert_eq!(decode_reply(&reply.encode()).ok(), Some(reply));
    }
}
