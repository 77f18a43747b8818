//! `/issues`: troubles that persist, and what people make of them.

use super::{
    api_error::ApiError,
    body::Body,
    catalog_page::{self, time_key},
    changes, choice,
    extract::{Extract, NoBody},
    filter, freshness, issue_data,
    manner::Manner,
    page::PageRequest,
    query::Query,
    views::Viewer,
};
use crate::{gateway::Gateway, issues::bounds, world};
use actix_web::web::{self, Data, Json, Path};
use model::{
    ids::{GroupId, IssueId},
    machine::{ChangeIssue, Command, IssueReply, Reply},
    policy::issues::{show, targets},
    query::IssueQuery,
    state::issues,
    traffic::{Issue, IssueChange, IssueStatus, IssueTurn},
};
use serde_json::Value;

const ORDERS: &[&str] = &[
    "created_at",
    "first_seen_at",
    "last_seen_at",
    "opened_at",
    "status",
];

type Answer = Result<Json<Value>, ApiError>;

pub(super) async fn list(gateway: Data<Gateway>, Extract(query): Extract<Query>) -> Answer {
    let asked = PageRequest::read(&query, ORDERS)?;
    let filter = filter::issues::read(&query)?;
    let manner = query.finish()?;
    freshness::wait(&gateway, &manner, [GroupId::CONTROL]).await?;
    let answer = web::block(move || {
        let rows = find(&gateway, &filter)?.into_iter().map(|(id, issue)| {
            let order = match asked.order_by {
                "first_seen_at" => time_key(issue.first_seen_at),
                "last_seen_at" => time_key(issue.last_seen_at),
                "opened_at" => time_key(issue.opened_at),
                "status" => serde_json::json!(issue.status).to_string(),
                _ => time_key(issue.created_at),
            };
            ((order, id.to_string()), (id, issue))
        });
        let viewer = Viewer::of(&gateway, &manner);
        catalog_page::answer(&asked, rows.collect(), |(id, issue)| {
            with_data(&gateway, &viewer, id, &issue)
        })
    });
    Ok(Json(answer.await??))
}

pub(super) async fn count(gateway: Data<Gateway>, Extract(query): Extract<Query>) -> Answer {
    let filter = filter::issues::read(&query)?;
    let manner = query.finish()?;
    freshness::wait(&gateway, &manner, [GroupId::CONTROL]).await?;
    let found = web::block(move || find(&gateway, &filter)).await??;
    Ok(Json(catalog_page::count(found.len())))
}

fn find(gateway: &Gateway, filter: &IssueQuery) -> Result<Vec<(IssueId, Issue)>, ApiError> {
    let mut found = issues::issues(&gateway.cluster.view(GroupId::CONTROL))?;
    found.retain(|(id, issue)| filter.keeps(*id, issue));
    Ok(found)
}

pub(super) async fn get(
    gateway: Data<Gateway>,
    id: Path<String>,
    Extract(manner): Extract<Manner>,
) -> Answer {
    let id = read_id(&id)?;
    freshness::wait(&gateway, &manner, [GroupId::CONTROL]).await?;
    let issue = stored(&gateway, id)?;
    // What it refers to is shown as fresh as the issue.
    let groups = issue_data::groups(&gateway, &issue);
    freshness::wait(&gateway, &manner, groups).await?;
    let answer = web::block(move || {
        let viewer = Viewer::of(&gateway, &manner);
        with_data(&gateway, &viewer, id, &issue)
    });
    Ok(Json(answer.await?))
}

/// An issue with what it refers to, as far as that is still kept.
fn with_data(gateway: &Gateway, viewer: &Viewer, id: IssueId, issue: &Issue) -> Value {
    let mut shown = show(id, issue, &viewer.team);
    shown["data"] = issue_data::of(gateway, viewer, issue).unwrap_or_else(|error| {
        tracing::warn!(issue = %id, %error, "shown without its data");
        Value::Null
    });
    shown
}

/// What a person says of its state.
pub(super) async fn update(
    gateway: Data<Gateway>,
    id: Path<String>,
    _: Extract<Manner>,
    Extract(body): Extract<Body>,
) -> Answer {
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
    gateway: Data<Gateway>,
    id: Path<String>,
    _: Extract<Manner>,
    _: NoBody,
) -> Answer {
    let id = read_id(&id)?;
    change(&gateway, id, IssueChange::Dismiss).await
}

async fn change(gateway: &Gateway, id: IssueId, change: IssueChange) -> Answer {
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
    let team = &gateway.config.cluster.name;
    Ok(Json(show(id, &stored(gateway, id)?, team)))
}

fn read_id(text: &str) -> Result<IssueId, ApiError> {
    text.parse().map_err(|_| ApiError::not_found("issue", text))
}

fn stored(gateway: &Gateway, id: IssueId) -> Result<Issue, ApiError> {
    issues::issue(&gateway.cluster.view(GroupId::CONTROL), id)?.ok_or_else(|| gone(id))
}

fn gone(id: IssueId) -> ApiError {
    ApiError::not_found("issue", &id.to_string())
}
