//! What load balancers ask.

use super::receive::Door;
use actix_web::{HttpResponse, web};

/// The process runs.
pub(super) async fn alive() -> HttpResponse {
    HttpResponse::Ok().json(serde_json::json!({"status": "alive"}))
}

/// Every group has a leader, so posts can be accepted.
pub(super) async fn ready(door: web::Data<Door>) -> HttpResponse {
    if door.is_ready() {
        HttpResponse::Ok().json(serde_json::json!({"status": "ready"}))
    } else {
        HttpResponse::ServiceUnavailable()
            .insert_header(("retry-after", "1"))
            .json(serde_json::json!({"status": "waiting"}))
    }
}
