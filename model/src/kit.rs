//! Test fixtures: one of each thing that people configure and senders send, plain and valid. A test writes down what
//! matters to it and takes the rest from here (`Connection { rules, ..kit::connection() }`), so that a further field is
//! added in one place.

use crate::{
    catalog::{
        Connection, Destination, Outbound, RatePeriod, Secret, Source, Verification, Wishes,
    },
    ids::{ConnectionId, DestinationId, SourceId},
    time::Timestamp,
    traffic::{Origin, RequestRecord},
};

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
        url: "https://a.example/".into(),
        http_method: None,
        path_forwarding: true,
        rate_limit: None,
        rate_limit_period: RatePeriod::Second,
        signing_secret: Secret::new("whsec_".into()),
        outbound: Outbound::default(),
        wishes: Wishes::default(),
        disabled_at: None,
        created_at: Timestamp(0),
        updated_at: Timestamp(0),
    }
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
