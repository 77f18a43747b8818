//! What an issue refers to: the event and the attempt, the request, or the destination.

use super::{
    api_error::ApiError, attempts, executions, freshness, principal::Scoped, requests, stored,
};
use api::view::{
    Viewer, destination::DestinationView, event::EventView, issue::IssueDataView,
    request::RequestView,
};
use model::{
    ids::{EventId, GroupId, RequestId},
    traffic::{Issue, IssueKey, Sampled},
};

/// The partitions that hold what an issue refers to.
pub(super) fn groups(gateway: &Scoped, issue: &Issue) -> Option<GroupId> {
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
    gateway: &Scoped,
    viewer: &Viewer,
    issue: &Issue,
) -> Result<Option<IssueDataView>, ApiError> {
    if let IssueKey::Backpressure { destination, .. } = issue.key {
        let catalog = gateway.catalog();
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
    gateway: &Scoped,
    viewer: &Viewer,
    id: EventId,
) -> Result<Option<EventView>, ApiError> {
    let event = stored::event(gateway, id)?;
    Ok(event.map(|event| EventView::of(viewer, id, &event)))
}

fn shown_request(
    gateway: &Scoped,
    viewer: &Viewer,
    id: RequestId,
) -> Result<Option<RequestView>, ApiError> {
    let request = stored::request(gateway, id)?;
    request
        .map(|request| requests::show(viewer, id, &request))
        .transpose()
}
