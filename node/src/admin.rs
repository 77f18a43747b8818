//! The private side: the admin API, the cluster's own verbs, health and metrics.

// The words of the API that handlers speak in.
use api::{
    body, bulk_query, catalog_page, choice, distinct, filter,
    input::{bookmark as bookmark_input, rules, transformation as transformation_input},
    manner, page, query, times,
};

mod api_error;
mod attempts;
mod auth;
mod bookmarks;
mod bulk;
mod changes;
mod cli_sessions;
mod cluster;
mod connections;
mod destinations;
mod event_data;
mod events;
mod executions;
mod extract;
mod freshness;
mod health;
mod issue_data;
mod issue_triggers;
mod issues;
mod notifications;
mod noun;
mod principal;
mod programs;
mod projects;
mod queue_depth;
mod requests;
mod routes;
mod rules_try;
mod sign_in;
mod source_types;
mod sources;
mod stored;
mod tls_check;
mod traffic_data;
mod traffic_page;
mod traffic_scan;
mod transformation_run;
mod transformations;
mod troubles;
mod versions;
mod viewer;

pub use routes::configure;
