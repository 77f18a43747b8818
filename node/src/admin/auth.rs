//! Who may use the admin API: whoever has the token, as Bearer or as the user name of Basic.

use super::api_error::ApiError;
use crate::gateway::Gateway;
use actix_web::{
    Error, ResponseError,
    body::{EitherBody, MessageBody},
    dev::{ServiceRequest, ServiceResponse},
    http::header::{self, HeaderValue},
    middleware::Next,
    web,
};
use base64::{Engine, prelude::BASE64_STANDARD};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

/// Lets a request through only with the token.
pub(super) async fn require_token<B: MessageBody + 'static>(
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<EitherBody<B>>, Error> {
    let allowed = request
        .app_data::<web::Data<Gateway>>()
        .is_some_and(|gateway| {
            let header = request.headers().get(header::AUTHORIZATION);
            has_token(header, gateway.config.admin.token.reveal())
        });
    if allowed {
        return Ok(next.call(request).await?.map_into_left_body());
    }
    let refusal = ApiError::unauthorized().error_response();
    Ok(request.into_response(refusal).map_into_right_body())
}

fn has_token(header: Option<&HeaderValue>, token: &str) -> bool {
    let Some(given) = header.and_then(given_token) else {
        return false;
    };
    // Digests have one length, so neither the length nor the place of a difference takes time.
    let given = Sha256::digest(&given);
    let expected = Sha256::digest(token.as_bytes());
    !token.is_empty() && bool::from(given.as_slice().ct_eq(expected.as_slice()))
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
        has_token(Some(&header), "s3cret-token")
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
        assert!(!has_token(None, "s3cret-token"));
        let empty = HeaderValue::from_static("Basic Og==");
        assert!(!has_token(Some(&empty), ""), "an empty token opens nothing");
    }
}
