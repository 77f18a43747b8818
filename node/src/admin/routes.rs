//! Every path of the private side, in one list.

use super::{
    api_error::ApiError, attempts, auth, body, cluster, connections, destinations, events, health,
    requests, sources,
};
use actix_web::{
    HttpRequest, HttpResponse,
    middleware::{DefaultHeaders, from_fn},
    web::{self, ServiceConfig, delete, get, post, put},
};

/// The base path of the API's version.
const BASE: &str = "/2025-07-01";

pub(crate) fn configure(config: &mut ServiceConfig) {
    config
        .app_data(body::bound())
        .route("/healthz", get().to(health::alive))
        .route("/readyz", get().to(health::ready))
        .service(
            web::scope("")
                .wrap(from_fn(auth::require_token))
                .wrap(
                    DefaultHeaders::new()
                        .add(("x-content-type-options", "nosniff"))
                        .add(("cache-control", "no-store")),
                )
                .route("/metrics", get().to(health::metrics))
                .configure(cluster_verbs)
                .service(web::scope(BASE).configure(nouns).configure(cluster_verbs))
                .default_service(web::to(unknown)),
        );
}

async fn unknown(request: HttpRequest) -> Result<HttpResponse, ApiError> {
    Err(ApiError::unknown_path(request.path()))
}

fn cluster_verbs(config: &mut ServiceConfig) {
    config
        .route("/cluster", get().to(cluster::status))
        .route("/cluster/nodes", post().to(cluster::add_node))
        .route("/cluster/nodes/{id}", delete().to(cluster::remove_node))
        .route("/cluster/leaders/balance", post().to(cluster::balance));
}

fn nouns(config: &mut ServiceConfig) {
    config
        .route("/sources", get().to(sources::list))
        .route("/sources", post().to(sources::create))
        .route("/sources", put().to(sources::upsert))
        .route("/sources/count", get().to(sources::count))
        .route("/sources/{id}", get().to(sources::get))
        .route("/sources/{id}", put().to(sources::update))
        .route("/sources/{id}", delete().to(sources::delete))
        .route("/sources/{id}/enable", put().to(sources::enable))
        .route("/sources/{id}/unarchive", put().to(sources::enable))
        .route("/sources/{id}/disable", put().to(sources::disable))
        .route("/sources/{id}/archive", put().to(sources::disable))
        .route("/destinations", get().to(destinations::list))
        .route("/destinations", post().to(destinations::create))
        .route("/destinations", put().to(destinations::upsert))
        .route("/destinations/count", get().to(destinations::count))
        .route("/destinations/{id}", get().to(destinations::get))
        .route("/destinations/{id}", put().to(destinations::update))
        .route("/destinations/{id}", delete().to(destinations::delete))
        .route("/destinations/{id}/enable", put().to(destinations::enable))
        .route(
            "/destinations/{id}/unarchive",
            put().to(destinations::enable),
        )
        .route(
            "/destinations/{id}/disable",
            put().to(destinations::disable),
        )
        .route(
            "/destinations/{id}/archive",
            put().to(destinations::disable),
        )
        .route("/connections", get().to(connections::list))
        .route("/connections", post().to(connections::create))
        .route("/connections", put().to(connections::upsert))
        .route("/connections/count", get().to(connections::count))
        .route("/connections/{id}", get().to(connections::get))
        .route("/connections/{id}", put().to(connections::update))
        .route("/connections/{id}", delete().to(connections::delete))
        .route("/connections/{id}/enable", put().to(connections::enable))
        .route("/connections/{id}/unarchive", put().to(connections::enable))
        .route("/connections/{id}/disable", put().to(connections::disable))
        .route("/connections/{id}/archive", put().to(connections::disable))
        .route("/connections/{id}/pause", put().to(connections::pause))
        .route("/connections/{id}/unpause", put().to(connections::unpause))
        .route("/requests", get().to(requests::list))
        .route("/requests/{id}", get().to(requests::get))
        .route("/requests/{id}/raw_body", get().to(requests::raw_body))
        .route("/requests/{id}/events", get().to(requests::events))
        .route(
            "/requests/{id}/ignored_events",
            get().to(requests::ignored_events),
        )
        .route("/events", get().to(events::list))
        .route("/events/{id}", get().to(events::get))
        .route("/events/{id}/raw_body", get().to(events::raw_body))
        .route("/events/{id}/retry", post().to(events::retry))
        .route("/events/{id}/cancel", put().to(events::cancel))
        .route("/attempts", get().to(attempts::list))
        .route("/attempts/{id}", get().to(attempts::get));
}
