//! Descriptions of issues for people: one line, with the names that things have now.

use crate::{
    catalog::Catalog,
    ids::{ConnectionId, DestinationId, SourceId, TransformationId},
    traffic::{Failure, IssueKey},
};
use serde::Serialize;
use serde_json::Value;

/// The names of configured things. One that is gone is called by its id.
#[derive(Clone, Copy, Debug)]
pub struct Names<'a>(pub &'a Catalog);

impl Names<'_> {
    fn source(&self, id: SourceId) -> String {
        let known = self.0.sources.get(&id);
        known.map_or_else(|| id.to_string(), |source| source.name.clone())
    }

    fn destination(&self, id: DestinationId) -> String {
        let known = self.0.destinations.get(&id);
        known.map_or_else(|| id.to_string(), |destination| destination.name.clone())
    }

    fn transformation(&self, id: TransformationId) -> String {
        let known = self.0.transformations.get(&id);
        known.map_or_else(|| id.to_string(), |known| known.name.clone())
    }

    fn connection(&self, id: ConnectionId) -> String {
        let Some(known) = self.0.connections.get(&id) else {
            return id.to_string();
        };
        let name = known.name.clone();
        let name = name.unwrap_or_else(|| self.destination(known.destination_id));
        format!("{} -> {name}", self.source(known.source_id))
    }

    /// The one-line description of an issue.
    #[must_use]
    pub fn tell(&self, key: &IssueKey) -> String {
        match key {
            IssueKey::Delivery {
                connection,
                failure: Failure::Status(status),
            } => format!("{} is answered {status}", self.connection(*connection)),
            IssueKey::Delivery {
                connection,
                failure: Failure::Error(code),
            } => format!(
                "{} fails with {}",
                self.connection(*connection),
                named(code)
            ),
            IssueKey::Transformation {
                transformation,
                log_level,
            } => format!(
                "{} says {}",
                self.transformation(*transformation),
                named(log_level)
            ),
            IssueKey::Backpressure {
                destination,
                delay_ms,
            } => format!(
                "{} keeps events waiting for more than {} s",
                self.destination(*destination),
                delay_ms / 1000
            ),
            IssueKey::Request { source, cause } => {
                format!(
                    "{} rejects requests: {}",
                    self.source(*source),
                    named(cause)
                )
            }
        }
    }
}

/// The API's name of an enum's value.
pub(super) fn named(value: &impl Serialize) -> String {
    match serde_json::to_value(value) {
        Ok(Value::String(name)) => name,
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::traffic::{ErrorCode, LogLevel, RejectionCause};

    #[test]
    fn an_issue_is_told_in_one_line_with_the_names_of_the_api() {
        let catalog = Catalog::default();
        let tell = |key| Names(&catalog).tell(&key);
        let failed = |failure| {
            tell(IssueKey::Delivery {
                connection: ConnectionId(1),
                failure,
            })
        };
        let connection = ConnectionId(1);
        assert_eq!(
            failed(Failure::Status(503)),
            format!("{connection} is answered 503")
        );
        assert_eq!(
            failed(Failure::Error(ErrorCode::SslCertExpired)),
            format!("{connection} fails with SSL_CERT_EXPIRED")
        );
        let spoken = tell(IssueKey::Transformation {
            transformation: TransformationId(1),
            log_level: LogLevel::Fatal,
        });
        assert!(spoken.ends_with("says fatal"), "{spoken}");
        let late = tell(IssueKey::Backpressure {
            destination: DestinationId(1),
            delay_ms: 90_000,
        });
        assert!(late.ends_with("more than 90 s"), "{late}");
        let forged = tell(IssueKey::Request {
            source: SourceId(1),
            cause: RejectionCause::VerificationFailed,
        });
        assert!(forged.ends_with("VERIFICATION_FAILED"), "{forged}");
    }
}
