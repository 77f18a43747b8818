//! The one mapping from what went wrong in a node to the API's problems, and from those to answers.

use crate::{
    catalog_watch::BehindError, configure::ConfigureError, gateway::CommandFailed,
    reroute::RerouteError,
};
use actix_web::{
    HttpResponse, ResponseError,
    http::{StatusCode, header},
    web::Json,
};
use api::problem::{Kind, Problem};
use model::state::{kv, tables::TableError};
use std::fmt;

/// Seconds after which a client should ask again.
const RETRY_AFTER_S: u32 = 1;

/// What a handler answers.
pub(super) type Answer<T> = Result<Json<T>, ApiError>;

/// A problem as a handler's answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(transparent)]
pub(super) struct ApiError(#[from] Problem);

impl ApiError {
    pub(super) fn invalid(field: &str, expected: impl fmt::Display) -> Self {
        Self(Problem::invalid(field, expected))
    }

    pub(super) fn unprocessable(message: impl Into<String>) -> Self {
        Self(Problem::unprocessable(message))
    }

    pub(super) fn not_available(feature: &str) -> Self {
        Self(Problem::not_available(feature))
    }

    pub(super) fn not_found(what: &str, id: &str) -> Self {
        Self(Problem::not_found(what, id))
    }

    pub(super) fn unavailable(message: impl Into<String>) -> Self {
        Self(Problem::unavailable(message))
    }

    pub(super) fn not_understood() -> Self {
        Self(Problem::not_understood())
    }

    fn internal(error: &(dyn std::error::Error + 'static)) -> Self {
        if let Some(why) = passing(error) {
            return Self::unavailable(why);
        }
        tracing::error!(error, "an admin request could not be answered");
        Self(Problem::internal())
    }

    #[cfg(test)]
    pub(super) fn message(&self) -> &str {
        self.0.message()
    }
}

/// For what `api` asks of a node while it reads a body.
impl From<ApiError> for Problem {
    fn from(error: ApiError) -> Self {
        error.0
    }
}

impl ResponseError for ApiError {
    fn status_code(&self) -> StatusCode {
        StatusCode::from_u16(self.0.kind().status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    fn error_response(&self) -> HttpResponse {
        let mut response = HttpResponse::build(self.status_code());
        match self.0.kind() {
            Kind::Unavailable | Kind::TooManyRequests => {
                response.insert_header((header::RETRY_AFTER, RETRY_AFTER_S));
            }
            Kind::Unauthorized => {
                response.insert_header((header::WWW_AUTHENTICATE, "Bearer"));
            }
            _ => {}
        }
        response.json(self.0.view())
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
            ConfigureError::Command(error) => error.into(),
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
/// What is over in a moment, in words.
fn passing(error: &(dyn std::error::Error + 'static)) -> Option<&'static str> {
    if let Some(storage::Error::Installing(_)) = error.downcast_ref() {
        return Some("this node is taking in a snapshot; try again");
    }
    if error.is::<raft::Unreached>() {
        return Some("no node that has this partition answered; try again");
    }
    passing(error.source()?)
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

impl From<CommandFailed> for ApiError {
    fn from(error: CommandFailed) -> Self {
        match error {
            CommandFailed::Propose(error) => error.into(),
            CommandFailed::Reply(_) => Self::internal(&error),
        }
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
