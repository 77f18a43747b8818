//! What ignored events can be filtered by.

use super::{
    api_error::ApiError,
    event_filter::{ids, is_among},
    query::{Query, Range},
};
use model::{
    ids::{ConnectionId, TransformationId},
    traffic::{IgnoreCause, Ignored, IgnoredMeta},
};

#[derive(Debug)]
pub(super) struct IgnoredFilter {
    causes: Vec<IgnoreCause>,
    connections: Option<Vec<ConnectionId>>,
    /// Those that failed.
    transformations: Option<Vec<TransformationId>>,
    pub(super) created_at: Range,
}

impl IgnoredFilter {
    pub(super) fn read(query: &Query) -> Result<Self, ApiError> {
        Ok(Self {
            causes: query.choices("cause")?,
            connections: ids(query, "webhook_id"),
            transformations: ids(query, "transformation_id"),
            created_at: query.times("created_at")?,
        })
    }

    pub(super) fn keeps(&self, ignored: &Ignored) -> bool {
        let transformations = self.transformations.as_ref();
        let failed = match &ignored.meta {
            Some(IgnoredMeta::TransformationFailed(used)) => Some(used.id),
            _ => None,
        };
        (self.causes.is_empty() || self.causes.contains(&ignored.cause))
            && is_among(self.connections.as_ref(), &ignored.connection_id)
            && transformations.is_none_or(|wanted| failed.is_some_and(|id| wanted.contains(&id)))
            && self.created_at.holds_time(Some(ignored.created_at))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::{time::Timestamp, traffic::TransformationUse};

    #[test]
    fn each_filter_keeps_and_drops() {
        let ignored = Ignored {
            connection_id: ConnectionId(1),
            cause: IgnoreCause::TransformationFailed,
            created_at: Timestamp(1000),
            meta: Some(IgnoredMeta::TransformationFailed(TransformationUse {
                id: TransformationId(3),
                version: 1,
            })),
        };
        let (mine, other) = (ConnectionId(1), ConnectionId(2));
        for (raw, kept) in [
            (String::new(), true),
            ("cause=TRANSFORMATION_FAILED".into(), true),
            ("cause=DISABLED&cause=TRANSFORMATION_FAILED".into(), true),
            ("cause=DISABLED".into(), false),
            (format!("transformation_id={}", TransformationId(3)), true),
            (format!("transformation_id={}", TransformationId(4)), false),
            (format!("webhook_id={mine}"), true),
            (format!("webhook_id={other}"), false),
            ("created_at[lt]=1970-01-01T00:00:01Z".into(), false),
        ] {
            let filter = IgnoredFilter::read(&Query::parse(&raw)).expect("a good query");
            assert_eq!(filter.keeps(&ignored), kept, "{raw}");
        }
    }
}
