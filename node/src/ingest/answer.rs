//! What a sender is told about an accepted request.

use actix_web::{HttpResponse, http::header::ContentType};
use model::{
    catalog::{ResponseKind, Source},
    ids::RequestId,
};

/// The source's own answer, or ours.
pub(super) fn accepted(source: &Source, id: RequestId) -> HttpResponse {
    let mut response = HttpResponse::Ok();
    let Some(custom) = &source.custom_response else {
        return response
            .insert_header(ContentType::json())
            // Ids need no escaping.
            .body(format!(r#"{{"status":"SUCCESS","request_id":"{id}"}}"#));
    };
    let content_type = match custom.content_type {
        ResponseKind::Json => "application/json",
        ResponseKind::Text => "text/plain; charset=utf-8",
        ResponseKind::Xml => "application/xml",
    };
    response
        .content_type(content_type)
        .body(custom.body.clone())
}
