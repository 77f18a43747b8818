//! Which path leads where. Everything but health asks for the token, and nothing but health and sockets can be routed to a
//! handler that would pass over a parameter or a body.

use super::{
    api_error::ApiError,
    attempts,
    auth::{self, require_token},
    body::Body,
    bookmarks, bulk, cli_sessions, cluster, connections, destinations, events, executions,
    extract::{self, Extract, NoBody},
    health, issue_triggers, issues,
    manner::Manner,
    notifications,
    query::Query,
    queue_depth, requests, rules_try, source_types, sources, transformation_run, transformations,
};
use crate::wire;
use actix_http::ConnectionType;
use actix_web::{
    Error, FromRequest, Handler, HttpRequest, HttpResponse, Resource, Responder, ResponseError,
    Route,
    body::MessageBody,
    dev::{RequestHead, ServiceRequest, ServiceResponse},
    guard::fn_guard,
    http::header::{self, HeaderValue},
    middleware::{Next, from_fn},
    web,
};
use api::problem::Problem;
use model::traffic::OperationKind;

/// The version of the API in every path.
const BASE: &str = "/2025-07-01";

/// Mounts the whole private side.
pub fn configure(cfg: &mut web::ServiceConfig) {
    let base = web::scope(BASE)
        .wrap(from_fn(require_token))
        .configure(configuration)
        .configure(traffic)
        .configure(troubles)
        .configure(replay)
        .service(at("/cli-sessions").route(post(cli_sessions::create)))
        .service(at("/cli-sessions/connect").route(web::get().to(cli_sessions::connect)))
        .service(cluster_verbs())
        // A scope does not inherit its parent's: without one an unknown path would be answered with nothing.
        .default_service(web::to(unknown_path));
    let everything = web::scope("")
        .app_data(extract::bound())
        .wrap(from_fn(guard_answers))
        .service(at("/healthz").route(web::get().to(health::alive)))
        .service(at("/readyz").route(web::get().to(health::ready)))
        .service(
            at("/metrics")
                .wrap(from_fn(require_token))
                .route(web::get().to(health::metrics)),
        )
        .service(cluster_verbs().wrap(from_fn(require_token)))
        .service(socket().wrap(from_fn(require_token)))
        .route(wire::MALFORMED, web::to(malformed))
        .service(base)
        .default_service(web::to(outside));
    cfg.service(everything);
}

/// Where command lines dial that were told no more than the listener's address.
fn socket() -> Resource {
    let is_websocket = |head: &RequestHead| {
        let upgrade = head.headers().get(header::UPGRADE);
        upgrade.is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"websocket"))
    };
    web::resource("/")
        .guard(fn_guard(move |context| is_websocket(context.head())))
        .route(web::get().to(cli_sessions::connect))
}

/// What operators configure. Fixed words come before ids.
fn configuration(cfg: &mut web::ServiceConfig) {
    cfg.service(
        at("/sources")
            .route(get(sources::list))
            .route(post(sources::create))
            .route(put(sources::upsert)),
    )
    .service(at("/sources/count").route(get(sources::count)))
    .service(
        at("/sources/{id}")
            .route(get(sources::get))
            .route(put(sources::update))
            .route(delete(sources::delete)),
    )
    .service(at("/sources/{id}/rotate").route(put(sources::rotate)))
    .service(at("/sources/{id}/enable").route(put(sources::enable)))
    .service(at("/sources/{id}/unarchive").route(put(sources::enable)))
    .service(at("/sources/{id}/disable").route(put(sources::disable)))
    .service(at("/sources/{id}/archive").route(put(sources::disable)))
    .service(at("/source-types").route(get(source_types::list)))
    .service(
        at("/destinations")
            .route(get(destinations::list))
            .route(post(destinations::create))
            .route(put(destinations::upsert)),
    )
    .service(at("/destinations/count").route(get(destinations::count)))
    .service(
        at("/destinations/{id}")
            .route(get(destinations::get))
            .route(put(destinations::update))
            .route(delete(destinations::delete)),
    )
    .service(at("/destinations/{id}/rotate").route(put(destinations::rotate)))
    .service(at("/destinations/{id}/queue").route(get(queue_depth::of_destination)))
    .service(at("/destinations/{id}/enable").route(put(destinations::enable)))
    .service(at("/destinations/{id}/unarchive").route(put(destinations::enable)))
    .service(at("/destinations/{id}/disable").route(put(destinations::disable)))
    .service(at("/destinations/{id}/archive").route(put(destinations::disable)))
    .service(
        extract::may_hold_code(at("/connections"))
            .route(get(connections::list))
            .route(post(connections::create))
            .route(put(connections::upsert)),
    )
    .service(at("/connections/count").route(get(connections::count)))
    .service(extract::may_hold_code(at("/connections/rules/try")).route(post(rules_try::of_draft)))
    .service(
        extract::may_hold_code(at("/connections/{id}/rules/try"))
            .route(post(rules_try::of_connection)),
    )
    .service(
        extract::may_hold_code(at("/connections/{id}"))
            .route(get(connections::get))
            .route(put(connections::update))
            .route(delete(connections::delete)),
    )
    .service(at("/connections/{id}/enable").route(put(connections::enable)))
    .service(at("/connections/{id}/unarchive").route(put(connections::enable)))
    .service(at("/connections/{id}/disable").route(put(connections::disable)))
    .service(at("/connections/{id}/archive").route(put(connections::disable)))
    .service(at("/connections/{id}/pause").route(put(connections::pause)))
    .service(at("/connections/{id}/unpause").route(put(connections::unpause)))
    .configure(transformation_paths);
}

fn transformation_paths(cfg: &mut web::ServiceConfig) {
    cfg.service(
        extract::may_hold_code(at("/transformations"))
            .route(get(transformations::list))
            .route(post(transformations::create))
            .route(put(transformations::upsert)),
    )
    .service(at("/transformations/count").route(get(transformations::count)))
    .service(extract::may_hold_code(at("/transformations/run")).route(put(transformation_run::run)))
    .service(
        extract::may_hold_code(at("/transformations/{id}"))
            .route(get(transformations::get))
            .route(put(transformations::update))
            .route(delete(transformations::delete)),
    )
    .service(at("/transformations/{id}/versions").route(get(transformations::versions)))
    .service(at("/transformations/{id}/executions").route(get(executions::list)))
    .service(at("/transformations/{id}/executions/{execution_id}").route(get(executions::get)));
}

/// What came in and what became of it.
fn traffic(cfg: &mut web::ServiceConfig) {
    cfg.service(at("/requests").route(get(requests::list)))
        .service(at("/requests/{id}").route(get(requests::get)))
        .service(at("/requests/{id}/raw_body").route(get(requests::raw_body)))
        .service(at("/requests/{id}/events").route(get(requests::events)))
        .service(at("/requests/{id}/ignored_events").route(get(requests::ignored_events)))
        .service(at("/requests/{id}/retry").route(post(requests::retry)))
        .service(at("/events").route(get(events::list)))
        .service(at("/events/{id}").route(get(events::get)))
        .service(at("/events/{id}/raw_body").route(get(events::raw_body)))
        .service(at("/events/{id}/retry").route(post(events::retry)))
        .service(at("/events/{id}/cancel").route(put(events::cancel)))
        .service(at("/events/{id}/mute").route(put(events::mute)))
        .service(at("/metrics/queue-depth").route(get(queue_depth::get)))
        .service(at("/attempts").route(get(attempts::list)))
        .service(at("/attempts/{id}").route(get(attempts::get)));
}

/// What goes wrong, and who is told.
fn troubles(cfg: &mut web::ServiceConfig) {
    cfg.service(at("/issues").route(get(issues::list)))
        .service(at("/issues/count").route(get(issues::count)))
        .service(
            at("/issues/{id}")
                .route(get(issues::get))
                .route(put(issues::update))
                .route(delete(issues::dismiss)),
        )
        .service(
            at("/issue-triggers")
                .route(get(issue_triggers::list))
                .route(post(issue_triggers::create))
                .route(put(issue_triggers::upsert)),
        )
        .service(
            at("/issue-triggers/{id}")
                .route(get(issue_triggers::get))
                .route(put(issue_triggers::update))
                .route(delete(issue_triggers::delete)),
        )
        .service(at("/issue-triggers/{id}/enable").route(put(issue_triggers::enable)))
        .service(at("/issue-triggers/{id}/disable").route(put(issue_triggers::disable)))
        .service(
            at("/notifications/webhooks")
                .route(get(notifications::get))
                .route(put(notifications::put)),
        );
}

/// What is sent again: bookmarks, and many things at once.
fn replay(cfg: &mut web::ServiceConfig) {
    cfg.service(
        at("/bookmarks")
            .route(get(bookmarks::list))
            .route(post(bookmarks::create)),
    )
    .service(
        at("/bookmarks/{id}")
            .route(get(bookmarks::get))
            .route(put(bookmarks::update))
            .route(delete(bookmarks::delete)),
    )
    .service(at("/bookmarks/{id}/raw_body").route(get(bookmarks::raw_body)))
    .service(at("/bookmarks/{id}/trigger").route(post(bookmarks::trigger)))
    .service(operations("/bulk/events/retry", OperationKind::RetryEvents))
    .service(operations(
        "/bulk/events/cancel",
        OperationKind::CancelEvents,
    ))
    .service(operations(
        "/bulk/requests/retry",
        OperationKind::RetryRequests,
    ))
    .service(operations(
        "/bulk/ignored-events/retry",
        OperationKind::RetryIgnored,
    ));
}

/// The paths of one kind of bulk operation.
fn operations(path: &str, kind: OperationKind) -> actix_web::Scope {
    web::scope(path)
        .app_data(web::Data::new(kind))
        .service(at("").route(get(bulk::list)).route(post(bulk::start)))
        .service(at("/plan").route(get(bulk::plan)))
        .service(at("/{id}").route(get(bulk::get)))
        .service(at("/{id}/cancel").route(post(bulk::cancel)))
        .default_service(web::to(unknown_path))
}

/// The cluster's own verbs, at the root and under the base path.
fn cluster_verbs() -> actix_web::Scope {
    web::scope("/cluster")
        .service(at("").route(get(cluster::get)))
        .service(at("/nodes").route(post(cluster::add_node)))
        .service(at("/nodes/{id}").route(delete(cluster::remove_node)))
        .service(at("/leaders/balance").route(post(cluster::balance_leaders)))
}

/// Parameters of which none is passed over.
trait Parameters {}
impl Parameters for Extract<Manner> {}
impl Parameters for Extract<Query> {}

/// A body of which nothing is passed over.
trait Content {}
impl Content for Extract<Body> {}
impl Content for NoBody {}

/// What a handler of `GET` is called with: parameters are the last of it.
trait Reads {}
impl<P: Parameters> Reads for (P,) {}
impl<A, P: Parameters> Reads for (A, P) {}
impl<A, B, P: Parameters> Reads for (A, B, P) {}
impl<A, B, C, P: Parameters> Reads for (A, B, C, P) {}

/// What a handler of other methods is called with: parameters and a body are the last of it.
trait Writes {}
impl<A, P: Parameters, T: Content> Writes for (A, P, T) {}
impl<A, B, P: Parameters, T: Content> Writes for (A, B, P, T) {}
impl<A, B, C, P: Parameters, T: Content> Writes for (A, B, C, P, T) {}

fn get<H, A>(handler: H) -> Route
where
    H: Handler<A, Output: Responder + 'static>,
    A: FromRequest + Reads + 'static,
{
    web::get().to(handler)
}

fn post<H, A>(handler: H) -> Route
where
    H: Handler<A, Output: Responder + 'static>,
    A: FromRequest + Writes + 'static,
{
    web::post().to(handler)
}

fn put<H, A>(handler: H) -> Route
where
    H: Handler<A, Output: Responder + 'static>,
    A: FromRequest + Writes + 'static,
{
    web::put().to(handler)
}

fn delete<H, A>(handler: H) -> Route
where
    H: Handler<A, Output: Responder + 'static>,
    A: FromRequest + Writes + 'static,
{
    web::delete().to(handler)
}

/// A path that answers other methods in the shape of the API.
fn at(path: &str) -> Resource {
    web::resource(path).default_service(web::to(wrong_method))
}

async fn wrong_method(request: HttpRequest) -> Result<HttpResponse, ApiError> {
    Err(Problem::wrong_method(request.method().as_str(), request.path()).into())
}

/// Outside of everything: who has no token is not told what there is.
async fn outside(request: HttpRequest) -> Result<HttpResponse, ApiError> {
    auth::check(&request)?;
    unknown_path(request).await
}

/// What stands for a request that nobody could read.
async fn malformed(request: HttpRequest) -> Result<HttpResponse, ApiError> {
    match wire::fault_of(&request) {
        Some(fault) => {
            let mut answer = ApiError::from(Problem::malformed(fault)).error_response();
            answer.head_mut().set_connection_type(ConnectionType::Close);
            Ok(answer)
        }
        None => outside(request).await,
    }
}

async fn unknown_path(request: HttpRequest) -> Result<HttpResponse, ApiError> {
    Err(Problem::unknown_path(request.path()).into())
}

/// Answers hold configuration and payloads: nobody on the way may keep them or guess at their type.
async fn guard_answers(
    request: ServiceRequest,
    next: Next<impl MessageBody>,
) -> Result<ServiceResponse<impl MessageBody>, Error> {
    let mut response = next.call(request).await?;
    let headers = response.headers_mut();
    headers.insert(
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    );
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}
