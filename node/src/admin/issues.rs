//! `/issues`: troubles that persist, and what people make of them.

use super::{
    api_error::{Answer, ApiError},
    body::Body,
    catalog_page::{self, time_key},
    changes, choice,
    extract::{Extract, NoBody},
    filter, freshness, issue_data,
    manner::Manner,
    page::PageRequest,
    principal::Scoped,
    query::Query,
    viewer,
};
use crate::{issues::bounds, world};
use actix_web::web::{self, Json, Path};
use api::view::{
    Viewer,
    issue::IssueView,
    list::{Count, List},
};
use model::{
    ids::{GroupId, IssueId},
    machine::{ChangeIssue, Command, IssueReply, Reply},
    policy::issues::targets,
    query::IssueQuery,
    state::issues,
    traffic::{Issue, IssueChange, IssueStatus, IssueTurn},
};

const ORDERS: &[&str] = &[
    "created_at",
    "first_seen_at",
    "last_seen_at",
    "opened_at",
    "status",
];

pub(super) async fn list(
    gateway: Scoped,
    Extract(query): Extract<Query>,
) -> Answer<List<IssueView>> {
    let asked = PageRequest::read(&query, ORDERS)?;
    let filter = filter::issues::read(&query, gateway.project())?;
    let manner = query.finish()?;
    freshness::wait(&gateway, &manner, [GroupId::CONTROL]).await?;
    let answer = web::block(move || {
        let rows = find(&gateway, &filter)?.into_iter().map(|(id, issue)| {
            let order = match asked.order_by {
                "first_seen_at" => time_key(issue.first_seen_at),
                "last_seen_at" => time_key(issue.last_seen_at),
                "opened_at" => time_key(issue.opened_at),
                "status" => choice::name(&issue.status),
                _ => time_key(issue.created_at),
            };
            ((order, id.to_string()), (id, issue))
        });
        let viewer = viewer::of(&gateway, &manner);
        catalog_page::answer(&asked, rows.collect(), |(id, issue)| {
            Ok::<_, ApiError>(with_data(&gateway, &viewer, id, &issue))
        })
    });
    Ok(Json(answer.await??))
}

pub(super) async fn count(gateway: Scoped, Extract(query): Extract<Query>) -> Answer<Count> {
    let filter = filter::issues::read(&query, gateway.project())?;
    let manner = query.finish()?;
    freshness::wait(&gateway, &manner, [GroupId::CONTROL]).await?;
    let found = web::block(move || find(&gateway, &filter)).await??;
    Ok(Json(Count { count: found.len() }))
}

fn find(gateway: &Scoped, filter: &IssueQuery) -> Result<Vec<(IssueId, Issue)>, ApiError> {
    let mut found = issues::issues(&gateway.cluster.view(GroupId::CONTROL))?;
    found.retain(|(id, issue)| filter.keeps(*id, issue));
    Ok(found)
}

pub(super) async fn get(
    gateway: Scoped,
    id: Path<String>,
    Extract(manner): Extract<Manner>,
) -> Answer<IssueView> {
    let id = read_id(&id)?;
    freshness::wait(&gateway, &manner, [GroupId::CONTROL]).await?;
    let issue = stored(&gateway, id)?;
    // What it refers to is shown as fresh as the issue.
    let groups = issue_data::groups(&gateway, &issue);
    freshness::wait(&gateway, &manner, groups).await?;
    let answer = web::block(move || {
        let viewer = viewer::of(&gateway, &manner);
        with_data(&gateway, &viewer, id, &issue)
    });
    Ok(Json(answer.await?))
}

/// An issue with what it refers to, as far as that is still kept.
fn with_data(gateway: &Scoped, viewer: &Viewer, id: IssueId, issue: &Issue) -> IssueView {
    let data = issue_data::of(gateway, viewer, issue).unwrap_or_else(|error| {
        tracing::warn!(issue = %id, %error, "shown without its data");
        None
    });
    IssueView {
        data: Some(data),
        ..IssueView::of(id, issue, &viewer.team)
    }
}

/// What a person says of its state.
pub(super) async fn update(
    gateway: Scoped,
    id: Path<String>,
    _: Extract<Manner>,
    Extract(body): Extract<Body>,
) -> Answer<IssueView> {
    let status = body.read(|fields| {
        let name = fields.text("status", 32)?.value().unwrap_or_default();
        choice::read(&name.to_ascii_uppercase())
            .map_err(|expected| fields.invalid("status", expected))
    })?;
    let id = read_id(&id)?;
    change(&gateway, id, IssueChange::Status(status)).await
}

/// Out of sight until it comes again.
pub(super) async fn dismiss(
    gateway: Scoped,
    id: Path<String>,
    _: Extract<Manner>,
    _: NoBody,
) -> Answer<IssueView> {
    let id = read_id(&id)?;
    change(&gateway, id, IssueChange::Dismiss).await
}

async fn change(gateway: &Scoped, id: IssueId, change: IssueChange) -> Answer<IssueView> {
    // Who is told depends on the issue's trigger and on the newest catalog.
    let catalog = freshness::catalog(gateway, &Manner::default()).await?;
    let issue = stored(gateway, id)?;
    let turn = match change {
        IssueChange::Status(IssueStatus::Resolved) => IssueTurn::Resolved,
        IssueChange::Status(_) | IssueChange::Dismiss => IssueTurn::Reopened,
    };
    let command = Command::ChangeIssue(ChangeIssue {
        issue: id,
        change,
        targets: targets(&catalog, issue.trigger, turn),
        entropy: world::entropy(),
        bounds: bounds(gateway),
    });
    match changes::propose(gateway, GroupId::CONTROL, &command).await? {
        Reply::Issue(IssueReply::Done) => {}
        Reply::Issue(IssueReply::Gone) => return Err(gone(id)),
        _ => return Err(ApiError::not_understood()),
    }
    freshness::after_change(gateway, GroupId::CONTROL, id).await;
    let team = gateway.principal().project.id.to_string();
    Ok(Json(IssueView::of(id, &stored(gateway, id)?, &team)))
}

fn read_id(text: &str) -> Result<IssueId, ApiError> {
    text.parse().map_err(|_| ApiError::not_found("issue", text))
}

fn stored(gateway: &Scoped, id: IssueId) -> Result<Issue, ApiError> {
    let issue = issues::issue(&gateway.cluster.view(GroupId::CONTROL), id)?;
    let issue = issue.filter(|issue| issue.key.project() == gateway.project());
    issue.ok_or_else(|| gone(id))
}

fn gone(id: IssueId) -> ApiError {
    ApiError::not_found("issue", &id.to_string())
}
