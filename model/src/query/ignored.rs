//! Which ignored events: what a connection did not route.

use super::{Ids, Range, events::is_among};
use crate::{
    ids::{ConnectionId, ProjectNumber, TransformationId},
    traffic::{IgnoreCause, Ignored, IgnoredMeta},
};
use serde::{Deserialize, Serialize};

/// What ignored events are asked for. Everything that is named must hold.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct IgnoredQuery {
    /// Whose they must be.
    #[serde(skip_serializing_if = "ProjectNumber::is_default")]
    pub project: ProjectNumber,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub causes: Option<Vec<IgnoreCause>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub connections: Option<Vec<ConnectionId>>,
    /// Transformations that failed over them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub transformations: Option<Vec<TransformationId>>,
    #[serde(skip_serializing_if = "Range::is_open")]
    pub created_at: Range,
}

impl IgnoredQuery {
    /// The ids of the requests that it may be about.
    #[must_use]
    pub fn ids(&self) -> Ids {
        Ids::around(&self.created_at)
    }

    /// Whether it is about this one.
    #[must_use]
    pub fn keeps(&self, ignored: &Ignored) -> bool {
        let failed = match &ignored.meta {
            Some(IgnoredMeta::TransformationFailed(used)) => Some(used.id),
            _ => None,
        };
        ignored.connection_id.project() == self.project
            && is_among(self.causes.as_ref(), Some(&ignored.cause))
            && is_among(self.connections.as_ref(), Some(&ignored.connection_id))
            && is_among(self.transformations.as_ref(), failed.as_ref())
            && self.created_at.holds_time(Some(ignored.created_at))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{query::Relation, time::Timestamp, traffic::TransformationUse};

    #[test]
    fn each_question_keeps_and_drops() {
        let ignored = Ignored {
            connection_id: ConnectionId(1),
            cause: IgnoreCause::TransformationFailed,
            created_at: Timestamp(1000),
            meta: Some(IgnoredMeta::TransformationFailed(TransformationUse {
                id: TransformationId(3),
                version: 1,
            })),
        };
        let none = IgnoredQuery::default;
        let early = Range {
            limits: vec![Relation::Below(1000)],
        };
        let failed = |id| Some(vec![TransformationId(id)]);
        for (query, kept) in [
            (none(), true),
            (
                IgnoredQuery {
                    causes: Some(vec![IgnoreCause::TransformationFailed]),
                    ..none()
                },
                true,
            ),
            (
                IgnoredQuery {
                    causes: Some(vec![IgnoreCause::Disabled]),
                    ..none()
                },
                false,
            ),
            (
                IgnoredQuery {
                    transformations: failed(3),
                    ..none()
                },
                true,
            ),
            (
                IgnoredQuery {
                    transformations: failed(4),
                    ..none()
                },
                false,
            ),
            (
                IgnoredQuery {
                    connections: Some(vec![ConnectionId(2)]),
                    ..none()
                },
                false,
            ),
            (
                IgnoredQuery {
                    project: ProjectNumber(1),
                    ..none()
                },
                false,
            ),
            (
                IgnoredQuery {
                    created_at: early,
                    ..none()
                },
                false,
            ),
        ] {
            assert_eq!(query.keeps(&ignored), kept, "{query:?}");
        }
    }
}
