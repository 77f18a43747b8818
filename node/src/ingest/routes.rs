//! The public side's routes, and their handlers.

use super::{
    health,
    receive::{Door, PUBLISH},
    refused::Refused,
};
use crate::wire;
use actix_web::{HttpRequest, HttpResponse, web};

/// The public side's routes.
pub fn configure(service: &mut web::ServiceConfig) {
    service
        .route("/healthz", web::get().to(health::alive))
        .route("/readyz", web::get().to(health::ready))
        .route(PUBLISH, web::to(publish))
        .route(wire::MALFORMED, web::to(malformed))
        .default_service(web::to(receive));
}

/// A post to a source's own URL.
async fn receive(
    request: HttpRequest,
    payload: web::Payload,
    door: web::Data<Door>,
) -> Result<HttpResponse, Refused> {
    let accepted = door.accept_at(&request, payload).await;
    door.counted(accepted)
}

/// What stands for a request that nobody could read.
async fn malformed(request: HttpRequest, door: web::Data<Door>) -> Result<HttpResponse, Refused> {
    let refused = match wire::fault_of(&request) {
        Some(fault) => Refused::Malformed(fault),
        None => Refused::UnknownSource,
    };
    door.counted(Err(refused.into()))
}

/// A post by a program of the operator's own, with a publishing token and the name of a source.
async fn publish(
    request: HttpRequest,
    payload: web::Payload,
    door: web::Data<Door>,
) -> Result<HttpResponse, Refused> {
    let accepted = door.publish(&request, payload).await;
    door.counted(accepted)
}
