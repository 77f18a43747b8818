//! The judgement of a request that was read whole: the plan of its events, or the cause of its rejection.

use super::refused::Refused;
use crate::config::Ingest;
use bytes::Bytes;
use model::{
    catalog::{Catalog, Source},
    ids::SourceId,
    machine::Verdict,
    policy::{
        placement::Placement,
        route::{self, Kept, Plan},
        signature::{self, Answer, Finding, KeyRequest, Keys, registry},
    },
    state::codec,
    time::Timestamp,
    traffic::{Origin, RejectionCause, Request, RequestRecord, Verified},
};

/// A request with its fate, ready to be proposed.
#[derive(Debug)]
pub(super) struct Judged {
    pub(super) source: SourceId,
    /// A `RequestRecord`, encoded.
    pub(super) record: Vec<u8>,
    pub(super) body: Bytes,
    pub(super) verdict: Verdict,
    /// The place of the secret that proved it.
    pub(super) secret: Option<u8>,
    /// The source lacks what it would verify by: the sender is asked to come again, when the admin has mended it.
    pub(super) unfinished: bool,
    /// Which partition takes it.
    pub(super) placement: Placement,
}

/// What a connection's event, or a connection that ignored the request, takes in a proposal.
const CONNECTION_BYTES: usize = 64;

impl Judged {
    /// The size of the request in a proposal, in bytes, or a little more.
    pub(super) fn proposed_bytes(&self) -> usize {
        let connections = match &self.verdict {
            Verdict::Accepted { events, ignored } => events.len() + ignored.len(),
            Verdict::Routed {
                events, ignored, ..
            } => events.len() + ignored.len(),
            // Those that are to come once carry what they are known by.
            Verdict::Keyed(keyed) | Verdict::Once { keyed, .. } => {
                2 * keyed.events.len() + keyed.ignored.len()
            }
            Verdict::Rejected { .. } => 0,
        };
        self.body.len() + self.record.len() + connections * CONNECTION_BYTES
    }
}

/// The judgement of a request: its plan, a handshake's answer, or the key that is missing.
#[derive(Debug)]
pub(super) enum Judgement {
    Judged(Judged),
    /// A handshake, which is answered and not stored.
    Answered(Box<Answer>),
    /// It can be judged once this document is there.
    NeedsKey(Box<KeyRequest>, Arrived),
}

/// A request that was read whole.
#[derive(Debug)]
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
    keys: &dyn Keys,
    bounds: &Ingest,
) -> Judgement {
    let Arrived {
        record,
        body,
        vouched,
    } = arrived;
    let url = signature::told_url(source, &bounds.public_url, &record);
    let request = Request::received(record, body);
    if let Some(cause) = route::refusal(source, &request.record.method) {
        // A handshake may come by a method that events don't.
        let other_method = cause == RejectionCause::UnsupportedHttpMethod;
        if !other_method || vouched || !signature::is_handshake(source, &request, &url, now) {
            return rejected(source, request.record, request.body, cause, bounds);
        }
    }
    let finding = if vouched {
        Finding::Verified(signature::vouched_for(request))
    } else {
        signature::examine(source, request, &url, now, keys)
    };
    let verified = match finding {
        Finding::Verified(verified) => verified,
        Finding::Answered(answer) => return Judgement::Answered(answer),
        Finding::NeedsKey(key, request) => {
            let arrived = Arrived {
                record: request.record,
                body: request.body,
                vouched,
            };
            return Judgement::NeedsKey(key, arrived);
        }
        // Its record says why, for the admin; a sender that guesses learns nothing from its answer.
        Finding::Rejected(refused) => {
            let cause = RejectionCause::VerificationFailed;
            return rejected(source, refused.record, refused.body, cause, bounds);
        }
    };
    let Origin::Proven { secret } = verified.record.origin else {
        return routed(catalog, source, verified, None, now, bounds);
    };
    routed(catalog, source, verified, secret, now, bounds)
}

fn routed(
    catalog: &Catalog,
    source: &Source,
    verified: Request<Verified>,
    secret: Option<u8>,
    now: Timestamp,
    bounds: &Ingest,
) -> Judgement {
    let kept = Kept {
        rejected_per_source: bounds.rejected_kept_per_source,
        ignored_per_request: bounds.ignored_kept_per_request,
    };
    let Plan { verdict, placement } = route::plan(catalog, &verified, now, kept);
    if let Verdict::Rejected { cause, .. } = verdict {
        return rejected(source, verified.record, verified.body, cause, bounds);
    }
    let Request {
        mut record, body, ..
    } = verified;
    signature::redact(&mut record, &source.verification);
    Judgement::Judged(Judged {
        source: source.id,
        record: codec::encode(&record),
        body,
        verdict,
        secret,
        unfinished: false,
        placement,
    })
}

fn rejected(
    source: &Source,
    mut record: RequestRecord,
    body: Bytes,
    cause: RejectionCause,
    bounds: &Ingest,
) -> Judgement {
    signature::redact(&mut record, &source.verification);
    let kept = body.len() <= bounds.rejected_max_body_bytes;
    Judgement::Judged(Judged {
        source: record.source_id,
        record: codec::encode(&record),
        body: if kept { body } else { Bytes::new() },
        verdict: Verdict::Rejected {
            cause,
            keep: bounds.rejected_kept_per_source,
        },
        secret: None,
        unfinished: matches!(&record.origin, Origin::Refused(why) if why.is_of_the_source()),
        placement: Placement::Any,
    })
}

/// A request whose body could not be read.
pub(super) fn unread(
    source: &Source,
    mut record: RequestRecord,
    cause: RejectionCause,
    bounds: &Ingest,
) -> Judged {
    signature::redact(&mut record, &source.verification);
    Judged {
        source: record.source_id,
        record: codec::encode(&record),
        body: Bytes::new(),
        verdict: Verdict::Rejected {
            cause,
            keep: bounds.rejected_kept_per_source,
        },
        secret: None,
        unfinished: false,
        placement: Placement::Any,
    }
}

/// The refusal that the sender of a judged request is told; none where it was accepted.
pub(super) fn refused(source: &Source, judged: &Judged) -> Option<Refused> {
    match judged.verdict {
        Verdict::Rejected { .. } if judged.unfinished => Some(Refused::Unavailable),
        Verdict::Rejected { cause, .. } => Some(refusal(source, cause)),
        _ => None,
    }
}

/// The refusal that the sender is told for a cause of rejection. One answer for everything that a forger could learn
/// from.
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
        _ => {
            let provider = registry::find(&source.verification.scheme);
            let (status, empty) = provider.map_or((403, false), |provider| {
                (provider.refused_status, provider.accepted == Some(("", "")))
            });
            Refused::Rejected {
                status,
                empty,
                cause: None,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::{
        catalog::{Connection, Item, Verification},
        ids::{ConnectionId, DestinationId},
        kit,
        policy::signature::NoKeys,
    };

    const NOW: Timestamp = Timestamp(1_000);

    fn source(verification: Verification) -> Source {
        Source {
            verification,
            created_at: NOW,
            updated_at: NOW,
            ..kit::source()
        }
    }

    fn catalog(source: &Source, connected: bool) -> Catalog {
        let mut catalog = Catalog::default();
        catalog.insert(Item::Source(source.clone()));
        if connected {
            catalog.insert(Item::Connection(Connection {
                id: ConnectionId(2),
                source_id: source.id,
                destination_id: DestinationId(3),
                created_at: NOW,
                updated_at: NOW,
                ..kit::connection()
            }));
        }
        catalog
    }

    fn arrived(method: &str, body: Bytes) -> Arrived {
        let record = RequestRecord {
            received_at: NOW,
            method: method.into(),
            ..kit::record()
        };
        Arrived {
            record,
            body,
            vouched: false,
        }
    }

    fn judged(catalog: &Catalog, source: &Source, arrived: Arrived) -> Judged {
        match judge(catalog, source, arrived, NOW, &NoKeys, &Ingest::default()) {
            Judgement::Judged(judged) => judged,
            other => panic!("{other:?}"),
        }
    }

    fn cause(source: &Source, connected: bool, method: &str) -> Option<RejectionCause> {
        let arrived = arrived(method, Bytes::new());
        match judged(&catalog(source, connected), source, arrived).verdict {
            Verdict::Rejected { cause, .. } => Some(cause),
            _ => None,
        }
    }

    #[test]
    fn a_connected_source_takes_a_post_and_not_a_get() {
        let source = source(Verification::none());
        assert_eq!(cause(&source, true, "POST"), None);
        let get = cause(&source, true, "GET");
        assert_eq!(get, Some(RejectionCause::UnsupportedHttpMethod));
    }

    #[test]
    fn a_request_without_a_signature_is_rejected_and_never_routed() {
        let source = source(Verification::with_secret(
            "GITHUB",
            "It's a Secret to Everybody",
        ));
        assert_eq!(
            cause(&source, true, "POST"),
            Some(RejectionCause::VerificationFailed)
        );
        let vouched = Arrived {
            vouched: true,
            ..arrived("POST", Bytes::new())
        };
        let judged = judged(&catalog(&source, true), &source, vouched);
        assert!(judged.verdict.is_accepted());
    }

    #[test]
    fn a_source_without_a_live_secret_asks_to_come_again_and_keeps_the_request() {
        let mut source = source(Verification::with_secret(
            "API_KEY",
            "a key of sixteen bytes",
        ));
        let catalog = catalog(&source, true);
        let wrong = judged(&catalog, &source, arrived("POST", Bytes::new()));
        let uniform = refusal(&source, RejectionCause::VerificationFailed);
        assert_eq!(refused(&source, &wrong), Some(uniform));

        source.verification.secrets[0].expires_at = Some(NOW);
        let mut with_key = arrived("POST", Bytes::new());
        let key = Bytes::from_static(b"a key of sixteen bytes");
        with_key.record.headers.push(("x-api-key".into(), key));
        let expired = judged(&catalog, &source, with_key);
        assert!(matches!(expired.verdict, Verdict::Rejected { .. }));
        assert_eq!(refused(&source, &expired), Some(Refused::Unavailable));
    }

    #[test]
    fn a_source_that_was_not_given_its_secret_yet_asks_to_come_again_whatever_comes() {
        for name in ["STRIPE", "AIPRISE", "AWS_SNS", "BASIC_AUTH"] {
            let source = source(Verification::of(name));
            let judged = judged(
                &catalog(&source, true),
                &source,
                arrived("POST", Bytes::from_static(b"{}")),
            );
            assert!(matches!(judged.verdict, Verdict::Rejected { .. }), "{name}");
            assert_eq!(
                refused(&source, &judged),
                Some(Refused::Unavailable),
                "{name}"
            );
        }
    }

    #[test]
    fn a_disabled_and_an_unconnected_source_reject_with_their_cause() {
        let mut source = source(Verification::none());
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
    fn a_rejected_request_shows_no_secret_of_its_source_whether_it_was_read_or_not() {
        const SECRET: &str = "a-token-of-gitlab-s";
        let source = source(Verification::with_secret("GITLAB", SECRET));
        let mut unread_one = arrived("POST", Bytes::new());
        unread_one.record.path = format!("/hooks/{SECRET}");
        unread_one.record.query = format!("t={SECRET}");
        let shown = Bytes::from_static(SECRET.as_bytes());
        unread_one
            .record
            .headers
            .push(("x-gitlab-token".into(), shown));
        let mut read = arrived("POST", Bytes::new());
        read.record = unread_one.record.clone();
        read.record.headers.clear();
        let cause = RejectionCause::PayloadTooLarge;
        for judged in [
            unread(&source, unread_one.record, cause, &Ingest::default()),
            judged(&catalog(&source, true), &source, read),
        ] {
            assert!(matches!(judged.verdict, Verdict::Rejected { .. }));
            let kept = String::from_utf8_lossy(&judged.record);
            assert!(!kept.contains(SECRET) && kept.contains("/hooks/"), "{kept}");
        }
    }

    #[test]
    fn a_large_body_of_a_rejected_request_is_not_kept() {
        let source = source(Verification::none());
        let catalog = catalog(&source, false);
        let body = Bytes::from(vec![0; Ingest::default().rejected_max_body_bytes + 1]);
        let judged = judged(&catalog, &source, arrived("POST", body));
        assert!(judged.body.is_empty());
    }

    #[test]
    fn causes_that_a_forger_could_tell_apart_share_one_answer() {
        let source = source(Verification::none());
        for cause in [
            RejectionCause::VerificationFailed,
            RejectionCause::SourceDisabled,
            RejectionCause::NoConnection,
        ] {
            let uniform = Refused::Rejected {
                status: 403,
                empty: false,
                cause: None,
            };
            assert_eq!(refusal(&source, cause), uniform);
        }
    }
}
