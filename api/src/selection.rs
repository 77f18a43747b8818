//! Selections of bulk operations, read from the parameters that lists take.

use crate::{
    bulk_query::ISSUE_KEYS,
    filter::{self, ids, refuse},
    problem::Problem,
    query::Query,
};
use model::{
    ids::{IssueId, ProjectNumber},
    query::{Asked, Selection},
    traffic::{IssueKey, OperationKind},
};

/// Reads a query, and the issues whose events it is about, which only the cluster can tell.
pub fn read(
    kind: OperationKind,
    raw: &str,
    project: ProjectNumber,
) -> Result<(Selection, Option<Vec<IssueId>>), Problem> {
    let query = Query::parse(raw);
    let issues = match kind {
        OperationKind::RetryEvents | OperationKind::CancelEvents => ids(&query, "issue_id"),
        OperationKind::RetryRequests | OperationKind::RetryIgnored => None,
    };
    let selection = of(kind, &query, project)?;
    query.finish()?;
    Ok((selection, issues))
}

/// Reads the selection of a stored operation. Earlier versions stored their query in words, with what its issues are
/// about beside it.
pub fn stored(kind: OperationKind, asked: Asked) -> Result<Selection, String> {
    match asked {
        Asked::Selection(selection) => Ok(*selection),
        Asked::Words(words) => of_words(kind, &words).map_err(|error| error.to_string()),
    }
}

fn of_words(kind: OperationKind, words: &str) -> Result<Selection, Problem> {
    let query = Query::parse(words);
    // What is stored in words was asked before there were projects.
    let mut selection = of(kind, &query, ProjectNumber::DEFAULT)?;
    if let Selection::Events(events) = &mut selection {
        events.troubles = troubles(&query)?;
    }
    query.finish()?;
    Ok(selection)
}

fn of(kind: OperationKind, query: &Query, project: ProjectNumber) -> Result<Selection, Problem> {
    Ok(match kind {
        OperationKind::RetryEvents | OperationKind::CancelEvents => {
            Selection::Events(filter::events::read(query, project)?)
        }
        OperationKind::RetryRequests => {
            Selection::Requests(filter::requests::read(query, project)?)
        }
        OperationKind::RetryIgnored => Selection::Ignored(filter::ignored::read(query, project)?),
    })
}

fn troubles(query: &Query) -> Result<Option<Vec<IssueKey>>, Problem> {
    let Some(keys) = query.one(ISSUE_KEYS) else {
        // Which events are an issue's can't be told from its id alone.
        refuse(query, &["issue_id"])?;
        return Ok(None);
    };
    let _ = query.all("issue_id");
    let keys = serde_json::from_str(keys);
    keys.map(Some)
        .map_err(|error| Problem::invalid(ISSUE_KEYS, error))
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::{
        ids::ConnectionId,
        query::EventQuery,
        traffic::{EventStatus, Failure},
    };

    const KIND: OperationKind = OperationKind::RetryEvents;

    fn events(asked: Asked) -> EventQuery {
        match stored(KIND, asked).expect("a good query") {
            Selection::Events(query) => query,
            other => panic!("{other:?} is not about events"),
        }
    }

    #[test]
    fn words_of_an_earlier_version_are_read_with_what_their_issues_are_about() {
        let key = IssueKey::Delivery {
            connection: ConnectionId(1),
            failure: Failure::Status(500),
        };
        let keys = serde_json::to_string(&[&key]).expect("JSON");
        let words = url::form_urlencoded::Serializer::new(String::new())
            .append_pair("status", "FAILED")
            .append_pair("issue_id", "iss_1")
            .append_pair(ISSUE_KEYS, &keys)
            .finish();
        let query = events(Asked::Words(words));
        assert_eq!(query.statuses, Some(vec![EventStatus::Failed]));
        assert_eq!(query.troubles, Some(vec![key]));
        let refused = stored(KIND, Asked::Words("issue_id=iss_1".into()));
        assert!(refused.expect_err("not passed over").contains("issue_id"));
    }

    #[test]
    fn a_selection_is_what_it_is() {
        let query = EventQuery {
            statuses: Some(vec![EventStatus::Hold]),
            ..EventQuery::default()
        };
        let asked = Asked::Selection(Box::new(Selection::Events(query.clone())));
        assert_eq!(events(asked), query);
    }
}
