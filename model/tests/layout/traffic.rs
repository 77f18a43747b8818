//! Requests, events, attempts and what is kept beside them.

use crate::{AT, stays};
use bytes::Bytes;
use model::{
    envelope::PayloadRef,
    fingerprint::{Fingerprint, Scope},
    ids::{ConnectionId, DestinationId, GroupId, RequestId, SourceId, TransformationId},
    policy::document,
    state::codec,
    traffic::{
        Attempt, ConsoleLine, ErrorCode, Event, EventStatus, Execution, Filing, HttpRecord,
        IgnoreCause, Ignored, IgnoredMeta, LineLevel, LogLevel, Origin, Outcome, RejectionCause,
        RequestRecord, RequestState, Seen, StoredRequest, TransformationUse, TransportRecord,
        Trigger, Turn,
        http_record::{Sent, Timing},
    },
};

pub(crate) fn record() -> RequestRecord {
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

pub(crate) fn stored_request() -> StoredRequest {
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

pub(crate) fn event() -> Event {
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

pub(crate) fn fingerprint() -> Fingerprint {
    Fingerprint::default().within(Scope::Order, 1)
}

pub(crate) fn attempt() -> Attempt {
    Attempt {
        trigger: Trigger::Manual,
        node: 3,
        started_at: AT,
        finished_at: AT.plus_ms(9),
        outcome: Outcome {
            retry_after_ms: Some(1000),
            ..Outcome::failed_because(ErrorCode::Unknown, "no")
        },
        transport: TransportRecord::Http(Box::new(http_record())),
    }
}

pub(crate) fn http_record() -> HttpRecord {
    HttpRecord {
        requested_url: "http://a/".into(),
        http_method: "PUT".into(),
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
    }
}

/// The same, as the first layout had it.
pub(crate) fn first_attempt() -> Attempt {
    Attempt {
        transport: TransportRecord::Http(Box::new(HttpRecord {
            requested_url: "http://a/".into(),
            http_method: "PUT".into(),
            ..HttpRecord::default()
        })),
        ..attempt()
    }
}

pub(crate) fn ignored() -> Ignored {
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

pub(crate) fn duplicate() -> Ignored {
    let first = RequestId::mint(AT, GroupId(2), 3).event(1);
    Ignored {
        cause: IgnoreCause::Duplicate,
        meta: Some(IgnoredMeta::Duplicate { first }),
        ..ignored()
    }
}

pub(crate) fn seen() -> Seen {
    Seen {
        first: RequestId::mint(AT, GroupId(2), 3).event(0),
        expires_at: AT,
    }
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
fn a_stored_filing_keeps_its_bytes() {
    let filing = Filing {
        index: 300,
        accepted_at: AT,
        stamped_at: AT.plus_ms(9),
    };
    let golden = "01fb2c01fd0068e5cf8b010000fd0968e5cf8b010000";
    stays(&filing, golden);
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

#[test]
fn an_attempt_that_came_to_no_request_keeps_its_bytes() {
    let unsent = Attempt {
        outcome: Outcome::failed(ErrorCode::MissingUrl),
        transport: TransportRecord::Unsent,
        ..attempt()
    };
    stays(
        &unsent,
        "0202030000fd0068e5cf8b010000fd0968e5cf8b010000000105000000000000000000",
    );
}

/// Twice on each disk: in the log for a while, and in the state. What a usual webhook's attempt takes must not outweigh
/// the webhook.
#[test]
fn a_usual_attempt_is_lean() {
    let header = |name: &str, value: &'static str| (name.to_owned(), Bytes::from(value));
    let usual = Attempt {
        outcome: Outcome::answered(200, Bytes::from_static(b"ok"), None),
        transport: TransportRecord::Http(Box::new(HttpRecord {
            requested_url: "https://shop.example.com/webhooks/orders".into(),
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
            ..http_record()
        })),
        ..attempt()
    };
    let (first, now) = (
        codec::encode(&first_attempt()).len(),
        codec::encode(&usual).len(),
    );
    assert!(now <= 320, "{now} bytes; {first} without a trace");
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

pub(crate) fn used() -> TransformationUse {
    TransformationUse {
        id: TransformationId(6),
        version: 300,
    }
}

pub(crate) fn line() -> ConsoleLine {
    ConsoleLine {
        level: LineLevel::Fatal,
        message: "m".into(),
    }
}

pub(crate) fn execution() -> Execution {
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

pub(crate) fn event_id() -> model::ids::EventId {
    RequestId::mint(AT, GroupId(2), 3).event(1)
}
