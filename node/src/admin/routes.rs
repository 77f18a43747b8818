//! Which path leads where. Everything but health asks for the token.

use super::{
    api_error::ApiError,
    attempts,
    auth::{self, require_token},
    body, bookmarks, bulk, cli_sessions, cluster, connections, destinations, events, executions,
    health, issue_triggers, issues, notifications, queue_depth, requests, rules_try, source_types,
    sources, transformation_run, transformations,
};
use crate::wire;
use actix_http::ConnectionType;
use actix_web::{
    Error, HttpRequest, HttpResponse, Resource, ResponseError,
    body::MessageBody,
    dev::{RequestHead, ServiceRequest, ServiceResponse},
    guard::fn_guard,
    http::header::{self, HeaderValue},
    middleware::{Next, from_fn},
    web::{self, delete, get, post, put},
};
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
        .service(at("/cli-sessions").route(post().to(cli_sessions::create)))
        .service(at("/cli-sessions/connect").route(get().to(cli_sessions::connect)))
        .service(cluster_verbs())
        // A scope does not inherit its parent's: without one an unknown path would be answered with nothing.
        .default_service(web::to(unknown_path));
    let everything = web::scope("")
        .app_data(body::bound())
        .wrap(from_fn(guard_answers))
        .service(at("/healthz").route(get().to(health::alive)))
        .service(at("/readyz").route(get().to(health::ready)))
        .service(
            at("/metrics")
                .wrap(from_fn(require_token))
                .route(get().to(health::metrics)),
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
        .route(get().to(cli_sessions::connect))
}

/// What operators configure. Fixed words come before ids.
fn configuration(cfg: &mut web::ServiceConfig) {
    cfg.service(
        at("/sources")
            .route(get().to(sources::list))
            .route(post().to(sources::create))
            .route(put().to(sources::upsert)),
    )
    .service(at("/sources/count").route(get().to(sources::count)))
    .service(
        at("/sources/{id}")
            .route(get().to(sources::get))
            .route(put().to(sources::update))
            .route(delete().to(sources::delete)),
    )
    .service(at("/sources/{id}/rotate").route(put().to(sources::rotate)))
    .service(at("/sources/{id}/enable").route(put().to(sources::enable)))
    .service(at("/sources/{id}/unarchive").route(put().to(sources::enable)))
    .service(at("/sources/{id}/disable").route(put().to(sources::disable)))
    .service(at("/sources/{id}/archive").route(put().to(sources::disable)))
    .service(at("/source-types").route(get().to(source_types::list)))
    .service(
        at("/destinations")
            .route(get().to(destinations::list))
            .route(post().to(destinations::create))
            .route(put().to(destinations::upsert)),
    )
    .service(at("/destinations/count").route(get().to(destinations::count)))
    .service(
        at("/destinations/{id}")
            .route(get().to(destinations::get))
            .route(put().to(destinations::update))
            .route(delete().to(destinations::delete)),
    )
    .service(at("/destinations/{id}/rotate").route(put().to(destinations::rotate)))
    .service(at("/destinations/{id}/queue").route(get().to(queue_depth::of_destination)))
    .service(at("/destinations/{id}/enable").route(put().to(destinations::enable)))
    .service(at("/destinations/{id}/unarchive").route(put().to(destinations::enable)))
    .service(at("/destinations/{id}/disable").route(put().to(destinations::disable)))
    .service(at("/destinations/{id}/archive").route(put().to(destinations::disable)))
    .service(
        body::may_hold_code(at("/connections"))
            .route(get().to(connections::list))
            .route(post().to(connections::create))
            .route(put().to(connections::upsert)),
    )
    .service(at("/connections/count").route(get().to(connections::count)))
    .service(
        body::may_hold_code(at("/connections/rules/try")).route(post().to(rules_try::of_draft)),
    )
    .service(
        body::may_hold_code(at("/connections/{id}/rules/try"))
            .route(post().to(rules_try::of_connection)),
    )
    .service(
        body::may_hold_code(at("/connections/{id}"))
            .route(get().to(connections::get))
            .route(put().to(connections::update))
            .route(delete().to(connections::delete)),
    )
    .service(at("/connections/{id}/enable").route(put().to(connections::enable)))
    .service(at("/connections/{id}/unarchive").route(put().to(connections::enable)))
    .service(at("/connections/{id}/disable").route(put().to(connections::disable)))
    .service(at("/connections/{id}/archive").route(put().to(connections::disable)))
    .service(at("/connections/{id}/pause").route(put().to(connections::pause)))
    .service(at("/connections/{id}/unpause").route(put().to(connections::unpause)))
    .configure(transformation_paths);
}

fn transformation_paths(cfg: &mut web::ServiceConfig) {
    cfg.service(
        body::may_hold_code(at("/transformations"))
            .route(get().to(transformations::list))
            .route(post().to(transformations::create))
            .route(put().to(transformations::upsert)),
    )
    .service(at("/transformations/count").route(get().to(transformations::count)))
    .service(
        body::may_hold_code(at("/transformations/run")).route(put().to(transformation_run::run)),
    )
    .service(
        body::may_hold_code(at("/transformations/{id}"))
            .route(get().to(transformations::get))
            .route(put().to(transformations::update))
            .route(delete().to(transformations::delete)),
    )
    .service(at("/transformations/{id}/versions").route(get().to(transformations::versions)))
    .service(at("/transformations/{id}/executions").route(get().to(executions::list)))
    .service(
        at("/transformations/{id}/executions/{execution_id}").route(get().to(executions::get)),
    );
}

/// What came in and what became of it.
fn traffic(cfg: &mut web::ServiceConfig) {
    cfg.service(at("/requests").route(get().to(requests::list)))
        .service(at("/requests/{id}").route(get().to(requests::get)))
        .service(at("/requests/{id}/raw_body").route(get().to(requests::raw_body)))
        .service(at("/requests/{id}/events").route(get().to(requests::events)))
        .service(at("/requests/{id}/ignored_events").route(get().to(requests::ignored_events)))
        .service(at("/requests/{id}/retry").route(post().to(requests::retry)))
        .service(at("/events").route(get().to(events::list)))
        .service(at("/events/{id}").route(get().to(events::get)))
        .service(at("/events/{id}/raw_body").route(get().to(events::raw_body)))
        .service(at("/events/{id}/retry").route(post().to(events::retry)))
        .service(at("/events/{id}/cancel").route(put().to(events::cancel)))
        .service(at("/events/{id}/mute").route(put().to(events::mute)))
        .service(at("/metrics/queue-depth").route(get().to(queue_depth::get)))
        .service(at("/attempts").route(get().to(attempts::list)))
        .service(at("/attempts/{id}").route(get().to(attempts::get)));
}

/// What goes wrong, and who is told.
fn troubles(cfg: &mut web::ServiceConfig) {
    cfg.service(at("/issues").route(get().to(issues::list)))
        .service(at("/issues/count").route(get().to(issues::count)))
        .service(
            at("/issues/{id}")
                .route(get().to(issues::get))
                .route(put().to(issues::update))
                .route(delete().to(issues::dismiss)),
        )
        .service(
            at("/issue-triggers")
                .route(get().to(issue_triggers::list))
                .route(post().to(issue_triggers::create))
                .route(put().to(issue_triggers::upsert)),
        )
        .service(
            at("/issue-triggers/{id}")
                .route(get().to(issue_triggers::get))
                .route(put().to(issue_triggers::update))
                .route(delete().to(issue_triggers::delete)),
        )
        .service(at("/issue-triggers/{id}/enable").route(put().to(issue_triggers::enable)))
        .service(at("/issue-triggers/{id}/disable").route(put().to(issue_triggers::disable)))
        .service(
            at("/notifications/webhooks")
                .route(get().to(notifications::get))
                .route(put().to(notifications::put)),
        );
}

/// What is sent again: bookmarks, and many things at once.
fn replay(cfg: &mut web::ServiceConfig) {
    cfg.service(
        at("/bookmarks")
            .route(get().to(bookmarks::list))
            .route(post().to(bookmarks::create)),
    )
    .service(
        at("/bookmarks/{id}")
            .route(get().to(bookmarks::get))
            .route(put().to(bookmarks::update))
            .route(delete().to(bookmarks::delete)),
    )
    .service(at("/bookmarks/{id}/raw_body").route(get().to(bookmarks::raw_body)))
    .service(at("/bookmarks/{id}/trigger").route(post().to(bookmarks::trigger)))
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
        .service(
            at("")
                .route(get().to(bulk::list))
                .route(post().to(bulk::start)),
        )
        .service(at("/plan").route(get().to(bulk::plan)))
        .service(at("/{id}").route(get().to(bulk::get)))
        .service(at("/{id}/cancel").route(post().to(bulk::cancel)))
        .default_service(web::to(unknown_path))
}

/// The cluster's own verbs, at the root and under the base path.
fn cluster_verbs() -> actix_web::Scope {
    web::scope("/cluster")
        .service(at("").route(get().to(cluster::get)))
        .service(at("/nodes").route(post().to(cluster::add_node)))
        .service(at("/nodes/{id}").route(delete().to(cluster::remove_node)))
        .service(at("/leaders/balance").route(post().to(cluster::balance_leaders)))
}

/// A path that answers other methods in the shape of the API.
fn at(path: &str) -> Resource {
    web::resource(path).default_service(web::to(wrong_method))
}

async fn wrong_method(request: HttpRequest) -> Result<HttpResponse, ApiError> {
    Err(ApiError::wrong_method(
        request.method().as_str(),
        request.path(),
    ))
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
            let mut answer = ApiError::malformed(fault).error_response();
            answer.head_mut().set_connection_type(ConnectionType::Close);
            Ok(answer)
        }
        None => outside(request).await,
    }
}

async fn unknown_path(request: HttpRequest) -> Result<HttpResponse, ApiError> {
    Err(ApiError::unknown_path(request.path()))
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
