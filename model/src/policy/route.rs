//! Routing: which connections take a request, and when each first attempt is due.

mod index;
mod router;

pub use router::Router;

use super::{dedup::Fingerprints, document::Document, placement::Placement};
use crate::{
    catalog::{Catalog, Source},
    ids::ConnectionId,
    machine::{Planned, Unrouted, Verdict},
    time::Timestamp,
    traffic::{RejectionCause, Request, Verified},
};

/// The bounds on what is kept of requests and events that did not come through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kept {
    /// Rejected requests of a source; older ones make room.
    pub rejected_per_source: u32,
    /// Ignored events of a request; further ones are counted.
    pub ignored_per_request: usize,
}

/// The routing plan of a request: its verdict, and its placement on a partition.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    pub verdict: Verdict,
    pub placement: Placement,
}

/// Plans a verified request over the connections of its source. Only the rules before the first transformation run here.
#[must_use]
pub fn plan(catalog: &Catalog, request: &Request<Verified>, now: Timestamp, kept: Kept) -> Plan {
    let source = request.record.source_id;
    let Some(router) = catalog.router(source) else {
        return Plan {
            verdict: Verdict::Rejected {
                cause: RejectionCause::NoConnection,
                keep: kept.rejected_per_source,
            },
            placement: Placement::Any,
        };
    };
    let document = Document::of_request(request);
    let verdict = router.plan(&document, now, kept.ignored_per_request);
    let fingerprints = Fingerprints::new(&document);
    let Some(needs) = catalog.needs_of(source) else {
        return Plan {
            verdict,
            placement: Placement::Any,
        };
    };
    let verdict = router.keyed(
        verdict,
        needs.once(source, &fingerprints),
        needs.order(source, &fingerprints),
        &fingerprints,
        kept.ignored_per_request,
    );
    Plan {
        placement: needs.place(source, request.once, &fingerprints),
        verdict: match request.once {
            Some(token) => {
                let keep = u16::try_from(kept.ignored_per_request).unwrap_or(u16::MAX);
                verdict.with_token(token, keep)
            }
            None => verdict,
        },
    }
}

/// Routes a request to those of its source's connections that are asked: whom it becomes an event for, and who ignores
/// it. Whether it came before, and whose turn it waits for, is not asked.
#[must_use]
pub fn over(
    catalog: &Catalog,
    request: &Request<Verified>,
    now: Timestamp,
    is_asked: impl Fn(ConnectionId) -> bool,
) -> (Vec<Planned>, Vec<Unrouted>) {
    let Some(router) = catalog.router(request.record.source_id) else {
        return Default::default();
    };
    let document = Document::of_request(request);
    let Verdict::Routed {
        mut events,
        mut ignored,
        ..
    } = router.plan(&document, now, usize::from(u16::MAX))
    else {
        return Default::default();
    };
    events.retain(|planned| is_asked(planned.connection));
    ignored.retain(|unrouted| is_asked(unrouted.connection));
    (events, ignored)
}

/// The reason to reject a request before its signature is looked at, if there is one.
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
