//! What handlers are called with: the parameters and the body of a request, as `api` reads them.

use super::api_error::ApiError;
use actix_web::{
    FromRequest, HttpRequest, Resource,
    dev::Payload,
    error::PayloadError,
    http::header,
    web::{Bytes, PayloadConfig},
};
use api::{body::Body, dialect::Dialect, manner::Manner, problem::Problem, query::Query};
use futures::future::{FutureExt, LocalBoxFuture};
use std::{
    convert::Infallible,
    future::{Ready, ready},
};

/// The largest body that the admin API reads.
const MAX_BODY_BYTES: usize = 1024 * 1024;
/// The same where a body may hold code, which may be 5 MiB and takes more as JSON.
const MAX_CODE_BODY_BYTES: usize = 12 * 1024 * 1024;

/// A part of a request that `api` reads.
#[derive(Debug)]
pub(super) struct Extract<T>(pub(super) T);

/// A body that says nothing, for paths that read none.
#[derive(Debug)]
pub(super) struct NoBody;

impl FromRequest for Extract<Query> {
    type Error = Infallible;
    type Future = Ready<Result<Self, Infallible>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(Ok(Self(Query::parse(request.query_string()))))
    }
}

/// For paths without parameters of their own.
impl FromRequest for Extract<Manner> {
    type Error = ApiError;
    type Future = Ready<Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let manner = Query::parse(request.query_string()).finish();
        ready(manner.map(Self).map_err(ApiError::from))
    }
}

impl FromRequest for Extract<Body> {
    type Error = ApiError;
    type Future = LocalBoxFuture<'static, Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let content_type = request
            .headers()
            .get(header::CONTENT_TYPE)
            .map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned());
        let bytes = Bytes::from_request(request, payload);
        let dialect = Dialect::of(request.path());
        let bound = request
            .app_data::<Bound>()
            .map_or(MAX_BODY_BYTES, |it| it.0);
        async move {
            let bytes = bytes
                .await
                .map_err(|error| match error.as_error::<PayloadError>() {
                    Some(PayloadError::Overflow) => Problem::too_large(bound),
                    _ => Problem::bad_request(format!("the body could not be read: {error}")),
                })?;
            let body = Body::parse(content_type.as_deref(), &bytes)?;
            Ok(Self(body.in_dialect(dialect)))
        }
        .boxed_local()
    }
}

impl FromRequest for NoBody {
    type Error = ApiError;
    type Future = LocalBoxFuture<'static, Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let body = Extract::<Body>::from_request(request, payload);
        async move { body.await?.0.read(|_| Ok(Self)) }.boxed_local()
    }
}

/// The bound on bodies, for the app's data.
pub(super) fn bound() -> PayloadConfig {
    PayloadConfig::new(MAX_BODY_BYTES)
}

/// A bound that stands in refusals.
struct Bound(usize);

/// A path whose bodies may hold code.
pub(super) fn may_hold_code(path: Resource) -> Resource {
    path.app_data(PayloadConfig::new(MAX_CODE_BODY_BYTES))
        .app_data(Bound(MAX_CODE_BODY_BYTES))
}
