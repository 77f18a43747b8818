//! Which connections take a request, and when each first attempt is due.

mod index;
mod router;

pub use router::Router;

use super::document::Document;
use crate::{
    catalog::{Catalog, Source},
    machine::Verdict,
    time::Timestamp,
    traffic::{RejectionCause, Request, Verified},
};

/// How much of what did not come through is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kept {
    /// Rejected requests of a source; older ones make room.
    pub rejected_per_source: u32,
    /// Ignored events of a request; further ones are counted.
    pub ignored_per_request: usize,
}

/// Plans a verified request over the connections of its source. Only the rules before the first transformation run here.
#[must_use]
pub fn plan(catalog: &Catalog, request: &Request<Verified>, now: Timestamp, kept: Kept) -> Verdict {
    let Some(router) = catalog.router(request.record.source_id) else {
        return Verdict::Rejected {
            cause: RejectionCause::NoConnection,
            keep: kept.rejected_per_source,
        };
    };
    let document = Document::of(&request.record, &request.body);
    router.plan(&document, now, kept.ignored_per_request)
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
