//! What events can be filtered by.

use super::{ids, named, refuse};
use crate::{problem::Problem, query::Query};
use model::{ids::ProjectNumber, query::EventQuery};

/// Filters of the API that this version does not have. To ignore them would show what was not asked for.
const UNSUPPORTED: [&str; 7] = [
    "search_term",
    "headers",
    "body",
    "parsed_query",
    "path",
    "cli_id",
    "cli_user_id",
];

/// Reads which events a list or a bulk operation is about.
pub fn read(query: &Query, project: ProjectNumber) -> Result<EventQuery, Problem> {
    refuse(query, &UNSUPPORTED)?;
    Ok(EventQuery {
        project,
        ids: ids(query, "id"),
        statuses: named(query.choices("status")?),
        error_codes: named(query.choices("error_code")?),
        sources: ids(query, "source_id"),
        destinations: ids(query, "destination_id"),
        connections: ids(query, "webhook_id"),
        // The data of an event are those of its request.
        requests: ids(query, "event_data_id"),
        operations: ids(query, "bulk_retry_id"),
        troubles: None,
        attempts: query.numbers("attempts")?,
        response_status: query.numbers("response_status")?,
        created_at: query.times("created_at")?,
        successful_at: query.times("successful_at")?,
        last_attempt_at: query.times("last_attempt_at")?,
        next_attempt_at: query.times("next_attempt_at")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::{
        ids::ConnectionId,
        query::Relation,
        traffic::{ErrorCode, EventStatus},
    };

    fn asked(raw: &str) -> EventQuery {
        read(&Query::parse(raw), ProjectNumber::DEFAULT).expect("a good query")
    }

    #[test]
    fn each_parameter_has_its_place() {
        let none = EventQuery::default;
        assert_eq!(asked("unheard_of=1"), none());
        let statuses = Some(vec![EventStatus::Queued, EventStatus::Failed]);
        assert_eq!(
            asked("status=QUEUED&status=failed"),
            EventQuery { statuses, ..none() }
        );
        let error_codes = Some(vec![ErrorCode::BadResponse]);
        assert_eq!(
            asked("error_code=BAD_RESPONSE"),
            EventQuery {
                error_codes,
                ..none()
            }
        );
        let connections = Some(vec![ConnectionId(7)]);
        let raw = format!("webhook_id={}", ConnectionId(7));
        assert_eq!(
            asked(&raw),
            EventQuery {
                connections,
                ..none()
            }
        );
        for (raw, limit) in [
            ("attempts=2", Relation::Equal(2)),
            ("attempts[gt]=2", Relation::Above(2)),
            ("attempts[any]=false", Relation::Present(false)),
        ] {
            assert_eq!(asked(raw).attempts.limits, [limit], "{raw}");
        }
        let early = asked("created_at[lte]=1970-01-01T00:00:01Z").created_at;
        assert_eq!(early.limits, [Relation::AtMost(1000)]);
    }

    #[test]
    fn what_is_no_id_selects_nothing() {
        assert_eq!(asked("id=evt_nonsense").ids, Some(vec![]));
        assert_eq!(asked("").ids, None);
    }

    #[test]
    fn a_filter_that_does_not_exist_yet_is_refused_by_name() {
        let error =
            read(&Query::parse("body={}"), ProjectNumber::DEFAULT).expect_err("no such filter");
        assert!(
            error
                .message()
                .starts_with("body: this filter is not available")
        );
    }
}
