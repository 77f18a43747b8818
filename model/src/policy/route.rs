//! Which connections take a request, and when each first attempt is due.

use crate::{
    catalog::{Catalog, Source},
    machine::{Planned, PlannedIgnored, Verdict},
    time::Timestamp,
    traffic::{IgnoreCause, RejectionCause, Request, Verified},
};

/// Plans a verified request over the connections of its source. Only the rules up to the first transformation run here.
#[must_use]
pub fn plan(catalog: &Catalog, request: &Request<Verified>, now: Timestamp, keep: u32) -> Verdict {
    let connections = catalog.connections_of(request.record.source_id);
    if connections.is_empty() {
        return Verdict::Rejected {
            cause: RejectionCause::NoConnection,
            keep,
        };
    }
    let mut events = Vec::new();
    let mut ignored = Vec::new();
    for connection in connections {
        if connection.disabled_at.is_some() {
            ignored.push(PlannedIgnored {
                connection: connection.id,
                cause: IgnoreCause::Disabled,
            });
        } else {
            events.push(Planned {
                connection: connection.id,
                destination: connection.destination_id,
                due_at: now.plus_ms(connection.delay_ms()),
            });
        }
    }
    Verdict::Accepted { events, ignored }
}

/// What stands against a request before its signature is looked at.
#[must_use]
pub fn refusal(source: &Source, method: &str) -> Option<RejectionCause> {
    const DEFAULT_METHODS: [&str; 4] = ["POST", "PUT", "PATCH", "DELETE"];
    if source.disabled_at.is_some() {
        return Some(RejectionCause::SourceDisabled);
    }
    let allowed = if source.allowed_http_methods.is_empty() {
        DEFAULT_METHODS.contains(&method)
    } else {
        source.allowed_http_methods.iter().any(|m| m == method)
    };
    (!allowed).then_some(RejectionCause::UnsupportedHttpMethod)
}
