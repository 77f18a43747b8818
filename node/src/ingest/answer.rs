//! The answer to the sender of an accepted request.

use actix_web::{
    HttpResponse,
    http::{
        StatusCode,
        header::{ContentType, X_CONTENT_TYPE_OPTIONS},
    },
};
use model::{
    catalog::{ResponseKind, Source},
    ids::RequestId,
    policy::signature::{self, Answer, registry},
    time::Timestamp,
};

/// The source's own answer, or ours.
pub(super) fn accepted(
    source: &Source,
    id: RequestId,
    secret: Option<u8>,
    now: Timestamp,
) -> HttpResponse {
    let mut response = HttpResponse::Ok();
    let Some(custom) = &source.custom_response else {
        if let Some(signed) = signature::acknowledgement(&source.verification, secret, now) {
            return handshake(&signed);
        }
        let provider = registry::find(&source.verification.scheme);
        if let Some((content_type, body)) = provider.and_then(|provider| provider.accepted) {
            if !content_type.is_empty() {
                response.content_type(content_type);
            }
            return response.body(body);
        }
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

/// The answer to a handshake. What it repeats came from a stranger: no browser may take it for a page.
pub(super) fn handshake(answer: &Answer) -> HttpResponse {
    let status = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::OK);
    let mut response = HttpResponse::build(status);
    response.insert_header((X_CONTENT_TYPE_OPTIONS, "nosniff"));
    for (name, value) in &answer.headers {
        response.insert_header((*name, value.as_str()));
    }
    if let Some(content_type) = answer.content_type {
        response.content_type(content_type);
    }
    response.body(answer.body.clone())
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::{
        catalog::{CustomResponse, Verification},
        kit,
    };

    const NOW: Timestamp = Timestamp(1_700_000_000_000);

    fn praxis() -> Source {
        Source {
            name: "cashier".into(),
            verification: Verification::with_secret("PRAXIS", "a merchant's secret"),
            created_at: NOW,
            updated_at: NOW,
            ..kit::source()
        }
    }

    #[test]
    fn a_sender_that_wants_its_answer_signed_gets_it_signed() {
        let signature = "external-request-signature";
        let answered = accepted(&praxis(), RequestId(1), Some(0), NOW);
        assert_eq!(
            answered.headers().get(signature).map(|value| value.len()),
            Some(96)
        );
        let custom = Source {
            custom_response: Some(CustomResponse {
                content_type: ResponseKind::Text,
                body: "thanks".into(),
            }),
            ..praxis()
        };
        let answered = accepted(&custom, RequestId(1), Some(0), NOW);
        assert!(!answered.headers().contains_key(signature));
    }
}
