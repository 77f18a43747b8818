//! Issues and notifications as programs and people read them.

use super::words::{Names, named};
use crate::{
    ids::IssueId,
    time::Timestamp,
    traffic::{Failure, Issue, IssueKey, IssueTurn, Notification, Sample, Sampled},
};
use serde_json::{Value, json};

/// An issue in the shape of the API. `team`: the id of its project.
#[must_use]
pub fn show(id: IssueId, issue: &Issue, team: &str) -> Value {
    let count = issue.count();
    let mut shown = json!({
        "id": id,
        "team_id": team,
        "type": issue.key.issue_type(),
        "status": issue.status,
        "issue_trigger_id": issue.trigger,
        "opened_at": time(issue.opened_at),
        "first_seen_at": time(issue.first_seen_at),
        "last_seen_at": time(issue.last_seen_at),
        "last_updated_by": null,
        "dismissed_at": issue.dismissed_at.map(time),
        "auto_resolved_at": issue.auto_resolved_at.map(time),
        "merged_with": null,
        "updated_at": time(issue.updated_at),
        "created_at": time(issue.created_at),
        "aggregation_keys": keys(&issue.key),
        "reference": reference(issue),
        // What the document does not have: how often, how often it ended an event, how often it was opened.
        "count": count.all,
        "final_count": count.finals,
        "opened_count": issue.openings,
        "samples": issue.samples.iter().rev().map(sample).collect::<Value>(),
    });
    if let Some(since) = issue.waiting.iter().map(|waiting| waiting.since).min() {
        shown["waiting_since"] = json!(time(since));
    }
    shown
}

fn keys(key: &IssueKey) -> Value {
    match key {
        IssueKey::Delivery {
            connection,
            failure: Failure::Status(status),
        } => json!({"webhook_id": [connection], "response_status": [status], "error_code": []}),
        IssueKey::Delivery {
            connection,
            failure: Failure::Error(code),
        } => json!({"webhook_id": [connection], "response_status": [], "error_code": [code]}),
        IssueKey::Transformation {
            transformation,
            log_level,
        } => json!({"transformation_id": [transformation], "log_level": [log_level]}),
        IssueKey::Backpressure {
            destination,
            delay_ms,
        } => json!({"destination_id": [destination], "delay": [delay_ms]}),
        IssueKey::Request { source, cause } => {
            json!({"source_id": [source], "rejection_cause": [cause]})
        }
    }
}

/// The newest sample, under the names that the API has for it.
fn reference(issue: &Issue) -> Value {
    if let IssueKey::Backpressure { destination, .. } = issue.key {
        return json!({ "destination_id": destination });
    }
    match issue.samples.last().map(|sample| sample.of) {
        Some(Sampled::Attempt(id)) => {
            json!({"event_id": id.event, "attempt_id": id.to_string()})
        }
        Some(Sampled::Event(event)) => json!({ "event_id": event }),
        Some(Sampled::Request(request)) => json!({ "request_id": request }),
        Some(Sampled::Execution(id)) => json!({
            "transformation_execution_id": id.to_string(),
            "trigger_event_request_transformation_id": null,
        }),
        None => json!({}),
    }
}

fn sample(sample: &Sample) -> Value {
    let at = time(sample.at);
    match sample.of {
        Sampled::Attempt(id) => {
            json!({"at": at, "event_id": id.event, "attempt_id": id.to_string()})
        }
        Sampled::Event(event) => json!({"at": at, "event_id": event}),
        Sampled::Request(request) => json!({"at": at, "request_id": request}),
        Sampled::Execution(id) => {
            let execution = id.to_string();
            json!({"at": at, "event_id": id.event, "transformation_execution_id": execution})
        }
    }
}

/// RFC 3339 with milliseconds.
fn time(at: Timestamp) -> String {
    let shown = i64::try_from(at.0)
        .ok()
        .and_then(|ms| jiff::Timestamp::from_millisecond(ms).ok())
        .unwrap_or(jiff::Timestamp::MAX);
    format!("{shown:.3}")
}

/// The topic of a notification.
#[must_use]
pub fn topic(turn: IssueTurn) -> &'static str {
    match turn {
        IssueTurn::Opened | IssueTurn::Reopened => "issue.opened",
        IssueTurn::Resolved => "issue.updated",
    }
}

fn turned(turn: IssueTurn) -> &'static str {
    match turn {
        IssueTurn::Opened => "opened",
        IssueTurn::Reopened => "reopened",
        IssueTurn::Resolved => "resolved",
    }
}

/// The body of a notification for programs, in the form that Standard Webhooks recommends.
#[must_use]
pub fn webhook(notification: &Notification, names: &Names<'_>, team: &str) -> Vec<u8> {
    let issue = &notification.issue;
    let mut data = show(notification.issue_id, issue, team);
    data["turn"] = turned(notification.turn).into();
    data["summary"] = names.tell(&issue.key).into();
    let body = json!({
        "type": topic(notification.turn),
        "timestamp": time(notification.at),
        "data": data,
    });
    body.to_string().into_bytes()
}

/// The body of a notification for Slack's incoming webhooks. `place`: the cluster, and the project where it has several.
#[must_use]
pub fn slack(notification: &Notification, names: &Names<'_>, place: &str) -> Vec<u8> {
    let issue = &notification.issue;
    let title = format!(
        "{} issue {}: {}",
        named(&issue.key.issue_type()),
        turned(notification.turn),
        names.tell(&issue.key)
    );
    let title = escape(&title);
    let detail = format!(
        "{} in {}, seen {} times from {} to {}",
        notification.issue_id,
        place,
        issue.count().all,
        time(issue.first_seen_at),
        time(issue.last_seen_at),
    );
    let body = json!({
        // Shown where blocks can't be: in a notification on a phone.
        "text": title,
        "blocks": [
            {"type": "section", "text": {"type": "mrkdwn", "text": format!("*{title}*")}},
            {"type": "context", "elements": [{"type": "mrkdwn", "text": escape(&detail)}]},
        ],
    });
    body.to_string().into_bytes()
}

/// The three characters that Slack reads as markup: `<!channel>` would wake everybody.
fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        catalog::Catalog,
        ids::{AttemptId, ConnectionId, DestinationId, EventId, IssueTriggerId},
        traffic::Target,
    };

    fn issue() -> Issue {
        let key = IssueKey::Delivery {
            connection: ConnectionId(1),
            failure: Failure::Status(500),
        };
        let seen = (Timestamp(1_000), Timestamp(2_000));
        let mut issue = Issue::opened(key, None, seen, Timestamp(3_000));
        let attempt = AttemptId {
            event: EventId(7),
            number: 2,
        };
        issue.samples.push(Sample {
            at: Timestamp(2_000),
            of: Sampled::Attempt(attempt),
        });
        issue
    }

    fn notification(issue: Issue) -> Notification {
        Notification {
            issue_id: IssueId(9),
            issue,
            turn: IssueTurn::Reopened,
            at: Timestamp(3_000),
            target: Target::Webhook(IssueTriggerId(1)),
            attempts: 0,
            due_at: Timestamp(3_000),
        }
    }

    fn read(body: &[u8]) -> Value {
        serde_json::from_slice(body).expect("JSON")
    }

    #[test]
    fn an_issue_has_the_fields_of_the_api() {
        let shown = show(IssueId(9), &issue(), "prod");
        assert_eq!(shown["type"], "delivery");
        assert_eq!(shown["status"], "OPENED");
        assert_eq!(shown["opened_at"], "1970-01-01T00:00:03.000Z");
        assert_eq!(shown["aggregation_keys"]["response_status"], json!([500]));
        assert_eq!(shown["aggregation_keys"]["error_code"], json!([]));
        assert_eq!(shown["reference"]["event_id"], EventId(7).to_string());
        assert_eq!(shown["dismissed_at"], Value::Null);
    }

    #[test]
    fn what_waits_shows_since_when_and_its_destination() {
        let key = IssueKey::Backpressure {
            destination: DestinationId(4),
            delay_ms: 60_000,
        };
        let seen = (Timestamp(70_000), Timestamp(70_000));
        let mut issue = Issue::opened(key, None, seen, Timestamp(70_000));
        let since = Some(Timestamp(1_000));
        issue.wait(
            crate::ids::GroupId(2),
            since,
            None,
            Timestamp(70_000),
            Timestamp(70_000),
        );
        let shown = show(IssueId(9), &issue, "prod");
        assert_eq!(shown["waiting_since"], "1970-01-01T00:00:01.000Z");
        assert_eq!(
            shown["reference"]["destination_id"],
            DestinationId(4).to_string()
        );
        assert_eq!(shown["count"], 1);
    }

    #[test]
    fn a_notification_says_what_happened_to_which_issue() {
        let body = webhook(&notification(issue()), &Names(&Catalog::default()), "prod");
        let body = read(&body);
        assert_eq!(body["type"], "issue.opened");
        assert_eq!(body["timestamp"], "1970-01-01T00:00:03.000Z");
        assert_eq!(body["data"]["turn"], "reopened");
        assert_eq!(body["data"]["id"], IssueId(9).to_string());
    }

    #[test]
    fn slack_gets_text_that_it_takes_for_nothing_else() {
        let told = notification(issue());
        let body = read(&slack(
            &told,
            &Names(&Catalog::default()),
            "<!channel> & co",
        ));
        let text = body["text"].as_str().expect("text");
        assert!(text.starts_with("delivery issue reopened: web_"), "{text}");
        let shown = body["blocks"].to_string();
        assert!(shown.contains("&lt;!channel&gt; &amp; co"), "{shown}");
        assert!(!shown.contains("<!"), "{shown}");
    }
}
