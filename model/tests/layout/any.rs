//! What was cut, is newer or was never written is refused; what was written with any values reads back.

use crate::{
    issues::{issue, notification, tally},
    observed::{of_destination, of_source},
    replay::{bookmark, operation, part, paused},
    traffic::{attempt, event, execution, http_record, ignored, record, seen, stored_request},
};
use bytes::Bytes;
use model::{
    catalog::Item,
    envelope::PayloadRef,
    ids::{ConnectionId, DestinationId, SourceId},
    machine::{Command, decode_reply},
    state::codec::{self, Stored},
    time::Timestamp,
    traffic::{
        Answer, Attempt, Event, EventStatus, HttpRecord, Origin, Outcome, RequestRecord,
        RequestState, StoredRequest, TransportRecord,
    },
};
use proptest::prelude::*;

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
        refuses_garbage(&of_source(), &garbage)?;
        refuses_garbage(&of_destination(), &garbage)?;
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
            // What waits is due, and what has ended is not.
            status: if due { EventStatus::Queued } else { EventStatus::Failed },
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
        let text = Bytes::from(bytes);
        let answer = match status {
            Some(status) => Answer::Http { status, body: text },
            None => Answer::None { reason: text },
        };
        let outcome = Outcome { answer, ..attempt().outcome };
        let http = HttpRecord { requested_url: url, ..http_record() };
        let transport = TransportRecord::Http(Box::new(http));
        let attempt = Attempt { node, outcome, transport, ..attempt() };
        prop_assert_eq!(codec::decode::<Attempt>(&codec::encode(&attempt)).ok(), Some(attempt));
    }
}
