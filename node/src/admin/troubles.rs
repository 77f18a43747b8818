//! From troubles to the issues about them, and back.

use super::{api_error::ApiError, freshness, manner::Manner, principal::Scoped};
use model::{
    ids::{GroupId, IssueId},
    state::issues,
    traffic::{Event, IssueKey},
};

/// The issue of the failure with which an event's last attempt ended.
pub(super) fn issue_of(gateway: &Scoped, event: &Event) -> Result<Option<IssueId>, ApiError> {
    issue_about(gateway, IssueKey::of_event(event))
}

/// The issue about a trouble, if there is one.
pub(super) fn issue_about(
    gateway: &Scoped,
    key: Option<IssueKey>,
) -> Result<Option<IssueId>, ApiError> {
    let Some(key) = key else { return Ok(None) };
    let entry = issues::entry(&gateway.cluster.view(GroupId::CONTROL), &key)?;
    Ok(entry.map(|entry| entry.id))
}

/// What the issues that a query names are about; none: it names none. An id that no issue has is about nothing.
pub(super) async fn keys_of(
    gateway: &Scoped,
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
        let key = issues::issue(&view, id)?.map(|issue| issue.key);
        keys.extend(key.filter(|key| key.project() == gateway.project()));
    }
    Ok(Some(keys))
}
