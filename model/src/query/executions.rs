//! Which runs of a transformation.

use super::{Range, events::is_among};
use crate::{
    ids::ConnectionId,
    traffic::{Execution, IssueKey, LogLevel},
};
use serde::{Deserialize, Serialize};

/// What runs of one transformation are asked for. Everything that is named must hold.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ExecutionQuery {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub log_levels: Option<Vec<LogLevel>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub connections: Option<Vec<ConnectionId>>,
    /// Troubles that they are instances of.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub troubles: Option<Vec<IssueKey>>,
    #[serde(skip_serializing_if = "Range::is_open")]
    pub created_at: Range,
}

impl ExecutionQuery {
    /// Whether it is about this one.
    #[must_use]
    pub fn keeps(&self, execution: &Execution) -> bool {
        let trouble = IssueKey::of_execution(execution);
        is_among(self.troubles.as_ref(), trouble.as_ref())
            && is_among(self.log_levels.as_ref(), Some(&execution.log_level))
            && is_among(self.connections.as_ref(), Some(&execution.connection_id))
            && self.created_at.holds_time(Some(execution.at))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ids::TransformationId, time::Timestamp, traffic::TransformationUse};

    #[test]
    fn each_question_keeps_and_drops() {
        let execution = Execution {
            connection_id: ConnectionId(1),
            attempt: 1,
            used: TransformationUse {
                id: TransformationId(3),
                version: 1,
            },
            behind: Vec::new(),
            at: Timestamp(1000),
            failed: true,
            log_level: LogLevel::Error,
            logs: Vec::new(),
        };
        let none = ExecutionQuery::default;
        let trouble = |log_level| {
            Some(vec![IssueKey::Transformation {
                transformation: TransformationId(3),
                log_level,
            }])
        };
        for (query, kept) in [
            (none(), true),
            (
                ExecutionQuery {
                    log_levels: Some(vec![LogLevel::Error]),
                    ..none()
                },
                true,
            ),
            (
                ExecutionQuery {
                    log_levels: Some(vec![LogLevel::Warn]),
                    ..none()
                },
                false,
            ),
            (
                ExecutionQuery {
                    connections: Some(vec![ConnectionId(2)]),
                    ..none()
                },
                false,
            ),
            (
                ExecutionQuery {
                    troubles: trouble(LogLevel::Error),
                    ..none()
                },
                true,
            ),
            (
                ExecutionQuery {
                    troubles: trouble(LogLevel::Warn),
                    ..none()
                },
                false,
            ),
            (
                ExecutionQuery {
                    troubles: Some(vec![]),
                    ..none()
                },
                false,
            ),
        ] {
            assert_eq!(query.keeps(&execution), kept, "{query:?}");
        }
    }
}
