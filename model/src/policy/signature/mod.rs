//! Proves where a request comes from. The only maker of `Request<Verified>`.

mod mac;
mod scheme;

pub use scheme::{Diagnosis, Scheme};

use crate::{
    catalog::{Source, SourceType},
    traffic::{Request, RequestRecord, Unverified, Verified},
};
use bytes::Bytes;

/// A request that its source's scheme did not accept. It comes back so that it can be kept as rejected.
#[derive(Debug)]
pub struct Rejected {
    pub record: RequestRecord,
    pub body: Bytes,
    /// For the admin only: the sender gets one uniform answer.
    pub diagnosis: Diagnosis,
}

/// Verifies a request over its raw bytes with the source's scheme.
///
/// # Errors
/// The request itself with a diagnosis, when the scheme does not accept it.
pub fn verify(
    source: &Source,
    mut request: Request<Unverified>,
) -> Result<Request<Verified>, Box<Rejected>> {
    let Some(scheme) = Scheme::of(&source.source_type) else {
        // `WEBHOOK` proves nothing, and the stored request says so.
        return Ok(request.proven());
    };
    match scheme.check(&request.record, &request.body) {
        Ok(()) => {
            request.record.verified = true;
            Ok(request.proven())
        }
        Err(diagnosis) => Err(Box::new(Rejected {
            record: request.record,
            body: request.body,
            diagnosis,
        })),
    }
}

/// Takes a request that the operator's own token vouches for; no sender's signature is asked of it.
#[must_use]
pub fn vouched_for(mut request: Request<Unverified>) -> Request<Verified> {
    request.record.verified = true;
    request.proven()
}

/// Whether a source of this type proves where its requests come from.
#[must_use]
pub fn proves_origin(source_type: &SourceType) -> bool {
    Scheme::of(source_type).is_some()
}
