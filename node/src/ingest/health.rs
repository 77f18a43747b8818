//! Health checks for load balancers.

use super::receive::Door;
use actix_web::{HttpResponse, web};

/// The process runs.
pub(super) async fn alive() -> HttpResponse {
    HttpResponse::Ok().json(serde_json::json!({"status": "alive"}))
}

/// Every group has a leader that a majority follows, and this node's clocks are right: posts can be accepted.
pub(super) async fn ready(door: web::Data<Door>) -> HttpResponse {
    match door.readiness() {
        Ok(()) => HttpResponse::Ok().json(serde_json::json!({"status": "ready"})),
        Err(why) => HttpResponse::ServiceUnavailable()
            .insert_header(("retry-after", "1"))
            .json(serde_json::json!({"status": "waiting", "reason": why.to_string()})),
    }
}
