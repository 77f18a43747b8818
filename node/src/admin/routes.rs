//! Which path leads where. Everything but health asks for the token, and nothing but health and sockets can be routed to a
//! handler that would pass over a parameter or a body.

use super::{
    api_error::{Answer, ApiError},
    attempts,
    auth::{self, require_token},
    body::Body,
    bookmarks, bulk, cli_sessions, cluster, connections, destinations, events, executions,
    extract::{self, Extract, NoBody},
    health, issues,
    manner::Manner,
    notifications, noun,
    principal::Scoped,
    projects,
    query::Query,
    queue_depth, requests, rules_try, sign_in, source_types, sources, transformation_run,
    transformations,
};
use crate::wire;
use actix_http::ConnectionType;
use actix_web::{
    Error, FromRequest, Handler, HttpRequest, HttpResponse, Resource, ResponseError, Route,
    body::MessageBody,
    dev::{RequestHead, ServiceRequest, ServiceResponse},
    guard::fn_guard,
    http::header::{self, HeaderValue},
    middleware::{Next, from_fn},
    web::{self, Json},
};
use api::{
    dialect::Dialect,
    operation::{self, Described, Method, Operation, Stands},
    operations as op,
    problem::Problem,
};
use model::{
    catalog::{Connection, Destination, IssueTrigger, Project, Source, Transformation},
    traffic::OperationKind,
};
use serde::Serialize;
use serde_json::Value;

/// Mounts the whole private side.
pub fn configure(cfg: &mut web::ServiceConfig) {
    let base = |dialect: Dialect| {
        web::scope(dialect.base())
            .wrap(from_fn(require_token))
            .configure(|cfg| mount(cfg, Place::Base(dialect)))
            .service(at("/cli-sessions/connect").route(web::get().to(cli_sessions::connect)))
            // A scope does not inherit its parent's: without one an unknown path would be answered with nothing.
            .default_service(web::to(unknown_path))
    };
    let everything = web::scope("")
        .app_data(extract::bound())
        .wrap(from_fn(guard_answers))
        .configure(|cfg| mount(cfg, Place::Root))
        .service(
            at("/metrics")
                .wrap(from_fn(require_token))
                .route(web::get().to(health::metrics)),
        )
        .service(socket().wrap(from_fn(require_token)))
        .route(wire::MALFORMED, web::to(malformed))
        .default_service(web::to(outside));
    let bases = Dialect::ALL.into_iter().map(base);
    cfg.service(bases.fold(everything, |everything, base| everything.service(base)));
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Root,
    /// The base of a dialect.
    Base(Dialect),
}

impl Place {
    fn has(self, described: &Described) -> bool {
        let is_spoken = match self {
            Self::Root => true,
            Self::Base(dialect) => described.is_in(dialect),
        };
        let stands_here = match described.stands {
            Stands::AtTheBase => self != Self::Root,
            Stands::AtTheRoot | Stands::InTheOpen => self == Self::Root,
            Stands::AtBoth => true,
        };
        is_spoken && stands_here
    }
}

/// Mounts what stands at a place, each path with all its methods. Fixed words come before ids, as they do in the table.
fn mount(cfg: &mut web::ServiceConfig, place: Place) {
    let mut paths: Vec<(&str, Vec<Served>)> = Vec::new();
    for one in served() {
        if !place.has(one.described) {
            continue;
        }
        match paths
            .iter_mut()
            .find(|(path, _)| *path == one.described.path)
        {
            Some((_, methods)) => methods.push(one),
            None => paths.push((one.described.path, vec![one])),
        }
    }
    for (path, methods) in paths {
        let asks = methods
            .iter()
            .all(|one| one.described.stands != Stands::InTheOpen);
        let resource = methods
            .into_iter()
            .fold(at(path), |resource, one| one.onto(resource));
        // The base asks for all that stands there.
        match place == Place::Root && asks {
            true => cfg.service(resource.wrap(from_fn(require_token))),
            false => cfg.service(resource),
        };
    }
}

/// An operation and what serves it.
struct Served {
    described: &'static Described,
    route: Route,
    /// Which kind of bulk operation it is about.
    kind: Option<OperationKind>,
}

impl Served {
    fn onto(self, resource: Resource) -> Resource {
        let resource = match self.described.body {
            operation::Body::WithCode(_) => extract::may_hold_code(resource),
            operation::Body::Nothing | operation::Body::Of(_) => resource,
        };
        let resource = match self.kind {
            Some(kind) => resource.app_data(web::Data::new(kind)),
            None => resource,
        };
        resource.route(self.route)
    }
}

/// Everything that is served but sockets and metrics.
fn served() -> Vec<Served> {
    let mut all = configuration();
    all.extend(traffic());
    all.extend(troubles());
    all.extend(replay());
    all.extend(nodes());
    all
}

/// What operators configure.
fn configuration() -> Vec<Served> {
    vec![
        reads(&op::VALIDATE_KEY, sign_in::validate),
        writes(&op::SIGN_IN, sign_in::ci),
        reads(&op::LIST_TEAMS, sign_in::teams),
        reads(&op::LIST_PROJECTS, noun::list::<Project>),
        reads(&op::LIST_ALL_PROJECTS, sign_in::teams),
        writes(&op::CREATE_PROJECT, noun::create::<Project>),
        writes(&op::UPSERT_PROJECT, noun::upsert::<Project>),
        reads(&op::COUNT_PROJECTS, noun::count::<Project>),
        reads(&op::GET_PROJECT, noun::get::<Project>),
        writes(&op::UPDATE_PROJECT, noun::update::<Project>),
        writes(&op::DELETE_PROJECT, projects::delete),
        reads(&op::LIST_SOURCES, noun::list::<Source>),
        writes(&op::CREATE_SOURCE, noun::create::<Source>),
        writes(&op::UPSERT_SOURCE, noun::upsert::<Source>),
        reads(&op::COUNT_SOURCES, noun::count::<Source>),
        reads(&op::GET_SOURCE, noun::get::<Source>),
        writes(&op::UPDATE_SOURCE, noun::update::<Source>),
        writes(&op::DELETE_SOURCE, noun::delete::<Source>),
        writes(&op::ROTATE_SOURCE, sources::rotate),
        writes(&op::ENABLE_SOURCE, noun::enable::<Source>),
        writes(&op::UNARCHIVE_SOURCE, noun::enable::<Source>),
        writes(&op::DISABLE_SOURCE, noun::disable::<Source>),
        writes(&op::ARCHIVE_SOURCE, noun::disable::<Source>),
        reads(&op::LIST_SOURCE_TYPES, source_types::list),
        reads(&op::LIST_DESTINATIONS, noun::list::<Destination>),
        writes(&op::CREATE_DESTINATION, noun::create::<Destination>),
        writes(&op::UPSERT_DESTINATION, noun::upsert::<Destination>),
        reads(&op::COUNT_DESTINATIONS, noun::count::<Destination>),
        reads(&op::GET_DESTINATION, noun::get::<Destination>),
        writes(&op::UPDATE_DESTINATION, noun::update::<Destination>),
        writes(&op::DELETE_DESTINATION, noun::delete::<Destination>),
        writes(&op::ROTATE_DESTINATION, destinations::rotate),
        reads(&op::GET_DESTINATION_QUEUE, queue_depth::of_destination),
        writes(&op::ENABLE_DESTINATION, noun::enable::<Destination>),
        writes(&op::UNARCHIVE_DESTINATION, noun::enable::<Destination>),
        writes(&op::DISABLE_DESTINATION, noun::disable::<Destination>),
        writes(&op::ARCHIVE_DESTINATION, noun::disable::<Destination>),
        reads(&op::LIST_CONNECTIONS, noun::list::<Connection>),
        writes(&op::CREATE_CONNECTION, noun::create::<Connection>),
        writes(&op::UPSERT_CONNECTION, noun::upsert::<Connection>),
        reads(&op::COUNT_CONNECTIONS, noun::count::<Connection>),
        writes(&op::TRY_RULES, rules_try::of_draft),
        writes(&op::TRY_RULES_OF_CONNECTION, rules_try::of_connection),
        reads(&op::GET_CONNECTION, noun::get::<Connection>),
        writes(&op::UPDATE_CONNECTION, noun::update::<Connection>),
        writes(&op::DELETE_CONNECTION, noun::delete::<Connection>),
        writes(&op::ENABLE_CONNECTION, noun::enable::<Connection>),
        writes(&op::UNARCHIVE_CONNECTION, noun::enable::<Connection>),
        writes(&op::DISABLE_CONNECTION, noun::disable::<Connection>),
        writes(&op::ARCHIVE_CONNECTION, noun::disable::<Connection>),
        writes(&op::PAUSE_CONNECTION, connections::pause),
        writes(&op::UNPAUSE_CONNECTION, connections::unpause),
        reads(&op::LIST_TRANSFORMATIONS, noun::list::<Transformation>),
        writes(&op::CREATE_TRANSFORMATION, noun::create::<Transformation>),
        writes(&op::UPSERT_TRANSFORMATION, noun::upsert::<Transformation>),
        reads(&op::COUNT_TRANSFORMATIONS, noun::count::<Transformation>),
        writes(&op::RUN_TRANSFORMATION, transformation_run::run),
        reads(&op::GET_TRANSFORMATION, noun::get::<Transformation>),
        writes(&op::UPDATE_TRANSFORMATION, noun::update::<Transformation>),
        writes(&op::DELETE_TRANSFORMATION, noun::delete::<Transformation>),
        reads(&op::LIST_TRANSFORMATION_VERSIONS, transformations::versions),
        reads(&op::LIST_EXECUTIONS, executions::list),
        reads(&op::GET_EXECUTION, executions::get),
    ]
}

/// What came in and what became of it.
fn traffic() -> Vec<Served> {
    vec![
        reads(&op::LIST_REQUESTS, requests::list),
        reads(&op::GET_REQUEST, requests::get),
        reads(&op::GET_REQUEST_BODY, requests::raw_body),
        reads(&op::LIST_REQUEST_EVENTS, requests::events),
        reads(&op::LIST_IGNORED_EVENTS, requests::ignored_events),
        writes(&op::RETRY_REQUEST, requests::retry),
        reads(&op::LIST_EVENTS, events::list),
        reads(&op::GET_EVENT, events::get),
        reads(&op::GET_EVENT_BODY, events::raw_body),
        writes(&op::RETRY_EVENT, events::retry),
        writes(&op::CANCEL_EVENT, events::cancel),
        writes(&op::MUTE_EVENT, events::mute),
        reads(&op::GET_QUEUE_DEPTH, queue_depth::get),
        reads(&op::LIST_ATTEMPTS, attempts::list),
        reads(&op::GET_ATTEMPT, attempts::get),
    ]
}

/// What goes wrong, and who is told.
fn troubles() -> Vec<Served> {
    vec![
        reads(&op::LIST_ISSUES, issues::list),
        reads(&op::COUNT_ISSUES, issues::count),
        reads(&op::GET_ISSUE, issues::get),
        writes(&op::UPDATE_ISSUE, issues::update),
        writes(&op::DISMISS_ISSUE, issues::dismiss),
        reads(&op::LIST_ISSUE_TRIGGERS, noun::list::<IssueTrigger>),
        writes(&op::CREATE_ISSUE_TRIGGER, noun::create::<IssueTrigger>),
        writes(&op::UPSERT_ISSUE_TRIGGER, noun::upsert::<IssueTrigger>),
        reads(&op::GET_ISSUE_TRIGGER, noun::get::<IssueTrigger>),
        writes(&op::UPDATE_ISSUE_TRIGGER, noun::update::<IssueTrigger>),
        writes(&op::DELETE_ISSUE_TRIGGER, noun::delete::<IssueTrigger>),
        writes(&op::ENABLE_ISSUE_TRIGGER, noun::enable::<IssueTrigger>),
        writes(&op::DISABLE_ISSUE_TRIGGER, noun::disable::<IssueTrigger>),
        reads(&op::GET_NOTIFICATIONS, notifications::get),
        writes(&op::SET_NOTIFICATIONS, notifications::put),
    ]
}

/// What is sent again: bookmarks, and many things at once.
fn replay() -> Vec<Served> {
    use OperationKind::{CancelEvents, RetryEvents, RetryIgnored, RetryRequests};
    vec![
        reads(&op::LIST_BOOKMARKS, bookmarks::list),
        writes(&op::CREATE_BOOKMARK, bookmarks::create),
        reads(&op::GET_BOOKMARK, bookmarks::get),
        writes(&op::UPDATE_BOOKMARK, bookmarks::update),
        writes(&op::DELETE_BOOKMARK, bookmarks::delete),
        reads(&op::GET_BOOKMARK_BODY, bookmarks::raw_body),
        writes(&op::TRIGGER_BOOKMARK, bookmarks::trigger),
        reads(&op::LIST_EVENT_RETRIES, bulk::list).of(RetryEvents),
        writes(&op::START_EVENT_RETRY, bulk::start).of(RetryEvents),
        reads(&op::PLAN_EVENT_RETRY, bulk::plan).of(RetryEvents),
        reads(&op::GET_EVENT_RETRY, bulk::get).of(RetryEvents),
        writes(&op::CANCEL_EVENT_RETRY, bulk::cancel).of(RetryEvents),
        reads(&op::LIST_EVENT_CANCELS, bulk::list).of(CancelEvents),
        writes(&op::START_EVENT_CANCEL, bulk::start).of(CancelEvents),
        reads(&op::PLAN_EVENT_CANCEL, bulk::plan).of(CancelEvents),
        reads(&op::GET_EVENT_CANCEL, bulk::get).of(CancelEvents),
        writes(&op::CANCEL_EVENT_CANCEL, bulk::cancel).of(CancelEvents),
        reads(&op::LIST_REQUEST_RETRIES, bulk::list).of(RetryRequests),
        writes(&op::START_REQUEST_RETRY, bulk::start).of(RetryRequests),
        reads(&op::PLAN_REQUEST_RETRY, bulk::plan).of(RetryRequests),
        reads(&op::GET_REQUEST_RETRY, bulk::get).of(RetryRequests),
        writes(&op::CANCEL_REQUEST_RETRY, bulk::cancel).of(RetryRequests),
        reads(&op::LIST_IGNORED_RETRIES, bulk::list).of(RetryIgnored),
        writes(&op::START_IGNORED_RETRY, bulk::start).of(RetryIgnored),
        reads(&op::PLAN_IGNORED_RETRY, bulk::plan).of(RetryIgnored),
        reads(&op::GET_IGNORED_RETRY, bulk::get).of(RetryIgnored),
        writes(&op::CANCEL_IGNORED_RETRY, bulk::cancel).of(RetryIgnored),
    ]
}

/// The cluster's own verbs, and what a node says of itself.
fn nodes() -> Vec<Served> {
    vec![
        writes(&op::CREATE_CLI_SESSION, cli_sessions::create),
        reads(&op::GET_CLUSTER, cluster::get),
        writes(&op::ADD_NODE, cluster::add_node),
        writes(&op::REMOVE_NODE, cluster::remove_node),
        writes(&op::BALANCE_LEADERS, cluster::balance_leaders),
        reads(&op::GET_OPENAPI, openapi),
        // Whoever asks whether a node lives adds what he likes to the question.
        Served::by(&op::GET_LIFE, health::alive),
        Served::by(&op::GET_READINESS, health::ready),
    ]
}

async fn openapi(gateway: Scoped, _: Extract<Manner>) -> Answer<Value> {
    Ok(Json(api::openapi::document(gateway.dialect()).clone()))
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

/// Parameters of which none is passed over.
trait Parameters {}
impl Parameters for Extract<Manner> {}
impl Parameters for Extract<Query> {}

/// A body of which nothing is passed over.
trait Content {}
impl Content for Extract<Body> {}
impl Content for NoBody {}

/// What a handler of `GET` is called with: who asks is the first of it, parameters are the last.
trait Reads {}
impl<P: Parameters> Reads for (Scoped, P) {}
impl<A, P: Parameters> Reads for (Scoped, A, P) {}
impl<A, B, P: Parameters> Reads for (Scoped, A, B, P) {}

/// What a handler of other methods is called with: who asks is the first of it, parameters and a body are the last.
trait Writes {}
impl<P: Parameters, T: Content> Writes for (Scoped, P, T) {}
impl<A, P: Parameters, T: Content> Writes for (Scoped, A, P, T) {}
impl<A, B, P: Parameters, T: Content> Writes for (Scoped, A, B, P, T) {}

impl Served {
    /// The handler answers what the operation says that it answers, or this does not compile.
    fn by<A, H, P>(operation: &'static Operation<A>, handler: H) -> Self
    where
        A: Serialize + 'static,
        H: Handler<P, Output = Answer<A>>,
        P: FromRequest + 'static,
    {
        let described = &operation.described;
        let route = match described.method {
            Method::Get => web::get(),
            Method::Post => web::post(),
            Method::Put => web::put(),
            Method::Delete => web::delete(),
        };
        Self {
            described,
            route: route.to(handler),
            kind: None,
        }
    }

    /// The same of one kind of bulk operation.
    fn of(mut self, kind: OperationKind) -> Self {
        self.kind = Some(kind);
        self
    }
}

fn reads<A, H, P>(operation: &'static Operation<A>, handler: H) -> Served
where
    A: Serialize + 'static,
    H: Handler<P, Output = Answer<A>>,
    P: FromRequest + Reads + 'static,
{
    Served::by(operation, handler)
}

fn writes<A, H, P>(operation: &'static Operation<A>, handler: H) -> Served
where
    A: Serialize + 'static,
    H: Handler<P, Output = Answer<A>>,
    P: FromRequest + Writes + 'static,
{
    Served::by(operation, handler)
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

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn what_the_table_names_is_served_and_nothing_else() {
        let ids = |all: Vec<&'static Described>| -> BTreeSet<&str> {
            let count = all.len();
            let ids: BTreeSet<_> = all.into_iter().map(|one| one.id).collect();
            assert_eq!(ids.len(), count, "each is served once");
            ids
        };
        let served = served().into_iter().map(|one| one.described);
        assert_eq!(ids(served.collect()), ids(op::ALL.to_vec()));
    }

    #[test]
    fn what_reads_is_asked_by_get_alone() {
        for described in op::ALL {
            let takes_body = !matches!(described.body, operation::Body::Nothing);
            assert!(
                described.method != Method::Get || !takes_body,
                "{}",
                described.id
            );
        }
    }
}
