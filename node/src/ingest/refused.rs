//! Refusals of requests, each with its status code: why a sender got no 2xx. Bodies are uniform: they help no one to
//! guess.

use actix_web::{
    HttpResponse, HttpResponseBuilder, ResponseError,
    http::{StatusCode, header},
};
use model::{door::Fault, machine::Verdict, traffic::RejectionCause};
use std::fmt;

/// The reason why a request was not accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    /// No source has this id or name.
    UnknownSource,
    /// The publishing token is missing or wrong.
    Unauthorized,
    /// The source does not take this method; the ones that it takes.
    MethodNotAllowed(String),
    /// The source's rules rejected it. Why is for the admin to see.
    Rejected {
        /// What the provider expects; 403 for most.
        status: u16,
        /// Some providers take no body.
        empty: bool,
        /// Why, for whoever published with a token of the operator's: a sender that proves nothing is told nothing.
        cause: Option<RejectionCause>,
    },
    /// Nobody could read the request.
    Malformed(Fault),
    /// The path behind the source's id could lead a receiver elsewhere; what was expected.
    UnsafePath(&'static str),
    BodyTooLarge,
    BodyTooSlow,
    /// The body ended early or its framing is broken.
    BodyBroken,
    /// `x-tidegate-source-name` is missing.
    SourceNameMissing,
    /// This node has as many requests in flight as it may, or as many of this sender.
    TooMany,
    /// The same, with a body that is not read any further.
    NoRoom,
    /// Too many wrong tokens have come from there.
    TooManyTokens,
    /// No majority, or no answer in time: the request may have been accepted, so a sender tries again.
    Unavailable,
}

impl Refused {
    /// The label of this refusal in the metrics.
    pub(crate) fn reason(&self) -> &'static str {
        match self {
            Self::UnknownSource => "unknown_source",
            Self::Unauthorized => "unauthorized",
            Self::MethodNotAllowed(_) => "method",
            Self::Rejected { .. } => "rejected",
            Self::Malformed(fault) => fault.name(),
            Self::UnsafePath(_) => "unsafe_path",
            Self::BodyTooLarge => "body_too_large",
            Self::BodyTooSlow => "body_too_slow",
            Self::BodyBroken => "body_broken",
            Self::SourceNameMissing => "source_name_missing",
            Self::TooMany | Self::NoRoom => "too_many",
            Self::TooManyTokens => "too_many_tokens",
            Self::Unavailable => "unavailable",
        }
    }

    /// The same with its cause, for those who have proven that they are the operator's.
    pub(super) fn told_why(self, verdict: &Verdict) -> Self {
        match (self, verdict) {
            (Self::Rejected { status, empty, .. }, Verdict::Rejected { cause, .. }) => {
                let cause = Some(*cause);
                Self::Rejected {
                    status,
                    empty,
                    cause,
                }
            }
            (other, _) => other,
        }
    }

    /// Whether bytes of the body may still be on their way, so that the connection can't be used again.
    fn leaves_body_unread(&self) -> bool {
        matches!(
            self,
            Self::BodyTooLarge
                | Self::BodyTooSlow
                | Self::BodyBroken
                | Self::Malformed(_)
                | Self::NoRoom
        )
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Malformed(fault) => return fault.fmt(f),
            Self::UnknownSource => "no such source",
            Self::Unauthorized => "expected a valid bearer token",
            Self::MethodNotAllowed(_) => "the source does not take this method",
            Self::Rejected {
                cause: Some(cause), ..
            } => return write!(f, "the request was rejected: {}", cause.name()),
            Self::Rejected { cause: None, .. } => "the request was rejected",
            Self::UnsafePath(expected) => expected,
            Self::BodyTooLarge => "the body is too large",
            Self::BodyTooSlow => "the body took too long",
            Self::BodyBroken => "the body ended too early",
            Self::SourceNameMissing => "expected the header x-tidegate-source-name",
            Self::TooMany | Self::NoRoom => "too many requests in flight, try again",
            Self::TooManyTokens => "too many wrong tokens from this address, try again later",
            Self::Unavailable => "not accepted yet, try again",
        })
    }
}

impl ResponseError for Refused {
    fn status_code(&self) -> StatusCode {
        match self {
            Self::UnknownSource => StatusCode::NOT_FOUND,
            Self::Unauthorized => StatusCode::UNAUTHORIZED,
            Self::MethodNotAllowed(_) => StatusCode::METHOD_NOT_ALLOWED,
            Self::Rejected { status, .. } => {
                StatusCode::from_u16(*status).unwrap_or(StatusCode::FORBIDDEN)
            }
            Self::Malformed(Fault::TargetTooLong) => StatusCode::URI_TOO_LONG,
            Self::Malformed(Fault::HeadTooLarge) => StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            Self::Malformed(Fault::HeadTooSlow) => StatusCode::REQUEST_TIMEOUT,
            Self::Malformed(_) => StatusCode::BAD_REQUEST,
            Self::BodyTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::BodyTooSlow => StatusCode::REQUEST_TIMEOUT,
            Self::BodyBroken | Self::SourceNameMissing | Self::UnsafePath(_) => {
                StatusCode::BAD_REQUEST
            }
            Self::TooMany | Self::NoRoom | Self::TooManyTokens => StatusCode::TOO_MANY_REQUESTS,
            Self::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    fn error_response(&self) -> HttpResponse {
        let mut response: HttpResponseBuilder = HttpResponse::build(self.status_code());
        match self {
            Self::MethodNotAllowed(allow) => {
                response.insert_header((header::ALLOW, allow.as_str()));
            }
            Self::Unauthorized => {
                response.insert_header((header::WWW_AUTHENTICATE, "Bearer"));
            }
            Self::TooMany | Self::NoRoom | Self::TooManyTokens | Self::Unavailable => {
                response.insert_header((header::RETRY_AFTER, "1"));
            }
            _ => {}
        }
        if self.leaves_body_unread() {
            response.force_close();
        }
        if matches!(self, Self::Rejected { empty: true, .. }) {
            return response.finish();
        }
        response.json(serde_json::json!({"status": "REJECTED", "message": self.to_string()}))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn overload_always_says_when_to_come_back() {
        for refused in [
            Refused::TooMany,
            Refused::NoRoom,
            Refused::TooManyTokens,
            Refused::Unavailable,
        ] {
            let response = refused.error_response();
            assert!(
                response.headers().contains_key(header::RETRY_AFTER),
                "{refused:?}"
            );
        }
    }

    #[test]
    fn a_refused_method_is_told_which_ones_are_taken() {
        let response = Refused::MethodNotAllowed("POST, PUT".into()).error_response();
        assert_eq!(response.status(), 405);
        assert_eq!(
            response.headers().get(header::ALLOW).expect("Allow"),
            "POST, PUT"
        );
    }
}
