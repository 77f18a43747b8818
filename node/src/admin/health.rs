//! Health and metrics: what load balancers and Prometheus ask.

use crate::gateway::Gateway;
use actix_web::{HttpResponse, web::Data};
use serde_json::json;

/// The process runs.
pub(super) async fn alive() -> HttpResponse {
    HttpResponse::Ok().json(json!({"status": "alive"}))
}

/// Every group has a leader that this node knows.
pub(super) async fn ready(gateway: Data<Gateway>) -> HttpResponse {
    if gateway.cluster.ready() {
        return HttpResponse::Ok().json(json!({"status": "ready"}));
    }
    HttpResponse::ServiceUnavailable()
        .insert_header(("retry-after", "1"))
        .json(json!({"status": "waiting"}))
}

pub(super) async fn metrics(gateway: Data<Gateway>) -> HttpResponse {
    HttpResponse::Ok()
        .content_type("text/plain; version=0.0.4")
        .body(gateway.metrics.render())
}
