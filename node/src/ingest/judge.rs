//! What becomes of a request that was read whole: the plan of its events, or the cause of its rejection.

use crate::{config::Ingest, error::Refused};
use bytes::Bytes;
use model::{
    catalog::{Catalog, Source},
    ids::SourceId,
    machine::Verdict,
    policy::{route, signature},
    state::codec,
    time::Timestamp,
    traffic::{RejectionCause, Request, RequestRecord},
};

/// A request with its fate, ready to be proposed.
#[derive(Debug)]
pub(super) struct Judged {
    pub(super) source: SourceId,
    /// A `RequestRecord`, encoded.
    pub(super) record: Vec<u8>,
    pub(super) body: Bytes,
    pub(super) verdict: Verdict,
}

/// A request that was read whole.
pub(super) struct Arrived {
    pub(super) record: RequestRecord,
    pub(super) body: Bytes,
    /// It came with the operator's token instead of a sender's signature.
    pub(super) vouched: bool,
}

/// Decides. Pure, and long only for a large body whose signature must be checked.
pub(super) fn judge(
    catalog: &Catalog,
    source: &Source,
    arrived: Arrived,
    now: Timestamp,
    bounds: &Ingest,
) -> Judged {
    let Arrived {
        record,
        body,
        vouched,
    } = arrived;
    if let Some(cause) = route::refusal(source, &record.method) {
        return rejected(&record, body, cause, bounds);
    }
    let request = Request::received(record, body);
    let checked = if vouched {
        Ok(signature::vouched_for(request))
    } else {
        signature::verify(source, request)
    };
    let verified = match checked {
        Ok(verified) => verified,
        Err(refused) => {
            // For the admin only; a sender that guesses learns nothing from its answer.
            tracing::debug!(source = %source.id, diagnosis = %refused.diagnosis, "signature refused");
            let cause = RejectionCause::VerificationFailed;
            return rejected(&refused.record, refused.body, cause, bounds);
        }
    };
    match route::plan(catalog, &verified, now, bounds.rejected_kept_per_source) {
        Verdict::Rejected { cause, .. } => rejected(&verified.record, verified.body, cause, bounds),
        verdict @ Verdict::Accepted { .. } => Judged {
            source: source.id,
            record: codec::encode(&verified.record),
            body: verified.body,
            verdict,
        },
    }
}

fn rejected(record: &RequestRecord, body: Bytes, cause: RejectionCause, bounds: &Ingest) -> Judged {
    let kept = body.len() <= bounds.rejected_max_body_bytes;
    Judged {
        source: record.source_id,
        record: codec::encode(record),
        body: if kept { body } else { Bytes::new() },
        verdict: Verdict::Rejected {
            cause,
            keep: bounds.rejected_kept_per_source,
        },
    }
}

/// What the sender is told about a rejection. One answer for everything that a forger could learn from.
pub(super) fn refusal(source: &Source, cause: RejectionCause) -> Refused {
    match cause {
        RejectionCause::UnsupportedHttpMethod => {
            let allowed = &source.allowed_http_methods;
            Refused::MethodNotAllowed(if allowed.is_empty() {
                "POST, PUT, PATCH, DELETE".into()
            } else {
                allowed.join(", ")
            })
        }
        _ => Refused::Rejected,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::{
        catalog::{Connection, Item, Secret, SourceType},
        ids::{ConnectionId, DestinationId},
    };

    const NOW: Timestamp = Timestamp(1_000);

    fn source(source_type: SourceType) -> Source {
        Source {
            id: SourceId(1),
            name: "shop".into(),
            description: None,
            source_type,
            allowed_http_methods: Vec::new(),
            custom_response: None,
            disabled_at: None,
            created_at: NOW,
            updated_at: NOW,
        }
    }

    fn catalog(source: &Source, connected: bool) -> Catalog {
        let mut catalog = Catalog::default();
        catalog.insert(Item::Source(source.clone()));
        if connected {
            catalog.insert(Item::Connection(Connection {
                id: ConnectionId(2),
                name: None,
                description: None,
                source_id: source.id,
                destination_id: DestinationId(3),
                rules: Vec::new(),
                disabled_at: None,
                created_at: NOW,
                updated_at: NOW,
            }));
        }
        catalog
    }

    fn arrived(method: &str, body: Bytes) -> Arrived {
        let record = RequestRecord {
            source_id: SourceId(1),
            received_at: NOW,
            method: method.into(),
            path: String::new(),
            query: String::new(),
            headers: Vec::new(),
            verified: false,
        };
        Arrived {
            record,
            body,
            vouched: false,
        }
    }

    fn cause(source: &Source, connected: bool, method: &str) -> Option<RejectionCause> {
        let bounds = Ingest::default();
        let catalog = catalog(source, connected);
        match judge(
            &catalog,
            source,
            arrived(method, Bytes::new()),
            NOW,
            &bounds,
        )
        .verdict
        {
            Verdict::Rejected { cause, .. } => Some(cause),
            Verdict::Accepted { .. } => None,
        }
    }

    #[test]
    fn a_connected_source_takes_a_post_and_not_a_get() {
        let source = source(SourceType::Webhook);
        assert_eq!(cause(&source, true, "POST"), None);
        let get = cause(&source, true, "GET");
        assert_eq!(get, Some(RejectionCause::UnsupportedHttpMethod));
    }

    #[test]
    fn a_request_without_a_signature_is_rejected_and_never_routed() {
        let source = source(SourceType::Github {
            secret: Secret::new("It's a Secret to Everybody".into()),
        });
        assert_eq!(
            cause(&source, true, "POST"),
            Some(RejectionCause::VerificationFailed)
        );
        let vouched = Arrived {
            vouched: true,
            ..arrived("POST", Bytes::new())
        };
        let judged = judge(
            &catalog(&source, true),
            &source,
            vouched,
            NOW,
            &Ingest::default(),
        );
        assert!(matches!(judged.verdict, Verdict::Accepted { .. }));
    }

    #[test]
    fn a_disabled_and_an_unconnected_source_reject_with_their_cause() {
        let mut source = source(SourceType::Webhook);
        assert_eq!(
            cause(&source, false, "POST"),
            Some(RejectionCause::NoConnection)
        );
        source.disabled_at = Some(NOW);
        assert_eq!(
            cause(&source, true, "POST"),
            Some(RejectionCause::SourceDisabled)
        );
    }

    #[test]
    fn a_large_body_of_a_rejected_request_is_not_kept() {
        let source = source(SourceType::Webhook);
        let catalog = catalog(&source, false);
        let bounds = Ingest::default();
        let body = Bytes::from(vec![0; bounds.rejected_max_body_bytes + 1]);
        let judged = judge(&catalog, &source, arrived("POST", body), NOW, &bounds);
        assert!(judged.body.is_empty());
    }

    #[test]
    fn causes_that_a_forger_could_tell_apart_share_one_answer() {
        let source = source(SourceType::Webhook);
        for cause in [
            RejectionCause::VerificationFailed,
            RejectionCause::SourceDisabled,
            RejectionCause::NoConnection,
        ] {
            assert_eq!(refusal(&source, cause), Refused::Rejected);
        }
    }
}
