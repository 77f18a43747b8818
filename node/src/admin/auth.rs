//! Who may use the admin API: whoever has the token, as Bearer or as the user name of Basic. He becomes the principal of
//! his request, in the project that its headers name.

use super::{api_error::ApiError, freshness};
use crate::{
    gateway::Gateway,
    wire::{self, Side},
    wrong_tokens::Offered,
};
use actix_web::{
    Error, HttpMessage, HttpRequest, ResponseError,
    body::{EitherBody, MessageBody},
    dev::{ServiceRequest, ServiceResponse},
    http::{
        Method,
        header::{self, HeaderValue},
    },
    middleware::Next,
    web,
};
use api::{
    principal::{Named, Principal, is_named_by_id, project_named},
    problem::Problem,
};
use base64::{Engine, prelude::BASE64_STANDARD};
use std::sync::Arc;

/// Lets a request through only with the token.
pub(super) async fn require_token<B: MessageBody + 'static>(
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<EitherBody<B>>, Error> {
    match enter(request.request()).await {
        Ok(principal) => {
            request.extensions_mut().insert(Arc::new(principal));
            Ok(next.call(request).await?.map_into_left_body())
        }
        Err(refused) => {
            let refusal = refused.error_response();
            Ok(request.into_response(refusal).map_into_right_body())
        }
    }
}

/// The principal of a request.
async fn enter(request: &HttpRequest) -> Result<Principal, ApiError> {
    check(request)?;
    let Some(gateway) = request.app_data::<web::Data<Gateway>>() else {
        return Err(Problem::unauthorized().into());
    };
    let named = wire::projects_named(request);
    let known = project_named(&gateway.catalog(), &named);
    if let Ok(Named::Known(project)) = &known
        && is_named_by_id(project, &named)
    {
        return Ok(Principal::operator(project.clone()));
    }
    let named = match freshness::newest(gateway).await {
        Ok(newest) => project_named(&newest, &named)?,
        // Without a leader nothing can be changed, and whoever reads may have what this node has. What it has not heard of may
        // be there all the same.
        Err(error) => match known {
            Ok(Named::Known(project)) if request.method() == Method::GET => Named::Known(project),
            Ok(_) | Err(_) => return Err(error),
        },
    };
    match named {
        Named::Known(project) => Ok(Principal::operator(project)),
        Named::Unknown(name) => Err(Problem::unknown_project(&name).into()),
    }
}

/// Whether a request has the token.
pub(super) fn check(request: &HttpRequest) -> Result<(), ApiError> {
    let offered = offered(request);
    let gateway = request.app_data::<web::Data<Gateway>>();
    let (Some(offered), Some(gateway)) = (offered, gateway) else {
        return Err(Problem::unauthorized().into());
    };
    let judged = gateway.wrong_tokens.judge(
        Side::Admin,
        wire::address_of(request, &[]),
        &offered,
        [&gateway.config.admin.token],
        &gateway.metrics,
    );
    match judged {
        Offered::Right => Ok(()),
        Offered::Wrong => Err(Problem::unauthorized().into()),
        Offered::TooMany => Err(Problem::too_many_tokens().into()),
    }
}

/// The token that a request came with.
pub(super) fn offered(request: &HttpRequest) -> Option<Vec<u8>> {
    let header = request.headers().get(header::AUTHORIZATION);
    header.and_then(given_token)
}

fn given_token(header: &HeaderValue) -> Option<Vec<u8>> {
    let (scheme, rest) = header.to_str().ok()?.split_once(' ')?;
    let rest = rest.trim();
    if scheme.eq_ignore_ascii_case("bearer") {
        return Some(rest.as_bytes().to_vec());
    }
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let decoded = BASE64_STANDARD.decode(rest).ok()?;
    decoded
        .split(|&byte| byte == b':')
        .next()
        .map(<[u8]>::to_vec)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allowed(header: &str) -> bool {
        let header = HeaderValue::from_str(header).expect("a header");
        given_token(&header).is_some_and(|given| given == b"s3cret-token")
    }

    #[test]
    fn the_token_opens_as_bearer_and_as_user_name() {
        assert!(allowed("Bearer s3cret-token"));
        assert!(allowed("bearer s3cret-token"));
        let basic = BASE64_STANDARD.encode("s3cret-token:");
        assert!(allowed(&format!("Basic {basic}")));
        let basic = BASE64_STANDARD.encode("s3cret-token");
        assert!(allowed(&format!("Basic {basic}")));
    }

    #[test]
    fn nothing_else_opens() {
        let as_password = BASE64_STANDARD.encode("user:s3cret-token");
        for header in [
            "Bearer ",
            "Bearer s3cret-toke",
            "Bearer s3cret-token2",
            "s3cret-token",
            "Token s3cret-token",
            "Basic s3cret-token",
            &format!("Basic {as_password}"),
        ] {
            assert!(!allowed(header), "{header}");
        }
    }
}
