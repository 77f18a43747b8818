//! Whether the node lives and is ready, and its metrics.

use super::api_error::{Answer, ApiError};
use crate::gateway::Gateway;
use actix_web::{
    HttpResponse,
    web::{self, Data, Json},
};
use api::view::cluster::Health;

/// The process answers.
pub(super) async fn alive() -> Answer<Health> {
    Ok(Json(Health { status: "ok" }))
}

/// Every group has a leader that a majority follows, and this node's clocks are right: what a load balancer asks.
pub(super) async fn ready(gateway: Data<Gateway>) -> Answer<Health> {
    match gateway.cluster.readiness() {
        Ok(()) => Ok(Json(Health { status: "ready" })),
        Err(why) => Err(ApiError::unavailable(why.to_string())),
    }
}

/// Depths of queues are read from the disk, so not on a thread that serves others.
pub(super) async fn metrics(gateway: Data<Gateway>) -> Result<HttpResponse, ApiError> {
    let rendered = web::block(move || gateway.metrics.render()).await;
    let text = rendered.map_err(|_| ApiError::unavailable("the node is stopping"))?;
    Ok(HttpResponse::Ok()
        .content_type("text/plain; version=0.0.4")
        .body(text))
}
