//! Errors of the API: what stands in the way of an answer, and the body that says so: `{code, status, message, data}`.

use model::door::Fault;
use schemars::JsonSchema;
use serde::Serialize;
use std::fmt;

/// An answer other than 200. Existing clients show the message and nothing else, so it names the field and what was expected.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Problem {
    kind: Kind,
    message: String,
}

/// The kind of a problem, which settles its status and its code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    BadRequest,
    Unauthorized,
    /// Known, and not allowed.
    Forbidden,
    NotFound,
    MethodNotAllowed,
    HeadTooSlow,
    PayloadTooLarge,
    TargetTooLong,
    UnsupportedMediaType,
    Unprocessable,
    /// A part of the API that this version does not have.
    NotImplemented,
    TooManyRequests,
    HeadTooLarge,
    Internal,
    Unavailable,
}

impl Kind {
    /// Every kind there is.
    const ALL: [Self; 15] = [
        Self::BadRequest,
        Self::Unauthorized,
        Self::Forbidden,
        Self::NotFound,
        Self::MethodNotAllowed,
        Self::HeadTooSlow,
        Self::PayloadTooLarge,
        Self::TargetTooLong,
        Self::UnsupportedMediaType,
        Self::Unprocessable,
        Self::NotImplemented,
        Self::TooManyRequests,
        Self::HeadTooLarge,
        Self::Internal,
        Self::Unavailable,
    ];

    /// The status of the answer.
    pub fn status(self) -> u16 {
        match self {
            Self::BadRequest => 400,
            Self::Unauthorized => 401,
            Self::Forbidden => 403,
            Self::NotFound => 404,
            Self::MethodNotAllowed => 405,
            Self::HeadTooSlow => 408,
            Self::PayloadTooLarge => 413,
            Self::TargetTooLong => 414,
            Self::UnsupportedMediaType => 415,
            Self::Unprocessable | Self::NotImplemented => 422,
            Self::TooManyRequests => 429,
            Self::HeadTooLarge => 431,
            Self::Internal => 500,
            Self::Unavailable => 503,
        }
    }

    /// The words of all kinds, each once.
    fn codes() -> Vec<&'static str> {
        let mut codes = Self::ALL.map(Self::code).to_vec();
        codes.sort_unstable();
        codes.dedup();
        codes
    }

    /// The word for programs.
    pub fn code(self) -> &'static str {
        match self {
            Self::BadRequest | Self::HeadTooSlow | Self::TargetTooLong | Self::HeadTooLarge => {
                "BAD_REQUEST"
            }
            Self::Unauthorized => "UNAUTHORIZED",
            Self::Forbidden => "INSUFFICIENT_SCOPE",
            Self::NotFound => "NOT_FOUND",
            Self::MethodNotAllowed => "METHOD_NOT_ALLOWED",
            Self::PayloadTooLarge => "PAYLOAD_TOO_LARGE",
            Self::UnsupportedMediaType => "UNSUPPORTED_MEDIA_TYPE",
            Self::Unprocessable => "UNPROCESSABLE_ENTITY",
            Self::NotImplemented => "NOT_IMPLEMENTED",
            Self::TooManyRequests => "TOO_MANY_REQUESTS",
            Self::Internal => "INTERNAL_SERVER_ERROR",
            Self::Unavailable => "SERVICE_UNAVAILABLE",
        }
    }
}

/// The body of an answer other than 200.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[schemars(rename = "Problem")]
pub struct ProblemView<'a> {
    #[schemars(extend("enum" = Kind::codes()))]
    pub code: &'static str,
    pub status: u16,
    pub message: &'a str,
    pub data: (),
}

impl Problem {
    fn new(kind: Kind, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
        }
    }

    pub fn kind(&self) -> Kind {
        self.kind
    }

    pub fn message(&self) -> &str {
        &self.message
    }

    pub fn view(&self) -> ProblemView<'_> {
        ProblemView {
            code: self.kind.code(),
            status: self.kind.status(),
            message: &self.message,
            data: (),
        }
    }

    /// A validation error: a field that is not as it should be.
    pub fn invalid(field: &str, expected: impl fmt::Display) -> Self {
        Self::unprocessable(format!("{field}: {expected}"))
    }

    pub fn unprocessable(message: impl Into<String>) -> Self {
        Self::new(Kind::Unprocessable, message)
    }

    /// Moves the error to a field within an object.
    #[must_use]
    pub fn within(mut self, object: &str) -> Self {
        self.message = format!("{object}.{}", self.message);
        self
    }

    /// A part of the API that this version does not have. Never a silent "done".
    pub fn not_available(feature: &str) -> Self {
        Self::new(
            Kind::NotImplemented,
            format!("{feature} is not available in this version; nothing was changed"),
        )
    }

    pub fn not_found(what: &str, id: &str) -> Self {
        Self::new(Kind::NotFound, format!("{what} {id:?} not found"))
    }

    /// A not-found error for something that was there, and is no more.
    pub fn gone(message: impl Into<String>) -> Self {
        Self::new(Kind::NotFound, message)
    }

    pub fn unknown_path(path: &str) -> Self {
        Self::new(
            Kind::NotFound,
            format!("{path:?} is not a path of this API"),
        )
    }

    pub fn wrong_method(method: &str, path: &str) -> Self {
        Self::new(
            Kind::MethodNotAllowed,
            format!("{path:?} does not take {method}"),
        )
    }

    pub fn unauthorized() -> Self {
        Self::new(
            Kind::Unauthorized,
            "expected the admin token as Authorization: Bearer TOKEN, or as the user name of Basic",
        )
    }

    pub fn insufficient_scope(needed: impl fmt::Display) -> Self {
        Self::new(Kind::Forbidden, format!("this takes the scope {needed}"))
    }

    /// A header names a project that is not there.
    pub fn unknown_project(named: &str) -> Self {
        Self::new(
            Kind::NotFound,
            format!(
                "there is no project {named:?}: x-project-id and x-team-id take an id or a name; GET /projects lists them"
            ),
        )
    }

    pub fn too_many_tokens() -> Self {
        Self::new(
            Kind::TooManyRequests,
            "too many wrong tokens from this address, try again later",
        )
    }

    /// A request that nobody could read.
    pub fn malformed(fault: Fault) -> Self {
        let kind = match fault {
            Fault::TargetTooLong => Kind::TargetTooLong,
            Fault::HeadTooLarge => Kind::HeadTooLarge,
            Fault::HeadTooSlow => Kind::HeadTooSlow,
            _ => Kind::BadRequest,
        };
        Self::new(kind, fault.to_string())
    }

    pub fn bad_request(message: impl Into<String>) -> Self {
        Self::new(Kind::BadRequest, message)
    }

    pub fn not_json(content_type: &str) -> Self {
        Self::new(
            Kind::UnsupportedMediaType,
            format!("content-type {content_type:?}: expected application/json"),
        )
    }

    pub fn too_large(limit: usize) -> Self {
        Self::new(
            Kind::PayloadTooLarge,
            format!("the body is larger than {limit} bytes"),
        )
    }

    /// An error that is worth a retry: nothing was done, and the same request may be sent again.
    pub fn unavailable(message: impl Into<String>) -> Self {
        Self::new(Kind::Unavailable, message)
    }

    /// A node that applies it knows no such command, or answers with what this node does not know.
    pub fn not_understood() -> Self {
        Self::unavailable("the cluster does not understand this yet; are all nodes upgraded?")
    }

    /// The state can't be read; whoever looks into it finds the reason in the log.
    pub fn internal() -> Self {
        Self::new(
            Kind::Internal,
            "this node can't read its state; its log says more",
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_has_the_shape_of_the_api() {
        let problem = Problem::invalid("config.url", "expected an http or https URL");
        assert_eq!(
            serde_json::to_value(problem.view()).expect("JSON"),
            serde_json::json!({
                "code": "UNPROCESSABLE_ENTITY",
                "status": 422,
                "message": "config.url: expected an http or https URL",
                "data": null,
            })
        );
    }
}
