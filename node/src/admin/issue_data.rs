//! What an issue refers to: the event and the attempt, the request, or the destination.

use super::{
    api_error::ApiError, attempts, events, executions, freshness, manner::Manner, requests,
    views::Viewer,
};
use crate::gateway::Gateway;
use model::{
    ids::{EventId, GroupId, IssueId, RequestId},
    state::{issues, tables},
    traffic::{Event, Issue, IssueKey, Sampled},
};
use serde_json::{Value, json};

/// The partitions that hold what an issue refers to.
pub(super) fn groups(gateway: &Gateway, issue: &Issue) -> Option<GroupId> {
    let group = match issue.samples.last()?.of {
        Sampled::Attempt(id) => id.event.group(),
        Sampled::Event(event) => event.group(),
        Sampled::Request(request) => request.group(),
        Sampled::Execution(id) => id.event.group(),
    };
    freshness::is_partition(gateway, group).then_some(group)
}

/// `data` of an issue. What retention has let go is not there any more.
pub(super) fn of(gateway: &Gateway, viewer: &Viewer, issue: &Issue) -> Result<Value, ApiError> {
    if let IssueKey::Backpressure { destination, .. } = issue.key {
        let catalog = gateway.catalog();
        let known = catalog.destinations.get(&destination);
        return Ok(json!({ "destination": known.map(|known| viewer.destination(known)) }));
    }
    match issue.samples.last().map(|sample| sample.of) {
        None => Ok(Value::Null),
        Some(Sampled::Attempt(id)) => {
            let event = shown_event(gateway, viewer, id.event)?;
            let attempt = attempts::shown(gateway, viewer, id)?;
            Ok(json!({"trigger_event": event, "trigger_attempt": attempt}))
        }
        Some(Sampled::Event(event)) => {
            Ok(json!({ "trigger_event": shown_event(gateway, viewer, event)? }))
        }
        Some(Sampled::Request(id)) => Ok(json!({ "request": shown_request(gateway, viewer, id)? })),
        Some(Sampled::Execution(id)) => {
            let execution = executions::shown(gateway, viewer, id)?;
            Ok(json!({ "transformation_execution": execution }))
        }
    }
}

fn shown_event(gateway: &Gateway, viewer: &Viewer, id: EventId) -> Result<Value, ApiError> {
    let event = events::stored(gateway, id)?;
    Ok(event.map_or(Value::Null, |event| events::show(viewer, id, &event)))
}

fn shown_request(gateway: &Gateway, viewer: &Viewer, id: RequestId) -> Result<Value, ApiError> {
    if !freshness::is_partition(gateway, id.group()) {
        return Ok(Value::Null);
    }
    match tables::request(&gateway.cluster.view(id.group()), id)? {
        None => Ok(Value::Null),
        Some(request) => requests::show(viewer, id, &request),
    }
}

/// The issue of the failure with which an event's last attempt ended.
pub(super) fn issue_of(gateway: &Gateway, event: &Event) -> Result<Option<IssueId>, ApiError> {
    issue_about(gateway, IssueKey::of_event(event))
}

/// The issue about a trouble, if there is one.
pub(super) fn issue_about(
    gateway: &Gateway,
    key: Option<IssueKey>,
) -> Result<Option<IssueId>, ApiError> {
    let Some(key) = key else { return Ok(None) };
    let entry = issues::entry(&gateway.cluster.view(GroupId::CONTROL), &key)?;
    Ok(entry.map(|entry| entry.id))
}

/// What the issues that a query names are about; none: it names none. An id that no issue has is about nothing.
pub(super) async fn keys_of(
    gateway: &Gateway,
    issues: Option<Vec<IssueId>>,
    manner: &Manner,
) -> Result<Option<Vec<IssueKey>>, ApiError> {
    let Some(wanted) = issues else {
        return Ok(None);
    };
    freshness::wait(gateway, manner, [GroupId::CONTROL]).await?;
    let view = gateway.cluster.view(GroupId::CONTROL);
    let mut keys = Vec::new();
    for id in wanted {
        keys.extend(issues::issue(&view, id)?.map(|issue| issue.key));
    }
    Ok(Some(keys))
}
