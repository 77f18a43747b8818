//! `/cli-auth` and `/teams`: what command lines of this API ask before they ask for anything else.

use super::{
    api_error::{Answer, ApiError},
    auth,
    body::Body,
    extract::Extract,
    freshness,
    manner::Manner,
    principal::Scoped,
};
use actix_web::{HttpRequest, web::Json};
use api::{
    problem::Problem,
    view::sign_in::{SignInView, SignedInView, TeamView},
};

const MAX_DEVICE_NAME: usize = 255;

/// Who the key belongs to.
pub(super) async fn validate(gateway: Scoped, _: Extract<Manner>) -> Answer<SignedInView> {
    Ok(Json(signed_in(&gateway)))
}

/// Signs a machine in by the key that it came with, which it is to go on with.
pub(super) async fn ci(
    gateway: Scoped,
    request: HttpRequest,
    _: Extract<Manner>,
    Extract(body): Extract<Body>,
) -> Answer<SignInView> {
    body.read(|fields| fields.text("device_name", MAX_DEVICE_NAME).map(drop))?;
    let key = auth::offered(&request).and_then(|key| String::from_utf8(key).ok());
    Ok(Json(SignInView {
        signed_in: signed_in(&gateway),
        claimed: true,
        key: key.ok_or_else(|| ApiError::from(Problem::unauthorized()))?,
    }))
}

/// The projects that the key opens.
pub(super) async fn teams(
    gateway: Scoped,
    Extract(manner): Extract<Manner>,
) -> Answer<Vec<TeamView>> {
    let catalog = freshness::catalog(&gateway, &manner).await?;
    let projects = catalog.all().projects.values();
    let cluster = &gateway.config.cluster.name;
    Ok(Json(
        projects
            .map(|project| TeamView::of(cluster, project))
            .collect(),
    ))
}

fn signed_in(gateway: &Scoped) -> SignedInView {
    let principal = gateway.principal();
    SignedInView::of(
        principal.who.name(),
        &gateway.config.cluster.name,
        &principal.project,
    )
}
