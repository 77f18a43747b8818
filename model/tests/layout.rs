//! The bytes of everything that is stored, logged or sent. A test that fails here has found a changed layout: give it
//! the next version, keep reading the old one, and only then write down the new bytes.

use bytes::Bytes;
use model::{
    catalog::{
        Backoff, Connection, Destination, HandshakeKind, Handshaken, Item, LiveSecret, RatePeriod,
        RetryRule, Rule, Secret, Source, Verification,
    },
    envelope::{Envelope, PayloadRef},
    ids::{BookmarkId, ConnectionId, DestinationId, GroupId, OperationId, RequestId, SourceId},
    machine::{
        AcceptRequests, Accepted, Act, AdvanceRetention, AttemptReport, BookmarkChange,
        BookmarkReply, CancelEvent, CancelOperation, Change, ClosePart, Command, Configure,
        EventReply, HoldEvents, Incoming, KeepBookmark, MarkPaused, Next, OpenPart, OperationReply,
        PlanOperation, Planned, PlannedIgnored, RecordAttempts, Recorded, Refusal, ReleaseEvents,
        Reply, ReportPart, RetireNode, RetryEvent, RouteAgain, Verdict, WorkPart, decode_reply,
    },
    state::codec::{self, Stored},
    time::Timestamp,
    traffic::{
        Attempt, Bookmark, ErrorCode, Event, EventStatus, IgnoreCause, Ignored, Operation,
        OperationKind, Origin, Outcome, Part, PartReport, Paused, RejectionCause, RequestRecord,
        RequestState, Stage, StoredRequest, Trigger,
    },
};
use proptest::prelude::*;

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
    }
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
    }
}

fn ignored() -> Ignored {
    Ignored {
        connection_id: ConnectionId(5),
        cause: IgnoreCause::Duplicate,
        created_at: AT,
    }
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
                Rule::Delay { delay: 100 },
                Rule::Retry(RetryRule {
                    strategy: Backoff::Exponential,
                    count: 3,
                    interval: 1000,
                    response_status_codes: Some(vec!["500-599".into()]),
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
        "010102030004fd0068e5cf8b010000fd0168e5cf8b01000001fd0268e5cf8b0100000101fd0368e5cf8b0100000001fbf7010100",
    );
}

#[test]
fn a_stored_attempt_keeps_its_bytes() {
    stays(
        &attempt(),
        "01020309687474703a2f2f612f03505554fd0068e5cf8b010000fd0968e5cf8b010000000114026e6f01fbe803",
    );
}

#[test]
fn a_stored_ignored_event_keeps_its_bytes() {
    stays(&ignored(), "010504fd0068e5cf8b010000");
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

fn part() -> Part {
    Part {
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
fn catalog_items_keep_their_json() {
    let golden = [
        r#"{"kind":"Source","value":{"id":"src_00000000000000000000000001","name":"orders","description":null,"verification":{"type":"HMAC","scheme":"HMAC","secrets":[{"secret":"0123456789abcdef"},{"secret":"fedcba9876543210","expires_at":1700000000001,"last_verified_at":1700000000000}],"fields":{"header_key":"x-sig"},"signed_url":"https://a/b","tolerance_s":60,"handshake":{"kind":"CONFIRM_URL","value":"https://c","at":1700000000000}},"allowed_http_methods":["PUT"],"custom_response":null,"disabled_at":null,"created_at":1700000000000,"updated_at":1700000000000}}"#,
        r#"{"kind":"Destination","value":{"id":"des_00000000000000000000000002","name":"shop","description":"d","url":"https://a/","http_method":null,"path_forwarding":true,"rate_limit":5,"rate_limit_period":"concurrent","signing_secret":"0123456789abcdef","disabled_at":1700000000000,"created_at":1700000000000,"updated_at":1700000000000}}"#,
        r#"{"kind":"Connection","value":{"id":"web_00000000000000000000000003","name":null,"description":null,"source_id":"src_00000000000000000000000001","destination_id":"des_00000000000000000000000002","rules":[{"type":"delay","delay":100},{"type":"retry","strategy":"exponential","count":3,"interval":1000,"response_status_codes":["500-599"]}],"disabled_at":null,"created_at":1700000000000,"updated_at":1700000000000}}"#,
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
        ignored: vec![PlannedIgnored {
            connection: ConnectionId(3),
            cause: IgnoreCause::Filtered,
        }],
    }
}

/// One command of each kind, in the order of the registry.
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
    vec![
        Command::AcceptRequests(AcceptRequests {
            requests: vec![incoming(accepted), incoming(rejected)],
        }),
        Command::RecordAttempts(RecordAttempts {
            reports: vec![AttemptReport {
                event: request.event(1),
                number: 1,
                attempt: attempt(),
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
        "01070901010102",
        "010801fe010003000000000002000068e5cf8b01010104",
        "010901fbf401",
        "010afe000003000000000002000068e5cf8b010201fe010003000000000002000068e5cf8b01010102fd0068e5cf8b010000010301",
        "010b010203613d62027b7d0105fd0068e5cf8b010000fd0168e5cf8b0100000001fd0268e5cf8b0100000103fb2c0101010864",
        "010c01",
        "010d010203fb2c010101",
        "010e01010203",
        "010f0102030300fe010003000000000002000068e5cf8b0101fe010003000000000002000068e5cf8b0102fe000003000000000002000068e5cf8b010201fe010003000000000002000068e5cf8b01010102fd0068e5cf8b0100000103010401",
        "01100101",
        "011101000102016c01016e017201fd0068e5cf8b010000fd0068e5cf8b010000fd0068e5cf8b010000016209",
        "011101010102016c01016e017201fd0068e5cf8b010000fd0068e5cf8b010000fd0068e5cf8b01000000",
        "01110102",
        "01110103",
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
            Reply::Recorded(vec![Recorded::Counted(EventStatus::Failed), Recorded::Late]),
            "0202000401",
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
        (Reply::Marked(true), "0701"),
        (Reply::Held(300), "08fb2c01"),
        (Reply::Released(false), "0900"),
        (
            Reply::Routed(Some(vec![event_id()])),
            "0a0101fe010003000000000002000068e5cf8b01",
        ),
        (Reply::Routed(None), "0a00"),
        (Reply::Operation(OperationReply::TooMany), "0b03"),
        (
            Reply::Part(Some(part())),
            "0c01fd0068e5cf8b0100000107fe0000000000000000000001000000000003fb2c010101",
        ),
        (Reply::Bookmark(BookmarkReply::TooMany), "0d02"),
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
