//! What an issue refers to: the event and the attempt, the request, or the destination; and which events are an issue's.

use super::{
    api_error::ApiError, attempts, events, executions, freshness, manner::Manner, requests,
};
use crate::gateway::Gateway;
use api::view::{
    Viewer, destination::DestinationView, event::EventView, issue::IssueDataView,
    request::RequestView,
};
use model::{
    ids::{EventId, GroupId, IssueId, RequestId},
    state::issues,
    traffic::{Event, Failure, Issue, IssueKey, Sampled},
};

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
pub(super) fn of(
    gateway: &Gateway,
    viewer: &Viewer,
    issue: &Issue,
) -> Result<Option<IssueDataView>, ApiError> {
    if let IssueKey::Backpressure { destination, .. } = issue.key {
        let catalog = freshness::stored_catalog(gateway)?;
        let known = catalog.destinations.get(&destination);
        return Ok(Some(IssueDataView {
            destination: Some(known.map(|known| DestinationView::of(viewer, known))),
            ..IssueDataView::default()
        }));
    }
    let Some(sample) = issue.samples.last() else {
        return Ok(None);
    };
    let nothing = IssueDataView::default();
    Ok(Some(match sample.of {
        Sampled::Attempt(id) => IssueDataView {
            trigger_event: Some(shown_event(gateway, viewer, id.event)?),
            trigger_attempt: Some(attempts::shown(gateway, viewer, id)?),
            ..nothing
        },
        Sampled::Event(event) => IssueDataView {
            trigger_event: Some(shown_event(gateway, viewer, event)?),
            ..nothing
        },
        Sampled::Request(id) => IssueDataView {
            request: Some(shown_request(gateway, viewer, id)?),
            ..nothing
        },
        Sampled::Execution(id) => IssueDataView {
            transformation_execution: Some(executions::shown(gateway, viewer, id)?),
            ..nothing
        },
    }))
}

fn shown_event(
    gateway: &Gateway,
    viewer: &Viewer,
    id: EventId,
) -> Result<Option<EventView>, ApiError> {
    let event = events::stored(gateway, id)?;
    Ok(event.map(|event| EventView::of(viewer, id, &event)))
}

fn shown_request(
    gateway: &Gateway,
    viewer: &Viewer,
    id: RequestId,
) -> Result<Option<RequestView>, ApiError> {
    let request = requests::stored(gateway, id)?;
    request
        .map(|request| requests::show(viewer, id, &request))
        .transpose()
}

/// The issue of the failure with which an event's last attempt ended.
pub(super) fn issue_of(gateway: &Gateway, event: &Event) -> Result<Option<IssueId>, ApiError> {
    issue_about(gateway, failure_of(event))
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

fn failure_of(event: &Event) -> Option<IssueKey> {
    let code = event.error_code?;
    let failure = event.response_status;
    Some(IssueKey::Delivery {
        connection: event.connection_id,
        failure: failure.map_or(Failure::Error(code), Failure::Status),
    })
}

/// The events of issues: those whose last attempt failed as the issue says, and those that wait for its destination.
#[derive(Debug, Default)]
pub(super) struct EventsOf {
    /// None: all events.
    keys: Option<Vec<IssueKey>>,
}

impl EventsOf {
    /// The events of the issues that `issue_id` names. An id that no issue has matches nothing.
    pub(super) async fn of(
        gateway: &Gateway,
        issues: Option<Vec<IssueId>>,
        manner: &Manner,
    ) -> Result<Self, ApiError> {
        Ok(Self::about(keys_of(gateway, issues, manner).await?))
    }

    /// The events of issues about these; none: all events.
    pub(super) fn about(keys: Option<Vec<IssueKey>>) -> Self {
        Self { keys }
    }

    pub(super) fn keeps(&self, event: &Event) -> bool {
        let Some(keys) = &self.keys else { return true };
        let failed = failure_of(event);
        keys.iter().any(|key| match key {
            IssueKey::Delivery { .. } => failed.as_ref() == Some(key),
            IssueKey::Backpressure { destination, .. } => {
                let waits = event.status.waits();
                waits && event.destination_id == *destination
            }
            IssueKey::Transformation { .. } | IssueKey::Request { .. } => false,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::{
        ids::{ConnectionId, DestinationId, SourceId},
        time::Timestamp,
        traffic::{ErrorCode, EventStatus, Trigger},
    };

    fn event() -> Event {
        Event {
            connection_id: ConnectionId(1),
            source_id: SourceId(2),
            destination_id: DestinationId(3),
            status: EventStatus::Failed,
            attempts: 1,
            created_at: Timestamp(5),
            updated_at: Timestamp(6),
            due_at: None,
            next_trigger: Trigger::Automatic,
            last_attempt_at: Some(Timestamp(6)),
            successful_at: None,
            response_status: Some(500),
            error_code: Some(ErrorCode::BadResponse),
            turn: None,
        }
    }

    fn of(key: IssueKey) -> EventsOf {
        EventsOf {
            keys: Some(vec![key]),
        }
    }

    #[test]
    fn an_issue_s_events_are_those_that_failed_like_it_or_wait_for_it() {
        let failed = |connection, failure| {
            of(IssueKey::Delivery {
                connection: ConnectionId(connection),
                failure,
            })
        };
        assert!(failed(1, Failure::Status(500)).keeps(&event()));
        assert!(!failed(1, Failure::Status(502)).keeps(&event()));
        assert!(!failed(2, Failure::Status(500)).keeps(&event()));
        let silent = Event {
            response_status: None,
            error_code: Some(ErrorCode::Timeout),
            ..event()
        };
        assert!(failed(1, Failure::Error(ErrorCode::Timeout)).keeps(&silent));
        let waiting = of(IssueKey::Backpressure {
            destination: DestinationId(3),
            delay_ms: 60_000,
        });
        assert!(!waiting.keeps(&event()));
        let queued = Event {
            status: EventStatus::Queued,
            ..event()
        };
        assert!(waiting.keeps(&queued));
        assert!(EventsOf::default().keeps(&event()));
        assert!(!EventsOf { keys: Some(vec![]) }.keeps(&event()));
    }
}
