//! Test fixtures: one of each thing that people configure and senders send, plain and valid. A test writes down what
//! matters to it and takes the rest from here (`Connection { rules, ..kit::connection() }`), so that a further field is
//! added in one place.

use crate::{
    catalog::{
        Connection, Destination, DestinationKind, HttpTarget, RatePeriod, RequestTemplate, Secret,
        Source, Verification, Wishes,
    },
    ids::{ConnectionId, DestinationId, SourceId},
    time::Timestamp,
    traffic::{Attempt, HttpRecord, Origin, Outcome, RequestRecord, TransportRecord, Trigger},
};
use bytes::Bytes;

/// Source 1, which takes whatever is posted.
pub fn source() -> Source {
    Source {
        id: SourceId(1),
        name: "shop".into(),
        description: None,
        verification: Verification::none(),
        allowed_http_methods: Vec::new(),
        custom_response: None,
        deduplicate: None,
        ordering_key: Vec::new(),
        disabled_at: None,
        created_at: Timestamp(0),
        updated_at: Timestamp(0),
    }
}

/// Connection 1, from source 1 to destination 1, without a name and without rules.
pub fn connection() -> Connection {
    Connection {
        id: ConnectionId(1),
        name: None,
        description: None,
        source_id: SourceId(1),
        destination_id: DestinationId(1),
        rules: Vec::new(),
        disabled_at: None,
        paused_at: None,
        created_at: Timestamp(0),
        updated_at: Timestamp(0),
    }
}

/// Destination 1, an HTTP server of nobody's, as fast as it can.
pub fn destination() -> Destination {
    Destination {
        id: DestinationId(1),
        name: "sink".into(),
        description: None,
        kind: server("https://a.example/"),
        rate_limit: None,
        rate_limit_period: RatePeriod::Second,
        timeout_ms: None,
        wishes: Wishes::default(),
        disabled_at: None,
        created_at: Timestamp(0),
        updated_at: Timestamp(0),
    }
}

/// An HTTP server at a URL, whose requests go on as they came.
pub fn server(url: &str) -> DestinationKind {
    DestinationKind::Http(HttpTarget {
        url: url.to_owned(),
        request: request_template(),
    })
}

/// What changes nothing of a request but to sign it.
pub fn request_template() -> RequestTemplate {
    RequestTemplate::plain(Secret::new("whsec_".into()))
}

/// A first attempt of node 1 at a server, which said yes.
pub fn attempt() -> Attempt {
    Attempt {
        trigger: Trigger::Initial,
        node: 1,
        started_at: Timestamp(0),
        finished_at: Timestamp(0),
        outcome: Outcome::answered(200, Bytes::new(), None),
        transport: posted("http://receiver/"),
    }
}

/// The record of a post to a URL that keeps nothing else of it.
pub fn posted(url: &str) -> TransportRecord {
    TransportRecord::Http(Box::new(HttpRecord {
        requested_url: url.to_owned(),
        http_method: "POST".into(),
        ..HttpRecord::default()
    }))
}

/// A post to source 1 without path, query, headers and proof.
pub fn record() -> RequestRecord {
    RequestRecord {
        source_id: SourceId(1),
        received_at: Timestamp(0),
        method: "POST".into(),
        path: String::new(),
        query: String::new(),
        headers: Vec::new(),
        origin: Origin::Unproven,
    }
}
