//! Holds every call of the admin side against the document that it serves: no story can be told with an answer that the
//! document does not know, nor with a body that was taken and that the document refuses.

use actix_web::{
    Error, HttpMessage,
    body::{BoxBody, MessageBody, to_bytes},
    dev::{Payload, ServiceRequest, ServiceResponse},
    http::StatusCode,
    middleware::Next,
};
use cluster_tests::contract;
use futures::{StreamExt, stream};

/// What is served that is no JSON: what programs scrape, and sockets.
const BESIDE: [&str; 3] = ["/metrics", "/", "/2025-07-01/cli-sessions/connect"];

/// Lets a call through that is as the document says.
///
/// # Panics
/// At any other one, with what differs.
pub(crate) async fn held<B: MessageBody + 'static>(
    mut request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let method = request.method().to_string();
    let path = request.path().to_owned();
    // As it came, broken or too long: what becomes of it is the handler's to say.
    let came: Vec<_> = request.take_payload().collect().await;
    let sent: Vec<u8> = came.iter().flatten().flatten().copied().collect();
    request.set_payload(Payload::Stream {
        payload: Box::pin(stream::iter(came)),
    });
    let answered = next.call(request).await?;
    let pattern = answered.request().match_pattern();
    let status = answered.status();
    let is_beside = pattern
        .as_deref()
        .is_some_and(|pattern| BESIDE.contains(&pattern));
    if status == StatusCode::SWITCHING_PROTOCOLS || is_beside && status == StatusCode::OK {
        return Ok(answered.map_into_boxed_body());
    }
    let (request, response) = answered.into_parts();
    let (head, body) = response.into_parts();
    let body = to_bytes(body).await.map_err(|_| ()).expect("a whole body");
    contract::check(&method, &path, &sent, status.as_u16(), &body);
    let response = head.set_body(body).map_into_boxed_body();
    Ok(ServiceResponse::new(request, response))
}
