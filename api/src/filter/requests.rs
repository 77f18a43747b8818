//! What requests can be filtered by.

use super::{ids, named, refuse};
use crate::{problem::Problem, query::Query};
use model::{ids::ProjectNumber, query::RequestQuery};

const UNSUPPORTED: [&str; 6] = [
    "search_term",
    "headers",
    "body",
    "parsed_query",
    "path",
    "cli_events_count",
];

/// Reads which requests a list or a bulk operation is about.
pub fn read(query: &Query, project: ProjectNumber) -> Result<RequestQuery, Problem> {
    refuse(query, &UNSUPPORTED)?;
    let accepted = match query.one("status") {
        None => None,
        Some(status) if status.eq_ignore_ascii_case("accepted") => Some(true),
        Some(status) if status.eq_ignore_ascii_case("rejected") => Some(false),
        Some(_) => return Err(Problem::invalid("status", "expected accepted or rejected")),
    };
    Ok(RequestQuery {
        project,
        ids: ids(query, "id"),
        accepted,
        verified: query.flag("verified")?,
        causes: named(query.choices("rejection_cause")?),
        sources: ids(query, "source_id"),
        operations: ids(query, "bulk_retry_id"),
        events: query.numbers("events_count")?,
        ignored: query.numbers("ignored_count")?,
        created_at: query.times("created_at")?,
        ingested_at: query.times("ingested_at")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::{ids::SourceId, query::Relation, traffic::RejectionCause};

    fn asked(raw: &str) -> RequestQuery {
        read(&Query::parse(raw), ProjectNumber::DEFAULT).expect("a good query")
    }

    #[test]
    fn each_parameter_has_its_place() {
        assert_eq!(asked(""), RequestQuery::default());
        assert_eq!(asked("status=accepted").accepted, Some(true));
        assert_eq!(asked("status=REJECTED").accepted, Some(false));
        assert_eq!(asked("verified=true").verified, Some(true));
        let causes = asked("rejection_cause[]=NO_CONNECTION").causes;
        assert_eq!(causes, Some(vec![RejectionCause::NoConnection]));
        let sources = asked(&format!("source_id={},{}", SourceId(7), SourceId(1))).sources;
        assert_eq!(sources, Some(vec![SourceId(7), SourceId(1)]));
        assert_eq!(asked("events_count=1").events.limits, [Relation::Equal(1)]);
        let late = asked("ingested_at[gt]=1970-01-01T00:00:02Z").ingested_at;
        assert_eq!(late.limits, [Relation::Above(2000)]);
    }

    #[test]
    fn an_unknown_status_is_named() {
        let error =
            read(&Query::parse("status=lost"), ProjectNumber::DEFAULT).expect_err("no status");
        assert_eq!(error.message(), "status: expected accepted or rejected");
    }
}
