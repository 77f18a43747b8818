//! The one mapping from what went wrong to the API's error body: `{code, status, message, data}`.

use crate::reroute::RerouteError;
use crate::{catalog_watch::BehindError, configure::ConfigureError};
use actix_web::{HttpResponse, ResponseError, http::StatusCode, http::header};
use model::{door::Fault, machine::CommandError, state::kv, state::tables::TableError};
use serde_json::json;
use std::fmt;

/// Seconds after which a client should ask again.
const RETRY_AFTER_S: u32 = 1;

/// An answer other than 200. Existing clients show the message and nothing else, so it names the field and what was expected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ApiError {
    status: StatusCode,
    code: &'static str,
    message: String,
}

impl ApiError {
    fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        Self {
            status,
            code,
            message: message.into(),
        }
    }

    /// A field that is not as it should be.
    pub(super) fn invalid(field: &str, expected: impl fmt::Display) -> Self {
        Self::unprocessable(format!("{field}: {expected}"))
    }

    pub(super) fn unprocessable(message: impl Into<String>) -> Self {
        Self::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            "UNPROCESSABLE_ENTITY",
            message,
        )
    }

    /// The same of a field within an object.
    pub(super) fn within(mut self, object: &str) -> Self {
        self.message = format!("{object}.{}", self.message);
        self
    }

    /// A part of the API that this version does not have. Never a silent "done".
    pub(super) fn not_available(feature: &str) -> Self {
        Self::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            "NOT_IMPLEMENTED",
            format!("{feature} is not available in this version; nothing was changed"),
        )
    }

    pub(super) fn not_found(what: &str, id: &str) -> Self {
        Self::new(
            StatusCode::NOT_FOUND,
            "NOT_FOUND",
            format!("{what} {id:?} not found"),
        )
    }

    /// It was there, and is no more.
    pub(super) fn gone(message: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "NOT_FOUND", message)
    }

    pub(super) fn unknown_path(path: &str) -> Self {
        Self::new(
            StatusCode::NOT_FOUND,
            "NOT_FOUND",
            format!("{path:?} is not a path of this API"),
        )
    }

    pub(super) fn wrong_method(method: &str, path: &str) -> Self {
        Self::new(
            StatusCode::METHOD_NOT_ALLOWED,
            "METHOD_NOT_ALLOWED",
            format!("{path:?} does not take {method}"),
        )
    }

    pub(super) fn unauthorized() -> Self {
        Self::new(
            StatusCode::UNAUTHORIZED,
            "UNAUTHORIZED",
            "expected the admin token as Authorization: Bearer TOKEN, or as the user name of Basic",
        )
    }

    pub(super) fn too_many_tokens() -> Self {
        Self::new(
            StatusCode::TOO_MANY_REQUESTS,
            "TOO_MANY_REQUESTS",
            "too many wrong tokens from this address, try again later",
        )
    }

    /// A request that nobody could read.
    pub(super) fn malformed(fault: Fault) -> Self {
        let status = match fault {
            Fault::TargetTooLong => StatusCode::URI_TOO_LONG,
            Fault::HeadTooLarge => StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            Fault::HeadTooSlow => StatusCode::REQUEST_TIMEOUT,
            _ => StatusCode::BAD_REQUEST,
        };
        Self::new(status, "BAD_REQUEST", fault.to_string())
    }

    pub(super) fn bad_request(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "BAD_REQUEST", message)
    }

    pub(super) fn not_json(content_type: &str) -> Self {
        Self::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "UNSUPPORTED_MEDIA_TYPE",
            format!("content-type {content_type:?}: expected application/json"),
        )
    }

    pub(super) fn too_large(limit: usize) -> Self {
        Self::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            "PAYLOAD_TOO_LARGE",
            format!("the body is larger than {limit} bytes"),
        )
    }

    /// Nothing was done; the same request may be sent again.
    pub(super) fn unavailable(message: impl Into<String>) -> Self {
        Self::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "SERVICE_UNAVAILABLE",
            message,
        )
    }

    /// A node that applies it knows no such command, or answers with what this node does not know.
    pub(super) fn not_understood() -> Self {
        Self::unavailable("the cluster does not understand this yet; are all nodes upgraded?")
    }

    fn internal(error: &(dyn std::error::Error + 'static)) -> Self {
        if is_passing(error) {
            return Self::unavailable("this node is taking in a snapshot; try again");
        }
        tracing::error!(error, "an admin request could not be answered");
        Self::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "INTERNAL_SERVER_ERROR",
            "this node can't read its state; its log says more",
        )
    }

    #[cfg(test)]
    pub(super) fn message(&self) -> &str {
        &self.message
    }
}

impl fmt::Display for ApiError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl ResponseError for ApiError {
    fn status_code(&self) -> StatusCode {
        self.status
    }

    fn error_response(&self) -> HttpResponse {
        let mut response = HttpResponse::build(self.status);
        match self.status {
            StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS => {
                response.insert_header((header::RETRY_AFTER, RETRY_AFTER_S));
            }
            StatusCode::UNAUTHORIZED => {
                response.insert_header((header::WWW_AUTHENTICATE, "Bearer"));
            }
            _ => {}
        }
        response.json(json!({
            "code": self.code,
            "status": self.status.as_u16(),
            "message": self.message,
            "data": null,
        }))
    }
}

impl From<raft::Unavailable> for ApiError {
    fn from(error: raft::Unavailable) -> Self {
        Self::unavailable(format!("{error}; nothing was changed, try again"))
    }
}

impl From<raft::ProposeError> for ApiError {
    fn from(error: raft::ProposeError) -> Self {
        match error {
            raft::ProposeError::Unavailable => {
                Self::unavailable("the group has no leader now; nothing was changed, try again")
            }
            raft::ProposeError::Unknown => Self::unavailable(
                "the outcome is unknown: the change may have been made; look before trying again",
            ),
            raft::ProposeError::Untimely => {
                Self::unavailable(format!("{error}; nothing was changed"))
            }
            raft::ProposeError::TooLarge { .. } => Self::unprocessable(error.to_string()),
        }
    }
}

impl From<ConfigureError> for ApiError {
    fn from(error: ConfigureError) -> Self {
        match error {
            ConfigureError::Propose(error) => error.into(),
            ConfigureError::Reply(error) => error.into(),
            ConfigureError::NotUnderstood => Self::unavailable(error.to_string()),
        }
    }
}

impl From<raft::ChangeError> for ApiError {
    fn from(error: raft::ChangeError) -> Self {
        match error {
            raft::ChangeError::NoSuchNode(node) => Self::not_found("node", &node.to_string()),
            raft::ChangeError::LastNode(_) | raft::ChangeError::NotInvited { .. } => {
                Self::unprocessable(error.to_string())
            }
            raft::ChangeError::NotJoinedYet(_) => Self::unavailable(error.to_string()),
            raft::ChangeError::Group { .. } => Self::unavailable(format!(
                "{error}; the change may be half made, ask for it again"
            )),
        }
    }
}

/// Whether the state can't be read only for as long as a snapshot replaces it.
fn is_passing(error: &(dyn std::error::Error + 'static)) -> bool {
    let installing = |error: &(dyn std::error::Error + 'static)| {
        matches!(
            error.downcast_ref::<storage::Error>(),
            Some(storage::Error::Installing(_))
        )
    };
    installing(error) || error.source().is_some_and(is_passing)
}

impl From<RerouteError> for ApiError {
    fn from(error: RerouteError) -> Self {
        match error {
            RerouteError::Away => Self::unavailable(error.to_string()),
            error => Self::internal(&error),
        }
    }
}

impl From<TableError> for ApiError {
    fn from(error: TableError) -> Self {
        Self::internal(&error)
    }
}

impl From<kv::KvError> for ApiError {
    fn from(error: kv::KvError) -> Self {
        Self::internal(&error)
    }
}

impl From<BehindError> for ApiError {
    fn from(error: BehindError) -> Self {
        match error {
            BehindError::Store(_) => Self::internal(&error),
            BehindError::NotThere => raft::Unavailable.into(),
        }
    }
}

impl From<model::state::codec::CodecError> for ApiError {
    fn from(error: model::state::codec::CodecError) -> Self {
        Self::internal(&error)
    }
}

impl From<storage::Error> for ApiError {
    fn from(error: storage::Error) -> Self {
        Self::internal(&error)
    }
}

impl From<CommandError> for ApiError {
    fn from(error: CommandError) -> Self {
        Self::internal(&error)
    }
}

impl From<actix_web::error::BlockingError> for ApiError {
    fn from(_: actix_web::error::BlockingError) -> Self {
        Self::unavailable("the node is stopping; try again")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use actix_web::body::to_bytes;

    #[actix_web::test]
    async fn an_error_has_the_shape_of_the_api() {
        let error = ApiError::invalid("config.url", "expected an http or https URL");
        let response = error.error_response();
        assert_eq!(response.status(), 422);
        let body = to_bytes(response.into_body()).await.expect("a body");
        let body: serde_json::Value = serde_json::from_slice(&body).expect("json");
        assert_eq!(
            body,
            json!({
                "code": "UNPROCESSABLE_ENTITY",
                "status": 422,
                "message": "config.url: expected an http or https URL",
                "data": null,
            })
        );
    }

    #[test]
    fn a_state_that_is_being_replaced_is_asked_for_again() {
        let reading = |source| {
            ApiError::from(kv::KvError {
                table: kv::Table::Events,
                doing: "reading",
                source: Box::new(source),
            })
        };
        let group = model::ids::GroupId(1);
        let replaced = reading(storage::Error::Installing(group)).error_response();
        assert_eq!(replaced.status(), 503);
        assert_eq!(
            reading(storage::Error::Closed).error_response().status(),
            500
        );
    }

    #[test]
    fn an_unavailable_answer_says_when_to_come_back() {
        let response = ApiError::unavailable("no leader").error_response();
        assert_eq!(
            response.headers().get("retry-after").expect("a header"),
            "1"
        );
    }
}
