//! Whether the node lives and is ready, and its metrics.

use super::api_error::ApiError;
use crate::gateway::Gateway;
use actix_web::{
    HttpResponse,
    web::{self, Data, Json},
};
use serde_json::{Value, json};

/// The process answers.
pub(super) async fn alive() -> Json<Value> {
    Json(json!({ "status": "ok" }))
}

/// Every group has a leader that a majority follows, and this node's clocks are right: what a load balancer asks.
pub(super) async fn ready(gateway: Data<Gateway>) -> Result<Json<Value>, ApiError> {
    match gateway.cluster.readiness() {
        Ok(()) => Ok(Json(json!({ "status": "ready" }))),
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
