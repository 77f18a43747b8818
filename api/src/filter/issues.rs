//! What issues can be filtered by.

use super::{ids, named};
use crate::{choice, problem::Problem, query::Query};
use model::{
    ids::ProjectNumber,
    query::IssueQuery,
    traffic::{ErrorCode, IssueType, LogLevel, RejectionCause},
};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// The fields of `aggregation_keys`.
const KEYS: [&str; 9] = [
    "webhook_id",
    "response_status",
    "error_code",
    "transformation_id",
    "log_level",
    "destination_id",
    "delay",
    "source_id",
    "rejection_cause",
];

/// Reads which issues a list is about.
pub fn read(query: &Query, project: ProjectNumber) -> Result<IssueQuery, Problem> {
    Ok(IssueQuery {
        project,
        ids: ids(query, "id"),
        triggers: ids(query, "issue_trigger_id"),
        types: named(types(query)?),
        statuses: named(query.choices("status")?),
        aggregation_keys: keys(query)?,
        created_at: query.times("created_at")?,
        first_seen_at: query.times("first_seen_at")?,
        last_seen_at: query.times("last_seen_at")?,
        dismissed_at: query.times("dismissed_at")?,
        // They are out of sight, unless somebody asks for them.
        with_dismissed: query.has("dismissed_at") || query.has("id"),
        merged: !query.all("merged_with").is_empty(),
    })
}

/// The types that a parameter names.
pub fn types(query: &Query) -> Result<Vec<IssueType>, Problem> {
    let read = |text: &str| match text.to_ascii_lowercase().as_str() {
        "delivery" => Ok(IssueType::Delivery),
        "transformation" => Ok(IssueType::Transformation),
        "backpressure" => Ok(IssueType::Backpressure),
        "request" => Ok(IssueType::Request),
        _ => Err(Problem::invalid(
            "type",
            "expected delivery, transformation, backpressure or request",
        )),
    };
    query.all("type").into_iter().map(read).collect()
}

fn keys(query: &Query) -> Result<BTreeMap<String, Vec<String>>, Problem> {
    let mut keys: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (field, value) in query.fields("aggregation_keys") {
        if !KEYS.contains(&field) {
            let field = format!("aggregation_keys[{field}]");
            let expected = format!("expected one of {}", KEYS.join(", "));
            return Err(Problem::invalid(&field, expected));
        }
        let values = value.split(',').map(|value| key_value(field, value));
        let values = values.collect::<Result<Vec<_>, _>>()?;
        keys.entry(field.to_owned()).or_default().extend(values);
    }
    Ok(keys)
}

/// A value of a field, as issues show it. An id that can't be one matches nothing, as everywhere.
fn key_value(field: &str, value: &str) -> Result<String, Problem> {
    let upper = value.to_ascii_uppercase();
    let read = match field {
        "error_code" => choice::read::<ErrorCode>(&upper).map(|code| json!(code)),
        "rejection_cause" => choice::read::<RejectionCause>(&upper).map(|cause| json!(cause)),
        "log_level" => {
            choice::read::<LogLevel>(&value.to_ascii_lowercase()).map(|level| json!(level))
        }
        "response_status" | "delay" => {
            let number: Result<u64, _> = value.parse();
            let expected = |_| format!("expected a whole number, got {value:?}");
            number.map(Value::from).map_err(expected)
        }
        _ => Ok(value.into()),
    };
    let text = |value: Value| match value {
        Value::String(text) => text,
        other => other.to_string(),
    };
    read.map(text)
        .map_err(|expected| Problem::invalid(&format!("aggregation_keys[{field}]"), expected))
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::{
        ids::{ConnectionId, IssueId, IssueTriggerId},
        time::Timestamp,
        traffic::{Failure, Issue, IssueKey},
    };

    fn issue() -> Issue {
        let key = IssueKey::Delivery {
            connection: ConnectionId(1),
            failure: Failure::Status(500),
        };
        let seen = (Timestamp(1), Timestamp(2));
        Issue::opened(key, Some(IssueTriggerId(3)), seen, Timestamp(3))
    }

    fn keeps(raw: &str, issue: &Issue) -> bool {
        let filter = read(&Query::parse(raw), ProjectNumber::DEFAULT).expect("a good query");
        filter.keeps(IssueId(9), issue)
    }

    #[test]
    fn every_filter_can_say_yes_and_no() {
        let connection = ConnectionId(1).to_string();
        for (raw, kept) in [
            (String::new(), true),
            (format!("id={}", IssueId(9)), true),
            (format!("id={}", IssueId(8)), false),
            (format!("issue_trigger_id={}", IssueTriggerId(3)), true),
            (format!("issue_trigger_id={}", IssueTriggerId(4)), false),
            ("type=delivery&type=request".into(), true),
            ("type=backpressure".into(), false),
            ("status=OPENED,ACKNOWLEDGED".into(), true),
            ("status=resolved".into(), false),
            ("merged_with=iss_x".into(), false),
            (format!("aggregation_keys[webhook_id]={connection}"), true),
            (
                "aggregation_keys%5Bresponse_status%5D%5B0%5D=500".into(),
                true,
            ),
            ("aggregation_keys[response_status]=502,503".into(), false),
            ("aggregation_keys[source_id]=src_x".into(), false),
            ("last_seen_at[gte]=1970-01-01T00:00:00.002Z".into(), true),
            ("last_seen_at[gt]=1970-01-01T00:00:00.002Z".into(), false),
            ("dismissed_at[any]=true".into(), false),
        ] {
            assert_eq!(keeps(&raw, &issue()), kept, "{raw}");
        }
    }

    #[test]
    fn what_is_dismissed_is_shown_to_whoever_asks_for_it() {
        let dismissed = Issue {
            dismissed_at: Some(Timestamp(5)),
            ..issue()
        };
        assert!(!keeps("", &dismissed));
        assert!(keeps("dismissed_at[any]=true", &dismissed));
        assert!(keeps(&format!("id={}", IssueId(9)), &dismissed));
    }

    #[test]
    fn what_nobody_knows_is_named() {
        for (raw, named) in [
            ("type=flood", "type: "),
            ("status=LOST", "status: "),
            ("aggregation_keys[color]=red", "aggregation_keys[color]: "),
            ("created_at=yesterday", "created_at: "),
            (
                "aggregation_keys[error_code]=BOGUS",
                "aggregation_keys[error_code]: expected one of ",
            ),
            (
                "aggregation_keys[rejection_cause]=X",
                "aggregation_keys[rejection_cause]: expected one of ",
            ),
            (
                "aggregation_keys[response_status]=500,",
                "aggregation_keys[response_status]: expected a whole number",
            ),
        ] {
            let error = read(&Query::parse(raw), ProjectNumber::DEFAULT).expect_err(raw);
            assert!(error.message().starts_with(named), "{error}");
        }
    }
}
