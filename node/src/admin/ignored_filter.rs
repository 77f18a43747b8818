//! What ignored events can be filtered by.

use super::{
    api_error::ApiError,
    event_filter::{ids, refuse},
    query::{Query, Range},
};
use model::{
    ids::ConnectionId,
    traffic::{IgnoreCause, Ignored},
};

const UNSUPPORTED: [&str; 1] = ["transformation_id"];

#[derive(Debug)]
pub(super) struct IgnoredFilter {
    causes: Vec<IgnoreCause>,
    connections: Option<Vec<ConnectionId>>,
    pub(super) created_at: Range,
}

impl IgnoredFilter {
    pub(super) fn read(query: &Query) -> Result<Self, ApiError> {
        refuse(query, &UNSUPPORTED)?;
        Ok(Self {
            causes: query.choices("cause")?,
            connections: ids(query, "webhook_id"),
            created_at: query.times("created_at")?,
        })
    }

    pub(super) fn keeps(&self, ignored: &Ignored) -> bool {
        let connections = self.connections.as_ref();
        (self.causes.is_empty() || self.causes.contains(&ignored.cause))
            && connections.is_none_or(|wanted| wanted.contains(&ignored.connection_id))
            && self.created_at.holds_time(Some(ignored.created_at))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::time::Timestamp;

    #[test]
    fn each_filter_keeps_and_drops() {
        let ignored = Ignored {
            connection_id: ConnectionId(1),
            cause: IgnoreCause::Filtered,
            created_at: Timestamp(1000),
        };
        let (mine, other) = (ConnectionId(1), ConnectionId(2));
        for (raw, kept) in [
            (String::new(), true),
            ("cause=FILTERED".into(), true),
            ("cause=DISABLED&cause=FILTERED".into(), true),
            ("cause=DISABLED".into(), false),
            (format!("webhook_id={mine}"), true),
            (format!("webhook_id={other}"), false),
            ("created_at[lt]=1970-01-01T00:00:01Z".into(), false),
        ] {
            let filter = IgnoredFilter::read(&Query::parse(&raw)).expect("a good query");
            assert_eq!(filter.keeps(&ignored), kept, "{raw}");
        }
    }
}
